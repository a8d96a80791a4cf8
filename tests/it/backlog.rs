//! A large backlog: it costs neither memory, nor time at the start, nor anybody else a moment.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::generate::{Goal, backlog};
use crate::idle::{mb, memory};
use crate::load::{Line, show, soak};
use crate::world::{Behaviour, Received, Receiver, World, eventually, now};

/// How many events wait for the dead endpoint; `scripts/soak backlog` takes 1,000,000.
const EVENTS: u64 = 50_000;
/// The most memory a server ever holds, whatever waits.
const BYTES_MAX: u64 = 200_000_000;
/// From the start of the process to the first delivery: with up to a hundred thousand due ones, and with more.
const FIRST_MAX: Duration = Duration::from_secs(2);
const FIRST_OF_MANY_MAX: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "the backlog became due by the machine's clock")]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292,000,000")
}

#[test]
fn a_backlog_for_a_dead_endpoint_costs_neither_memory_nor_time_at_the_start() {
    let count = soak("SOAK_EVENTS", EVENTS);
    let first_max = if count > 100_000 { FIRST_OF_MANY_MAX } else { FIRST_MAX };
    let alive = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&alive);
    let dead = Receiver::start(
        move |_, _| {
            if answers.load(Ordering::Relaxed) { Behaviour::Status(200) } else { Behaviour::Hang }
        },
    );
    let (mut world, good) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&dead.url);
    let (other, healthy) = world.subscribe(&good.url);
    world.terminate();
    let goal = Goal { app: &app, endpoint: &endpoint, size: 1_000 };
    let last = backlog(&world.database(), &goal, count, wall_ms() - 60_000);
    let waiting = Goal { app: &other, endpoint: &healthy, size: 1_000 };
    backlog(&world.database(), &waiting, 1, wall_ms() - 60_000);

    let begun = now();
    world.restart();
    let ready = begun.elapsed();
    let first = good.wait_since(begun) - begun;
    show(&format!(
        "{count} due deliveries of a dead endpoint: ready after {ready:?}, another's first delivery {first:?}"
    ));
    assert!(first <= first_max, "another endpoint's first delivery came after {first:?}");

    let mut line = Line::default();
    let more: Vec<_> = (0..soak("SOAK_MORE", 2_000))
        .map(|number| line.publish(&world.url, &app, &format!(r#"{{"more":{number},"{}":0}}"#, "y".repeat(1_000))))
        .collect();
    let quick = world.publish(&other, "{}");
    eventually(|| good.received().iter().any(|received| received.id() == quick).then_some(()));
    check_memory(&world, count);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    world.call("PATCH", &path, json!({"description": "still dead"})).expect(200);
    assert_eq!(world.call("GET", &format!("/api/v1/app/{app}/msg/{last}"), "").status, 200);

    world.kill();
    alive.store(true, Ordering::Relaxed);
    let (begun, before) = (now(), dead.count());
    world.restart();
    let first = dead.wait_since(begun) - begun;
    show(&format!("the endpoint answers again: its first delivery {first:?} after the restart"));
    assert!(first <= first_max, "the endpoint's own first delivery came after {first:?}");
    let drained = usize::try_from(soak("SOAK_DRAINED", 10_000)).unwrap();
    let begun = now();
    let ids: HashSet<_> = more.iter().map(String::as_str).collect();
    let done = |received: &Vec<Received>| received.iter().filter(|request| ids.contains(request.id())).count();
    eventually(|| (dead.count() >= before + drained).then_some(()));
    let received = dead.received().split_off(before);
    let distinct: HashSet<_> = received.iter().map(Received::id).collect();
    show(&format!("{} went out within {:?}, {} of them new", received.len(), begun.elapsed(), done(&received)));
    assert_eq!(distinct.len(), received.len(), "a delivery was made twice while the backlog went out");
    check_memory(&world, count);
}

fn check_memory(world: &World, count: u64) {
    let most = memory(&world.server, "VmHWM");
    show(&format!("with {count} waiting the server held {:.1} MB at most", mb(most)));
    assert!(most <= BYTES_MAX, "with {count} waiting the server held {:.1} MB", mb(most));
}

#[test]
fn events_that_go_nowhere_leave_recovery_nothing_to_look_through() {
    let world = World::start();
    let app = world.call("POST", "/api/v1/app", json!({"name": "a"})).expect(201)["id"].as_str().unwrap().to_owned();
    world.publish(&app, "{}");
    eventually(|| {
        let database = rusqlite::Connection::open(world.database()).unwrap();
        let behind = "select mark > (select max(id) from event) from engine";
        database.query_row(behind, (), |row| row.get::<_, bool>(0)).unwrap().then_some(())
    });
}
