//! Lists are walked while they grow: nothing is missed, nothing comes twice, in either direction.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::load::{Line, show, soak};
use crate::world::{Receiver, World, eventually, now};

/// How many events there are before the walk, how many more before it may end, and how many a second come meanwhile;
/// `scripts/soak paging` takes 20,000, 60,000 and 1,000.
const BEFORE: u64 = 300;
const MEANWHILE: u64 = 300;
const RATE: u64 = 300;
/// How many publishers there are.
const PUBLISHERS: u64 = 3;

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Publishes at its share of the rate until it is told to stop; gives the ids in the order of their answers.
fn publish(world: &World, app: &str, stop: &AtomicBool) -> Vec<String> {
    let (mut line, mut made, begun) = (Line::default(), Vec::new(), now());
    let least = usize::try_from(soak("SOAK_MEANWHILE", MEANWHILE) / PUBLISHERS).unwrap();
    let step = Duration::from_secs(PUBLISHERS) / u32::try_from(soak("SOAK_RATE", RATE)).unwrap();
    while !stop.load(Ordering::Relaxed) || made.len() < least {
        let at = begun + step * u32::try_from(made.len()).unwrap();
        std::thread::sleep(at.saturating_duration_since(now()));
        made.push(line.publish(&world.url, app, r#"{"n":1}"#));
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
    let (mut pages, mut page) = (vec![ids(&last)], last);
    loop {
        page = get(&format!("limit=7&iterator={}", page["prevIterator"].as_str().unwrap()));
        pages.push(ids(&page));
        if page["done"] == true {
            return (forth, pages.into_iter().rev().flatten().collect());
        }
    }
}

#[test]
fn a_list_that_grows_is_walked_both_ways_without_gap_or_repetition() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let mut line = Line::default();
    let before = (0..soak("SOAK_BEFORE", BEFORE)).map(|_| line.publish(&world.url, &app, r#"{"n":0}"#));
    let before: Vec<_> = before.collect();
    for rest in ["msg".to_owned(), format!("endpoint/{endpoint}/msg")] {
        let path = format!("/api/v1/app/{app}/{rest}");
        let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
        eventually(|| (world.call("GET", &stats, "").expect(200)["pending"] == 0).then_some(()));
        let stop = AtomicBool::new(false);
        let ((forth, back), meanwhile, took) = std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..PUBLISHERS).map(|_| scope.spawn(|| publish(&world, &app, &stop))).collect();
            let (line, begun) = (Mutex::new(Line::default()), now());
            let walked = walk(|query| {
                let path = format!("{path}?with_content=false&{query}");
                line.lock().unwrap().call(&world.url, ("GET", &path), &[], "").expect("an answer").expect(200)
            });
            let took = begun.elapsed();
            stop.store(true, Ordering::Relaxed);
            let made: Vec<_> = publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect();
            (walked, made, took)
        });
        show(&format!(
            "{path}: {} and {} rows within {took:?}, {} came meanwhile",
            forth.len(),
            back.len(),
            meanwhile.len()
        ));
        assert!(meanwhile.len() as u64 >= soak("SOAK_MEANWHILE", MEANWHILE));
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
