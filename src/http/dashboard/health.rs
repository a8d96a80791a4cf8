//! An endpoint's health, in words.

use maud::{Markup, html};

use super::time::span;
use crate::count::Counts;
use crate::endpoint::{Endpoint, State};

/// How an endpoint does, with what its last hours came to.
pub(super) fn shown(endpoint: &Endpoint, counts: &Counts, now_ms: i64) -> Markup {
    let (class, text) = match (endpoint.state, endpoint.health.failing_since_ms) {
        (State::Disabled, _) => ("wait", "disabled".to_owned()),
        (State::Gone, _) => ("bad", "disabled: it answered 410".to_owned()),
        (State::Failing, _) => ("bad", "disabled: it failed for 5 days".to_owned()),
        (State::Deleted, _) => ("soft", "deleted".to_owned()),
        (State::Enabled, _) if endpoint.handling.paused => ("wait", "paused".to_owned()),
        (State::Enabled, Some(since_ms)) => ("bad", format!("failing for {}", span(now_ms - since_ms))),
        (State::Enabled, None) if counts.succeeded > 0 => ("good", "healthy".to_owned()),
        (State::Enabled, None) => ("soft", "nothing delivered lately".to_owned()),
    };
    html! { span class=(class) { (text) } }
}
