//! What is asked across all applications of an environment.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::delivery::destinations;
use super::list::{matches_event, within};
use super::{Memory, Tables, minute};
use crate::application::Application;
use crate::count::{Counts, Minute};
use crate::delivery::Standing;
use crate::endpoint::{Endpoint, State};
use crate::error::Result;
use crate::event::Event;
use crate::id::{EndpointId, EnvironmentId, EventId, Id as _};
use crate::store::{Across, Found, Listed, Overview, Page, Search, TROUBLED_MAX, Troubled, WORST_MAX, Worst};

impl Across for Memory {
    fn overview(&self, environment: EnvironmentId, hours: (i64, i64)) -> Result<Overview> {
        Ok(overview(&self.tables(), environment, hours))
    }

    fn minutes(&self, environment: EnvironmentId, minutes: (i64, i64)) -> Result<Vec<(i64, Minute)>> {
        Ok(minute::list(&self.tables(), environment, minutes))
    }

    fn search(&self, environment: EnvironmentId, page: Page<EventId>, search: &Search) -> Result<Found> {
        let tables = self.tables();
        let is_here = |event: &Event| {
            let owner = tables.applications.get(&event.application);
            owner.is_some_and(|row| row.environment == environment)
                && search.application.is_none_or(|application| application == event.application)
        };
        let all = tables.events.values().map(|row| &row.event).filter(|event| is_here(event)).collect();
        let rows = within(all, page, &search.filter, |event: &Event| event.id.value());
        Ok(searched(&tables, &rows, page.limit, search))
    }

    fn owner(&self, environment: EnvironmentId, event: EventId) -> Result<Option<Application>> {
        let tables = self.tables();
        let owner = tables.events.get(&event).and_then(|row| tables.applications.get(&row.event.application));
        Ok(owner.filter(|row| row.environment == environment).cloned())
    }
}

fn searched(tables: &Tables, rows: &[&Event], limit: usize, search: &Search) -> Found {
    let mut found = Found { listed: Listed::empty(), looked_at: 0 };
    let mut bytes = 0;
    for event in rows {
        found.looked_at += 1;
        let is_looked_into = matches_event(&search.filter, event);
        if is_looked_into && search.text.is_some() {
            bytes += event.body.len();
        }
        if is_looked_into && fits(tables, event, search) {
            if found.listed.rows.len() == limit {
                found.listed.done = false;
                break;
            }
            found.listed.rows.push(Event { body: Bytes::new(), ..Event::clone(event) });
        }
        if search.ends(found.looked_at, bytes) {
            found.listed.done = false;
            found.listed.stopped_at = Some(event.id.value());
            break;
        }
    }
    found
}

fn fits(tables: &Tables, event: &Event, search: &Search) -> bool {
    let holds = |text: &Vec<u8>| event.body.windows(text.len()).any(|part| part == text);
    let stands =
        || destinations(tables, event.id).iter().any(|(_, delivery)| search.filter.stands(Standing::of(*delivery)));
    search.text.as_ref().is_none_or(holds) && (search.filter.standing.is_empty() || stands())
}

fn overview(tables: &Tables, environment: EnvironmentId, (from, to): (i64, i64)) -> Overview {
    let owner = |endpoint: &Endpoint| {
        tables.applications.get(&endpoint.application).filter(|row| row.environment == environment)
    };
    let mut hours = BTreeMap::<i64, Counts>::new();
    let mut waiting_since = None::<i64>;
    let mut sums = BTreeMap::<EndpointId, Counts>::new();
    for ((endpoint, hour), counts) in &tables.hours {
        if tables.endpoints.get(endpoint).and_then(owner).is_none() {
            continue;
        }
        if (from..=to).contains(hour) {
            hours.entry(*hour).or_default().add(counts);
            sums.entry(*endpoint).or_default().add(counts);
        }
        if counts.waiting() > 0 {
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
    let missed = |(id, counts): (EndpointId, Counts)| {
        let row = tables.endpoints.get(&id).filter(|row| row.state != State::Deleted && counts.attempts_failed > 0)?;
        let owner = owner(row).filter(|owner| !owner.deleted)?;
        Some(Worst { application: owner.id, name: owner.name.clone(), endpoint: id, url: row.url.clone(), counts })
    };
    let mut worst: Vec<_> = sums.into_iter().filter_map(missed).collect();
    worst.sort_by_key(|row| (-row.counts.attempts_failed, row.endpoint));
    worst.truncate(WORST_MAX);
    Overview { hours: hours.into_iter().collect(), waiting_since, troubled, troubled_count, worst }
}
