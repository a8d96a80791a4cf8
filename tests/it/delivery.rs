//! Delivering: retries, refusals, rotation, resends, and what a stop leaves behind.

use serde_json::json;

use crate::world::{Behaviour, Receiver, World, eventually};

#[test]
fn a_failed_attempt_is_retried_with_the_same_id_and_a_fresh_signature() {
    let receiver = Receiver::start(|count, _| Behaviour::Status(if count == 0 { 500 } else { 200 }));
    let world = World::start();
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, "{}");
    let received = receiver.wait_for(2);
    let waited = received[1].at - received[0].at;
    assert!(waited.as_millis() >= 5_000 && waited.as_millis() <= 6_500, "the second attempt came after {waited:?}");
    assert!(received.iter().all(|received| received.id() == event && received.body == b"{}"));
    assert_ne!(received[0].header("webhook-timestamp"), received[1].header("webhook-timestamp"));
    let attempts = world.attempts(&app, &event, 2);
    let codes: Vec<_> = attempts.iter().map(|attempt| attempt["responseStatusCode"].as_u64().unwrap()).collect();
    assert_eq!(codes, [200, 500], "newest first");
    let path = format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}");
    assert_eq!(world.call("GET", &format!("{path}?status=2"), "").expect(200)["data"][0], attempts[1]);
    let one = format!("/api/v1/app/{app}/msg/{event}/attempt/{}", attempts[1]["id"].as_str().unwrap());
    assert_eq!(world.call("GET", &one, "").expect(200), attempts[1]);
}

#[test]
fn gone_disables_the_endpoint_and_says_so() {
    let (world, receiver) = (World::start(), Receiver::start(|_, _| Behaviour::Status(410)));
    let (app, endpoint) = world.subscribe(&receiver.url);
    world.publish(&app, "{}");
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    eventually(|| (world.call("GET", &path, "").expect(200)["disabled"] == true).then_some(()));
    world.publish(&app, "{}");
    assert_eq!(receiver.received().len(), 1);
    world.call("PATCH", &path, json!({"disabled": false})).expect(200);
    assert_eq!(world.call("GET", &path, "").expect(200)["disabled"], false);
}

#[test]
fn nothing_is_sent_after_a_disable_was_acknowledged_and_what_waits_goes_out_when_enabled() {
    let (world, receiver) = (World::start(), Receiver::start(|_, _| Behaviour::Status(503)));
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, "{}");
    receiver.wait_for(1);
    world.attempts(&app, &event, 1);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    world.call("PATCH", &path, json!({"disabled": true})).expect(200);
    std::thread::sleep(std::time::Duration::from_secs(7));
    assert_eq!(receiver.received().len(), 1, "the retry was due while the endpoint was disabled");
    world.call("PATCH", &path, json!({"disabled": false})).expect(200);
    assert_eq!(receiver.wait_for(2)[1].id(), event);
}

#[test]
fn after_a_rotation_both_secrets_sign() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/secret");
    let secret = |world: &World| world.call("GET", &path, "").expect(200)["key"].as_str().unwrap().to_owned();
    let old = secret(&world);
    world.call("POST", &format!("{path}/rotate"), "{}").expect(204);
    let new = secret(&world);
    assert_ne!(old, new);
    world.publish(&app, "{}");
    let received = &receiver.wait_for(1)[0];
    assert!(received.signed_by(&old) && received.signed_by(&new));
    world.call("POST", &format!("{path}/rotate"), json!({"gracePeriodSeconds": 0})).expect(204);
    world.publish(&app, "{}");
    let received = &receiver.wait_for(2)[1];
    assert!(!received.signed_by(&old) && !received.signed_by(&new) && received.signed_by(&secret(&world)));
}

#[test]
fn a_resend_makes_one_attempt_now() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let event = world.publish(&app, r#"{"n":1}"#);
    world.attempts(&app, &event, 1);
    world.call("POST", &format!("/api/v1/app/{app}/msg/{event}/endpoint/{endpoint}/resend"), "").expect(202);
    let received = receiver.wait_for(2);
    assert_eq!((received[1].id(), &received[1].body), (event.as_str(), &received[0].body));
    let attempts = world.attempts(&app, &event, 2);
    assert_eq!((&attempts[0]["triggerType"], &attempts[1]["triggerType"]), (&1.into(), &0.into()));
}

#[test]
fn an_example_goes_to_its_endpoint_alone() {
    let (world, one, other) = (World::start(), Receiver::good(), Receiver::good());
    let (app, endpoint) = world.subscribe(&one.url);
    world.endpoint(&app, &json!({"url": other.url}));
    let schemas = json!({"1": {"examples": [{"amount": 7}]}});
    world.call("POST", "/api/v1/event-type", json!({"name": "a.b", "description": "", "schemas": schemas})).expect(201);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/send-example");
    world.call("POST", &path, json!({"eventType": "a.b"})).expect(200);
    world.call("POST", &path, json!({"eventType": "svix.ping"})).expect(200);
    assert_eq!(world.call("POST", &path, json!({"eventType": "nobody"})).status, 404);
    let mut bodies: Vec<_> = one.wait_for(2).into_iter().map(|received| received.body).collect();
    bodies.sort();
    assert_eq!(bodies, [br#"{"amount":7}"#.to_vec(), br#"{"success":true}"#.to_vec()]);
    assert!(other.received().is_empty());
}

#[test]
fn custom_headers_are_sent_and_what_identifies_somebody_is_not_shown_again() {
    let (world, receiver) = (World::start(), Receiver::good());
    let (app, endpoint) = world.subscribe(&receiver.url);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/headers");
    world.call("PUT", &path, json!({"headers": {"X-Team": "blue", "Authorization": "Bearer t"}})).expect(204);
    world.call("PATCH", &path, json!({"headers": {"X-Team": null, "X-More": "1"}})).expect(204);
    assert_eq!(
        world.call("GET", &path, "").expect(200),
        json!({"headers": {"X-More": "1"}, "sensitive": ["Authorization"]})
    );
    assert_eq!(world.call("PUT", &path, json!({"headers": {"Host": "x"}})).status, 422);
    world.publish(&app, "{}");
    let received = &receiver.wait_for(1)[0];
    assert_eq!(
        (received.header("x-more"), received.header("authorization"), received.header("x-team")),
        ("1", "Bearer t", "")
    );
}

#[test]
fn sigterm_lets_attempts_end_and_sends_nothing_twice() {
    let receiver = Receiver::start(|_, _| {
        std::thread::sleep(std::time::Duration::from_millis(300));
        Behaviour::Status(200)
    });
    let mut world = World::start();
    let (app, _) = world.subscribe(&receiver.url);
    let events: Vec<_> = (0..40).map(|n| world.publish(&app, &format!(r#"{{"n":{n}}}"#))).collect();
    assert_eq!(world.terminate().code(), Some(0));
    world.restart();
    let received = receiver.wait_for(40);
    world.attempts(&app, &events[39], 1);
    let mut ids: Vec<_> = received.iter().map(|received| received.id().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, events, "ids sort by time, and each came once");
}
