//! What Svix's SDKs know and this server does not serve: 501, in JSON, for whoever may ask at all.

use axum::Router;
use axum::routing::any;

use super::Api;
use crate::error::{Error, Kind, Result};
use crate::http::call::Call;

/// The paths, and everything below each.
const PATHS: [&str; 12] = [
    "/api/v1/app/{app}/endpoint/{ep}/transformation",
    "/api/v1/app/{app}/integration",
    "/api/v1/app/{app}/destination",
    "/api/v1/app/{app}/events",
    "/api/v1/app/{app}/autoconfig",
    "/api/v1/connector",
    "/api/v1/stream",
    "/api/v1/auth/stream-portal-access",
    "/api/v1/auth/stream-logout",
    "/api/v1/auth/stream",
    "/ingest/api/v1/source/{source}/endpoint/{ep}/transformation",
    "/ingest/api/v1/source/{source}/dashboard",
];

/// All of them.
pub(super) fn router() -> Router<Api> {
    PATHS.iter().fold(Router::new(), |router, path| {
        router.route(path, any(refuse)).route(&format!("{path}/{{*below}}"), any(refuse))
    })
}

async fn refuse(_call: Call) -> Result<()> {
    Err(Error::new(
        Kind::Unserved,
        "not_implemented",
        "this part of Svix's API is not served: no transformations, streams, connectors or integrations",
    ))
}
