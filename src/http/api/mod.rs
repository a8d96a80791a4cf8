//! The API in the Svix dialect: one noun per file; here the routes, and what all of them need.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use bytes::Bytes;
use http::StatusCode;

use super::call::Call;
use super::metrics::metrics;
use super::problem::{json, no_method, no_route, status};
use super::state::Api;
use crate::application::{Application, ApplicationRef};
use crate::endpoint::Endpoint;
use crate::engine::message::NotChanged;
use crate::error::{Error, Kind, Result};
use crate::event::Once;
use crate::id::{ApplicationId, EndpointId, Id as _};
use crate::store::{Answer, Change, Refused, Setting};

pub(super) mod access;
mod application;
pub(super) mod attempt;
pub(super) mod audit;
pub(super) mod background_task;
mod batch;
pub(crate) mod catalogue;
pub(super) mod conflict;
mod delivery;
mod direct;
mod docs;
pub(super) mod endpoint;
mod environment;
pub(super) mod event;
pub(super) mod event_type;
pub(super) mod example;
mod expunge;
mod handling;
mod header;
mod health;
pub(super) mod held;
mod import;
mod openapi_import;
mod operational;
mod ordering;
mod poller;
mod precheck;
pub(super) mod quarantine;
mod refusal;
pub(super) mod replay;
pub(super) mod secret;
pub(super) mod send_waiting;
mod source;
mod source_config;
mod source_shown;
mod source_stats;
pub(super) mod stats;
mod subscription;
mod unserved;

/// For so long, in ms, is what a deleted application or endpoint left still shown: a day.
const SHOWN_MS: i64 = 86_400_000;
/// Where the endpoints are that hear of operations.
const OPERATIONAL: &str = "/api/v1/operational-webhook/endpoint";

