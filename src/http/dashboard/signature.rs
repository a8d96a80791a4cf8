//! The signature of an attempt, checked again as a receiver checks it: on the bytes and headers that its page shows.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use maud::{Markup, html};

use super::time::moment;
use crate::digest::sha256;
use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::inbound::{Inbound, Refusal};
use crate::providers::request::{self, Header};

/// What a check came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The secret of now made it.
    Current,
    /// A secret made it that was replaced and signs beside the current one, until then, in ms since 1970.
    Replaced(i64),
    /// A secret made it that was replaced and signs no more, since then.
    Ended(i64),
    /// No secret that signed then is left.
    Gone,
    /// The payload is not what was accepted.
    Damaged,
    /// No secret that is left made it.
    Refused(Refusal),
}

/// Checks the signature of a request to this endpoint, as these headers and the event's bytes are.
pub(super) fn check(endpoint: &Endpoint, event: &Event, headers: &[Header<'_>], now_ms: i64) -> Verdict {
    if sha256(&event.body) != event.sha256 {
        return Verdict::Damaged;
    }
    let (headers, body) = (map(headers), Bytes::clone(&event.body));
    let mut refused = None;
    for slot in &endpoint.secrets {
        match request::verify(endpoint, &slot.secret, Inbound { headers: &headers, body: &body }) {
            Ok(()) => {
                return match slot.expires_ms {
                    None => Verdict::Current,
                    Some(at_ms) if at_ms > now_ms => Verdict::Replaced(at_ms),
                    Some(at_ms) => Verdict::Ended(at_ms),
                };
            }
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    refused.map_or(Verdict::Gone, Verdict::Refused)
}

/// As they are on the wire: of two headers of one name the later one counts.
fn map(headers: &[Header<'_>]) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&**name), HeaderValue::try_from(&**value)) {
            map.insert(name, value);
        }
    }
    map
}

/// The verdict in words.
pub(super) fn shown(verdict: &Verdict) -> Markup {
    let holds = |class: &str, under: &str| {
        html! { span class=(class) { "the signature holds" } " for these bytes and headers, under " (under) }
    };
    html! { p { "Checked again: " @match verdict {
        Verdict::Current => (holds("good", "the secret of now.")),
        Verdict::Replaced(at_ms) => {
            (holds("good", "a secret that was replaced since and signs until ")) (moment(*at_ms)) "."
        },
        Verdict::Ended(at_ms) => { (holds("wait", "a secret that was replaced since and ended ")) (moment(*at_ms)) "." },
        Verdict::Gone => {
            span.wait { "nothing can be said" } ": the secret that signed it was replaced since and is kept no longer."
        },
        Verdict::Damaged => { span.bad { "the payload is not what was accepted" } ": its SHA-256 is another." },
        Verdict::Refused(refusal) => { span.bad { "the signature does not hold" } ": " (refusal.code().replace('_', " ")) "." },
    } } }
}
