//! A breaker: an endpoint that does not answer, again and again, rests between one probe and the next.
//!
//! Deliveries that wait keep their place on the ladder; the first answer, whatever it says, lets them flow again.

use std::ops::RangeInclusive;

/// After so many attempts in a row without an answer an endpoint rests. One is worn off after so long, in ms: a few
/// deliveries that fail keep to their ladder, however short its waits.
const FAILURES_MAX: i64 = 10;
const WEAR_MS: i64 = 500;
/// How long it rests at first, and at most; each probe that fails doubles it. In ms.
const REST_MS: RangeInclusive<i64> = 1_000..=30_000;
/// How many attempts somebody who asks for one has for free: one of them may be another's, which was next.
const GRACE: u8 = 2;

/// One endpoint's breaker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    /// How long the attempts without an answer took to wear off when the last of them ended, and when that was.
    wear_ms: i64,
    failed_ms: i64,
    rest_ms: i64,
    until_ms: i64,
    grace: u8,
}

impl Breaker {
    /// Until when the endpoint rests, in ms on the steady scale; `None` for not at all.
    pub(super) fn until(&self, now_ms: i64) -> Option<i64> {
        Some(self.until_ms).filter(|until_ms| *until_ms > now_ms)
    }

    /// An attempt brought no answer; `speed` is how many times faster than written all waits pass.
    pub(super) fn failed(&mut self, now_ms: i64, speed: i64) {
        let worn_ms = now_ms.saturating_sub(self.failed_ms).saturating_mul(speed);
        self.wear_ms = (self.wear_ms - worn_ms).max(0) + WEAR_MS;
        self.failed_ms = now_ms;
        let dead = self.rest_ms > 0 || self.wear_ms >= FAILURES_MAX * WEAR_MS;
        if self.grace > 0 {
            self.grace -= 1;
        } else if dead && self.until(now_ms).is_none() {
            // what was on its way when the rest began says nothing new
            self.rest_ms = (self.rest_ms * 2).clamp(*REST_MS.start(), *REST_MS.end());
            self.until_ms = now_ms + self.rest_ms / speed;
        }
    }

    /// The endpoint answered, or is another one now.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }

    /// Somebody asks for an attempt: it is made now.
    pub(super) fn knock(&mut self) {
        (self.until_ms, self.grace) = (0, GRACE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a dead endpoint is tried within so long, at this pace while it does not rest.
    fn attempts(breaker: &mut Breaker, every_ms: i64, long_ms: i64) -> Vec<i64> {
        let (mut now_ms, mut made) = (0, Vec::new());
        while now_ms < long_ms {
            made.push(now_ms);
            breaker.failed(now_ms, 1);
            now_ms = breaker.until(now_ms).unwrap_or(now_ms + every_ms);
        }
        made
    }

    #[test]
    fn a_dead_endpoint_is_probed_ever_more_rarely_and_at_least_twice_a_minute() {
        let made = attempts(&mut Breaker::default(), 1, 600_000);
        let waits: Vec<_> = made.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waits[..16], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
        assert!(made.len() < 40, "{}", made.len());
    }

    #[test]
    fn a_few_deliveries_keep_to_their_ladder_and_one_success_ends_the_rest() {
        assert_eq!(attempts(&mut Breaker::default(), 500, 60_000).len(), 120);
        let mut breaker = Breaker::default();
        attempts(&mut breaker, 10, 20_000);
        assert!(breaker.until(20_000).is_some());
        breaker.close();
        assert!(breaker.until(20_000).is_none());
        breaker.failed(20_000, 1);
        assert!(breaker.until(20_000).is_none(), "it begins anew");
    }

    #[test]
    fn where_all_waits_pass_faster_failures_wear_off_faster() {
        let mut breaker = Breaker::default();
        let rests = (0..100).filter(|ms| {
            breaker.failed(*ms, 3_600);
            breaker.until(*ms).is_some()
        });
        assert_eq!(rests.count(), 0);
    }

    #[test]
    fn who_knocks_has_two_attempts_at_once_and_the_rest_goes_on() {
        let mut breaker = Breaker::default();
        attempts(&mut breaker, 1, 3_000);
        breaker.knock();
        let rests = |breaker: &mut Breaker| {
            breaker.failed(3_000, 1);
            breaker.until(3_000)
        };
        assert_eq!([rests(&mut breaker), rests(&mut breaker), rests(&mut breaker)], [None, None, Some(7_000)]);
    }
}
