//! What is asked across all applications of an environment.

use std::collections::BTreeMap;

use super::list::{matches_event, scan, within};
use super::{Memory, Tables};
use crate::application::Application;
use crate::count::Counts;
use crate::endpoint::{Endpoint, State};
use crate::error::Result;
use crate::event::Event;
use crate::id::{EnvironmentId, EventId, Id as _};
use crate::store::{Across, Filter, Listed, Overview, Page, SCAN_ROWS_MAX, TROUBLED_MAX, Troubled};

impl Across for Memory {
    fn overview(&self, environment: EnvironmentId, hours: (i64, i64)) -> Result<Overview> {
        Ok(overview(&self.tables(), environment, hours))
    }

    fn all_events(&self, environment: EnvironmentId, page: Page<EventId>, filter: &Filter) -> Result<Listed<Event>> {
        let tables = self.tables();
        let all = tables.events.values().map(|row| &row.event).collect();
        let rows = within(all, page, filter, |event: &Event| event.id.value());
        let is_here = |event: &Event| {
            tables.applications.get(&event.application).is_some_and(|row| row.environment == environment)
        };
        let fits = |event: &Event| matches_event(filter, event) && is_here(event);
        let mut listed = scan(&rows, (&page, SCAN_ROWS_MAX), |event| event.id.value(), fits);
        listed.rows.iter_mut().for_each(|event| event.body = bytes::Bytes::new());
        Ok(listed)
    }

    fn owner(&self, environment: EnvironmentId, event: EventId) -> Result<Option<Application>> {
        let tables = self.tables();
        let owner = tables.events.get(&event).and_then(|row| tables.applications.get(&row.event.application));
        Ok(owner.filter(|row| row.environment == environment).cloned())
    }
}

fn overview(tables: &Tables, environment: EnvironmentId, (from, to): (i64, i64)) -> Overview {
    let owner = |endpoint: &Endpoint| {
        tables.applications.get(&endpoint.application).filter(|row| row.environment == environment)
    };
    let mut hours = BTreeMap::<i64, Counts>::new();
    let mut waiting_since = None::<i64>;
    for ((endpoint, hour), counts) in &tables.hours {
        if tables.endpoints.get(endpoint).and_then(owner).is_none() {
            continue;
        }
        if (from..=to).contains(hour) {
            hours.entry(*hour).or_default().add(counts);
        }
        if counts.pending() > 0 {
            waiting_since = Some(waiting_since.map_or(*hour, |since| since.min(*hour)));
        }
    }
    let trouble = |row: &Endpoint| {
        let owner = owner(row).filter(|owner| !owner.deleted && row.state != State::Deleted)?;
        let (name, url) = (owner.name.clone(), row.url.clone());
        let since_ms = row.health.failing_since_ms?;
        Some(Troubled { application: owner.id, name, endpoint: row.id, url, state: row.state, since_ms })
    };
    let mut troubled: Vec<_> = tables.endpoints.values().filter_map(trouble).collect();
    troubled.sort_by_key(|row| (row.since_ms, row.endpoint));
    let troubled_count = u64::try_from(troubled.len()).unwrap_or(u64::MAX);
    troubled.truncate(TROUBLED_MAX);
    Overview { hours: hours.into_iter().collect(), waiting_since, troubled, troubled_count }
}
