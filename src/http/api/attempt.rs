//! `/app/{app}/attempt`: what became of events.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::{Api, endpoint, event, not_changed};
use crate::delivery::Status;
use crate::endpoint::State as EndpointState;
use crate::error::{Error, Kind, Result};
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, filter, time};
use crate::http::problem::json;
use crate::id::{AttemptId, Id, IdText};
use crate::key::Action;
use crate::store::{AttemptRow, AttemptsOf, Filter, Page};

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
}

fn out(row: &AttemptRow, ids: &IdText) -> AttemptOut {
    let attempt = &row.attempt;
    let (status, status_text) =
        if attempt.succeeded() { (Status::Success, "success") } else { (Status::Failed, "fail") };
    AttemptOut {
        id: ids.of(attempt.id),
        msg_id: ids.of(row.event),
        endpoint_id: ids.of(row.endpoint),
        url: attempt.url.clone(),
        response: String::from_utf8_lossy(&attempt.response).into_owned(),
        response_status_code: attempt.status_code,
        response_duration_ms: attempt.duration_ms,
        status: status as u8,
        status_text,
        trigger_type: attempt.trigger as u8,
        timestamp: time(attempt.started_ms),
    }
}

/// GET `/app/{app}/attempt/endpoint/{ep}`
pub(super) async fn of_endpoint(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application(&call).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    list(&api, &call, AttemptsOf::Endpoint(endpoint.id)).await
}

/// GET `/app/{app}/attempt/msg/{msg}`
pub(super) async fn of_event(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    list(&api, &call, AttemptsOf::Event(event.id)).await
}

async fn list(api: &Api, call: &Call, of: AttemptsOf) -> Result<Response> {
    let ids = api.engine.text();
    let asked = Asked::read(call, true, |text| ids.parse(text))?;
    let (page, mut filter) = (asked.page, filter(call, api.clock.now().wall_ms)?);
    filter.succeeded = match call.query_one("status")?.as_deref() {
        None => None,
        Some("0") => Some(true),
        Some("2") => Some(false),
        Some(_) => return Err(Error::at(&["query", "status"], "must be 0 (success) or 2 (fail)")),
    };
    filter.status_class = match call.query_one("status_code_class")?.map(|text| text.parse::<u16>()) {
        None => None,
        Some(Ok(class)) if class % 100 == 0 && class <= 500 => Some(class),
        Some(_) => return Err(Error::at(&["query", "status_code_class"], "must be 0, 100, 200, 300, 400 or 500")),
    };
    if let Some(text) = call.query_one("endpoint_id")? {
        filter.endpoint =
            Some(ids.parse(&text).ok_or_else(|| Error::at(&["query", "endpoint_id"], "is no endpoint's id"))?);
    }
    let listed = api.read(move |store| store.attempts(of, page, &filter)).await?;
    let list = asked.answer_ids(listed, ids, |row| row.attempt.id, |row| out(&row, ids));
    Ok(answer(StatusCode::OK, &list))
}

/// GET `/app/{app}/msg/{msg}/attempt/{atmpt}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let application = api.application(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    let attempt: AttemptId = call.id(&api, "atmpt")?;
    let only = Filter { above: Some(attempt.value() - 1), below: Some(attempt.value() + 1), ..Filter::default() };
    let page = Page { after: None, descending: true, limit: 1 };
    let listed = api.read(move |store| store.attempts(AttemptsOf::Event(event.id), page, &only)).await?;
    let row = listed.rows.first().ok_or_else(Error::not_found)?;
    Ok(answer(StatusCode::OK, &out(row, api.engine.text())))
}

/// POST `/app/{app}/msg/{msg}/endpoint/{ep}/resend`: one attempt now.
pub(super) async fn resend(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let _ = call.body(crate::http::call::SETTING_BYTES_MAX).await?;
    let application = api.application(&call).await?;
    let event = event::find(&api, &call, &application).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    if endpoint.state != EndpointState::Enabled {
        return Err(Error::new(
            Kind::Invalid,
            "generic_error",
            "the endpoint is disabled; enable it first, then resend",
        ));
    }
    api.engine.resend(event.id, endpoint.id).await.map_err(|error| not_changed(error, "it cannot be resent now"))?;
    Ok(json(StatusCode::ACCEPTED, "{}"))
}
