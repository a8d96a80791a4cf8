//! Upkeep: what goes on behind requests, slice by slice. Payloads past their time are erased, tasks are done, and
//! what was erased leaves the log.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::api::{send_waiting, stats};
use super::state::Api;
use crate::audit::By;
use crate::conflict::Held;
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::id::{ApplicationId, EventId, Id as _, floor_at};
use crate::replay::{Replay, State};
use crate::store::{Background, Change, Erased, LOG_HELD_BYTES, Setting};
use crate::task::{Task, Work};

/// How often it looks whether the time of any payload has come.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How many events one slice looks at, so that it holds the writer up for some milliseconds at most.
const SLICE: usize = 100;
/// A reader that stands in the way of emptying the log has gone after this.
const SCRUB_AGAIN: Duration = Duration::from_millis(250);
const DAY_MS: i64 = 86_400_000;

/// How often it looks how long the database's log is.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Goes on until it is aborted. `days` is for how long payloads are kept of events that say nothing themselves.
pub async fn run(api: Api, days: u32) {
    tokio::join!(rounds(&api, days), watch_log(&api));
}

/// Tells when something keeps the log from beginning anew, and when that is over.
async fn watch_log(api: &Api) {
    let mut held = false;
    loop {
        let bytes = api.read(|store| Ok(store.log_bytes())).await.unwrap_or_default();
        let mib = bytes >> 20;
        match (held, bytes > LOG_HELD_BYTES) {
            (false, true) => tracing::warn!(
                mib,
                "the database's log (-wal) grows: another program has been reading the database for long, such as sqlite3 or a backup; end it"
            ),
            (true, false) => tracing::warn!(mib, "nothing keeps the database's log from beginning anew any more"),
            _ => {}
        }
        held = bytes > LOG_HELD_BYTES;
        sleep(LOG_EVERY).await;
    }
}

async fn rounds(api: &Api, days: u32) {
    loop {
        if let Err(error) = round(api, days).await {
            tracing::warn!(%error, "upkeep stopped halfway; it goes on in a minute");
        }
        let _ = timeout(LOOK_EVERY, api.upkeep.notified()).await; // whether asked for or in its own time
    }
}

/// Does all that there is to do: a slice for whatever is past its time and one for each task, in turn.
async fn round(api: &Api, days: u32) -> Result<()> {
    loop {
        let now_ms = api.clock.now().wall_ms;
        let below = EventId::new(floor_at(now_ms - i64::from(days) * DAY_MS));
        let expired = api.read(move |store| store.expired(now_ms, below, SLICE)).await?;
        let mut done = expired.done;
        done &= discard(api, None, now_ms - i64::from(days) * DAY_MS).await?;
        if !expired.events.is_empty() || !expired.done {
            change(api, Change::Erased(expired)).await?;
        }
        for task in api.read(Background::running_tasks).await? {
            done = false;
            change(api, step(api, task).await?).await?;
        }
        if done {
            break;
        }
    }
    while !api.read(Background::scrub).await? {
        sleep(SCRUB_AGAIN).await;
    }
    Ok(())
}

/// Discards a slice of what sources have held back since before this moment: of one application, or of all. Gives
/// whether that was all.
async fn discard(api: &Api, of: Option<ApplicationId>, before_ms: i64) -> Result<bool> {
    let held = api.read(move |store| store.held_since(of, before_ms, SLICE)).await?;
    let mut by_application = BTreeMap::<ApplicationId, Vec<Held>>::new();
    for (application, held) in held {
        by_application.entry(application).or_default().push(held);
    }
    let done = by_application.is_empty();
    for (application, held) in by_application {
        change(api, Change::Discard(application, held)).await?;
    }
    Ok(done)
}

/// What a task does next.
async fn step(api: &Api, task: Task) -> Result<Change> {
    let (environment, ids) = (task.environment, api.engine.text().clone());
    let result = match &task.work {
        Work::Erase { .. } => {
            if let Some(application) = task.application {
                while !discard(api, Some(application), task.id.time_ms()).await? {}
            }
            let erased: Erased = api.read(move |store| store.erasable(&task, SLICE)).await?;
            return Ok(Change::Erased(erased));
        }
        Work::SendWaiting { .. } => return send_waiting(api, task).await,
        Work::Usage { hours, applications } => {
            let (hours, applications) = (*hours, applications.clone());
            api.read(move |store| stats::usage_of(store, &ids, environment, hours, applications)).await?
        }
        Work::EventTypes => api.read(move |store| stats::subscriptions(store, &ids, environment)).await?,
    };
    let updated_ms = api.clock.now().wall_ms;
    Ok(Change::Task(Box::new(Task { state: State::Finished, result: Some(result), updated_ms, ..task })))
}

/// Begins what waits at the next endpoints of an application; where deliveries are made again already, nothing but a note.
async fn send_waiting(api: &Api, task: Task) -> Result<Change> {
    let (mut passed, found) = api.read(move |store| send_waiting::look(store, task)).await?;
    let now_ms = api.clock.now().wall_ms;
    for replay in found {
        let replay = Replay { id: api.engine.ids().next(now_ms), updated_ms: now_ms, ..replay };
        let (id, total) = (api.engine.text().of(replay.id), replay.total);
        let setting = Setting { by: By::server(), change: Change::Replay(Box::new(replay)), answer: None };
        match api.engine.change(setting).await {
            Ok(_) => send_waiting::passed(&mut passed, Some((id, total))),
            Err(NotChanged::Refused(_)) => send_waiting::passed(&mut passed, None),
            Err(error) => return Err(Error::internal(format!("{error:?}"))),
        }
    }
    Ok(Change::Task(Box::new(Task { updated_ms: now_ms, ..passed })))
}

/// Writes a slice down, then leaves the writer to others for as long as that took.
async fn change(api: &Api, change: Change) -> Result<()> {
    let begun = Instant::now();
    let may_fail = matches!(change, Change::Task(_) | Change::Discard(..));
    match api.engine.change(Setting { by: By::server(), change, answer: None }).await {
        Ok(_) => {}
        Err(NotChanged::Refused(_)) if may_fail => {} // called off, released or discarded meanwhile
        Err(error) => return Err(Error::internal(format!("{error:?}"))),
    }
    sleep(begun.elapsed()).await;
    Ok(())
}
