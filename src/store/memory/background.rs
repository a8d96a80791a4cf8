//! Payloads past their time, and tasks.

use super::count::Sums;
use super::{Memory, Tables, expunge, list};
use crate::error::Result;
use crate::event::Event;
use crate::id::{ApplicationId, EnvironmentId, EventId, Id, TaskId};
use crate::replay::State;
use crate::store::background::TASK_MS;
use crate::store::{Background, Erased, FORGET_ROWS_MAX, Listed, Page, Refused};
use crate::task::{RUNNING_MAX, Task, Work};

impl Background for Memory {
    fn expired(&self, wall_ms: i64, below: EventId, limit: usize) -> Result<Erased> {
        Ok(expired(&self.tables(), wall_ms, below, limit))
    }

    fn erasable(&self, task: &Task, limit: usize) -> Result<Erased> {
        Ok(erasable(&self.tables(), task, limit))
    }

    fn running_tasks(&self) -> Result<Vec<Task>> {
        Ok(self.tables().tasks.values().filter(|row| row.state == State::Running).cloned().collect())
    }

    fn task(&self, environment: EnvironmentId, task: TaskId) -> Result<Option<Task>> {
        Ok(self.tables().tasks.get(&task).filter(|row| row.environment == environment).cloned())
    }

    fn tasks(&self, environment: EnvironmentId, page: Page<TaskId>) -> Result<Listed<Task>> {
        let tables = self.tables();
        let rows = tables.tasks.values().filter(|row| row.environment == environment);
        let mut listed = list::page(rows, &page, |row| row.id);
        listed.rows.iter_mut().for_each(|row| row.result = None);
        Ok(listed)
    }

    fn scrub(&self) -> Result<bool> {
        Ok(true)
    }
}

/// Keeps a new task, or how far one that runs has come. Refused: it has ended, or too many run.
pub(super) fn put(tables: &mut Tables, task: &Task) -> Option<Refused> {
    if let Some(row) = tables.tasks.get_mut(&task.id) {
        if row.state != State::Running {
            return Some(Refused::Taken);
        }
        (row.state, row.result, row.updated_ms) = (task.state, task.result.clone(), task.updated_ms);
        (row.position, row.done) = (row.position.max(task.position), row.done.max(task.done));
        return None;
    }
    let rival = |row: &&Task| row.state == State::Running && row.environment == task.environment;
    if tables.tasks.values().filter(rival).count() >= RUNNING_MAX {
        return Some(Refused::Busy(RUNNING_MAX));
    }
    tables.tasks.insert(task.id, task.clone());
    None
}

/// Lets tasks go that ended long ago.
pub(super) fn forget(tables: &mut Tables, wall_ms: i64) {
    let is_old = |row: &&Task| row.state != State::Running && row.updated_ms < wall_ms - TASK_MS;
    let mut old: Vec<_> = tables.tasks.values().filter(is_old).map(|row| (row.updated_ms, row.id)).collect();
    old.sort_unstable();
    for (_, id) in old.into_iter().take(FORGET_ROWS_MAX) {
        tables.tasks.remove(&id);
    }
}

fn keep_until_ms(event: &Event) -> Option<i64> {
    event.extra.as_deref().and_then(|extra| extra.keep_until_ms)
}

fn expired(tables: &Tables, wall_ms: i64, below: EventId, limit: usize) -> Erased {
    let all = tables.events.values().map(|row| &row.event);
    let timed = all.filter(|event| !event.is_expunged()).filter_map(|event| {
        let until_ms = keep_until_ms(event).filter(|until_ms| *until_ms <= wall_ms)?;
        Some((until_ms, event.id, event.application))
    });
    let mut timed: Vec<_> = timed.collect();
    timed.sort_unstable();
    timed.truncate(limit);
    let own = timed.len();
    let mut events: Vec<(ApplicationId, EventId)> = timed.into_iter().map(|(_, id, of)| (of, id)).collect();
    let (mut looked, mut position) = (0, tables.kept_from);
    let rest = if tables.kept_from < below { tables.kept_from..below } else { below..below };
    for (&id, row) in tables.events.range(rest).take(limit) {
        (looked, position) = (looked + 1, EventId::new(id.value() + 1));
        if !row.event.is_expunged() && keep_until_ms(&row.event).is_none() {
            events.push((row.event.application, id));
        }
    }
    Erased { task: None, events, position, done: own < limit && looked < limit }
}

fn erasable(tables: &Tables, task: &Task, limit: usize) -> Erased {
    let (Some(application), Work::Erase { below }) = (task.application, &task.work) else {
        return Erased { task: Some(task.id), done: true, ..Erased::default() };
    };
    let mut erased = Erased { task: Some(task.id), position: EventId::new(task.position), ..Erased::default() };
    let own = tables.events.range(EventId::new(task.position)..EventId::new((*below).max(task.position)));
    let mut looked = 0;
    for (&id, row) in own.filter(|(_, row)| row.event.application == application).take(limit) {
        (looked, erased.position) = (looked + 1, EventId::new(id.value() + 1));
        if !row.event.is_expunged() {
            erased.events.push((application, id));
        }
    }
    Erased { done: looked < limit, ..erased }
}

/// Erases a slice; nothing of it when its task has ended meanwhile.
pub(super) fn erase(tables: &mut Tables, sums: &mut Sums, erased: &Erased, wall_ms: i64) {
    match erased.task {
        Some(task) => {
            let Some(row) = tables.tasks.get_mut(&task).filter(|row| row.state == State::Running) else {
                return;
            };
            row.position = erased.position.value();
            row.done += u64::try_from(erased.events.len()).unwrap_or(u64::MAX);
            row.updated_ms = wall_ms;
            if erased.done {
                row.state = State::Finished;
            }
        }
        None => tables.kept_from = tables.kept_from.max(erased.position),
    }
    for &(application, event) in &erased.events {
        expunge::event(tables, sums, application, event);
    }
}
