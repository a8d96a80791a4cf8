//! Lists are walked while they grow: nothing is missed, nothing comes twice, in either direction.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::world::{Receiver, World, eventually};

/// How many events there are before the walk, and how many more before it may end.
const BEFORE: usize = 300;
const MEANWHILE: usize = 300;

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Publishes until it is told to stop; gives the ids in the order of their answers.
fn publish(world: &World, app: &str, stop: &AtomicBool) -> Vec<String> {
    let mut made = Vec::new();
    while !stop.load(Ordering::Relaxed) || made.len() < MEANWHILE {
        made.push(world.publish(app, r#"{"n":1}"#));
    }
    made
}

/// Walks a list of events, the newest first, to its end and back to what is newest then.
fn walk(get: impl Fn(&str) -> Value) -> (Vec<String>, Vec<String>) {
    let (mut forth, mut query) = (Vec::new(), "limit=7".to_owned());
    let last = loop {
        let page = get(&query);
        forth.extend(ids(&page));
        if page["done"] == true {
            break page;
        }
        query = format!("limit=7&iterator={}", page["iterator"].as_str().unwrap());
    };
    let (mut back, mut page) = (ids(&last), last);
    loop {
        page = get(&format!("limit=7&iterator={}", page["prevIterator"].as_str().unwrap()));
        back = [ids(&page), back].concat();
        if page["done"] == true {
            return (forth, back);
        }
    }
}

#[test]
fn a_list_that_grows_is_walked_both_ways_without_gap_or_repetition() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let before: Vec<_> = (0..BEFORE).map(|_| world.publish(&app, r#"{"n":0}"#)).collect();
    for rest in ["msg".to_owned(), format!("endpoint/{endpoint}/msg")] {
        let path = format!("/api/v1/app/{app}/{rest}");
        let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
        eventually(|| (world.call("GET", &stats, "").expect(200)["pending"] == 0).then_some(()));
        let stop = AtomicBool::new(false);
        let ((forth, back), meanwhile) = std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..3).map(|_| scope.spawn(|| publish(&world, &app, &stop))).collect();
            let walked = walk(|query| world.call("GET", &format!("{path}?with_content=false&{query}"), "").expect(200));
            stop.store(true, Ordering::Relaxed);
            let made: Vec<_> = publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect();
            (walked, made)
        });
        assert!(meanwhile.len() >= MEANWHILE);
        for walked in [&forth, &back] {
            let distinct: BTreeSet<_> = walked.iter().collect();
            assert_eq!(distinct.len(), walked.len(), "{path}: something came twice");
            assert!(before.iter().all(|event| distinct.contains(event)), "{path}: something was missed");
        }
        if rest != "msg" {
            continue; // attempts end in another order than that of their events
        }
        // on the way back nothing between the oldest and the newest that was seen is missing
        let seen: BTreeSet<_> = back.iter().collect();
        let newest = back.iter().max().unwrap();
        let missed = meanwhile.iter().filter(|event| *event < newest && !seen.contains(event));
        assert_eq!(missed.count(), 0, "{path}: something was passed over");
    }
}
