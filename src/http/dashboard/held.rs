//! `/{env}/source/{source}`: what a source holds back, and what becomes of it: released or discarded.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::amount::amount;
use super::frame::Failure;
use super::list::{asked, more};
use super::mask;
use super::note::Note;
use super::time::moment;
use super::visit::Visit;
use crate::conflict::Held;
use crate::error::{Error, Result};
use crate::http::api::conflict::{Pair, beside};
use crate::http::api::held::{discard, release_conflict};
use crate::http::api::quarantine::{AllOut, all};
use crate::http::state::Api;
use crate::id::{ConflictId, Id as _, SourceId};
use crate::key::Action;
use crate::quarantine::Quarantined;
use crate::source::{Source, SourceRef};
use crate::store::Page;

/// How many conflicts a page shows, each beside the first: bodies of 2 MiB at most, of which it shows the beginnings.
const CONFLICTS: usize = 10;
/// How much of a body is shown, in characters.
const BODY_CHARS_MAX: usize = 4 * 1_024;

/// The source in the path. Error: 404, also for another environment's.
async fn find(api: &Api, visit: &Visit) -> Result<Source> {
    let (environment, id): (_, SourceId) = (visit.call.caller.environment, visit.call.id(api, "source")?);
    let found = api.read(move |store| store.source(environment, &SourceRef::Id(id))).await?;
    found.ok_or_else(Error::not_found)
}

/// GET `/{env}/source/{source}`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let source = find(&api, &visit).await?;
    let id = source.id;
    let part = Page { limit: CONFLICTS, ..asked::<ConflictId>(&api, &visit, true)? };
    let (conflicts, reasons) = api
        .read(move |store| {
            let pairs = store.conflicts(id, part)?.try_map(|row| beside(store, row))?;
            Ok((pairs, store.quarantine_reasons(id)?))
        })
        .await?;
    let path = visit.path(&format!("source/{}", api.engine.text().of(source.id)));
    let may = visit.may(Action::Manage);
    let content = html! {
        p.soft { (source.provider.name()) " · " a href=(visit.path("source")) { "All sources" } }
        section aria-labelledby="conflicts-title" {
            h2 #conflicts-title { "Conflicts" }
            @if conflicts.rows.is_empty() { p { "Nothing that came under a known id says something else and waits." } }
            @else { p { "Each came under the id of an event that came before, and says something else. It was not delivered." } }
            @for pair in &conflicts.rows { (conflict(&api, &visit, &path, pair, may)) }
            (more(&api, &conflicts, |(row, _)| row.id, &[]))
        }
        section aria-labelledby="quarantine-title" {
            h2 #quarantine-title { "Not understood" }
            @if reasons.is_empty() { p { "All that was genuine was understood, or decided." } }
            @else { p { "Genuine, and not what the provider sends. Released, its bytes are delivered as they came, flagged " code { "unread" } "." } }
            @for reason in &reasons { (group(&path, reason, may)) }
        }
    };
    Ok(visit.show(&api, visit.page(&source.name, "source"), &content))
}

fn conflict(api: &Api, visit: &Visit, path: &str, (row, first): &Pair, may: bool) -> Markup {
    let ids = api.engine.text();
    let (id, first_id) = (ids.of(row.id), ids.of(row.first.event));
    let erased = |body: &[u8]| body.is_empty();
    html! {
        section.card aria-labelledby=(id) {
            h3 #(id) { (row.event_type) " " code { (row.dedup_key) } }
            p.soft { "Came " (moment(row.id.time_ms())) ", " (amount(row.count, "time")) }
            div.pair {
                section aria-label="The first" {
                    p { a href=(visit.path(&format!("event/{first_id}"))) { "The first" } }
                    @match first {
                        Some(first) if !erased(&first.body) => (shown(&first.body)),
                        _ => p.soft { "Its payload is erased." },
                    }
                }
                section aria-label="This one" { p { "This one" } (shown(&row.body)) }
            }
            @if may { div.row {
                form method="post" action={ (path) "/conflict/" (id) "/release" } { button.second type="submit" { "Release: deliver it too" } }
                form method="post" action={ (path) "/conflict/" (id) "/discard" } { button.second type="submit" { "Discard: erase it" } }
            } }
        }
    }
}

