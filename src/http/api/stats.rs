//! `/app/{app}/endpoint/{ep}/stats` and its kin: what deliveries and attempts came to, to the hour, from counts.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Api, background_task, endpoint};
use crate::application::ApplicationRef;
use crate::count::{Counts, HOUR_MS, hour};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::{at_moment, moment};
use crate::http::problem::text;
use crate::id::{ApplicationId, EnvironmentId, Id as _, IdText};
use crate::store::{COUNT_HOURS, Page, Store};
use crate::task::Work;

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
    let Counts { succeeded, failed, canceled, retrying, .. } = counts;
    let pending = (counts.waiting() - retrying).max(0);
    let stats = StatsOut { success: succeeded, pending, sending: retrying, fail: failed, canceled };
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

/// POST `/stats/usage/app`: how many attempts each application had, counted as a background task.
pub(super) async fn usage(State(api): State<Api>, call: Call) -> Result<Response> {
    call.caller.whole_environment()?;
    let (input, body) = call.json::<UsageIn>().await?;
    let once = call.once(&body)?;
    if let Some(response) = api.answered(once).await? {
        return Ok(response);
    }
    let at = |field: &str, text: &str| at_moment(&["body", field], text);
    let hours = span(at("since", &input.since)?, at("until", &input.until)?, &["body", "since"])?;
    let environment = call.caller.environment;
    let named = input.app_ids.filter(|named| !named.is_empty());
    let named: Option<Named> =
        named.map(|named| named.into_iter().map(|text| (api.application_ref(&text).ok(), text)).collect());
    let (applications, unresolved) = match named {
        Some(named) => {
            let (found, unresolved) = api.read(move |store| chosen(store, environment, named)).await?;
            (Some(found), unresolved)
        }
        None => (None, Vec::new()),
    };
    let work = Work::Usage { hours, applications };
    background_task::begin(&api, &call, once, (None, work), Some(unresolved)).await
}

type Named = Vec<(Option<ApplicationRef>, String)>;

/// The applications that are named, and the names that nobody has. Error: they name nobody, or too many.
fn chosen(store: &dyn Store, environment: EnvironmentId, named: Named) -> Result<(Vec<i64>, Vec<String>)> {
    if named.len() > APPLICATIONS_MAX {
        let message = format!("names {} applications; at most {APPLICATIONS_MAX} are allowed", named.len());
        return Err(Error::field("appIds", message));
    }
    let (mut found, mut unresolved) = (Vec::new(), Vec::new());
    for (reference, text) in named {
        let known = reference.map_or(Ok(None), |reference| store.application(environment, &reference))?;
        match known {
            Some(application) => found.push(application.id.value()),
            None => unresolved.push(text),
        }
    }
    if found.is_empty() {
        return Err(Error::field("appIds", "names no application that exists"));
    }
    Ok((found, unresolved))
}

/// How many attempts these applications, or all, had in these hours, as the task's result.
pub(in crate::http) fn usage_of(
    store: &dyn Store,
    ids: &IdText,
    environment: EnvironmentId,
    hours: (i64, i64),
    applications: Option<Vec<i64>>,
) -> Result<String> {
    let applications = match applications {
        None => all(store, environment)?,
        Some(named) => {
            named.into_iter().filter_map(|id| living(store, environment, id).transpose()).collect::<Result<_>>()?
        }
    };
    let stats = applications.into_iter().map(|(id, app_uid)| {
        let message_destinations = store.attempt_count(id, hours)?;
        Ok(AppUsageOut { app_id: ids.of(id), app_uid, message_destinations })
    });
    Ok(text(&UsageOut { app_stats: stats.collect::<Result<_>>()? }))
}

/// An application and its uid.
type Known = (ApplicationId, Option<String>);

fn living(store: &dyn Store, environment: EnvironmentId, id: i64) -> Result<Option<Known>> {
    let found = store.application(environment, &ApplicationRef::Id(ApplicationId::new(id)))?;
    Ok(found.map(|application| (application.id, application.uid)))
}

fn all(store: &dyn Store, environment: EnvironmentId) -> Result<Vec<Known>> {
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

/// PUT `/stats/usage/event-types`: which event types the endpoints of each application name, as a background task.
pub(super) async fn event_types(State(api): State<Api>, call: Call) -> Result<Response> {
    call.caller.whole_environment()?;
    call.nothing().await?;
    background_task::begin(&api, &call, None, (None, Work::EventTypes), None).await
}

/// Which event types are named, application by application, as the task's result.
pub(in crate::http) fn subscriptions(store: &dyn Store, ids: &IdText, environment: EnvironmentId) -> Result<String> {
    let each = all(store, environment)?.into_iter().map(|(id, app_uid)| {
        let (explicitly_subscribed_event_types, has_catch_all_endpoint) = subscribed(store, id)?;
        let app_id = ids.of(id);
        Ok(AppTypesOut { app_id, app_uid, explicitly_subscribed_event_types, has_catch_all_endpoint })
    });
    Ok(text(&SubscribedOut { event_types: each.collect::<Result<_>>()? }))
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
