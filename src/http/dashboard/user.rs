//! `/settings/user`: who may log in.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::form::Form;
use super::frame::Failure;
use super::note::Note;
use super::setup::add;
use super::time::day;
use super::visit::Visit;
use crate::engine::message::NotChanged;
use crate::error::{Error, Result};
use crate::http::state::Api;
use crate::id::{Id as _, UserId};
use crate::key::Role;
use crate::store::{Change, People, PeopleChange};
use crate::user::{self, Holder, PASSWORD_CHARS_MIN, User};

const PATH: &str = "/settings/user";

/// GET `/settings/user`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.manages()?;
    let users = api.read(People::users).await?;
    let content = html! {
        table {
            caption.unseen { "Users" }
            thead { tr { th scope="col" { "E-mail" } th scope="col" { "Role" } th scope="col" { "Since" } th scope="col" { span.unseen { "Actions" } } } }
            tbody { @for user in &users { (row(&api, &visit, user)) } }
        }
        section aria-labelledby="add-title" {
            h2 #add-title { "Add a user" }
            form.stack method="post" action=(PATH) {
                label { "E-mail" input name="email" type="email" required autocomplete="off"; }
                label { "Password" input name="password" type="password" required minlength=(PASSWORD_CHARS_MIN) autocomplete="new-password" aria-describedby="password-hint"; }
                p.hint #password-hint { "At least " (PASSWORD_CHARS_MIN) " characters. Hand it over in person." }
                label { "Role" select name="role" {
                    option value="viewer" { "Viewer: sees everything but secrets, changes nothing" }
                    option value="admin" { "Admin: sees and changes everything" }
                } }
                button type="submit" { "Add user" }
            }
        }
    };
    Ok(visit.show(&api, visit.page("Users", PATH), &content))
}

fn row(api: &Api, visit: &Visit, user: &User) -> Markup {
    let id = api.engine.text().of(user.id);
    html! {
        tr {
            td { (user.email) @if user.password.is_none() { span.soft { " by single sign-on" } } }
            td { @if user.role == Role::Admin { "Admin" } @else { "Viewer" } }
            td { (day(user.id.time_ms())) }
            td.end {
                @if visit.holder == Some(Holder::User(user.id)) { span.soft { "you" } }
                @else {
                    form method="post" action={ (PATH) "/" (id) "/delete" } {
                        button.plain type="submit" aria-label={ "Delete " (user.email) } { "Delete" }
                    }
                }
            }
        }
    }
}

/// POST `/settings/user`
pub(super) async fn create(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.manages()?;
    let made = make(&api, &visit, &visit.form().await?).await;
    Ok(visit.done(&api, made.map(|user| Note::Done(format!("{} can log in now.", user.email))), PATH))
}

async fn make(api: &Api, visit: &Visit, form: &Form) -> Result<User> {
    let (email, role) = (user::email(form.one("email"))?, user::role(form.one("role"))?);
    user::check_password(form.one("password"))?;
    add(api, visit.call.by(api), (email, role), Some(form.one("password"))).await
}

/// POST `/settings/user/{user}/delete`: the user's sessions end.
pub(super) async fn delete(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.manages()?;
    let gone = remove(&api, &visit).await;
    Ok(visit.done(&api, gone.map(|()| Note::Done("The user is deleted and logged out.".to_owned())), PATH))
}

async fn remove(api: &Api, visit: &Visit) -> Result<()> {
    let user: UserId = visit.call.id(api, "user")?;
    if visit.holder == Some(Holder::User(user)) {
        return Err(Error::conflict("You cannot delete yourself; let another Admin do it."));
    }
    match visit.change(api, Change::People(PeopleChange::UserGone(user))).await {
        Ok(()) => Ok(()),
        Err(NotChanged::Failed(error)) => Err(error),
        Err(NotChanged::Refused(_)) => Err(Error::not_found()),
    }
}
