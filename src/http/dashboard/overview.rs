//! `/` and `/{env}/`: where one begins, and how the environment does.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::{Failure, go};
use super::time::{moment, span};
use super::visit::Visit;
use crate::count::{Counts, HOUR_MS, hour};
use crate::endpoint::State as EndpointState;
use crate::http::state::Api;
use crate::store::{Overview, Troubled};

/// How many hours are looked back.
const HOURS: i64 = 24;
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
    let overview = api.read(move |store| store.overview(environment, (last - HOURS + 1, last))).await?;
    let content = html! {
        (figures(&overview, now_ms))
        (picture(&overview, last))
        section aria-labelledby="troubled-title" {
            h2 #troubled-title { "Failing endpoints" }
            (troubled(&api, &visit, &overview, now_ms))
        }
    };
    Ok(visit.show(&api, visit.page("Overview", ""), &content))
}

fn figures(overview: &Overview, now_ms: i64) -> Markup {
    let mut sum = Counts::default();
    overview.hours.iter().for_each(|(_, counts)| sum.add(counts));
    let waiting = match overview.waiting_since {
        None => "nothing waits".to_owned(),
        Some(since) if since >= hour(now_ms) => "under 1 h".to_owned(),
        Some(since) => span(now_ms - since * HOUR_MS),
    };
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
