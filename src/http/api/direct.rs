//! The one URL that an event is for: an endpoint that only events which name it reach.

use rand::SeedableRng as _;

use super::{Api, not_changed};
use crate::application::Application;
use crate::endpoint::Endpoint;
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::http::call::Call;
use crate::id::EndpointId;
use crate::providers;
use crate::store::{Change, Refused};

/// The endpoint of an application for this URL, made when it is the first event for it.
/// Error: the type goes to endpoints, or the guard's verdict on the URL.
pub(super) async fn endpoint(api: &Api, call: &Call, event_type: &str, url: &str) -> Result<EndpointId> {
    let application = api.application(call).await?;
    if !providers::goes_to_a_url(application.provider, event_type) {
        return Err(Error::field("url", format!("`{event_type}` goes to the endpoints that want it; leave `url` out")));
    }
    if let Some(known) = known(api, &application, url).await? {
        return Ok(known);
    }
    let url = api.endpoint_url(url, None).await?;
    match known(api, &application, &url).await? {
        Some(known) => Ok(known),
        None => make(api, call, &application, Endpoint::uid_of_url(&url), &url).await,
    }
}

/// The endpoint of this very URL.
async fn known(api: &Api, application: &Application, url: &str) -> Result<Option<EndpointId>> {
    let (id, uid) = (application.id, Endpoint::uid_of_url(url));
    let found = api.read(move |store| store.endpoint_by_uid(id, &uid)).await?;
    Ok(found.map(|endpoint| endpoint.id))
}

async fn make(api: &Api, call: &Call, application: &Application, uid: String, url: &str) -> Result<EndpointId> {
    let now_ms = api.clock.now().wall_ms;
    let secret = providers::generate_secret(application.provider, &mut rand::rngs::StdRng::from_os_rng());
    let endpoint = Endpoint {
        direct: true,
        uid: Some(uid.clone()),
        description: "the URL that events were published with".to_owned(),
        ..Endpoint::new(api.engine.ids().next(now_ms), application, url, secret, now_ms)
    };
    let (application, id) = (application.id, endpoint.id);
    match call.change(api, Change::Endpoint(endpoint)).await {
        Ok(()) => Ok(id),
        // another event for the same URL came first
        Err(NotChanged::Refused(Refused::Taken)) => {
            let made = api.read(move |store| store.endpoint_by_uid(application, &uid)).await?;
            made.map(|endpoint| endpoint.id).ok_or_else(Error::not_found)
        }
        Err(error) => Err(not_changed(error, "the URL is in use")),
    }
}
