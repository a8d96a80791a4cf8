//! Figures for Prometheus, as text.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::state::Api;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::store::Store;

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters since the process began; what waits, in memory and on disk; the age of the oldest of it.
pub(super) async fn metrics(State(api): State<Api>) -> Result<Response> {
    let backlog = api.read(Store::backlog).await?;
    let figures = api.engine.gate().figures();
    let waiting =
        i64::try_from(backlog.waiting).unwrap_or(i64::MAX).saturating_add(i64::try_from(figures.waiting).unwrap_or(0));
    let oldest_ms = [backlog.oldest, figures.oldest].into_iter().flatten().min().map(Id::time_ms);
    let oldest_secs = oldest_ms.map_or(0, |ms| ((api.clock.now().wall_ms - ms) / 1_000).max(0));
    let mut registry = Registry::with_prefix("posthaste");
    registry.register("accepted_events", "Events accepted", ConstCounter::new(figures.accepted));
    registry.register("delivered", "Deliveries that succeeded", ConstCounter::new(figures.delivered));
    registry.register("failed_attempts", "Attempts that did not succeed", ConstCounter::new(figures.failed));
    registry.register(
        "attempts_put_off",
        "Attempts that never left this machine, or met silence everywhere",
        ConstCounter::new(figures.put_off),
    );
    registry.register("outage", "1 while attempts are put off", ConstGauge::new(i64::from(figures.outage)));
    registry.register(
        "unwritable_operations",
        "What the database could not write: the rest of its batch stands",
        ConstCounter::new(figures.unwritable),
    );
    registry.register("waiting", "Deliveries that wait for an attempt", ConstGauge::new(waiting));
    registry.register(
        "oldest_waiting_seconds",
        "Age of the oldest event with a waiting delivery",
        ConstGauge::new(oldest_secs),
    );
    let mut text = String::new();
    encode(&mut text, &registry).map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, TEXT)], text).into_response())
}
