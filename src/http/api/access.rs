//! `/auth`: tokens of applications, for the portal and for their own callers.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rand::{RngCore as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use super::application::{self, ApplicationIn};
use super::{Api, empty, not_changed};
use crate::application::Application;
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::page::time;
use crate::key::{self, Action};
use crate::store::{Change, Store};
use crate::token::{self, Capability, Claims, ENDED_MS, Ended, Grant, LINK_BYTES_MAX, Which};

/// How long tokens that are to end may go on, at most: 7 days, in seconds.
const EXPIRY_SECS_MAX: i64 = 604_800;
/// How many sessions one request names.
const SESSIONS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessIn {
    application: Option<ApplicationIn>,
    read_only: Option<bool>,
    capabilities: Option<Vec<Capability>>,
    feature_flags: Option<Vec<String>>,
    expiry: Option<i64>,
    session_id: Option<String>,
}

/// A link to the portal, and the token in it.
#[derive(Serialize)]
pub(in crate::http) struct AccessOut {
    pub(in crate::http) url: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpireIn {
    expiry: Option<i64>,
    session_ids: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallerOut {
    /// The environment's name, as `env_id` too.
    environment: String,
    env_id: String,
    role: &'static str,
    application_id: Option<String>,
    app_id: Option<String>,
    stream_app_id: Option<String>,
    /// One of Svix's words: `SvixJwt` for a signed token, `RegionalAuthToken` for a key of this server.
    permission_source: &'static str,
    session_id: Option<String>,
    capabilities: Option<Vec<Capability>>,
    feature_flags: Option<Vec<String>>,
    expires_at: Option<String>,
}

/// POST `/auth/app-portal-access/{app}`: a token that is limited to the application, and the portal's URL with it.
pub(super) async fn portal(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<AccessIn>().await?;
    let _ = call.once(&body)?; // a token is kept nowhere: whoever asks again gets another one
    let application = match input.application {
        Some(like) => application::get_or_make(&api, &call, like).await?,
        None => api.application(&call).await?,
    };
    let grant = Grant {
        life_secs: input.expiry,
        capabilities: input.capabilities,
        read_only: input.read_only.unwrap_or(false),
        feature_flags: input.feature_flags.unwrap_or_default(),
        session: input.session_id,
    };
    Ok(answer(StatusCode::OK, &link(&api, &application, grant)?))
}

/// A link to the portal of an application. Error: the field that breaks a rule.
pub(in crate::http) fn link(api: &Api, application: &Application, grant: Grant) -> Result<AccessOut> {
    let now_ms = api.clock.now().wall_ms;
    let nonce = rand::rngs::StdRng::from_os_rng().next_u64();
    let claims = Claims::new(application.environment, application.id, grant, (now_ms, nonce))?;
    let token = api.auth.signer().sign(&claims);
    if token.len() > LINK_BYTES_MAX {
        let message = format!(
            "and `sessionId` make a token of {} bytes; a link holds {LINK_BYTES_MAX}, so give fewer or shorter flags",
            token.len()
        );
        return Err(Error::field("featureFlags", message));
    }
    let url = format!("{}/portal#key={token}", api.portal_url);
    Ok(AccessOut { url, token })
}

/// POST `/auth/logout`: the token that asks ends. A key stays: `posthaste key revoke` ends it.
pub(super) async fn logout(State(api): State<Api>, call: Call) -> Result<Response> {
    call.nothing().await?;
    end_one(&api, &call, call.proof()?).await?;
    Ok(empty())
}

/// Ends the token that this caller showed; a key stays.
pub(in crate::http) async fn end_one(api: &Api, call: &Call, token: &str) -> Result<()> {
    let Some(application) = call.caller.application().filter(|_| call.caller.capabilities().is_some()) else {
        return Ok(());
    };
    let now_ms = api.clock.now().wall_ms;
    let which = Which::One(token::hash(token));
    let ended = Ended { application, which, issued_until_ms: i64::MAX, from_ms: now_ms, forget_ms: now_ms + ENDED_MS };
    end(api, call, vec![ended]).await
}

/// POST `/auth/app/{app}/expire-all`: the tokens made until now end, all or those of some sessions.
pub(super) async fn expire_all(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Manage)?;
    let (input, body) = call.json::<ExpireIn>().await?;
    let _ = call.once(&body)?; // what has ended does not end again
    let application = api.application(&call).await?.id;
    let expiry = input.expiry.unwrap_or(0);
    if !(0..=EXPIRY_SECS_MAX).contains(&expiry) {
        return Err(Error::field("expiry", format!("must be 0 to {EXPIRY_SECS_MAX} seconds")));
    }
    let sessions = input.session_ids.unwrap_or_default();
    if sessions.len() > SESSIONS_MAX {
        return Err(Error::field("sessionIds", format!("names {} sessions; at most {SESSIONS_MAX}", sessions.len())));
    }
    let now_ms = api.clock.now().wall_ms;
    let ended = |which| Ended {
        application,
        which,
        issued_until_ms: now_ms,
        from_ms: now_ms + expiry * 1_000,
        forget_ms: now_ms + ENDED_MS,
    };
    let which = if sessions.is_empty() { vec![Which::All] } else { sessions.into_iter().map(Which::Session).collect() };
    end(&api, &call, which.into_iter().map(ended).collect()).await?;
    Ok(empty())
}

async fn end(api: &Api, call: &Call, ended: Vec<Ended>) -> Result<()> {
    let changed = call.change(api, Change::EndTokens(ended)).await;
    changed.map_err(|error| not_changed(error, "it cannot be ended now"))
}

/// GET `/auth/whoami`
pub(super) async fn whoami(State(api): State<Api>, call: Call) -> Result<Response> {
    let caller = &call.caller;
    let proof = call.proof()?;
    let claims = api.auth.signer().read(proof);
    let named = caller.environment;
    let environments = api.read(Store::environments).await?;
    let environment = environments.into_iter().find(|environment| environment.id == named);
    let environment = environment.map_or_else(String::new, |environment| environment.name);
    let application = caller.application().map(|application| api.engine.text().of(application));
    let out = CallerOut {
        env_id: environment.clone(),
        environment,
        role: caller.role(),
        application_id: application.clone(),
        app_id: application,
        stream_app_id: None,
        permission_source: if proof.starts_with(key::PREFIX) { "RegionalAuthToken" } else { "SvixJwt" },
        session_id: claims.as_ref().and_then(|claims| claims.session.clone()),
        capabilities: caller.capabilities().map(<[_]>::to_vec),
        feature_flags: caller.feature_flags().map(<[_]>::to_vec),
        expires_at: claims.map(|claims| time(claims.expires_ms)),
    };
    Ok(answer(StatusCode::OK, &out))
}
