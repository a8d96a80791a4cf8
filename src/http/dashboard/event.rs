//! `/{env}/event` and `/{env}/event/{msg}`: events, and the whole life of one.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::{Failure, go};
use super::life::{Leg, Life};
use super::list::{asked, more};
use super::mask;
use super::note::Note;
use super::seen::answer;
use super::time::{moment, span};
use super::visit::Visit;
use crate::attempt::Trigger;
use crate::delivery::Status;
use crate::endpoint::State as EndpointState;
use crate::error::{Error, Result};
use crate::http::api::attempt;
use crate::http::state::Api;
use crate::id::{EndpointId, EventId, Id as _};
use crate::key::Action;
use crate::store::{AttemptRow, Filter};

/// How much of a payload and of a response is shown, in bytes.
const PAYLOAD_BYTES_MAX: usize = 48 * 1_024;
const RESPONSE_BYTES_MAX: usize = 4 * 1_024;

/// GET `/{env}/event`
pub(super) async fn list(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let query = visit.query();
    let find = query.one("find").trim().to_owned();
    if find.starts_with(EventId::PREFIX) {
        return Ok(match api.engine.text().parse::<EventId>(&find) {
            Some(id) => go(&visit.path(&format!("event/{}", api.engine.text().of(id)))),
            None => return Err(Error::not_found().into()),
        });
    }
    let (environment, page) = (visit.call.caller.environment, asked::<EventId>(&api, &visit, true)?);
    let event_types = Some(find.clone()).filter(|find| !find.is_empty()).into_iter().collect();
    let filter = Filter { event_types, ..Filter::default() };
    let own = visit.call.caller.application();
    let listed = api.read(move |store| match own {
        Some(application) => store.events(application, page, &filter, false),
        None => store.all_events(environment, page, &filter),
    });
    let listed = listed.await?;
    let ids = api.engine.text();
    let content = html! {
        form.row method="get" role="search" {
            label { "Event id or type" input name="find" type="search" value=(find); }
            button.second type="submit" { "Search" }
        }
        @if listed.rows.is_empty() { p { @if listed.done { "No event here." } @else { "None so far." } } }
        @else {
            table {
                caption.unseen { "Events, the newest first" }
                thead { tr { th scope="col" { "Accepted" } th scope="col" { "Type" } th scope="col" { "Event" } } }
                tbody { @for row in &listed.rows {
                    tr {
                        td { (moment(row.id.time_ms())) }
                        td { (row.event_type) }
                        td { a href=(visit.path(&format!("event/{}", ids.of(row.id)))) { (ids.of(row.id)) } }
                    }
                } }
            }
        }
        (more(&api, &listed, |row| row.id, &[("find", find.as_str())]))
    };
    Ok(visit.show(&api, visit.page("Events", "event"), &content))
}

/// GET `/{env}/event/{msg}`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let life = Life::read(&api, &visit).await?;
    let (ids, now) = (api.engine.text(), api.clock.now());
    let id = ids.of(life.event.id);
    let app = visit.path(&format!("app/{}", ids.of(life.application.id)));
    let content = html! {
        dl.facts {
            div { dt { "Event" } dd { code { (id) } } }
            @if !visit.is_customer() { div { dt { "Application" } dd { @if life.application.deleted { (life.application.name) ", deleted" } @else { a href=(app) { (life.application.name) } } } } }
            @if let Some(uid) = &life.event.uid { div { dt { "Own id" } dd { code { (uid) } } } }
            @if let Some(arrival) = &life.event.arrival { div { dt { "Came in" } dd { "from a source, repeated " (arrival.duplicates) " times" } } }
        }
        h2 { "Timeline" }
        ol.timeline {
            li { p { (moment(life.event.id.time_ms())) " Accepted: on disk." } }
            @for leg in &life.legs { li { (delivery(&visit, &id, leg, &api, now.steady_ms)) } }
            @if life.legs.is_empty() { li { p { "No endpoint wanted it." } } }
        }
        @if life.more { p.soft { "The event goes to more endpoints than are shown here." } }
        (payload(&visit, &life, now.wall_ms))
    };
    Ok(visit.show(&api, visit.page(&life.event.event_type, "event"), &content))
}

