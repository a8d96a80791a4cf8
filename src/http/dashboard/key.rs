//! `/settings/key`: API keys, made, shown once, revoked.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use rand::SeedableRng as _;

use super::form::Form;
use super::frame::Failure;
use super::list::{asked, more};
use super::note::Note;
use super::time::{day, moment};
use super::visit::Visit;
use crate::engine::message::NotChanged;
use crate::environment::{self, Environment};
use crate::error::{Error, Result};
use crate::http::api::not_changed;
use crate::http::state::Api;
use crate::id::{ApplicationId, EnvironmentId, Id as _, KeyId};
use crate::key::{Grant, KEY_DAYS_MAX, KEY_NAME_CHARS_MAX, Key, KeyText, Role, check_key_name, ends_after};
use crate::store::{Change, Listed, Refused, Store};

const PATH: &str = "/settings/key";
const TAKEN: &str = "this was made at the same time; try again";
/// What each role may do, for people.
const ROLES: [(Role, &str); 3] = [
    (Role::Publisher, "Publisher: creates events, reads all but secrets"),
    (Role::Viewer, "Viewer: reads all but secrets"),
    (Role::Admin, "Admin: sees and changes everything"),
];

/// GET `/settings/key`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.manages()?;
    let page = asked::<KeyId>(&api, &visit, true)?;
    let keys = page.of(api.read(Store::keys).await?, |key: &Key| key.id);
    let listed = Listed::cut(keys, page.limit);
    let now_ms = api.clock.now().wall_ms;
    let content = html! {
        table {
            caption.unseen { "API keys" }
            thead { tr {
                th scope="col" { "Key" } th scope="col" { "Environment" } th scope="col" { "Role" } th scope="col" { "For" }
                th scope="col" { "Created" } th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { span.unseen { "Actions" } }
            } }
            tbody { @for key in &listed.rows { (row(&api, key, now_ms)) } }
        }
        (more(&api, &listed, |key| key.id, &[]))
        (wanted())
    };
    Ok(visit.show(&api, visit.page("API keys", PATH), &content))
}

fn row(api: &Api, key: &Key, now_ms: i64) -> Markup {
    let (ids, name) = (api.engine.text(), environment::name_of(key.environment));
    let is_named = !key.grant.name.is_empty();
    html! {
        tr {
            td { @if is_named { (key.grant.name) br; } code { (key.hint) } }
            td data-label="Environment" { (name) }
            td data-label="Role" { (key.grant.role.name()) @if let Some(rate) = key.grant.rate { span.soft { ", " (rate) " a second" } } }
            td data-label="For" { @match key.grant.application {
                None => "all applications",
                Some(id) => a href={ "/" (name) "/app/" (ids.of(id)) } { code { (ids.of(id)) } },
            } }
            td data-label="Created" { (day(key.id.time_ms())) }
            td data-label="Last used" { @if let Some(used_ms) = key.used_ms { (moment(used_ms)) } @else { "never" } }
            td data-label="Ends" { @match (key.revoked_ms, key.grant.expires_ms) {
                (Some(at_ms), _) => span.bad { "revoked " (day(at_ms)) },
                (None, Some(at_ms)) if !key.works(now_ms) => span.bad { "ended " (day(at_ms)) },
                (None, Some(at_ms)) => (day(at_ms)),
                (None, None) => "when revoked",
            } }
            td.end { @if key.works(now_ms) {
                form method="post" action={ (PATH) "/" (ids.of(key.id)) "/revoke" } {
                    button.plain type="submit" aria-label={ "Revoke " (if is_named { &key.grant.name } else { &key.hint }) } { "Revoke" }
                }
            } }
        }
    }
}

