//! The operator's dashboard: pages that this server draws itself, for browsers without JavaScript.
//!
//! ```text
//! entrance  setup code, failed logins, passwords      setup  login  user      who may come in
//! visit     a request of somebody who is logged in, in one environment      -> Call, as the API takes it
//! frame     head, navigation, what was just done      note   form  time  asset
//! ```

use axum::Router;
use axum::routing::{get, post};

use super::state::Api;

mod asset;
pub mod entrance;
mod form;
mod frame;
mod login;
pub mod note;
mod overview;
pub mod password;
mod setup;
mod time;
mod user;
mod visit;

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
        .route("/{env}", get(overview::page));
    if has_start { pages.merge(start) } else { pages }.with_state(api)
}
