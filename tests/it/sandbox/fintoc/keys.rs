//! Keys: what one sees no other does, and a request that comes again is answered as the first.

use serde_json::{Value, json};

use super::{KEY, ask, get, link, post, register};
use crate::world::{Receiver, World};

#[test]
fn data_of_one_key_is_invisible_to_another() {
    let world = World::sandbox(&[]);
    register(&world, &Receiver::good(), &["payment_intent.succeeded"]);
    let link = link(&world, &json!({}));
    let payment = post(&world, "/v1/payment_intents", &json!({ "amount": 1, "currency": "CLP" })).expect(201);
    let payment = payment["id"].as_str().unwrap();
    post(&world, &format!("/sandbox/payment_intents/{payment}/succeeded"), &Value::Null).expect(200);
    let event = get(&world, "/v2/events")[0]["id"].as_str().unwrap().to_owned();
    let endpoint = get(&world, "/v1/webhook_endpoints")[0]["id"].as_str().unwrap().to_owned();
    let (token, account) = (link["link_token"].as_str().unwrap(), link["accounts"][0]["id"].as_str().unwrap());
    let paths = [
        format!("/v1/payment_intents/{payment}"),
        format!("/v2/events/{event}"),
        format!("/v1/webhook_endpoints/{endpoint}"),
        format!("/v1/links/{token}"),
        format!("/v1/accounts/{account}?link_token={token}"),
        format!("/v1/accounts/{account}/movements?link_token={token}"),
        format!("/v1/refresh_intents?link_token={token}"),
    ];
    for path in &paths {
        get(&world, path);
        for other in ["sk_test_of_somebody_else", "sk_live_of_a_story"] {
            let refused = ask(&world, other, "GET", path, &Value::Null).expect(404);
            assert_eq!(refused["error"]["code"], "missing_resource", "{path}");
        }
        assert_eq!(ask(&world, "", "GET", path, &Value::Null).expect(401)["error"]["type"], "authentication_error");
    }
    for list in ["/v1/links", "/v1/webhook_endpoints", "/v1/payment_intents", "/v2/events"] {
        let other = ask(&world, "sk_test_of_somebody_else", "GET", list, &Value::Null).expect(200);
        assert_eq!(other, json!([]), "{list}");
    }
}

#[test]
fn the_mode_is_the_keys_and_live_keys_make_nothing_up() {
    let world = World::sandbox(&[]);
    let receiver = Receiver::good();
    let live = "sk_live_of_a_story";
    let body = json!({ "url": receiver.url, "enabled_events": ["payment_intent.succeeded"] });
    let endpoint = ask(&world, live, "POST", "/v1/webhook_endpoints", &body).expect(201);
    assert_eq!(endpoint["mode"], "live");
    let trigger = json!({ "type": "payment_intent.succeeded" });
    assert_eq!(
        ask(&world, live, "POST", "/v1/events/trigger", &trigger).expect(400)["error"]["code"],
        "test_mode_only"
    );
    let test = format!("/v1/webhook_endpoints/{}/test", endpoint["id"].as_str().unwrap());
    ask(&world, live, "POST", &test, &trigger).expect(400);
    let payment =
        ask(&world, live, "POST", "/v1/payment_intents", &json!({ "amount": 1, "currency": "CLP" })).expect(201);
    let path = format!("/sandbox/payment_intents/{}/succeeded", payment["id"].as_str().unwrap());
    ask(&world, live, "POST", &path, &Value::Null).expect(200);
    let event: Value = serde_json::from_slice(&receiver.wait_for(1)[0].body).unwrap();
    assert_eq!((&event["mode"], &event["data"]["mode"]), (&json!("live"), &json!("live")));
}

#[test]
fn the_same_request_with_its_key_is_one_request() {
    let world = World::sandbox(&[]);
    let send = |path: &str, body: &Value, once: &str| {
        let headers = [("authorization", KEY), ("idempotency-key", once)];
        world.call_as("", "POST", &format!("/fintoc{path}"), &headers, &body.to_string())
    };
    let url = Receiver::good().url;
    for (path, body) in [
        ("/v1/payment_intents", json!({ "amount": 1, "currency": "CLP" })),
        ("/v1/webhook_endpoints", json!({ "url": url, "enabled_events": ["charge.failed"] })),
        ("/sandbox/links", json!({})),
    ] {
        let first = send(path, &body, "one").expect(201);
        assert_eq!(send(path, &body, "one").expect(201), first, "{path}");
        assert_ne!(send(path, &body, "two").expect(201)["id"], first["id"], "{path}");
        let other = json!({ "amount": 2, "currency": "CLP", "url": url, "enabled_events": ["charge.succeeded"] });
        assert_eq!(send(path, &other, "one").expect(400)["error"]["code"], "idempotency_key_reused", "{path}");
    }
    assert_eq!(get(&world, "/v1/payment_intents").as_array().unwrap().len(), 2);
}

#[test]
fn endpoints_are_changed_tested_and_taken_away() {
    let world = World::sandbox(&[]);
    let receiver = Receiver::good();
    register(&world, &receiver, &["charge.failed"]);
    let shown = &get(&world, "/v1/webhook_endpoints")[0];
    assert_eq!((&shown["secret"], &shown["status"]), (&Value::Null, &json!("enabled")));
    let path = format!("/v1/webhook_endpoints/{}", shown["id"].as_str().unwrap());
    let test = post(&world, &format!("{path}/test"), &json!({ "type": "charge.failed" })).expect(200);
    let event: Value = serde_json::from_slice(&receiver.wait_for(1)[0].body).unwrap();
    assert_eq!((&test, &event["type"]), (&event, &json!("charge.failed")));
    let triggered = json!({ "type": "charge.failed", "overrides": { "amount": 77, "metadata": { "order": 5 } } });
    post(&world, "/v1/events/trigger", &triggered).expect(201);
    let event: Value = serde_json::from_slice(&receiver.wait_for(2)[1].body).unwrap();
    assert_eq!((event["data"]["amount"].as_i64(), event["data"]["metadata"]["order"].as_i64()), (Some(77), Some(5)));
    let body = json!({ "disabled": true, "description": "of old", "enabled_events": ["charge.succeeded"] });
    let changed = ask(&world, KEY, "PATCH", &path, &body).expect(200);
    assert_eq!((&changed["status"], &changed["description"]), (&json!("disabled"), &json!("of old")));
    post(&world, &format!("{path}/test"), &json!({ "type": "charge.failed" })).expect(400);
    ask(&world, KEY, "DELETE", &path, &Value::Null).expect(204);
    ask(&world, KEY, "GET", &path, &Value::Null).expect(404);
    post(&world, "/sandbox/reset", &Value::Null).expect(204);
    assert_eq!(get(&world, "/v2/events"), json!([]));
}
