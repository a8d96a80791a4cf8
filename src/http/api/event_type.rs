//! `/event-type`: the names of events, with schemas and examples.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::endpoint::set;
use super::{Api, empty, not_changed};
use crate::error::{Error, Result};
use crate::event_type::EventType;
use crate::http::call::{Call, answer, present};
use crate::http::page::{Asked, time};
use crate::http::problem::text;
use crate::http::schemas::Schema;
use crate::id::EnvironmentId;
use crate::key::Action;
use crate::name;
use crate::store::{Change, Listed, Page, Store};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventTypeIn {
    pub(super) name: String,
    description: String,
    schemas: Option<Box<RawValue>>,
    archived: Option<bool>,
    deprecated: Option<bool>,
    feature_flag: Option<String>,
    feature_flags: Option<Vec<String>>,
    group_name: Option<String>,
}

/// What PUT takes: the name stands in the path, and may stand here too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventTypeUpsert {
    name: Option<String>,
    description: String,
    schemas: Option<Box<RawValue>>,
    archived: Option<bool>,
    deprecated: Option<bool>,
    feature_flag: Option<String>,
    feature_flags: Option<Vec<String>>,
    group_name: Option<String>,
}

/// Absent keeps, null unsets, a value sets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventTypePatch {
    name: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    schemas: Option<Option<Box<RawValue>>>,
    archived: Option<bool>,
    deprecated: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    feature_flag: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    feature_flags: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    group_name: Option<Option<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventTypeOut {
    name: String,
    description: String,
    schemas: Option<Box<RawValue>>,
    archived: bool,
    deprecated: bool,
    feature_flag: Option<String>,
    feature_flags: Option<Vec<String>>,
    group_name: Option<String>,
    created_at: String,
    updated_at: String,
}

pub(super) fn out(event_type: EventType, with_content: bool) -> EventTypeOut {
    let schemas = event_type.schemas.filter(|_| with_content).and_then(|text| RawValue::from_string(text).ok());
    EventTypeOut {
        name: event_type.name,
        description: event_type.description,
        schemas,
        archived: event_type.archived,
        deprecated: event_type.deprecated,
        feature_flag: event_type.feature_flags.first().cloned(),
        feature_flags: (!event_type.feature_flags.is_empty()).then_some(event_type.feature_flags),
        group_name: event_type.group_name,
        created_at: time(event_type.created_ms),
        updated_at: time(event_type.updated_ms),
    }
}

/// What a request describes, checked. Error: the field that breaks a rule, a schema that is none.
pub(super) fn fresh(input: EventTypeIn, environment: EnvironmentId, now_ms: i64) -> Result<EventType> {
    let event_type = EventType {
        environment,
        name: input.name,
        description: input.description,
        schemas: input.schemas.map(|schemas| schemas.get().to_owned()).filter(|text| text != "null"),
        archived: input.archived.unwrap_or(false),
        deprecated: input.deprecated.unwrap_or(false),
        feature_flags: input.feature_flags.or(input.feature_flag.map(|flag| vec![flag])).unwrap_or_default(),
        group_name: input.group_name,
        created_ms: now_ms,
        updated_ms: now_ms,
    };
    check(&event_type)?;
    Ok(event_type)
}

fn check(event_type: &EventType) -> Result<()> {
    event_type.check()?;
    if event_type.schemas.as_ref().is_some_and(|text| !text.starts_with('{')) {
        return Err(Error::field("schemas", "must be an object of versions, such as {\"1\": {…}}"));
    }
    event_type.schema().map_or(Ok(()), |schema| Schema::new(&schema).map(|_| ()))
}

/// GET `/event-type`: those that the caller's feature flags let it see.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    let archived = call.query_flag("include_archived", false)?;
    let with_content = call.query_flag("with_content", false)?;
    let asked =
        Asked::read(&call, false, |text| name::check_event_type("iterator", text).ok().map(|()| text.to_owned()))?;
    let (environment, page) = (call.caller.environment, asked.page.clone());
    let flags = call.caller.feature_flags().map(<[String]>::to_vec);
    let listed = api.read(move |store| shown(store, environment, &page, archived, flags.as_deref())).await?;
    let list = asked.answer(listed, |event_type| event_type.name.clone(), |event_type| out(event_type, with_content));
    Ok(answer(StatusCode::OK, &list))
}

/// Goes on until the page is full: what is hidden must not be seen in how long pages are.
pub(in crate::http) fn shown(
    store: &dyn Store,
    environment: EnvironmentId,
    page: &Page<String>,
    archived: bool,
    flags: Option<&[String]>,
) -> Result<Listed<EventType>> {
    let (mut rows, mut after): (Vec<EventType>, _) = (Vec::new(), page.after.clone());
    loop {
        let listed = store.event_types(environment, Page { after, ..page.clone() }, archived)?;
        after = listed.rows.last().map(|event_type| event_type.name.clone());
        rows.extend(listed.rows.into_iter().filter(|event_type| event_type.is_shown_to(flags)));
        if rows.len() > page.limit || listed.done {
            return Ok(Listed::cut(rows, page.limit));
        }
        if flags.is_none() && rows.len() == page.limit {
            return Ok(Listed { rows, done: false, stopped_at: None });
        }
    }
}

