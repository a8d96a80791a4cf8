//! The door of a source under load: every genuine request gets its 200 at once, whatever the endpoints behind it do.

use std::time::Duration;

use posthaste::clock::{Clock as _, SystemClock};
use posthaste::provider::Provider;
use posthaste::providers::{self, Signing};
use posthaste::secret::SecretSlot;
use serde_json::json;

use crate::isolation::tarpit;
use crate::load::{knock, many_sockets, percentile, show, soak, strict};
use crate::world::{Receiver, World};

/// What Fintoc gave out.
const SECRET: &str = "whsec_0123456789abcdefghijkl";
/// How long a provider waits for the answer, sync included: on a machine of its own, and beside other stories.
const P99_MAX: Duration = Duration::from_millis(10);
const P99_BESIDE_MAX: Duration = Duration::from_secs(2);
/// Connections that requests come over: enough for a sync that takes 50 ms.
const LINES: usize = 64;

/// Makes a source with an endpoint at that URL; gives its path in the API, and that of its door.
fn source(world: &World, url: &str) -> (String, String) {
    let config = json!({ "secrets": [SECRET] });
    let made = json!({ "name": "bank", "type": "fintoc", "config": config });
    let made = world.call("POST", "/ingest/api/v1/source", made).expect(201);
    let path = format!("/ingest/api/v1/source/{}", made["id"].as_str().unwrap());
    world.call("POST", &format!("{path}/endpoint"), json!({ "url": url })).expect(201);
    let door = made["ingestUrl"].as_str().unwrap().strip_prefix(&world.url).unwrap();
    (path, door.to_owned())
}

fn event(number: usize) -> String {
    let id = format!("evt_{number:010}");
    let data = json!({ "id": format!("pi_{number}"), "object": "payment_intent", "note": "x".repeat(800) });
    let event = json!({ "id": id, "type": "payment_intent.succeeded", "mode": "test", "object": "event",
        "created_at": "2026-11-20T12:00:00Z", "data": data });
    event.to_string()
}

/// Posts signed events at the rate of the story; fails it when one is not answered with 200, or too late.
/// Gives how many there were.
fn post(world: &World, door: &str, what: &str) -> usize {
    let secret = providers::parse_secret(Provider::Fintoc, SECRET).unwrap();
    let (slots, clock) = ([SecretSlot::new(secret)], SystemClock::start());
    let (rate, long) = (soak("SOAK_RATE", 50), Duration::from_secs(soak("SOAK_SECS", 2)));
    let mut took = knock(LINES, u32::try_from(rate).unwrap(), long, |line, number| {
        let body = event(number);
        let signing = Signing { id: "", at_secs: clock.now().wall_ms / 1_000, body: body.as_bytes() };
        let signed = providers::sign(Provider::Fintoc, &slots, signing);
        let headers: Vec<_> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = line.call(&world.url, ("POST", door), &headers, &body).expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    });
    let (p50, p99) = (percentile(&mut took, 50), percentile(&mut took, 99));
    let worst = took[took.len() - 1];
    show(&format!("a door at {rate} requests/s, {what}: p50 {p50:?}, p99 {p99:?}, max {worst:?}"));
    let most = if strict() { P99_MAX } else { P99_BESIDE_MAX };
    assert!(p99 <= most, "{what}: of 100 requests one waited {p99:?}; {most:?} are allowed");
    took.len()
}

fn accepted(world: &World, source: &str) -> u64 {
    world.call("GET", &format!("{source}/stats"), "").expect(200)["accepted"].as_u64().unwrap()
}

#[test]
fn a_door_answers_at_once_while_its_events_are_delivered() {
    let (world, good) = (World::start(), Receiver::good());
    let (path, door) = source(&world, &good.url);
    let count = post(&world, &door, "its endpoint is well");
    let received = good.wait_for(count);
    assert_eq!(received.len(), count, "each event came once");
    assert!(received.iter().all(|request| !request.header("fintoc-signature").is_empty()));
    assert_eq!(accepted(&world, &path), u64::try_from(count).unwrap());
}

#[test]
fn a_door_answers_at_once_while_the_endpoint_behind_it_hangs() {
    many_sockets();
    let world = World::start();
    let (path, door) = source(&world, &tarpit());
    let count = post(&world, &door, "its endpoint hangs");
    assert_eq!(accepted(&world, &path), u64::try_from(count).unwrap());
}
