//! `…/endpoint/new` and `…/endpoint/{ep}/edit`: where a webhook goes, under which name, which events it wants.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use rand::SeedableRng as _;

use super::catalogue;
use super::form::Form;
use super::frame::{Failure, alert, go};
use super::note::Note;
use super::seen::{Seen, seen};
use super::visit::Visit;
use crate::application::Application;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::event_type::EventType;
use crate::http::api::{endpoint, not_changed};
use crate::http::problem::status;
use crate::http::state::Api;
use crate::id::EndpointId;
use crate::key::Action;
use crate::providers;
use crate::store::Change;

/// GET `/{env}/app/{app}/endpoint/new`; the query is the form as it stands, when its events are searched.
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let application = api.application(&visit.call).await?;
    Ok(show(&api, &visit, (&application, None), &visit.query(), None).await?)
}

/// GET `…/endpoint/{ep}/edit`
pub(super) async fn edit(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let seen = seen(&api, &visit).await?;
    let query = visit.query();
    let form = if query.is_empty() { filled(&seen.endpoint) } else { query };
    Ok(show(&api, &visit, (&seen.application, Some(&seen.path)), &form, None).await?)
}

/// The form as an endpoint stands.
fn filled(endpoint: &Endpoint) -> Form {
    let fields = [("url", endpoint.url.as_str()), ("description", &endpoint.description)];
    let every = endpoint.event_types.is_empty().then_some(("every", "yes"));
    let events = endpoint.event_types.iter().map(|name| ("event", name.as_str()));
    Form::of(fields.into_iter().chain(every).chain(events))
}

