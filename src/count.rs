//! Counts: what deliveries and attempts came to, so that nobody has to go through them to know.

use crate::delivery::Standing;
use crate::histogram::Histogram;

/// An hour, in ms: counts are kept by the hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The hour of a moment, counted from 1970.
pub fn hour(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(HOUR_MS)
}

/// A minute, in ms: what an environment lately does is kept by the minute.
pub const MINUTE_MS: i64 = 60_000;

/// The minute of a moment, counted from 1970.
pub fn minute(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(MINUTE_MS)
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
    /// Those that were tried and wait for their next attempt.
    pub retrying: i64,
    /// Attempts that a 2xx answered, by their own hour.
    pub attempts_succeeded: i64,
    /// Attempts that it did not.
    pub attempts_failed: i64,
}

impl Counts {
    /// Deliveries that wait for an attempt.
    pub fn waiting(&self) -> i64 {
        (self.accepted - self.succeeded - self.failed - self.canceled).max(0)
    }

    /// One delivery stood so and stands otherwise now.
    pub fn moved(&mut self, from: Standing, to: Standing) {
        self.of(from, -1);
        self.of(to, 1);
    }

    fn of(&mut self, standing: Standing, change: i64) {
        match standing {
            Standing::Success => self.succeeded += change,
            Standing::Failed => self.failed += change,
            Standing::Canceled => self.canceled += change,
            Standing::Sending => self.retrying += change,
            Standing::Pending => {}
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
        self.retrying += other.retrying;
        self.attempts_succeeded += other.attempts_succeeded;
        self.attempts_failed += other.attempts_failed;
    }
}

/// How long deliveries took, in ms: exact below 16 ms, above within 6.3 %, and 49 days at most.
pub type Took = Histogram<3>;

/// What the deliveries of one environment came to in one minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Deliveries of events that were accepted in it: one for each endpoint that an event goes to of itself.
    pub accepted: i64,
    /// Deliveries that a 2xx ended in it, replayed and resent ones too.
    pub delivered: i64,
    /// Those whose last attempt failed in it.
    pub failed: i64,
    /// Deliveries that wait now, of events that were accepted in it.
    pub waiting: i64,
    /// How long those took that were delivered in it, by their ladder alone: from the event's acceptance, or from the
    /// time at which it was to be delivered, to the end of the attempt that succeeded. Whatever held them up counts: a
    /// rate, a pause, others of their key. What somebody replayed or resent does not.
    pub took: Took,
}

impl Minute {
    /// One of its deliveries stood so and stands otherwise now.
    pub fn moved(&mut self, from: Standing, to: Standing) {
        self.waiting += i64::from(to.waits()) - i64::from(from.waits());
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.waiting += other.waiting;
        self.took.merge(&other.took);
    }
}
