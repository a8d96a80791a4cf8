//! `/app/{app}/endpoint/{ep}/send-example`: the example of an event type, to this endpoint only.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use rand::{RngCore as _, SeedableRng as _};
use serde::Deserialize;

use super::{Api, endpoint, event};
use crate::application::{Application, ApplicationRef};
use crate::endpoint::{Endpoint, State as EndpointState};
use crate::environment;
use crate::error::{Error, Kind, Result};
use crate::event::{Draft, NewEvent};
use crate::event_type::{PING, PING_EXAMPLE};
use crate::http::call::Call;
use crate::key::Action;
use crate::providers::{self, Play, Scene};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExampleIn {
    event_type: String,
}

/// POST `…/send-example`
pub(super) async fn send(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let (input, body) = call.json::<ExampleIn>().await?;
    let application = api.application(&call).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    let once = call.once(&body)?;
    let event = NewEvent { once, ..of(&api, &call, (&application, &endpoint), input.event_type).await? };
    event::accept_as(&api, event, StatusCode::OK, true).await
}

/// The example of an event type for this endpoint alone. Error: the endpoint is disabled, there is no example.
pub(in crate::http) async fn of(
    api: &Api,
    call: &Call,
    (application, endpoint): (&Application, &Endpoint),
    event_type: String,
) -> Result<NewEvent> {
    if endpoint.state != EndpointState::Enabled {
        return Err(Error::new(Kind::Invalid, "generic_error", "the endpoint is disabled; enable it first"));
    }
    let example = example(api, call, application, event_type.clone()).await?;
    let draft = Draft {
        application: ApplicationRef::Id(application.id),
        event_type,
        channels: None,
        uid: None,
        tags: None,
        keep_until_ms: None,
        deliver_at_ms: None,
        body: Bytes::from(example),
        once: None,
    };
    Ok(NewEvent { only: Some(endpoint.id), ..NewEvent::example(&call.caller, draft)? })
}

/// The event as its provider would send it, made up anew; `None` for what is in no catalogue.
fn played(api: &Api, call: &Call, application: &Application, name: &str) -> Option<Scene> {
    let live = environment::is_live(call.caller.environment);
    let (seed, at_ms) = (rand::rngs::StdRng::from_os_rng().next_u64(), api.clock.now().wall_ms);
    providers::example(application.provider, name, 0, &Play { seed, at_ms, live, as_documented: false, speed: 1 })
}

async fn example(api: &Api, call: &Call, application: &Application, name: String) -> Result<String> {
    if name == PING {
        return Ok(PING_EXAMPLE.to_owned());
    }
    if providers::goes_to_a_url(application.provider, &name) {
        return Err(Error::field("eventType", format!("`{name}` goes to no endpoint; publish it with its `url`")));
    }
    if let Some(scene) = played(api, call, application, &name) {
        return Ok(String::from_utf8_lossy(&scene.payload).into_owned());
    }
    let environment = call.caller.environment;
    let found = api.read(move |store| store.event_type(environment, &name)).await?;
    let shown = found.filter(|event_type| event_type.is_shown_to(call.caller.feature_flags()));
    let event_type = shown.ok_or_else(Error::not_found)?;
    let none = || {
        Error::new(
            Kind::Invalid,
            "invalid_scheme",
            "the event type's schema has no example; give it one under schemas[\"1\"].examples[0]",
        )
    };
    event_type.example().ok_or_else(none)
}
