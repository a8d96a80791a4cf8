//! `/settings/audit`: who changed what, when and from where.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame::Failure;
use super::list::{asked, more};
use super::time::moment;
use super::visit::Visit;
use crate::audit::{Deed, Entry, NOUNS, Wanted};
use crate::environment::{Environment, MANAGEMENT};
use crate::http::api::audit::{kind, subject_id, what};
use crate::http::state::Api;
use crate::id::{EntryId, EnvironmentId};
use crate::store::Store;

const PATH: &str = "/settings/audit";

/// GET `/settings/audit`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.manages()?;
    let (query, page) = (visit.query(), asked::<EntryId>(&api, &visit, true)?);
    let environments = api.read(Store::environments).await?;
    let named = |name: &str| environments.iter().find(|row| row.name == name).map(|row| row.id);
    let wanted = Wanted {
        environment: named(query.one("environment")),
        what: what(query.one("what"))?,
        who: query.one("who").trim().to_owned(),
    };
    let listed = api.read(move |store| store.audit(page, &wanted)).await?;
    let kept = ["environment", "what", "who"].map(|name| (name, query.one(name)));
    let content = html! {
        (filter(&environments, kept.map(|(_, value)| value)))
        @if listed.rows.is_empty() { p { "Nothing of that is written down" @if listed.done { "." } @else { " here." } } }
        @else {
            table {
                caption.unseen { "Audit log" }
                thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "To what" } th scope="col" { "Where" } } }
                tbody { @for entry in &listed.rows { (row(&api, &environments, entry)) } }
            }
        }
        (more(&api, &listed, |entry| entry.id, &kept))
    };
    Ok(visit.show(&api, visit.page("Audit log", PATH), &content))
}

fn filter(environments: &[Environment], [environment, what, who]: [&str; 3]) -> Markup {
    let shown = environments.iter().filter(|row| row.name != MANAGEMENT);
    html! {
        form.row method="get" action=(PATH) {
            label { "Environment" select name="environment" {
                option value="" { "All" }
                @for row in shown { option selected[row.name == environment] { (row.name) } }
            } }
            label { "About" select name="what" {
                option value="" { "Everything" }
                @for noun in NOUNS { option value=(noun) selected[noun == what] { (noun.replace('_', " ")) } }
            } }
            label { "Who" input name="who" value=(who) placeholder="an e-mail, a key, an address"; }
            button.second type="submit" { "Show" }
        }
    }
}

fn row(api: &Api, environments: &[Environment], entry: &Entry) -> Markup {
    let Deed { what, environment, detail, .. } = &entry.deed;
    let verb = what.replace(['_', '.'], " ");
    html! {
        tr {
            td { (moment(entry.at_ms)) }
            td data-label="Who" {
                @if entry.who.is_empty() { (kind(entry.by.actor)) } @else { (entry.who) " " span.soft { (kind(entry.by.actor)) } }
                @if let Some(address) = entry.by.address { br; span.soft { (address) } }
            }
            td data-label="What" { (verb) @if !detail.is_empty() { br; span.soft { (detail) } } }
            td data-label="To what" { (subject(api, environments, entry)) }
            td data-label="Where" { (environment.and_then(|id| name_of(environments, id)).unwrap_or("–")) }
        }
    }
}

/// What it was done to, with the way there.
fn subject(api: &Api, environments: &[Environment], entry: &Entry) -> Markup {
    let (ids, deed) = (api.engine.text(), &entry.deed);
    let id = subject_id(ids, deed);
    let environment = deed.environment.and_then(|id| name_of(environments, id)).filter(|name| *name != MANAGEMENT);
    let path = match (deed.noun(), environment, &id, deed.application.map(|id| ids.of(id))) {
        ("application", Some(environment), Some(id), _) => Some(format!("/{environment}/app/{id}")),
        ("event", Some(environment), Some(id), _) => Some(format!("/{environment}/event/{id}")),
        ("endpoint", Some(environment), Some(id), Some(app)) => Some(format!("/{environment}/app/{app}/endpoint/{id}")),
        _ => None,
    };
    let name = if deed.name.is_empty() { id.as_deref().unwrap_or("–") } else { &deed.name };
    html! { @if let Some(path) = path { a href=(path) { (name) } } @else { (name) } }
}

fn name_of(environments: &[Environment], id: EnvironmentId) -> Option<&str> {
    environments.iter().find(|row| row.id == id).map(|row| row.name.as_str())
}
