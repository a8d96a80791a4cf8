//! The inspectors that there are now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Result};
use crate::inbound::Terms;
use crate::inspector::{Inspector, Reply, Seen};
use crate::provider::Provider;

/// How many inspectors there are at one time.
const INSPECTORS_MAX: usize = 20;
/// How many requests wait for their delayed answer at one time; more are answered 503.
const WAITING_MAX: usize = 64;

/// The inspectors that there are now.
pub struct Inspectors {
    living: Mutex<Vec<Inspector>>,
    waiting: Semaphore,
}

impl Default for Inspectors {
    fn default() -> Self {
        Self { living: Mutex::default(), waiting: Semaphore::new(WAITING_MAX) }
    }
}

impl Inspectors {
    /// Takes a new one up. Error: there are too many.
    pub(super) fn put(&self, inspector: Inspector, now_ms: i64) -> Result<()> {
        let mut living = self.living(now_ms);
        if living.len() >= INSPECTORS_MAX {
            let detail = format!("There are {INSPECTORS_MAX} inspectors already, as many as there can be; delete one.");
            return Err(Error::conflict(detail));
        }
        living.push(inspector);
        Ok(())
    }

    /// All of them, the newest first, as `look` sees them.
    pub(super) fn all<T>(&self, now_ms: i64, look: impl Fn(&Inspector) -> T) -> Vec<T> {
        self.living(now_ms).iter().rev().map(look).collect()
    }

    /// One of them, as `look` sees it; `None` when there is none.
    pub(super) fn one<T>(&self, token: &str, now_ms: i64, look: impl FnOnce(&Inspector) -> T) -> Option<T> {
        self.living(now_ms).iter().find(|inspector| inspector.token == token).map(look)
    }

    /// How requests to it prove themselves, where somebody asked; `None` when there is none.
    pub(super) fn proof(&self, token: &str, now_ms: i64) -> Option<Option<(Provider, Terms)>> {
        self.one(token, now_ms, |inspector| inspector.proof.clone())
    }

    /// Keeps a request; gives what it is answered. `None` when there is no such inspector.
    pub(super) fn keep(&self, token: &str, seen: Seen) -> Option<Reply> {
        let mut living = self.living(seen.at_ms);
        let inspector = living.iter_mut().find(|inspector| inspector.token == token)?;
        inspector.keep(seen);
        Some(inspector.reply.clone())
    }

    /// A place to wait in; `None` when all are taken.
    pub(super) fn wait(&self) -> Option<SemaphorePermit<'_>> {
        self.waiting.try_acquire().ok()
    }

    /// Ends one. Error: 404.
    pub(super) fn end(&self, token: &str, now_ms: i64) -> Result<()> {
        let mut living = self.living(now_ms);
        let place = living.iter().position(|inspector| inspector.token == token).ok_or_else(Error::not_found)?;
        living.remove(place);
        Ok(())
    }

    /// Those that have not ended; the others go.
    fn living(&self, now_ms: i64) -> MutexGuard<'_, Vec<Inspector>> {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.retain(|inspector| now_ms < inspector.expires_ms);
        living
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;
    use crate::inspector::LIFE_MS;

    #[test]
    fn twenty_live_for_a_day_each() {
        let (inspectors, mut rng) = (Inspectors::default(), rand::rngs::StdRng::seed_from_u64(1));
        let mut put = |at_ms| {
            let inspector = Inspector::new("", "ana", at_ms, &mut rng).expect("a short name");
            let token = inspector.token.clone();
            inspectors.put(inspector, at_ms).map(|()| token)
        };
        let tokens: Vec<String> = (0..20).map(|at_ms| put(at_ms).expect("one of twenty")).collect();
        assert!(put(20).is_err());
        let knows = |token: &str, at_ms| inspectors.one(token, at_ms, |_| ()).is_some();
        assert!(knows(&tokens[0], LIFE_MS - 1) && !knows(&tokens[0], LIFE_MS) && knows(&tokens[1], LIFE_MS));
        assert!(put(LIFE_MS).is_ok());
        assert!(inspectors.end(&tokens[1], LIFE_MS).is_ok() && inspectors.end(&tokens[1], LIFE_MS).is_err());
    }
}
