//! `/inspect/{token}/seen/{number}`: one request that arrived at an inspector.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::amount::amount;
use super::frame::Failure;
use super::mask;
use super::time::moment;
use super::visit::Visit;
use crate::error::Error;
use crate::http::state::Api;
use crate::inspector::{PATH, Seen};
use crate::key::Action;

/// How much of a body is shown, in characters, in each of its two forms.
const BODY_CHARS_MAX: usize = 8 * 1_024;

/// GET `/inspect/{token}/seen/{number}`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let (token, now_ms) = (visit.call.param("token"), api.clock.now().wall_ms);
    let wanted = visit.call.param("number").parse().unwrap_or(0_u64);
    let find = |(number, seen): (u64, &Seen)| (number == wanted).then(|| seen.clone());
    let seen = api.inspectors.one(token, now_ms, |inspector| inspector.seen().find_map(find)).flatten();
    let seen = seen.ok_or_else(Error::not_found)?;
    let shows_all = visit.may(Action::SeeSecret) && visit.query().one("values") == "shown";
    let content = html! {
        p { a href={ (PATH) (token) "/seen" } { "All requests" } }
        dl.facts {
            div { dt { "When" } dd { (moment(seen.at_ms)) } }
            div { dt { "From" } dd { (seen.from) } }
            div { dt { "Signature" } dd { (verdict(&seen)) } }
            @if !seen.query.is_empty() { div { dt { "Query" } dd { code { @if shows_all { (seen.query) } @else { (mask::MASK) } } } } }
        }
        @if !shows_all {
            p.soft { "Values that open doors are masked." @if visit.may(Action::SeeSecret) { " " a href="?values=shown" { "Show all values" } } }
        }
        h2 { "Headers" }
        table {
            caption.unseen { "Headers" }
            thead { tr { th scope="col" { "Name" } th scope="col" { "Value" } } }
            tbody { @for (name, value) in &seen.headers {
                tr { td { code { (name) } } td { code { @if shows_all || !mask::is_secret_header(name) { (value) } @else { (mask::MASK) } } } }
            } }
        }
        (body(&seen.body, shows_all))
    };
    let title = format!("{} {wanted}", seen.method);
    Ok(visit.show(&api, visit.page(&title, "/inspect"), &content))
}

/// The body as people read it, and byte for byte; what may not be seen is in neither.
fn body(bytes: &[u8], shows_all: bool) -> Markup {
    let masked = if shows_all { None } else { mask::masked(bytes) };
    let raw = masked.clone().unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    let pretty = serde_json::from_str::<Value>(&raw).ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    html! {
        h2 { "Body" }
        @if bytes.is_empty() { p { "None." } }
        @else {
            @if let Some(pretty) = &pretty { pre tabindex="0" aria-label="Body" { (beginning(pretty)) } }
            @let name = if masked.is_some() { "As it came, but for what is masked" } else { "As it came" };
            @if pretty.is_some() { details { summary { (name) } pre tabindex="0" aria-label=(name) { (beginning(&raw)) } } }
            @else { pre tabindex="0" aria-label="Body" { (beginning(&raw)) } }
            @if raw.chars().count() > BODY_CHARS_MAX { p.soft { "This is the beginning; the whole has " (amount(bytes.len(), "byte")) "." } }
        }
    }
}

fn beginning(text: &str) -> &str {
    text.char_indices().nth(BODY_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

/// Whether a request is genuine, for people.
pub(super) fn verdict(seen: &Seen) -> Markup {
    html! { @match &seen.verdict {
        None => span.soft { "not checked" },
        Some(Ok(())) => span.good { "genuine" },
        Some(Err(refusal)) => span.bad { (refusal.code().replace('_', " ")) },
    } }
}
