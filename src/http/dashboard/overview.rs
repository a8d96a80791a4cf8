//! `/` and `/{env}/`: where one begins, and how the environment does.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::{Failure, go};
use super::latency::{self, percentile};
use super::time::{duration, moment, span};
use super::visit::Visit;
use crate::count::{Counts, HOUR_MS, hour};
use crate::delivery::Status;
use crate::endpoint::State as EndpointState;
use crate::error::Result;
use crate::http::state::Api;
use crate::id::{EnvironmentId, Id as _, floor_at};
use crate::store::{Filter, Overview, Page, Search, Store, Troubled, Worst};

/// How many hours are looked back.
const HOURS: i64 = 24;
/// How long something waits at most for its age to be told exactly, and not by the hour, in ms.
const EXACT_MS: i64 = 2 * HOUR_MS;
/// How often the figures are read while somebody looks live, in seconds.
const LIVE_SECS: u8 = 5;
/// The picture of the hours: how wide a bar and how high the highest, in its own units.
const BAR_WIDTH: i64 = 10;
const BAR_HEIGHT: i64 = 60;

/// GET `/`: to the setup, to the login, or to the first environment.
pub(super) async fn start(State(api): State<Api>, visit: Result<Visit, Failure>) -> Response {
    match visit {
        Ok(visit) => go(&visit.path("")),
        Err(_) if api.entrance.waits_for_admin() => go("/setup"),
        Err(_) => go("/login"),
    }
}

/// GET `/{env}/`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let now_ms = api.clock.now().wall_ms;
    let (environment, last) = (visit.call.caller.environment, hour(now_ms));
    let (overview, oldest_ms, took) = api
        .read(move |store| {
            let overview = store.overview(environment, (last - HOURS + 1, last))?;
            let oldest_ms = oldest(store, environment, overview.waiting_since, now_ms)?;
            Ok((overview, oldest_ms, latency::newest(store, environment)?))
        })
        .await?;
    let live = visit.query().has("live");
    let content = html! {
        (way(live))
        (figures(&overview, oldest_ms, now_ms))
        (pace(&took))
        (picture(&overview, last))
        section aria-labelledby="troubled-title" {
            h2 #troubled-title { "Failing endpoints" }
            (troubled(&api, &visit, &overview, now_ms))
        }
        (worst(&api, &visit, &overview.worst))
    };
    let mut page = visit.page("Overview", "");
    page.again_secs = live.then_some(LIVE_SECS);
    Ok(visit.show(&api, page, &content))
}

/// Whether the figures move, and how to change that.
fn way(live: bool) -> Markup {
    html! {
        @if live { p { span.good { "Live" } ": read every " (LIVE_SECS) " seconds. " a href="?" { "Stop" } } }
        @else { p { a href="?live" { "Follow live" } } }
    }
}

/// When the oldest event that waits was accepted, in ms since 1970: to its hour when that says enough.
fn oldest(store: &dyn Store, environment: EnvironmentId, hour: Option<i64>, now_ms: i64) -> Result<Option<i64>> {
    let Some(since_ms) = hour.map(|hour| hour * HOUR_MS) else {
        return Ok(None);
    };
    if now_ms - since_ms > EXACT_MS {
        return Ok(Some(since_ms));
    }
    let filter = Filter { status: Some(Status::Pending), above: Some(floor_at(since_ms) - 1), ..Filter::default() };
    let page = Page { after: None, descending: false, limit: 1 };
    let found = store.search(environment, page, &Search { filter, ..Search::default() })?;
    Ok(Some(found.listed.rows.first().map_or(since_ms, |event| event.id.time_ms())))
}

fn figures(overview: &Overview, oldest_ms: Option<i64>, now_ms: i64) -> Markup {
    let mut sum = Counts::default();
    overview.hours.iter().for_each(|(_, counts)| sum.add(counts));
    let waiting = oldest_ms.map_or_else(|| "nothing waits".to_owned(), |at_ms| span(now_ms - at_ms));
    html! {
        dl.figures {
            div { dt { "Accepted in 24 h" } dd { (sum.accepted) } }
            div { dt { "Delivered" } dd { (sum.succeeded) } }
            div { dt { "Waiting" } dd { (sum.pending()) } }
            div { dt { "Failed for good" } dd class=[(sum.failed > 0).then_some("bad")] { (sum.failed) } }
            div { dt { "Oldest undelivered" } dd { (waiting) } }
        }
        p.hint.after { "Deliveries: one for each event and each endpoint that it goes to." }
    }
}

