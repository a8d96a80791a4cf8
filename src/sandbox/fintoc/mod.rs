//! A small Fintoc: webhook endpoints, events, links and their refreshes, payments (docs.fintoc.com, the API reference).

use std::sync::Arc;

use http::Method;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::digest::sha256;
use crate::provider::Provider;
use crate::providers;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::house::{House, Shared};
use crate::sandbox::world::World;
use crate::signature::hex;

mod account;
mod control;
mod event;
mod link;
mod list;
mod once;
mod payment;
mod refresh;
mod webhook;
mod widget;

/// How long a key may be, in characters.
const KEY_CHARS_MAX: usize = 256;
/// Where every error points (docs.fintoc.com, errors).
const DOC_URL: &str = "https://docs.fintoc.com/reference/errors";

/// Answers a request.
pub(super) async fn answer(house: &Arc<House>, ask: Ask) -> Result<Reply, Problem> {
    let world = world(house, &ask)?;
    let path: Vec<_> = ask.path.iter().map(String::as_str).collect();
    match &path[..] {
        ["v1" | "v2", "webhook_endpoints", rest @ ..] => webhook::answer(house, &world, &ask, rest).await,
        ["sandbox", "reset"] if ask.method == Method::POST => control::reset(house, &world).await,
        _ => house.turn(&world, |world| once::answer(world, &ask, |world| answer_in(world, &ask, &path))).await,
    }
}

/// What is for the world's rules alone.
fn answer_in(world: &mut World, ask: &Ask, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        ["v1" | "v2", "events", rest @ ..] => event::answer(world, ask, rest),
        ["v1", "links", rest @ ..] => link::answer(world, ask, rest),
        ["v1", "accounts", rest @ ..] => account::answer(world, ask, rest),
        ["v1", "refresh_intents", rest @ ..] => refresh::answer(world, ask, rest),
        ["v1" | "v2", kinds, rest @ ..] => payment::answer(world, ask, kinds, rest),
        ["sandbox", rest @ ..] => control::answer(world, ask, rest),
        _ => Err(Problem::no_route()),
    }
}

/// What an alarm lets happen.
pub(super) fn ring(world: &mut World, what: &Value) {
    let text = |name: &str| what[name].as_str().unwrap_or_default().to_owned();
    match what["do"].as_str() {
        Some("visit") => refresh::visited(world, &text("intent"), &text("account")),
        Some("recur") => refresh::recur(world, &text("link")),
        Some("settle") => payment::settle(world, &text("kind"), &text("id")),
        _ => tracing::warn!(%what, "an alarm that this build does not know"),
    }
}

/// The world of the key: its text decides which, its beginning the mode. Error: 401.
fn world(house: &House, ask: &Ask) -> Result<Shared, Problem> {
    let key = ask.header("authorization").map(|key| key.trim_start_matches("Bearer ")).unwrap_or_default();
    let live = key.starts_with("sk_live_");
    let rest = key.strip_prefix("sk_test_").or_else(|| key.strip_prefix("sk_live_")).unwrap_or_default();
    if rest.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "send a secret key, sk_test_… or sk_live_…, as the Authorization header; any will do here";
        return Err(Problem { kind: "authentication_error", ..Problem::refused(401, "invalid_api_key", message) });
    }
    let name = format!("fintoc_{}", &hex(&sha256(key.as_bytes()))[..24]);
    house.world(&name, Provider::Fintoc, live)
}

/// An error in Fintoc's shape.
pub(super) fn problem(problem: &Problem) -> Value {
    let Problem { kind, code, message, param, .. } = problem;
    json!({ "error": { "type": kind, "message": message, "code": code, "param": param, "doc_url": DOC_URL } })
}

/// An id in Fintoc's form.
fn id(prefix: &str, rng: &mut StdRng) -> String {
    providers::id(Provider::Fintoc, prefix, rng)
}
