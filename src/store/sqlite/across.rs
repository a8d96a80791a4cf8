//! What is asked across all applications of an environment.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Sqlite;
use super::list::{Bounds, direction, matches_event, scan};
use super::rows::{self, APPLICATION, EVENT, EVENTS};
use crate::application::Application;
use crate::count::Counts;
use crate::endpoint::State;
use crate::error::Result;
use crate::event::Event;
use crate::id::{ApplicationId, EndpointId, EnvironmentId, EventId, Id};
use crate::store::{Across, Filter, Listed, Overview, Page, SCAN_ROWS_MAX, TROUBLED_MAX, Troubled};

type Sql<T> = rusqlite::Result<T>;

/// Living endpoints that fail, of an environment.
const TROUBLED: &str =
    "from endpoint indexed by endpoint_failing join application on application.id = endpoint.application
    where failing_since_ms is not null and endpoint.state < 4 and application.deleted = 0 and environment = ?1";

impl Across for Sqlite {
    fn overview(&self, environment: EnvironmentId, hours: (i64, i64)) -> Result<Overview> {
        self.read(|db| overview(db, environment, hours))
    }

    fn all_events(&self, environment: EnvironmentId, page: Page<EventId>, filter: &Filter) -> Result<Listed<Event>> {
        self.read(|db| events(db, environment, page, filter))
    }

    fn owner(&self, environment: EnvironmentId, event: EventId) -> Result<Option<Application>> {
        self.read(|db| owner(db, environment, event))
    }
}

fn overview(db: &Connection, environment: EnvironmentId, (from, to): (i64, i64)) -> Result<Overview> {
    let id = environment.value();
    let mut sql = db.prepare_cached(
        "select hour, sum(accepted), sum(succeeded), sum(failed), sum(canceled), sum(attempts_succeeded), sum(attempts_failed)
         from endpoint_hour join endpoint on endpoint.id = endpoint_hour.endpoint
         join application on application.id = endpoint.application
         where environment = ?1 and hour between ?2 and ?3 group by hour order by hour",
    )?;
    let hours = sql.query_map((id, from, to), counts)?.collect::<Sql<_>>()?;
    let mut sql = db.prepare_cached(
        "select hour from endpoint_hour join endpoint on endpoint.id = endpoint_hour.endpoint
         join application on application.id = endpoint.application
         where accepted > succeeded + failed + canceled and environment = ?1 order by hour limit 1",
    )?;
    let waiting_since = sql.query_row((id,), |row| row.get(0)).optional()?;
    let sql = format!(
        "select application.id, application.name, endpoint.id, url, state, failing_since_ms {TROUBLED} order by failing_since_ms, endpoint.id limit ?2"
    );
    let troubled = db.prepare_cached(&sql)?.query_map((id, TROUBLED_MAX), troubled)?.collect::<Sql<_>>()?;
    let troubled_count =
        db.prepare_cached(&format!("select count(*) {TROUBLED}"))?.query_row((id,), |row| row.get(0))?;
    Ok(Overview { hours, waiting_since, troubled, troubled_count })
}

fn counts(row: &Row<'_>) -> Sql<(i64, Counts)> {
    let counts = Counts {
        accepted: row.get(1)?,
        succeeded: row.get(2)?,
        failed: row.get(3)?,
        canceled: row.get(4)?,
        attempts_succeeded: row.get(5)?,
        attempts_failed: row.get(6)?,
    };
    Ok((row.get(0)?, counts))
}

fn troubled(row: &Row<'_>) -> Sql<Troubled> {
    Ok(Troubled {
        application: ApplicationId::new(row.get(0)?),
        name: row.get(1)?,
        endpoint: EndpointId::new(row.get(2)?),
        url: row.get(3)?,
        state: State::from_number(row.get(4)?).unwrap_or(State::Failing), // the column's check allows no other
        since_ms: row.get(5)?,
    })
}

/// Goes along the events of all environments, so that none needs an index of its own: filtered like any list.
fn events(db: &Connection, environment: EnvironmentId, page: Page<EventId>, filter: &Filter) -> Result<Listed<Event>> {
    let order = direction(page.descending);
    let sql = format!("select {EVENT} from {EVENTS} where id > ?1 and id < ?2 order by id {order} limit ?3");
    let slice = |bounds: &Bounds, count: usize| -> Result<Vec<Event>> {
        let mut statement = db.prepare_cached(&sql)?;
        let found = statement.query_map(params![bounds.above, bounds.below, count], |row| rows::event(row, false))?;
        Ok(found.collect::<Sql<_>>()?)
    };
    let known = RefCell::new(BTreeMap::new());
    let is_here = |event: &Event| -> Result<bool> {
        if let Some(is_here) = known.borrow().get(&event.application) {
            return Ok(*is_here);
        }
        let mut sql = db.prepare_cached("select 1 from application where id = ?1 and environment = ?2")?;
        let is_here = sql.exists((event.application.value(), environment.value()))?;
        known.borrow_mut().insert(event.application, is_here);
        Ok(is_here)
    };
    let fits = |event: &Event| Ok(matches_event(filter, event) && is_here(event)?);
    scan((page, SCAN_ROWS_MAX), filter, slice, |event| event.id.value(), fits)
}

fn owner(db: &Connection, environment: EnvironmentId, event: EventId) -> Result<Option<Application>> {
    let sql = format!(
        "select {APPLICATION} from application where environment = ?1 and id = (select application from event where id = ?2)"
    );
    let found = db.prepare_cached(&sql)?.query_row((environment.value(), event.value()), rows::application);
    Ok(found.optional()?)
}
