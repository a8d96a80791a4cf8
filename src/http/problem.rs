//! Errors as answers: the one table from kind to status, and the body's two shapes.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::{Error, Kind};

/// What a client that comes too fast is told to wait, in seconds.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[derive(Serialize)]
struct Plain<'a> {
    code: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Fields<'a> {
    detail: Vec<FieldOut<'a>>,
}

#[derive(Serialize)]
struct FieldOut<'a> {
    loc: &'a [String],
    msg: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

/// The status of an error.
pub(super) fn status(error: &Error) -> StatusCode {
    match error.kind {
        Kind::Invalid if error.fields.is_empty() => StatusCode::BAD_REQUEST,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Unserved => StatusCode::NOT_IMPLEMENTED,
        Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Kind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = status(&self);
        let body = match self.kind {
            Kind::Internal => {
                tracing::error!(detail = self.detail, "a request failed");
                "{}".to_owned()
            }
            Kind::Invalid if !self.fields.is_empty() => {
                let fields = self.fields.iter().map(|field| FieldOut {
                    loc: &field.path,
                    msg: &field.message,
                    kind: field.kind,
                });
                text(&Fields { detail: fields.collect() })
            }
            _ => text(&Plain { code: self.code, detail: &self.detail }),
        };
        let mut response = json(status, body);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECS);
        }
        response
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A value as JSON text.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what we answer always serialises")
}

/// No such route.
pub(super) async fn no_route() -> Response {
    Error::new(Kind::NotFound, "not_found", "no such route; the API begins at /api/v1").into_response()
}

/// The route exists, not with this method.
pub(super) async fn no_method() -> Response {
    let body = text(&Plain {
        code: "method_not_allowed",
        detail: "this route does not take this method; the Allow header lists those it takes",
    });
    json(StatusCode::METHOD_NOT_ALLOWED, body)
}

/// The body is in an encoding that is never read.
pub(super) fn encoded(encoding: &str) -> Response {
    let detail = format!("a body in Content-Encoding `{encoding}` is not read; send it as it is");
    json(StatusCode::UNSUPPORTED_MEDIA_TYPE, text(&Plain { code: "unsupported_encoding", detail: &detail }))
}
