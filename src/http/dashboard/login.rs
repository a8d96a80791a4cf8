//! `/login` and `/logout`: by e-mail address and password, or by an API key.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode, Uri};
use maud::html;
use rand::{Rng as _, SeedableRng as _};

use super::cookie::with_session;
use super::form::{self, Form};
use super::frame::{Failure, Page, alert, go, words};
use super::visit::{TEXT_CHARS, Visit};
use crate::engine::message::NotChanged;
use crate::error::{Error, Kind, Result};
use crate::http::call::read_body;
use crate::http::ingress::origin;
use crate::http::problem::status;
use crate::http::state::Api;
use crate::store::{Change, People, PeopleChange, Setting};
use crate::user::{Holder, SESSION_MS, Session};

/// GET `/login`
pub(super) async fn page(uri: Uri) -> Response {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let next = pairs.into_iter().find(|(name, _)| name == "next").map(|(_, value)| value.into_owned());
    show(StatusCode::OK, "", &next.unwrap_or_default(), None)
}

fn show(status: StatusCode, email: &str, next: &str, refused: Option<&str>) -> Response {
    let content = html! {
        @if let Some(text) = refused { (alert(text)) }
        form.stack method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            label { "E-mail" input name="email" type="email" required autocomplete="username" value=(email); }
            label { "Password" input name="password" type="password" required autocomplete="current-password"; }
            button type="submit" { "Log in" }
        }
        form.stack method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            label { "API key" input name="key" type="password" required autocomplete="off" placeholder="sk_test_…"; }
            button.second type="submit" { "Log in with key" }
        }
    };
    Page::bare("Log in").show(status, &content)
}

/// POST `/login`
pub(super) async fn enter(State(api): State<Api>, request: Request<Body>) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    form::check_origin(&parts.method, &parts.headers)?;
    let form = Form::read(&read_body(&parts.headers, body, form::FORM_BYTES_MAX).await?);
    let address = origin(&api, &parts);
    let holder = match api.entrance.try_at(address, api.clock.now().steady_ms) {
        Ok(()) => holder(&api, &form).await,
        Err(error) => Err(error),
    };
    match holder {
        Ok((holder, start)) => {
            api.entrance.forgive(address);
            let next = form.one("next");
            // a path here, never a way to another server
            let is_here = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']);
            Ok(open(&api, holder, if is_here { next } else { &start }).await?)
        }
        Err(error) => Ok(show(status(&error), form.one("email"), form.one("next"), Some(&words(&error)))),
    }
}

/// Who logs in, and the page where the person begins.
async fn holder(api: &Api, form: &Form) -> Result<(Holder, String)> {
    let wrong = |detail: &str| Error::new(Kind::Unauthorized, "authentication_failed", detail);
    let key = form.one("key").trim();
    let environments = api.read(crate::store::Store::environments).await?;
    if !key.is_empty() {
        let known = api.auth.of_key(key).await.map_err(|error| match error.kind {
            Kind::Unauthorized => wrong("This key does not exist or is revoked."),
            _ => error,
        })?;
        if known.caller.application().is_some() {
            return Err(wrong("This key is for one application alone; the dashboard takes a key for all of them."));
        }
        let own = environments.into_iter().find(|row| row.id == known.caller.environment);
        return Ok((Holder::Key(known.id), format!("/{}/", own.map(|row| row.name).unwrap_or_default())));
    }
    let email = form.one("email").trim().to_lowercase();
    let user = api.read(People::users).await?.into_iter().find(|user| user.email == email);
    let hash = user.as_ref().map(|user| user.password.clone());
    let is_right = api.entrance.verify(form.one("password").to_owned(), hash).await?;
    let user = user.filter(|_| is_right).ok_or_else(|| wrong("The e-mail address or the password is wrong."))?;
    let start = environments.first().map(|row| row.name.clone()).unwrap_or_default();
    Ok((Holder::User(user.id), format!("/{start}/")))
}

/// Opens a session and goes on to a page.
pub(super) async fn open(api: &Api, holder: Holder, next: &str) -> Result<Response> {
    let rng = rand::rngs::StdRng::from_os_rng();
    let text: String = rng.sample_iter(rand::distr::Alphanumeric).take(TEXT_CHARS).map(char::from).collect();
    let expires_ms = api.clock.now().wall_ms + SESSION_MS;
    let session = Session { hash: Session::hash(&text), holder, expires_ms };
    set(api, PeopleChange::Session(session)).await?;
    Ok(with_session(api, go(next), &text))
}

/// POST `/logout`
pub(super) async fn leave(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    set(&api, PeopleChange::SessionGone(visit.session)).await?;
    Ok(with_session(&api, go("/login"), ""))
}

async fn set(api: &Api, change: PeopleChange) -> Result<()> {
    match api.engine.change(Setting { change: Change::People(change), answer: None }).await {
        Ok(_) => Ok(()),
        Err(NotChanged::Failed(error)) => Err(error),
        Err(NotChanged::Refused(_)) => Err(Error::new(Kind::Unauthorized, "authentication_failed", "Log in again.")),
    }
}
