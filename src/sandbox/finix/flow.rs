//! Flows: each of their events comes at its time, and the resource it is about is what can be read from then on.

use rand::RngCore as _;
use serde_json::{Value, json};

use super::page;
use crate::provider::Provider;
use crate::providers::{self, Play, Scene};
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::house::{House, Shared};
use crate::sandbox::world::World;

/// The kind that counts how often a flow was played.
const FLOW: &str = "flow";

/// Where the resources of an entity are read: under the catalogue's plural, but for the two that the API names anew.
fn collection<'a>(entity: &str, plural: &'a str) -> &'a str {
    match entity {
        "identity" => "identities",
        "instrument" => "payment_instruments",
        _ => plural,
    }
}

/// The entity of a row and where its resources are read.
fn collections() -> impl Iterator<Item = (&'static str, &'static str)> {
    providers::catalogue(Provider::Finix).iter().filter_map(|row| {
        let (entity, _) = row.event_type.rsplit_once('.')?;
        Some((entity, collection(entity, row.plural.as_deref()?)))
    })
}

/// Whether there are resources under this name.
pub(super) fn is_collection(name: &str) -> bool {
    collections().any(|(_, collection)| collection == name)
}

/// Whether events of this type go to Core customers only.
fn is_core(event_type: &str) -> bool {
    let rows = providers::catalogue(Provider::Finix);
    rows.iter().any(|row| row.event_type == event_type && row.needs.as_deref() == Some("core"))
}

/// POST `/sandbox/flows/{name}`: 201 with the ids of its resources and the types of its events, which are still to come.
pub(super) async fn begin(house: &House, world: &Shared, name: &str, core: bool) -> Result<Reply, Problem> {
    let names = providers::flows(Provider::Finix).into_iter().map(|flow| flow.name).collect::<Vec<_>>();
    let Some(name) = names.iter().find(|known| **known == name) else {
        let message = format!("there is no such flow; there are {}", names.join(", "));
        return Err(Problem::refused(404, "unknown_flow", message));
    };
    house
        .turn(world, |world| {
            let round = world.get(FLOW, name).and_then(|flow| flow["rounds"].as_u64()).unwrap_or(0);
            world.put(FLOW, name, json!({ "rounds": round + 1 }));
            let seed = world.draw(&format!("{FLOW}/{name}/{round}")).next_u64();
            let scenes = providers::play(Provider::Finix, name, &Play { seed, ..world.play() }).unwrap_or_default();
            if !core && scenes.iter().any(|scene| is_core(&scene.event_type)) {
                let message = "its events go to Core customers only; use a user whose name begins with core_";
                return Err(Problem::refused(403, "core_only", message));
            }
            Ok(Reply::created(set_out(world, &scenes)))
        })
        .await
}

/// Sets the events of a flow on their way; what they are about and what they are called.
fn set_out(world: &mut World, scenes: &[Scene]) -> Value {
    let (mut ids, mut at_ms) = (Vec::new(), world.now_ms);
    for scene in scenes {
        at_ms += scene.wait_ms;
        let payload: Value = serde_json::from_slice(&scene.payload).expect("we wrote JSON");
        let id = payload["id"].clone();
        if !ids.contains(&id) {
            ids.push(id);
        }
        let body = String::from_utf8_lossy(&scene.body);
        let what = json!({ "type": scene.event_type, "id": scene.id, "payload": payload, "body": body });
        if at_ms == world.now_ms {
            happen(world, &what);
        } else {
            world.wake(at_ms, &what);
        }
    }
    let types: Vec<_> = scenes.iter().map(|scene| &scene.event_type).collect();
    json!({ "ids": ids, "events": types })
}

/// One event of a flow happens.
pub(super) fn happen(world: &mut World, what: &Value) {
    let text = |name: &str| what[name].as_str().map(str::to_owned);
    let (Some(event_type), Some(body)) = (text("type"), text("body")) else {
        return; // not one of ours
    };
    let (payload, entity) = (&what["payload"], event_type.rsplit_once('.').map(|(entity, _)| entity));
    let place = entity.and_then(|entity| collections().find(|(known, _)| *known == entity));
    if let (Some((_, collection)), Some(id)) = (place, payload["id"].as_str()) {
        world.put(collection, id, payload.clone());
    }
    let payload = payload.to_string().into();
    world.tell_scene(&Scene { event_type, payload, body: body.into(), id: text("id"), wait_ms: 0 });
}

/// GET `/{collection}`
pub(super) async fn list(house: &House, world: &Shared, ask: &Ask, collection: &str) -> Result<Reply, Problem> {
    let rows = house.turn(world, |world| Ok(world.list(collection).into_iter().cloned().collect())).await?;
    page::answer(ask, collection, rows)
}

/// GET `/{collection}/{id}`: the resource as its latest event had it.
pub(super) async fn read(house: &House, world: &Shared, collection: &str, id: &str) -> Result<Reply, Problem> {
    let resource = house.turn(world, |world| Ok(world.get(collection, id).cloned())).await?;
    resource.map(Reply::ok).ok_or_else(|| Problem::not_found(collection, id))
}
