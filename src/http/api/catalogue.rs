//! `/event-type/import/provider`: a provider's catalogue as event types; it comes by itself with what needs it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, not_changed};
use crate::error::{Error, Result};
use crate::event_type::EventType;
use crate::http::call::{Call, answer};
use crate::id::EnvironmentId;
use crate::key::Action;
use crate::provider::Provider;
use crate::providers;
use crate::store::{Change, Store};

#[derive(Deserialize)]
struct ImportIn {
    provider: String,
}

#[derive(Serialize)]
struct ImportOut {
    data: Imported,
}

#[derive(Serialize)]
struct Imported {
    /// The catalogue's names; those that existed already stayed as they were.
    modified: Vec<&'static str>,
}

/// POST `/event-type/import/provider`: 200 with the names of the catalogue. Error: the provider has none.
pub(super) async fn import(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<ImportIn>().await?;
    let provider = Provider::parse(&input.provider)?;
    let rows = providers::catalogue(provider);
    if rows.is_empty() {
        let detail = format!("`{}` has no catalogue; fintoc, bridge and finix have one", provider.name());
        return Err(Error::field("provider", detail));
    }
    bring_in(&api, &call, provider).await?;
    let modified = rows.iter().map(|row| row.event_type.as_str()).collect();
    Ok(answer(StatusCode::OK, &ImportOut { data: Imported { modified } }))
}

/// Makes the event types of a provider's catalogue that are missing.
pub(super) async fn bring_in(api: &Api, call: &Call, provider: Provider) -> Result<()> {
    let (environment, now_ms) = (call.caller.environment, api.clock.now().wall_ms);
    let missing = api.read(move |store| missing(store, environment, provider, now_ms)).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let changed = call.change(api, Change::Catalogue(missing)).await;
    changed.map_err(|error| not_changed(error, "an event type of the catalogue is in the way"))
}

/// The event types of a provider's catalogue that an environment has not.
pub(crate) fn missing(
    store: &dyn Store,
    environment: EnvironmentId,
    provider: Provider,
    now_ms: i64,
) -> Result<Vec<EventType>> {
    let mut missing = Vec::new();
    for row in providers::catalogue(provider) {
        if store.event_type(environment, &row.event_type)?.is_none() {
            missing.push(EventType {
                feature_flags: Vec::new(),
                group_name: None,
                environment,
                name: row.event_type.clone(),
                description: row.description.clone(),
                schemas: None,
                archived: false,
                deprecated: false,
                created_ms: now_ms,
                updated_ms: now_ms,
            });
        }
    }
    Ok(missing)
}
