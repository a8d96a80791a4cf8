//! `/app/{app}/attempt`: what became of events.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::USER_AGENT;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Api, empty, endpoint, event, not_changed};
use crate::application::Application;
use crate::delivery::Standing;
use crate::endpoint::{Endpoint, State as EndpointState};
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, filter, time};
use crate::id::{ApplicationId, AttemptId, EndpointId, EventId, Id, IdText};
use crate::key::Action;
use crate::store::{AttemptRow, AttemptsOf, Change, Filter, Listed, Page, Store};

/// How the SDKs of Svix say who they are.
const SVIX_SDK: &str = "svix-libs/";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptOut {
    id: String,
    msg_id: String,
    endpoint_id: String,
    url: String,
    response: String,
    response_status_code: u16,
    response_duration_ms: u32,
    status: u8,
    status_text: &'static str,
    trigger_type: u8,
    timestamp: String,
    /// The event without its payload, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<Box<RawValue>>,
}

fn out(row: &AttemptRow, ids: &IdText, with_content: bool) -> AttemptOut {
    let attempt = &row.attempt;
    // an attempt has ended, and its delivery may go on, as in svix-server
    let status = if attempt.succeeded() { Standing::Success } else { Standing::Failed };
    AttemptOut {
        id: ids.of(attempt.id),
        msg_id: row.called(ids),
        endpoint_id: ids.of(row.endpoint),
        url: attempt.url.clone(),
        response: if with_content { String::from_utf8_lossy(&attempt.response).into_owned() } else { String::new() },
        response_status_code: attempt.status_code,
        response_duration_ms: attempt.duration_ms,
        status: status as u8,
        status_text: status.name(),
        trigger_type: attempt.trigger as u8,
        timestamp: time(attempt.began_ms()),
        msg: None,
    }
}

/// GET `/app/{app}/attempt/endpoint/{ep}`
pub(super) async fn of_endpoint(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application_lately(&call).await?;
    let endpoint = api.endpoint_lately(&call, &application).await?;
    list(&api, &call, &application, AttemptsOf::Endpoint(endpoint.id)).await
}

/// GET `/app/{app}/attempt/msg/{msg}`
pub(super) async fn of_event(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application_lately(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    list(&api, &call, &application, AttemptsOf::Event(event.id)).await
}

async fn list(api: &Api, call: &Call, application: &Application, of: AttemptsOf) -> Result<Response> {
    let ids = api.engine.text();
    let asked = Asked::read(call, true, |text| ids.parse(text))?;
    let (page, mut filter) = (asked.page, filter(call, api.clock.now().wall_ms)?);
    let with_content = call.query_flag("with_content", true)?;
    let with_event = call.query_flag("with_msg", false)?;
    expanded(call)?; // an attempt is never canceled
    let status = status(call)?;
    filter.succeeded = status.map(|status| status == Standing::Success);
    filter.status_class = match call.query_one("status_code_class")?.map(|text| text.parse::<u16>()) {
        None => None,
        Some(Ok(class)) if class % 100 == 0 && class <= 500 => Some(class),
        Some(_) => return Err(Error::at(&["query", "status_code_class"], "must be 0, 100, 200, 300, 400 or 500")),
    };
    filter.endpoint = wanted_endpoint(api, call, application.id).await?;
    let (application, now_ms) = (application.id, api.clock.now().wall_ms);
    let (listed, events) = api
        .read(move |store| {
            let listed = match status {
                // an attempt has ended: it stands in no other way
                Some(Standing::Pending | Standing::Sending | Standing::Canceled) => Listed::empty(),
                _ => store.attempts(of, page, &filter)?,
            };
            let events = if with_event { events(store, application, &listed.rows)? } else { BTreeMap::new() };
            Ok((listed, events))
        })
        .await?;
    let shape = |row: AttemptRow| AttemptOut {
        msg: events
            .get(&row.event)
            .map(|event| RawValue::from_string(event::out(event, ids, false, now_ms)).expect("just written")),
        ..out(&row, ids, with_content)
    };
    Ok(answer(StatusCode::OK, &asked.answer_ids(listed, ids, |row| row.attempt.id, shape)))
}

/// Whether the caller knows the status 4 (canceled), which is 0 (success) to all others, as at Svix. Those of its SDKs that
/// know it say so; their forebears fail on a number that is new to them.
pub(super) fn expanded(call: &Call) -> Result<bool> {
    call.query_flag("expanded_statuses", !call.header(USER_AGENT).starts_with(SVIX_SDK))
}

/// The status in the query.
pub(super) fn status(call: &Call) -> Result<Option<Standing>> {
    let wrong =
        || Error::at(&["query", "status"], "must be 0 (success), 1 (pending), 2 (fail), 3 (sending) or 4 (canceled)");
    let text = call.query_one("status")?;
    text.map(|text| text.parse().ok().and_then(Standing::from_number).ok_or_else(wrong)).transpose()
}

async fn wanted_endpoint(api: &Api, call: &Call, application: ApplicationId) -> Result<Option<EndpointId>> {
    let Some(text) = call.query_one("endpoint_id")? else {
        return Ok(None);
    };
    let wrong = || Error::at(&["query", "endpoint_id"], "is no endpoint's id or uid");
    if text.starts_with(EndpointId::PREFIX) {
        return api.engine.text().parse(&text).map(Some).ok_or_else(wrong);
    }
    let found = api.read(move |store| store.endpoint_by_uid(application, &text)).await?;
    found.map(|endpoint| Some(endpoint.id)).ok_or_else(wrong)
}

fn events(store: &dyn Store, application: ApplicationId, rows: &[AttemptRow]) -> Result<BTreeMap<EventId, Event>> {
    let mut found = BTreeMap::new();
    for row in rows {
        if !found.contains_key(&row.event)
            && let Some(event) = store.event(application, row.event)?
        {
            found.insert(row.event, event);
        }
    }
    Ok(found)
}

/// GET `/app/{app}/msg/{msg}/attempt/{atmpt}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application_lately(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    let row = find(&api, &call, &event).await?;
    let with_content = call.query_flag("with_content", true)?;
    expanded(&call)?;
    Ok(answer(StatusCode::OK, &out(&row, api.engine.text(), with_content)))
}

