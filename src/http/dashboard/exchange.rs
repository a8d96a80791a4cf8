//! An attempt on an event's page: its request beside its response.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::amount::amount;
use super::life::{Leg, Life};
use super::seen::answer;
use super::time::moment;
use super::visit::Visit;
use super::{mask, signature};
use crate::endpoint::Endpoint;
use crate::http::state::Api;
use crate::key::Action;
use crate::providers::{Signing, request};
use crate::secret;
use crate::store::AttemptRow;

/// How much of a response is shown, in characters.
const RESPONSE_CHARS_MAX: usize = 4 * 1_024;

/// Whether somebody who may see what opens doors asked for it.
pub(super) fn shows_all(visit: &Visit) -> bool {
    visit.may(Action::SeeSecret) && visit.query().one("values") == "shown"
}

/// What was sent and what came back.
pub(super) fn section(api: &Api, visit: &Visit, life: &Life, leg: &Leg, row: &AttemptRow) -> Markup {
    let attempt = &row.attempt;
    html! {
        section aria-labelledby="attempt" {
            h2 #attempt { "Attempt of " (moment(attempt.began_ms())) }
            p { (answer(attempt.status_code)) " in " (attempt.duration_ms) " ms from " code { (attempt.url) } }
            div.pair {
                section aria-labelledby="request-title" {
                    h3 #request-title { "Request" }
                    @match &leg.endpoint {
                        _ if life.event.is_expired(api.clock.now().wall_ms) => p.soft { "The payload is erased, and with it what was signed." },
                        Some(endpoint) => (sent(api, visit, life, endpoint, row)),
                        None => p.soft { "The endpoint is deleted, and with it its headers and secrets." },
                    }
                    p.soft { "The body is " a href="#payload" { "the payload" } ", " (amount(life.event.body.len(), "byte")) ", as it stands." }
                }
                section aria-labelledby="response-title" {
                    h3 #response-title { "Response" }
                    (came(visit, row))
                }
            }
        }
    }
}

/// The request's head, made anew from what its endpoint and its second say, and its signature checked again.
fn sent(api: &Api, visit: &Visit, life: &Life, endpoint: &Endpoint, row: &AttemptRow) -> Markup {
    let attempt = &row.attempt;
    let ids = api.engine.text();
    let arrival = life.event.arrival.as_deref();
    let id = life.event.called(ids);
    let signing = Signing { id: &id, at_secs: attempt.started_ms.div_euclid(1_000), body: &life.event.body };
    let then = Endpoint { secrets: secret::standing(&endpoint.secrets, attempt.started_ms), ..endpoint.clone() };
    let mut headers = request::headers(&then, arrival, ids, signing);
    // where no secret is left there is nothing to sign with
    headers.retain(|(_, value)| !then.secrets.is_empty() || !value.is_empty());
    let verdict = signature::check(&then, &life.event, &headers, api.clock.now().wall_ms);
    let shows_all = shows_all(visit);
    let mut head = target(&attempt.url);
    for (name, value) in &headers {
        let value = if shows_all { value } else { mask::header(name, value) };
        write!(head, "\n{name}: {value}").expect("text grows");
    }
    html! {
        pre tabindex="0" aria-label="Request" { (head) }
        (signature::shown(&verdict))
        @if endpoint.updated_ms > attempt.started_ms {
            p.wait { "The webhook was changed since: these are the headers of now, signed by the secrets of then." }
        }
    }
}

/// The first lines of a request to this URL.
fn target(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else {
        return format!("POST {url}");
    };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    format!("POST {}{query} HTTP/1.1\nhost: {host}", url.path())
}

fn came(visit: &Visit, row: &AttemptRow) -> Markup {
    let attempt = &row.attempt;
    let masked = if shows_all(visit) { None } else { mask::masked(&attempt.response) };
    let text = masked.unwrap_or_else(|| String::from_utf8_lossy(&attempt.response).into_owned());
    let shown: String = text.chars().take(RESPONSE_CHARS_MAX).collect();
    html! {
        @if shown.is_empty() { p.soft { @if attempt.status_code == 0 { "None came." } @else { "It has no body." } } }
        @else { pre tabindex="0" aria-label="Response" { (shown) } }
        @if shown.len() < text.len() { p.soft { "This is the beginning of what was kept of it." } }
    }
}
