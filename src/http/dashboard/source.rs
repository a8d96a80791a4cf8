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
use crate::key::Action;
use crate::source::{Source, SourceStats};

/// GET `/{env}/source`
pub(super) async fn list(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let (environment, page) = (visit.call.caller.environment, asked::<SourceId>(&api, &visit, true)?);
    api.doors.write_down().await;
    let (listed, stats) = api
        .read(move |store| {
            let listed = store.sources(environment, page)?;
            let stats = listed.rows.iter().map(|row| store.source_stats(row.id)).collect::<Result<Vec<_>>>()?;
            Ok((listed, stats))
        })
        .await?;
    let content = html! {
        @if listed.rows.is_empty() { p { "No source yet. Each provider comes in by one: make it with " code { "POST /ingest/api/v1/source" } "." } }
        @for (row, stats) in listed.rows.iter().zip(&stats) { (source(&api, &visit, row, stats)) }
        (more(&api, &listed, |row| row.id, &[]))
    };
    let mut page = visit.page("Sources", "source");
    page.copies = visit.may(Action::SeeSecret) && !listed.rows.is_empty();
    Ok(visit.show(&api, page, &content))
}

fn source(api: &Api, visit: &Visit, row: &Source, stats: &SourceStats) -> Markup {
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
                div { dt { "Not understood" } dd class=[(stats.quarantined > 0).then_some("bad")] { (stats.quarantined) } }
                div { dt { "Processed" } dd { (stats.processed) } }
                div { dt { "Last event" } dd { @if let Some(at_ms) = stats.last_ms { (moment(at_ms)) } @else { "none yet" } } }
            }
            @let refused: Vec<_> = stats.refused.iter().filter(|(_, count)| **count > 0).collect();
            @if !refused.is_empty() {
                h3 { "Refused" }
                ul { @for (reason, count) in refused { li { (reason.code()) ": " (count) } } }
            }
        }
    }
}
