//! The one stylesheet and the two scripts, under names that hold their hash, so that browsers keep them for good.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::digest::sha256;
use crate::http::state::Api;
use crate::signature::hex;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("portal.js");
const MOTION: &str = include_str!("motion.js");
/// How many bytes of the hash are in the name.
const HASH_BYTES: usize = 8;
/// What never changes under its name is kept for good.
pub(super) const FOREVER: &str = "public, max-age=31536000, immutable";

/// Where the stylesheet is.
pub(super) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| path(STYLE, "css"));
/// Where the script is that takes the token of a link to the portal.
pub(super) static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| path(SCRIPT, "js"));
/// Where the script is of pages that move.
pub(super) static MOTION_PATH: LazyLock<String> = LazyLock::new(|| path(MOTION, "js"));

fn path(text: &str, extension: &str) -> String {
    format!("/assets/{}.{extension}", hex(&sha256(text.as_bytes())[..HASH_BYTES]))
}

/// The routes of all.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(&STYLE_PATH, get(|| async { kept("text/css; charset=utf-8", STYLE) }))
        .route(&SCRIPT_PATH, get(|| async { kept("text/javascript; charset=utf-8", SCRIPT) }))
        .route(&MOTION_PATH, get(|| async { kept("text/javascript; charset=utf-8", MOTION) }))
}

fn kept(media: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, media), (CACHE_CONTROL, FOREVER), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, text).into_response()
}
