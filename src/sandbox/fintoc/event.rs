//! Events: any kind on demand, and each that was told, by its id.

use http::Method;
use serde_json::{Map, Value};

use crate::provider::Provider;
use crate::providers;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::list;
use crate::sandbox::world::{EVENT, To, World};

/// How long the name of a kind may be, in characters.
const TYPE_CHARS_MAX: usize = 256;

pub(super) fn answer(world: &mut World, ask: &Ask, rest: &[&str]) -> Result<Reply, Problem> {
    match (&ask.method, rest) {
        (&Method::POST, ["trigger"]) => trigger(world, ask),
        (&Method::GET, []) => {
            let all: Vec<Value> = world.list(EVENT).into_iter().filter_map(shown).collect();
            list::page(ask, &all.iter().collect::<Vec<_>>())
        }
        (&Method::GET, [id]) => {
            let event = world.get(EVENT, id).and_then(shown);
            event.map(Reply::ok).ok_or_else(|| Problem::not_found("event", id))
        }
        _ => Err(Problem::no_route()),
    }
}

/// The event as it was sent.
fn shown(event: &Value) -> Option<Value> {
    serde_json::from_str(event["body"].as_str()?).ok()
}

/// The kind that a request names. Error: none, or one that Fintoc does not send.
pub(super) fn needed_type(ask: &Ask) -> Result<String, Problem> {
    let name = ask.needed_text("type", TYPE_CHARS_MAX)?;
    let known = providers::catalogue(Provider::Fintoc).iter().any(|row| row.event_type == name);
    let unknown = || Problem::field("type", format!("`{name}` is no event type; the API reference lists them"));
    if known { Ok(name) } else { Err(unknown()) }
}

/// Only the test mode makes events up.
pub(super) fn in_test_mode(world: &World) -> Result<(), Problem> {
    let message = "events are made up in test mode only; use a key that begins with sk_test_";
    if world.live { Err(Problem::refused(400, "test_mode_only", message)) } else { Ok(()) }
}

/// Tells an event of this kind, made up, with what the caller sets in it; gives the event as it is sent.
pub(super) fn make_up(
    world: &mut World,
    ask: &Ask,
    name: &str,
    overrides: &Map<String, Value>,
    to: To<'_>,
) -> Result<Value, Problem> {
    let purpose = ask.purpose();
    let seed = rand::RngCore::next_u64(&mut world.draw(&purpose));
    let play = providers::Play { seed, ..world.play() };
    let scene = providers::example(Provider::Fintoc, name, 0, &play).ok_or_else(Problem::no_route)?;
    let mut data: Value = serde_json::from_slice(&scene.payload).map_err(|_| Problem::unavailable())?;
    merge(&mut data, overrides);
    let id = world.tell(name, &data, &purpose, to);
    world.get(EVENT, &id).and_then(shown).ok_or_else(Problem::unavailable)
}

fn trigger(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    in_test_mode(world)?;
    let name = needed_type(ask)?;
    if providers::goes_to_a_url(Provider::Fintoc, &name) {
        let message = format!("`{name}` goes to the webhookUrl of a link alone; make one with POST /sandbox/links");
        return Err(Problem::field("type", message));
    }
    let overrides = ask.object("overrides")?.unwrap_or_default();
    make_up(world, ask, &name, &overrides, To::All).map(Reply::created)
}

/// Sets fields of objects, as deep as the caller goes.
fn merge(into: &mut Value, fields: &Map<String, Value>) {
    for (key, value) in fields {
        match (value, into.get_mut(key)) {
            (Value::Object(inner), Some(below @ Value::Object(_))) => merge(below, inner),
            _ => into[key] = value.clone(),
        }
    }
}
