//! How long things took: the benchmark's one reading of the clock, a histogram of fixed size, and what is said of it.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Values below `2 * SLOTS_PER_OCTAVE` microseconds are kept exactly, larger ones within 0.8 %.
const SLOTS_PER_OCTAVE: u32 = 1 << OCTAVE_BITS;
const OCTAVE_BITS: u32 = 7;
/// Slots that cover every `u32` of microseconds, which is 71 minutes.
const SLOTS: usize = ((32 - OCTAVE_BITS) as usize + 1) << OCTAVE_BITS;

/// Reads the clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine it runs on, so only the real clock will do"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// A count of durations by logarithmic slot: 26 KiB, whatever it is fed.
#[derive(Debug, Clone)]
pub struct Histogram {
    slots: Vec<u64>,
    count: u64,
    max_us: u32,
}

/// The usual quantiles of a histogram; all in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latencies {
    /// Half were at most this long.
    pub p50: f64,
    /// 95 of 100 were at most this long.
    pub p95: f64,
    /// 99 of 100 were at most this long.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: vec![0; SLOTS], count: 0, max_us: 0 }
    }

    /// Adds one duration; whatever exceeds 71 minutes counts as 71 minutes.
    pub fn record(&mut self, duration: Duration) {
        let us = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        self.slots[slot(us)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// The duration in microseconds that `per_mille` of 1,000 do not exceed; 0 when nothing was recorded.
    #[must_use]
    pub fn quantile_us(&self, per_mille: u64) -> u32 {
        let rank = (self.count * per_mille).div_ceil(1000).max(1);
        let mut below = 0;
        for (index, in_slot) in self.slots.iter().enumerate() {
            below += in_slot;
            if below >= rank {
                return middle_us(index).min(self.max_us);
            }
        }
        self.max_us
    }

    /// The quantiles that a report shows.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        let ms = |us: u32| f64::from(us) / 1000.0;
        Latencies {
            p50: ms(self.quantile_us(500)),
            p95: ms(self.quantile_us(950)),
            p99: ms(self.quantile_us(990)),
            max: ms(self.max_us),
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// The slot of a duration: octave by octave, `SLOTS_PER_OCTAVE` steps in each.
fn slot(us: u32) -> usize {
    let shift = (u32::BITS - us.leading_zeros()).saturating_sub(OCTAVE_BITS + 1);
    (shift * SLOTS_PER_OCTAVE + (us >> shift)) as usize
}

/// The middle of a slot, the inverse of `slot`.
fn middle_us(index: usize) -> u32 {
    let index = u32::try_from(index).expect("there are fewer than 2^32 slots");
    let shift = (index >> OCTAVE_BITS).saturating_sub(1);
    let low = (index - shift * SLOTS_PER_OCTAVE) << shift;
    low + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_lies_within_one_percent() {
        for us in (0..32).flat_map(|bit| [1_u32 << bit, (1 << bit) + (1 << bit) / 3, u32::MAX >> bit]) {
            let middle = middle_us(slot(us));
            assert!(middle.abs_diff(us) <= us / 128, "{us} became {middle}");
        }
        assert_eq!(slot(u32::MAX), SLOTS - 1);
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut histogram = Histogram::new();
        for us in 1..=100 {
            histogram.record(Duration::from_micros(us));
        }
        assert_eq!([500, 950, 990, 1000].map(|rank| histogram.quantile_us(rank)), [50, 95, 99, 100]);
        assert_eq!(Histogram::new().latencies(), Latencies::default());
    }
}
