//! Lists: a page along an index; filters without one look at a bounded slice and say where they stopped.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::damage::{self, Damage};
use super::remembered;
use super::rows::{self, APPLICATION, ENDPOINT, EVENT, EVENT_TYPE, EVENTS, SOURCE};
use crate::application::Application;
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::event::Event;
use crate::event_type::EventType;
use crate::id::{ApplicationId, AttemptId, EndpointId, EnvironmentId, EventId, Id, SourceId};
use crate::secret::Sealer;
use crate::source::Source;
use crate::store::{AttemptRow, AttemptsOf, Filter, Listed, Page, SCAN_ROWS_MAX};

type Sql<T> = rusqlite::Result<T>;

/// How many rows a filtered list reads at a time.
pub(super) const SLICE_ROWS: usize = 500;

/// The open interval of ids that a page may show.
pub(super) struct Bounds {
    pub(super) above: i64,
    pub(super) below: i64,
}

impl Bounds {
    pub(super) fn new<K: Id>(page: Page<K>, filter: &Filter) -> Self {
        let mut bounds = Self { above: filter.above.unwrap_or(-1), below: filter.below.unwrap_or(i64::MAX) };
        bounds.pass(page.after.map(K::value), page.descending);
        bounds
    }

    fn numbers(page: Page<i64>) -> Self {
        let mut bounds = Self { above: -1, below: i64::MAX };
        bounds.pass(page.after, page.descending);
        bounds
    }

    pub(super) fn pass(&mut self, after: Option<i64>, descending: bool) {
        match after {
            Some(after) if descending => self.below = self.below.min(after),
            Some(after) => self.above = self.above.max(after),
            None => {}
        }
    }
}

pub(super) fn direction(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

/// Reads one row more than the page holds, which says whether the list goes on.
pub(super) fn listed<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    limit: usize,
    read: impl FnMut(&Row<'_>) -> Sql<T>,
) -> Result<Listed<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params, read)?.collect::<Sql<_>>()?;
    Ok(Listed::cut(rows, limit))
}

/// A page along the ids of what `select` finds of its owner, which is its first parameter.
pub(super) fn by_id<T>(
    db: &Connection,
    select: &str,
    owner: i64,
    page: Page<i64>,
    read: impl FnMut(&Row<'_>) -> Sql<T>,
) -> Result<Listed<T>> {
    let (Bounds { above, below }, order) = (Bounds::numbers(page), direction(page.descending));
    let sql = format!("{select} and id > ?2 and id < ?3 order by id {order} limit ?4");
    listed(db, &sql, params![owner, above, below, page.limit + 1], page.limit, read)
}

pub(super) fn applications(
    db: &Connection,
    environment: EnvironmentId,
    page: Page<ApplicationId>,
) -> Result<Listed<Application>> {
    let sql =
        format!("select {APPLICATION} from application where environment = ?1 and deleted = 0 and source is null");
    by_id(db, &sql, environment.value(), page.numbers(), rows::application)
}

pub(super) fn endpoints(
    db: &Connection,
    sealer: &Sealer,
    application: ApplicationId,
    page: Page<EndpointId>,
) -> Result<Listed<Endpoint>> {
    let sql = format!("select {ENDPOINT} from endpoint where application = ?1 and state < 4");
    by_id(db, &sql, application.value(), page.numbers(), |row| rows::endpoint(row, sealer))
}

pub(super) fn sources(
    db: &Connection,
    sealer: &Sealer,
    environment: EnvironmentId,
    page: Page<SourceId>,
) -> Result<Listed<Source>> {
    let sql = format!("select {SOURCE} from source where environment = ?1 and deleted = 0");
    by_id(db, &sql, environment.value(), page.numbers(), |row| rows::source(row, sealer))
}

pub(super) fn event_types(
    db: &Connection,
    environment: EnvironmentId,
    page: &Page<String>,
    archived: bool,
) -> Result<Listed<EventType>> {
    let (order, beyond) = if page.descending { ("desc", "<") } else { ("asc", ">") };
    let sql = format!(
        "select {EVENT_TYPE} from event_type where environment = ?1 and (?2 is null or name {beyond} ?2) and archived <= ?3 order by name {order} limit ?4"
    );
    listed(db, &sql, params![environment.value(), page.after, archived, page.limit + 1], page.limit, rows::event_type)
}

pub(super) fn events(
    (db, damage): (&Connection, &Damage),
    application: ApplicationId,
    page: Page<EventId>,
    filter: &Filter,
    bodies: bool,
) -> Result<Listed<Event>> {
    let payload = if bodies { ", payload" } else { "" };
    let order = direction(page.descending);
    let sql = format!(
        "select {EVENT}{payload} from {EVENTS} where application = ?1 and id > ?2 and id < ?3 order by id {order} limit ?4"
    );
    let slice = |bounds: &Bounds, count: usize| -> Result<Vec<Event>> {
        let mut statement = db.prepare_cached(&sql)?;
        let found = statement.query_map(params![application.value(), bounds.above, bounds.below, count], |row| {
            rows::event(row, bodies)
        })?;
        Ok(found.collect::<Sql<_>>()?)
    };
    let one = |id: i64| -> Result<Option<Event>> {
        let mut sql = db.prepare_cached(&format!("select {EVENT}{payload} from {EVENTS} where id = ?1"))?;
        Ok(sql.query_row((id,), |row| rows::event(row, bodies)).optional()?)
    };
    let descending = page.descending;
    let slice = |bounds: &Bounds, count: usize| match slice(bounds, count) {
        Err(error) if damage::is_of(&error) => {
            let bounds = (bounds.above, bounds.below);
            damage::events((db, damage), application, bounds, (descending, count), one)
        }
        slice => slice,
    };
    scan((page, SCAN_ROWS_MAX), filter, slice, |event| event.id.value(), |event| Ok(matches_event(filter, event)))
}

pub(super) fn matches_event(filter: &Filter, event: &Event) -> bool {
    (filter.event_types.is_empty() || filter.event_types.contains(&event.event_type))
        && filter.channel.as_ref().is_none_or(|channel| event.channels.contains(channel))
        && filter.tag.as_ref().is_none_or(|tag| event.tags().contains(tag))
}

pub(super) fn attempts(
    db: &Connection,
    of: AttemptsOf,
    page: Page<AttemptId>,
    filter: &Filter,
) -> Result<Listed<AttemptRow>> {
    let (owner, id) = match of {
        AttemptsOf::Event(id) => ("event", id.value()),
        AttemptsOf::Endpoint(id) => ("endpoint", id.value()),
    };
    let order = direction(page.descending);
    let sql = format!(
        "select * from (select event, endpoint, attempt as id, started_ms, duration_ms, url, status_code, attempt_trigger, response
           from delivery where {owner} = ?1 and attempt is not null and attempt > ?2 and attempt < ?3 order by attempt {order} limit ?4)
         union all
         select * from (select event, endpoint, id, started_ms, duration_ms, url, status_code, trigger, response
           from attempt where {owner} = ?1 and id > ?2 and id < ?3 order by id {order} limit ?4)
         order by id {order} limit ?4"
    );
    let slice = |bounds: &Bounds, count: usize| -> Result<Vec<AttemptRow>> {
        let mut statement = db.prepare_cached(&sql)?;
        let found = statement.query_map(params![id, bounds.above, bounds.below, count], rows::attempt)?;
        Ok(found.collect::<Sql<_>>()?)
    };
    let mut listed = scan(
        (page, filter.attempt_rows_max()),
        filter,
        slice,
        |row| row.attempt.id.value(),
        |row| matches_attempt(db, filter, row),
    )?;
    for row in &mut listed.rows {
        row.webhook_id = remembered::webhook_id(db, row.event)?;
    }
    Ok(listed)
}

