//! `/{env}/source`: the doors by which providers' events come in, and what came.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::copy::{Look, copied};
use super::frame::Failure;
use super::list::{asked, more};
use super::time::moment;
use super::visit::Visit;
use crate::error::Result;
use crate::http::state::Api;
use crate::id::SourceId;
use crate::inbound::RefusedRequest;
use crate::key::Action;
use crate::source::{Source, SourceStats};
use crate::store::{LAST_REFUSED_MAX, Page};

/// What came to a door, and the last that it turned away.
type Came = (SourceStats, Vec<RefusedRequest>);

/// All refusals that are remembered, the newest first.
const LAST: Page<i64> = Page { after: None, descending: true, limit: LAST_REFUSED_MAX };

/// GET `/{env}/source`
pub(super) async fn list(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let (environment, page) = (visit.call.caller.environment, asked::<SourceId>(&api, &visit, true)?);
    api.doors.write_down().await;
    let sees = visit.may(Action::Manage);
    let (listed, came) = api
        .read(move |store| {
            let listed = store.sources(environment, page)?;
            let door = |row: &Source| {
                let stats = store.source_stats(row.id)?;
                let last = if sees { store.refused(row.id, LAST)?.rows } else { Vec::new() };
                Ok((stats, last.into_iter().map(|(_, request)| request).collect()))
            };
            let doors = listed.rows.iter().map(door).collect::<Result<Vec<Came>>>()?;
            Ok((listed, doors))
        })
        .await?;
    let content = html! {
        @if listed.rows.is_empty() { p { "No source yet. Each provider comes in by one: make it with " code { "POST /ingest/api/v1/source" } "." } }
        @for (row, came) in listed.rows.iter().zip(&came) { (source(&api, &visit, row, came)) }
        (more(&api, &listed, |row| row.id, &[]))
    };
    let mut page = visit.page("Sources", "source");
    page.copies = visit.may(Action::SeeSecret) && !listed.rows.is_empty();
    Ok(visit.show(&api, page, &content))
}

fn source(api: &Api, visit: &Visit, row: &Source, (stats, last): &Came) -> Markup {
    let id = api.engine.text().of(row.id);
    let app = visit.path(&format!("app/{}", api.engine.text().of(row.application)));
    let token = row.tokens.first().map_or("", |slot| slot.token.as_str());
    html! {
        section.card aria-labelledby=(id) {
            h2 #(id) { (row.name) }
            p.soft { (row.provider.name()) " · " a href=(app) { "Webhooks behind it" } }
            @if visit.may(Action::SeeSecret) {
                @let url = format!("{}/in/{token}", api.public_url);
                p.row.center { "Door: " (copied(&format!("door-{id}"), &url, "Copy URL", Look::Button)) }
            } @else { p { "The door's URL is a secret, which Admins see." } }
            dl.facts {
                div { dt { "Accepted" } dd { (stats.accepted) } }
                div { dt { "Duplicates" } dd { (stats.duplicates) } }
                div { dt { "Conflicts" } dd class=[(stats.held > 0).then_some("bad")] { (stats.conflicts) @if stats.held > 0 { ", " (stats.held) " held" } } }
                div { dt { "Not understood" } dd class=[(stats.quarantined > 0).then_some("bad")] { (stats.quarantined) } }
                div { dt { "Processed" } dd { (stats.processed) } }
                div { dt { "Last event" } dd { @if let Some(at_ms) = stats.last_ms { (moment(at_ms)) } @else { "none yet" } } }
            }
            @if stats.held + stats.quarantined > 0 { p { a href=(visit.path(&format!("source/{id}"))) { "What it holds back" } } }
            @let refused: Vec<_> = stats.refused.iter().filter(|(_, count)| **count > 0).collect();
            @if !refused.is_empty() {
                h3 { "Refused" }
                ul { @for (reason, count) in refused { li { (reason.code()) ": " (count) } } }
                @if !last.is_empty() { (refusals(row, last)) }
            }
        }
    }
}

/// The last ones one by one, the newest first. Addresses are people's: who may see them is asked before they are read.
fn refusals(row: &Source, last: &[RefusedRequest]) -> Markup {
    html! {
        details {
            summary { "The last " (last.len()) }
            table {
                caption.unseen { "Refused at " (row.name) ", the newest first" }
                thead { tr { th scope="col" { "When" } th scope="col" { "Reason" } th scope="col" { "From" } } }
                tbody { @for request in last {
                    tr {
                        td { (moment(request.at_ms)) }
                        td data-label="Reason" { (request.reason.code()) }
                        td data-label="From" { (request.address) }
                    }
                } }
            }
        }
    }
}
