//! `/{env}/event-type`: the catalogue of events, as far as who looks may know of it.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::catalogue::group;
use super::frame::Failure;
use super::visit::Visit;
use crate::error::Result;
use crate::event_type::{self, EventType};
use crate::http::api::event_type::shown;
use crate::http::state::Api;
use crate::id::EnvironmentId;
use crate::store::Page;

/// How many event types a page shows.
const ROWS: usize = 100;
/// How much of an example is shown, in characters.
const EXAMPLE_CHARS_MAX: usize = 400;

/// GET `/{env}/event-type`
pub(super) async fn list(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let environment = visit.call.caller.environment;
    let after = Some(visit.query().one("after").to_owned()).filter(|after| !after.is_empty());
    let page = Page { after, descending: false, limit: ROWS };
    let flags = visit.call.caller.feature_flags().map(<[String]>::to_vec);
    let listed = api.read(move |store| shown(store, environment, &page, false, flags.as_deref())).await?;
    let next = listed.rows.last().filter(|_| !listed.done);
    let next = next.map(|row| url::form_urlencoded::byte_serialize(row.name.as_bytes()).collect::<String>());
    let content = html! {
        @if listed.rows.is_empty() && visit.is_customer() { p { "No event type here." } }
        @else if listed.rows.is_empty() { p { "No event type yet. An application that delivers as a provider brings that provider's; others are made with " code { "POST /api/v1/event-type" } "." } }
        @else {
            table {
                caption.unseen { "Event types" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Group" } th scope="col" { "What it says" } } }
                tbody { @for row in &listed.rows { (event_type(row)) } }
            }
        }
        @if let Some(next) = next { p { a href={ "?after=" (next) } rel="next" { "More" } } }
        @if !visit.is_customer() { (operational(environment)) }
    };
    Ok(visit.show(&api, visit.page("Event types", "event-type"), &content))
}

/// What endpoints may name that hear what happens here.
fn operational(environment: EnvironmentId) -> Markup {
    html! {
        details {
            summary { "What operational webhooks are told" }
            p { "Endpoints below " code { "/api/v1/operational-webhook/endpoint" } " hear what happens to all others, and may name these:" }
            dl.facts {
                @for row in event_type::operational(environment, 0) { div { dt { (row.name) } dd { (row.description) } } }
            }
        }
    }
}

fn event_type(row: &EventType) -> Markup {
    let example = row.example(0).map(|example| example.chars().take(EXAMPLE_CHARS_MAX).collect::<String>());
    html! {
        tr {
            td { (row.name) @if row.deprecated { span.wait { " deprecated" } } }
            td { (group(row)) }
            td {
                (row.description)
                @if let Some(example) = example { details { summary { "Example" } pre tabindex="0" aria-label={ "Example of " (row.name) } { (example) } } }
            }
        }
    }
}
