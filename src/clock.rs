//! Time as a parameter: a steady scale for waiting, the wall clock for writing down.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// When a read of the machine's own disk is given up; what it decides is never written down.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Whether the time is over.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn has_passed(&self) -> bool {
        Instant::now() >= self.0
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
