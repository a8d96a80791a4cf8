//! Rows: what Bridge's users, items, accounts and payments are, and whether they are there yet, or still.

use serde_json::{Map, Value, json};

use crate::sandbox::ask::Problem;
use crate::sandbox::world::World;

/// What there is.
pub(super) const KINDS: [&str; 7] = ["users", "items", "accounts", "payments", "transactions", "links", "transfers"];

/// Its id is taken; the event that shows it is still to come.
const COMING: &str = "coming";
const HERE: &str = "here";
/// It was deleted; its id never comes again.
const GONE: &str = "gone";

/// A resource as it is now. Error: it is not there, or no longer.
pub(super) fn shown(world: &World, kind: &str, id: &str) -> Result<Value, Problem> {
    let row = world.get(kind, id).filter(|row| row["is"] == HERE);
    row.map(|row| row["shown"].clone()).ok_or_else(|| Problem::not_found(kind.trim_end_matches('s'), id))
}

/// Puts a resource there.
pub(super) fn put(world: &mut World, kind: &str, id: &str, shown: &Value) {
    world.put(kind, id, json!({ "is": HERE, "shown": shown }));
}

/// Sets an id aside for a resource that is still to come.
pub(super) fn announce(world: &mut World, kind: &str, id: &str, coming: &Value) {
    world.put(kind, id, json!({ "is": COMING, "shown": coming }));
}

/// A resource is there from now on, with these fields; what is gone stays gone.
pub(super) fn become_shown(world: &mut World, kind: &str, id: &str, set: &Map<String, Value>) {
    world.change(kind, id, |row| {
        if row["is"] != GONE {
            row["is"] = json!(HERE);
            for (key, value) in set {
                row["shown"][key] = value.clone();
            }
        }
    });
}

/// A resource goes, or never comes.
pub(super) fn remove(world: &mut World, kind: &str, id: &str) {
    world.change(kind, id, |row| row["is"] = json!(GONE));
}

/// All accounts of an item, or items of a user, in the order of their making; with those that are still to come where
/// asked for.
pub(super) fn all_of(world: &World, kind: &str, owner: &Value, coming: bool) -> Vec<Value> {
    let field = if kind == "items" { "user_uuid" } else { "item_id" };
    let there = |row: &&Value| row["is"] == HERE || coming && row["is"] == COMING;
    let rows = world.list(kind).into_iter().rev().filter(there).map(|row| &row["shown"]);
    rows.filter(|shown| shown[field] == owner[field]).cloned().collect()
}
