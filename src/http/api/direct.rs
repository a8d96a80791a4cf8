//! The one URL that an event is for: an endpoint that only events which name it reach.

use rand::SeedableRng as _;

use super::{Api, not_changed};
use crate::application::Application;
use crate::digest::hash16;
use crate::endpoint::{Endpoint, Health, State};
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::http::call::Call;
use crate::id::EndpointId;
use crate::providers;
use crate::secret::SecretSlot;
use crate::store::{Change, Refused, Setting};

/// The endpoint of an application for this URL, made when it is the first event for it.
/// Error: the type goes to endpoints, or the guard's verdict on the URL.
pub(super) async fn endpoint(api: &Api, call: &Call, event_type: &str, url: &str) -> Result<EndpointId> {
    let application = api.application(call).await?;
    if !providers::goes_to_a_url(application.provider, event_type) {
        return Err(Error::field("url", format!("`{event_type}` goes to the endpoints that want it; leave `url` out")));
    }
    let id = application.id;
    let uid = uid(url);
    let known = uid.clone();
    if let Some(endpoint) = api.read(move |store| store.endpoint_by_uid(id, &known)).await? {
        return Ok(endpoint.id);
    }
    (api.judge_url)(url.to_owned()).await?;
    make(api, &application, uid, url).await
}

/// Two URLs never share it; a caller's uid is not made by accident.
fn uid(url: &str) -> String {
    let hash = hash16(url.as_bytes());
    format!("url_{:032x}", u128::from_be_bytes(hash))
}

async fn make(api: &Api, application: &Application, uid: String, url: &str) -> Result<EndpointId> {
    let now_ms = api.clock.now().wall_ms;
    let secret = providers::generate_secret(application.provider, &mut rand::rngs::StdRng::from_os_rng());
    let endpoint = Endpoint {
        id: api.engine.ids().next(now_ms),
        application: application.id,
        provider: application.provider,
        wire: application.wire,
        direct: true,
        uid: Some(uid.clone()),
        url: url.to_owned(),
        description: "the URL that events were published with".to_owned(),
        state: State::Enabled,
        event_types: Vec::new(),
        channels: Vec::new(),
        headers: std::collections::BTreeMap::new(),
        metadata: crate::name::Metadata::new(),
        secrets: vec![SecretSlot { secret, expires_ms: None }],
        health: Health::default(),
        updated_ms: now_ms,
        revision: 1,
    };
    let (application, id) = (application.id, endpoint.id);
    match api.engine.change(Setting { change: Change::Endpoint(endpoint), answer: None }).await {
        Ok(_) => Ok(id),
        // another event for the same URL came first
        Err(NotChanged::Refused(Refused::Taken)) => {
            let made = api.read(move |store| store.endpoint_by_uid(application, &uid)).await?;
            made.map(|endpoint| endpoint.id).ok_or_else(Error::not_found)
        }
        Err(error) => Err(not_changed(error, "the URL is in use")),
    }
}
