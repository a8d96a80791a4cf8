//! The one stylesheet, under a name that holds its hash, so that browsers keep it for good.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::digest::sha256;

const STYLE: &str = include_str!("style.css");
/// How many bytes of the hash are in the name.
const HASH_BYTES: usize = 8;

/// Where the stylesheet is.
pub(super) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = sha256(STYLE.as_bytes());
    let hex = hash.iter().take(HASH_BYTES).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    });
    format!("/assets/{hex}.css")
});

/// GET the stylesheet.
pub(super) async fn style() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}