fn matches_attempt(db: &Connection, filter: &Filter, row: &AttemptRow) -> Result<bool> {
    let attempt = &row.attempt;
    let fits = filter.endpoint.is_none_or(|endpoint| endpoint == row.endpoint)
        && filter.succeeded.is_none_or(|succeeded| succeeded == attempt.succeeded())
        && filter.status_class.is_none_or(|class| attempt.status_code / 100 == class / 100);
    if !fits || !filter.is_of_events() {
        return Ok(fits);
    }
    matches_event_of(db, filter, row.event)
}

/// Whether the event of an attempt or a delivery fits; reads no more of it than is asked for.
pub(super) fn matches_event_of(db: &Connection, filter: &Filter, event: EventId) -> Result<bool> {
    let key = (event.value(),);
    let mut sql = db.prepare_cached("select event_type, channels from event where id = ?1")?;
    let mut found = sql.query(key)?;
    let Some(row) = found.next()? else {
        return Ok(false);
    };
    let event_type = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
    if !filter.event_types.is_empty() && !filter.event_types.iter().any(|wanted| wanted == event_type) {
        return Ok(false);
    }
    if let Some(channel) = &filter.channel
        && !rows::list(row, 1)?.contains(channel)
    {
        return Ok(false);
    }
    let Some(tag) = &filter.tag else {
        return Ok(true);
    };
    let mut sql = db.prepare_cached("select tags from event_extra where event = ?1")?;
    let tags = sql.query_row(key, |row| rows::list(row, 0)).optional()?;
    Ok(tags.is_some_and(|tags| tags.contains(tag)))
}

/// Walks slices until the page is full, the list ends, or so many rows were looked at.
pub(super) fn scan<K: Id, T>(
    (page, rows_max): (Page<K>, usize),
    filter: &Filter,
    slice: impl Fn(&Bounds, usize) -> Result<Vec<T>>,
    id: impl Fn(&T) -> i64,
    fits: impl Fn(&T) -> Result<bool>,
) -> Result<Listed<T>> {
    let mut bounds = Bounds::new(page, filter);
    let mut kept = Vec::new();
    let mut seen = 0;
    loop {
        let count = SLICE_ROWS.min(page.limit + 1);
        let rows = slice(&bounds, count)?;
        let ended = rows.len() < count;
        seen += rows.len();
        bounds.pass(rows.last().map(&id), page.descending);
        for row in rows {
            if fits(&row)? {
                kept.push(row);
                if kept.len() > page.limit {
                    return Ok(Listed::cut(kept, page.limit));
                }
            }
        }
        if ended {
            return Ok(Listed::cut(kept, page.limit));
        }
        if seen >= rows_max {
            let stopped_at = if page.descending { bounds.below } else { bounds.above };
            return Ok(Listed { rows: kept, done: false, stopped_at: Some(stopped_at) });
        }
    }
}