async fn find(api: &Api, call: &Call, event: &Event) -> Result<AttemptRow> {
    let (attempt, event): (AttemptId, _) = (call.id(api, "atmpt")?, event.id);
    let only = Filter { above: Some(attempt.value() - 1), below: Some(attempt.value() + 1), ..Filter::default() };
    let page = Page { after: None, descending: true, limit: 1 };
    let listed = api.read(move |store| store.attempts(AttemptsOf::Event(event), page, &only)).await?;
    listed.rows.into_iter().next().ok_or_else(Error::not_found)
}

/// DELETE `…/attempt/{atmpt}/content`: the response is erased.
pub(super) async fn expunge(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let application = api.application(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    let row = find(&api, &call, &event).await?;
    let changed = call.change(&api, Change::ExpungeAttempt(event.id, row.attempt.id)).await;
    api.upkeep.notify_one(); // the log has copies
    changed.map(|()| empty()).map_err(|error| not_changed(error, "it cannot be erased now"))
}

/// POST `/app/{app}/msg/{msg}/endpoint/{ep}/resend`: one attempt now.
pub(super) async fn resend(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let body = call.nothing().await?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let application = api.application(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    again(&api, &call, &event, &endpoint).await?;
    let kept = api.change(&call, once, Change::Answered, (StatusCode::ACCEPTED, "{}".to_owned())).await;
    kept.map_err(|error| not_changed(error, "it cannot be resent now"))
}

/// One more attempt, now. Error: the endpoint is disabled, the payload is gone.
pub(in crate::http) async fn again(api: &Api, call: &Call, event: &Event, endpoint: &Endpoint) -> Result<()> {
    if endpoint.state != EndpointState::Enabled {
        return Err(Error::new(
            Kind::Invalid,
            "generic_error",
            "the endpoint is disabled; enable it first, then resend",
        ));
    }
    if event.is_expired(api.clock.now().wall_ms) {
        return Err(Error::new(Kind::Invalid, "missing_payload", "the event's payload is gone; publish it anew"));
    }
    let resent = api.engine.resend(call.by(api), event.id, endpoint.id).await;
    resent.map(|_| ()).map_err(|error| not_changed(error, "it cannot be resent now"))
}
