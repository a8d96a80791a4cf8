//! `/app/{app}/msg/precheck/active`: whether anybody wants such an event, before somebody makes it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Api;
use crate::error::Result;
use crate::fan_out;
use crate::http::call::{Call, answer};
use crate::name;
use crate::store::Page;

/// How many endpoints are read at a time.
const SLICE: usize = 250;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrecheckIn {
    event_type: String,
    #[serde(default)]
    channels: Option<Vec<String>>,
}

#[derive(Serialize)]
struct PrecheckOut {
    active: bool,
}

/// POST `…/precheck/active`
pub(super) async fn active(State(api): State<Api>, call: Call) -> Result<Response> {
    let (input, _) = call.json::<PrecheckIn>().await?;
    name::check_event_type("eventType", &input.event_type)?;
    let application = api.application(&call).await?.id;
    let channels = input.channels.unwrap_or_default();
    let active = api.read(move |store| {
        let mut after = None;
        loop {
            let listed = store.endpoints(application, Page { after, descending: false, limit: SLICE })?;
            if listed.rows.iter().any(|endpoint| fan_out::wants(endpoint, &input.event_type, &channels)) {
                return Ok(true);
            }
            if listed.done {
                return Ok(false);
            }
            after = listed.rows.last().map(|endpoint| endpoint.id);
        }
    });
    Ok(answer(StatusCode::OK, &PrecheckOut { active: active.await? }))
}
