//! `/app/{app}/endpoint/{ep}/stats` and its kin: what deliveries and attempts came to, to the hour, from counts.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, endpoint};
use crate::application::ApplicationRef;
use crate::count::{Counts, HOUR_MS, hour};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::{moment, time};
use crate::id::{ApplicationId, EnvironmentId};
use crate::store::{COUNT_HOURS, Page, Store};

/// How far back statistics go unless told otherwise: 28 days, in hours.
const WINDOW_HOURS: i64 = 28 * 24;
/// How many applications one answer of usage covers.
const APPLICATIONS_MAX: usize = 10_000;
/// How many applications are read at a time.
const SLICE: usize = 250;

#[derive(Serialize)]
struct StatsOut {
    success: i64,
    pending: i64,
    sending: i64,
    fail: i64,
    canceled: i64,
}

#[derive(Serialize)]
struct AttemptStatsOut {
    success: i64,
    fail: i64,
    canceled: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageIn {
    since: String,
    until: String,
    app_ids: Option<Vec<String>>,
}

/// An answer in the shape of a background task that is done already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskOut<T> {
    id: String,
    status: &'static str,
    task: &'static str,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unresolved_app_ids: Option<Vec<String>>,
    data: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageOut {
    app_stats: Vec<AppUsageOut>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppUsageOut {
    app_id: String,
    app_uid: Option<String>,
    message_destinations: i64,
}

#[derive(Serialize)]
struct SubscribedOut {
    event_types: Vec<AppTypesOut>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppTypesOut {
    app_id: String,
    app_uid: Option<String>,
    explicitly_subscribed_event_types: Vec<String>,
    has_catch_all_endpoint: bool,
}

/// GET `…/stats`: deliveries by the time of their events.
pub(super) async fn deliveries(State(api): State<Api>, call: Call) -> Result<Response> {
    let counts = counts(&api, &call).await?;
    let Counts { succeeded, failed, canceled, .. } = counts;
    let stats = StatsOut { success: succeeded, pending: counts.pending(), sending: 0, fail: failed, canceled };
    Ok(answer(StatusCode::OK, &stats))
}

/// GET `…/attempt-stats`: attempts by their own time.
pub(super) async fn attempts(State(api): State<Api>, call: Call) -> Result<Response> {
    let counts = counts(&api, &call).await?;
    let stats = AttemptStatsOut { success: counts.attempts_succeeded, fail: counts.attempts_failed, canceled: 0 };
    Ok(answer(StatusCode::OK, &stats))
}

async fn counts(api: &Api, call: &Call) -> Result<Counts> {
    let application = api.application(call).await?;
    let endpoint = endpoint::find(api, call, &application).await?.id;
    let now_ms = api.clock.now().wall_ms;
    let until_ms = moment(call, "until")?.unwrap_or(now_ms + HOUR_MS);
    let since_ms = moment(call, "since")?.unwrap_or(until_ms - WINDOW_HOURS * HOUR_MS);
    let hours = span(since_ms, until_ms, &["query", "since"])?;
    api.read(move |store| store.counts(endpoint, hours)).await
}

/// The hours of a stretch of time, both ends included. Error: it runs backwards or is longer than counts are kept.
fn span(since_ms: i64, until_ms: i64, place: &[&str]) -> Result<(i64, i64)> {
    let (from, to) = (hour(since_ms), hour(until_ms));
    if from > to {
        return Err(Error::at(place, "must not be later than `until`"));
    }
    if to - from > COUNT_HOURS {
        return Err(Error::at(
            place,
            format!("is more than {} days before `until`; counts are kept so long", COUNT_HOURS / 24),
        ));
    }
    Ok((from, to))
}

/// POST `/stats/usage/app`: how many attempts each application had.
pub(super) async fn usage(State(api): State<Api>, call: Call) -> Result<Response> {
    call.caller.whole_environment()?;
    let (input, _) = call.json::<UsageIn>().await?;
    let hours = span(instant("since", &input.since)?, instant("until", &input.until)?, &["body", "since"])?;
    let environment = call.caller.environment;
    let ids = api.engine.text().clone();
    let named =
        input.app_ids.map(|named| named.into_iter().map(|text| (api.application_ref(&text).ok(), text)).collect());
    let (data, unresolved) = api
        .read(move |store| {
            let (applications, unresolved) = chosen(store, environment, named)?;
            let stats = applications.into_iter().map(|(id, app_uid)| {
                let message_destinations = store.attempt_count(id, hours)?;
                Ok(AppUsageOut { app_id: ids.of(id), app_uid, message_destinations })
            });
            Ok((UsageOut { app_stats: stats.collect::<Result<_>>()? }, unresolved))
        })
        .await?;
    Ok(done(&api, "application.stats", Some(unresolved), data))
}

type Named = Vec<(Option<ApplicationRef>, String)>;
type Chosen = (Vec<(ApplicationId, Option<String>)>, Vec<String>);

/// The applications that are named, or all; and the names that nobody has.
fn chosen(store: &dyn Store, environment: EnvironmentId, named: Option<Named>) -> Result<Chosen> {
    let Some(named) = named.filter(|named| !named.is_empty()) else {
        return Ok((all(store, environment)?, Vec::new()));
    };
    let (mut found, mut unresolved) = (Vec::new(), Vec::new());
    for (reference, text) in named {
        let known = reference.map_or(Ok(None), |reference| store.application(environment, &reference))?;
        match known {
            Some(application) => found.push((application.id, application.uid)),
            None => unresolved.push(text),
        }
    }
    if found.is_empty() {
        return Err(Error::field("appIds", "names no application that exists"));
    }
    Ok((found, unresolved))
}

fn all(store: &dyn Store, environment: EnvironmentId) -> Result<Vec<(ApplicationId, Option<String>)>> {
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|(id, _)| *id);
        let listed = store.applications(environment, Page { after, descending: false, limit: SLICE })?;
        found.extend(listed.rows.into_iter().map(|application| (application.id, application.uid)));
        if listed.done || found.len() >= APPLICATIONS_MAX {
            return Ok(found);
        }
    }
}

/// PUT `/stats/usage/event-types`: which event types the endpoints of each application name.
pub(super) async fn event_types(State(api): State<Api>, call: Call) -> Result<Response> {
    call.caller.whole_environment()?;
    let (environment, ids) = (call.caller.environment, api.engine.text().clone());
    let data = api
        .read(move |store| {
            let each = all(store, environment)?.into_iter().map(|(id, app_uid)| {
                let (explicitly_subscribed_event_types, has_catch_all_endpoint) = subscribed(store, id)?;
                let app_id = ids.of(id);
                Ok(AppTypesOut { app_id, app_uid, explicitly_subscribed_event_types, has_catch_all_endpoint })
            });
            Ok(SubscribedOut { event_types: each.collect::<Result<_>>()? })
        })
        .await?;
    Ok(done(&api, "event-type.aggregate", None, data))
}

/// The event types that an application's endpoints name, and whether one of them takes all.
fn subscribed(store: &dyn Store, application: ApplicationId) -> Result<(Vec<String>, bool)> {
    let (mut names, mut takes_all, mut after) = (std::collections::BTreeSet::new(), false, None);
    loop {
        let listed = store.endpoints(application, Page { after, descending: false, limit: SLICE })?;
        after = listed.rows.last().map(|endpoint| endpoint.id);
        for endpoint in listed.rows.into_iter().filter(|endpoint| !endpoint.direct) {
            takes_all |= endpoint.event_types.is_empty();
            names.extend(endpoint.event_types);
        }
        if listed.done {
            return Ok((names.into_iter().collect(), takes_all));
        }
    }
}

fn done<T: Serialize>(api: &Api, task: &'static str, unresolved_app_ids: Option<Vec<String>>, data: T) -> Response {
    let now_ms = api.clock.now().wall_ms;
    let id: crate::id::TaskId = api.engine.ids().next(now_ms);
    let id = api.engine.text().of(id);
    answer(
        StatusCode::ACCEPTED,
        &TaskOut { id, status: "finished", task, updated_at: time(now_ms), unresolved_app_ids, data },
    )
}

fn instant(field: &str, text: &str) -> Result<i64> {
    let moment: jiff::Timestamp =
        text.parse().map_err(|_| Error::field(field, "must be a time such as 2026-11-22T08:30:00Z"))?;
    Ok(moment.as_millisecond())
}
