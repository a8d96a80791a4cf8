//! Paces: how many requests a second each caller may make.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind, Result};

/// How many callers are remembered; all begin anew when there are more.
const CALLERS_MAX: usize = 16_384;
/// What one request costs, in thousandths: a caller earns its rate in thousandths each millisecond.
const COST: i64 = 1_000;

/// What each caller may still ask.
#[derive(Default)]
pub(super) struct Paces {
    purses: Mutex<HashMap<i64, Purse>>,
}

struct Purse {
    /// In thousandths of a request.
    left: i64,
    at_ms: i64,
}

impl Paces {
    /// Lets one request through; a second's worth may come at once. Error: 429.
    pub(super) fn take(&self, caller: i64, rate: u32, now_ms: i64) -> Result<()> {
        let rate = i64::from(rate);
        let mut purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
        if purses.len() >= CALLERS_MAX && !purses.contains_key(&caller) {
            purses.clear();
        }
        let purse = purses.entry(caller).or_insert(Purse { left: rate * COST, at_ms: now_ms });
        let earned = (now_ms - purse.at_ms).max(0).saturating_mul(rate);
        purse.left = purse.left.saturating_add(earned).min(rate * COST);
        purse.at_ms = now_ms;
        if purse.left >= COST {
            purse.left -= COST;
            return Ok(());
        }
        let detail = format!("this key may make {rate} requests a second; wait a second, then go on");
        Err(Error::new(Kind::Throttled, "rate_limit", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_brings_as_many_requests_as_the_rate_says() {
        let paces = Paces::default();
        let count = |now_ms| (0..100).filter(|_| paces.take(1, 10, now_ms).is_ok()).count();
        assert_eq!([count(0), count(500), count(500), count(60_000)], [10, 5, 0, 10]);
        assert!(paces.take(2, 1, 60_000).is_ok() && paces.take(2, 1, 60_000).is_err());
    }
}
