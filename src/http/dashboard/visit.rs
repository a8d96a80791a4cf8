//! A visit: a request of somebody who is logged in, in one environment; or of a customer, in the portal.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use maud::Markup;

use super::cookie;
use super::form::{self, Form};
use super::frame::{self, Failure, Nav, PORTAL, Page, go};
use super::front::Front;
use super::note::Note;
use crate::application::ApplicationRef;
use crate::engine::message::NotChanged;
use crate::environment::{self, Environment};
use crate::error::{Error, Kind, Result};
use crate::http::call::Call;
use crate::http::problem::no_route;
use crate::http::state::Api;
use crate::id::UserId;
use crate::key::{self, Action, Caller, Role};
use crate::store::Change;
use crate::user::{Holder, Session};

/// How many characters a session's text has: 190 bits.
pub(super) const TEXT_CHARS: usize = 32;

/// A request of somebody who is logged in, or came by a link to the portal.
pub(super) struct Visit {
    /// The request, in the name of its person: what the API takes.
    pub(super) call: Call,
    /// Where it is.
    pub(super) nav: Nav,
    /// Who is logged in; `None` for a customer.
    pub(super) holder: Option<Holder>,
    /// The hash of the session, or of the link's token.
    pub(super) session: [u8; 32],
}

impl FromRequest<Api> for Visit {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, api: &Api) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, api).await.map_err(|_| Error::not_found())?;
        let wanted = params.iter().find(|(name, _)| *name == "env").map(|(_, value)| value.to_owned());
        if let Some(name) = &wanted
            && !is_environment(name)
        {
            return Err(no_route().await.into());
        }
        form::check_origin(&parts.method, &parts.headers)?;
        if is_portal(parts.uri.path()) {
            let (caller, nav, session) = customer(api, &parts).await?;
            return Ok(Self { call: Call::of(caller, params, parts, body), nav, holder: None, session });
        }
        let Some((session, person)) = person(api, &parts.headers).await? else {
            return Err(to_login(&parts.method, parts.uri.path()).into());
        };
        let here = match &wanted {
            Some(name) => person.environments.iter().find(|known| known.name == *name),
            None => person.environments.first(),
        };
        let here = here.ok_or_else(Error::not_found)?.clone();
        let caller = person.caller(&here);
        let nav = Nav {
            manages: matches!(session.holder, Holder::User(_)) && caller.may(Action::Manage).is_ok(),
            who: person.who,
            role: caller.role(),
            environments: person.environments.into_iter().map(|known| known.name).collect(),
            environment: here.name,
            front: None,
        };
        let call = Call::of(caller, params, parts, body);
        Ok(Self { call, nav, holder: Some(session.holder), session: session.hash })
    }
}

impl Visit {
    /// Reads what was posted. Error: 413, or it broke off.
    pub(super) async fn form(&self) -> Result<Form> {
        Ok(Form::read(&self.call.body(form::FORM_BYTES_MAX).await?))
    }

    /// Whether the person may do this.
    pub(super) fn may(&self, action: Action) -> bool {
        self.call.may(action).is_ok()
    }

    /// Error: the person may not manage the server: users do that, for a key is of one environment and they see all.
    pub(super) fn manages(&self) -> Result<()> {
        let refused = || Error::new(Kind::Forbidden, "insufficient access", "Admins alone");
        self.nav.manages.then_some(()).ok_or_else(refused)
    }

    /// Changes a setting in the person's name.
    pub(super) async fn change(&self, api: &Api, change: Change) -> Result<(), NotChanged> {
        self.call.change(api, change).await
    }

    /// What the query says, as a form sends it with GET.
    pub(super) fn query(&self) -> Form {
        Form::read(self.call.query_text().as_bytes())
    }

