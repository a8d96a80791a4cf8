//! `/{env}/app` and `/{env}/app/{app}`: applications, and the endpoints of one.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::{Failure, go};
use super::health;
use super::list::{asked, more};
use super::note::Note;
use super::time::day;
use super::visit::Visit;
use crate::count::{Counts, hour};
use crate::endpoint::Endpoint;
use crate::http::api::access;
use crate::http::state::Api;
use crate::id::{ApplicationId, EndpointId, Id as _};
use crate::key::Action;
use crate::provider::Provider;
use crate::token::Grant;

/// Over how many hours an endpoint's deliveries are counted.
const HOURS: i64 = 24;
/// How long a link to the portal lives that is made here, in seconds: an hour.
const LINK_SECS: i64 = 3_600;

/// GET `/{env}/app`; a customer has one.
pub(super) async fn list(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    if let Some(own) = visit.call.caller.application() {
        return Ok(go(&visit.path(&format!("app/{}", api.engine.text().of(own)))));
    }
    let (environment, page) = (visit.call.caller.environment, asked::<ApplicationId>(&api, &visit, true)?);
    let listed = api.read(move |store| store.applications(environment, page)).await?;
    let ids = api.engine.text();
    let content = html! {
        @if listed.rows.is_empty() { p { "No application yet. Each of your customers is one: make it with " code { "POST /api/v1/app" } "." } }
        @else {
            table {
                caption.unseen { "Applications" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Uid" } th scope="col" { "Delivers as" } th scope="col" { "Since" } } }
                tbody { @for row in &listed.rows {
                    tr {
                        td { a href=(visit.path(&format!("app/{}", ids.of(row.id)))) { (row.name) } }
                        td { (row.uid.as_deref().unwrap_or("–")) }
                        td { (form(row.provider)) }
                        td { (day(row.id.time_ms())) }
                    }
                } }
            }
            (more(&api, &listed, |row| row.id, &[]))
        }
    };
    Ok(visit.show(&api, visit.page("Applications", "app"), &content))
}

/// In whose form an application's events go out, for people.
fn form(provider: Provider) -> &'static str {
    match provider {
        Provider::Standard => "Standard Webhooks",
        Provider::Fintoc => "Fintoc",
        Provider::Bridge => "Bridge",
        Provider::Finix => "Finix",
        Provider::Svix => "Svix",
        Provider::Generic => "generic webhook",
    }
}

/// GET `/{env}/app/{app}`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let application = api.application(&visit.call).await?;
    let page = asked::<EndpointId>(&api, &visit, false)?;
    let now_ms = api.clock.now().wall_ms;
    let (id, hours) = (application.id, (hour(now_ms) - HOURS + 1, hour(now_ms)));
    let (listed, counts) = api
        .read(move |store| {
            let listed = store.endpoints(id, page)?;
            let counts = listed.rows.iter().map(|row| store.counts(row.id, hours)).collect::<Result<Vec<_>, _>>()?;
            Ok((listed, counts))
        })
        .await?;
    let here = visit.path(&format!("app/{}", api.engine.text().of(id)));
    let content = html! {
        @if !visit.is_customer() {
            p.soft { "Delivers as " (form(application.provider)) ". Id " code { (api.engine.text().of(id)) } @if let Some(uid) = &application.uid { ", uid " code { (uid) } } "." }
            h2 { "Webhooks" }
        }
        div.row {
            @if visit.may(Action::EditEndpoint) { a.button href={ (here) "/endpoint/new" } { "New webhook" } }
            @if visit.may(Action::Manage) { form method="post" action={ (here) "/portal" } { button.second type="submit" { "Portal link" } } }
        }
        @if listed.rows.is_empty() { p { "No webhook yet: events go nowhere." } }
        @else {
            table {
                caption.unseen { "Webhooks" }
                thead { tr { th scope="col" { "Callback URL" } th scope="col" { "Name" } th scope="col" { "Health" } th.number scope="col" { "Delivered in 24 h" } } }
                tbody { @for (row, counts) in listed.rows.iter().zip(&counts) { (endpoint(&api, &here, row, counts, now_ms)) } }
            }
            (more(&api, &listed, |row| row.id, &[]))
        }
    };
    let title = if visit.is_customer() { "Webhooks" } else { &application.name };
    Ok(visit.show(&api, visit.page(title, "app"), &content))
}

/// POST `/{env}/app/{app}/portal`: a link with which a customer, or who helps one, opens the portal.
pub(super) async fn portal(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::Manage)?;
    let application = api.application(&visit.call).await?;
    let grant = Grant { life_secs: Some(LINK_SECS), ..Grant::default() };
    let link = access::link(&api, &application, grant).map(|link| Note::Link(link.url));
    Ok(visit.done(&api, link, &visit.path(&format!("app/{}", api.engine.text().of(application.id)))))
}

fn endpoint(api: &Api, here: &str, row: &Endpoint, counts: &Counts, now_ms: i64) -> Markup {
    html! {
        tr {
            td { a href={ (here) "/endpoint/" (api.engine.text().of(row.id)) } { (row.url) } }
            td { @if row.description.is_empty() { "–" } @else { (row.description) } }
            td { (health::shown(row, counts, now_ms)) }
            td.number { (counts.succeeded) " of " (counts.accepted) }
        }
    }
}
