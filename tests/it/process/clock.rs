//! A clock that was three days ahead while the server ran, and is right at the next start.

use posthaste::id::floor_at;
use rusqlite::Connection;

use crate::world::{Behaviour, Receiver, World, eventually};

const AHEAD_MS: i64 = 3 * 86_400_000;

#[test]
fn what_waits_does_not_stand_still_after_a_clock_that_was_ahead() {
    let receiver = Receiver::start(|count, _| Behaviour::Status(if count == 0 { 500 } else { 200 }));
    let mut world = World::start_with(&["--allow-network", "127.0.0.0/8"]);
    let (app, _) = world.subscribe(&receiver.url);
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 1);
    assert!(world.terminate().success());
    // what a clock would have written that was ahead: due times, and the last id
    let db = Connection::open(world.database()).unwrap();
    let now_ms: i64 = db.query_row("select unixepoch() * 1000", (), |row| row.get(0)).unwrap();
    assert_eq!(db.execute("update due set due_ms = due_ms + ?1", (AHEAD_MS,)).unwrap(), 1);
    db.execute("update delivery set due_ms = due_ms + ?1 where due_ms is not null", (AHEAD_MS,)).unwrap();
    db.execute("update engine set last_id = ?1", (floor_at(now_ms + AHEAD_MS),)).unwrap();
    drop(db);
    world.restart();
    receiver.wait_for(2);
    eventually(|| {
        let metrics = world.call("GET", "/metrics", "").body;
        metrics.contains("posthaste_waiting 0\n").then_some(())
    });
}
