//! What happens to endpoints and attempts is told to whoever asked for it, and to nobody else.

use serde_json::{Value, json};

use crate::world::{Behaviour, Receiver, World, eventually};

const HEARERS: &str = "/api/v1/operational-webhook/endpoint";

fn told(receiver: &Receiver) -> Vec<Value> {
    receiver.received().iter().map(|received| serde_json::from_slice(&received.body).unwrap()).collect()
}

/// The first that is told of this kind.
fn wait_for(receiver: &Receiver, kind: &str) -> Value {
    eventually(|| told(receiver).into_iter().find(|event| event["type"] == kind))["data"].clone()
}

#[test]
fn an_endpoints_life_is_told_and_signed_as_any_event() {
    let (world, hearer) = (World::start(), Receiver::good());
    let made = world.call("POST", HEARERS, json!({"url": hearer.url, "uid": "ops"})).expect(201);
    let secret = world.call("GET", &format!("{HEARERS}/ops/secret"), "").expect(200);
    let app = world.call("POST", "/api/v1/app", json!({"name": "acme", "uid": "acme"})).expect(201);
    let endpoint = world.endpoint("acme", &json!({"url": "http://127.0.0.1:1/", "uid": "ledger"}));
    let path = format!("/api/v1/app/acme/endpoint/{endpoint}");
    world.call("PATCH", &path, json!({"description": "x"})).expect(200);
    assert_eq!(world.call("DELETE", &path, "").status, 204);
    let expected = json!({"appId": app["id"], "appUid": "acme", "endpointId": endpoint, "endpointUid": "ledger"});
    for kind in ["endpoint.created", "endpoint.updated", "endpoint.deleted"] {
        assert_eq!(wait_for(&hearer, kind), expected, "{kind}");
    }
    for received in hearer.received() {
        assert!(received.signed_by(secret["key"].as_str().unwrap()), "{received:?}");
    }
    let list = world.call("GET", HEARERS, "").expect(200);
    assert_eq!((&list["data"][0]["id"], list["data"].as_array().unwrap().len()), (&made["id"], 1));
    assert_eq!(
        world.call("GET", "/api/v1/app", "").expect(200)["data"].as_array().unwrap().len(),
        1,
        "no list shows it"
    );
}

#[test]
fn a_hearer_hears_what_it_asked_for_of_its_own_environment() {
    let (world, hearer, other) = (World::start(), Receiver::good(), Receiver::good());
    let live = world.key("admin", "live");
    let call = |body: Value| world.call_as(&live, "POST", HEARERS, &[], &body.to_string());
    eventually(|| (call(json!({"url": other.url})).status == 201).then_some(()));
    let unknown = json!({"url": hearer.url, "eventTypes": ["payment.succeeded"]});
    let refused = world.call("POST", HEARERS, unknown).expect(422);
    assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("endpoint.disabled"), "{refused}");
    world.call("POST", HEARERS, json!({"url": hearer.url, "eventTypes": ["endpoint.deleted"]})).expect(201);
    let (app, endpoint) = world.subscribe("http://127.0.0.1:1/");
    assert_eq!(world.call("DELETE", &format!("/api/v1/app/{app}/endpoint/{endpoint}"), "").status, 204);
    assert_eq!(wait_for(&hearer, "endpoint.deleted")["endpointId"], endpoint.as_str());
    assert_eq!((told(&hearer).len(), told(&other).len()), (1, 0));
}

#[test]
fn an_endpoint_that_is_gone_is_told_of_at_once() {
    let (world, hearer) = (World::start(), Receiver::good());
    world.call("POST", HEARERS, json!({"url": hearer.url})).expect(201);
    let gone = Receiver::start(|_, _| Behaviour::Status(410));
    let (app, endpoint) = world.subscribe(&gone.url);
    world.publish(&app, "{}");
    let disabled = wait_for(&hearer, "endpoint.disabled");
    assert_eq!((&disabled["appId"], &disabled["endpointId"]), (&json!(app), &json!(endpoint)));
    assert!(disabled["failSince"].as_str().unwrap().starts_with("20"), "{disabled}");
}

#[test]
fn a_delivery_that_fails_and_recovers_is_told_of() {
    let (world, hearer) = (World::start(), Receiver::good());
    let wanted = ["message.attempt.failing", "message.attempt.recovered"];
    world.call("POST", HEARERS, json!({"url": hearer.url, "eventTypes": wanted})).expect(201);
    let flaky = Receiver::start(|count, _| Behaviour::Status(if count < 5 { 500 } else { 200 }));
    let (app, endpoint) = world.subscribe(&flaky.url);
    let event = world.publish(&app, "{}");
    for attempts in 1..6 {
        world.attempts(&app, &event, attempts);
        world.call("POST", &format!("/api/v1/app/{app}/msg/{event}/endpoint/{endpoint}/resend"), "").expect(202);
    }
    let failing = wait_for(&hearer, "message.attempt.failing");
    assert_eq!((&failing["msgId"], &failing["endpointId"]), (&json!(event), &json!(endpoint)));
    assert_eq!(failing["lastAttempt"]["responseStatusCode"], 500);
    let recovered = wait_for(&hearer, "message.attempt.recovered");
    assert_eq!((&recovered["msgId"], &recovered["lastAttempt"]["responseStatusCode"]), (&json!(event), &json!(200)));
    assert_eq!(told(&hearer).len(), 2, "each is told once");
}
