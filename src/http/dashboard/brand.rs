//! `/{env}/portal`: how the portal looks to customers, and who may frame it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use maud::{Markup, html};

use super::form::Form;
use super::frame::{Failure, alert};
use super::front::Front;
use super::note::Note;
use super::upload::Upload;
use super::visit::Visit;
use crate::brand::{Brand, LOGO_BYTES_MAX, Logo};
use crate::colour::Colour;
use crate::error::{Error, Result};
use crate::http::api::not_changed;
use crate::http::problem::status;
use crate::http::state::Api;
use crate::key::Action;
use crate::store::{Change, PeopleChange};

/// The largest form, in bytes: a logo and a few words.
const FORM_BYTES_MAX: usize = LOGO_BYTES_MAX + 16 * 1_024;

/// GET `/{env}/portal`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let environment = visit.call.caller.environment;
    let brand = api.read(move |store| store.brand(environment)).await?;
    let name = brand.name.clone().unwrap_or_default();
    let colour = brand.colour.map(|colour| colour.to_string()).unwrap_or_default();
    let fields = [("name", name.as_str()), ("colour", colour.as_str())];
    Ok(show(&api, &visit, brand, &Form::of(fields.into_iter()), None))
}

fn show(api: &Api, visit: &Visit, brand: Brand, form: &Form, refused: Option<&Error>) -> Response {
    let has_logo = brand.logo.is_some();
    let front = Front::new(api, (visit.call.caller.environment, brand), false);
    let content = html! {
        p { "Your customers open the portal by a link that " code { "POST /api/v1/auth/app-portal-access/{app}" } " gives, or an application's page here. They see the webhooks of their own application and nothing else." }
        p { (framers(api)) }
        @if let Some(error) = refused { (alert(&visit.words(error))) }
        p.row.center { "Its head:" (front.sign()) }
        @if visit.may(Action::Manage) { (fields(visit, form, has_logo)) }
    };
    let page = visit.page("Portal", "portal");
    match refused {
        None => visit.show(api, page, &content),
        Some(error) => page.show(status(error), &content),
    }
}

fn framers(api: &Api) -> Markup {
    html! {
        @if api.portal_ancestors.is_empty() {
            "No page may show it in a frame: " code { "--portal-frame-ancestors" } " names the origins whose pages may."
        } @else {
            "Pages of these origins may show it in a frame: " code { (api.portal_ancestors.join(", ")) } "."
        }
    }
}

fn fields(visit: &Visit, form: &Form, has_logo: bool) -> Markup {
    html! {
        form.stack method="post" action=(visit.path("portal")) enctype="multipart/form-data" {
            label { "Name" input name="name" maxlength="60" value=(form.one("name")) aria-describedby="name-hint"; }
            p.hint #name-hint { "What your customers know you by." }
            label { "Colour" input name="colour" placeholder="#0a7d5a" value=(form.one("colour")) aria-describedby="colour-hint"; }
            p.hint #colour-hint { "Of links and buttons; darker or lighter where a text in it could not be read." }
            label { "Logo" input name="logo" type="file" accept="image/png,image/jpeg,image/webp,image/svg+xml" aria-describedby="logo-hint"; }
            p.hint #logo-hint { "PNG, JPEG, WebP or SVG, at most " (LOGO_BYTES_MAX / 1_024) " KiB." }
            @if has_logo { label.check { input type="checkbox" name="no-logo" value="yes"; "Take the logo away" } }
            button type="submit" { "Save" }
        }
    }
}

/// POST `/{env}/portal`
pub(super) async fn save(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::Manage)?;
    let body = visit.call.body(FORM_BYTES_MAX).await?;
    let upload = Upload::read(visit.call.header(CONTENT_TYPE), &body)?;
    match change(&api, &visit, &upload).await {
        Ok(()) => {
            let note = Note::Done("Saved: this is how the portal looks from now on.".to_owned());
            Ok(visit.done(&api, Ok(note), &visit.path("portal")))
        }
        Err(error) if status(&error) == StatusCode::INTERNAL_SERVER_ERROR => Err(error.into()),
        Err(error) => {
            let environment = visit.call.caller.environment;
            let brand = api.read(move |store| store.brand(environment)).await?;
            Ok(show(&api, &visit, brand, &upload.form, Some(&error)))
        }
    }
}

async fn change(api: &Api, visit: &Visit, Upload { form, file }: &Upload) -> Result<()> {
    let environment = visit.call.caller.environment;
    let colour = Some(form.one("colour").trim()).filter(|text| !text.is_empty());
    let logo = match &file[..] {
        b"" if form.one("no-logo") == "yes" => None,
        b"" => api.read(move |store| store.brand(environment)).await?.logo,
        bytes => Some(Logo::new(bytes.to_vec())?),
    };
    let name = Brand::name(form.one("name"))?;
    let brand = Brand { name, colour: colour.map(|text| Colour::parse("colour", text)).transpose()?, logo };
    let change = Change::People(PeopleChange::Brand(environment, brand));
    let changed = visit.change(api, change).await;
    changed.map_err(|error| not_changed(error, "it cannot be changed now"))
}
