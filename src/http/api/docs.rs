//! `/api/v1/openapi.json`, and `/docs`: the page that is drawn from it, with nothing from elsewhere.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use super::Api;
use crate::digest::sha256;
use crate::http::problem::json;

const PAGE: &str = include_str!("../docs/page.html");
const SCRIPT: &str = include_str!("../docs/page.js");

/// GET `/api/v1/openapi.json`
pub(super) async fn openapi(State(api): State<Api>) -> Response {
    json(StatusCode::OK, api.document())
}

/// GET `/docs`
pub(super) async fn page() -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; script-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'",
        STANDARD.encode(sha256(SCRIPT.as_bytes()))
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, format!("{PAGE}<script>{SCRIPT}</script>\n")).into_response()
}
