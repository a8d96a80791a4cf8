//! Deliveries made again: what an endpoint's page offers and says of it, and `/{env}/replay`, all of them.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::amount::amount;
use super::failure;
use super::frame::Failure;
use super::list::{asked, more};
use super::note::Note;
use super::seen::{Seen, seen};
use super::time::moment;
use super::visit::Visit;
use crate::endpoint::State as EndpointState;
use crate::error::{Error, Result};
use crate::http::api::{background_task, not_changed, replay};
use crate::http::state::Api;
use crate::id::{Id as _, TaskId};
use crate::key::Action;
use crate::replay::{Kind, Replay, State as ReplayState, Wanted};
use crate::store::{Change, Page};

/// Among how many of the environment's last tasks the endpoint's own is looked for.
const TASKS: usize = 100;
/// How often a page is read anew while a replay runs, in seconds.
pub(super) const AGAIN_SECS: u8 = 2;
/// What is made again: the word in the form, and for people.
const WHICH: [(&str, &str); 4] = [
    ("failed", "Failed and waiting"),
    ("waiting", "Waiting for a retry"),
    ("all", "All deliveries"),
    ("missing", "Events that were never delivered here"),
];
/// Since when: the word in the form, and how long ago that is, in ms.
const SINCE: [(&str, &str, i64); 4] = [
    ("hour", "the last hour", 3_600_000),
    ("day", "the last 24 hours", 86_400_000),
    ("week", "the last 7 days", 7 * 86_400_000),
    ("fortnight", "the last 14 days", 14 * 86_400_000 - 60_000),
];

/// How many deliveries of an endpoint wait for a retry.
pub(super) async fn waiting(api: &Api, visit: &Visit, seen: &Seen) -> Result<u64> {
    let range = crate::replay::range(Kind::Waiting, 0, None, api.clock.now().wall_ms)?;
    let (id, environment) = (TaskId::new(0), visit.call.caller.environment);
    let all = Replay::begin(id, environment, &seen.endpoint, (Kind::Waiting, range, Wanted::default()));
    Ok(api.read(move |store| store.replay_count(&all)).await?.all)
}

/// What was done, in the first words; in the other ones where deliveries wait for a retry and this person may send them
/// now: that is offered.
pub(super) async fn offered(api: &Api, visit: &Visit, seen: &Seen, (done, again): (&str, &str)) -> Result<Note> {
    let may = may_begin(visit, seen) && seen.endpoint.is_active();
    Ok(match if may { waiting(api, visit, seen).await? } else { 0 } {
        0 => Note::Done(done.to_owned()),
        count => Note::Waiting(again.to_owned(), count, seen.path.clone()),
    })
}

/// What the endpoint's page says about replays, and whether one runs.
pub(super) async fn section(api: &Api, visit: &Visit, seen: &Seen) -> Result<(Markup, bool)> {
    let (environment, endpoint) = (visit.call.caller.environment, seen.endpoint.id);
    let page = Page { after: None::<TaskId>, descending: true, limit: TASKS };
    let listed = api.read(move |store| store.replays(environment, page)).await?;
    let last = listed.rows.into_iter().find(|row| row.endpoint == endpoint);
    let runs = last.as_ref().is_some_and(|row| row.state == ReplayState::Running);
    let content = html! {
        section aria-labelledby="replay-title" {
            h2 #replay-title { "Replay" }
            @if let Some(replay) = &last {
                (progress(replay))
                @if runs && visit.may(Action::Attempt) { (cancel(api, visit, replay, "endpoint")) }
            }
            @else { p { "Nothing was replayed yet." } }
            @if !runs && may_begin(visit, seen) {
                form.row method="post" action={ (seen.path) "/replay" } {
                    label { "What" select name="which" { @for (word, text) in WHICH { option value=(word) { (text) } } } }
                    label { "Of" select name="since" { @for (word, text, _) in SINCE { option value=(word) { (text) } } } }
                    button.second type="submit" name="count" value="yes" { "Count" }
                    button type="submit" { "Replay" }
                }
            }
        }
    };
    Ok((content, runs))
}

/// Whether this person may have deliveries of this endpoint made again.
pub(super) fn may_begin(visit: &Visit, seen: &Seen) -> bool {
    visit.may(Action::Attempt) && seen.endpoint.state == EndpointState::Enabled
}

/// How far a replay is: of the deliveries that were counted, else of the time that it goes through.
fn progress(replay: &Replay) -> Markup {
    let state = match replay.state {
        ReplayState::Running => "runs",
        ReplayState::Finished => "has ended",
        ReplayState::Canceled => "was called off",
    };
    let (value, max) = match replay.state {
        ReplayState::Finished => (1, 1),
        _ if replay.total > 0 => (replay.done, replay.total),
        _ => {
            let passed = |to_ms: i64| u64::try_from(to_ms - replay.first.time_ms()).unwrap_or(0);
            (passed(replay.position.time_ms()), passed(replay.last.time_ms()).max(1))
        }
    };
    html! {
        p role="status" {
            "The replay of " (moment(replay.id.time_ms())) " " (state) ": "
            @if replay.total > 0 { (replay.done) " of " (amount(replay.total, "delivery")) }
            @else { (amount(replay.done, "delivery")) }
            "."
            @if replay.delivered > 0 { " " (delivered_before(replay.delivered)) }
        }
        progress max=(max) value=(value) aria-label="Replay" {}
    }
}

fn delivered_before(count: u64) -> String {
    format!("{count} of them had been delivered before.")
}

/// The button that calls a replay off; `at` says which page comes next.
fn cancel(api: &Api, visit: &Visit, replay: &Replay, at: &str) -> Markup {
    html! {
        form method="post" action=(visit.path(&format!("replay/{}/cancel", api.engine.text().of(replay.id)))) {
            input type="hidden" name="at" value=(at);
            button.second type="submit" { "Cancel" }
        }
    }
}