    /// A page in this environment.
    pub(super) fn page<'a>(&'a self, title: &'a str, section: &'a str) -> Page<'a> {
        Page { section, nav: Some(&self.nav), ..Page::bare(title) }
    }

    /// Shows a page with the note that waits for it.
    pub(super) fn show(&self, api: &Api, mut page: Page<'_>, content: &Markup) -> Response {
        page.note = api.notes.take(&self.session);
        if matches!(page.note, Some(Note::Secret(_) | Note::Link(_) | Note::Key(_))) {
            page.again_secs = None; // it would be gone before anybody had read it
        }
        page.show(StatusCode::OK, content)
    }

    /// Goes on to a page that says what was done, or why not.
    pub(super) fn done(&self, api: &Api, outcome: Result<Note>, path: &str) -> Response {
        let note = outcome.unwrap_or_else(|error| Note::Refused(self.words(&error)));
        api.notes.leave(self.session, note);
        go(path)
    }

    /// A path in this environment, or in the portal.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.nav.base())
    }

    /// An error in words for who visits: customers learn nothing of the operator's network.
    pub(super) fn words(&self, error: &Error) -> String {
        match error.code {
            "blocked_address" if self.is_customer() => "The callback URL must lead to a public address.".to_owned(),
            _ => frame::words(error),
        }
    }

    /// Whether a customer visits: somebody who knows of one application, and of nothing that operators do.
    pub(super) fn is_customer(&self) -> bool {
        self.nav.front.is_some()
    }
}

/// Whether a path is the portal's.
fn is_portal(path: &str) -> bool {
    path.strip_prefix(PORTAL).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Who came by a link to the portal. Error: 401 when there is no link, or when it has ended.
async fn customer(api: &Api, parts: &Parts) -> Result<(Caller, Nav, [u8; 32])> {
    let text = cookie::read(&parts.headers, cookie::PORTAL).ok_or_else(|| key::refused("no link was opened here"))?;
    let caller = api.auth.of_link(text).await?;
    let environment = caller.environment;
    let application = caller.application().map(ApplicationRef::Id).ok_or_else(Error::not_found)?;
    let read = api.read(move |store| Ok((store.application(environment, &application)?, store.brand(environment)?)));
    let (application, brand) = read.await?;
    let nav = Nav {
        manages: false,
        who: application.ok_or_else(|| key::refused("its application is gone"))?.name,
        role: caller.role(),
        environments: Vec::new(),
        environment: String::new(),
        front: Some(Front::new(api, (environment, brand), cookie::is_framed(&parts.headers))),
    };
    Ok((caller, nav, Session::hash(text)))
}

/// Who is logged in, and where the person may look.
struct Person {
    who: String,
    environments: Vec<Environment>,
    proof: Proof,
}

enum Proof {
    User(UserId, Role),
    Caller(Caller),
}

impl Person {
    fn caller(&self, here: &Environment) -> Caller {
        match &self.proof {
            Proof::User(id, role) => Caller::of_user(here.id, *id, *role),
            Proof::Caller(caller) => caller.clone(),
        }
    }
}

/// Names that environments can have: all other paths are none of ours.
fn is_environment(name: &str) -> bool {
    environment::NAMES.contains(&name) || name.starts_with(environment::ORG_PREFIX)
}

/// The session of a request and its person; `None` when nobody is logged in.
async fn person(api: &Api, headers: &HeaderMap) -> Result<Option<(Session, Person)>> {
    let Some(hash) = cookie::read(headers, cookie::SESSION).map(Session::hash) else {
        return Ok(None);
    };
    let now_ms = api.clock.now().wall_ms;
    let read = api.read(move |store| {
        let Some(session) = store.session(&hash)?.filter(|session| session.expires_ms > now_ms) else {
            return Ok(None);
        };
        let user = match session.holder {
            Holder::User(id) => store.user(id)?,
            Holder::Key(_) => None,
        };
        Ok(Some((session, user, store.environments()?)))
    });
    let Some((session, user, environments)) = read.await? else {
        return Ok(None);
    };
    let shown = |environment: &Environment| environment.name != environment::MANAGEMENT;
    let environments: Vec<_> = environments.into_iter().filter(shown).collect();
    let person = match (session.holder, user) {
        (Holder::User(_), Some(user)) => {
            Person { who: user.email, environments, proof: Proof::User(user.id, user.role) }
        }
        (Holder::User(_), None) => return Ok(None),
        (Holder::Key(id), _) => {
            let Some(known) = api.auth.key(id).await? else {
                return Ok(None);
            };
            let own = environments.into_iter().filter(|row| row.id == known.caller.environment).collect();
            Person { who: "API key".to_owned(), environments: own, proof: Proof::Caller(known.caller) }
        }
    };
    Ok(Some((session, person)))
}

/// Leads to the login, and from there back to the page that was asked for.
fn to_login(method: &Method, path: &str) -> Response {
    if *method != Method::GET {
        return go("/login");
    }
    let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    go(&format!("/login?next={next}"))
}
