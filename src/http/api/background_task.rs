//! `/background-task`: long work of an environment, the replays of endpoints and all other: seen and called off.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Api, not_changed, replay};
use crate::error::{Error, Result};
use crate::event::Once;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, time};
use crate::http::problem::text;
use crate::id::{EnvironmentId, Id as _, IdText, TaskId};
use crate::key::Action;
use crate::replay::{Replay, State as ReplayState};
use crate::store::{Change, Listed, Page, SCAN_ROWS_MAX, Store};
use crate::task::{Task, Work};

/// The statuses of Svix's tasks, and their types, of which this server has some.
const STATUSES: [&str; 3] = ["running", "finished", "failed"];
const TASKS: [&str; 10] = [
    "application.purge_content",
    "application.send-waiting",
    "application.stats",
    "endpoint.bulk-replay",
    "endpoint.recover",
    "endpoint.replay",
    "endpoint.send-waiting",
    "event-type.aggregate",
    "message.broadcast",
    "sdk.generate",
];

/// How many tasks a narrowed list looks at in one go.
const LOOKED_AT_TOGETHER: usize = 250;

/// Either kind.
enum Either {
    Replay(Replay),
    Task(Task),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskOut {
    id: String,
    status: &'static str,
    task: &'static str,
    data: DataOut,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unresolved_app_ids: Option<Vec<String>>,
}

/// What a list of tasks is narrowed to, in the words of the answers.
#[derive(Default)]
struct Wanted {
    status: Option<&'static str>,
    task: Option<&'static str>,
}

/// What a task has come to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DataOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
    /// How many payloads were erased, or deliveries are due now: that under the name that Svix has for it, too.
    done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_sent: Option<u64>,
    canceled: bool,
    #[serde(flatten)]
    result: Option<Map<String, Value>>,
}

fn shaped(task: &Task, ids: &IdText, unresolved_app_ids: Option<Vec<String>>) -> String {
    let data = DataOut {
        app_id: task.application.map(|application| ids.of(application)),
        done: task.done,
        messages_sent: task.work.is_delivery().then_some(task.done),
        canceled: task.state == ReplayState::Canceled,
        result: task.result.as_deref().and_then(|result| serde_json::from_str(result).ok()),
    };
    let (status, updated_at) = (task.state.name(), time(task.updated_ms));
    text(&TaskOut { id: ids.of(task.id), status, task: task.work.name(), data, updated_at, unresolved_app_ids })
}

/// Begins a task and answers with it.
pub(super) async fn begin(
    api: &Api,
    call: &Call,
    once: Option<Once>,
    (application, work): (Option<crate::id::ApplicationId>, Work),
    unresolved: Option<Vec<String>>,
) -> Result<Response> {
    let now_ms = api.clock.now().wall_ms;
    let task = Task::begin(api.engine.ids().next(now_ms), call.caller.environment, application, work, now_ms);
    let body = shaped(&task, api.engine.text(), unresolved);
    let begun = api.change(call, once, Change::Task(Box::new(task)), (StatusCode::ACCEPTED, body)).await;
    api.upkeep.notify_one();
    begun.map_err(|error| not_changed(error, "the task could not be begun; try again"))
}

impl Either {
    fn id(&self) -> TaskId {
        match self {
            Self::Replay(replay) => replay.id,
            Self::Task(task) => task.id,
        }
    }

    fn fits(&self, wanted: &Wanted) -> bool {
        let (status, task) = match self {
            Self::Replay(replay) => (replay.state.name(), replay.kind.name()),
            Self::Task(task) => (task.state.name(), task.work.name()),
        };
        wanted.status.is_none_or(|wanted| wanted == status) && wanted.task.is_none_or(|wanted| wanted == task)
    }

    fn out(&self, ids: &IdText) -> Box<RawValue> {
        let body = match self {
            Self::Replay(replay) => text(&replay::out(replay, ids)),
            Self::Task(task) => shaped(task, ids, None),
        };
        RawValue::from_string(body).expect("just written")
    }
}

/// GET `/background-task`: the newest first, without the results of those that ended.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Read)?;
    of_environment(&call)?;
    let ids = api.engine.text();
    let environment = call.caller.environment;
    let asked = Asked::read(&call, true, |text| ids.parse::<TaskId>(text))?;
    let (page, wanted) = (asked.page, wanted(&call)?);
    let listed = api.read(move |store| fitting(store, environment, page, &wanted)).await?;
    Ok(answer(StatusCode::OK, &asked.answer_ids(listed, ids, Either::id, |found| found.out(ids))))
}

