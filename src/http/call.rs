//! A call: an authenticated request, its path's parameters, its query, its body within limits.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, RawPathParams};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer};

use super::openapi;
use super::origin::origin;
use super::problem::{encoded, json, text};
use super::state::Api;
use super::strict::{self, IS_A_LIST, Strange};
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
/// How many fields that nobody takes one answer names.
const STRANGE_TOLD_MAX: usize = 10;
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

    /// The headers of the request.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
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

    /// Reads the body as JSON; none as `{}`, and so `null` in a POST, which some clients send for none. Error: 422 that
    /// names the field.
    pub(super) async fn json<T: for<'de> Deserialize<'de>>(&self) -> Result<(T, Bytes)> {
        let body = self.body(SETTING_BYTES_MAX).await?;
        Ok((self.parse(self.or_empty(&body))?, body))
    }

    /// As [`Self::json`], of a body in which each of two readers takes fields of its own.
    pub(super) async fn json_for_two<T, U>(&self) -> Result<((T, U), Bytes)>
    where
        T: for<'de> Deserialize<'de>,
        U: for<'de> Deserialize<'de>,
    {
        let body = self.body(SETTING_BYTES_MAX).await?;
        let json = self.or_empty(&body);
        Ok((self.whole(Reading::of(json).and(Reading::of(json)))?, body))
    }

    /// As [`Self::json_for_two`], for three.
    pub(super) async fn json_for_three<T, U, V>(&self) -> Result<((T, U, V), Bytes)>
    where
        T: for<'de> Deserialize<'de>,
        U: for<'de> Deserialize<'de>,
        V: for<'de> Deserialize<'de>,
    {
        let body = self.body(SETTING_BYTES_MAX).await?;
        let json = self.or_empty(&body);
        let ((first, second), third) = self.whole(Reading::of(json).and(Reading::of(json)).and(Reading::of(json)))?;
        Ok(((first, second, third), body))
    }

    fn or_empty<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        let is_none = body.is_empty() || (self.parts.method == Method::POST && body.trim_ascii() == b"null");
        if is_none { b"{}" } else { body }
    }

    /// Reads the body of a request that has nothing to say. Error: 422 when it says something.
    pub(super) async fn nothing(&self) -> Result<Bytes> {
        #[derive(Deserialize)]
        struct Nothing {}
        self.json::<Nothing>().await.map(|(_, body)| body)
    }

    /// Reads a JSON object. Error: 422 that names the field: one that is wrong, or one that nobody takes.
    pub(super) fn parse<'de, T: Deserialize<'de>>(&self, body: &'de [u8]) -> Result<T> {
        self.whole(Reading::of(body))
    }

    /// What was read, when nobody minds that an answer of ours shows it and a client sends it back.
    fn whole<T>(&self, mut reading: Reading<T>) -> Result<T> {
        if let Some(template) = self.parts.extensions.get::<MatchedPath>().filter(|_| !reading.strange.is_empty()) {
            let (method, template) = (self.parts.method.as_str(), template.as_str());
            reading.strange.retain(|strange| !openapi::comes_back(method, template, &strange.path));
        }
        reading.whole()
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

/// A JSON object that was read, and the fields that nobody took.
pub(super) struct Reading<T> {
    /// Error: 422 that names the field and says what was expected there.
    pub(super) value: Result<T>,
    pub(super) strange: Vec<Strange>,
}

impl<'de, T: Deserialize<'de>> Reading<T> {
    /// Reads a JSON object.
    pub(super) fn of(body: &'de [u8]) -> Self {
        // serde_json skips what it ignores without looking at its bytes
        let Ok(text) = std::str::from_utf8(body) else {
            return Self { value: Err(Error::json("is not UTF-8; send JSON in UTF-8")), strange: Vec::new() };
        };
        if text.trim_ascii_start().starts_with('[') {
            return Self { value: Err(Error::json(IS_A_LIST)), strange: Vec::new() };
        }
        let found = RefCell::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = strict::read(&mut reader, &found).and_then(|value| reader.end().map(|()| value));
        let mut strange = found.into_inner();
        if value.as_ref().is_err_and(|error| !error.is_data()) {
            strange.clear(); // what is no JSON has no fields
        }
        Self { value: value.map_err(|error| locate::<T>(text, &error)), strange }
    }
}

impl<T> Reading<T> {
    /// Both; strange is what neither takes.
    fn and<U>(self, other: Reading<U>) -> Reading<(T, U)> {
        let common = self.strange.into_iter().filter_map(|strange| {
            let theirs = other.strange.iter().find(|theirs| theirs.path == strange.path)?;
            Some(Strange { known: [strange.known, theirs.known.clone()].concat(), ..strange })
        });
        let strange = common.collect();
        Reading { value: self.value.and_then(|value| Ok((value, other.value?))), strange }
    }

    /// The value. Error: 422 that names what nobody takes, and then what is wrong.
    pub(super) fn whole(self) -> Result<T> {
        let told = self.strange.iter().take(STRANGE_TOLD_MAX).map(|strange| {
            let path: Vec<&str> = std::iter::once("body").chain(strange.path.iter().map(String::as_str)).collect();
            Error::at(&path, strange.message())
        });
        let errors = told.chain(self.value.as_ref().err().cloned());
        let error = errors.reduce(|mut first, next| {
            first.fields.extend(next.fields);
            first
        });
        error.map_or(self.value, Err)
    }
}

/// Reads it again, slower, to find out where it is wrong.
fn locate<'de, T: Deserialize<'de>>(text: &'de str, error: &serde_json::Error) -> Error {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let reader = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let Err(inner) = strict::read::<T, _>(reader, &RefCell::default()) else {
        return Error::json(format!("is not one JSON document: {error}"));
    };
    let message = inner.to_string();
    let named =
        message.split_once("field `").and_then(|(_, rest)| rest.split_once('`')).map(|(name, _)| name.to_owned());
    let at = track.path().to_string();
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
