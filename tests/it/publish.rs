//! Publishing: an event is accepted once, and its bytes arrive as they were.

use std::collections::BTreeSet;

use crate::world::{Receiver, World, eventually};

#[test]
fn an_event_arrives_signed_with_the_bytes_that_were_published() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let payload = r#"{ "amount": 1.10,"n":9007199254740993 , "é":"\u0000\ud800", "n":1e999999}"#;
    let event = world.publish(&app, payload);
    let received = &receiver.wait_for(1)[0];
    assert_eq!((received.body.as_slice(), received.id()), (payload.as_bytes(), event.as_str()));
    let secret = world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}/secret"), "").expect(200);
    assert!(received.signed_by(secret["key"].as_str().unwrap()));
    let attempts = world.attempts(&app, &event, 1);
    assert_eq!((&attempts[0]["status"], &attempts[0]["responseStatusCode"]), (&0.into(), &200.into()));
    assert_eq!(
        world.call("GET", &format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}"), "").expect(200)["data"][0],
        attempts[0]
    );
}

#[test]
fn a_raw_payload_arrives_as_its_own_bytes() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, _) = world.subscribe(&receiver.url);
    let body = r#"{"eventType":"a","payload":{},"transformationsParams":{"rawPayload":"<xml>\n</xml>"}}"#;
    world.call("POST", &format!("/api/v1/app/{app}/msg"), body).expect(202);
    assert_eq!(receiver.wait_for(1)[0].body, b"<xml>\n</xml>");
}

#[test]
fn the_same_request_with_the_same_key_becomes_one_event_and_another_body_is_a_conflict() {
    let (mut world, receiver) = (World::start(), Receiver::good());
    let (app, _) = world.subscribe(&receiver.url);
    for key in ["mine", "auto_1f3a"] {
        let publish = |world: &World, n: u32| {
            let body = format!(r#"{{"eventType":"a","payload":{{"n":{n}}}}}"#);
            world.call_as(
                crate::world::KEY,
                "POST",
                &format!("/api/v1/app/{app}/msg"),
                &[("idempotency-key", key)],
                &body,
            )
        };
        let first = publish(&world, 1).expect(202);
        assert_eq!(publish(&world, 1).expect(202), first);
        assert_eq!(publish(&world, 2).expect(409)["code"], "conflict");
        world.kill_and_restart();
        assert_eq!(publish(&world, 1).expect(202), first, "{key} after a restart");
    }
    let other = world.publish(&app, r#"{"last":true}"#);
    let ids = eventually(|| {
        let ids: BTreeSet<_> = receiver.received().iter().map(|received| received.id().to_owned()).collect();
        ids.contains(&other).then_some(ids)
    });
    assert_eq!(ids.len(), 3, "a kill may send an event again, never as another one");
}

#[test]
fn an_event_id_is_taken_as_long_as_its_event_lives_and_the_key_decides_first() {
    let world = World::start();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"a","uid":"acme"}"#).expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/app/{app}/msg");
    let body = r#"{"eventType":"a","eventId":"order-1","payload":{}}"#;
    let publish = |key: &str| world.call_as(crate::world::KEY, "POST", &path, &[("idempotency-key", key)], body);
    let first = publish("k1").expect(202);
    assert_eq!(publish("k1").expect(202), first);
    assert_eq!(publish("k2").expect(409)["code"], "conflict");
    assert_eq!(world.call("POST", "/api/v1/app/acme/msg", body).expect(409)["code"], "conflict");
    assert_eq!(world.call("GET", "/api/v1/app/acme/msg/order-1", "").expect(200)["id"], first["id"]);
}

#[test]
fn a_batch_answers_for_each_event_in_order() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, _) = world.subscribe(&receiver.url);
    let body = r#"{"messages":[{"eventType":"a","payload":{"n":1}},{"eventType":"b c","payload":{}},{"eventType":"a","payload":3},{"eventType":"a","payload":{"n":2}}]}"#;
    let answer = world.call("POST", &format!("/api/v1/app/{app}/msg/batch"), body).expect(202);
    let statuses: Vec<_> =
        answer["data"].as_array().unwrap().iter().map(|part| part["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [202, 422, 422, 202]);
    assert!(answer["data"][1]["detail"].as_str().unwrap().contains("a-z"));
    let bodies: Vec<_> = receiver.wait_for(2).into_iter().map(|received| received.body).collect();
    assert!(bodies.contains(&br#"{"n":1}"#.to_vec()) && bodies.contains(&br#"{"n":2}"#.to_vec()));
    assert_eq!(world.call("POST", "/api/v1/app/nobody/msg/batch", body).status, 404);
}

#[test]
fn an_event_goes_to_the_endpoints_that_want_its_type_and_channel() {
    let (world, all, typed, channel) = (World::start(), Receiver::good(), Receiver::good(), Receiver::good());
    let (app, _) = world.subscribe(&all.url);
    world.call("POST", "/api/v1/event-type", r#"{"name":"refund.failed","description":"d"}"#).expect(201);
    world.endpoint(&app, &serde_json::json!({"url": typed.url, "eventTypes": ["refund.failed"]}));
    world.endpoint(&app, &serde_json::json!({"url": channel.url, "channels": ["eu", "us"]}));
    let publish = |body: &str| world.call("POST", &format!("/api/v1/app/{app}/msg"), body).expect(202);
    publish(r#"{"eventType":"refund.failed","payload":{"n":1}}"#);
    publish(r#"{"eventType":"other","payload":{"n":2},"channels":["eu"]}"#);
    publish(r#"{"eventType":"other","payload":{"n":3},"channels":["asia"]}"#);
    all.wait_for(3);
    assert_eq!(typed.wait_for(1)[0].body, br#"{"n":1}"#);
    assert_eq!(channel.wait_for(1)[0].body, br#"{"n":2}"#);
    assert_eq!((typed.received().len(), channel.received().len()), (1, 1));
}

#[test]
fn batches_that_fill_more_than_one_commit_are_answered_and_delivered_whole() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, _) = world.subscribe(&receiver.url);
    let message = |n: usize| format!(r#"{{"eventType":"a","payload":{{"n":{n}}}}}"#);
    let publish = &|first: usize| {
        let messages: Vec<_> = (first..first + 1_000).map(message).collect();
        let body = format!(r#"{{"messages":[{}]}}"#, messages.join(","));
        world.call("POST", &format!("/api/v1/app/{app}/msg/batch"), body).expect(202)
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..5).map(|batch| scope.spawn(move || publish(batch * 1_000))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let accepted =
        |answer: &serde_json::Value| answer["data"].as_array().unwrap().iter().all(|part| part["status"] == 202);
    assert!(answers.iter().all(accepted));
    let bodies: BTreeSet<_> = receiver.wait_for(5_000).into_iter().map(|received| received.body).collect();
    assert_eq!(bodies.len(), 5_000);
}
