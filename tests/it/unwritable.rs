//! What the database cannot write, for a reason that is its own, ends nobody and harms no other.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::world::{Behaviour, Receiver, World, eventually};

/// Long enough for the engine to try again what it will.
const LOOK_ON: Duration = Duration::from_secs(3);

fn trigger(world: &World, sql: &str) {
    let other = Connection::open(world.database()).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch(sql).unwrap();
}

fn publish(world: &World, app: &str, event_type: &str) -> crate::world::Answer {
    world.call("POST", &format!("/api/v1/app/{app}/msg"), json!({ "eventType": event_type, "payload": {} }))
}

fn times(receiver: &Receiver, id: &str) -> usize {
    receiver.received().iter().filter(|request| request.id() == id).count()
}

#[test]
fn an_event_that_cannot_be_written_is_refused_and_its_neighbours_stand() {
    let world = World::start_logged(&["--allow-network", "127.0.0.0/8"]);
    let receiver = Receiver::good();
    let (app, _) = world.subscribe(&receiver.url);
    trigger(
        &world,
        "create trigger fails before insert on event when new.event_type = 'ill' begin
        select raise(abort, 'no'); end",
    );
    std::thread::scope(|scope| {
        for n in 0..24 {
            let (world, app) = (&world, &app);
            scope.spawn(move || {
                let (event_type, status) = if n % 6 == 5 { ("ill", 500) } else { ("well", 202) };
                publish(world, app, event_type).expect(status);
            });
        }
    });
    receiver.wait_for(20);
    assert!(world.call("GET", "/metrics", "").body.contains("\nposthaste_unwritable_operations_total 4\n"));
    assert_eq!(world.log().matches("an event").count(), 4, "{}", world.log());
}

#[test]
fn an_outcome_that_cannot_be_written_is_not_tried_again_before_the_next_start_which_finds_it() {
    let mut world = World::start();
    let receiver = Receiver::start(|_, request| match request.body.as_slice() {
        b"{\"fails\":1}" => Behaviour::Status(500),
        _ => Behaviour::Status(200),
    });
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [1, 1, 1, 1, 1] }));
    trigger(
        &world,
        "create trigger fails before insert on delivery
        when (select payload from event where id = new.event) = cast('{\"ill\":1}' as blob)
        begin select raise(abort, 'no'); end;
        create trigger fails_later before update on delivery
        when (select payload from event where id = new.event) = cast('{\"fails\":1}' as blob)
        begin select raise(abort, 'no'); end",
    );
    let ill = world.publish(&app, "{\"ill\":1}");
    let fails = world.publish(&app, "{\"fails\":1}");
    let well: Vec<String> = (0..20).map(|_| world.publish(&app, "{}")).collect();
    for event in &well {
        world.attempts(&app, event, 1);
    }
    eventually(|| (times(&receiver, &fails) == 2).then_some(()));
    std::thread::sleep(LOOK_ON);
    assert_eq!((times(&receiver, &ill), times(&receiver, &fails)), (1, 2), "neither is tried again");
    let late = world.publish(&app, "{}");
    world.attempts(&app, &late, 1);
    trigger(&world, "drop trigger fails; drop trigger fails_later");
    world.kill_and_restart();
    world.attempts(&app, &ill, 1);
    assert_eq!(times(&receiver, &ill), 2);
    eventually(|| (times(&receiver, &fails) > 3).then_some(()));
    assert!(well.iter().all(|event| times(&receiver, event) == 1), "what was written is not sent again");
}

#[test]
fn a_replay_passes_over_a_delivery_that_cannot_be_written() {
    let world = World::start();
    let receiver = Receiver::good();
    let (app, endpoint) = world.subscribe(&receiver.url);
    let events: Vec<String> = (0..9).map(|n| world.publish(&app, &format!("{{\"n\":{n}}}"))).collect();
    for event in &events {
        world.attempts(&app, event, 1);
    }
    trigger(
        &world,
        "create trigger fails before update on delivery
         when (select payload from event where id = new.event) = cast('{\"n\":4}' as blob)
         begin select raise(abort, 'no'); end",
    );
    let replay = json!({ "since": "2020-01-01T00:00:00Z" });
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/bulk-replay");
    let task = world.call("POST", &path, replay).expect(202)["id"].as_str().unwrap().to_owned();
    let ended = eventually(|| {
        let task = world.call("GET", &format!("/api/v1/background-task/{task}"), "").expect(200);
        (task["status"] == "finished").then_some(task)
    });
    assert_eq!(ended["data"]["messagesSent"], 8);
    receiver.wait_for(17);
    let twice = events.iter().map(|event| times(&receiver, event));
    assert_eq!(twice.collect::<Vec<_>>(), [2, 2, 2, 2, 1, 2, 2, 2, 2]);
}
