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
use crate::store::LOG_HELD_BYTES;

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters since the process began; what waits, in memory and on disk; the age of the oldest of it.
pub(super) async fn metrics(State(api): State<Api>) -> Result<Response> {
    let (backlog, damages, log_bytes) =
        api.read(|store| Ok((store.backlog()?, store.damages(), store.log_bytes()))).await?;
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
    registry.register(
        "damaged_places",
        "Places of the database that could not be read since the start",
        ConstGauge::new(i64::try_from(damages.len()).unwrap_or(i64::MAX)),
    );
    registry.register(
        "log_bytes",
        "Length of the database's log (-wal); it grows while another program reads the database",
        ConstGauge::new(i64::try_from(log_bytes).unwrap_or(i64::MAX)),
    );
    registry.register(
        "log_held",
        "1 while another program that reads keeps the log from beginning anew",
        ConstGauge::new(i64::from(log_bytes > LOG_HELD_BYTES)),
    );
    registry.register(
        "log_lines_dropped",
        "Lines that could be written neither to the log nor to stdout",
        ConstCounter::new((api.dropped_lines)()),
    );
    let mut text = String::new();
    encode(&mut text, &registry).map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, TEXT)], text).into_response())
}
