//! The frame of every page: its head, where one is, where one can go, what was just done.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::amount::amount;
use super::asset::{MOTION_PATH, STYLE_PATH};
use super::copy::{Look, copied};
use super::form::CROSS_ORIGIN;
use super::front::Front;
use super::note::Note;
use crate::error::{Error, Kind};
use crate::http::problem;
use crate::secret::PUBLIC_PREFIX;

/// Nothing but our own stylesheet and forms, no script; nobody may frame a page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// The same with our own script, for pages that move.
const MOVING_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// Where the portal's pages are: the same as below an environment, for one application.
pub(super) const PORTAL: &str = "/portal";
/// What stands in each environment's navigation: below which path, and its name.
const PAGES: [(&str, &str); 7] = [
    ("", "Overview"),
    ("app", "Applications"),
    ("event", "Events"),
    ("replay", "Replays"),
    ("source", "Sources"),
    ("event-type", "Event types"),
    ("portal", "Portal"),
];
/// What stands in a customer's.
const PORTAL_PAGES: [(&str, &str); 3] = [("app", "Webhooks"), ("event", "Events"), ("event-type", "Event types")];

/// The same for what belongs to all environments, seen by who manages them: its path, and its name.
const SETTINGS: [(&str, &str); 3] =
    [("/settings/user", "Users"), ("/settings/key", "API keys"), ("/settings/audit", "Audit log")];

/// What the frame shows of who looks at what: somebody who is logged in, or a customer.
#[derive(Clone)]
pub(super) struct Nav {
    /// Who it is: an address, the beginning of a key, the name of a customer's application.
    pub(super) who: String,
    /// What the person may do, in a word.
    pub(super) role: &'static str,
    /// Whether the person may manage users.
    pub(super) manages: bool,
    /// The names of the environments that the person may look at.
    pub(super) environments: Vec<String>,
    /// The one that is looked at.
    pub(super) environment: String,
    /// How the portal looks to a customer; `None` for an operator.
    pub(super) front: Option<Front>,
}

impl Nav {
    /// What the paths of all pages here begin with.
    pub(super) fn base(&self) -> String {
        if self.front.is_some() { PORTAL.to_owned() } else { format!("/{}", self.environment) }
    }

    fn pages(&self) -> &'static [(&'static str, &'static str)] {
        if self.front.is_some() { &PORTAL_PAGES } else { &PAGES }
    }
}

/// A page.
pub(super) struct Page<'a> {
    /// What it is about: the title and the one `h1`.
    pub(super) title: &'a str,
    /// The part of the navigation that it belongs to: the path below the environment.
    pub(super) section: &'a str,
    /// For whom; `None` before the login.
    pub(super) nav: Option<&'a Nav>,
    /// What was just done.
    pub(super) note: Option<Note>,
    /// Who is named in the title of a page without a head.
    pub(super) by: &'static str,
    /// After how many seconds the page is read anew, while something goes on.
    pub(super) again_secs: Option<u8>,
    /// Which page is read then, when it is not this one.
    pub(super) then: Option<String>,
    /// Whether something on it can be copied.
    pub(super) copies: bool,
}

impl<'a> Page<'a> {
    /// A page for somebody who is not logged in.
    pub(super) fn bare(title: &'a str) -> Self {
        Self { title, section: "", nav: None, note: None, by: "Posthaste", again_secs: None, then: None, copies: false }
    }

    /// A page of the portal before it is known whose it is.
    pub(super) fn anonymous(title: &'a str) -> Self {
        Self { by: "", ..Self::bare(title) }
    }

    /// The answer with this content.
    pub(super) fn show(self, status: StatusCode, content: &Markup) -> Response {
        let body = self.document(content).into_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, if self.moves() { MOVING_POLICY } else { POLICY });
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        // browsers would hide the origin of our own forms otherwise
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn document(&self, content: &Markup) -> Markup {
        let front = self.nav.and_then(|nav| nav.front.as_ref());
        let environment = self.nav.filter(|_| front.is_none()).map_or("", |nav| nav.environment.as_str());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if let Some(again) = self.again() { noscript { meta http-equiv="refresh" content=(again); } }
                    title {
                        (self.title)
                        @for part in [environment, front.map_or(self.by, |front| &front.name)] { @if !part.is_empty() { " · " (part) } }
                    }
                    link rel="stylesheet" href=(*STYLE_PATH);
                    @if let Some(path) = front.and_then(Front::style) { link rel="stylesheet" href=(path); }
                    @if self.moves() { script src=(*MOTION_PATH) defer {} }
                    link rel="icon" href="data:,";
                }
                body class=[(environment == "live").then_some("live")] data-again=[self.again_secs] data-then=[self.then.as_deref()] {
                    a.skip href="#content" { "Skip to content" }
                    @if let Some(nav) = self.nav { (self.header(nav)) }
                    main #content class=[self.nav.is_none().then_some("narrow")] {
                        h1 { (self.title) }
                        (self.said())
                        (content)
                    }
                }
            }
        }
    }

    /// Whether it holds what our script sets in motion.
    fn moves(&self) -> bool {
        self.copies || self.again_secs.is_some() || matches!(self.note, Some(Note::Secret(_) | Note::Key(_)))
    }

    /// When and where a browser without scripts reads on by itself, as it is told.
    fn again(&self) -> Option<String> {
        let secs = self.again_secs?;
        Some(self.then.as_ref().map_or_else(|| secs.to_string(), |path| format!("{secs};url={path}")))
    }

    fn header(&self, nav: &Nav) -> Markup {
        html! {
            header class=[nav.front.is_some().then_some("portal")] {
                div.bar { @if let Some(front) = &nav.front { (customer_bar(nav, front)) } @else { (operator_bar(nav, self.section)) } }
                nav.pages aria-label="Pages" {
                    @for (path, name) in nav.pages() {
                        a href={ (nav.base()) "/" (path) } aria-current=[(self.section == *path).then_some("page")] { (name) }
                    }
                }
            }
        }
    }

    fn said(&self) -> Markup {
        match &self.note {
            None => html! {},
            Some(Note::Done(text)) => html! { p.note role="status" { (text) } },
            Some(Note::Waiting(text, count, webhook)) => html! {
                div.note role="status" {
                    form.row method="post" action={ (webhook) "/replay" } {
                        input type="hidden" name="which" value="waiting";
                        span { (text) " " (amount(*count, "delivery")) @if *count == 1 { " waits" } @else { " wait" } " for a retry." }
                        button type="submit" { @if *count == 1 { "Send it now" } @else { "Send them now" } }
                    }
                }
            },
            Some(Note::Refused(text)) => alert(text),
            Some(Note::Secret(text)) => {
                let title = if text.starts_with(PUBLIC_PREFIX) { "The public key" } else { "The secret" };
                secret(title, "Keep it where your receiver verifies signatures.", text)
            }
            Some(Note::Key(text)) => secret("The key", "Keep it where your program reads its secrets.", text),
            Some(Note::Link(url)) => html! {
                section.secret aria-labelledby="link-title" {
                    h2 #link-title { "The link" }
                    p { "It opens the portal of this application for an hour, to whoever has it. It is shown now and not again." }
                    p { code.whole { (url) } }
                    p { a href=(url) rel="noreferrer" { "Open the portal" } }
                }
            },
        }
    }
}

