//! The books of applications and endpoints: how clients know them, and when what was sent there allows more.

use std::collections::VecDeque;

use super::news::Hearing;
use crate::application::Application;
use crate::endpoint::Endpoint;

/// After so many attempts without an answer an endpoint may rest, and how long at most, in ms.
const SILENT_UNTIL_REST: u32 = 10;
const REST_MS_MAX: i64 = 30_000;

/// An application as clients know it.
pub(in crate::sim) struct ApplicationBook {
    pub(in crate::sim) seen: Application,
    pub(in crate::sim) deleted: bool,
    /// The number of the application that hears what happens to its endpoints.
    pub(in crate::sim) hearer: Option<usize>,
    pub(super) begun_ms: VecDeque<i64>,
}

impl ApplicationBook {
    pub(in crate::sim) fn new(seen: Application) -> Self {
        Self { seen, deleted: false, hearer: None, begun_ms: VecDeque::new() }
    }

    /// When its rate allows the next attempt of one of its endpoints, at the latest: when each of them had its turn.
    pub(super) fn free_again_ms(&self, endpoints: usize) -> i64 {
        let turns = i64::try_from(endpoints).unwrap_or(i64::MAX) + 1;
        let (rate, begun_ms) = (self.seen.throttle_rate.map_or(i64::MAX, i64::from), self.begun_ms.back());
        begun_ms.map_or(i64::MIN, |begun_ms| begun_ms + turns * (1_000 / rate + 1))
    }
}

/// An endpoint as clients were last told it is.
pub(in crate::sim) struct EndpointBook {
    pub(in crate::sim) seen: Endpoint,
    /// Asked for, and nobody was told that it exists.
    pub(in crate::sim) unborn: bool,
    /// Changes that were asked for and not answered.
    pub(in crate::sim) changes: u32,
    pub(super) in_flight: usize,
    /// It said 410 and no setting of it was on its way: nothing may be sent any more.
    pub(super) gone: bool,
    /// The engine may have switched it off, and nobody can know yet: who hears of that.
    pub(super) doubtful: Option<Hearing>,
    /// When it last had nothing in flight, could be read, was switched on, or did well; on the steady scale.
    pub(super) quiet_since_ms: i64,
    pub(super) readable_since_ms: i64,
    pub(super) enabled_since_ms: i64,
    pub(super) good_since_ms: i64,
    /// How many attempts have brought no answer since one did, and when the last of them ended.
    pub(super) silent: u32,
    pub(super) silent_ms: i64,
    /// Until when an attempt that never left the machine may put others off.
    pub(super) put_off_ms: i64,
    /// When its last attempts began, a second's at most; for those whose rate is limited.
    pub(super) begun_ms: VecDeque<i64>,
}

impl EndpointBook {
    /// When its rate allows the next attempt, at the latest.
    pub(super) fn free_again_ms(&self) -> i64 {
        let rate = self.seen.handling.throttle_rate.map_or(i64::MAX, i64::from);
        self.begun_ms.back().map_or(i64::MIN, |begun_ms| begun_ms + 1_000 / rate + 1)
    }

    /// When an endpoint that does not answer has rested enough, at the latest.
    pub(super) fn rested_ms(&self) -> i64 {
        if self.silent < SILENT_UNTIL_REST { i64::MIN } else { self.silent_ms + REST_MS_MAX }
    }
}
