//! Minutes: what a batch adds to those of environments, and what they come to.

use super::Tables;
use crate::count::Minute;
use crate::delivery::Standing;
use crate::id::{EndpointId, EnvironmentId, Id};
use crate::store::counted::{self, MINUTE_ROWS_FORGOTTEN_MAX, Minutes};
use crate::store::{COUNT_MINUTES, Tried};

/// From when on a delivery took its time; `None` when that does not count.
pub(super) fn since(tables: &Tables, tried: &Tried, before: Standing) -> Option<i64> {
    if !counted::is_timed(tried, before) {
        return None;
    }
    if counted::is_fresh(tried) {
        return Some(tried.event.time_ms());
    }
    let row = tables.events.get(&tried.event)?;
    counted::since(tried.event, tried.endpoint, &row.fan_out, row.event.deliver_at_ms())
}

pub(super) fn write(tables: &mut Tables, minutes: Minutes) {
    for ((minute, endpoint), counts) in minutes {
        if let Some(environment) = home(tables, endpoint) {
            tables.minutes.entry((minute, environment)).or_default().add(&counts);
        }
    }
}

/// Of which environment an endpoint is.
fn home(tables: &Tables, endpoint: EndpointId) -> Option<EnvironmentId> {
    let application = tables.endpoints.get(&endpoint)?.application;
    tables.applications.get(&application).map(|row| row.environment)
}

pub(super) fn list(tables: &Tables, environment: EnvironmentId, (from, to): (i64, i64)) -> Vec<(i64, Minute)> {
    let minutes = from.max(to - COUNT_MINUTES + 1)..=to;
    let row = |minute| tables.minutes.get(&(minute, environment)).map(|counts| (minute, counts.clone()));
    minutes.filter_map(row).collect()
}

/// Lets minutes go that are kept no longer, the oldest first.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    let end = (counted::oldest_minute(wall_ms), EnvironmentId::new(i64::MIN));
    let old: Vec<_> = tables.minutes.range(..end).take(MINUTE_ROWS_FORGOTTEN_MAX).map(|(key, _)| *key).collect();
    for key in old {
        tables.minutes.remove(&key);
    }
}
