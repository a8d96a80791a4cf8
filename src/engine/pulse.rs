//! The writer's pulse: whether commits go through, as those see it who ask whether anything can be accepted.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A commit that takes longer is stuck: 2 s, a thousand times what a sync takes.
const COMMIT_MS_MAX: i64 = 2_000;
/// A success counts for so long; then only another one shows that commits go through still.
const FRESH_MS: i64 = 1_000;
/// What stands in place of a moment while there is none.
const NEVER: i64 = i64::MIN;

/// What is known of the writer.
#[derive(Debug)]
pub struct Pulse {
    /// Since when a commit is under way, on the steady scale.
    since_ms: AtomicI64,
    /// When the last one went through.
    through_ms: AtomicI64,
    /// Why the last one did not.
    refused: Mutex<Option<String>>,
}

impl Default for Pulse {
    fn default() -> Self {
        let never = || AtomicI64::new(NEVER);
        Self { since_ms: never(), through_ms: never(), refused: Mutex::default() }
    }
}

impl Pulse {
    pub(super) fn begun(&self, now_ms: i64) {
        self.since_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The commit ended: it went through, or why not.
    pub(super) fn ended(&self, now_ms: i64, refused: Option<String>) {
        if refused.is_none() {
            self.through_ms.store(now_ms, Ordering::Relaxed);
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        self.since_ms.store(NEVER, Ordering::Relaxed);
    }

    /// Whether a commit went through just now, on the steady scale.
    pub fn is_fresh(&self, now_ms: i64) -> bool {
        self.through_ms.load(Ordering::Relaxed) > now_ms - FRESH_MS && self.trouble(now_ms).is_none()
    }

    /// Why nothing can be written at this moment, on the steady scale.
    pub fn trouble(&self, now_ms: i64) -> Option<String> {
        let since_ms = self.since_ms.load(Ordering::Relaxed);
        if since_ms != NEVER && now_ms - since_ms > COMMIT_MS_MAX {
            return Some(format!("the disk has not taken a commit for {} ms", now_ms - since_ms));
        }
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().map(|why| format!("nothing can be written: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_takes_long_or_fails_is_trouble_until_one_goes_through() {
        let pulse = Pulse::default();
        assert!(pulse.trouble(0).is_none() && !pulse.is_fresh(0));
        pulse.begun(0);
        assert!(pulse.trouble(2_000).is_none());
        assert!(pulse.trouble(2_001).is_some_and(|why| why.contains("2001 ms")));
        pulse.ended(2_001, Some("full".to_owned()));
        assert!(pulse.trouble(2_002).is_some_and(|why| why.contains("full")));
        pulse.begun(2_003);
        pulse.ended(2_004, None);
        assert!(pulse.trouble(2_005).is_none() && pulse.is_fresh(2_005) && !pulse.is_fresh(3_004));
    }
}
