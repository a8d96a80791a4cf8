//! Payloads past their time, and tasks.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::kept::json;
use super::list::by_id;
use super::rows::{id, number, parse};
use super::{Sqlite, Writing, expunge};
use crate::error::Result;
use crate::id::{ApplicationId, EnvironmentId, EventId, Id, TaskId};
use crate::replay::State;
use crate::store::background::TASK_MS;
use crate::store::{Background, Erased, FORGET_ROWS_MAX, Listed, Page, Refused};
use crate::task::{RUNNING_MAX, Task, Work};

type Sql<T> = rusqlite::Result<T>;

const TASK: &str = "id, environment, application, work, state, position, done, result, updated_ms";

impl Background for Sqlite {
    fn expired(&self, wall_ms: i64, below: EventId, limit: usize) -> Result<Erased> {
        self.read(|db| Ok(expired(db, wall_ms, below, limit)?))
    }

    fn erasable(&self, task: &Task, limit: usize) -> Result<Erased> {
        self.read(|db| Ok(erasable(db, task, limit)?))
    }

    fn running_tasks(&self) -> Result<Vec<Task>> {
        self.read(|db| {
            let mut sql = db.prepare_cached(&format!("select {TASK} from task where state = 0 order by id"))?;
            Ok(sql.query_map((), task)?.collect::<Sql<_>>()?)
        })
    }

    fn task(&self, environment: EnvironmentId, asked: TaskId) -> Result<Option<Task>> {
        self.read(|db| {
            let mut sql = db.prepare_cached(&format!("select {TASK} from task where environment = ?1 and id = ?2"))?;
            Ok(sql.query_row((environment.value(), asked.value()), task).optional()?)
        })
    }

    fn tasks(&self, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Task>> {
        self.read(|db| list(db, environment, page))
    }

    fn scrub(&self) -> Result<bool> {
        self.writer.lock().expect("no panic while held").scrub()
    }
}

fn task(row: &Row<'_>) -> Sql<Task> {
    Ok(Task {
        id: id(row, 0)?,
        environment: id(row, 1)?,
        application: row.get::<_, Option<i64>>(2)?.map(ApplicationId::new),
        work: parse(row, 3)?,
        state: number(row, 4, State::from_number)?,
        position: row.get(5)?,
        done: row.get(6)?,
        result: row.get(7)?,
        updated_ms: row.get(8)?,
    })
}

fn list(db: &Connection, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Task>> {
    let sql = format!("select {} from task where environment = ?1", TASK.replace("result", "null"));
    by_id(db, &sql, environment.value(), page.numbers(), task)
}

/// Keeps a new task, or how far one that runs has come. Refused: it has ended, or too many run.
pub(super) fn put(db: &Connection, task: &Task) -> Sql<Option<Refused>> {
    if db.prepare_cached("select 1 from task where id = ?1")?.exists((task.id.value(),))? {
        let mut sql = db.prepare_cached(
            "update task set state = ?2, result = ?3, updated_ms = ?4, position = max(position, ?5), done = max(done, ?6)
             where id = ?1 and state = 0",
        )?;
        let Task { id, state, result, updated_ms, position, done, .. } = task;
        let changed = sql.execute(params![id.value(), *state as i64, result, updated_ms, position, done])?;
        return Ok((changed == 0).then_some(Refused::Taken));
    }
    let mut sql = db.prepare_cached("select count(*) from task where state = 0 and environment = ?1")?;
    if sql.query_row((task.environment.value(),), |row| row.get::<_, usize>(0))? >= RUNNING_MAX {
        return Ok(Some(Refused::Busy(RUNNING_MAX)));
    }
    let mut sql = db.prepare_cached(
        "insert into task (id, environment, application, work, state, position, done, result, updated_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    sql.execute(params![
        task.id.value(),
        task.environment.value(),
        task.application.map(Id::value),
        json(&task.work),
        task.state as i64,
        task.position,
        task.done,
        task.result,
        task.updated_ms
    ])?;
    Ok(None)
}

/// Lets tasks go that ended long ago.
pub(super) fn forget(db: &Connection, wall_ms: i64) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "delete from task where id in (select id from task where state > 0 and updated_ms < ?1 order by updated_ms limit ?2)",
    )?;
    sql.execute((wall_ms - TASK_MS, FORGET_ROWS_MAX)).map(|_| ())
}