/// Reads `status` and `task`. Error: a word that Svix's API has not.
fn wanted(call: &Call) -> Result<Wanted> {
    let one_of = |name: &str, words: &[&'static str]| {
        let wrong = || Error::at(&["query", name], format!("must be one of {}", words.join(", ")));
        let given = call.query_one(name)?;
        given.map(|given| words.iter().find(|word| **word == given).copied().ok_or_else(wrong)).transpose()
    };
    Ok(Wanted { status: one_of("status", &STATUSES)?, task: one_of("task", &TASKS)? })
}

/// Those that are wanted; goes on until the page is full, or [`SCAN_ROWS_MAX`] were looked at.
fn fitting(
    store: &dyn Store,
    environment: EnvironmentId,
    page: Page<TaskId>,
    wanted: &Wanted,
) -> Result<Listed<Either>> {
    let all = wanted.status.is_none() && wanted.task.is_none();
    let limit = if all { page.limit } else { page.limit.max(LOOKED_AT_TOGETHER) };
    let (mut rows, mut looked_at, mut next) = (Vec::new(), 0, Page { limit, ..page });
    loop {
        let listed = merge(store.replays(environment, next)?, store.tasks(environment, next)?, next);
        looked_at += listed.rows.len();
        next.after = listed.rows.last().map(Either::id);
        rows.extend(listed.rows.into_iter().filter(|found| found.fits(wanted)));
        if rows.len() > page.limit || listed.done {
            return Ok(Listed::cut(rows, page.limit));
        }
        if looked_at >= SCAN_ROWS_MAX || rows.len() == page.limit {
            return Ok(Listed { rows, done: false, stopped_at: next.after.map(TaskId::value) });
        }
    }
}

/// One list of two, in the page's order.
fn merge(replays: Listed<Replay>, tasks: Listed<Task>, page: Page<TaskId>) -> Listed<Either> {
    let mut rows: Vec<_> = replays.rows.into_iter().map(Either::Replay).collect();
    rows.extend(tasks.rows.into_iter().map(Either::Task));
    rows.sort_by_key(|found| if page.descending { -found.id().value() } else { found.id().value() });
    let listed = Listed::cut(rows, page.limit);
    Listed { done: listed.done && replays.done && tasks.done, ..listed }
}

/// GET `/background-task/{task}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Read)?;
    let found = find(&api, &call).await?;
    Ok(answer(StatusCode::OK, &found.out(api.engine.text())))
}

/// POST `/background-task/{task}/cancel`: no more is done; what is done stays done.
pub(super) async fn cancel(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    call.nothing().await?;
    call_off(&api, &call).await?;
    read(State(api), call).await
}

/// Calls the task in the path off. Error: 404, or it has ended already.
pub(in crate::http) async fn call_off(api: &Api, call: &Call) -> Result<()> {
    call.may(Action::Attempt)?;
    let updated_ms = api.clock.now().wall_ms;
    let change = match find(api, call).await? {
        Either::Replay(replay) => {
            Change::Replay(Box::new(Replay { state: ReplayState::Canceled, updated_ms, ..replay }))
        }
        Either::Task(task) => {
            if !task.work.is_delivery() {
                call.may(Action::Manage)?;
            }
            Change::Task(Box::new(Task { state: ReplayState::Canceled, updated_ms, ..task }))
        }
    };
    let changed = call.change(api, change).await;
    changed.map_err(|error| not_changed(error, "the task has ended already"))
}

/// A task of the caller's environment, and of the caller's application when that is all the caller may see.
async fn find(api: &Api, call: &Call) -> Result<Either> {
    let (environment, asked) = (call.caller.environment, call.id(api, "task")?);
    let found = api
        .read(move |store| {
            if let Some(replay) = store.replay(environment, asked)? {
                return Ok(Some((Some(replay.application), Either::Replay(replay))));
            }
            Ok(store.task(environment, asked)?.map(|task| (task.application, Either::Task(task))))
        })
        .await?;
    let (application, found) = found.ok_or_else(Error::not_found)?;
    let own = call.caller.application();
    if own.is_none() || own == application { Ok(found) } else { Err(Error::not_found()) }
}

/// Whoever is let in for one application alone sees no list of all. Error: 403.
fn of_environment(call: &Call) -> Result<()> {
    match call.caller.application() {
        None => Ok(()),
        Some(_) => call.may(Action::Manage),
    }
}