/// POST `…/endpoint/{ep}/replay`: counts, or begins.
pub(super) async fn begin(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::Attempt)?;
    let seen = seen(&api, &visit).await?;
    let form = visit.form().await?;
    let words = (form.one("which"), form.one("since"));
    let said = run(&api, &visit, &seen, words, form.one("count") == "yes").await;
    Ok(visit.done(&api, said.map(Note::Done), &seen.path))
}

async fn run(api: &Api, visit: &Visit, seen: &Seen, (which, since): (&str, &str), count: bool) -> Result<String> {
    let none = |field: &str| Error::field(field, "is none that the form offers");
    let chosen = SINCE.into_iter().find(|(word, ..)| *word == since);
    let (text, since_ms) = match chosen {
        Some((_, text, ago_ms)) => (text, api.clock.now().wall_ms - ago_ms),
        None if which == "waiting" && since.is_empty() => ("all time", 0),
        None => return Err(none("since")),
    };
    let (kind, wanted) = match which {
        "waiting" => (Kind::Waiting, Wanted::default()),
        "failed" => (Kind::Recover, Wanted::default()),
        "all" => (Kind::Bulk, Wanted::default()),
        "missing" => (Kind::Missing, Wanted::default()),
        cause => (Kind::Bulk, failure::wanted(cause).ok_or_else(|| none("which"))?),
    };
    let mut replay = replay::fresh(api, &visit.call, &seen.endpoint, (kind, since_ms, None, wanted))?;
    // what has not succeeded is counted along an index of its own; all else only when that is asked
    if count || kind.is_of_open() {
        let asked = replay.clone();
        let counted = api.read(move |store| store.replay_count(&asked)).await?;
        if count {
            let mut said = format!("A replay of {text} would make {} again.", amount(counted.all, "delivery"));
            if counted.delivered > 0 {
                said = format!("{said} {}", delivered_before(counted.delivered));
            }
            return Ok(said);
        }
        replay.total = counted.all;
    }
    let begun = visit.change(api, Change::Replay(Box::new(replay))).await;
    begun.map_err(|error| not_changed(error, replay::RUNNING))?;
    Ok("The replay has begun.".to_owned())
}

/// GET `/{env}/replay`: those that run and those that ended, the newest first.
pub(super) async fn list(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let (environment, page) = (visit.call.caller.environment, asked::<TaskId>(&api, &visit, true)?);
    let (listed, urls) = api
        .read(move |store| {
            let listed = store.replays(environment, page)?;
            let url = |row: &Replay| Ok(store.endpoint(row.application, row.endpoint)?.map(|endpoint| endpoint.url));
            let urls = listed.rows.iter().map(url).collect::<Result<Vec<_>>>()?;
            Ok((listed, urls))
        })
        .await?;
    let runs = listed.rows.iter().any(|row| row.state == ReplayState::Running);
    let content = html! {
        p.soft { "Deliveries made again, each with its whole ladder, at the pace of their endpoint. One begins on the page of its webhook." }
        @if listed.rows.is_empty() { p { "Nothing was replayed yet." } }
        @for (row, url) in listed.rows.iter().zip(&urls) {
            section.card aria-labelledby=(api.engine.text().of(row.id)) {
                h2 #(api.engine.text().of(row.id)) {
                    @match url {
                        Some(url) => a href=(of_endpoint(&api, &visit, row)) { (url) },
                        None => "A deleted webhook",
                    }
                }
                p { (what(row)) }
                (progress(row))
                @if row.state == ReplayState::Running && visit.may(Action::Attempt) { (cancel(&api, &visit, row, "")) }
            }
        }
        (more(&api, &listed, |row| row.id, &[]))
    };
    let mut page = visit.page("Replays", "replay");
    page.again_secs = runs.then_some(AGAIN_SECS);
    Ok(visit.show(&api, page, &content))
}

/// What a replay makes again, for people.
fn what(replay: &Replay) -> Markup {
    let what = match replay.kind {
        Kind::Recover => WHICH[0].1,
        Kind::Waiting => WHICH[1].1,
        Kind::Bulk if replay.wanted.status_class.is_some() => "Deliveries that failed for one cause",
        Kind::Bulk => WHICH[2].1,
        Kind::Missing => WHICH[3].1,
    };
    html! {
        (what)
        @if replay.first.value() > 0 { ", from " (moment(replay.first.time_ms())) " to " (moment(replay.last.time_ms())) }
        @else { ", until " (moment(replay.last.time_ms())) }
    }
}

fn of_endpoint(api: &Api, visit: &Visit, replay: &Replay) -> String {
    let ids = api.engine.text();
    visit.path(&format!("app/{}/endpoint/{}", ids.of(replay.application), ids.of(replay.endpoint)))
}

/// POST `/{env}/replay/{task}/cancel`
pub(super) async fn call_off(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::Attempt)?;
    let (environment, task) = (visit.call.caller.environment, visit.call.id::<TaskId>(&api, "task")?);
    let (found, own) = (api.read(move |store| store.replay(environment, task)).await?, visit.call.caller.application());
    let replay = found.filter(|found| own.is_none_or(|own| own == found.application)).ok_or_else(Error::not_found)?;
    let form = visit.form().await?;
    let path = if form.one("at") == "endpoint" { of_endpoint(&api, &visit, &replay) } else { visit.path("replay") };
    let done = background_task::call_off(&api, &visit.call).await;
    let said = "Called off: what is on its way goes on, no more is made again.";
    Ok(visit.done(&api, done.map(|()| Note::Done(said.to_owned())), &path))
}
