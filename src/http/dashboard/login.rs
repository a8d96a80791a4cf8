//! `/login` and `/logout`: by e-mail address and password, by an API key, or on to the issuer (`/login/oidc`).

use std::net::IpAddr;

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
use crate::audit::{Actor, By};
use crate::engine::message::NotChanged;
use crate::error::{Error, Kind, Result};
use crate::http::call::read_body;
use crate::http::origin::origin;
use crate::http::problem::status;
use crate::http::state::Api;
use crate::store::{Change, PeopleChange, Setting};
use crate::user::{self, Holder, SESSION_MS, Session, Way};

/// GET `/login`
pub(super) async fn page(State(api): State<Api>, uri: Uri) -> Response {
    show(&api, StatusCode::OK, "", &next(&uri), None)
}

/// The page that a login was asked for from.
pub(super) fn next(uri: &Uri) -> String {
    let query = Form::read(uri.query().unwrap_or_default().as_bytes());
    query.one("next").to_owned()
}

/// A path here, never a way to another server: browsers read `\` as `/`, and control characters not at all.
pub(super) fn is_here(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(|letter: char| letter == '\\' || letter.is_control())
}

/// The page, with what was refused before.
pub(super) fn show(api: &Api, status: StatusCode, email: &str, next: &str, refused: Option<&str>) -> Response {
    let next_there: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let content = html! {
        @if let Some(text) = refused { (alert(text)) }
        @if api.oidc.is_some() {
            p { a.button href={ "/login/oidc?next=" (next_there) } { "Continue with single sign-on" } }
        }
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
    let tried = api.entrance.try_at(address, api.clock.now().steady_ms);
    let holder = match &tried {
        Ok(_) => holder(&api, &form).await,
        Err(error) => Err(error.clone()),
    };
    match holder {
        Ok((holder, way, start)) => {
            api.entrance.forgive(address);
            let next = form.one("next");
            let onward = go(if is_here(next) { next } else { &start });
            Ok(open(&api, (holder, way), address, onward).await?)
        }
        Err(error) => {
            turn_away(&api, address, form.one("email"), tried).await;
            Ok(show(&api, status(&error), form.one("email"), form.one("next"), Some(&words(&error))))
        }
    }
}

/// The audit log tells who did not come in; not of those who were locked out already.
pub(super) async fn turn_away(api: &Api, address: IpAddr, email: &str, tried: Result<bool>) {
    let Ok(locked_out) = tried else {
        return;
    };
    if !api.entrance.tells(api.clock.now().steady_ms) {
        return;
    }
    // what is no address may be a password in the wrong field
    let change = PeopleChange::TurnedAway { email: user::email(email).unwrap_or_default(), locked_out };
    if let Err(error) = set(api, By::at_the_door(Actor::Stranger, address), change).await {
        tracing::warn!(detail = error.detail, %address, "a failed login could not be written down");
    }
}

/// Who logs in, how, and the page where the person begins.
async fn holder(api: &Api, form: &Form) -> Result<(Holder, Way, String)> {
    let wrong = |detail: &str| Error::new(Kind::Unauthorized, "authentication_failed", detail);
    let key = form.one("key").trim();
    let environments = api.read(crate::store::Store::environments).await?;
    if !key.is_empty() {
        let known = api.auth.of_key(key).await.map_err(|error| match error.kind {
            Kind::Unauthorized => wrong("This key does not exist, is revoked or has ended."),
            _ => error,
        })?;
        if known.caller.application().is_some() {
            return Err(wrong("This key is for one application alone; the dashboard takes a key for all of them."));
        }
        let own = environments.into_iter().find(|row| row.id == known.caller.environment);
        let start = format!("/{}/", own.map(|row| row.name).unwrap_or_default());
        return Ok((Holder::Key(known.id), Way::Key, start));
    }
    let email = form.one("email").trim().to_lowercase();
    let user = api.read(move |store| store.user_by_email(&email)).await?;
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let is_right = api.entrance.verify(form.one("password").to_owned(), hash).await?;
    let user = user.filter(|_| is_right).ok_or_else(|| wrong("The e-mail address or the password is wrong."))?;
    let start = environments.first().map(|row| row.name.clone()).unwrap_or_default();
    Ok((Holder::User(user.id), Way::Password, format!("/{start}/")))
}

/// Opens a session, of which an answer tells the browser.
pub(super) async fn open(api: &Api, who: (Holder, Way), address: IpAddr, answer: Response) -> Result<Response> {
    let (holder, way) = who;
    let rng = rand::rngs::StdRng::from_os_rng();
    let text: String = rng.sample_iter(rand::distr::Alphanumeric).take(TEXT_CHARS).map(char::from).collect();
    let expires_ms = api.clock.now().wall_ms + SESSION_MS;
    let session = Session { hash: Session::hash(&text), holder, expires_ms };
    set(api, By::at_the_door(holder.actor(), address), PeopleChange::Session(session, way)).await?;
    Ok(with_session(api, answer, &text))
}

/// POST `/logout`
pub(super) async fn leave(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    set(&api, visit.call.by(&api), PeopleChange::SessionGone(visit.session)).await?;
    Ok(with_session(&api, go("/login"), ""))
}

async fn set(api: &Api, by: By, change: PeopleChange) -> Result<()> {
    match api.engine.change(Setting { by, change: Change::People(change), answer: None }).await {
        Ok(_) => Ok(()),
        Err(NotChanged::Failed(error)) => Err(error),
        Err(NotChanged::Refused(_)) => Err(Error::new(Kind::Unauthorized, "authentication_failed", "Log in again.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_pages_here_alone() {
        assert!(is_here("/") && is_here("/test/event?find=a//b"));
        for elsewhere in
            ["", "test", "https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "/\r\na:b"]
        {
            assert!(!is_here(elsewhere), "{elsewhere:?}");
        }
    }
}