/// How long deliveries take, as percentiles.
fn pace(took: &[i64]) -> Markup {
    html! {
        @if !took.is_empty() {
            dl.figures {
                @for percent in [50, 95, 99] {
                    @if let Some(ms) = percentile(took, percent) { div { dt { "Delivered within, p" (percent) } dd { (duration(ms)) } } }
                }
            }
            p.hint.after { "From acceptance to the receiver's 2xx, retries included: of the newest " (took.len()) " deliveries." }
        }
    }
}

/// The endpoints with the most failed attempts.
fn worst(api: &Api, visit: &Visit, rows: &[Worst]) -> Markup {
    html! {
        @if !rows.is_empty() {
            section aria-labelledby="worst-title" {
                h2 #worst-title { "Most failed attempts in 24 h" }
                table {
                    caption.unseen { "Endpoints with the most failed attempts" }
                    thead { tr { th scope="col" { "Endpoint" } th scope="col" { "Application" } th.number scope="col" { "Failed attempts" } th.number scope="col" { "Delivered" } } }
                    tbody { @for row in rows {
                        @let app = visit.path(&format!("app/{}", api.engine.text().of(row.application)));
                        tr {
                            td { a href={ (app) "/endpoint/" (api.engine.text().of(row.endpoint)) } { (row.url) } }
                            td { a href=(app) { (row.name) } }
                            td.number { (row.counts.attempts_failed) " of " (row.counts.attempts_failed + row.counts.attempts_succeeded) }
                            td.number { (row.counts.succeeded) " of " (row.counts.accepted) }
                        }
                    } }
                }
            }
        }
    }
}

/// Deliveries by the hour of their events: what was delivered, what was not.
fn picture(overview: &Overview, last: i64) -> Markup {
    let highest = overview.hours.iter().map(|(_, counts)| counts.accepted).max().unwrap_or(0);
    if highest == 0 {
        return html! {};
    }
    let height = |count: i64| (count * BAR_HEIGHT + highest - 1) / highest;
    html! {
        figure {
            svg viewBox={ "0 0 " (HOURS * BAR_WIDTH) " " (BAR_HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ "Deliveries by the hour; at most " (highest) " in one" } {
                @for (hour, counts) in &overview.hours {
                    @let x = (HOURS - 1 - (last - hour)) * BAR_WIDTH;
                    @let (all, good) = (height(counts.accepted), height(counts.succeeded));
                    rect.missing x=(x) y=(BAR_HEIGHT - all) width=(BAR_WIDTH - 2) height=(all) {}
                    rect.delivered x=(x) y=(BAR_HEIGHT - good) width=(BAR_WIDTH - 2) height=(good) {}
                }
            }
            figcaption { "The last 24 hours: " span.delivered { "delivered" } ", " span.missing { "waiting or failed" } ". At most " (highest) " in one hour." }
        }
    }
}

fn troubled(api: &Api, visit: &Visit, overview: &Overview, now_ms: i64) -> Markup {
    let count = u64::try_from(overview.troubled.len()).unwrap_or(u64::MAX);
    html! {
        @if overview.troubled.is_empty() { p { "None: every endpoint answered its last attempt with a 2xx." } }
        @else {
            table {
                caption.unseen { "Failing endpoints" }
                thead { tr { th scope="col" { "Endpoint" } th scope="col" { "Application" } th scope="col" { "Failing for" } th scope="col" { "Since" } } }
                tbody { @for row in &overview.troubled { (trouble(api, visit, row, now_ms)) } }
            }
            @if overview.troubled_count > count { p.soft { "The longest " (count) " of " (overview.troubled_count) "." } }
        }
    }
}

fn trouble(api: &Api, visit: &Visit, row: &Troubled, now_ms: i64) -> Markup {
    let app = visit.path(&format!("app/{}", api.engine.text().of(row.application)));
    html! {
        tr {
            td { a href={ (app) "/endpoint/" (api.engine.text().of(row.endpoint)) } { (row.url) } }
            td { a href=(app) { (row.name) } }
            td.bad { (span(now_ms - row.since_ms)) @if row.state != EndpointState::Enabled { ", disabled" } }
            td { (moment(row.since_ms)) }
        }
    }
}
