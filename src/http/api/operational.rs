//! `/operational-webhook/endpoint`: endpoints that hear what happens to endpoints and attempts. They are those of an
//! application in the management's environment that no list shows; what is below it is the same as below any.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::{Api, not_changed};
use crate::application::{Application, ApplicationRef, Wire};
use crate::engine::message::NotChanged;
use crate::environment::{self, Environment};
use crate::error::{Error, Result};
use crate::event_type::{self, OPERATIONAL};
use crate::http::call::{Call, answer};
use crate::id::{EnvironmentId, Id as _};
use crate::key::Action;
use crate::name::Metadata;
use crate::provider::Provider;
use crate::store::{Change, Refused, Store};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldOut {
    name: String,
    description: String,
}

/// As any list, of which nothing is left to read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AllOut {
    data: Vec<ToldOut>,
    done: bool,
    iterator: Option<String>,
    prev_iterator: Option<String>,
}

/// GET `/operational-webhook/event-type`: what an endpoint there may name.
pub(super) async fn event_types(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Read)?;
    call.caller.whole_environment()?;
    let rows = event_type::operational(call.caller.environment, api.clock.now().wall_ms);
    let data = rows.into_iter().map(|row| ToldOut { name: row.name, description: row.description }).collect();
    Ok(answer(StatusCode::OK, &AllOut { data, done: true, iterator: None, prev_iterator: None }))
}

/// The application that hears what happens in the caller's environment, made when it is asked for first.
pub(super) async fn application(api: &Api, call: &Call) -> Result<Application> {
    call.caller.whole_environment()?;
    let management = EnvironmentId::new(environment::MANAGEMENT_ID);
    let of = call.caller.environment;
    let uid = if environment::is_of_svix(of) {
        api.read(move |store| name_of(store, of)).await?
    } else {
        api.engine.text().of(of)
    };
    let named = ApplicationRef::Uid(uid.clone());
    let found = {
        let named = named.clone();
        api.read(move |store| store.application(management, &named)).await?
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let made = Environment { id: management, name: environment::MANAGEMENT.to_owned() };
    put(api, call, Change::Environment(made)).await?;
    let now_ms = api.clock.now().wall_ms;
    let application = Application {
        id: api.engine.ids().next(now_ms),
        environment: management,
        uid: Some(uid),
        name: "operational webhooks".to_owned(),
        metadata: Metadata::new(),
        throttle_rate: None,
        wire: if environment::is_of_svix(call.caller.environment) { Wire::Svix } else { Wire::Webhook },
        provider: Provider::Standard,
        source: None,
        updated_ms: now_ms,
        deleted: false,
    };
    put(api, call, Change::Application(application)).await?;
    api.read(move |store| store.application(management, &named)).await?.ok_or_else(Error::not_found)
}

/// How Svix tokens name an environment.
fn name_of(store: &dyn Store, id: EnvironmentId) -> Result<String> {
    let found = store.environments()?.into_iter().find(|environment| environment.id == id);
    found.map(|environment| environment.name).ok_or_else(Error::not_found)
}

/// Makes what may be there already.
async fn put(api: &Api, call: &Call, change: Change) -> Result<()> {
    match call.change(api, change).await {
        Ok(()) | Err(NotChanged::Refused(Refused::Taken)) => Ok(()),
        Err(error) => Err(not_changed(error, "it exists already")),
    }
}

/// Only what is ever told may be asked for. Error: 422 that names what is not.
pub(super) fn check_event_types(names: &[String]) -> Result<()> {
    let Some(unknown) = names.iter().find(|name| !OPERATIONAL.contains(&name.as_str())) else {
        return Ok(());
    };
    let all = OPERATIONAL.join(", ");
    Err(Error::field("eventTypes", format!("names `{unknown}`, which is never told; choose among {all}")))
}
