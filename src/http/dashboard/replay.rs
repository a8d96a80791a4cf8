//! `…/endpoint/{ep}/replay`: deliveries made again: how many there would be, and how far it is.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::Failure;
use super::note::Note;
use super::seen::{Seen, seen};
use super::time::moment;
use super::visit::Visit;
use crate::endpoint::State as EndpointState;
use crate::error::{Error, Result};
use crate::http::api::{not_changed, replay};
use crate::http::state::Api;
use crate::id::{Id as _, TaskId};
use crate::key::Action;
use crate::replay::{Kind, Replay, State as ReplayState, Wanted};
use crate::store::{Change, Page, Setting};

/// Among how many of the environment's last tasks the endpoint's own is looked for.
const TASKS: usize = 100;
/// What is made again: the word in the form, and for people.
const WHICH: [(&str, &str); 3] = [
    ("failed", "Deliveries that failed"),
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

/// What the endpoint's page says about replays, and whether one runs.
pub(super) async fn section(api: &Api, visit: &Visit, seen: &Seen) -> Result<(Markup, bool)> {
    let (environment, endpoint) = (visit.call.caller.environment, seen.endpoint.id);
    let page = Page { after: None::<TaskId>, descending: true, limit: TASKS };
    let listed = api.read(move |store| store.replays(environment, page)).await?;
    let last = listed.rows.into_iter().find(|row| row.endpoint == endpoint);
    let runs = last.as_ref().is_some_and(|row| row.state == ReplayState::Running);
    let may = visit.may(Action::Attempt) && seen.endpoint.state == EndpointState::Enabled;
    let content = html! {
        section aria-labelledby="replay-title" {
            h2 #replay-title { "Replay" }
            @if let Some(replay) = &last { (progress(replay)) } @else { p { "Nothing was replayed yet." } }
            @if may && !runs {
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

fn progress(replay: &Replay) -> Markup {
    let state = match replay.state {
        ReplayState::Running => "runs",
        ReplayState::Finished => "has ended",
        ReplayState::Canceled => "was called off",
    };
    html! {
        p role="status" { "The replay of " (moment(replay.id.time_ms())) " " (state) ": " (replay.done) @if replay.total > 0 { " of " (replay.total) } " deliveries." }
        @if replay.total > 0 { progress max=(replay.total) value=(replay.done) aria-label="Replay" {} }
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
    let none = || Error::field("since", "is none that the form offers");
    let (_, text, ago_ms) = SINCE.into_iter().find(|(word, ..)| *word == since).ok_or_else(none)?;
    let (kind, wanted) = match which {
        "failed" => (Kind::Recover, Wanted::default()),
        "all" => (Kind::Bulk, Wanted::default()),
        "missing" => (Kind::Missing, Wanted::default()),
        _ => return Err(none()),
    };
    let since_ms = api.clock.now().wall_ms - ago_ms;
    let mut replay = replay::fresh(api, &visit.call, &seen.endpoint, (kind, since_ms, None, wanted))?;
    let asked = replay.clone();
    replay.total = api.read(move |store| store.replay_count(&asked)).await?;
    if count {
        return Ok(format!("A replay of {text} would make {} deliveries again.", replay.total));
    }
    let total = replay.total;
    let begun = api.engine.change(Setting { change: Change::Replay(Box::new(replay)), answer: None }).await;
    begun.map_err(|error| not_changed(error, replay::RUNNING))?;
    Ok(format!("The replay has begun: {total} deliveries."))
}
