//! `/health`: for machines that watch.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;

use super::{Api, empty};
use crate::error::{Error, Kind, Result};
use crate::http::call::answer;
use crate::http::readiness::not_ready;
use crate::store::Op;

/// How long the answer of [`ready`] waits for a write: it is there within 100 ms in any case.
const ASKING_MAX: Duration = Duration::from_millis(50);

/// That events are accepted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadyOut {
    ready: bool,
    /// How many places of the database could not be read since the start; the log names them.
    damaged_places: usize,
}

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

/// GET `/health/ready`: 200 while events can be accepted. Error: 503 that says why not.
///
/// Where nothing was written just now, a write finds out. One that takes longer than the answer may leaves it to what is
/// known, and tells the next.
pub(super) async fn ready(State(api): State<Api>) -> Result<Response> {
    if let Some(refusal) = api.readiness.refusal() {
        return Err(refusal);
    }
    if !api.engine.pulse().is_fresh(api.clock.now().steady_ms) && !api.readiness.asking.swap(true, Ordering::Relaxed) {
        let asked = api.clone();
        let asking = tokio::spawn(async move {
            let _ = asked.engine.record(Op::Alive(asked.clock.now().wall_ms)).await; // what became of it the pulse shows
            asked.readiness.asking.store(false, Ordering::Relaxed);
        });
        let _ = timeout(ASKING_MAX, asking).await;
    }
    match api.engine.pulse().trouble(api.clock.now().steady_ms) {
        None => Ok(answer(StatusCode::OK, &ReadyOut { ready: true, damaged_places: api.store.damages().len() })),
        Some(why) => Err(not_ready(why)),
    }
}
