//! What is asked across all applications of an environment.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::rows::{self, APPLICATION};
use super::{Sqlite, count, minute, search};
use crate::application::Application;
use crate::count::Minute;
use crate::endpoint::State;
use crate::error::Result;
use crate::id::{ApplicationId, EndpointId, EnvironmentId, EventId, Id};
use crate::store::{Across, Found, Overview, Page, Search, TROUBLED_MAX, Troubled, WORST_MAX, Worst};

type Sql<T> = rusqlite::Result<T>;

/// Living endpoints that fail, of an environment.
const TROUBLED: &str =
    "from endpoint indexed by endpoint_failing join application on application.id = endpoint.application
    where failing_since_ms is not null and endpoint.state < 4 and application.deleted = 0 and environment = ?1";

impl Across for Sqlite {
    fn overview(&self, environment: EnvironmentId, hours: (i64, i64)) -> Result<Overview> {
        self.read(|db| overview(db, environment, hours))
    }

    fn minutes(&self, environment: EnvironmentId, minutes: (i64, i64)) -> Result<Vec<(i64, Minute)>> {
        self.read(|db| minute::list(db, environment, minutes))
    }

    fn search(&self, environment: EnvironmentId, page: Page<EventId>, search: &Search) -> Result<Found> {
        self.read(|db| {
            // all of it sees one moment, and what it has read stays in memory whatever is written meanwhile
            let _moment = db.unchecked_transaction()?;
            search::search(db, environment, page, search)
        })
    }

    fn owner(&self, environment: EnvironmentId, event: EventId) -> Result<Option<Application>> {
        self.read(|db| owner(db, environment, event))
    }
}

fn overview(db: &Connection, environment: EnvironmentId, (from, to): (i64, i64)) -> Result<Overview> {
    let id = environment.value();
    let mut sql = db.prepare_cached(
        "select hour, sum(accepted), sum(succeeded), sum(failed), sum(canceled), sum(retrying), sum(attempts_succeeded), sum(attempts_failed)
         from endpoint_hour join endpoint on endpoint.id = endpoint_hour.endpoint
         join application on application.id = endpoint.application
         where environment = ?1 and hour between ?2 and ?3 group by hour order by hour",
    )?;
    let hours = sql.query_map((id, from, to), |row| Ok((row.get(0)?, count::read(row, 1)?)))?.collect::<Sql<_>>()?;
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
    let worst = worst(db, environment, (from, to))?;
    Ok(Overview { hours, waiting_since, troubled, troubled_count, worst })
}

fn worst(db: &Connection, environment: EnvironmentId, (from, to): (i64, i64)) -> Result<Vec<Worst>> {
    let mut sql = db.prepare_cached(
        "select application.id, application.name, endpoint.id, url,
         sum(accepted), sum(succeeded), sum(failed), sum(canceled), sum(retrying), sum(attempts_succeeded), sum(attempts_failed) as missed
         from endpoint_hour join endpoint on endpoint.id = endpoint_hour.endpoint
         join application on application.id = endpoint.application
         where environment = ?1 and hour between ?2 and ?3 and endpoint.state < 4 and application.deleted = 0
         group by endpoint.id having missed > 0 order by missed desc, endpoint.id limit ?4",
    )?;
    let found = sql.query_map((environment.value(), from, to, WORST_MAX), |row| {
        Ok(Worst {
            application: ApplicationId::new(row.get(0)?),
            name: row.get(1)?,
            endpoint: EndpointId::new(row.get(2)?),
            url: row.get(3)?,
            counts: count::read(row, 4)?,
        })
    })?;
    Ok(found.collect::<Sql<_>>()?)
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

fn owner(db: &Connection, environment: EnvironmentId, event: EventId) -> Result<Option<Application>> {
    let sql = format!(
        "select {APPLICATION} from application where environment = ?1 and id = (select application from event where id = ?2)"
    );
    let found = db.prepare_cached(&sql)?.query_row((environment.value(), event.value()), rows::application);
    Ok(found.optional()?)
}
