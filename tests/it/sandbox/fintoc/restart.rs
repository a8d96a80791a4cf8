//! A hundred links at once, and a crash in the middle: every account has its event, and none has two.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{REFRESHES, ended, get, ids, link, refresh, register};
use crate::world::{Receiver, World, eventually};

const LINKS: usize = 100;
const EVENTS: usize = 3 * LINKS;

/// Waits for each account's event; gives the events' ids. A delivery may come twice, an event may not.
fn all_told(world: &World, receiver: &Receiver, links: &[Value]) -> BTreeSet<String> {
    let accounts: BTreeSet<String> = links
        .iter()
        .flat_map(|link| link["accounts"].as_array().unwrap())
        .map(|account| account["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(accounts.len(), EVENTS);
    let told = eventually(|| {
        let received = receiver.received();
        (ids(&received).len() >= EVENTS).then_some(received)
    });
    let of: BTreeSet<String> = told
        .iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap())
        .map(|event| event["data"]["refreshed_object_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of, accounts, "each account once");
    for link in links {
        assert_eq!(ended(world, link), "succeeded");
        refresh(world, link).expect(429); // the rule holds for each
    }
    ids(&told)
}

fn make(world: &World) -> Vec<Value> {
    (0..LINKS).map(|_| link(world, &json!({ "outcomes": ["succeeded"], "newMovements": 1 }))).collect()
}

fn refresh_all(world: &World, links: &[Value]) {
    thread::scope(|scope| {
        for some in links.chunks(10) {
            scope.spawn(move || some.iter().for_each(|link| drop(refresh(world, link).expect(201))));
        }
    });
}

#[test]
fn a_hundred_links_at_once_bring_three_hundred_events() {
    let world = World::sandbox(&["--speed", "20"]);
    let receiver = Receiver::good();
    register(&world, &receiver, &REFRESHES);
    let links = make(&world);
    refresh_all(&world, &links);
    let told = all_told(&world, &receiver, &links);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(receiver.received().len(), EVENTS, "no delivery came twice");
    assert_eq!(told.len(), EVENTS);
}

#[test]
fn a_crash_in_the_middle_loses_nothing_and_tells_nothing_twice() {
    let mut world = World::sandbox(&["--speed", "20"]);
    let receiver = Receiver::good();
    register(&world, &receiver, &REFRESHES);
    let links = make(&world);
    refresh_all(&world, &links);
    for part in 1..=3 {
        eventually(|| (receiver.received().len() >= part * EVENTS / 4).then_some(()));
        world.kill_and_restart();
    }
    let told = all_told(&world, &receiver, &links);
    assert_eq!(told.len(), EVENTS);
    let pages = (1..=2).flat_map(|page| {
        let path = format!("/v2/events?per_page=300&page={page}");
        get(&world, &path).as_array().unwrap().clone()
    });
    let kept: BTreeSet<String> = pages.map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kept, told, "what was told is what is kept");
}