fn expired(db: &Connection, wall_ms: i64, below: EventId, limit: usize) -> Sql<Erased> {
    let mut sql = db.prepare_cached(
        "select application, event from event_extra join event on event.id = event_extra.event
         where keep_until_ms <= ?1 and expunged = 0 order by keep_until_ms limit ?2",
    )?;
    let found = sql.query_map((wall_ms, limit), |row| Ok((id(row, 0)?, id(row, 1)?)))?;
    let mut events: Vec<(ApplicationId, EventId)> = found.collect::<Sql<_>>()?;
    let from: i64 = db.prepare_cached("select kept_from from engine")?.query_row((), |row| row.get(0))?;
    let mut sql = db.prepare_cached(
        "select application, id, coalesce(expunged = 1 or keep_until_ms is not null, 0) from event
         left join event_extra on event_extra.event = event.id where id >= ?1 and id < ?2 order by id limit ?3",
    )?;
    let (mut found, mut looked, mut position) = (sql.query((from, below.value(), limit))?, 0, EventId::new(from));
    let own = events.len();
    while let Some(row) = found.next()? {
        let event: EventId = id(row, 1)?;
        (looked, position) = (looked + 1, EventId::new(event.value() + 1));
        if !row.get::<_, bool>(2)? {
            events.push((id(row, 0)?, event));
        }
    }
    Ok(Erased { task: None, events, position, done: own < limit && looked < limit })
}

fn erasable(db: &Connection, task: &Task, limit: usize) -> Sql<Erased> {
    let (Some(application), Work::Erase { below }) = (task.application, &task.work) else {
        return Ok(Erased { task: Some(task.id), done: true, ..Erased::default() });
    };
    let mut sql = db.prepare_cached(
        "select id, coalesce(expunged, 0) from event left join event_extra on event_extra.event = event.id
         where application = ?1 and id >= ?2 and id < ?3 order by id limit ?4",
    )?;
    let mut found = sql.query(params![application.value(), task.position, below, limit])?;
    let (mut events, mut looked, mut position) = (Vec::new(), 0, EventId::new(task.position));
    while let Some(row) = found.next()? {
        let event: EventId = id(row, 0)?;
        (looked, position) = (looked + 1, EventId::new(event.value() + 1));
        if !row.get::<_, bool>(1)? {
            events.push((application, event));
        }
    }
    Ok(Erased { task: Some(task.id), events, position, done: looked < limit })
}

/// Erases a slice; nothing of it when its task has ended meanwhile.
pub(super) fn erase(work: &mut Writing<'_>, erased: &Erased) -> Sql<()> {
    let db = work.db;
    if let Some(task) = erased.task {
        let mut sql = db.prepare_cached(
            "update task set position = ?2, done = done + ?3, state = ?4, updated_ms = ?5 where id = ?1 and state = 0",
        )?;
        let state = if erased.done { State::Finished } else { State::Running };
        let place = params![task.value(), erased.position.value(), erased.events.len(), state as i64, work.wall_ms];
        if sql.execute(place)? == 0 {
            return Ok(());
        }
        expunge::events(work, &erased.events)?;
        let last = EventId::new(erased.position.value() - 1);
        let first = erased.events.first().map_or(last, |(_, event)| *event);
        return expunge::pack_behind(work, (first, last), erased.done);
    }
    let mut sql = db.prepare_cached("update engine set kept_from = max(kept_from, ?1)")?;
    sql.execute((erased.position.value(),))?;
    expunge::events(work, &erased.events)?;
    expunge::pack(work)
}
