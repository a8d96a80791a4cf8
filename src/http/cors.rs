//! Pages of other origins may call the API: what their browsers ask first, and what they want to see in answers.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};

/// Nobody is let in by a cookie here, so that whoever may ask at all may ask from anywhere.
const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
/// For how many seconds a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const SHOWN: HeaderValue = HeaderValue::from_static("retry-after, allow");
const ASKED: HeaderValue = HeaderValue::from_static("access-control-request-headers");

/// Whether a request is for the API and comes from a page.
pub(super) fn is_from_page<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    request.headers().contains_key(ORIGIN) && (path.starts_with("/api/") || path.starts_with("/ingest/"))
}

/// The answer to what a browser asks before it lets a page call; `None` for any other request.
pub(super) fn preflight<B>(request: &Request<B>) -> Option<Response<Body>> {
    let headers = request.headers();
    if request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answers = response.headers_mut();
    answers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    answers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    answers.insert(VARY, ASKED);
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    Some(response)
}

/// Lets a page see the answer.
pub(super) fn show(response: &mut Response<Body>) {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
}
