//! `…/endpoint/{ep}/recover`, `bulk-replay`, `replay-missing`, `send-waiting`: many deliveries made again, or due before
//! their time, as a background task.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, endpoint, not_changed};
use crate::endpoint::{Endpoint, State as EndpointState};
use crate::error::{Error, Kind as Failure, Result};
use crate::http::call::{Call, answer};
use crate::http::page::{at_moment, time};
use crate::http::problem::text;
use crate::id::IdText;
use crate::key::Action;
use crate::replay::{Kind, Replay, State as ReplayState, Wanted, range};
use crate::store::Change;

pub(in crate::http) const RUNNING: &str =
    "deliveries of this endpoint are made again already; wait until that task has ended, or cancel it";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplayIn {
    since: Option<String>,
    until: Option<String>,
    /// Only count.
    dry_run: Option<bool>,
}

/// Which of all deliveries are wanted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WantedIn {
    event_types: Option<Vec<String>>,
    channel: Option<String>,
    tag: Option<String>,
    status: Option<u8>,
    status_code_class: Option<u16>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskOut {
    id: String,
    status: &'static str,
    task: &'static str,
    data: DataOut,
    updated_at: String,
}

/// What a task has come to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataOut {
    app_id: String,
    endpoint_id: String,
    /// How many deliveries there were when it was asked for; only counted for those that have not succeeded.
    total: Option<u64>,
    /// How many are on their way, or arrived; under the name that Svix has for it, too.
    done: u64,
    messages_sent: u64,
    /// How many of these had been delivered before.
    delivered_before: u64,
    canceled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DryRunOut {
    pub(super) dry_run: bool,
    pub(super) count: u64,
    /// How many of these had been delivered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivered_before: Option<u64>,
}

/// A replay as a background task.
pub(super) fn out(replay: &Replay, ids: &IdText) -> TaskOut {
    let status = replay.state.name();
    let data = DataOut {
        app_id: ids.of(replay.application),
        endpoint_id: ids.of(replay.endpoint),
        total: replay.kind.is_of_open().then_some(replay.total),
        done: replay.done,
        messages_sent: replay.done,
        delivered_before: replay.delivered,
        canceled: replay.state == ReplayState::Canceled,
    };
    TaskOut { id: ids.of(replay.id), status, task: replay.kind.name(), data, updated_at: time(replay.updated_ms) }
}

/// POST `…/recover`: those whose last attempt failed.
pub(super) async fn recover(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let (input, body) = call.json().await?;
    begin(&api, &call, (Kind::Recover, input, Wanted::default()), &body).await
}

/// POST `…/bulk-replay`: all that fit.
pub(super) async fn bulk(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let ((input, wanted), body) = call.json_for_two::<ReplayIn, WantedIn>().await?;
    begin(&api, &call, (Kind::Bulk, input, wanted.read()), &body).await
}

/// POST `…/replay-missing`: those that were never made.
pub(super) async fn missing(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let (input, body) = call.json().await?;
    begin(&api, &call, (Kind::Missing, input, Wanted::default()), &body).await
}

/// POST `…/send-waiting`: those that wait for a retry.
pub(super) async fn waiting(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let (input, body) = call.json().await?;
    begin(&api, &call, (Kind::Waiting, input, Wanted::default()), &body).await
}

async fn begin(
    api: &Api,
    call: &Call,
    (kind, input, wanted): (Kind, ReplayIn, Wanted),
    body: &[u8],
) -> Result<Response> {
    let application = api.application(call).await?;
    let endpoint = endpoint::find(api, call, &application).await?;
    let once = call.once(body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let since_ms = match &input.since {
        Some(since) => at_moment(&["body", "since"], since)?,
        None if kind == Kind::Waiting => 0,
        None => return Err(Error::json_at(&["body", "since"], "missing field `since`".to_owned())),
    };
    let until_ms = input.until.as_deref().map(|until| at_moment(&["body", "until"], until)).transpose()?;
    let mut replay = fresh(api, call, &endpoint, (kind, since_ms, until_ms, wanted))?;
    let dry_run = input.dry_run == Some(true);
    if dry_run || kind.is_of_open() {
        let asked = replay.clone();
        let counted = api.read(move |store| store.replay_count(&asked)).await?;
        if dry_run {
            let (count, delivered_before) = (counted.all, Some(counted.delivered));
            return Ok(answer(StatusCode::OK, &DryRunOut { dry_run, count, delivered_before }));
        }
        replay.total = counted.all;
    }
    let body = text(&out(&replay, api.engine.text()));
    api.change(call, once, Change::Replay(Box::new(replay)), (StatusCode::ACCEPTED, body))
        .await
        .map_err(|error| not_changed(error, RUNNING))
}

/// A replay that is not begun: which deliveries, since when, until when, narrowed to what. Error: the endpoint is
/// disabled, the range is none.
pub(in crate::http) fn fresh(
    api: &Api,
    call: &Call,
    endpoint: &Endpoint,
    (kind, since_ms, until_ms, wanted): (Kind, i64, Option<i64>, Wanted),
) -> Result<Replay> {
    if endpoint.state != EndpointState::Enabled {
        return Err(Error::new(Failure::Invalid, "generic_error", "the endpoint is disabled; enable it first"));
    }
    let now_ms = api.clock.now().wall_ms;
    let range = range(kind, since_ms, until_ms, now_ms)?;
    let id = api.engine.ids().next(now_ms);
    Ok(Replay::begin(id, call.caller.environment, endpoint, (kind, range, wanted)))
}

impl WantedIn {
    fn read(self) -> Wanted {
        Wanted {
            event_types: self.event_types.unwrap_or_default(),
            channel: self.channel,
            tag: self.tag,
            status: self.status,
            status_class: self.status_code_class,
        }
    }
}
