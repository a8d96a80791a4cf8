//! Lists go by the times they show: their order, their pages, and the windows they are narrowed to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{Behaviour, Receiver, World, eventually};

/// How long a slow receiver takes.
const SLOW: Duration = Duration::from_millis(700);

/// The rows of a list, each with its id and its time.
fn rows(world: &World, path: &str, query: &[(&str, &str)]) -> Vec<(String, Timestamp)> {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let list = world.call("GET", &format!("{path}?{query}"), "").expect(200);
    let row = |row: &Value| (row["id"].as_str().unwrap().to_owned(), time(&row["timestamp"]));
    list["data"].as_array().unwrap().iter().map(row).collect()
}

fn time(shown: &Value) -> Timestamp {
    shown.as_str().unwrap().parse().unwrap()
}

/// Every window between two shown times shows what lies between them, and nothing else; pages go on where they ended.
fn check(world: &World, path: &str) {
    let all = rows(world, path, &[]);
    assert!(all.is_sorted_by(|newer, older| newer.1 >= older.1), "{path}: {all:?}");
    for (_, after) in &all {
        for (_, before) in &all {
            let found = rows(world, path, &[("after", &after.to_string()), ("before", &before.to_string())]);
            let expected: Vec<_> = all.iter().filter(|row| row.1 > *after && row.1 < *before).cloned().collect();
            assert_eq!(found, expected, "{path}: after {after}, before {before}");
        }
        let older: Vec<_> = all.iter().filter(|row| row.1 < *after).cloned().collect();
        assert_eq!(rows(world, path, &[("before", &after.to_string())]), older, "{path}: before {after}");
    }
    let newest = all[0].1.to_string();
    for (place, row) in all.iter().enumerate() {
        // whatever the window says
        let walk = [("iterator", row.0.as_str()), ("before", newest.as_str()), ("after", newest.as_str())];
        assert_eq!(rows(world, path, &walk), all[place + 1..], "{path}: behind {row:?}");
    }
}

/// svix-server gives an attempt its id and its time as it begins. What takes long ends after what began later.
#[test]
fn attempts_are_listed_paged_and_narrowed_by_when_they_began() {
    let slow = Receiver::start(|count, _| {
        if count == 0 {
            std::thread::sleep(SLOW);
        }
        Behaviour::Status(200)
    });
    let world = World::start();
    let (app, endpoint) = world.subscribe(&slow.url);
    let first = world.publish(&app, r#"{"n":1}"#);
    slow.wait_for(1);
    std::thread::sleep(SLOW / 10); // another millisecond at least, as clients see it
    let second = world.publish(&app, r#"{"n":2}"#);
    world.attempts(&app, &second, 1);
    world.attempts(&app, &first, 1);
    let path = format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}");
    let list = world.call("GET", &path, "").expect(200);
    let events: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|row| &row["msgId"]).collect();
    assert_eq!(events, [&json!(second), &json!(first)], "the first began first, and ended last");
    for row in list["data"].as_array().unwrap() {
        let sent = slow.received().into_iter().find(|sent| sent.id() == row["msgId"]).unwrap();
        let signed: i64 = sent.header("webhook-timestamp").parse().unwrap();
        assert!((signed - time(&row["timestamp"]).as_second()).abs() <= 1, "{row}: it was signed at {signed}");
    }
    check(&world, &path);
}

#[test]
fn the_attempts_of_an_event_are_narrowed_by_when_they_began() {
    let count = AtomicUsize::new(0);
    let mixed = Receiver::start(move |_, _| {
        let count = count.fetch_add(1, Ordering::SeqCst);
        if count == 0 {
            std::thread::sleep(SLOW);
        }
        Behaviour::Status(if count < 3 { 500 } else { 200 })
    });
    let world = World::start();
    let app = world.call("POST", "/api/v1/app", json!({"name": "a"})).expect(201)["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        world.endpoint(&app, &json!({"url": mixed.url, "retrySchedule": [1, 1, 1]}));
    }
    let event = world.publish(&app, "{}");
    world.attempts(&app, &event, 5);
    check(&world, &format!("/api/v1/app/{app}/attempt/msg/{event}"));
    check(&world, &format!("/api/v1/app/{app}/msg/{event}/attempt"));
}

#[test]
fn events_are_narrowed_to_a_window_in_every_list() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    for number in 0..4 {
        let event = world.publish(&app, &format!(r#"{{"n":{number}}}"#));
        world.attempts(&app, &event, 1);
    }
    check(&world, &format!("/api/v1/app/{app}/msg"));
    check(&world, &format!("/api/v1/app/{app}/endpoint/{endpoint}/msg"));
    eventually(|| (receiver.received().len() == 4).then_some(()));
}
