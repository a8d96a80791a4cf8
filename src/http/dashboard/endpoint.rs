//! `…/endpoint/{ep}`: one webhook: how it does, what one can do with it, what was attempted last.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::copy::{Look, copied};
use super::failure;
use super::frame::Failure;
use super::health;
use super::note::Note;
use super::replay;
use super::retries;
use super::seen::{Seen, answer, seen};
use super::test;
use super::time::moment;
use super::visit::Visit;
use crate::count::{Counts, hour};
use crate::endpoint::{Endpoint, State as EndpointState};
use crate::error::Result;
use crate::http::api::endpoint;
use crate::http::api::secret::successor;
use crate::http::state::Api;
use crate::id::AttemptId;
use crate::key::Action;
use crate::providers;
use crate::secret::{self, GRACE_SECS};
use crate::store::{AttemptRow, AttemptsOf, Filter, Page};

/// How many attempts are shown.
const ATTEMPTS: usize = 20;
/// Over how many hours deliveries are counted.
const HOURS: i64 = 24;

/// GET `/{env}/app/{app}/endpoint/{ep}`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let seen = seen(&api, &visit).await?;
    let (id, now_ms) = (seen.endpoint.id, api.clock.now().wall_ms);
    let hours = (hour(now_ms) - HOURS + 1, hour(now_ms));
    let (counts, attempts, failed) = api
        .read(move |store| {
            let page = Page { after: None::<AttemptId>, descending: true, limit: ATTEMPTS };
            let attempts = store.attempts(AttemptsOf::Endpoint(id), page, &Filter::default())?;
            Ok((store.counts(id, hours)?, attempts.rows, failure::last(store, AttemptsOf::Endpoint(id))?))
        })
        .await?;
    let (tested, waits) = test::section(&api, &visit, &seen).await?;
    let (replayed, runs) = replay::section(&api, &visit, &seen).await?;
    let content = html! {
        (facts(&api, &visit, &seen, &counts))
        (buttons(&visit, &seen))
        (tested)
        (replayed)
        (failure::section(&api, &visit, &seen, &failed, !runs && replay::may_begin(&visit, &seen)))
        section aria-labelledby="attempts-title" {
            h2 #attempts-title { "Last attempts" }
            (table(&api, &visit, &attempts))
        }
    };
    let mut page = visit.page(&seen.endpoint.url, "app");
    page.copies = true;
    page.again_secs = (waits || runs).then_some(replay::AGAIN_SECS);
    Ok(visit.show(&api, page, &content))
}

fn facts(api: &Api, visit: &Visit, seen: &Seen, counts: &Counts) -> Markup {
    let (endpoint, now_ms) = (&seen.endpoint, api.clock.now().wall_ms);
    let app = seen.path.split("/endpoint/").next().unwrap_or_default();
    html! {
        dl.facts {
            div { dt { "Health" } dd { (health::shown(endpoint, counts, now_ms)) } }
            div { dt { "Delivered in 24 h" } dd { (counts.succeeded) " of " (counts.accepted) } }
            @if !endpoint.description.is_empty() { div { dt { "Name" } dd { (endpoint.description) } } }
            @if !visit.is_customer() { div { dt { "Application" } dd { a href=(app) { (seen.application.name) } } } }
            div { dt { "Events" } dd { @if endpoint.event_types.is_empty() { "every event" } @else { (endpoint.event_types.join(", ")) } } }
            div { dt { "Retries" } dd { (retries::shown(endpoint, &api.rules.ladder)) } }
            @if let Some(scheme) = retries::signature(endpoint) { div { dt { "Signed with" } dd { (scheme) } } }
            div { dt { "Changed" } dd { (moment(endpoint.updated_ms)) } }
            div { dt { "Id" } dd { (copied("id", &api.engine.text().of(endpoint.id), "Copy id", Look::Link)) } }
        }
        @if !visit.may(Action::EditEndpoint) {
            p.soft { "You can look at this webhook. " @if visit.is_customer() { "Changing it takes another link." } @else { "Changing it takes an Admin." } }
        }
    }
}

