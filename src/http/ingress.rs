//! `POST /in/{token}`: the door of a source. Verify the raw bytes, understand, make durable, answer; deliver later.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};

use super::call::{foreign_encoding, read_body};
use super::origin::origin;
use super::problem::encoded;
use super::state::Api;
use crate::digest::sha256;
use crate::engine::message::NotChanged;
use crate::error::{Error, Kind, Result};
use crate::event::NewEvent;
use crate::inbound::{Inbound, Received, Refusal, RefusedRequest};
use crate::providers;
use crate::quarantine::{Quarantined, Unread};
use crate::source::{DeliverAs, Source};
use crate::store::{Op, Refused};

/// The largest request that a provider may send: 1 MiB.
const BODY_BYTES_MAX: usize = 1_024 * 1_024;
/// What every request is told that was not let in, whatever the reason: forgers learn nothing.
const UNVERIFIED: &str = "this request could not be verified";

/// 200 without a body once the event is durable, or was before. Error: 404 unknown token, 401 not verified,
/// 400 genuine but not understood (and kept in quarantine), 413, 415, 503 nothing was taken: send it again.
pub(super) async fn receive(State(api): State<Api>, Path(token): Path<String>, request: Request<Body>) -> Response {
    match take(&api, &token, request).await {
        Ok(response) => response,
        Err(error) if error.kind == Kind::Internal => {
            tracing::error!(detail = error.detail, "an inbound request failed");
            unavailable().into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn take(api: &Api, token: &str, request: Request<Body>) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let source = api.doors.find(token).await?.ok_or_else(Error::not_found)?;
    if let Some(encoding) = foreign_encoding(&parts.headers) {
        return Ok(encoded(encoding));
    }
    let body = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let (now, address) = (api.clock.now(), origin(api, &parts));
    let refused = |reason| refused(api, &source, RefusedRequest { at_ms: now.wall_ms, reason, address });
    if !source.admits(address) {
        return Err(refused(Refusal::BadAddress));
    }
    if providers::is_ping(source.provider, &body) {
        api.doors.ping(source.id);
        return Ok(StatusCode::OK.into_response());
    }
    let inbound = Inbound { headers: &parts.headers, body: &body };
    let terms = &source.config.terms;
    let verified =
        providers::verify(source.provider, terms, inbound, now.wall_ms.div_euclid(1_000)).map_err(refused)?;
    match providers::read(terms, verified) {
        Ok(received) => accept(api, &source, received, now.wall_ms).await,
        Err(unread) => {
            let headers = providers::kept_headers(source.provider, terms, inbound);
            quarantine(api, &source, (headers, body), unread, now.wall_ms).await
        }
    }
}

fn refused(api: &Api, source: &Source, request: RefusedRequest) -> Error {
    api.doors.refuse(source.id, request);
    Error::new(Kind::Unauthorized, "unverified", UNVERIFIED)
}

fn unavailable() -> Error {
    Error::new(Kind::Overloaded, "unavailable", "nothing was taken; send it again")
}

async fn accept(api: &Api, source: &Arc<Source>, received: Received, now_ms: i64) -> Result<Response> {
    let event = received_event(source, received, now_ms);
    let mut answers = api.engine.accept(vec![event]).await?;
    answers.pop().ok_or_else(|| Error::internal("an event got no answer"))??;
    Ok(StatusCode::OK.into_response())
}

/// What a request that was understood becomes, in the form in which its source hands it on.
pub(super) fn received_event(source: &Source, received: Received, now_ms: i64) -> NewEvent {
    let body = match source.config.deliver_as {
        DeliverAs::Original => received.verified.body().clone(),
        DeliverAs::Standard => providers::as_standard(&received, now_ms),
    };
    NewEvent::received(source, received, body)
}

/// What is genuine and not understood is kept for a person to look at, and its sender told what is wrong. Once somebody
/// has decided what becomes of it, the sender need not go on: 200.
async fn quarantine(
    api: &Api,
    source: &Source,
    (headers, body): (Vec<(String, String)>, bytes::Bytes),
    unread: Unread,
    now_ms: i64,
) -> Result<Response> {
    let Unread { kind, detail } = unread;
    let told = format!("the signature is right and the body is not understood: {detail}");
    let quarantined = Quarantined {
        source: source.id,
        sha256: sha256(&body),
        first_ms: now_ms,
        count: 1,
        kind: Some(kind),
        reason: detail.into_owned(),
        headers,
        body,
    };
    match api.engine.record(Op::Quarantine(Box::new(quarantined))).await {
        Ok(_) => Err(Error::new(Kind::Invalid, "malformed_body", told)),
        Err(NotChanged::Refused(Refused::Stale)) => Ok(StatusCode::OK.into_response()),
        Err(failed) => {
            tracing::error!(?failed, "a body could not be kept in quarantine");
            Err(unavailable())
        }
    }
}
