//! What is wrong is refused in Fintoc's own shape, on every route, and nothing comes of it.

use serde_json::{Value, json};

use super::{KEY, ask, get, link};
use crate::world::World;

/// Holds every case against what Fintoc would say.
fn check(world: &World, cases: &[(&str, &str, Value, u16, &str)]) {
    for (method, path, body, status, param) in cases {
        let refused = ask(world, KEY, method, path, body).expect(*status);
        let error = &refused["error"];
        let said = (&error["type"], &error["param"]);
        assert_eq!(said, (&json!("invalid_request_error"), &json!(param)), "{method} {path} {body}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10) && error["doc_url"].is_string());
    }
}

#[test]
fn webhook_endpoints_and_events_refuse_what_is_wrong() {
    let world = World::sandbox(&[]);
    check(
        &world,
        &[
            ("POST", "/v1/webhook_endpoints", json!({}), 400, "url"),
            ("POST", "/v1/webhook_endpoints", json!({ "url": "http://127.0.0.1:1/" }), 400, "enabled_events"),
            (
                "POST",
                "/v1/webhook_endpoints",
                json!({ "url": "ftp://a/", "enabled_events": ["charge.failed"] }),
                400,
                "url",
            ),
            (
                "POST",
                "/v1/webhook_endpoints",
                json!({ "url": "http://10.0.0.1/", "enabled_events": ["charge.failed"] }),
                400,
                "url",
            ),
            ("POST", "/v1/webhook_endpoints", json!({ "url": 5, "enabled_events": ["charge.failed"] }), 400, "url"),
            (
                "POST",
                "/v1/webhook_endpoints",
                json!({ "url": "http://127.0.0.1:1/", "enabled_events": [] }),
                400,
                "enabled_events",
            ),
            (
                "POST",
                "/v1/webhook_endpoints",
                json!({ "url": "http://127.0.0.1:1/", "enabled_events": ["*"] }),
                400,
                "enabled_events",
            ),
            (
                "POST",
                "/v1/webhook_endpoints",
                json!({ "url": "http://127.0.0.1:1/", "enabled_events": ["link.created"] }),
                400,
                "enabled_events",
            ),
            ("GET", "/v1/webhook_endpoints/we_none", Value::Null, 404, "id"),
            ("PATCH", "/v1/webhook_endpoints/we_none", json!({ "disabled": true }), 404, "id"),
            ("DELETE", "/v1/webhook_endpoints/we_none", Value::Null, 404, "id"),
            ("POST", "/v1/webhook_endpoints/we_none/test", json!({ "type": "charge.failed" }), 404, "id"),
            ("GET", "/v1/webhook_endpoints?per_page=0", Value::Null, 400, "per_page"),
            ("POST", "/v1/events/trigger", json!({}), 400, "type"),
            ("POST", "/v1/events/trigger", json!({ "type": "no.such" }), 400, "type"),
            ("POST", "/v1/events/trigger", json!({ "type": "link.created" }), 400, "type"),
            ("POST", "/v1/events/trigger", json!({ "type": "charge.failed", "overrides": [] }), 400, "overrides"),
            ("GET", "/v2/events/evt_none", Value::Null, 404, "id"),
        ],
    );
    assert_eq!(get(&world, "/v1/webhook_endpoints"), json!([]));
}

#[test]
fn links_accounts_and_refreshes_refuse_what_is_wrong() {
    let world = World::sandbox(&[]);
    let link = link(&world, &json!({}));
    let token = link["link_token"].as_str().unwrap();
    let account = link["accounts"][0]["id"].as_str().unwrap();
    let movements = format!("/v1/accounts/{account}/movements?link_token={token}");
    let refresh = format!("/v1/refresh_intents?link_token={token}");
    let of_account = format!("/sandbox/accounts/{account}");
    check(
        &world,
        &[
            ("GET", "/v1/links/link_x_token_y", Value::Null, 404, "link_token"),
            ("PATCH", "/v1/links/link_x_token_y", json!({ "active": false }), 404, "link_token"),
            ("DELETE", "/v1/links/link_x_token_y", Value::Null, 404, "link_token"),
            ("GET", "/v1/accounts", Value::Null, 400, "link_token"),
            ("GET", &format!("/v1/accounts/acc_none?link_token={token}"), Value::Null, 404, "id"),
            ("GET", &format!("{movements}&since=yesterday"), Value::Null, 400, "since"),
            ("GET", &format!("{movements}&page=x"), Value::Null, 400, "page"),
            ("POST", "/v1/refresh_intents", json!({}), 400, "link_token"),
            ("POST", &refresh, json!({ "refresh_type": "all" }), 400, "refresh_type"),
            ("GET", &refresh.replace('?', "/ri_none?"), Value::Null, 404, "id"),
            ("POST", "/sandbox/links", json!({ "accounts": 51 }), 400, "accounts"),
            ("POST", "/sandbox/links", json!({ "outcomes": ["maybe"] }), 400, "outcomes"),
            ("POST", "/sandbox/links", json!({ "newMovements": -1 }), 400, "newMovements"),
            ("POST", "/sandbox/links/link_none/reconnect", Value::Null, 404, "id"),
            ("PATCH", "/sandbox/accounts/acc_none", json!({}), 404, "id"),
            ("PATCH", &of_account, json!({ "outcomes": [] }), 400, "outcomes"),
            ("PATCH", "/sandbox/organization", json!({ "onDemand": "yes" }), 400, "onDemand"),
        ],
    );
}

#[test]
fn payments_refuse_what_is_wrong_and_routes_that_do_not_exist_say_so() {
    let world = World::sandbox(&[]);
    check(
        &world,
        &[
            ("POST", "/v1/payment_intents", json!({}), 400, "amount"),
            ("POST", "/v1/payment_intents", json!({ "amount": 0, "currency": "CLP" }), 400, "amount"),
            ("POST", "/v1/payment_intents", json!({ "amount": 1 }), 400, "currency"),
            ("POST", "/v1/payment_intents", json!({ "amount": 1, "currency": "EUR" }), 400, "currency"),
            ("POST", "/v1/payment_intents/pi_none/expire", Value::Null, 404, "id"),
            ("POST", "/v1/refunds", json!({ "resource_id": "pi_none" }), 404, "resource_id"),
            ("POST", "/v1/charges", json!({ "amount": 1, "subscription_id": "sub_none" }), 404, "subscription_id"),
            ("POST", "/sandbox/payouts/po_none/succeeded", Value::Null, 404, "id"),
        ],
    );
    for path in ["/v1", "/v3/links", "/v1/unicorns", "/sandbox/payment_intents/pi_x", "/v1/links/%ff"] {
        let refused = ask(&world, KEY, "PUT", path, &json!({})).expect(404);
        assert_eq!(refused["error"]["type"], "invalid_request_error", "{path}");
    }
    assert_eq!(get(&world, "/v1/payment_intents"), json!([]));
}

#[test]
fn bodies_that_are_no_json_or_too_large_are_refused_and_as_documented_needs_https() {
    let world = World::sandbox(&["--as-documented"]);
    for body in ["{", "[1]", "nonsense", "{\"amount\":1,}"] {
        let path = "/fintoc/v1/payment_intents";
        let refused = world.call_as("", "POST", path, &[("authorization", KEY)], body).expect(400);
        assert_eq!(refused["error"]["code"], "invalid_json", "{body}");
    }
    let large = json!({ "amount": 1, "currency": "CLP", "customer_email": "x".repeat(70_000) });
    ask(&world, KEY, "POST", "/v1/payment_intents", &large).expect(413);
    let plain = json!({ "url": "http://127.0.0.1:1/", "enabled_events": ["charge.failed"] });
    let refused = ask(&world, KEY, "POST", "/v1/webhook_endpoints", &plain).expect(400);
    assert_eq!(refused["error"]["param"], "url");
    let key = format!("sk_test_{}", "x".repeat(300));
    ask(&world, &key, "GET", "/v1/links", &Value::Null).expect(401);
    ask(&world, "pk_test_public", "GET", "/v1/links", &Value::Null).expect(401);
}
