//! `/health`: for machines that watch.

use axum::extract::State;
use axum::response::Response;

use super::{Api, empty};
use crate::error::{Error, Kind, Result};

/// GET `/health`: 204 when the store answers. Error: 503.
pub(super) async fn health(State(api): State<Api>) -> Result<Response> {
    let answers = api.read(|store| store.keys().map(|_| ())).await;
    answers.map_err(|error| Error::new(Kind::Overloaded, "store_unavailable", error.detail))?;
    Ok(empty())
}

/// GET `/health/ping`: 204 while the process lives.
pub(super) async fn ping() -> Response {
    empty()
}
