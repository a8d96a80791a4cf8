//! `/` and `/{env}/`: where one begins, and how the environment does.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::{Failure, go};
use super::time::{moment, span};
use super::visit::Visit;
use super::{latency, picture};
use crate::count::{Counts, HOUR_MS, MINUTE_MS, Minute, hour, minute};
use crate::endpoint::State as EndpointState;
use crate::error::Result;
use crate::http::state::Api;
use crate::store::{COUNT_MINUTES, Overview, Troubled, Worst};

/// How many hours are looked back.
const HOURS: i64 = 24;
/// How many minutes are drawn.
const MINUTES: i64 = 60;
/// How often the figures are read while somebody looks live, in seconds.
const LIVE_SECS: u8 = 5;

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
    let (environment, last_hour, last) = (visit.call.caller.environment, hour(now_ms), minute(now_ms));
    let (overview, kept) = api
        .read(move |store| {
            let overview = store.overview(environment, (last_hour - HOURS + 1, last_hour))?;
            Ok((overview, store.minutes(environment, (last - COUNT_MINUTES + 1, last))?))
        })
        .await?;
    let drawn = &kept[kept.partition_point(|(minute, _)| *minute <= last - MINUTES)..];
    let live = visit.query().has("live");
    let content = html! {
        (way(live))
        (figures(&overview, &oldest(overview.waiting_since, &kept, now_ms)))
        (latency::shown(drawn))
        div.pair { (picture::minutes(drawn, last, MINUTES)) (picture::hours(&overview.hours, last_hour, HOURS)) }
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

/// How long the oldest event waits: since its minute, or since its hour when that is kept no longer.
fn oldest(waiting_since: Option<i64>, kept: &[(i64, Minute)], now_ms: i64) -> String {
    let Some(since_ms) = waiting_since.map(|hour| hour * HOUR_MS) else {
        return "nothing waits".to_owned();
    };
    let (first, last) = (minute(since_ms), minute(now_ms));
    let waits = kept.iter().find(|(minute, counts)| *minute >= first && counts.waiting > 0);
    let is_kept = first > last - COUNT_MINUTES;
    let minute = waits.filter(|_| is_kept).map_or(first, |(minute, _)| *minute);
    if minute == last { "< 1 min".to_owned() } else { span((last - minute) * MINUTE_MS) }
}

fn figures(overview: &Overview, oldest: &str) -> Markup {
    let mut sum = Counts::default();
    overview.hours.iter().for_each(|(_, counts)| sum.add(counts));
    html! {
        dl.figures {
            div { dt { "Accepted in 24 h" } dd { (sum.accepted) } }
            div { dt { "Delivered" } dd { (sum.succeeded) } }
            div { dt { "Waiting" } dd { (sum.waiting()) } }
            div { dt { "Failed for good" } dd class=[(sum.failed > 0).then_some("bad")] { (sum.failed) } }
            @if let Some(rate) = success_rate(&sum) { div { dt { "Success rate" } dd { (rate) } } }
            div { dt { "Oldest undelivered" } dd { (oldest) } }
        }
        p.hint.after { "Deliveries: one for each event and each endpoint that it goes to." }
    }
}

/// How many of the deliveries that came to their end were delivered, in per cent: 100 only when all were; `None` of
/// none.
fn success_rate(counts: &Counts) -> Option<String> {
    let per_mille = (counts.succeeded * 1_000).checked_div(counts.succeeded + counts.failed)?;
    Some(if per_mille == 1_000 { "100 %".to_owned() } else { format!("{}.{} %", per_mille / 10, per_mille % 10) })
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 497_472;

    #[test]
    fn what_waits_longest_is_known_by_its_minute_and_later_by_its_hour() {
        let waits = |minute: i64, waiting| (NOON * 60 + minute, Minute { waiting, ..Minute::default() });
        let kept = [waits(3, 0), waits(5, 2), waits(30, 1)];
        let check = |since: Option<i64>, now: i64, shown: &str| {
            assert_eq!(oldest(since, &kept, (NOON * 60 + now) * MINUTE_MS + 59_999), shown, "{since:?} {now}");
        };
        check(None, 31, "nothing waits");
        check(Some(NOON), 5, "< 1 min");
        check(Some(NOON), 31, "26 min");
        check(Some(NOON - 1), 31, "26 min");
        check(Some(NOON - 3), 31, "3 h");
        check(Some(NOON + 1), 90, "30 min");
    }

    #[test]
    fn a_single_failure_is_seen_in_the_rate() {
        let rate = |succeeded, failed| success_rate(&Counts { succeeded, failed, ..Counts::default() });
        assert_eq!([rate(0, 0), rate(2, 0), rate(0, 2)], [None, Some("100 %".to_owned()), Some("0.0 %".to_owned())]);
        assert_eq!((rate(1_000_000, 1), rate(1, 2)), (Some("99.9 %".to_owned()), Some("33.3 %".to_owned())));
    }
}
