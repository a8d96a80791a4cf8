//! What a batch adds to the counts of endpoints: added up, then put into each hour's row once.

use std::collections::BTreeMap;

use crate::count::{Counts, hour};
use crate::delivery::Status;
use crate::fan_out;
use crate::id::{EndpointId, EventId, Id as _};
use crate::store::{NewRow, Tried};

/// What one batch adds, by endpoint and hour.
#[derive(Debug, Default)]
pub(super) struct Hours(BTreeMap<(EndpointId, i64), Counts>);

impl Hours {
    fn of(&mut self, endpoint: EndpointId, wall_ms: i64) -> &mut Counts {
        self.0.entry((endpoint, hour(wall_ms))).or_default()
    }

    /// An event was accepted.
    pub(super) fn accept(&mut self, row: &NewRow) {
        for endpoint in fan_out::unpack(&row.fan_out).unwrap_or_default() {
            self.add(row.event.id, endpoint);
        }
    }

    /// An event goes to this endpoint.
    pub(super) fn add(&mut self, event: EventId, endpoint: EndpointId) {
        self.of(endpoint, event.time_ms()).accepted += 1;
    }

    /// A delivery went from one status to another.
    pub(super) fn moved(&mut self, event: EventId, endpoint: EndpointId, from: Status, to: Status) {
        if from != to {
            self.of(endpoint, event.time_ms()).moved(from, to);
        }
    }

    /// An attempt ended; its delivery stood so before.
    pub(super) fn tried(&mut self, tried: &Tried, before: Status) {
        self.of(tried.endpoint, tried.attempt.id.time_ms()).tried(tried.attempt.succeeded());
        self.moved(tried.event, tried.endpoint, before, tried.delivery.status);
    }

    /// Each endpoint and hour with what the batch adds.
    pub(super) fn into_rows(self) -> impl Iterator<Item = ((EndpointId, i64), Counts)> {
        self.0.into_iter()
    }
}