/// What is shown now and not again.
fn secret(title: &str, advice: &str, text: &str) -> Markup {
    html! {
        section.secret aria-labelledby="secret-title" {
            h2 #secret-title { (title) }
            p { (advice) " It is shown now and not again." }
            p.row.center { (copied("secret", text, "Copy", Look::Button)) }
        }
    }
}

fn operator_bar(nav: &Nav, section: &str) -> Markup {
    html! {
        span.brand { "Posthaste" }
        nav.environments aria-label="Environments" {
            @for name in &nav.environments {
                a href={ "/" (name) "/" } class=(name) aria-current=[(*name == nav.environment).then_some("true")] { (name) }
            }
        }
        div.person {
            span { (nav.who) " · " (nav.role) }
            @if nav.manages { @for (path, name) in SETTINGS {
                a href=(path) aria-current=[(section == path).then_some("page")] { (name) }
            } }
            a href="/inspect" aria-current=[(section == "/inspect").then_some("page")] { "Inspector" }
            form method="post" action="/logout" { button.plain type="submit" { "Log out" } }
        }
    }
}

fn customer_bar(nav: &Nav, front: &Front) -> Markup {
    html! {
        (front.sign())
        div.person {
            span { (nav.who) }
            @if !front.is_framed { form method="post" action={ (PORTAL) "/logout" } { button.plain type="submit" { "Log out" } } }
        }
    }
}

/// Why something was refused.
pub(super) fn alert(text: &str) -> Markup {
    html! { p.alert role="alert" { (text) } }
}

/// The browser goes there next, with GET.
pub(super) fn go(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // a path holds ids and names that were looked up, never a line break
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/")));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a page answers instead, when it cannot be shown.
pub(super) struct Failure(Response);

/// Why it cannot be: rides with the answer, so that the portal tells it to a customer in other words.
#[derive(Clone)]
pub(super) struct Failed(pub(super) Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let content = html! { (alert(&words(&error))) p { a href="/" { "To the start" } } };
        let mut response = Page::bare(title(&error)).show(problem::status(&error), &content);
        response.extensions_mut().insert(Failed(error));
        Self(response)
    }
}

impl From<Response> for Failure {
    fn from(response: Response) -> Self {
        Self(response)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0
    }
}

/// An error in a word or two.
pub(super) fn title(error: &Error) -> &'static str {
    match error.kind {
        Kind::NotFound => "Not found",
        Kind::Forbidden => "Not allowed",
        Kind::Throttled => "Too many attempts",
        Kind::Internal | Kind::Overloaded => "Something failed",
        _ => "That does not work",
    }
}

/// An error in words for a person who looks at a page.
pub(super) fn words(error: &Error) -> String {
    match error.kind {
        Kind::NotFound => "There is nothing here, or not any more.".to_owned(),
        Kind::Forbidden if error.code != CROSS_ORIGIN => {
            "You can look at this and not change it: that takes an Admin.".to_owned()
        }
        Kind::Internal => {
            tracing::error!(detail = error.detail, "a page failed");
            "Something of ours failed; the server's log says what.".to_owned()
        }
        _ => match error.fields.first().and_then(|field| field.path.last()) {
            Some(field) => format!("{} {}.", label(field), error.detail.trim_end_matches('.')),
            None => error.detail.clone(),
        },
    }
}

/// The label of the field that a part of the API's request is on our pages.
fn label(field: &str) -> &str {
    const LABELS: [(&str, &str); 19] = [
        ("code", "The setup code"),
        ("email", "The e-mail"),
        ("password", "The password"),
        ("role", "The role"),
        ("environment", "The environment"),
        ("app", "Application"),
        ("secret", "The secret"),
        ("status", "The status"),
        ("delay", "The delay"),
        ("body", "The text"),
        ("rate", "Requests a second"),
        ("days", "Days until it ends"),
        ("url", "The callback URL"),
        ("description", "The name"),
        ("name", "The name"),
        ("colour", "The colour"),
        ("logo", "The logo"),
        ("eventTypes", "Events"),
        ("eventType", "The event type"),
    ];
    LABELS.iter().find(|(known, _)| *known == field).map_or(field, |(_, label)| label)
}
