//! `/event-type`: the names of events, with schemas and examples.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Api, not_changed, unserved};
use crate::error::{Error, Result};
use crate::event_type::EventType;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, time};
use crate::http::problem::text;
use crate::key::Action;
use crate::store::Change;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventTypeIn {
    name: String,
    description: String,
    schemas: Option<Box<RawValue>>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    deprecated: bool,
    feature_flag: Option<String>,
    feature_flags: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventTypeOut {
    name: String,
    description: String,
    schemas: Option<Box<RawValue>>,
    archived: bool,
    deprecated: bool,
    created_at: String,
    updated_at: String,
}

fn out(event_type: EventType, with_content: bool) -> EventTypeOut {
    let schemas = event_type.schemas.filter(|_| with_content).and_then(|text| RawValue::from_string(text).ok());
    EventTypeOut {
        name: event_type.name,
        description: event_type.description,
        schemas,
        archived: event_type.archived,
        deprecated: event_type.deprecated,
        created_at: time(event_type.created_ms),
        updated_at: time(event_type.updated_ms),
    }
}

/// GET `/event-type`
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    let archived = call.query_flag("include_archived", false)?;
    let with_content = call.query_flag("with_content", false)?;
    let asked = Asked::read(&call, false, |text| Some(text.to_owned()))?;
    let (environment, page) = (call.caller.environment, asked.page.clone());
    let listed = api.read(move |store| store.event_types(environment, page, archived)).await?;
    let list = asked.answer(listed, |event_type| event_type.name.clone(), |event_type| out(event_type, with_content));
    Ok(answer(StatusCode::OK, &list))
}

/// POST `/event-type`: 201; an archived one of that name comes back.
pub(super) async fn create(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<EventTypeIn>().await?;
    unserved("featureFlag", input.feature_flag.is_some() || input.feature_flags.is_some())?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let now_ms = api.clock.now().wall_ms;
    let schemas = input.schemas.map(|schemas| schemas.get().to_owned()).filter(|text| text != "null");
    if schemas.as_ref().is_some_and(|text| !text.starts_with('{')) {
        return Err(Error::field("schemas", "must be an object of versions, such as {\"1\": {…}}"));
    }
    let event_type = EventType {
        environment: call.caller.environment,
        name: input.name,
        description: input.description,
        schemas,
        archived: input.archived,
        deprecated: input.deprecated,
        created_ms: now_ms,
        updated_ms: now_ms,
    };
    event_type.check()?;
    let body = text(&out(event_type.clone(), true));
    let changed = api.change(once, Change::EventType(event_type), StatusCode::CREATED, body).await;
    changed.map_err(|error| not_changed(error, "an event type of this name exists already"))
}

/// GET `/event-type/{name}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let (environment, name) = (call.caller.environment, call.param("name").to_owned());
    let event_type = api.read(move |store| store.event_type(environment, &name)).await?.ok_or_else(Error::not_found)?;
    Ok(answer(StatusCode::OK, &out(event_type, true)))
}
