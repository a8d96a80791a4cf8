//! `/app/{app}/send-waiting`: what waits for a retry at any endpoint of an application is due now. A background task goes
//! from endpoint to endpoint and begins what each of them has of its own.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::replay::DryRunOut;
use super::{Api, background_task};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::at_moment;
use crate::http::problem::text;
use crate::id::{EndpointId, EventId, Id as _};
use crate::key::Action;
use crate::replay::{Kind, Replay, State as ReplayState, Wanted, range};
use crate::store::{Page, Store};
use crate::task::{Task, Work};

/// How many endpoints one step looks at.
const ENDPOINTS: usize = 20;
/// How many of the tasks of single endpoints are named by the task of their application.
const NAMED_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WaitingIn {
    since: Option<String>,
    until: Option<String>,
    /// Only count.
    dry_run: Option<bool>,
}

/// What an application's task has come to.
#[derive(Default, Deserialize, Serialize)]
struct Begun {
    /// At how many endpoints something waited.
    endpoints: u64,
    /// At how many of them deliveries were made again already: nothing was begun there.
    #[serde(default)]
    busy: u64,
    /// What it began there, the first [`NAMED_MAX`].
    tasks: Vec<String>,
}

/// POST `/app/{app}/send-waiting`
pub(super) async fn of_application(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let (input, body) = call.json::<WaitingIn>().await?;
    let application = api.application(&call).await?.id;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let now_ms = api.clock.now().wall_ms;
    let moment =
        |field: &'static str, text: Option<String>| text.map(|text| at_moment(&["body", field], &text)).transpose();
    let since_ms = moment("since", input.since)?.unwrap_or_default();
    let (first, last) = range(Kind::Waiting, since_ms, moment("until", input.until)?, now_ms)?;
    let work = Work::SendWaiting { first: first.value(), last: last.value() };
    if input.dry_run == Some(true) {
        let id = api.engine.ids().next(now_ms);
        let mut task = Task::begin(id, call.caller.environment, Some(application), work, now_ms);
        let mut count = 0;
        while task.state == ReplayState::Running {
            let (passed, found) = api.read(move |store| look(store, task)).await?;
            count += found.iter().map(|replay| replay.total).sum::<u64>();
            task = passed;
        }
        return Ok(answer(StatusCode::OK, &DryRunOut { dry_run: true, count, delivered_before: Some(0) }));
    }
    background_task::begin(&api, &call, once, (Some(application), work), None).await
}

/// The task after its next step, and what it begins at the endpoints that it passed; these have no ids yet.
pub(in crate::http) fn look(store: &dyn Store, task: Task) -> Result<(Task, Vec<Replay>)> {
    let (Some(application), &Work::SendWaiting { first, last }) = (task.application, &task.work) else {
        return Err(Error::internal("this is another task"));
    };
    let page = Page { after: Some(EndpointId::new(task.position)), descending: false, limit: ENDPOINTS };
    let listed = store.endpoints(application, page)?;
    let position = listed.rows.last().map_or(task.position, |row| row.id.value());
    let mut found = Vec::new();
    for endpoint in listed.rows.iter().filter(|row| row.is_active()) {
        let range = (EventId::new(first), EventId::new(last));
        let mut replay = Replay::begin(task.id, task.environment, endpoint, (Kind::Waiting, range, Wanted::default()));
        replay.total = store.replay_count(&replay)?.all;
        if replay.total > 0 {
            found.push(replay);
        }
    }
    let state = if listed.done { ReplayState::Finished } else { ReplayState::Running };
    Ok((Task { state, position, ..task }, found))
}

/// At one more of them something waits: `begun` is the task there and how many deliveries it means, `None` where others
/// are made again already.
pub(in crate::http) fn passed(task: &mut Task, begun: Option<(String, u64)>) {
    let known = task.result.as_deref().and_then(|result| serde_json::from_str::<Begun>(result).ok());
    let mut all = known.unwrap_or_default();
    all.endpoints += 1;
    match begun {
        Some((id, total)) => {
            task.done += total;
            all.tasks.extend(Some(id).filter(|_| all.tasks.len() < NAMED_MAX));
        }
        None => all.busy += 1,
    }
    task.result = Some(text(&all));
}
