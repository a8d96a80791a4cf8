//! `/login/oidc`: off to the issuer, and back with a code: whoever it vouches for comes in, by the operator's rules.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::REFRESH;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, Uri};
use maud::html;

use super::cookie::{self, with_begun};
use super::form::Form;
use super::frame::{Failure, Page, go, words};
use super::login::{self, is_here};
use super::setup::add;
use crate::audit::{Actor, By};
use crate::error::{Error, Kind, Result};
use crate::http::oidc::{self, Oidc};
use crate::http::origin::origin;
use crate::http::problem::status;
use crate::http::state::Api;
use crate::key::Role;
use crate::user::{Holder, User, Way};

/// The longest path that somebody is led on to, in bytes: it is in a cookie meanwhile.
const NEXT_BYTES_MAX: usize = 1_024;

/// GET `/login/oidc`: off to the issuer.
pub(super) async fn begin(State(api): State<Api>, uri: Uri) -> Result<Response, Failure> {
    let oidc = configured(&api)?;
    let next = Some(login::next(&uri)).filter(|next| is_here(next) && next.len() <= NEXT_BYTES_MAX);
    let next = next.unwrap_or_else(|| "/".to_owned());
    let begun = oidc.logins.begin(&next, api.clock.now().steady_ms);
    Ok(match oidc.issuer.entrance(&begun, &*api.clock).await {
        Ok(url) => with_begun(&api, go(&url), &begun.text),
        Err(failure) => {
            let error = refusal(&failure);
            login::show(&api, status(&error), "", &next, Some(&words(&error)))
        }
    })
}

/// GET `/login/oidc/back`: whoever comes with a code, to the browser in which the login was begun, may come in.
pub(super) async fn back(State(api): State<Api>, request: Request<Body>) -> Result<Response, Failure> {
    let oidc = configured(&api)?;
    let (parts, _) = request.into_parts();
    let address = origin(&api, &parts);
    let tried = api.entrance.try_at(address, api.clock.now().steady_ms);
    let came = match &tried {
        Ok(_) => come(&api, &oidc, &parts, address).await,
        Err(error) => Err(TurnedAway::from(error.clone())),
    };
    let response = match came {
        Ok((user, next)) => {
            api.entrance.forgive(address);
            login::open(&api, (Holder::User(user.id), Way::Oidc), address, onward(&next)).await?
        }
        Err(TurnedAway { error, email }) => {
            login::turn_away(&api, address, &email, tried).await;
            login::show(&api, status(&error), "", "", Some(&words(&error)))
        }
    };
    Ok(with_begun(&api, response, ""))
}

/// Why somebody did not come in, and who it was, as far as the issuer has said.
struct TurnedAway {
    error: Error,
    email: String,
}

impl From<Error> for TurnedAway {
    fn from(error: Error) -> Self {
        Self { error, email: String::new() }
    }
}

fn configured(api: &Api) -> Result<Arc<Oidc>> {
    api.oidc.clone().ok_or_else(Error::not_found)
}

/// Who comes in, and the page to go on to.
async fn come(api: &Api, oidc: &Oidc, parts: &Parts, address: IpAddr) -> Result<(User, String), TurnedAway> {
    let query = Form::read(parts.uri.query().unwrap_or_default().as_bytes());
    let text = cookie::read(&parts.headers, cookie::BEGUN).unwrap_or_default();
    let begun = oidc.logins.end(text, query.one("state"), api.clock.now().steady_ms).ok_or_else(|| {
        refused("This login was begun in another browser, has ended already or took over ten minutes. Begin it anew.")
    })?;
    if query.one("code").is_empty() {
        tracing::warn!(error = brief(query.one("error")), "the issuer let nobody in");
        return Err(refused("Your single sign-on did not let you in. Try again, or ask whoever runs it.").into());
    }
    let claims = oidc.issuer.claims(query.one("code"), &begun, &oidc.rules, &*api.clock).await;
    let claims = claims.map_err(|failure| refusal(&failure))?;
    let email = claims.verified_email().ok_or_else(|| {
        refused("Your single sign-on gives no e-mail address that it has verified, and by it you would be known here.")
    })?;
    let turned_away = || {
        let words = format!("Nobody let {email} in here; ask an Admin of this server to add you as a user.");
        TurnedAway { error: refused(&words), email: email.clone() }
    };
    if !oidc.rules.let_in(&email) {
        return Err(turned_away());
    }
    let wanted = email.clone();
    if let Some(user) = api.read(move |store| store.user_by_email(&wanted)).await? {
        return Ok((user, begun.next));
    }
    let role = oidc.rules.newcomer(&claims).ok_or_else(turned_away)?;
    Ok((newcomer(api, address, (email, role)).await?, begun.next))
}

/// Makes the user that somebody becomes who comes for the first time.
async fn newcomer(api: &Api, address: IpAddr, who: (String, Role)) -> Result<User> {
    let user = add(api, By::at_the_door(Actor::Stranger, address), who, None).await?;
    if user.role == Role::Admin {
        api.entrance.close_setup();
    }
    Ok(user)
}

/// On to a page. Not by a redirect: it would be one on the way from the issuer, on which no browser sends a strict
/// cookie.
fn onward(next: &str) -> Response {
    let content = html! { p role="status" { "You are logged in. " a href=(next) { "Go on" } } };
    let mut response = Page::bare("Welcome").show(StatusCode::OK, &content);
    let refresh = HeaderValue::try_from(format!("0; url={next}"));
    response.headers_mut().insert(REFRESH, refresh.unwrap_or(HeaderValue::from_static("0; url=/")));
    response
}

fn refused(detail: &str) -> Error {
    Error::new(Kind::Unauthorized, "authentication_failed", detail)
}

/// A failure as the person sees it; the log has the rest.
fn refusal(failure: &oidc::Failure) -> Error {
    match failure {
        oidc::Failure::Untrusted(detail) => {
            tracing::warn!(detail, "what came back from single sign-on does not hold");
            return refused(
                "What your single sign-on said of you does not hold. Begin anew; the server's log says more.",
            );
        }
        oidc::Failure::Unavailable(detail) => tracing::error!(detail, "single sign-on cannot be used"),
        oidc::Failure::StillUnavailable => {}
    }
    let words = "Your single sign-on does not answer as it should. Try again in a minute; the server's log says more.";
    Error::new(Kind::Overloaded, "oidc_unavailable", words)
}

/// A stranger's text, for the log.
fn brief(text: &str) -> String {
    const BRIEF_CHARS: usize = 100;
    text.chars().filter(char::is_ascii_graphic).take(BRIEF_CHARS).collect()
}