/// What the visitor may do with it.
fn buttons(visit: &Visit, seen: &Seen) -> Markup {
    let button = |action: &str, class: &str, name: &str| {
        html! { form method="post" action={ (seen.path) "/" (action) } { button class=(class) type="submit" { (name) } } }
    };
    let (edits, rotates) = (visit.may(Action::EditEndpoint), visit.may(Action::RotateSecret));
    html! {
        @if edits || rotates {
            div.row {
                @if edits {
                    a.button.second href={ (seen.path) "/edit" } { "Change" }
                    @if seen.endpoint.state != EndpointState::Enabled { (button("enable", "second", "Enable")) }
                    @else if seen.endpoint.handling.paused { (button("resume", "second", "Resume")) }
                    @else { (button("pause", "second", "Pause")) }
                }
                @if rotates { (button("rotate", "second", "Rotate secret")) }
                @if edits {
                    details.confirm {
                        summary { "Delete …" }
                        p { "What waits for it is canceled; its history stays." }
                        (button("delete", "danger", "Delete"))
                    }
                }
            }
        }
    }
}

/// Attempts, the newest first.
fn table(api: &Api, visit: &Visit, rows: &[AttemptRow]) -> Markup {
    html! {
        @if rows.is_empty() { p { "Nothing was attempted yet." } }
        @else {
            table {
                caption.unseen { "Last attempts" }
                thead { tr { th scope="col" { "When" } th scope="col" { "Answer" } th scope="col" { "Took" } th scope="col" { "Event" } } }
                tbody { @for row in rows {
                    tr {
                        td { (moment(row.attempt.began_ms())) }
                        td { (answer(row.attempt.status_code)) }
                        td { (row.attempt.duration_ms) " ms" }
                        td { a href=(visit.path(&format!("event/{}", api.engine.text().of(row.event)))) { (row.called(api.engine.text())) } }
                    }
                } }
            }
        }
    }
}

/// POST `…/endpoint/{ep}/pause`: deliveries are made and wait.
pub(super) async fn pause(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    change(&api, &visit, "Paused: deliveries are made and wait.", |endpoint| endpoint.handling.paused = true).await
}

/// POST `…/endpoint/{ep}/resume`
pub(super) async fn resume(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let resumed = |endpoint: &mut Endpoint| endpoint.handling.paused = false;
    change(&api, &visit, "Resumed: what came while it was paused goes out now.", resumed).await
}

/// POST `…/endpoint/{ep}/enable`
pub(super) async fn enable(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    change(&api, &visit, "Enabled.", |endpoint| endpoint.state = EndpointState::Enabled).await
}

async fn change(api: &Api, visit: &Visit, done: &str, edit: impl Fn(&mut Endpoint)) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let seen = seen(api, visit).await?;
    let changed = endpoint::change(api, &visit.call, |endpoint| {
        edit(endpoint);
        Ok(())
    });
    let path = seen.path.clone();
    let said = match changed.await {
        Ok(endpoint) => Ok(replay::offered(api, visit, &Seen { endpoint, ..seen }, (done, done)).await?),
        Err(error) => Err(error),
    };
    Ok(visit.done(api, said, &path))
}

/// POST `…/endpoint/{ep}/rotate`: the old secret signs on until its grace ends.
pub(super) async fn rotate(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::RotateSecret)?;
    let seen = seen(&api, &visit).await?;
    let provider = seen.endpoint.provider;
    let fresh = successor(provider, &seen.endpoint.secrets);
    let now_ms = api.clock.now().wall_ms;
    let changed = endpoint::change(&api, &visit.call, |endpoint| {
        secret::rotate(&mut endpoint.secrets, fresh.clone(), providers::overlap(provider), GRACE_SECS, now_ms)
    });
    Ok(visit.done(&api, changed.await.map(|_| Note::Secret(fresh.shown())), &seen.path))
}

/// POST `…/endpoint/{ep}/delete`
pub(super) async fn delete(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let seen = seen(&api, &visit).await?;
    let gone = endpoint::change(&api, &visit.call, |endpoint| {
        endpoint.state = EndpointState::Deleted;
        Ok(())
    });
    let app = seen.path.split("/endpoint/").next().unwrap_or_default();
    Ok(visit.done(&api, gone.await.map(|_| Note::Done(format!("{} is deleted.", seen.endpoint.url))), app))
}
