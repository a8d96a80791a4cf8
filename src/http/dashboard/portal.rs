//! `/portal`: where a customer comes in by a link, and what every answer there has in common.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use maud::html;

use super::asset::SCRIPT_PATH;
use super::cookie::{self, is_framed, with_link};
use super::form::{self, Form};
use super::frame::{self, Failed, Failure, PORTAL, Page, alert, go};
use super::visit::Visit;
use crate::error::{Error, Kind, Result};
use crate::http::api::access;
use crate::http::call::read_body;
use crate::http::problem::status;
use crate::http::state::Api;
use crate::token::LINK_BYTES_MAX;

/// The largest form that lets somebody in, in bytes: a token.
const ENTER_BYTES_MAX: usize = 16 * 1_024;
/// As that of the other pages, and our own script, which no other page needs.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// What stands in [`POLICY`] and in every other page's, in place of those who may frame it.
const NOBODY: &str = "frame-ancestors 'none'";

/// GET `/portal`: its script takes the token out of the address and posts it; without one it goes on where the last
/// link led.
pub(super) async fn page(visit: Result<Visit, Failure>) -> Response {
    let content = html! {
        form #enter method="post" action=(PORTAL) { input type="hidden" name="key"; }
        p #opening role="status" { "One moment." }
        @match &visit {
            Ok(visit) => p { a #on href=(visit.path("app")) { "Go on" } },
            Err(_) => p.alert #none hidden role="alert" { "There is no link here. Open this page from where you found it." },
        }
        noscript { p.alert { "Opening a link takes JavaScript, this once: it keeps the link's key out of every log." } }
        script src=(*SCRIPT_PATH) defer {}
    };
    let mut response = Page::anonymous("Webhooks").show(StatusCode::OK, &content);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// POST `/portal`: a token is traded for a visit.
pub(super) async fn enter(State(api): State<Api>, request: Request<Body>) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    form::check_origin(&parts.method, &parts.headers)?;
    let form = Form::read(&read_body(&parts.headers, body, ENTER_BYTES_MAX).await?);
    let token = form.one("key");
    let caller = api.auth.of_link(token).await?;
    let application = caller.application().filter(|_| token.len() <= LINK_BYTES_MAX).ok_or_else(Error::not_found)?;
    let home = format!("{PORTAL}/app/{}", api.engine.text().of(application));
    Ok(with_link(&api, go(&home), token, is_framed(&parts.headers)))
}

/// POST `/portal/logout`: the link ends, too.
pub(super) async fn leave(State(api): State<Api>, headers: HeaderMap, visit: Visit) -> Result<Response, Failure> {
    let token = cookie::read(&headers, cookie::PORTAL).unwrap_or_default();
    access::end_one(&api, &visit.call, token).await?;
    let content = html! { p role="status" { "You are logged out, and the link that you came by has ended." } };
    Ok(with_link(&api, Page::anonymous("Goodbye").show(StatusCode::OK, &content), "", is_framed(&headers)))
}

/// What every answer of the portal has in common: what failed is told to a customer, and the pages that the operator
/// named may frame it.
pub(super) async fn finish(State(api): State<Api>, mut response: Response) -> Response {
    if let Some(Failed(error)) = response.extensions_mut().remove() {
        response = failed(&error);
    }
    let headers = response.headers_mut();
    if api.portal_ancestors.is_empty() || !headers.contains_key(X_FRAME_OPTIONS) {
        return response;
    }
    let named = format!("frame-ancestors {}", api.portal_ancestors.join(" "));
    let policy = headers.get(CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok()).unwrap_or_default();
    let policy = HeaderValue::try_from(policy.replace(NOBODY, &named)).expect("origins are plain text");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.remove(X_FRAME_OPTIONS); // it knows no names, and browsers obey it beside the policy
    response
}

fn failed(error: &Error) -> Response {
    let (title, detail) = match error.kind {
        Kind::Unauthorized => (
            "This link has ended",
            "It was valid for a while only, or somebody ended it. Open your webhooks anew from where you found the link.".to_owned(),
        ),
        Kind::Forbidden if error.code != form::CROSS_ORIGIN => {
            ("Not allowed", "Your link lets you look at this and not change it.".to_owned())
        }
        _ => (frame::title(error), frame::words(error)),
    };
    let content =
        html! { (alert(&detail)) @if error.kind != Kind::Unauthorized { p { a href=(PORTAL) { "To the start" } } } };
    Page::anonymous(title).show(status(error), &content)
}
