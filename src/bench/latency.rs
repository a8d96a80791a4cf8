//! How long things took: the benchmark's one reading of the clock, and what is said of the durations it measured.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::histogram;

/// Durations below 256 microseconds are kept exactly, longer ones within 0.4 %.
const OCTAVE_BITS: u32 = 7;

/// Reads the clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine it runs on, so only the real clock will do"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// A count of durations in microseconds: 26 KiB at most, whatever it is fed.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    took_us: histogram::Histogram<OCTAVE_BITS>,
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
        Self::default()
    }

    /// Adds one duration; whatever exceeds 71 minutes counts as 71 minutes.
    pub fn record(&mut self, duration: Duration) {
        let us = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        self.took_us.add(us);
        self.max_us = self.max_us.max(us);
    }

    /// The duration in microseconds that `per_mille` of 1,000 do not exceed; 0 when nothing was recorded.
    #[must_use]
    pub fn quantile_us(&self, per_mille: u64) -> u32 {
        self.took_us.quantile(per_mille).unwrap_or(0).min(self.max_us)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_quantile_exceeds_the_longest() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::from_secs(3));
        // the first of its slot, whose middle is longer
        histogram.record(Duration::from_micros(1 << 23));
        assert_eq!(histogram.quantile_us(1000), 1 << 23);
        assert!(histogram.quantile_us(500).abs_diff(3_000_000) < 12_000);
        assert_eq!(Histogram::new().latencies(), Latencies::default());
    }
}
