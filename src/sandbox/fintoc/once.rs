//! Idempotency: a POST that is sent again with its key gets the answer of the first.

use serde_json::{Value, json};

use crate::digest::hash16;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::world::World;
use crate::signature::hex;

const KIND: &str = "answer";
/// The longest key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// A request that may come again.
struct Key {
    /// The hash of the key and of where it was sent.
    id: String,
    /// What was asked.
    purpose: String,
}

/// Answers as this request was answered before, else as the rule says; what it says is kept under the request's key.
pub(super) fn answer(
    world: &mut World,
    ask: &Ask,
    rule: impl FnOnce(&mut World) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let Some(key) = key(ask)? else {
        return rule(world);
    };
    if let Some(reply) = answered(world, &key)? {
        return Ok(reply);
    }
    let reply = rule(world)?;
    let body = reply.body.clone().unwrap_or(Value::Null);
    world.put(KIND, &key.id, json!({ "purpose": key.purpose, "status": reply.status, "body": body }));
    Ok(reply)
}

/// The request's key; `None` when it has none. Error: one that is empty or too long.
fn key(ask: &Ask) -> Result<Option<Key>, Problem> {
    let Some(key) = ask.header("idempotency-key").filter(|_| ask.method == http::Method::POST) else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > KEY_CHARS_MAX {
        let message = format!("the Idempotency-Key must have 1 to {KEY_CHARS_MAX} characters");
        return Err(Problem::refused(400, "invalid_idempotency_key", message));
    }
    let id = hex(&hash16(format!("{} {key}", ask.path.join("/")).as_bytes()));
    Ok(Some(Key { id, purpose: hex(&hash16(ask.purpose().as_bytes())) }))
}

/// The first answer to this request, if there was one. Error: the key was used for another request.
fn answered(world: &World, key: &Key) -> Result<Option<Reply>, Problem> {
    let Some(kept) = world.get(KIND, &key.id) else {
        return Ok(None);
    };
    if kept["purpose"] != key.purpose {
        let message = "this Idempotency-Key was used with another body; choose a new key for a new request";
        return Err(Problem::refused(400, "idempotency_key_reused", message));
    }
    let status = kept["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    Ok(Some(Reply { status, body: Some(kept["body"].clone()).filter(|body| !body.is_null()), link: None }))
}
