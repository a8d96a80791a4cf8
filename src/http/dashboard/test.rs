//! `…/endpoint/{ep}/test`: a test of a webhook, and what it came to.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::catalogue;
use super::frame::Failure;
use super::note::Note;
use super::replay;
use super::seen::{Seen, answer, seen};
use super::visit::Visit;
use crate::endpoint::State as EndpointState;
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::event_type::PING;
use crate::http::api::example;
use crate::http::state::Api;
use crate::id::{AttemptId, EventId};
use crate::key::Action;
use crate::provider::Provider;
use crate::providers;
use crate::store::{AttemptRow, AttemptsOf, Change, Filter, Page, PeopleChange};
use crate::user::Test;

/// What is said when nothing waits for the endpoint to work.
const SENT: &str = "The test was sent.";
/// How long a test's answer is waited for before the page says that it is on its way, and how often it is looked for.
const LOOKS: u32 = 60;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the endpoint's page says about tests, and whether one is on its way.
pub(super) async fn section(api: &Api, visit: &Visit, seen: &Seen) -> Result<(Markup, bool)> {
    let (endpoint, provider) = (seen.endpoint.id, seen.endpoint.provider);
    let caller = visit.call.caller.clone();
    let (test, types) = api
        .read(move |store| {
            let types =
                if providers::test_event(provider).is_none() { catalogue::all(store, &caller)? } else { Vec::new() };
            Ok((store.test(endpoint)?, types))
        })
        .await?;
    let attempt = match &test {
        Some(test) => attempt(api, test.event).await?,
        None => None,
    };
    let is_of = test.is_some_and(|test| test.is_of(&seen.endpoint));
    let passed = is_of && attempt.as_ref().is_some_and(|row| row.attempt.succeeded());
    let waits = is_of && attempt.is_none() && seen.endpoint.is_active();
    let names = types
        .iter()
        .map(|row| row.name.as_str())
        .filter(|name| provider == Provider::Standard || is_of_catalogue(provider, name));
    let content = html! {
        section aria-labelledby="test-title" {
            h2 #test-title { "Test" }
            @if passed { p.good { "Tested since its last change: it took the test." } }
            @else { p.wait { "not tested since its last change" } }
            @if waits { p role="status" { "The test is on its way." } }
            @if let Some(row) = &attempt { (came(api, visit, row)) }
            @if visit.may(Action::Attempt) && seen.endpoint.state == EndpointState::Enabled {
                form.row method="post" action={ (seen.path) "/test" } {
                    @if let Some(name) = providers::test_event(provider) { input type="hidden" name="type" value=(name); }
                    @else {
                        label { "Event type" select name="type" {
                            @if provider == Provider::Standard { option { (PING) } }
                            @for name in names { option { (name) } }
                        } }
                    }
                    button type="submit" { "Send a test" }
                }
            }
        }
    };
    Ok((content, waits))
}

fn is_of_catalogue(provider: Provider, name: &str) -> bool {
    providers::catalogue(provider).iter().any(|row| row.event_type == name && !row.to_url)
}

/// What the last test came to.
fn came(api: &Api, visit: &Visit, row: &AttemptRow) -> Markup {
    let id = api.engine.text().of(row.event);
    html! {
        p { "The last test was answered " (answer(row.attempt.status_code)) " in " (row.attempt.duration_ms) " ms: " a href=(visit.path(&format!("event/{id}"))) { (id) } "." }
        @if !row.attempt.response.is_empty() { pre tabindex="0" aria-label="Response to the last test" { (String::from_utf8_lossy(&row.attempt.response)) } }
    }
}

/// The newest attempt of a test.
async fn attempt(api: &Api, event: EventId) -> Result<Option<AttemptRow>> {
    let page = Page { after: None::<AttemptId>, descending: true, limit: 1 };
    let listed = api.read(move |store| store.attempts(AttemptsOf::Event(event), page, &Filter::default()));
    Ok(listed.await?.rows.into_iter().next())
}

/// POST `…/endpoint/{ep}/test`
pub(super) async fn send(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::Attempt)?;
    let seen = seen(&api, &visit).await?;
    let form = visit.form().await?;
    let sent = begin(&api, &visit, &seen, form.one("type").to_owned()).await;
    let said = match sent {
        Ok(event) => match answered(&api, event).await? {
            Some(row) if row.attempt.succeeded() => {
                Ok(replay::offered(&api, &visit, &seen, (SENT, "It works again.")).await?)
            }
            _ => Ok(Note::Done(SENT.to_owned())),
        },
        Err(error) => Err(error),
    };
    Ok(visit.done(&api, said, &seen.path))
}

/// The first attempt of a test, when it is there before long.
async fn answered(api: &Api, event: EventId) -> Result<Option<AttemptRow>> {
    for _ in 0..LOOKS {
        let row = attempt(api, event).await?;
        if row.is_some() {
            return Ok(row);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(None)
}

async fn begin(api: &Api, visit: &Visit, seen: &Seen, event_type: String) -> Result<EventId> {
    if seen.endpoint.handling.paused {
        return Err(Error::conflict("The webhook is paused: a test would wait with all others. Resume it first."));
    }
    let event =
        example::of(api, &visit.call, (&seen.application, &seen.endpoint), example::ExampleIn::of(event_type)).await?;
    let mut answers = api.engine.accept(vec![event]).await?;
    let accepted = answers.pop().ok_or_else(|| Error::internal("an event got no answer"))??;
    let test = Test { endpoint: seen.endpoint.id, event: accepted.get().event, revision: seen.endpoint.revision };
    match visit.change(api, Change::People(PeopleChange::Test(test))).await {
        Ok(()) => Ok(test.event),
        Err(NotChanged::Failed(error)) => Err(error),
        Err(NotChanged::Refused(refused)) => Err(Error::internal(format!("{refused:?}"))),
    }
}
