//! `/setup`: the first Admin, made by whoever reads the code that the server printed.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use maud::html;

use super::form::{self, Form};
use super::frame::{Failure, Page, alert, go, words};
use super::login;
use crate::audit::{Actor, By};
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::http::call::read_body;
use crate::http::origin::origin;
use crate::http::problem::status;
use crate::http::state::Api;
use crate::key::Role;
use crate::store::{Change, PeopleChange, Setting};
use crate::user::{self, Holder, PASSWORD_CHARS_MIN, User, Way};

/// GET `/setup`
pub(super) async fn page(State(api): State<Api>) -> Response {
    if !api.entrance.waits_for_admin() {
        return go("/login");
    }
    show(StatusCode::OK, "", None)
}

fn show(status: StatusCode, email: &str, refused: Option<&str>) -> Response {
    let content = html! {
        p { "Nobody administers this server yet. The first Admin needs the " b { "setup code" } " that the server printed when it started." }
        @if let Some(text) = refused { (alert(text)) }
        form.stack method="post" action="/setup" {
            label { "Setup code" input name="code" required autocomplete="off" spellcheck="false"; }
            label { "E-mail" input name="email" type="email" required autocomplete="username" value=(email); }
            label { "Password" input name="password" type="password" required minlength=(PASSWORD_CHARS_MIN) autocomplete="new-password" aria-describedby="password-hint"; }
            p.hint #password-hint { "At least " (PASSWORD_CHARS_MIN) " characters; a sentence is fine." }
            button type="submit" { "Create Admin" }
        }
        p { a href="/login" { "Log in with an API key" } " instead." }
    };
    Page::bare("Set up Posthaste").show(status, &content)
}

/// POST `/setup`: the Admin is made, and logged in.
pub(super) async fn make(State(api): State<Api>, request: Request<Body>) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    form::check_origin(&parts.method, &parts.headers)?;
    let form = Form::read(&read_body(&parts.headers, body, form::FORM_BYTES_MAX).await?);
    let address = origin(&api, &parts);
    let tried = api.entrance.try_at(address, api.clock.now().steady_ms);
    let made = match &tried {
        Ok(_) => first_admin(&api, address, &form).await,
        Err(error) => Err(error.clone()),
    };
    match made {
        Ok(user) => {
            api.entrance.forgive(address);
            Ok(login::open(&api, (Holder::User(user.id), Way::Password), address, go("/")).await?)
        }
        Err(error) => {
            login::turn_away(&api, address, form.one("email"), tried).await;
            Ok(show(status(&error), form.one("email"), Some(&words(&error))))
        }
    }
}

async fn first_admin(api: &Api, address: IpAddr, form: &Form) -> Result<User> {
    let email = user::email(form.one("email"))?;
    user::check_password(form.one("password"))?;
    let code = api.entrance.take_code(form.one("code"))?;
    let by = By::at_the_door(Actor::Stranger, address);
    let made = add(api, by, (email, Role::Admin), Some(form.one("password"))).await;
    if made.is_err() {
        api.entrance.give_back(code);
    }
    made
}

/// Makes a user, without a password for whoever comes in by the issuer. Error: the address is another's.
pub(super) async fn add(api: &Api, by: By, (email, role): (String, Role), password: Option<&str>) -> Result<User> {
    let password = match password {
        Some(text) => Some(api.entrance.hash(text.to_owned()).await?),
        None => None,
    };
    let now_ms = api.clock.now().wall_ms;
    let user = User { id: api.engine.ids().next(now_ms), email, role, password, updated_ms: now_ms };
    let change = Change::People(PeopleChange::User(user.clone()));
    match api.engine.change(Setting { by, change, answer: None }).await {
        Ok(_) => Ok(user),
        Err(NotChanged::Failed(error)) => Err(error),
        Err(NotChanged::Refused(_)) => Err(Error::field("email", "is another user's already; choose another")),
    }
}
