//! A call: an authenticated request, its path's parameters, its query, its body within limits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer};

use super::origin::origin;
use super::problem::{encoded, json, text};
use super::state::Api;
use crate::audit::By;
use crate::engine::message::NotChanged;
use crate::error::{Error, Kind, Result};
use crate::event::Once;
use crate::id::Id;
use crate::key::{Action, Caller};
use crate::store::{Change, Setting};

/// How long a request's body may take.
const BODY_READ_MAX: Duration = Duration::from_secs(30);
/// The largest body of a request that changes settings, in bytes.
pub(super) const SETTING_BYTES_MAX: usize = 1_024 * 1_024;
/// Where operational webhooks are managed.
const OPERATIONAL: &str = "/api/v1/operational-webhook/";
/// The header that makes a retried POST the same request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// An authenticated request.
pub(super) struct Call {
    /// Who calls.
    pub(super) caller: Caller,
    params: RawPathParams,
    parts: Parts,
    /// Behind a lock only because a body cannot be shared between threads, while a call is passed on by reference.
    body: Mutex<Option<Body>>,
}

impl FromRequest<Api> for Call {
    type Rejection = Response;

    async fn from_request(request: Request<Body>, api: &Api) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let caller = api.auth.caller(&parts.headers).await.map_err(Error::into_response)?;
        if let Some(encoding) = foreign_encoding(&parts.headers) {
            return Err(encoded(encoding));
        }
        let params = RawPathParams::from_request_parts(&mut parts, api).await;
        let params = params.map_err(|_| Error::not_found().into_response())?;
        Ok(Self::of(caller, params, parts, body))
    }
}

impl Call {
    /// The request of a caller who was let in otherwise than by a key.
    pub(super) fn of(caller: Caller, params: RawPathParams, parts: Parts, body: Body) -> Self {
        Self { caller, params, parts, body: Mutex::new(Some(body)) }
    }

    /// The text of the key or token that proves who calls.
    pub(super) fn proof(&self) -> Result<&str> {
        super::auth::bearer(&self.parts.headers)
    }

    /// A header of the request; empty when it is not there, or no text.
    pub(super) fn header(&self, name: http::HeaderName) -> &str {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A parameter of the path, decoded.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// Whether the path is below the operational webhooks, which have an application that no path names.
    pub(super) fn is_operational(&self) -> bool {
        self.parts.uri.path().starts_with(OPERATIONAL)
    }

    /// An id in the path. Error: 404, without a lookup when the text is no such id.
    pub(super) fn id<T: Id>(&self, api: &Api, name: &str) -> Result<T> {
        api.engine.text().parse(self.param(name)).ok_or_else(Error::not_found)
    }

    /// Who calls, and from where, for the audit log.
    pub(super) fn by(&self, api: &Api) -> By {
        let Caller { actor, environment, .. } = self.caller;
        By { actor, address: Some(origin(api, &self.parts)), environment: Some(environment) }
    }

    /// Changes a setting in the caller's name.
    pub(super) async fn change(&self, api: &Api, change: Change) -> Result<(), NotChanged> {
        let setting = Setting { by: self.by(api), change, answer: None };
        api.engine.change(setting).await.map(|_| ())
    }

    /// Whether the caller may do this. Error: 403.
    pub(super) fn may(&self, action: Action) -> Result<()> {
        self.caller.may(action)
    }

    /// The query as it was written.
    pub(super) fn query_text(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// The values given for a query parameter, decoded.
    pub(super) fn query(&self, name: &str) -> Vec<String> {
        let pairs = url::form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes());
        pairs
            .filter(|(key, _)| key == name || key.strip_prefix(name).is_some_and(is_index))
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    /// The one value of a query parameter. Error: given twice.
    pub(super) fn query_one(&self, name: &str) -> Result<Option<String>> {
        let mut values = self.query(name);
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err(Error::at(&["query", name], "is given twice; give it once")) }
    }

    /// A yes or no in the query. Error: neither.
    pub(super) fn query_flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.query_one(name)?.as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(Error::at(&["query", name], "must be true or false")),
        }
    }

    /// Reads the body once. Error: 413 above `bytes_max`, 400 when it breaks off or takes longer than 30 s.
    pub(super) async fn body(&self, bytes_max: usize) -> Result<Bytes> {
        read_body(&self.parts.headers, self.take_body(), bytes_max).await
    }

    fn take_body(&self) -> Body {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    /// Reads the body as JSON; an empty one as `{}`. Error: 422 that names the field.
    pub(super) async fn json<T: for<'de> Deserialize<'de>>(&self) -> Result<(T, Bytes)> {
        let body = self.body(SETTING_BYTES_MAX).await?;
        let value = parse(if body.is_empty() { b"{}" } else { &body })?;
        Ok((value, body))
    }

    /// What makes a retry of this request the same request; `None` without a key.
    pub(super) fn once(&self, body: &[u8]) -> Result<Option<Once>> {
        let Some(key) = self.parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        let path = self.parts.uri.path();
        Once::new(&self.caller, path, key.to_str().unwrap_or_default(), body).map(Some)
    }
}

/// Reads a whole body. Error: 413 above `bytes_max`, 400 when it breaks off or takes longer than 30 s.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes> {
    let too_large = || {
        let detail =
            format!("the body is larger than {bytes_max} bytes, the most this route takes; send less at a time");
        Error::new(Kind::TooLarge, "payload_too_large", detail)
    };
    let cut = |detail: String| Error::new(Kind::Invalid, "generic_error", detail);
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_READ_MAX, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(cut("the body broke off; send it whole".to_owned())),
        Err(_) => Err(cut(format!("the body took longer than {} s", BODY_READ_MAX.as_secs()))),
    }
}

/// The first encoding of a body that is not read as it stands.
pub(super) fn foreign_encoding(headers: &HeaderMap) -> Option<&str> {
    let foreign = headers.get_all(CONTENT_ENCODING).iter().find(|encoding| *encoding != "identity")?;
    Some(foreign.to_str().unwrap_or("?"))
}

/// `event_types[]`, `event_types[1]`: the ways in which lists are written in queries.
fn is_index(rest: &str) -> bool {
    rest.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads a JSON object. Error: 422 that names the field and says what was expected there.
pub(super) fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T> {
    // serde_json skips what it ignores without looking at its bytes
    let text = std::str::from_utf8(body).map_err(|_| Error::json("is not UTF-8; send JSON in UTF-8"))?;
    if text.trim_ascii_start().starts_with('[') {
        // serde would take a list for the fields in the order in which they are declared
        return Err(Error::json("is a list; this takes a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| locate::<T>(text, &error))
}

/// Reads it again, slower, to find out where it is wrong.
fn locate<'de, T: Deserialize<'de>>(text: &'de str, error: &serde_json::Error) -> Error {
    let mut reader = serde_json::Deserializer::from_str(text);
    let Err(located) = serde_path_to_error::deserialize::<_, T>(&mut reader) else {
        return Error::json(format!("is not one JSON document: {error}"));
    };
    let message = located.inner().to_string();
    let named =
        message.split_once("field `").and_then(|(_, rest)| rest.split_once('`')).map(|(name, _)| name.to_owned());
    let at = located.path().to_string();
    match (at.as_str(), named) {
        (".", Some(name)) => Error::json_at(&["body", &name], message),
        (".", None) => Error::json(format!("is not the JSON object this route takes: {message}")),
        _ => Error::json_at(&["body", &at], message),
    }
}

/// Reads a field so that null is told from absent.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// An answer in JSON.
pub(super) fn answer(status: StatusCode, value: &impl serde::Serialize) -> Response {
    json(status, text(value))
}
