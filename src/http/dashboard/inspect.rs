//! `/inspect`: throw-away receivers, made by whoever administers, open to every sender that has the URL.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Request, StatusCode};
use maud::{Markup, html};
use rand::SeedableRng as _;

use super::arrival;
use super::form::Form;
use super::frame::{Failure, Page, go};
use super::note::Note;
use super::time::{moment, span};
use super::visit::Visit;
use crate::error::{Error, Kind, Result};
use crate::http::call::read_body;
use crate::http::origin::origin;
use crate::http::problem::no_route;
use crate::http::state::Api;
use crate::inbound::{Credentials, Form as Signed, Inbound, Terms};
use crate::inspector::{BODY_BYTES_MAX, DELAY_SECS_MAX, Inspector, NAME_CHARS_MAX, PATH, REQUESTS_MAX, Reply, Seen};
use crate::key::Action;
use crate::provider::Provider;
use crate::providers;

/// How far a signed time may be from now.
const TOLERANCE_SECS: i64 = 300;
/// After how many seconds the page of an inspector is read anew, where somebody asks for it.
const AGAIN_SECS: u8 = 3;

/// GET `/inspect`
pub(super) async fn list(State(api): State<Api>, visit: Visit) -> Response {
    let now_ms = api.clock.now().wall_ms;
    let rows = api.inspectors.all(now_ms, |inspector| row(inspector, now_ms));
    let content = html! {
        p { "A receiver for an hour or a day: a URL that shows what a sender sends, checks its signature and answers as you say. Nothing of it is kept on disk." }
        @if !rows.is_empty() {
            table {
                caption.unseen { "Inspectors" }
                thead { tr { th scope="col" { "Inspector" } th scope="col" { "Made by" } th.number scope="col" { "Requests" } th scope="col" { "Ends in" } } }
                tbody { @for row in &rows { (row) } }
            }
        }
        @if visit.may(Action::EditEndpoint) { (wanted()) }
        @else { p { "Making one takes an Admin." } }
    };
    visit.show(&api, visit.page("Inspector", "/inspect"), &content)
}

fn row(inspector: &Inspector, now_ms: i64) -> Markup {
    html! {
        tr {
            td { a href={ (PATH) (inspector.token) "/seen" } { (title(inspector)) } }
            td data-label="Made by" { (inspector.maker) }
            td.number data-label="Requests" { (inspector.count) }
            td data-label="Ends in" { (span(inspector.expires_ms - now_ms)) }
        }
    }
}

fn title(inspector: &Inspector) -> String {
    if inspector.name.is_empty() { format!("Inspector {}…", &inspector.token[..6]) } else { inspector.name.clone() }
}

/// What is asked of somebody who wants an inspector.
fn wanted() -> Markup {
    html! {
        section aria-labelledby="create-title" {
            h2 #create-title { "Create an inspector" }
            form.stack method="post" action="/inspect" {
                label { "Name" input name="name" maxlength=(NAME_CHARS_MAX) autocomplete="off"; }
                label { "Signed as" select name="provider" {
                    option value="" { "Whatever comes: check no signature" }
                    @for provider in Provider::ALL { option { (provider.name()) } }
                } }
                label { "Secret" input name="secret" autocomplete="off" spellcheck="false" aria-describedby="secret-hint"; }
                p.hint #secret-hint { "With which requests must be signed; not shown again." }
                label { "Answer with status" input name="status" type="number" min="200" max="599" value="200"; }
                label { "Answer after seconds" input name="delay" type="number" min="0" max=(DELAY_SECS_MAX) value="0"; }
                label { "Answer with text" textarea name="body" rows="3" {} }
                button type="submit" { "Create inspector" }
            }
        }
    }
}

/// POST `/inspect`
pub(super) async fn create(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let form = visit.form().await?;
    let now_ms = api.clock.now().wall_ms;
    let made = make(&visit, &form, now_ms).and_then(|inspector| {
        let path = format!("{PATH}{}/seen", inspector.token);
        api.inspectors.put(inspector, now_ms).map(|()| path)
    });
    Ok(match made {
        Ok(path) => go(&path),
        Err(error) => visit.done(&api, Err(error), "/inspect"),
    })
}

fn make(visit: &Visit, form: &Form, now_ms: i64) -> Result<Inspector> {
    let mut rng = rand::rngs::StdRng::from_os_rng();
    let mut inspector = Inspector::new(form.one("name").trim(), &visit.nav.who, now_ms, &mut rng)?;
    let whole = |name: &'static str, usual: u64| match form.one(name).trim() {
        "" => Ok(usual),
        text => text.parse().map_err(|_| Error::field(name, "must be a whole number")),
    };
    let status = u16::try_from(whole("status", 200)?).unwrap_or(u16::MAX);
    inspector.reply = Reply::new(status, whole("delay", 0)?, form.one("body"))?;
    inspector.proof = match form.one("provider") {
        "" => None,
        name => {
            let provider = Provider::parse(name)?;
            Some((provider, terms(provider, form.one("secret").trim())?))
        }
    };
    Ok(inspector)
}

