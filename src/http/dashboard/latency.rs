//! How long deliveries take from acceptance to a receiver's 2xx: asked of the newest ones, so that nobody has to count.

use crate::attempt::Trigger;
use crate::error::Result;
use crate::id::{AttemptId, EnvironmentId, EventId, Id as _};
use crate::store::{AttemptsOf, Filter, Page, Search, Store};

/// Of how many of the newest events.
const EVENTS: usize = 250;
/// How many deliveries of one event count.
const DELIVERIES: usize = 10;

/// How long the newest deliveries took, in ms, the quickest first.
pub(super) fn newest(store: &dyn Store, environment: EnvironmentId) -> Result<Vec<i64>> {
    let page = Page { after: None::<EventId>, descending: true, limit: EVENTS };
    let taken = Filter { succeeded: Some(true), ..Filter::default() };
    let mut took = Vec::new();
    for event in store.search(environment, page, &Search::default())?.listed.rows {
        if event.deliver_at_ms().is_some() {
            continue; // it waited because somebody wanted it to
        }
        let page = Page { after: None::<AttemptId>, descending: false, limit: DELIVERIES };
        for row in store.attempts(AttemptsOf::Event(event.id), page, &taken)?.rows {
            if row.attempt.trigger == Trigger::Scheduled {
                let ended_ms = row.attempt.started_ms + i64::from(row.attempt.duration_ms);
                took.push((ended_ms - event.id.time_ms()).max(0));
            }
        }
    }
    took.sort_unstable();
    Ok(took)
}

/// The value that so many percent of the values do not exceed; `None` of none.
pub(super) fn percentile(took: &[i64], percent: usize) -> Option<i64> {
    let place = (took.len() * percent).div_ceil(100).checked_sub(1)?;
    took.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        let took: Vec<i64> = (1..=200).collect();
        assert_eq!([50, 95, 99, 100].map(|percent| percentile(&took, percent)), [100, 190, 198, 200].map(Some));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (Some(7), Some(7), None));
    }
}
