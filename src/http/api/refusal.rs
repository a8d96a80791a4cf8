//! `/source/{source}/refusal`: the last requests that were not let in, for the eyes of admins: addresses are people's.

use std::net::IpAddr;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::{Api, source};
use crate::error::Result;
use crate::http::call::{Call, answer};
use crate::http::page::{Asked, time};
use crate::inbound::RefusedRequest;
use crate::key::Action;

#[derive(Serialize)]
struct RefusalOut {
    reason: &'static str,
    at: String,
    address: IpAddr,
}

fn out(request: &RefusedRequest) -> RefusalOut {
    RefusalOut { reason: request.reason.code(), at: time(request.at_ms), address: request.address }
}

/// GET `/source/{source}/refusal`: the newest first.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let source = source::find(&api, &call).await?.id;
    let asked = Asked::read(&call, true, |text| text.parse::<i64>().ok())?;
    let page = asked.page;
    api.doors.write_down().await;
    let listed = api.read(move |store| store.refused(source, page)).await?;
    let list = asked.answer(listed, |(number, _)| number.to_string(), |(_, request)| out(&request));
    Ok(answer(StatusCode::OK, &list))
}