fn terms(provider: Provider, secret: &str) -> Result<Terms> {
    let secret = providers::parse_secret(provider, secret).map_err(|error| Error::field("secret", error.detail))?;
    let (credentials, form) = (Credentials::None, Signed::default());
    let tolerance_secs = Some(TOLERANCE_SECS);
    Ok(Terms { secrets: vec![secret], tolerance_secs, credentials, requires_signature: true, form })
}

/// Any method, `/inspect/{token}`: what came is kept, and answered as its maker said. Open to every sender.
pub(super) async fn receive(
    State(api): State<Api>,
    Path(token): Path<String>,
    request: Request<Body>,
) -> Result<Response> {
    let now = api.clock.now();
    let Some(proof) = api.inspectors.proof(&token, now.wall_ms) else {
        return Ok(no_route().await);
    };
    let (parts, body) = request.into_parts();
    let from = origin(&api, &parts);
    let body = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let verdict = proof.map(|(provider, terms)| {
        let inbound = Inbound { headers: &parts.headers, body: &body };
        providers::verify(provider, &terms, inbound, now.wall_ms.div_euclid(1_000)).map(|_| ())
    });
    let seen = Seen {
        at_ms: now.wall_ms,
        from,
        method: parts.method.to_string(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers(&parts.headers),
        body,
        verdict,
    };
    let Some(reply) = api.inspectors.keep(&token, seen) else {
        return Ok(no_route().await);
    };
    if reply.delay_secs > 0 {
        let busy = || Error::new(Kind::Overloaded, "unavailable", "too many requests wait here; send it again");
        let _place = api.inspectors.wait().ok_or_else(busy)?;
        tokio::time::sleep(Duration::from_secs(reply.delay_secs)).await;
    }
    Ok(answer(&reply))
}

fn headers(all: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    all.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Plain text, whatever it says: it comes from the origin of our own pages.
fn answer(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let is_bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
    if is_bare {
        return status.into_response();
    }
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, reply.body.clone()).into_response()
}

/// GET `/inspect/{token}/seen`
pub(super) async fn page(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    let now_ms = api.clock.now().wall_ms;
    let look = |inspector: &Inspector| (title(inspector), shown(&api, &visit, inspector, now_ms));
    let (title, content) = api.inspectors.one(visit.call.param("token"), now_ms, look).ok_or_else(Error::not_found)?;
    let again_secs = follows(&visit).then_some(AGAIN_SECS);
    let page = Page { again_secs, ..visit.page(&title, "/inspect") };
    Ok(visit.show(&api, page, &content))
}

/// Whether the page is to be read anew by itself.
fn follows(visit: &Visit) -> bool {
    visit.query().one("again") == "yes"
}

fn shown(api: &Api, visit: &Visit, inspector: &Inspector, now_ms: i64) -> Markup {
    let Reply { status, delay_secs, .. } = inspector.reply;
    html! {
        p { "Send to " code.whole { (api.public_url) (PATH) (inspector.token) } }
        dl.facts {
            div { dt { "Signed as" } dd { @match &inspector.proof { Some((provider, _)) => (provider.name()), None => "not checked" } } }
            div { dt { "Answers" } dd { (status) @if delay_secs > 0 { " after " (delay_secs) " s" } } }
            div { dt { "Ends in" } dd { (span(inspector.expires_ms - now_ms)) } }
            div { dt { "Requests" } dd { (inspector.count) } }
        }
        @if follows(visit) { p.soft { "This page looks again every " (AGAIN_SECS) " seconds. " a href="?again=no" { "Stop" } } }
        @else { p { a href="?again=no" { "Look again" } " · " a href="?again=yes" { "Look again every " (AGAIN_SECS) " seconds" } } }
        @if inspector.count == 0 { p { "Nothing came yet." } }
        @else {
            table {
                caption.unseen { "Requests, the newest first" }
                thead { tr { th scope="col" { "Request" } th scope="col" { "When" } th scope="col" { "From" } th.number scope="col" { "Bytes" } th scope="col" { "Signature" } } }
                tbody { @for (number, seen) in inspector.seen() {
                    tr {
                        td { a href={ (PATH) (inspector.token) "/seen/" (number) } { (seen.method) " " (number) } }
                        td { (moment(seen.at_ms)) }
                        td data-label="From" { (seen.from) }
                        td.number data-label="Bytes" { (seen.body.len()) }
                        td data-label="Signature" { (arrival::verdict(seen)) }
                    }
                } }
            }
            @if inspector.count > REQUESTS_MAX as u64 { p.soft { "The newest " (REQUESTS_MAX) " are kept." } }
        }
        @if visit.may(Action::EditEndpoint) {
            form.row method="post" action={ (PATH) (inspector.token) "/delete" } { button.danger type="submit" { "Delete" } }
        }
    }
}

/// POST `/inspect/{token}/delete`
pub(super) async fn delete(State(api): State<Api>, visit: Visit) -> Result<Response, Failure> {
    visit.call.may(Action::EditEndpoint)?;
    let ended = api.inspectors.end(visit.call.param("token"), api.clock.now().wall_ms);
    Ok(visit.done(&api, ended.map(|()| Note::Done("The inspector is deleted.".to_owned())), "/inspect"))
}