/// All routes.
pub fn router(api: Api) -> Router {
    Router::new()
        // the caller's customers
        .route("/api/v1/app", get(application::list).post(application::create))
        .route(
            "/api/v1/app/{app}",
            get(application::read).put(application::replace).patch(application::patch).delete(application::delete),
        )
        // where their events go
        .route("/api/v1/app/{app}/endpoint", get(endpoint::list).post(endpoint::create))
        .route(
            "/api/v1/app/{app}/endpoint/{ep}",
            get(endpoint::read).put(endpoint::replace).patch(endpoint::patch).delete(endpoint::delete),
        )
        .route("/api/v1/app/{app}/endpoint/{ep}/headers", get(header::read).put(header::replace).patch(header::merge))
        .route("/api/v1/app/{app}/endpoint/{ep}/secret", get(secret::read))
        .route("/api/v1/app/{app}/endpoint/{ep}/jwks", get(secret::public_keys))
        .route("/api/v1/app/{app}/endpoint/{ep}/secret/rotate", post(secret::rotate))
        .route("/api/v1/app/{app}/endpoint/{ep}/send-example", post(example::send))
        .route("/api/v1/app/{app}/endpoint/{ep}/stats", get(stats::deliveries))
        .route("/api/v1/app/{app}/endpoint/{ep}/attempt-stats", get(stats::attempts))
        .route("/api/v1/app/{app}/endpoint/{ep}/msg", get(delivery::of_endpoint))
        .route("/api/v1/app/{app}/endpoint/{ep}/ordering", get(ordering::read))
        .route("/api/v1/app/{app}/endpoint/{ep}/ordering/skip", post(ordering::skip))
        .merge(replays())
        // events in
        .route("/api/v1/app/{app}/msg", get(event::list).post(event::publish))
        .route("/api/v1/app/{app}/msg/batch", post(batch::publish))
        .route("/api/v1/app/{app}/msg/precheck/active", post(precheck::active))
        .route("/api/v1/app/{app}/msg/bulk-expunge", post(expunge::many))
        .route("/api/v1/app/{app}/msg/expunge-all-contents", post(expunge::all))
        .route("/api/v1/app/{app}/msg/{msg}", get(event::read))
        .route("/api/v1/app/{app}/msg/{msg}/content", delete(expunge::one))
        // what became of them
        .route("/api/v1/app/{app}/attempt/endpoint/{ep}", get(attempt::of_endpoint))
        .route("/api/v1/app/{app}/attempt/msg/{msg}", get(attempt::of_event))
        .route("/api/v1/app/{app}/msg/{msg}/endpoint", get(delivery::of_event))
        .route("/api/v1/app/{app}/msg/{msg}/attempt", get(attempt::of_event))
        .route("/api/v1/app/{app}/msg/{msg}/attempt/{atmpt}", get(attempt::read))
        .route("/api/v1/app/{app}/msg/{msg}/attempt/{atmpt}/content", delete(attempt::expunge))
        .route("/api/v1/app/{app}/msg/{msg}/endpoint/{ep}/resend", post(attempt::resend))
        // events fetched instead of delivered
        .route("/api/v1/app/{app}/poller/{sink}", get(poller::poll))
        .route("/api/v1/app/{app}/poller/{sink}/consumer/{consumer}", get(poller::consume))
        .route("/api/v1/app/{app}/poller/{sink}/consumer/{consumer}/seek", post(poller::seek))
        // the names of events
        .route("/api/v1/event-type", get(event_type::list).post(event_type::create))
        .route("/api/v1/event-type/import/provider", post(catalogue::import))
        .route("/api/v1/event-type/import/openapi", post(openapi_import::import))
        .route(
            "/api/v1/event-type/{name}",
            get(event_type::read).put(event_type::replace).patch(event_type::patch).delete(event_type::delete),
        )
        .merge(environment_routes())
        // the doors by which providers' events come in
        .route("/in/{token}", post(super::ingress::receive))
        .merge(sources())
        .merge(unserved::router())
        // for machines that watch
        .route("/api/v1/health", get(health::health))
        .route("/api/v1/health/ping", get(health::ping))
        .route("/api/v1/health/ready", get(health::ready))
        .route("/api/v1/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/metrics", get(metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state(api)
}

/// What is made again, or sent before its time.
fn replays() -> Router<Api> {
    Router::new()
        .route("/api/v1/app/{app}/endpoint/{ep}/recover", post(replay::recover))
        .route("/api/v1/app/{app}/endpoint/{ep}/bulk-replay", post(replay::bulk))
        .route("/api/v1/app/{app}/endpoint/{ep}/replay-missing", post(replay::missing))
        .route("/api/v1/app/{app}/endpoint/{ep}/send-waiting", post(replay::waiting))
        .route("/api/v1/app/{app}/send-waiting", post(send_waiting::of_application))
}

/// What belongs to the whole environment: who may call, what is counted, what hears of operations.
fn environment_routes() -> Router<Api> {
    let below = |rest: &str| format!("{OPERATIONAL}/{{ep}}{rest}");
    Router::new()
        .route("/api/v1/auth/app-portal-access/{app}", post(access::portal))
        .route("/api/v1/auth/dashboard-access/{app}", post(access::portal))
        .route("/api/v1/auth/app/{app}/expire-all", post(access::expire_all))
        .route("/api/v1/auth/logout", post(access::logout))
        .route("/api/v1/auth/whoami", get(access::whoami))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/environment", get(environment::read).patch(environment::patch))
        .route("/api/v1/environment/export", post(environment::export))
        .route("/api/v1/environment/import", post(environment::import))
        .route("/api/v1/background-task", get(background_task::list))
        .route("/api/v1/background-task/{task}", get(background_task::read))
        .route("/api/v1/background-task/{task}/cancel", post(background_task::cancel))
        .route("/api/v1/stats/usage/app", post(stats::usage))
        .route("/api/v1/stats/usage/event-types", put(stats::event_types))
        .route("/api/v1/operational-webhook/event-type", get(operational::event_types))
        .route(OPERATIONAL, get(endpoint::list).post(endpoint::create))
        .route(&below(""), get(endpoint::read).put(endpoint::replace).patch(endpoint::patch).delete(endpoint::delete))
        .route(&below("/headers"), get(header::read).put(header::replace).patch(header::merge))
        .route(&below("/secret"), get(secret::read))
        .route(&below("/secret/rotate"), post(secret::rotate))
}

/// The routes of sources; what is below `endpoint` is the same as below an application.
fn sources() -> Router<Api> {
    let endpoint = "/ingest/api/v1/source/{source}/endpoint";
    let below = |rest: &str| format!("{endpoint}/{{ep}}{rest}");
    Router::new()
        .route("/ingest/api/v1/source", get(source::list).post(source::create))
        .route(
            "/ingest/api/v1/source/{source}",
            get(source::read).put(source::replace).patch(source::patch).delete(source::delete),
        )
        .route("/ingest/api/v1/source/{source}/token/rotate", post(source::rotate_token))
        .route("/ingest/api/v1/source/{source}/stats", get(source_stats::read))
        .route("/ingest/api/v1/source/{source}/quarantine", get(quarantine::list))
        .route("/ingest/api/v1/source/{source}/refusal", get(refusal::list))
        .route("/ingest/api/v1/source/{source}/quarantine/release", post(quarantine::release_all))
        .route("/ingest/api/v1/source/{source}/quarantine/discard", post(quarantine::discard_all))
        .route("/ingest/api/v1/source/{source}/quarantine/{sha256}/release", post(quarantine::release))
        .route("/ingest/api/v1/source/{source}/quarantine/{sha256}/discard", post(quarantine::discard))
        .route("/ingest/api/v1/source/{source}/conflict", get(conflict::list))
        .route("/ingest/api/v1/source/{source}/conflict/{conflict}", get(conflict::read))
        .route("/ingest/api/v1/source/{source}/conflict/{conflict}/release", post(conflict::release))
        .route("/ingest/api/v1/source/{source}/conflict/{conflict}/discard", post(conflict::discard))
        .route("/ingest/api/v1/source/{source}/import", post(import::import))
        .route(endpoint, get(endpoint::list).post(endpoint::create))
        .route(&below(""), get(endpoint::read).put(endpoint::replace).patch(endpoint::patch).delete(endpoint::delete))
        .route(&below("/headers"), get(header::read).put(header::replace).patch(header::merge))
        .route(&below("/secret"), get(secret::read))
        .route(&below("/secret/rotate"), post(secret::rotate))
        .route(&below("/send-example"), post(example::send))
        .route(&below("/attempt"), get(attempt::of_endpoint))
}

impl Api {
    /// How the path names an application. Error: 404 for what can be neither id nor uid.
    pub(super) fn application_ref(&self, text: &str) -> Result<ApplicationRef> {
        if text.starts_with(ApplicationId::PREFIX) {
            return self.engine.text().parse(text).map(ApplicationRef::Id).ok_or_else(Error::not_found);
        }
        Ok(ApplicationRef::Uid(text.to_owned()))
    }

    /// The application in the path. Error: 404, also for another environment's.
    pub(super) async fn application(&self, call: &Call) -> Result<Application> {
        if call.is_operational() {
            return operational::application(self, call).await;
        }
        let environment = call.caller.environment;
        let application = match call.param("source") {
            "" => self.application_ref(call.param("app"))?,
            _ => ApplicationRef::Id(source::find(self, call).await?.application),
        };
        let found = self.read(move |store| store.application(environment, &application)).await?;
        let own = call.caller.application();
        // whoever is at home in one application does not learn of others
        found.filter(|found| own.is_none_or(|own| own == found.id)).ok_or_else(Error::not_found)
    }

    /// The application in the path, to read what it left: one that is deleted is shown by its id for
    /// [`SHOWN_MS`] more. Error: 404.
    pub(super) async fn application_lately(&self, call: &Call) -> Result<Application> {
        let (found, environment) = (self.application(call).await, call.caller.environment);
        let ApplicationRef::Id(id) = self.application_ref(call.param("app"))? else {
            return found;
        };
        // whoever is at home in an application left with it
        if found.is_ok() || call.caller.application().is_some() {
            return found;
        }
        let ms = self.clock.now().wall_ms - SHOWN_MS;
        self.read(move |store| store.application_lately(environment, id, ms)).await?.ok_or_else(Error::not_found)
    }

    /// The endpoint in the path, to read what it left: one that is deleted is shown by its id for [`SHOWN_MS`] more.
    /// Error: 404.
    pub(super) async fn endpoint_lately(&self, call: &Call, application: &Application) -> Result<Endpoint> {
        if !call.param("ep").starts_with(EndpointId::PREFIX) {
            return endpoint::find(self, call, application).await;
        }
        let (application, endpoint) = (application.id, call.id(self, "ep")?);
        let ms = self.clock.now().wall_ms - SHOWN_MS;
        self.read(move |store| store.endpoint_lately(application, endpoint, ms)).await?.ok_or_else(Error::not_found)
    }

    /// How the path names an application that need not exist. Error: 404 for one that the caller may not know of.
    pub(super) async fn named(&self, call: &Call) -> Result<ApplicationRef> {
        match call.caller.application() {
            Some(_) => Ok(ApplicationRef::Id(self.application(call).await?.id)),
            None => self.application_ref(call.param("app")),
        }
    }

    /// Changes a setting and answers; a retry of the request with the same key gets the same answer.
    pub(super) async fn change(
        &self,
        call: &Call,
        once: Option<Once>,
        change: Change,
        (status, body): (StatusCode, String),
    ) -> Result<Response, NotChanged> {
        let answer = once.map(|once| Answer { once, status: status.as_u16(), body: Bytes::from(body.clone()) });
        match self.engine.change(Setting { by: call.by(self), change, answer }).await {
            Ok(_) => Ok(json(status, body)),
            Err(NotChanged::Refused(Refused::Answered(answer))) => Ok(repeat(answer)),
            Err(other) => Err(other),
        }
    }

    /// The answer that this request got before, when it is a retry. Error: 409 when its key was used for another.
    pub(super) async fn answered(&self, once: Option<Once>) -> Result<Option<Response>> {
        Ok(self.answer_kept(once).await?.map(repeat))
    }

    /// As [`Self::answered`], as it was kept.
    pub(super) async fn answer_kept(&self, once: Option<Once>) -> Result<Option<Answer>> {
        let Some(once) = once else {
            return Ok(None);
        };
        let now_ms = self.clock.now().wall_ms;
        match self.read(move |store| store.answer(&once, now_ms)).await? {
            Some(answer) if answer.once.request != once.request => Err(key_reused()),
            kept => Ok(kept),
        }
    }
}

fn repeat(answer: Answer) -> Response {
    json(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK), answer.body)
}

fn key_reused() -> Error {
    Error::conflict("this Idempotency-Key was used with another body; choose a new key for a new request")
}

/// Why a setting was not changed, for the caller; `taken` says which name is taken.
pub(super) fn not_changed(error: NotChanged, taken: &str) -> Error {
    match error {
        NotChanged::Failed(error) => error,
        NotChanged::Refused(Refused::KeyReused) => key_reused(),
        NotChanged::Refused(Refused::Full(count)) => {
            let detail = format!("there are {count} already, as many as this provider allows; delete one first");
            Error::new(Kind::Invalid, "limit_reached", detail)
        }
        NotChanged::Refused(Refused::Busy(count)) => {
            Error::conflict(format!("{count} background tasks run already; wait until one has ended, or cancel it"))
        }
        NotChanged::Refused(Refused::Fixed) => {
            Error::conflict("`provider` is fixed once an application has endpoints or events; make a new application")
        }
        NotChanged::Refused(Refused::Stale) => Error::conflict("it changed at the same time; read it and try again"),
        NotChanged::Refused(_) => Error::conflict(taken),
    }
}

/// A field that the API knows and this build does not serve.
pub(super) fn unserved(field: &str, given: bool) -> Result<()> {
    if given {
        return Err(Error::new(
            Kind::Unserved,
            "not_implemented",
            format!("`{field}` is not served yet; leave it out"),
        ));
    }
    Ok(())
}

/// One part of a batch as a status, a code and a sentence.
pub(super) fn part_of(error: &Error) -> (u16, &'static str, String) {
    (status(error).as_u16(), error.code, error.detail.clone())
}

/// An answer without a body.
pub(super) fn empty() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
