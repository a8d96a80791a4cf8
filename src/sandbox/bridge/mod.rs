//! A small Bridge: what its sandbox page would do, by calls of our own, for Bridge has no API for its webhooks.
//!
//! There is one world, whoever asks; its webhooks are the endpoints of the application `bridge` (docs.bridgeapi.io).

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result as Outcome};
use crate::provider::Provider;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::house::{House, Shared};
use crate::sandbox::world::{To, World};

mod bank;
mod payment;
mod row;
mod status;

/// The one world, and the uid of its application.
const WORLD: &str = "bridge";
/// The event of the dashboard's "Send a test".
const TEST_EVENT: &str = "TEST_EVENT";

fn world(house: &House) -> Result<Shared, Problem> {
    house.world(WORLD, Provider::Bridge, false)
}

/// Makes the application, so that webhooks can be made in it from the start.
pub(super) async fn open(house: &House) -> Outcome<()> {
    let world = world(house).map_err(|problem| Error::internal(problem.message))?;
    house.application(&mut *world.lock().await).await.map(|_| ())
}

/// Answers a request: one turn, whatever is asked.
pub(super) async fn answer(house: &Arc<House>, ask: Ask) -> Result<Reply, Problem> {
    let world = world(house)?;
    house.turn(&world, |world| routed(world, &ask)).await
}

fn routed(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    let path: Vec<_> = ask.path.iter().map(String::as_str).collect();
    let Some((&"sandbox", path)) = path.split_first() else {
        return Err(Problem::no_route());
    };
    let verb = match (&ask.method, path) {
        (&Method::POST, [_]) => "create",
        (&Method::GET, [_, _]) => "read",
        (&Method::PATCH, [_, _]) => "update",
        (&Method::DELETE, [_, _]) => "delete",
        (&Method::POST, [_, _, verb @ ("refresh" | "update" | "delete")]) => *verb,
        _ => "",
    };
    match (path, verb) {
        (["test"], "create") => Ok(test(world, ask)?),
        (["reset"], "create") => {
            world.reset();
            Ok(Reply::nothing())
        }
        (["users"], "create") => bank::create_user(world, ask),
        (["items"], "create") => bank::create_item(world, ask),
        (["accounts"], "create") => bank::create_account(world, ask),
        (["payments"], "create") => payment::create(world, ask),
        (["transactions"], "create") => payment::create_transaction(world, ask),
        (["links"], "create") => payment::create_link(world, ask),
        (["transfers"], "create") => payment::create_transfer(world, ask),
        ([kind, id], "read") if row::KINDS.contains(kind) => Ok(Reply::ok(row::shown(world, kind, id)?)),
        (["items", id, ..], "refresh") => bank::refresh_item(world, ask, id),
        (["accounts", id, ..], "update") => bank::update_account(world, ask, id),
        (["payments", id, ..], "update") => payment::update(world, ask, id),
        (["transactions", id, ..], "update") => payment::update_transaction(world, ask, id),
        (["links", id, ..], "update") => payment::update_link(world, ask, id),
        (["transfers", id, ..], "update") => payment::update_transfer(world, ask, id),
        (["users", id, ..], "delete") => bank::delete_user(world, id),
        (["items", id, ..], "delete") => bank::delete_item(world, id),
        (["accounts", id, ..], "delete") => bank::delete_account(world, id),
        (["test" | "reset"], _) => Err(no_method(ask)),
        ([kind, ..], _) if row::KINDS.contains(kind) => Err(no_method(ask)),
        _ => Err(Problem::no_route()),
    }
}

fn no_method(ask: &Ask) -> Problem {
    let message =
        format!("{} is nothing that {} can do; the sandbox's page at / lists what can", ask.method, ask.path.join("/"));
    Problem::refused(405, "method_not_allowed", message)
}

/// POST `/sandbox/test`: the constant event, to every webhook that wants it.
fn test(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    ask.only(&[])?;
    world.tell(TEST_EVENT, &json!({}), "test", To::All);
    Ok(Reply::created(json!({ "type": TEST_EVENT })))
}

/// An event and what it means for a resource, now or at its time.
struct Happening<'a> {
    event_type: &'a str,
    content: Value,
    /// What the resource with this id is from then on.
    row: Option<(&'a str, String, Value)>,
}

impl Happening<'_> {
    fn what(&self) -> Value {
        let Self { event_type, content, row } = self;
        let row = row.as_ref().map(|(kind, id, set)| json!({ "kind": kind, "id": id, "set": set }));
        json!({ "type": event_type, "content": content, "row": row })
    }

    /// It happens so much later, at the world's speed.
    fn later(&self, world: &mut World, after_ms: i64) {
        let at_ms = world.now_ms + world.wait_ms(after_ms);
        world.wake(at_ms, &self.what());
    }

    /// It happens now.
    fn now(&self, world: &mut World) {
        ring(world, &self.what());
    }
}

/// What an alarm lets happen. Of what is gone by then only the event remains, a stray, as at Bridge.
pub(super) fn ring(world: &mut World, what: &Value) {
    let (Some(event_type), content, row) = (what["type"].as_str(), &what["content"], &what["row"]) else {
        return; // not one of ours
    };
    if let (Some(kind), Some(id), Some(set)) = (row["kind"].as_str(), row["id"].as_str(), row["set"].as_object()) {
        row::become_shown(world, kind, id, set);
    }
    world.tell(event_type, content, "", To::All);
}

/// An error in Bridge's shape (docs.bridgeapi.io/docs/basics, for the API of v3; that of 2019 had `type`, `message`,
/// `documentation_url`). Whether `errors` stands around it on the wire is not documented.
pub(super) fn problem(problem: &Problem) -> Value {
    let mut error = Map::new();
    error.insert("code".to_owned(), json!(if problem.status == 404 { "not_found" } else { problem.code }));
    if let Some(param) = &problem.param {
        error.insert("property".to_owned(), json!(param));
    }
    error.insert("message".to_owned(), json!(problem.message));
    Value::Object(error)
}
