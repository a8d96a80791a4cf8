//! What a batch adds to counts: those of endpoints by the hour, those of environments by the minute; added up, so that
//! each row is written once.

use std::collections::BTreeMap;

use crate::count::{Counts, Minute, hour, minute};
use crate::delivery::Standing;
use crate::fan_out;
use crate::id::{EndpointId, EventId, Id as _};
use crate::store::{NewRow, Tried};

/// How long the counts of minutes are kept: 3 hours. The last one is drawn; deliveries that wait longer are found by the
/// hour.
pub const COUNT_MINUTES: i64 = 3 * 60;
/// How many rows of minutes one [`super::Op::Forget`] deletes: small ones that stand side by side. Six of them a minute
/// keep up with 30,000 environments.
pub(super) const MINUTE_ROWS_FORGOTTEN_MAX: usize = 5_000;

/// What one batch adds.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By endpoint and hour.
    hours: BTreeMap<(EndpointId, i64), Counts>,
    /// By minute and endpoint: whoever writes them knows whose environment that is.
    minutes: BTreeMap<(i64, EndpointId), Minute>,
}

impl Counted {
    fn hour_of(&mut self, endpoint: EndpointId, wall_ms: i64) -> &mut Counts {
        self.hours.entry((endpoint, hour(wall_ms))).or_default()
    }

    fn minute_of(&mut self, endpoint: EndpointId, wall_ms: i64) -> &mut Minute {
        self.minutes.entry((minute(wall_ms), endpoint)).or_default()
    }

    /// An event was accepted.
    pub(super) fn accept(&mut self, row: &NewRow) {
        for endpoint in fan_out::unpack(&row.fan_out).unwrap_or_default() {
            self.add(row.event.id, endpoint);
            self.minute_of(endpoint, row.event.id.time_ms()).accepted += 1;
        }
    }

    /// An event goes to this endpoint.
    pub(super) fn add(&mut self, event: EventId, endpoint: EndpointId) {
        self.hour_of(endpoint, event.time_ms()).accepted += 1;
        self.minute_of(endpoint, event.time_ms()).waiting += 1;
    }

    /// A delivery stood so and stands otherwise now.
    pub(super) fn moved(&mut self, event: EventId, endpoint: EndpointId, from: Standing, to: Standing) {
        if from != to {
            self.hour_of(endpoint, event.time_ms()).moved(from, to);
            self.minute_of(endpoint, event.time_ms()).moved(from, to);
        }
    }

    /// An attempt ended; its delivery stood so before, and took its time from `since_ms` on, where that counts.
    pub(super) fn tried(&mut self, tried: &Tried, before: Standing, since_ms: Option<i64>) {
        let (endpoint, attempt, after) = (tried.endpoint, &tried.attempt, tried.delivery.standing());
        self.hour_of(endpoint, attempt.began_ms()).tried(attempt.succeeded());
        if before == after {
            return;
        }
        self.moved(tried.event, endpoint, before, after);
        let minute = self.minute_of(endpoint, attempt.ended_ms());
        match after {
            Standing::Success => minute.delivered += 1,
            Standing::Failed => minute.failed += 1,
            Standing::Pending | Standing::Sending | Standing::Canceled => {}
        }
        if let Some(since_ms) = since_ms {
            let took_ms = attempt.started_ms + i64::from(attempt.duration_ms) - since_ms;
            minute.took.add(u32::try_from(took_ms.max(0)).unwrap_or(u32::MAX));
        }
    }

    /// What the batch adds to each endpoint and hour, and to each minute and endpoint that is still kept.
    pub(super) fn into_rows(self, wall_ms: i64) -> (BTreeMap<(EndpointId, i64), Counts>, Minutes) {
        let Self { hours, mut minutes } = self;
        let kept = minutes.split_off(&(oldest_minute(wall_ms), EndpointId::new(i64::MIN)));
        (hours, kept)
    }
}

/// What a batch adds, by minute and endpoint.
pub(super) type Minutes = BTreeMap<(i64, EndpointId), Minute>;

/// The oldest minute that is kept.
pub(super) fn oldest_minute(wall_ms: i64) -> i64 {
    minute(wall_ms) - COUNT_MINUTES + 1
}

/// Whether it counts how long a delivery took that stood so before: it was delivered now, by its ladder alone. A replay
/// begins the ladder anew, a resend uses none of its steps.
pub(super) fn is_timed(tried: &Tried, before: Standing) -> bool {
    let delivery = &tried.delivery;
    before != Standing::Success && delivery.standing() == Standing::Success && delivery.step == delivery.attempts
}

/// Whether a delivery was in memory alone until its first attempt ended: then it is one that its event was accepted
/// with, to be made at once.
pub(super) fn is_fresh(tried: &Tried) -> bool {
    tried.was_due_ms.is_none() && tried.delivery.attempts == 1
}

/// When a delivery began: with its event, or at the time at which that was to be delivered; `None` for one that was made
/// later, where the event did not go.
pub(super) fn since(event: EventId, endpoint: EndpointId, fan_out: &[u8], deliver_at_ms: Option<i64>) -> Option<i64> {
    let went = fan_out::unpack(fan_out).is_some_and(|endpoints| endpoints.contains(&endpoint));
    went.then(|| deliver_at_ms.unwrap_or(event.time_ms()))
}
