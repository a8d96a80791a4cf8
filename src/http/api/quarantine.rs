//! `/source/{source}/quarantine`: genuine requests that could not be understood, each body once.

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Serialize;

use super::{Api, source};
use crate::error::Result;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, time};
use crate::signature::hex;
use crate::source::Quarantined;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuarantinedOut {
    sha256: String,
    reason: String,
    count: u32,
    first_seen_at: String,
    /// The body as text; null when it is no UTF-8.
    body: Option<String>,
    body_base64: String,
}

fn out(quarantined: &Quarantined) -> QuarantinedOut {
    QuarantinedOut {
        sha256: hex(&quarantined.sha256),
        reason: quarantined.reason.clone(),
        count: quarantined.count,
        first_seen_at: time(quarantined.first_ms),
        body: std::str::from_utf8(&quarantined.body).ok().map(str::to_owned),
        body_base64: STANDARD.encode(&quarantined.body),
    }
}

/// GET `/source/{source}/quarantine`
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    let source = source::find(&api, &call).await?.id;
    let asked = Asked::read(&call, true, |text| text.parse::<i64>().ok())?;
    let page = asked.page;
    let listed = api.read(move |store| store.quarantined(source, page)).await?;
    let list = asked.answer(listed, |(number, _)| number.to_string(), |(_, quarantined)| out(&quarantined));
    Ok(answer(StatusCode::OK, &list))
}