/// The form of a new webhook, or of the one with this page.
async fn show(
    api: &Api,
    visit: &Visit,
    (application, changed): (&Application, Option<&str>),
    form: &Form,
    refused: Option<&Error>,
) -> Result<Response> {
    let types = offered(api, visit, application).await?;
    let here = visit.path(&format!("app/{}", api.engine.text().of(application.id)));
    let path = changed.map_or_else(|| format!("{here}/endpoint/new"), |page| format!("{page}/edit"));
    let (title, button) =
        if changed.is_some() { ("Change webhook", "Save") } else { ("New webhook", "Create webhook") };
    let content = html! {
        @if !visit.is_customer() { p { "For " a href=(here) { (application.name) } "." } }
        @if let Some(error) = refused { (alert(&visit.words(error))) }
        form.stack.wide method="post" action=(path) {
            // what Enter in a field presses: the first button
            button.unseen type="submit" tabindex="-1" aria-hidden="true" { (button) }
            label { "Callback URL" input name="url" type="url" required placeholder="https://example.com/webhooks" value=(form.one("url")) aria-describedby=[api.rules.https_only.then_some("url-hint")]; }
            @if api.rules.https_only { p.hint #url-hint { "It must begin with https://." } }
            label { "Name" input name="description" maxlength="100" value=(form.one("description")) aria-describedby="name-hint"; }
            p.hint #name-hint { "Optional, for people." }
            (events(&types, form, &path))
            button type="submit" { (button) }
        }
    };
    let page = visit.page(title, "app");
    Ok(match refused {
        None => visit.show(api, page, &content),
        Some(error) => page.show(status(error), &content),
    })
}

/// The types that an application's endpoints can want, by their groups.
async fn offered(api: &Api, visit: &Visit, application: &Application) -> Result<Vec<EventType>> {
    let (caller, provider) = (visit.call.caller.clone(), application.provider);
    let known: BTreeSet<&str> = providers::catalogue(provider).iter().map(|row| row.event_type.as_str()).collect();
    let types = api.read(move |store| catalogue::all(store, &caller)).await?;
    let fits = |row: &EventType| {
        (known.is_empty() || known.contains(row.name.as_str())) && !providers::goes_to_a_url(provider, &row.name)
    };
    Ok(types.into_iter().filter(fits).collect())
}

fn events(types: &[EventType], form: &Form, path: &str) -> Markup {
    let (wanted, search) = (form.one("search").to_lowercase(), form.one("pick"));
    let is_shown = |row: &&EventType| wanted.is_empty() || row.name.to_lowercase().contains(&wanted);
    let chosen: BTreeSet<String> = form.all("event").into_iter().collect();
    let is_chosen = |row: &EventType| match search {
        "all" if is_shown(&row) => true,
        "none" if is_shown(&row) => false,
        _ => chosen.contains(&row.name),
    };
    // what is chosen counts, and every event when nothing is
    let every = !types.iter().any(is_chosen) && (form.is_empty() || form.one("every") == "yes");
    let mut groups = BTreeMap::<&str, Vec<&EventType>>::new();
    for row in types.iter().filter(is_shown) {
        groups.entry(catalogue::group(row)).or_default().push(row);
    }
    html! {
        fieldset.events {
            legend { "Events" }
            label.check.every { input type="checkbox" name="every" value="yes" checked[every]; "Every event, also of types to come" }
            p.hint { "Or only those that you check here:" }
            div.row {
                label { "Search events" input name="search" type="search" value=(form.one("search")); }
                button.second type="submit" formmethod="get" formaction=(path) formnovalidate { "Search" }
                button.second type="submit" formmethod="get" formaction=(path) formnovalidate name="pick" value="all" { "All" }
                button.second type="submit" formmethod="get" formaction=(path) formnovalidate name="pick" value="none" { "None" }
            }
            @for row in types.iter().filter(|row| !is_shown(row) && is_chosen(row)) {
                input type="hidden" name="event" value=(row.name);
            }
            @if groups.is_empty() { p { @if types.is_empty() { "There are no event types yet." } @else { "No event type fits." } } }
            @for (name, rows) in &groups {
                fieldset.group {
                    legend { (name) }
                    @for row in rows {
                        div.check {
                            label { input type="checkbox" name="event" value=(row.name) checked[is_chosen(row)] aria-describedby=[(!row.description.is_empty()).then(|| format!("says-{}", row.name))]; (row.name) }
                            @if !row.description.is_empty() { span.soft id={ "says-" (row.name) } { (row.description) } }
                        }
                    }
                }
            }
        }
    }
}

/// POST `/{env}/app/{app}/endpoint/new`: the secret is shown on the page that follows, and nowhere else.
pub(super) async fn create(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let application = api.application(&visit.call).await?;
    let form = visit.form().await?;
    match make(&api, &visit, &application, &form).await {
        Ok((endpoint, secret)) => {
            api.notes.leave(visit.session, Note::Secret(secret));
            let (ids, app) = (api.engine.text(), application.id);
            Ok(go(&visit.path(&format!("app/{}/endpoint/{}", ids.of(app), ids.of(endpoint)))))
        }
        Err(error) if status(&error) == StatusCode::INTERNAL_SERVER_ERROR => Err(error.into()),
        Err(error) => Ok(show(&api, &visit, (&application, None), &form, Some(&error)).await?),
    }
}

/// POST `…/endpoint/{ep}/edit`
pub(super) async fn save(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let seen = seen(&api, &visit).await?;
    let form = visit.form().await?;
    match change(&api, &visit, &seen, &form).await {
        Ok(()) => Ok(visit.done(&api, Ok(Note::Done("Saved. Test it once more.".to_owned())), &seen.path)),
        Err(error) if status(&error) == StatusCode::INTERNAL_SERVER_ERROR => Err(error.into()),
        Err(error) => Ok(show(&api, &visit, (&seen.application, Some(&seen.path)), &form, Some(&error)).await?),
    }
}

async fn change(api: &Api, visit: &Visit, seen: &Seen, form: &Form) -> Result<()> {
    let event_types = chosen(form)?;
    let set = |endpoint: &mut Endpoint, url: &str| {
        url.clone_into(&mut endpoint.url);
        form.one("description").clone_into(&mut endpoint.description);
        endpoint.event_types.clone_from(&event_types);
    };
    let mut wanted = seen.endpoint.clone();
    set(&mut wanted, form.one("url").trim());
    let url = endpoint::check(api, &visit.call, &seen.application, &wanted, Some(&seen.endpoint.url)).await?;
    let changed = endpoint::change(api, &visit.call, |endpoint| {
        set(endpoint, &url);
        Ok(())
    });
    changed.await.map(|_| ())
}

/// The event types that a form chooses; none for every event.
fn chosen(form: &Form) -> Result<Vec<String>> {
    let event_types = form.all("event");
    if event_types.is_empty() && form.one("every") != "yes" {
        return Err(Error::field("eventTypes", "must be chosen: at least one, or every event"));
    }
    Ok(event_types)
}

async fn make(api: &Api, visit: &Visit, application: &Application, form: &Form) -> Result<(EndpointId, String)> {
    let event_types = chosen(form)?;
    let now_ms = api.clock.now().wall_ms;
    let (provider, scheme) = (application.provider, api.rules.default_signature);
    let secret = providers::generate_secret_for(provider, scheme, &mut rand::rngs::StdRng::from_os_rng());
    let shown = secret.shown();
    let id = api.engine.ids().next(now_ms);
    let mut endpoint = Endpoint {
        description: form.one("description").to_owned(),
        event_types,
        ..Endpoint::new(id, application, form.one("url").trim(), secret, now_ms)
    };
    endpoint.url = endpoint::check(api, &visit.call, application, &endpoint, None).await?;
    let made = visit.change(api, Change::Endpoint(endpoint)).await;
    made.map_err(|error| not_changed(error, endpoint::UID_TAKEN))?;
    Ok((id, shown))
}
