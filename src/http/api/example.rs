//! `/app/{app}/endpoint/{ep}/send-example`: the example of an event type, to this endpoint only.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use rand::{RngCore as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::value::RawValue;

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
pub(in crate::http) struct ExampleIn {
    event_type: String,
    /// Which of the type's examples; the first one unless given.
    example_index: Option<u64>,
    /// This, instead of an example.
    payload: Option<Box<RawValue>>,
}

impl ExampleIn {
    /// The first example of an event type.
    pub(in crate::http) fn of(event_type: String) -> Self {
        Self { event_type, example_index: None, payload: None }
    }
}

/// POST `…/send-example`
pub(super) async fn send(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Attempt)?;
    let (input, body) = call.json::<ExampleIn>().await?;
    let application = api.application(&call).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    let once = call.once(&body)?;
    let event = NewEvent { once, ..of(&api, &call, (&application, &endpoint), input).await? };
    event::accept_as(&api, event, StatusCode::OK, true).await
}

/// An example of an event type, by its place among them, for this endpoint alone. Error: the endpoint is disabled, there
/// is no example, or none at that place.
pub(in crate::http) async fn of(
    api: &Api,
    call: &Call,
    (application, endpoint): (&Application, &Endpoint),
    asked: ExampleIn,
) -> Result<NewEvent> {
    if endpoint.state != EndpointState::Enabled {
        return Err(Error::new(Kind::Invalid, "generic_error", "the endpoint is disabled; enable it first"));
    }
    let example = example(api, call, application, &asked).await?;
    crate::event::check_size(example.len(), api.payload_bytes_max)?;
    let draft = Draft {
        application: ApplicationRef::Id(application.id),
        event_type: asked.event_type,
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
fn played(api: &Api, call: &Call, application: &Application, (name, nth): (&str, u64)) -> Option<Scene> {
    let live = environment::is_live(call.caller.environment);
    let (seed, at_ms) = (rand::rngs::StdRng::from_os_rng().next_u64(), api.clock.now().wall_ms);
    providers::example(application.provider, name, nth, &Play { seed, at_ms, live, as_documented: false, speed: 1 })
}

/// The payload: the one that is given, else an example. Error: there is no such event type, or no such example.
async fn example(api: &Api, call: &Call, application: &Application, asked: &ExampleIn) -> Result<String> {
    let (name, nth) = (asked.event_type.clone(), asked.example_index.unwrap_or(0));
    let given = asked.payload.as_ref().map(|payload| payload.get().to_owned());
    if given.as_ref().is_some_and(|given| !given.starts_with('{')) {
        return Err(Error::field("payload", "must be a JSON object"));
    }
    if providers::goes_to_a_url(application.provider, &name) {
        return Err(Error::field("eventType", format!("`{name}` goes to no endpoint; publish it with its `url`")));
    }
    let ours = if name == PING {
        Some(PING_EXAMPLE.to_owned())
    } else {
        played(api, call, application, (&name, nth)).map(|scene| String::from_utf8_lossy(&scene.payload).into_owned())
    };
    if let Some(ours) = ours {
        return Ok(given.unwrap_or(ours));
    }
    let environment = call.caller.environment;
    let found = api.read(move |store| store.event_type(environment, &name)).await?;
    let shown = found.filter(|event_type| event_type.is_shown_to(call.caller.feature_flags()));
    let event_type = shown.ok_or_else(Error::not_found)?;
    if let Some(given) = given {
        return Ok(given);
    }
    let (count, nth) = (event_type.example_count(), usize::try_from(nth).unwrap_or(usize::MAX));
    if count > 0 && nth >= count {
        let message = format!("is too high: there are {count} examples, the first one is 0");
        return Err(Error::field("exampleIndex", message));
    }
    event_type.example(nth).ok_or_else(|| {
        let detail = "the event type's schema has no example; give it one under schemas[\"1\"].examples[0]";
        Error::new(Kind::Invalid, "invalid_scheme", detail)
    })
}
