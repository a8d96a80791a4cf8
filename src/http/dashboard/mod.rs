//! The operator's dashboard: pages that this server draws itself, for browsers without JavaScript.
//!
//! ```text
//! entrance  setup code, failed logins, passwords      setup  login  user      who may come in
//! visit     a request of somebody who is logged in, in one environment      -> Call, as the API takes it
//! overview  application  webhook  endpoint  test  replay  event  source  event_type      the pages of an environment
//! life      an event and all that happened to it      seen  health  catalogue  list  mask
//! frame     head, navigation, what was just done      note   form  time  asset
//! ```

use axum::Router;
use axum::routing::{get, post};

use super::state::Api;

mod application;
mod asset;
mod catalogue;
mod endpoint;
pub mod entrance;
mod event;
mod event_type;
mod form;
mod frame;
mod health;
mod life;
mod list;
mod login;
mod mask;
pub mod note;
mod overview;
pub mod password;
mod replay;
mod seen;
mod setup;
mod source;
mod test;
mod time;
mod user;
mod visit;
mod webhook;

/// The pages; `/` is the dashboard's too when nothing else stands there.
pub fn router(api: Api, has_start: bool) -> Router {
    let start = Router::new().route("/", get(overview::start));
    let pages = Router::new()
        .route(&asset::STYLE_PATH, get(asset::style))
        .route("/setup", get(setup::page).post(setup::make))
        .route("/login", get(login::page).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/settings/user", get(user::page).post(user::create))
        .route("/settings/user/{user}/delete", post(user::delete))
        .route("/{env}", get(overview::page))
        .route("/{env}/app", get(application::list))
        .route("/{env}/app/{app}", get(application::page))
        .route("/{env}/app/{app}/endpoint/new", get(webhook::page).post(webhook::create))
        .route("/{env}/app/{app}/endpoint/{ep}", get(endpoint::page))
        .route("/{env}/app/{app}/endpoint/{ep}/edit", get(webhook::edit).post(webhook::save))
        .route("/{env}/app/{app}/endpoint/{ep}/test", post(test::send))
        .route("/{env}/app/{app}/endpoint/{ep}/replay", post(replay::begin))
        .route("/{env}/app/{app}/endpoint/{ep}/pause", post(endpoint::pause))
        .route("/{env}/app/{app}/endpoint/{ep}/resume", post(endpoint::resume))
        .route("/{env}/app/{app}/endpoint/{ep}/enable", post(endpoint::enable))
        .route("/{env}/app/{app}/endpoint/{ep}/rotate", post(endpoint::rotate))
        .route("/{env}/app/{app}/endpoint/{ep}/delete", post(endpoint::delete))
        .route("/{env}/event", get(event::list))
        .route("/{env}/event/{msg}", get(event::page))
        .route("/{env}/event/{msg}/resend", post(event::resend))
        .route("/{env}/source", get(source::list))
        .route("/{env}/event-type", get(event_type::list));
    if has_start { pages.merge(start) } else { pages }.with_state(api)
}
