//! Counts: what deliveries and attempts came to, so that nobody has to go through them to know.

use crate::delivery::Status;

/// An hour, in ms: counts are kept by the hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The hour of a moment, counted from 1970.
pub fn hour(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(HOUR_MS)
}

/// What the deliveries and the attempts of one endpoint in one stretch of time came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries, by the hour of their events.
    pub accepted: i64,
    /// Those that a 2xx ended.
    pub succeeded: i64,
    /// Those whose ladder is used up.
    pub failed: i64,
    /// Those that ended because their endpoint or their payload is gone.
    pub canceled: i64,
    /// Attempts that a 2xx answered, by their own hour.
    pub attempts_succeeded: i64,
    /// Attempts that it did not.
    pub attempts_failed: i64,
}

impl Counts {
    /// Deliveries that wait for an attempt.
    pub fn pending(&self) -> i64 {
        (self.accepted - self.succeeded - self.failed - self.canceled).max(0)
    }

    /// One delivery went from one status to another.
    pub fn moved(&mut self, from: Status, to: Status) {
        self.of(from, -1);
        self.of(to, 1);
    }

    fn of(&mut self, status: Status, change: i64) {
        match status {
            Status::Success => self.succeeded += change,
            Status::Failed => self.failed += change,
            Status::Canceled => self.canceled += change,
            Status::Pending => {}
        }
    }

    /// One attempt ended.
    pub fn tried(&mut self, succeeded: bool) {
        if succeeded {
            self.attempts_succeeded += 1;
        } else {
            self.attempts_failed += 1;
        }
    }

    /// Adds what another stretch came to.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.canceled += other.canceled;
        self.attempts_succeeded += other.attempts_succeeded;
        self.attempts_failed += other.attempts_failed;
    }
}
