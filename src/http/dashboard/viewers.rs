//! Who looks live: so many at one time, since each of them reads the newest events again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many people look live at one time.
pub(super) const VIEWERS_MAX: usize = 64;
/// After how long without reading somebody looks no more, in ms.
const SEEN_MS: i64 = 10_000;

/// When each session last read live, in ms on the steady scale.
#[derive(Default)]
pub struct Viewers {
    seen: Mutex<HashMap<[u8; 32], i64>>,
}

impl Viewers {
    /// Lets a session look live while there is room; gives whether there is.
    pub(super) fn enter(&self, session: [u8; 32], now_ms: i64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, at_ms| now_ms - *at_ms < SEEN_MS);
        if seen.len() >= VIEWERS_MAX && !seen.contains_key(&session) {
            return false;
        }
        seen.insert(session, now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_again_when_somebody_has_left() {
        let viewers = Viewers::default();
        let session = |nth: usize| [u8::try_from(nth).expect("few"); 32];
        assert!((0..VIEWERS_MAX).all(|nth| viewers.enter(session(nth), 0)));
        assert!(!viewers.enter(session(VIEWERS_MAX), 1));
        assert!((1..VIEWERS_MAX).all(|nth| viewers.enter(session(nth), 5_000)));
        assert!(!viewers.enter(session(VIEWERS_MAX), SEEN_MS - 1));
        assert!(viewers.enter(session(VIEWERS_MAX), SEEN_MS));
        assert!(!viewers.enter(session(0), SEEN_MS));
    }
}
