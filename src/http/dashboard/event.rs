//! `/{env}/event/{msg}`: the whole life of an event.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::amount::amount;
use super::copy::{Look, copied};
use super::exchange;
use super::frame::Failure;
use super::life::{Leg, Life};
use super::mask;
use super::note::Note;
use super::seen::answer;
use super::time::{moment, span};
use super::visit::Visit;
use crate::attempt::Trigger;
use crate::delivery::Standing;
use crate::endpoint::State as EndpointState;
use crate::error::{Error, Result};
use crate::http::api::attempt;
use crate::http::state::Api;
use crate::id::{EndpointId, Id as _};
use crate::inbound::Flags;
use crate::key::Action;
use crate::store::AttemptRow;

/// How much of a payload is shown, in characters.
const PAYLOAD_CHARS_MAX: usize = 12 * 1_024;

/// GET `/{env}/event/{msg}`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let life = Life::read(&api, &visit).await?;
    let now = api.clock.now();
    let wanted = visit.query().one("attempt").to_owned();
    let wanted = Some(wanted).filter(|text| !text.is_empty());
    let wanted = wanted.map(|text| api.engine.text().parse(&text).ok_or_else(Error::not_found)).transpose()?;
    let shown = life.attempt(wanted);
    let content = html! {
        (facts(&api, &visit, &life))
        h2 { "Timeline" }
        ol.timeline {
            li { p { (moment(life.event.id.time_ms())) " Accepted: on disk." } }
            @for leg in &life.legs { li { (delivery(&api, &visit, &life, leg, now.steady_ms)) } }
            @if life.legs.is_empty() { li { p { "No endpoint wanted it." } } }
        }
        @if life.more { p.soft { "There are more endpoints, or earlier attempts, than are shown here." } }
        @if let Some((leg, row)) = shown { (exchange::section(&api, &visit, &life, leg, row)) }
        (payload(&visit, &life, now.wall_ms))
    };
    let mut page = visit.page(&life.event.event_type, "event");
    page.copies = true;
    Ok(visit.show(&api, page, &content))
}

fn facts(api: &Api, visit: &Visit, life: &Life) -> Markup {
    let ids = api.engine.text();
    let app = visit.path(&format!("app/{}", ids.of(life.application.id)));
    html! {
        dl.facts {
            div { dt { "Event" } dd { (copied("id", &life.event.called(ids), "Copy id", Look::Link)) } }
            @if !visit.is_customer() { div { dt { "Application" } dd { @if life.application.deleted { (life.application.name) ", deleted" } @else { a href=(app) { (life.application.name) } } } } }
            @if let Some(uid) = &life.event.uid { div { dt { "Own id" } dd { code { (uid) } } } }
            @if let Some(arrival) = &life.event.arrival {
                div { dt { "Came in" } dd { @if arrival.flags.has(Flags::IMPORTED) { "by import; repeated " } @else { "from a source, its signature verified; repeated " }  (amount(arrival.duplicates, "time")) } }
                @let odd = arrival.flags.names();
                @if !odd.is_empty() { div { dt { "Odd" } dd.wait { (odd.join(", ")) } } }
                @if let Some(first) = arrival.first { div { dt { "Contradicts" } dd { a href=(visit.path(&format!("event/{}", ids.of(first.event)))) { (ids.webhook_id(first.event, first.webhook_id)) } } } }
            }
        }
    }
}

fn delivery(api: &Api, visit: &Visit, life: &Life, leg: &Leg, steady_ms: i64) -> Markup {
    let (id, event) = (api.engine.text().of(leg.id), api.engine.text().of(life.event.id));
    let (class, text) = match Standing::of(leg.delivery) {
        Standing::Success => ("good", "delivered"),
        Standing::Failed => ("bad", "failed for good"),
        Standing::Canceled => ("soft", "canceled"),
        Standing::Sending => ("wait", "waits for its retry"),
        Standing::Pending => ("wait", "waits"),
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
        @if !leg.attempts.is_empty() { ol.attempts { @for row in &leg.attempts { li { (attempted(api, row)) } } } }
        @if let Some(due_ms) = leg.delivery.and_then(|delivery| delivery.next_ms()) {
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

fn attempted(api: &Api, row: &AttemptRow) -> Markup {
    let attempt = &row.attempt;
    html! {
        a href={ "?attempt=" (api.engine.text().of(attempt.id)) "#attempt" } { (moment(attempt.began_ms())) }
        " " (answer(attempt.status_code)) " in " (attempt.duration_ms) " ms"
        @if attempt.trigger == Trigger::Manual { ", by hand" }
    }
}

fn payload(visit: &Visit, life: &Life, now_ms: i64) -> Markup {
    let body = &life.event.body;
    let masked = if exchange::shows_all(visit) { None } else { mask::masked(body) };
    let text = masked.clone().unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let shown: String = text.chars().take(PAYLOAD_CHARS_MAX).collect();
    html! {
        h2 #payload { "Payload" }
        @if life.event.is_expired(now_ms) { p { "It is erased." } }
        @else {
            @if masked.is_some() {
                p.soft { "Values that open doors are masked." @if visit.may(Action::SeeSecret) { " " a href="?values=shown" { "Show all values" } } }
            }
            pre tabindex="0" aria-label="Payload" { (shown) }
            @if shown.len() < text.len() { p.soft { "This is the beginning; the whole has " (amount(body.len(), "byte")) "." } }
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
    let done = attempt::again(&api, &visit.call, &life.event, endpoint).await;
    let path = visit.path(&format!("event/{}", api.engine.text().of(life.event.id)));
    Ok(visit.done(&api, done.map(|()| Note::Done("It is sent again now.".to_owned())), &path))
}