/// POST `/event-type`: 201; an archived one of that name comes back.
pub(super) async fn create(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<EventTypeIn>().await?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let event_type = fresh(input, call.caller.environment, api.clock.now().wall_ms)?;
    let body = text(&out(event_type.clone(), true));
    let changed = api.change(&call, once, Change::EventType(event_type), (StatusCode::CREATED, body)).await;
    api.schemas.changed();
    changed.map_err(|error| not_changed(error, "an event type of this name exists already"))
}

async fn look(api: &Api, call: &Call) -> Result<Option<EventType>> {
    let (environment, name) = (call.caller.environment, call.param("name").to_owned());
    let flags = call.caller.feature_flags().map(<[String]>::to_vec);
    let found = api.read(move |store| store.event_type(environment, &name)).await?;
    Ok(found.filter(|event_type| event_type.is_shown_to(flags.as_deref())))
}

/// GET `/event-type/{name}`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    let event_type = look(&api, &call).await?.ok_or_else(Error::not_found)?;
    Ok(answer(StatusCode::OK, &out(event_type, true)))
}

/// PUT `/event-type/{name}`: 200 changed, or 201 made.
pub(super) async fn replace(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<EventTypeUpsert>().await?;
    keeps_name(&call, input.name.as_deref())?;
    let before = look(&api, &call).await?;
    let EventTypeUpsert { description, schemas, archived, deprecated, feature_flag, feature_flags, group_name, .. } =
        input;
    let name = call.param("name").to_owned();
    let input =
        EventTypeIn { name, description, schemas, archived, deprecated, feature_flag, feature_flags, group_name };
    let event_type = fresh(input, call.caller.environment, api.clock.now().wall_ms)?;
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    put(
        &api,
        &call,
        EventType { created_ms: before.map_or(event_type.created_ms, |before| before.created_ms), ..event_type },
        status,
    )
    .await
}

fn keeps_name(call: &Call, given: Option<&str>) -> Result<()> {
    if given.is_some_and(|given| given != call.param("name")) {
        return Err(Error::field("name", "is fixed; make a new event type for another name"));
    }
    Ok(())
}

/// PATCH `/event-type/{name}`
pub(super) async fn patch(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<EventTypePatch>().await?;
    keeps_name(&call, input.name.as_deref())?;
    let mut event_type = look(&api, &call).await?.ok_or_else(Error::not_found)?;
    set(&mut event_type.description, input.description.as_ref());
    set(&mut event_type.archived, input.archived.as_ref());
    set(&mut event_type.deprecated, input.deprecated.as_ref());
    set(&mut event_type.group_name, input.group_name.as_ref());
    if let Some(schemas) = input.schemas {
        event_type.schemas = schemas.map(|schemas| schemas.get().to_owned()).filter(|text| text != "null");
    }
    let flags = input.feature_flags.or(input.feature_flag.map(|flag| flag.map(|flag| vec![flag])));
    if let Some(flags) = flags {
        event_type.feature_flags = flags.unwrap_or_default();
    }
    check(&event_type)?;
    event_type.updated_ms = api.clock.now().wall_ms;
    put(&api, &call, event_type, StatusCode::OK).await
}

async fn put(api: &Api, call: &Call, event_type: EventType, status: StatusCode) -> Result<Response> {
    let body = text(&out(event_type.clone(), true));
    write(api, call, vec![event_type]).await?;
    Ok(crate::http::problem::json(status, body))
}

/// Makes or changes event types, all of them or none.
pub(super) async fn write(api: &Api, call: &Call, event_types: Vec<EventType>) -> Result<()> {
    let changed = call.change(api, Change::EventTypes(event_types)).await;
    api.schemas.changed();
    changed.map_err(|error| not_changed(error, "it cannot be changed now"))
}

/// DELETE `/event-type/{name}`: into the archive, or away with `expunge=true`.
pub(super) async fn delete(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let expunge = call.query_flag("expunge", false)?;
    let event_type = look(&api, &call).await?.ok_or_else(Error::not_found)?;
    if !expunge {
        let archived = EventType { archived: true, updated_ms: api.clock.now().wall_ms, ..event_type };
        write(&api, &call, vec![archived]).await?;
        return Ok(empty());
    }
    let change = Change::EventTypeGone(event_type.environment, event_type.name);
    let changed = call.change(&api, change).await;
    api.schemas.changed();
    changed.map(|()| empty()).map_err(|error| not_changed(error, "it is gone already"))
}
