//! Payments: statuses follow one another as documented, a final one is final, each is told.

use serde_json::{Value, json};

use super::{get, post, register};
use crate::world::{Receiver, World};

/// Makes a resource and lets these outcomes happen; gives it as it is at the end.
fn follow(world: &World, kinds: &str, made: &Value, outcomes: &[&str]) -> Value {
    let id = made["id"].as_str().unwrap();
    for outcome in outcomes {
        post(world, &format!("/sandbox/{kinds}/{id}/{outcome}"), &Value::Null).expect(200);
    }
    let path = format!("/v1/{kinds}/{id}");
    get(world, &path)
}

#[test]
fn each_kind_goes_its_way_and_tells_of_it() {
    let world = World::sandbox(&[]);
    let receiver = Receiver::good();
    let types = [
        "payment_intent.succeeded",
        "payment_intent.failed",
        "checkout_session.finished",
        "checkout_session.expired",
        "payout.created",
        "payout.succeeded",
        "refund.in_progress",
        "refund.succeeded",
        "subscription_intent.succeeded",
        "subscription.activated",
        "charge.succeeded",
        "charge.failed",
        "subscription.canceled",
    ];
    register(&world, &receiver, &types);
    let of = |kinds: &str, body: &Value| post(&world, &format!("/v1/{kinds}"), body).expect(201);
    let amount = json!({ "amount": 12_000, "currency": "CLP" });

    let paid = follow(&world, "payment_intents", &of("payment_intents", &amount), &["succeeded"]);
    assert_eq!((&paid["status"], paid["amount"].as_i64()), (&json!("succeeded"), Some(12_000)));
    follow(&world, "payment_intents", &of("payment_intents", &amount), &["failed"]);
    let finished = follow(&world, "checkout_sessions", &of("checkout_sessions", &amount), &["in_progress", "finished"]);
    assert_eq!(finished["payment_resource"]["payment_intent"]["status"], "succeeded");
    let session = of("checkout_sessions", &amount);
    post(&world, &format!("/v1/checkout_sessions/{}/expire", session["id"].as_str().unwrap()), &Value::Null)
        .expect(200);
    let payout = post(&world, "/sandbox/payouts", &json!({ "amount": 5_000 })).expect(201);
    follow(&world, "payouts", &payout, &["succeeded"]);
    let refund =
        of("refunds", &json!({ "resource_id": paid["id"], "resource_type": "payment_intent", "amount": 9_000 }));
    assert_eq!(follow(&world, "refunds", &refund, &["in_progress", "succeeded"])["amount"], 9_000);
    let enrolled = follow(&world, "subscription_intents", &of("subscription_intents", &json!({})), &["succeeded"]);
    let charge = json!({ "amount": 700, "currency": "CLP", "subscription_id": enrolled["subscription"]["id"] });
    post(&world, "/v1/charges", &charge).expect(400); // not active yet
    follow(&world, "subscriptions", &enrolled["subscription"], &["activated"]);
    follow(&world, "charges", &of("charges", &charge), &["succeeded"]);
    let failed = follow(&world, "charges", &of("charges", &charge), &["failed"]);
    assert_eq!(failed["failure_code"], "insufficient_funds");
    follow(&world, "subscriptions", &enrolled["subscription"], &["canceled"]);

    let mut expected = types.to_vec();
    expected.push("payment_intent.succeeded"); // of the checkout
    let received = receiver.wait_for(expected.len());
    let mut told: Vec<_> = received
        .iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn what_is_final_stays_and_what_is_open_ends() {
    let world = World::sandbox(&["--speed", "2000"]);
    let receiver = Receiver::good();
    register(&world, &receiver, &["payment_intent.pending", "payment_intent.succeeded"]);
    let amount = json!({ "amount": 1, "currency": "MXN" });
    let open = post(&world, "/v1/payment_intents", &amount).expect(201);
    let id = open["id"].as_str().unwrap();
    post(&world, &format!("/sandbox/payment_intents/{id}/pending"), &Value::Null).expect(200);
    receiver.wait_for(2);
    assert_eq!(get(&world, &format!("/v1/payment_intents/{id}"))["status"], "succeeded");
    for outcome in ["pending", "failed", "expired", "succeeded", "rejected"] {
        let refused = post(&world, &format!("/sandbox/payment_intents/{id}/{outcome}"), &Value::Null).expect(400);
        assert_eq!(refused["error"]["code"], "invalid_status", "{outcome}");
    }
}
