//! The front of the portal: the platform's name, colour and logo at the head of every page.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use maud::{Markup, html};

use super::asset::FOREVER;
use crate::brand::Brand;
use crate::colour::Colour;
use crate::environment;
use crate::error::{Error, Result};
use crate::http::state::Api;
use crate::id::EnvironmentId;

/// What the portal is called where the platform has no name.
const NAME: &str = "Webhooks";
/// Of the grounds that texts stand on, the darkest of the light ones and the lightest of the dark ones (`--bar`).
const LIGHT_GROUND: Colour = Colour([0xec, 0xee, 0xf1]);
const DARK_GROUND: Colour = Colour([0x20, 0x23, 0x27]);

/// What a customer sees of the platform.
#[derive(Clone)]
pub(super) struct Front {
    /// What it is called.
    pub(super) name: String,
    colour: Option<Colour>,
    /// Where the logo is.
    logo: Option<String>,
    /// Whether nothing here is real.
    is_test: bool,
    /// Whether it is shown in a frame of the platform's own page, which leads in and out.
    pub(super) is_framed: bool,
}

impl Front {
    /// The front of an environment's portal.
    pub(super) fn new(api: &Api, (environment, brand): (EnvironmentId, Brand), is_framed: bool) -> Self {
        let logo = brand.logo.map(|logo| format!("/portal/logo/{}/{}", api.engine.text().of(environment), logo.mark()));
        let is_test = !environment::is_of_svix(environment) && !environment::is_live(environment);
        Self { name: brand.name.unwrap_or_else(|| NAME.to_owned()), colour: brand.colour, logo, is_test, is_framed }
    }

    /// The stylesheet with the platform's colour.
    pub(super) fn style(&self) -> Option<String> {
        self.colour.map(|colour| format!("/assets/accent/{}", colour.to_string().trim_start_matches('#')))
    }

    /// Logo and name, and whether this is only a test.
    pub(super) fn sign(&self) -> Markup {
        html! {
            span.brand {
                @if let Some(logo) = &self.logo { img src=(logo) alt=""; }
                (self.name)
            }
            @if self.is_test { span.mark { "Test" } }
        }
    }
}

/// GET `/assets/accent/{colour}`: links and buttons in this colour, as far as they can be read on either ground.
pub(super) async fn accent(Path(colour): Path<String>) -> Result<Response> {
    let colour = Colour::parse("colour", &format!("#{colour}")).map_err(|_| Error::not_found())?;
    let (light, dark) = (colour.legible_on(LIGHT_GROUND), colour.legible_on(DARK_GROUND));
    let style = format!(
        ":root {{ --brand: {colour}; --accent: {light}; --on-accent: #fff; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; --on-accent: #151618; }} }}\n"
    );
    let headers =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, FOREVER), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, style).into_response())
}

/// GET `/portal/logo/{environment}/{mark}`: a picture and never a page, whatever it holds.
pub(super) async fn logo(
    State(api): State<Api>,
    Path((environment, mark)): Path<(String, String)>,
) -> Result<Response> {
    let environment: EnvironmentId = api.engine.text().parse(&environment).ok_or_else(Error::not_found)?;
    let brand = api.read(move |store| store.brand(environment)).await?;
    let logo = brand.logo.filter(|logo| logo.mark() == mark).ok_or_else(Error::not_found)?;
    let headers = [
        (CONTENT_TYPE, logo.media().name()),
        (CACHE_CONTROL, FOREVER),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ];
    Ok((headers, logo.bytes().to_vec()).into_response())
}
