//! Time as a parameter: a steady scale for waiting, the wall clock for writing down.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One moment on both scales, in ms since 1970.
///
/// `steady_ms` equals the wall clock when the process starts and never jumps: everything that waits uses it.
/// `wall_ms` follows the machine's clock: ids, time stamps and signatures use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For due times and ages.
    pub steady_ms: i64,
    /// For what others read.
    pub wall_ms: i64,
}

/// Tells the time; the simulator and the tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// This moment.
    fn now(&self) -> Now;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_wall_ms: i64,
}

impl SystemClock {
    /// Reads both scales once; they agree at this moment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn start() -> Self {
        Self { started: Instant::now(), started_wall_ms: wall_ms() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Now { steady_ms: self.started_wall_ms.saturating_add(passed), wall_ms: wall_ms() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
