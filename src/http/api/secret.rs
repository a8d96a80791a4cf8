//! `/app/{app}/endpoint/{ep}/secret`: for the eyes of admins.

use aws_lc_rs::signature::KeyPair as _;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use rand::SeedableRng as _;
use serde::{Deserialize, Serialize};

use super::{Api, empty, endpoint};
use crate::error::{Error, Result};
use crate::http::call::{Call, answer};
use crate::http::sdk;
use crate::key::Action;
use crate::provider::Provider;
use crate::providers;
use crate::secret::{self, GRACE_SECS, GRACE_SECS_MAX, Scheme, Secret, SecretSlot};

/// From this version on Svix's SDKs read the key that a rotation of an application's endpoint answers with. Those before
/// it take 204 for an answer without a body, and in Java, Kotlin and C# fail at any other after the rotation is made;
/// those from it on still do at the endpoints of sources and operational webhooks.
const READS_KEY: (u32, u32) = (2, 7);
/// What somebody asks for who wants the key (RFC 7240).
const PREFERS_KEY: &str = "return=representation";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RotateIn {
    key: Option<String>,
    grace_period_seconds: Option<i64>,
}

#[derive(Serialize)]
struct SecretOut {
    key: String,
}

/// GET `…/secret`
pub(super) async fn read(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::SeeSecret)?;
    show(&api, &call).await
}

async fn show(api: &Api, call: &Call) -> Result<Response> {
    let application = api.application(call).await?;
    let endpoint = endpoint::find(api, call, &application).await?;
    let current = endpoint.secrets.first().ok_or_else(|| Error::internal("an endpoint without a secret"))?;
    Ok(answer(StatusCode::OK, &SecretOut { key: current.secret.shown() }))
}

#[derive(Serialize)]
struct KeysOut {
    keys: Vec<PublicKeyOut>,
}

/// A public key as RFC 8037 writes it.
#[derive(Serialize)]
struct PublicKeyOut {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    x: String,
}

/// GET `…/jwks`: the public keys that verify what is signed now; none for an endpoint with a shared secret.
pub(super) async fn public_keys(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::Read)?;
    let application = api.application(&call).await?;
    let endpoint = endpoint::find(&api, &call, &application).await?;
    let at_secs = api.clock.now().wall_ms.div_euclid(1_000);
    let key = |secret: &Secret| {
        let x = URL_SAFE_NO_PAD.encode(secret.pair()?.public_key());
        Some(PublicKeyOut { kty: "OKP", crv: "Ed25519", alg: "EdDSA", purpose: "sig", x })
    };
    let keys = secret::signing(&endpoint.secrets, at_secs).filter_map(key).collect();
    Ok(answer(StatusCode::OK, &KeysOut { keys }))
}

/// POST `…/secret/rotate`: the old one signs on until its grace ends. 200 with the key for whoever reads it, else 204.
pub(super) async fn rotate(State(api): State<Api>, call: Call) -> Result<Response> {
    call.may(Action::RotateSecret)?;
    let (input, body) = call.json::<RotateIn>().await?;
    let once = call.once(&body)?;
    if api.answered(once).await?.is_some() {
        return rotated(&api, &call).await; // secrets are sealed at rest: none is kept with the answer
    }
    let grace_secs = input.grace_period_seconds.unwrap_or(GRACE_SECS);
    if !(0..=GRACE_SECS_MAX).contains(&grace_secs) {
        return Err(Error::field("gracePeriodSeconds", format!("must be 0 to {GRACE_SECS_MAX} (7 days)")));
    }
    let fresh = |provider, slots: &[SecretSlot]| match input.key.as_deref() {
        Some(text) => providers::parse_secret(provider, text).map_err(|error| Error::field("key", error.detail)),
        None => Ok(successor(provider, slots)),
    };
    let now_ms = api.clock.now().wall_ms;
    endpoint::change_once(&api, &call, once, |endpoint| {
        let (overlap, secret) = (providers::overlap(endpoint.provider), fresh(endpoint.provider, &endpoint.secrets)?);
        secret::rotate(&mut endpoint.secrets, secret, overlap, grace_secs, now_ms)
    })
    .await?;
    rotated(&api, &call).await // the same request may have come twice at once, and the other one rotated
}

async fn rotated(api: &Api, call: &Call) -> Result<Response> {
    if reads_key(call) { show(api, call).await } else { Ok(empty()) }
}

fn reads_key(call: &Call) -> bool {
    let preferences = call.headers().get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = preferences.flat_map(|value| value.split([',', ';']));
    let prefers = preferences.any(|one| one.trim().replace('"', "").eq_ignore_ascii_case(PREFERS_KEY));
    let is_of_application = !call.is_operational() && call.param("source").is_empty();
    prefers || (is_of_application && sdk::version(call.headers()).is_some_and(|version| version >= READS_KEY))
}

/// A fresh secret in place of the current one: of its kind, whatever new endpoints get, for the receiver verifies that.
pub(in crate::http) fn successor(provider: Provider, slots: &[SecretSlot]) -> Secret {
    let scheme = slots.first().map_or(Scheme::default(), |current| current.secret.scheme());
    providers::generate_secret_for(provider, scheme, &mut rand::rngs::StdRng::from_os_rng())
}
