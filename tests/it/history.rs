//! A server with a long past: every list and every page answers as quickly as on its first day.

use std::time::Duration;

use serde_json::json;

use crate::generate::past::{self, Owner};
use crate::load::{Line, show, soak};
use crate::world::{Answer, World, now};

mod lists;
mod pages;

/// How many events there are, and of how many applications; `scripts/soak lists` and `pages` take 5,000,000 of 1,000.
const EVENTS: u64 = 20_000;
const APPS: u64 = 12;

/// A server with a long past in the environment `test`, and nearly none in `live`.
struct History {
    world: World,
    /// The applications; half of all events are the first one's.
    owners: Vec<Owner>,
}

impl History {
    fn of(flags: &[&str]) -> Self {
        let mut world = World::start_with(flags);
        let owners: Vec<_> = (0..soak("SOAK_APPS", APPS)).map(|nth| owner(&world, nth)).collect();
        world.key("admin", "live"); // whoever has none sees no such environment
        world.terminate();
        let (count, begun) = (soak("SOAK_EVENTS", EVENTS), now());
        past::write(&world.database(), &owners, count, crate::replay::now_ms());
        let bytes = std::fs::metadata(world.database()).expect("it was written").len();
        show(&format!("{count} events, {} MB, written in {:?}", bytes / 1_000_000, begun.elapsed()));
        let begun = now();
        world.restart();
        show(&format!("ready after {:?}", begun.elapsed()));
        Self { world, owners }
    }

    /// One call over a kept connection, and how long its answer took.
    #[track_caller]
    fn get(&self, line: &mut Line, path: &str, headers: &[(&str, &str)]) -> (Answer, Duration) {
        let begun = now();
        let answer = line.call(&self.world.url, ("GET", path), headers, "");
        (answer.expect("an answer"), begun.elapsed())
    }
}

/// An application whose endpoints nobody listens at.
fn owner(world: &World, nth: u64) -> Owner {
    let name = json!({ "name": format!("Customer {nth}"), "uid": format!("customer-{nth}") });
    let app = world.call("POST", "/api/v1/app", name).expect(201)["id"].as_str().unwrap().to_owned();
    // the one that has half of all events has two
    let endpoints = if nth == 0 { 2 } else { 1 };
    let endpoints =
        (0..endpoints).map(|_| world.endpoint(&app, &json!({ "url": "http://127.0.0.1:9/hook" }))).collect();
    Owner { app, endpoints }
}
