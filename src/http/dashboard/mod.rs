//! The operator's dashboard and the customer's portal: pages that this server draws itself, and that need no
//! JavaScript; they share the rooms of webhooks and events.
//!
//! ```text
//! entrance  setup code, failed logins, passwords      setup  login  oidc  user  key      who may come in      audit      who changed what
//! portal    a link traded for a visit                                       front     the platform's name, colour and logo
//! visit     a request of somebody who is logged in, or came by a link       -> Call, as the API takes it
//! overview  picture  latency      how the environment does
//! application  webhook  endpoint  test  replay  failure  search  event  source  event_type      the pages of an environment
//! brand     how the portal looks, for its operator
//! inspect   a throw-away receiver, open to every sender      inspectors  arrival      what came there
//! life  exchange  signature      an event and all that happened to it      seen  health  viewers  catalogue  list  mask
//! frame     head, navigation, what was just done      note   form  upload  cookie  copy  time  amount  asset
//! ```

use axum::Router;
use axum::middleware::map_response_with_state;
use axum::routing::{any, get, post};

use self::frame::PORTAL;
use super::state::Api;

mod amount;
mod application;
mod arrival;
mod asset;
mod audit;
mod brand;
mod catalogue;
mod cookie;
mod copy;
mod endpoint;
pub mod entrance;
mod event;
mod event_type;
mod exchange;
mod failure;
mod form;
mod frame;
mod front;
mod health;
mod held;
mod inspect;
pub mod inspectors;
mod key;
mod latency;
mod life;
mod list;
mod login;
mod mask;
pub mod note;
mod oidc;
mod overview;
pub mod password;
mod picture;
mod portal;
mod replay;
mod retries;
mod search;
mod seen;
mod setup;
mod signature;
mod source;
mod test;
mod time;
mod upload;
mod user;
pub mod viewers;
mod visit;
mod webhook;

/// The pages; `/` is the dashboard's too when nothing else stands there.
pub fn router(api: Api, has_start: bool) -> Router {
    let start = Router::new().route("/", get(overview::start));
    let pages = Router::new()
        .merge(asset::routes())
        .route("/setup", get(setup::page).post(setup::make))
        .route("/login", get(login::page).post(login::enter))
        .route("/login/oidc", get(oidc::begin))
        .route("/login/oidc/back", get(oidc::back))
        .route("/logout", post(login::leave))
        .route("/settings/user", get(user::page).post(user::create))
        .route("/settings/user/{user}/delete", post(user::delete))
        .route("/settings/key", get(key::page).post(key::create))
        .route("/settings/key/{key}/revoke", post(key::revoke))
        .route("/settings/audit", get(audit::page))
        .route("/inspect", get(inspect::list).post(inspect::create))
        .route("/inspect/{token}", any(inspect::receive))
        .route("/inspect/{token}/seen", get(inspect::page))
        .route("/inspect/{token}/seen/{number}", get(arrival::page))
        .route("/inspect/{token}/delete", post(inspect::delete))
        .route("/{env}", get(overview::page))
        .route("/{env}/replay", get(replay::list))
        .route("/{env}/source", get(source::list))
        .route("/{env}/source/{source}", get(held::page))
        .route("/{env}/source/{source}/conflict/{conflict}/release", post(held::release))
        .route("/{env}/source/{source}/conflict/{conflict}/discard", post(held::discarded))
        .route("/{env}/source/{source}/quarantine/release", post(held::release_all))
        .route("/{env}/source/{source}/quarantine/discard", post(held::discard_all))
        .route("/{env}/app/{app}/portal", post(application::portal))
        .route("/{env}/portal", get(brand::page).post(brand::save))
        .merge(webhooks("/{env}"))
        .merge(portal(api.clone()));
    if has_start { pages.merge(start) } else { pages }.with_state(api)
}

/// The customer's pages: a way in and out, and the same webhooks, of one application.
fn portal(api: Api) -> Router<Api> {
    Router::new()
        .route(PORTAL, get(portal::page).post(portal::enter))
        .route("/portal/logout", post(portal::leave))
        .merge(webhooks(PORTAL))
        .layer(map_response_with_state(api, portal::finish))
        .route("/portal/logo/{environment}/{mark}", get(front::logo))
        .route("/assets/accent/{colour}", get(front::accent))
}

/// Applications with their webhooks and events: an operator's, or a customer's own.
fn webhooks(base: &str) -> Router<Api> {
    let at = |rest: &str| format!("{base}/{rest}");
    Router::new()
        .route(&at("app"), get(application::list))
        .route(&at("app/{app}"), get(application::page))
        .route(&at("app/{app}/endpoint/new"), get(webhook::page).post(webhook::create))
        .route(&at("app/{app}/endpoint/{ep}"), get(endpoint::page))
        .route(&at("app/{app}/endpoint/{ep}/edit"), get(webhook::edit).post(webhook::save))
        .route(&at("app/{app}/endpoint/{ep}/test"), post(test::send))
        .route(&at("app/{app}/endpoint/{ep}/replay"), post(replay::begin))
        .route(&at("app/{app}/endpoint/{ep}/pause"), post(endpoint::pause))
        .route(&at("app/{app}/endpoint/{ep}/resume"), post(endpoint::resume))
        .route(&at("app/{app}/endpoint/{ep}/enable"), post(endpoint::enable))
        .route(&at("app/{app}/endpoint/{ep}/rotate"), post(endpoint::rotate))
        .route(&at("app/{app}/endpoint/{ep}/delete"), post(endpoint::delete))
        .route(&at("replay/{task}/cancel"), post(replay::call_off))
        .route(&at("event"), get(search::page))
        .route(&at("event/{msg}"), get(event::page))
        .route(&at("event/{msg}/resend"), post(event::resend))
        .route(&at("event-type"), get(event_type::list))
}
