//! A webhook that is looked at, and how its receiver answered.

use maud::{Markup, html};

use super::visit::Visit;
use crate::application::Application;
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::http::api::endpoint;
use crate::http::state::Api;

/// A webhook that is looked at.
pub(super) struct Seen {
    /// Whose it is.
    pub(super) application: Application,
    /// The webhook.
    pub(super) endpoint: Endpoint,
    /// Its page.
    pub(super) path: String,
}

/// The webhook in the path. Error: 404.
pub(super) async fn seen(api: &Api, visit: &Visit) -> Result<Seen> {
    let application = api.application(&visit.call).await?;
    let endpoint = endpoint::find(api, &visit.call, &application).await?;
    let ids = api.engine.text();
    let path = visit.path(&format!("app/{}/endpoint/{}", ids.of(application.id), ids.of(endpoint.id)));
    Ok(Seen { application, endpoint, path })
}

/// A receiver's status, for people.
pub(super) fn answer(status_code: u16) -> Markup {
    let class = if (200..300).contains(&status_code) { "good" } else { "bad" };
    html! { span class=(class) { @if status_code == 0 { "no answer" } @else { (status_code) } } }
}
