//! Refreshes: each account has its own event, the movements are there, and the rules between two refreshes hold.

use std::time::Duration;

use posthaste::provider::Provider;
use serde_json::{Value, json};

use super::{KEY, REFRESHES, ask, ended, get, link, post, refresh, register};
use crate::provider::verified;
use crate::world::{Receiver, World};

/// The events that came, by the account they tell of, each verified.
fn told(receiver: &Receiver, secret: &str, count: usize) -> Vec<Value> {
    let received = receiver.wait_for(count);
    assert!(received.iter().all(|request| verified(Provider::Fintoc, &[secret], request).is_ok()));
    received.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

fn status_of(events: &[Value], account: &Value) -> String {
    let event = events.iter().find(|event| event["data"]["refreshed_object_id"] == account["id"]).unwrap();
    event["data"]["status"].as_str().unwrap().to_owned()
}

fn movements(world: &World, link: &Value, account: &Value) -> usize {
    let (account, token) = (account["id"].as_str().unwrap(), link["link_token"].as_str().unwrap());
    let path = format!("/v1/accounts/{account}/movements?per_page=300&link_token={token}");
    get(world, &path).as_array().unwrap().len()
}

#[test]
fn three_accounts_three_outcomes_three_events_and_the_next_may_follow_at_once() {
    let world = World::sandbox(&["--speed", "200"]);
    let (receiver, at_the_widget) = (Receiver::good(), Receiver::good());
    let secret = register(&world, &receiver, &REFRESHES);
    let outcomes = json!(["succeeded", "failed", "rejected"]);
    let link = link(&world, &json!({ "outcomes": outcomes, "webhookUrl": at_the_widget.url, "newMovements": 7 }));
    let created: Value = serde_json::from_slice(&at_the_widget.wait_for(1)[0].body).unwrap();
    assert_eq!((&created["type"], &created["data"]), (&json!("link.created"), &link));
    let accounts = link["accounts"].as_array().unwrap();
    let before = movements(&world, &link, &accounts[0]);

    assert_eq!(refresh(&world, &link).expect(201)["status"], "created");
    let refused = refresh(&world, &link).expect(400);
    assert_eq!(refused["error"]["code"], "refresh_intent_in_progress");
    assert_eq!(ended(&world, &link), "failed");
    let events = told(&receiver, &secret, 4);
    let said = accounts.iter().map(|account| status_of(&events, account)).collect::<Vec<_>>();
    assert_eq!(said, ["succeeded", "failed", "rejected"]);
    assert_eq!(events[3]["type"], "link.credentials_changed", "at the end");
    let of_first = events.iter().find(|event| event["data"]["refreshed_object_id"] == accounts[0]["id"]).unwrap();
    assert_eq!(of_first["data"]["new_movements"], 7);
    assert_eq!(movements(&world, &link, &accounts[0]), before + 7);
    assert_eq!(movements(&world, &link, &accounts[1]), before);
    assert_eq!(get(&world, "/v1/links")[0]["status"], "login_required");
    refresh(&world, &link).expect(201); // not all succeeded: no wait
}

#[test]
fn after_a_success_the_next_has_to_wait() {
    let world = World::sandbox(&["--speed", "100"]);
    let link = link(&world, &json!({ "accounts": 1, "outcomes": ["succeeded"] }));
    refresh(&world, &link).expect(201);
    assert_eq!(ended(&world, &link), "succeeded");
    for (kind, minutes) in [("only_last", "5"), ("historical", "60")] {
        let body = json!({ "link_token": link["link_token"], "refresh_type": kind });
        let refused = post(&world, "/v1/refresh_intents", &body).expect(429);
        assert_eq!(refused["error"]["code"], "rate_limit_exceeded");
        assert_eq!(
            refused["error"]["message"],
            format!(
                "This Link was recently refreshed.You have to wait at least {minutes} minutes between refresh intents"
            )
        );
    }
    std::thread::sleep(Duration::from_secs(3)); // five minutes
    refresh(&world, &link).expect(201);
}

#[test]
fn the_fifth_rejection_locks_and_connecting_anew_unlocks() {
    let world = World::sandbox(&["--speed", "100"]);
    let link = link(&world, &json!({ "accounts": 1, "outcomes": ["rejected"] }));
    for _ in 0..5 {
        refresh(&world, &link).expect(201);
        assert_eq!(ended(&world, &link), "rejected");
    }
    let locked = refresh(&world, &link).expect(422);
    assert_eq!(
        (&locked["error"]["type"], &locked["error"]["code"]),
        (&json!("link_error"), &json!("rejected_refresh_intent"))
    );
    let id = link["id"].as_str().unwrap();
    let again = post(&world, &format!("/sandbox/links/{id}/reconnect"), &Value::Null).expect(200);
    assert_eq!(again["status"], "active");
    refresh(&world, &link).expect(201);
    assert_eq!(ended(&world, &link), "succeeded", "with the right credentials");
}

#[test]
fn what_counts_as_new_is_new_since_the_banks_last_update() {
    let world = World::sandbox(&["--speed", "200"]);
    let receiver = Receiver::good();
    let secret = register(&world, &receiver, &REFRESHES);
    // an update each ten minutes: 3 s
    let link =
        link(&world, &json!({ "accounts": 1, "outcomes": ["succeeded"], "newMovements": 2, "recurrentSeconds": 600 }));
    let account = &link["accounts"][0];
    let first = movements(&world, &link, account);
    crate::world::eventually(|| (movements(&world, &link, account) >= first + 2).then_some(()));
    refresh(&world, &link).expect(201);
    let events = told(&receiver, &secret, 1);
    assert_eq!(events[0]["data"]["new_movements"], 2, "not what is new since somebody last asked");
    assert!(movements(&world, &link, account) >= first + 4);
}

#[test]
fn plans_and_opt_ins_decide_who_is_told() {
    let world = World::sandbox(&["--speed", "1000"]);
    let receiver = Receiver::good();
    let all = [&REFRESHES[..], &["account.refresh_intent.movements_removed", "link.refresh_intent.succeeded"]].concat();
    register(&world, &receiver, &all);
    let types = |count| {
        let received = receiver.wait_for(count);
        received
            .iter()
            .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()["type"].clone())
            .collect::<Vec<_>>()
    };
    // the plan without refreshes on demand: only the end of the credentials is told
    let quiet = link(&world, &json!({ "accounts": 2, "outcomes": ["failed", "rejected"], "onDemand": false }));
    refresh(&world, &quiet).expect(201);
    assert_eq!(ended(&world, &quiet), "failed");
    assert_eq!(types(1), ["link.credentials_changed"]);
    // a fiscal link: one event for all of it
    let fiscal = link(&world, &json!({ "fiscal": true, "outcomes": ["succeeded"] }));
    refresh(&world, &fiscal).expect(201);
    assert_eq!(types(2)[1], "link.refresh_intent.succeeded");
    // movements that the bank takes back are told to those who want it
    ask(&world, KEY, "PATCH", "/sandbox/organization", &json!({ "movementsRemoved": true })).expect(200);
    let shrinking = link(&world, &json!({ "accounts": 1, "outcomes": ["succeeded"], "newMovements": 0 }));
    let account = &shrinking["accounts"][0];
    let before = movements(&world, &shrinking, account);
    let path = format!("/sandbox/accounts/{}", account["id"].as_str().unwrap());
    ask(&world, KEY, "PATCH", &path, &json!({ "removeMovements": 4 })).expect(200);
    refresh(&world, &shrinking).expect(201);
    let last = types(4);
    assert_eq!(last[2..], ["account.refresh_intent.succeeded", "account.refresh_intent.movements_removed"]);
    assert_eq!(movements(&world, &shrinking, account), before - 4);
}