fn group(path: &str, (reason, count, last): &(String, u64, Quarantined), may: bool) -> Markup {
    html! {
        section.card {
            h3 { (reason) }
            p.soft { (amount(*count, "body")) ", the last first seen " (moment(last.first_ms)) }
            p { (last.reason) }
            details { summary { "The last" } (shown(&last.body)) }
            @if may { div.row {
                form method="post" action={ (path) "/quarantine/release" } {
                    input type="hidden" name="reason" value=(reason);
                    button.second type="submit" { "Release all of these" }
                }
                form method="post" action={ (path) "/quarantine/discard" } {
                    input type="hidden" name="reason" value=(reason);
                    button.second type="submit" { "Discard all of these" }
                }
            } }
        }
    }
}

fn shown(body: &[u8]) -> Markup {
    let text = mask::masked(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let beginning: String = text.chars().take(BODY_CHARS_MAX).collect();
    html! {
        pre tabindex="0" aria-label="Body" { (beginning) }
        @if beginning.len() < text.len() { p.soft { "This is the beginning." } }
    }
}

/// POST `/{env}/source/{source}/conflict/{conflict}/release`
pub(super) async fn release(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    decide(&api, &visit, true).await
}

/// POST `/{env}/source/{source}/conflict/{conflict}/discard`
pub(super) async fn discarded(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    decide(&api, &visit, false).await
}

async fn decide(api: &Api, visit: &Visit, releases: bool) -> Result<Response, Failure> {
    visit.call.may(Action::Manage)?;
    let source = find(api, visit).await?;
    let (of, id): (_, ConflictId) = (source.id, visit.call.id(api, "conflict")?);
    let conflict = api.read(move |store| store.conflict(of, id)).await?.ok_or_else(Error::not_found)?;
    let path = visit.path(&format!("source/{}", api.engine.text().of(source.id)));
    let outcome = if releases {
        let released = release_conflict(api, visit.call.by(api), &source, conflict).await;
        released.map(|out| Note::Done(format!("It is delivered as {}.", out.msg_id)))
    } else {
        let erased = discard(api, &visit.call, source.application, vec![Held::Conflict(id)]).await;
        erased.map(|()| Note::Done("It is discarded; its bytes are erased.".to_owned()))
    };
    Ok(visit.done(api, outcome, &path))
}

/// POST `/{env}/source/{source}/quarantine/release`
pub(super) async fn release_all(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    decide_all(&api, &visit, true).await
}

/// POST `/{env}/source/{source}/quarantine/discard`
pub(super) async fn discard_all(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    decide_all(&api, &visit, false).await
}

async fn decide_all(api: &Api, visit: &Visit, releases: bool) -> Result<Response, Failure> {
    visit.call.may(Action::Manage)?;
    let source = find(api, visit).await?;
    let form = visit.form().await?;
    let outcome = all(api, &visit.call, &source, form.one("reason"), releases).await;
    let path = visit.path(&format!("source/{}", api.engine.text().of(source.id)));
    Ok(visit.done(api, outcome.map(|out| Note::Done(told(&out))), &path))
}

fn told(AllOut { released, duplicates, discarded }: &AllOut) -> String {
    match (released + duplicates, discarded) {
        (0, 0) => "None of these waits any more.".to_owned(),
        (0, _) => format!("{} discarded; their bytes are erased.", amount(*discarded, "body")),
        _ if *duplicates > 0 => format!("{released} delivered; {duplicates} had come in before."),
        _ => format!("{} delivered, flagged unread.", amount(*released, "body")),
    }
}