fn delivery(visit: &Visit, event: &str, leg: &Leg, api: &Api, steady_ms: i64) -> Markup {
    let id = api.engine.text().of(leg.id);
    let (class, text) = match leg.delivery.map(|delivery| delivery.status) {
        Some(Status::Success) => ("good", "delivered"),
        Some(Status::Failed) => ("bad", "failed for good"),
        Some(Status::Canceled) => ("soft", "canceled"),
        Some(Status::Pending) | None => ("wait", "waits"),
    };
    let may_resend = leg.endpoint.as_ref().is_some_and(|endpoint| endpoint.state == EndpointState::Enabled);
    html! {
        p {
            span class=(class) { (text) } " at "
            @match &leg.endpoint {
                Some(endpoint) => a href=(visit.path(&format!("app/{}/endpoint/{id}", api.engine.text().of(endpoint.application)))) { (endpoint.url) },
                None => span { "a deleted endpoint, " code { (id) } },
            }
        }
        @if !leg.attempts.is_empty() { ol.attempts { @for row in &leg.attempts { li { (attempted(row)) } } } }
        @if let Some(due_ms) = leg.delivery.and_then(|delivery| delivery.due_ms) {
            p.soft { @if due_ms > steady_ms { "Next attempt in " (span(due_ms - steady_ms)) "." } @else { "Next attempt: now, when its turn comes." } }
        }
        @if may_resend && visit.may(Action::Attempt) {
            form method="post" action=(visit.path(&format!("event/{event}/resend"))) {
                input type="hidden" name="endpoint" value=(id);
                button.second type="submit" { "Resend" }
            }
        }
    }
}

fn attempted(row: &AttemptRow) -> Markup {
    let attempt = &row.attempt;
    let response = &attempt.response[..attempt.response.len().min(RESPONSE_BYTES_MAX)];
    html! {
        (moment(attempt.started_ms)) " " (answer(attempt.status_code)) " in " (attempt.duration_ms) " ms"
        @if attempt.trigger == Trigger::Manual { ", by hand" }
        @if !response.is_empty() {
            details { summary { "Response" } pre tabindex="0" aria-label="Response" { (String::from_utf8_lossy(response)) } }
        }
    }
}

fn payload(visit: &Visit, life: &Life, now_ms: i64) -> Markup {
    let body = &life.event.body;
    let shows_all = visit.may(Action::SeeSecret) && visit.query().one("values") == "shown";
    let masked = if shows_all { None } else { mask::masked(body) };
    let text = masked.clone().unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let shown: String = text.chars().take(PAYLOAD_BYTES_MAX / 4).collect();
    html! {
        h2 { "Payload" }
        @if life.event.is_expired(now_ms) { p { "It is erased." } }
        @else {
            @if masked.is_some() {
                p.soft { "Values that open doors are masked." @if visit.may(Action::SeeSecret) { " " a href="?values=shown" { "Show all values" } } }
            }
            pre tabindex="0" aria-label="Payload" { (shown) }
            @if shown.len() < text.len() { p.soft { "This is the beginning; the whole has " (body.len()) " bytes." } }
        }
    }
}

/// POST `/{env}/event/{msg}/resend`
pub(super) async fn resend(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::Attempt)?;
    let life = Life::read(&api, &visit).await?;
    let form = visit.form().await?;
    let wanted: EndpointId = api.engine.text().parse(form.one("endpoint")).ok_or_else(Error::not_found)?;
    let leg = life.legs.iter().find(|leg| leg.id == wanted).and_then(|leg| leg.endpoint.as_ref());
    let endpoint = leg.ok_or_else(Error::not_found)?;
    let done = attempt::again(&api, &life.event, endpoint).await;
    let path = visit.path(&format!("event/{}", api.engine.text().of(life.event.id)));
    Ok(visit.done(&api, done.map(|()| Note::Done("It is sent again now.".to_owned())), &path))
}
