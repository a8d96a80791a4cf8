//! `/source/{source}/conflict`: events that came under the id of another and say something else, held back for an Admin.

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Api, empty, event, held, source};
use crate::conflict::{self, Conflict, Held};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, time};
use crate::id::{ConflictId, Id as _, IdText};
use crate::key::Action;
use crate::source::Source;
use crate::store::{Listed, Store};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConflictOut {
    id: String,
    /// `waiting`, `released` or `discarded`.
    status: &'static str,
    event_type: String,
    dedup_key: String,
    count: u32,
    flags: Vec<&'static str>,
    received_at: String,
    /// The body as text; null when it is no UTF-8, or erased.
    body: Option<String>,
    body_base64: String,
    first_id: String,
    /// The event that came first; null when it cannot be read.
    first: Option<Box<RawValue>>,
}

/// A conflict, and the event that came first.
pub(in crate::http) type Pair = (Conflict, Option<Event>);

fn out((conflict, first): Pair, ids: &IdText, now_ms: i64) -> ConflictOut {
    let is_kept = conflict.state == conflict::State::Waiting;
    let first = first.map(|first| event::out(&first, ids, true, now_ms));
    ConflictOut {
        id: ids.of(conflict.id),
        status: conflict.state.name(),
        event_type: conflict.event_type,
        dedup_key: conflict.dedup_key,
        count: conflict.count,
        flags: conflict.flags.names(),
        received_at: time(conflict.id.time_ms()),
        body: std::str::from_utf8(&conflict.body).ok().filter(|_| is_kept).map(str::to_owned),
        body_base64: STANDARD.encode(&conflict.body),
        first_id: ids.webhook_id(conflict.first.event, conflict.first.webhook_id),
        first: first.map(|first| RawValue::from_string(first).expect("just written")),
    }
}

/// A conflict beside the event that came first.
pub(in crate::http) fn beside(store: &dyn Store, conflict: Conflict) -> Result<Pair> {
    let first = store.event(conflict.application, conflict.first.event)?;
    Ok((conflict, first))
}

/// The conflict in the path, and its source. Error: 404.
async fn find(api: &Api, call: &Call) -> Result<(Source, Conflict)> {
    let source = source::find(api, call).await?;
    let (of, id): (_, ConflictId) = (source.id, call.id(api, "conflict")?);
    let found = api.read(move |store| store.conflict(of, id)).await?;
    Ok((source, found.ok_or_else(Error::not_found)?))
}

/// GET `/source/{source}/conflict`: those that wait, the newest first.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    let source = source::find(&api, &call).await?.id;
    let (ids, now_ms) = (api.engine.text(), api.clock.now().wall_ms);
    let asked = Asked::<ConflictId>::read(&call, true, |text| ids.parse(text))?;
    let page = asked.page;
    let bytes = |(conflict, first): &Pair| conflict.body.len() + first.as_ref().map_or(0, |first| first.body.len());
    let listed = api
        .read(move |store| {
            let pairs = |page| store.conflicts(source, page)?.try_map(|row| beside(store, row));
            Listed::gather(page, pairs, |pair| (pair.0.id, bytes(pair)))
        })
        .await?;
    let list = asked.answer_ids(listed, ids, |(conflict, _): &Pair| conflict.id, |pair| out(pair, ids, now_ms));
    Ok(answer(StatusCode::OK, &list))
}

/// GET `/source/{source}/conflict/{conflict}`: whether it waits or not.
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let (_, conflict) = find(&api, &call).await?;
    let pair = api.read(move |store| beside(store, conflict)).await?;
    Ok(answer(StatusCode::OK, &out(pair, api.engine.text(), api.clock.now().wall_ms)))
}

/// POST `/source/{source}/conflict/{conflict}/release`: it is delivered, flagged.
pub(super) async fn release(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    call.nothing().await?;
    let (source, conflict) = find(&api, &call).await?;
    let released = held::release_conflict(&api, call.by(&api), &source, conflict).await?;
    Ok(answer(StatusCode::OK, &released))
}

/// POST `/source/{source}/conflict/{conflict}/discard`
pub(super) async fn discard(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    call.nothing().await?;
    let (source, conflict) = find(&api, &call).await?;
    held::discard(&api, &call, source.application, vec![Held::Conflict(conflict.id)]).await?;
    Ok(empty())
}