/// What is asked of somebody who wants a key.
fn wanted() -> Markup {
    html! {
        section aria-labelledby="create-title" {
            h2 #create-title { "Create a key" }
            form.stack method="post" action=(PATH) {
                label { "Name" input name="name" maxlength=(KEY_NAME_CHARS_MAX) autocomplete="off" aria-describedby="name-hint"; }
                p.hint #name-hint { "Who will hold it, so that you know later which one to revoke." }
                label { "Environment" select name="environment" { @for name in environment::NAMES { option { (name) } } } }
                label { "Role" select name="role" { @for (role, says) in ROLES { option value=(role.name()) { (says) } } } }
                label { "Application" input name="app" autocomplete="off" spellcheck="false" aria-describedby="app-hint"; }
                p.hint #app-hint { "The id or uid of the one application that it is for; empty for all of them." }
                label { "Requests a second" input name="rate" type="number" min="1" aria-describedby="rate-hint"; }
                p.hint #rate-hint { "Empty for as many as the server says." }
                label { "Days until it ends" input name="days" type="number" min="1" max=(KEY_DAYS_MAX) aria-describedby="days-hint"; }
                p.hint #days-hint { "Empty for a key that works until it is revoked." }
                button type="submit" { "Create key" }
            }
        }
    }
}

/// POST `/settings/key`
pub(super) async fn create(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.manages()?;
    let made = make(&api, &visit, &visit.form().await?).await;
    Ok(visit.done(&api, made.map(|text| Note::Key(text.reveal().to_owned())), PATH))
}

async fn make(api: &Api, visit: &Visit, form: &Form) -> Result<KeyText> {
    let home = environment::NAMES.iter().find(|name| **name == form.one("environment"));
    let home = environment::named(home.ok_or_else(|| Error::field("environment", "must be test or live"))?);
    let now_ms = api.clock.now().wall_ms;
    let grant = Grant {
        name: form.one("name").trim().to_owned(),
        role: Role::parse(form.one("role"))?,
        application: application(api, home.id, form.one("app").trim()).await?,
        rate: number(form, "rate")?.map(|rate| u32::try_from(rate).unwrap_or(u32::MAX)),
        expires_ms: number(form, "days")?.map(|days| ends_after(days, now_ms)).transpose()?,
    };
    check_key_name(&grant.name)?;
    let text = KeyText::generate(&home.name, &mut rand::rngs::StdRng::from_os_rng());
    let key = text.kept(api.engine.ids().next(now_ms), home.id, grant);
    exists(api, visit, home).await?;
    visit.change(api, Change::Key(key)).await.map_err(|error| not_changed(error, TAKEN))?;
    Ok(text)
}

/// The application that a key is to be for; `None` for all. Error: there is none.
async fn application(api: &Api, home: EnvironmentId, named: &str) -> Result<Option<ApplicationId>> {
    if named.is_empty() {
        return Ok(None);
    }
    let none = || Error::field("app", format!("`{named}` is no application of that environment"));
    let wanted = api.application_ref(named).map_err(|_| none())?;
    let found = api.read(move |store| store.application(home, &wanted)).await?;
    Ok(Some(found.ok_or_else(none)?.id))
}

/// A number of 1 at least, or nothing. Error: anything else.
fn number(form: &Form, name: &'static str) -> Result<Option<i64>> {
    match form.one(name).trim() {
        "" => Ok(None),
        text => match text.parse() {
            Ok(number @ 1..) => Ok(Some(number)),
            _ => Err(Error::field(name, "must be a whole number of 1 or more, or empty")),
        },
    }
}

/// Makes the environment of the first key that is at home there.
async fn exists(api: &Api, visit: &Visit, home: Environment) -> Result<()> {
    match visit.change(api, Change::Environment(home)).await {
        Ok(()) | Err(NotChanged::Refused(Refused::Taken)) => Ok(()),
        Err(error) => Err(not_changed(error, TAKEN)),
    }
}

/// POST `/settings/key/{key}/revoke`
pub(super) async fn revoke(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.manages()?;
    let key: KeyId = visit.call.id(&api, "key")?;
    let change = Change::Revoke { key, at_ms: api.clock.now().wall_ms };
    let revoked = visit.change(&api, change).await.map_err(|error| match error {
        NotChanged::Failed(error) => error,
        NotChanged::Refused(_) => Error::not_found(),
    });
    Ok(visit.done(
        &api,
        revoked.map(|()| Note::Done("The key is revoked: it opens nothing any more.".to_owned())),
        PATH,
    ))
}
