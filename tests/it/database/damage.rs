//! One page that does not hold what it should: what is on it stands still, and all else goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use posthaste::clock::{Clock as _, SystemClock};
use rusqlite::Connection;
use serde_json::json;

use crate::generate::{Goal, backlog};
use crate::world::{Behaviour, Receiver, World, eventually};

/// How many deliveries wait.
const EVENTS: u64 = 1_000;
const PAGE_BYTES: usize = 8_192;

/// Overwrites the second leaf of a table in a database that nobody has open.
fn damage(world: &World, table: &str) {
    let db = Connection::open(world.database()).unwrap();
    db.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())).unwrap();
    let sql = "select pageno from dbstat where name = ?1 and pagetype = 'leaf' order by path limit 1 offset 1";
    let page: usize = db.query_row(sql, (table,), |row| row.get(0)).unwrap();
    drop(db);
    let mut bytes = std::fs::read(world.database()).unwrap();
    bytes[(page - 1) * PAGE_BYTES..page * PAGE_BYTES].fill(0xff);
    std::fs::write(world.database(), bytes).unwrap();
}

/// How many events the list has, walked from its beginning to its end.
fn listed(world: &World, app: &str) -> usize {
    let (mut count, mut iterator) = (0, String::new());
    loop {
        let page = world.call("GET", &format!("/api/v1/app/{app}/msg?limit=250{iterator}"), "").expect(200);
        count += page["data"].as_array().unwrap().len();
        if page["done"] == json!(true) {
            return count;
        }
        iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
    }
}

fn damaged_places(world: &World) -> usize {
    let figures = world.call("GET", "/metrics", "").body;
    let line = figures.lines().find_map(|line| line.strip_prefix("posthaste_damaged_places ")).expect("a figure");
    line.parse().unwrap()
}

/// A page of this table is damaged while so many deliveries wait; all but `lost` are made, and the server goes on.
#[track_caller]
fn goes_around(table: &str, lost: u64) {
    let (mut world, good) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&good.url);
    assert!(world.terminate().success());
    let goal = Goal { app: &app, endpoint: &endpoint, size: 1_000 };
    backlog(&world.database(), &goal, EVENTS, SystemClock::start().now().wall_ms - 60_000);
    damage(&world, table);
    world.restart();
    let count = usize::try_from(EVENTS - lost).unwrap();
    good.wait_for(count);
    let last = world.publish(&app, r#"{"after":true}"#);
    eventually(|| good.received().iter().any(|received| received.id() == last).then_some(()));
    assert!(good.count() < usize::try_from(EVENTS).unwrap(), "nothing of {table} was lost");
    assert!((1..=20).contains(&damaged_places(&world)), "{table}");
    assert!(listed(&world, &app) > count, "{table}");
    let before = good.count();
    world.kill_and_restart();
    let last = world.publish(&app, r#"{"after":true}"#);
    eventually(|| good.received().iter().any(|received| received.id() == last).then_some(()));
    assert!(world.server.try_wait().unwrap().is_none() && good.count() > before, "{table}");
}

#[test]
fn payloads_that_cannot_be_read_keep_no_others_from_being_sent() {
    goes_around("event", 20);
}

#[test]
fn deliveries_that_cannot_be_read_stand_still_alone() {
    goes_around("delivery", 400);
}

#[test]
fn the_due_index_is_read_around_a_page() {
    goes_around("due", 600);
}

/// What was refused and waits stands on a damaged page, in part: the rest is recovered, and nothing looks at it for ever.
#[test]
fn a_replay_goes_around_what_cannot_be_read() {
    let takes = Arc::new(AtomicBool::new(false));
    let taking = Arc::clone(&takes);
    let receiver =
        Receiver::start(move |_, _| Behaviour::Status(if taking.load(Ordering::SeqCst) { 200 } else { 500 }));
    let mut world = World::start();
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    let endpoint = world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [] }));
    for _ in 0..200 {
        world.publish(&app, "{}");
    }
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/bulk-replay");
    let since = "2020-01-01T00:00:00Z";
    let count = |world: &World| {
        let body = json!({ "since": since, "status": 2, "dryRun": true });
        world.call("POST", &path, body).expect(200)["count"].as_u64().unwrap()
    };
    eventually(|| (count(&world) == 200).then_some(()));
    assert!(world.terminate().success());
    damage(&world, "delivery");
    world.restart();
    takes.store(true, Ordering::SeqCst);
    let left = count(&world);
    assert!((50..200).contains(&left), "{left}");
    let task = world.call("POST", &path, json!({ "since": since, "status": 2 })).expect(202)["id"].clone();
    let ended = eventually(|| {
        let task = world.call("GET", &format!("/api/v1/background-task/{}", task.as_str().unwrap()), "").expect(200);
        (task["status"] == "finished").then_some(task)
    });
    // a row that grows may need room on a page beside its own, and that one cannot be read
    let made = ended["data"]["messagesSent"].as_u64().unwrap();
    assert!((1..=left).contains(&made), "{made} of {left}");
    receiver.wait_for(200 + usize::try_from(made).unwrap());
    let ready = world.call("GET", "/api/v1/health/ready", "").expect(200);
    assert!(ready["damagedPlaces"].as_u64().unwrap() > 0, "{ready}");
}
