//! `/environment`: its settings, and how its portal looks; all that one holds beside its applications, out and in.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::event_type::{self, EventTypeIn, EventTypeOut};
use super::{Api, empty, not_changed, unserved};
use crate::brand::{Brand, Logo};
use crate::colour::Colour;
use crate::environment::Validation;
use crate::error::{Error, Result};
use crate::http::call::{Call, answer, present};
use crate::http::page::time;
use crate::id::EnvironmentId;
use crate::key::Action;
use crate::store::{Change, Page, PeopleChange, Store};

/// The form of an export.
const VERSION: u32 = 1;
/// How many event types one import brings.
const TYPES_MAX: usize = 10_000;
/// How many event types are read at a time.
const SLICE: usize = 250;

/// The settings of an environment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingsOut {
    schema_validation: &'static str,
    portal: BrandOut,
}

/// How the portal looks.
#[derive(Serialize)]
struct BrandOut {
    name: Option<String>,
    colour: Option<String>,
    /// A data URL.
    logo: Option<String>,
}

/// What changes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingsPatch {
    schema_validation: Option<String>,
    portal: Option<BrandPatch>,
}

#[derive(Deserialize)]
struct BrandPatch {
    #[serde(default, deserialize_with = "present")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    colour: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    logo: Option<Option<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportOut {
    version: u32,
    created_at: String,
    event_types: Vec<EventTypeOut>,
    settings: SettingsOut,
    connectors: [(); 0],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImportIn {
    event_types: Option<Vec<EventTypeIn>>,
    settings: Option<SettingsPatch>,
    connectors: Option<Vec<serde_json::Value>>,
}

/// GET `/environment`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    call.caller.whole_environment()?;
    Ok(answer(StatusCode::OK, &settings(&api, call.caller.environment).await?))
}

async fn settings(api: &Api, environment: EnvironmentId) -> Result<SettingsOut> {
    let read = api.read(move |store| Ok((store.validation(environment)?, store.brand(environment)?)));
    let (validation, brand) = read.await?;
    let portal = BrandOut {
        name: brand.name,
        colour: brand.colour.map(|colour| colour.to_string()),
        logo: brand.logo.map(|logo| logo.url()),
    };
    Ok(SettingsOut { schema_validation: validation.name(), portal })
}

/// PATCH `/environment`
pub(super) async fn patch(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, _) = call.json::<SettingsPatch>().await?;
    apply(&api, &call, input).await?;
    Ok(answer(StatusCode::OK, &settings(&api, call.caller.environment).await?))
}

/// Changes what is given, all of it or nothing that breaks a rule.
async fn apply(api: &Api, call: &Call, given: SettingsPatch) -> Result<()> {
    let environment = call.caller.environment;
    let validation = given.schema_validation.as_deref().map(Validation::parse).transpose()?;
    let before = api.read(move |store| store.brand(environment)).await?;
    let brand = given.portal.map(|given| patched(before, given)).transpose()?;
    let validation = validation.map(|validation| Change::Validation(environment, validation));
    let brand = brand.map(|brand| Change::People(PeopleChange::Brand(environment, brand)));
    for change in validation.into_iter().chain(brand) {
        let changed = call.change(api, change).await;
        changed.map_err(|error| not_changed(error, "it cannot be changed now"))?;
    }
    api.schemas.changed();
    Ok(())
}

fn patched(before: Brand, given: BrandPatch) -> Result<Brand> {
    let within = |error: Error| Error::at(&["body", "portal", error.fields[0].path[1].as_str()], error.detail);
    let name = given.name.map(|name| Brand::name(&name.unwrap_or_default())).transpose().map_err(within)?;
    let colour = given.colour.map(|text| text.map(|text| Colour::parse("colour", &text)).transpose());
    let logo = given.logo.map(|url| url.map(|url| Logo::parse(&url)).transpose());
    Ok(Brand {
        name: name.unwrap_or(before.name),
        colour: colour.transpose().map_err(within)?.unwrap_or(before.colour),
        logo: logo.transpose().map_err(within)?.unwrap_or(before.logo),
    })
}

/// POST `/environment/export`: the event types, archived ones too, and the settings.
pub(super) async fn export(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    call.nothing().await?;
    let environment = call.caller.environment;
    let event_types = api.read(move |store| all(store, environment)).await?;
    let out = ExportOut {
        version: VERSION,
        created_at: time(api.clock.now().wall_ms),
        event_types,
        settings: settings(&api, environment).await?,
        connectors: [],
    };
    Ok(answer(StatusCode::OK, &out))
}

fn all(store: &dyn Store, environment: EnvironmentId) -> Result<Vec<EventTypeOut>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let listed = store.event_types(environment, Page { after, descending: false, limit: SLICE }, true)?;
        after = listed.rows.last().map(|event_type| event_type.name.clone());
        found.extend(listed.rows.into_iter().map(|event_type| event_type::out(event_type, true)));
        if listed.done {
            return Ok(found);
        }
    }
}

/// POST `/environment/import`: what an export gave; event types of the same name become as it says, all or none.
pub(super) async fn import(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<ImportIn>().await?;
    let _ = call.once(&body)?; // what was imported is imported again as it was
    unserved("connectors", input.connectors.is_some_and(|connectors| !connectors.is_empty()))?;
    let (environment, now_ms) = (call.caller.environment, api.clock.now().wall_ms);
    let given = input.event_types.unwrap_or_default();
    if given.len() > TYPES_MAX {
        let message = format!("holds {} event types; at most {TYPES_MAX} are taken", given.len());
        return Err(Error::field("eventTypes", message));
    }
    let read = given.into_iter().map(|given| event_type::fresh(given, environment, now_ms));
    let event_types = read.collect::<Result<Vec<_>>>()?;
    if !event_types.is_empty() {
        event_type::write(&api, &call, event_types).await?;
    }
    if let Some(settings) = input.settings {
        apply(&api, &call, settings).await?;
    }
    Ok(empty())
}
