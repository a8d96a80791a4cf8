//! A small Bridge: connections, accounts and payments that tell what becomes of them, and strays of what is gone.

use std::collections::BTreeSet;

use posthaste::provider::Provider;
use serde_json::{Value, json};

use super::{at_speed, bodies, deliveries};
use crate::provider::verified;
use crate::receive::text;
use crate::world::{Answer, Receiver, World, eventually};

const ENDPOINTS: &str = "/api/v1/app/bridge/endpoint";
const NONE: Value = Value::Null;

fn call(world: &World, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.call_as("", method, &format!("/bridge/sandbox/{path}"), &[], &body)
}

fn create(world: &World, kind: &str, body: &Value) -> Value {
    call(world, "POST", kind, body).expect(201)
}

/// A webhook that takes one event after the other, in their order; gives its path and its secret.
fn webhook(world: &World, receiver: &Receiver, types: &[&str]) -> (String, String) {
    let body = json!({"url": receiver.url, "eventTypes": types, "maxInFlight": 1});
    let made = world.call("POST", ENDPOINTS, body).expect(201);
    let path = format!("{ENDPOINTS}/{}", text(&made["id"]));
    let secret = text(&world.call("GET", &format!("{path}/secret"), "").expect(200)["key"]);
    (path, secret)
}

/// The types of events, in their order.
fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn a_connection_is_made_step_by_step_and_every_event_verifies() {
    let (world, receiver) = (at_speed("20"), Receiver::good());
    let (_, secret) = webhook(&world, &receiver, &[]);
    let item = create(&world, "items", &json!({"accounts": 2}));
    assert_eq!(item["status_code_info"], "just_added");
    let events = bodies(&receiver, 7);
    let expected = [
        "item.created",
        "item.account.created",
        "item.account.created",
        "item.refreshed",
        "item.refreshed",
        "item.account.updated",
        "item.account.updated",
    ];
    assert_eq!(types(&events), expected);
    for delivery in deliveries(&receiver, 7) {
        verified(Provider::Bridge, &[&secret], &delivery).expect("it verifies");
        assert!(delivery.header("bridgeapi-signature").starts_with("v1="));
    }
    let content = |nth: usize| &events[nth]["content"];
    assert!((0..7).all(|nth| content(nth)["item_id"] == item["item_id"]), "all about one item");
    assert!((0..7).all(|nth| content(nth)["user_uuid"] == item["user_uuid"]), "of one user");
    assert_eq!((&content(3)["full_refresh"], &content(4)["full_refresh"]), (&json!(false), &json!(true)));
    assert!(content(5)["nb_new_transactions"].as_i64() > Some(0) && content(3)["refresh_trigger"] == "connect");
    let times: Vec<_> = events.iter().map(|event| event["timestamp"].as_i64().unwrap()).collect();
    assert!(times.is_sorted() && times[6] - times[0] < 20_000, "the clock of the wall, not of the story: {times:?}");
    for (kind, id) in [("items", &item["item_id"]), ("accounts", &content(1)["account_id"])] {
        let path = format!("{kind}/{id}");
        assert_eq!(call(&world, "GET", &path, &NONE).expect(200)["user_uuid"], item["user_uuid"]);
    }
    let user = call(&world, "GET", &format!("users/{}", text(&item["user_uuid"])), &NONE).expect(200);
    assert_eq!(user["user_uuid"], item["user_uuid"]);
    assert_eq!(call(&world, "GET", &format!("items/{}", item["item_id"]), &NONE).expect(200)["status_code"], 0);
}

#[test]
fn a_user_may_leave_before_the_end_and_an_account_is_there_once_it_was_told() {
    let (world, receiver) = (at_speed("2"), Receiver::good());
    webhook(&world, &receiver, &["item.created"]);
    let left = create(&world, "items", &json!({"accounts": 0}));
    let item = create(&world, "items", &json!({"user_uuid": left["user_uuid"], "accounts": 1}));
    assert_eq!(left["user_uuid"], item["user_uuid"]);
    assert_eq!(types(&bodies(&receiver, 2)), ["item.created", "item.created"]);
    let account = create(&world, "accounts", &json!({"item_id": left["item_id"], "balance": 12.5}));
    assert_eq!(call(&world, "GET", &format!("accounts/{}", account["account_id"]), &NONE).expect(200), account);
}

#[test]
fn a_refresh_has_the_documented_status_codes_and_brings_transactions_only_when_all_is_well() {
    let (world, receiver) = (at_speed("100"), Receiver::good());
    let item = create(&world, "items", &json!({"accounts": 0}));
    for balance in [10, 20] {
        create(&world, "accounts", &json!({"item_id": item["item_id"], "balance": balance}));
    }
    webhook(&world, &receiver, &[]);
    let path = format!("items/{}/refresh", item["item_id"]);
    let codes =
        [(1003, "could_not_refresh"), (402, "login_failed"), (1010, "needs_manual_refresh"), (-3, "just_edited")];
    for (nth, (code, info)) in codes.into_iter().enumerate() {
        let read = call(&world, "POST", &path, &json!({"status_code": code})).expect(200);
        assert_eq!((&read["status_code"], &read["status_code_info"]), (&json!(code), &json!(info)));
        assert_eq!(bodies(&receiver, nth + 1)[nth]["content"]["status_code"], code);
    }
    let fine = json!({"full_refresh": true, "nb_new_transactions": 3, "refresh_trigger": "api"});
    assert_eq!(call(&world, "POST", &path, &fine).expect(200)["status_code"], 0);
    let events = bodies(&receiver, 7);
    assert_eq!(types(&events)[4..], ["item.refreshed", "item.account.updated", "item.account.updated"]);
    assert_eq!(events[4]["content"]["refresh_trigger"], "api");
    let counts = |nth: usize| (&events[nth]["content"]["nb_new_transactions"], &events[nth]["content"]["balance"]);
    assert_eq!((counts(5), counts(6)), ((&json!(3), &json!(10)), (&json!(3), &json!(20))));
}

#[test]
fn strays_of_what_is_deleted_still_come() {
    let (world, receiver) = (at_speed("600"), Receiver::good());
    let item = create(&world, "items", &json!({"accounts": 0}));
    let account = create(&world, "accounts", &json!({"item_id": item["item_id"]}));
    let removed = create(&world, "accounts", &json!({"item_id": item["item_id"]}));
    webhook(&world, &receiver, &[]);
    call(&world, "DELETE", &format!("accounts/{}", removed["account_id"]), &NONE).expect(204);
    assert_eq!(bodies(&receiver, 1)[0]["type"], "item.account.deleted");
    let user = format!("users/{}", text(&item["user_uuid"]));
    call(&world, "DELETE", &user, &NONE).expect(204);
    for path in [user, format!("items/{}", item["item_id"]), format!("accounts/{}", account["account_id"])] {
        assert_eq!(call(&world, "GET", &path, &NONE).expect(404)["code"], "not_found");
        assert_eq!(call(&world, "DELETE", &path, &NONE).status, 404);
    }
    let events = bodies(&receiver, 5);
    let kinds = types(&events);
    assert_eq!(kinds[1..3].iter().collect::<BTreeSet<_>>(), BTreeSet::from([&"item.deleted", &"user.deleted"]));
    assert_eq!(kinds[3..], ["item.account.updated", "item.account.updated"], "about an account that is no more");
    assert!(events[3..].iter().all(|event| event["content"]["account_id"] == account["account_id"]));
}

#[test]
fn a_connection_that_is_deleted_while_it_is_made_never_comes_to_life() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    webhook(&world, &receiver, &["item.account.created"]);
    let item = create(&world, "items", &json!({"accounts": 1}));
    call(&world, "POST", &format!("items/{}/delete", item["item_id"]), &NONE).expect(204);
    let stray = &bodies(&receiver, 1)[0]["content"];
    assert_eq!(call(&world, "GET", &format!("accounts/{}", stray["account_id"]), &NONE).status, 404);
}

#[test]
fn a_payment_goes_forwards_its_link_with_it_and_final_is_final() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    webhook(&world, &receiver, &[]);
    let payment = create(&world, "payments", &json!({}));
    let link = format!("links/{}", text(&payment["payment_link_id"]));
    assert_eq!(call(&world, "GET", &link, &NONE).expect(200)["payment_link_status"], "valid");
    let path = format!("payments/{}", text(&payment["payment_request_id"]));
    for status in ["ACTC", "PDNG", "ACSC"] {
        let read = call(&world, "PATCH", &path, &json!({"status": status})).expect(200);
        assert_eq!(read["status"], status);
        let late = call(&world, "POST", &format!("{path}/update"), &json!({"status": "ACTC"})).expect(409);
        assert_eq!(late["code"], "status_conflict");
    }
    for status in ["PDNG", "RJCT", "ACSC", "PART"] {
        let refused = call(&world, "PATCH", &path, &json!({"status": status})).expect(409);
        assert!(text(&refused["message"]).contains("final"));
    }
    let events = bodies(&receiver, 5);
    let told = |kind| events.iter().filter(move |event| event["type"] == kind).map(|event| event["content"].clone());
    assert_eq!(told("payment.transaction.created").count(), 1);
    let statuses: BTreeSet<_> = told("payment.transaction.updated").map(|content| text(&content["status"])).collect();
    assert_eq!(statuses, BTreeSet::from(["ACTC", "PDNG", "ACSC"].map(str::to_owned)));
    let linked = told("payment.link.updated").next().unwrap();
    assert_eq!(linked["payment_link_status"], "completed");
    assert_eq!(linked["payment_link_client_reference"], payment["client_reference"]);
    let transaction = call(&world, "GET", &format!("transactions/{}", text(&payment["payment_transaction_id"])), &NONE);
    assert_eq!(transaction.expect(200)["status"], "ACSC");
    let again = json!({"payment_link_id": payment["payment_link_id"]});
    assert_eq!(call(&world, "POST", "payments", &again).expect(409)["code"], "link_not_valid");
}

#[test]
fn a_rejected_payment_is_tried_again_by_the_same_link() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    webhook(&world, &receiver, &["payment.transaction.updated"]);
    let first = create(&world, "payments", &json!({}));
    let link = json!({"payment_link_id": first["payment_link_id"]});
    let path = format!("payments/{}", text(&first["payment_request_id"]));
    call(&world, "PATCH", &path, &json!({"status": "RJCT", "status_reason": "AC04"})).expect(200);
    let second = create(&world, "payments", &link);
    assert!(second["payment_request_id"] != first["payment_request_id"]);
    assert_eq!(second["payment_link_id"], first["payment_link_id"]);
    assert_eq!(bodies(&receiver, 1)[0]["content"]["status_reason"], "AC04");
}

#[test]
fn links_transfers_and_single_transactions_have_lives_of_their_own() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    webhook(&world, &receiver, &[]);
    let link = create(&world, "links", &json!({"client_reference": "INV-1"}));
    assert_eq!(link["payment_link_client_reference"], "INV-1");
    let path = format!("links/{}", text(&link["payment_link_id"]));
    call(&world, "PATCH", &path, &json!({"status": "revoked"})).expect(200);
    assert_eq!(call(&world, "PATCH", &path, &json!({"status": "completed"})).status, 409);
    let transfer = create(&world, "transfers", &json!({}));
    let path = format!("transfers/{}", text(&transfer["transfer_id"]));
    call(&world, "PATCH", &path, &json!({"status": "ACSC"})).expect(200);
    assert_eq!(call(&world, "PATCH", &path, &json!({"status": "RJCT"})).status, 409);
    let transaction = create(&world, "transactions", &json!({}));
    assert!(transaction.get("payment_link_id").is_none());
    let path = format!("transactions/{}", text(&transaction["payment_transaction_id"]));
    call(&world, "PATCH", &path, &json!({"status": "ACTC"})).expect(200);
    let events = bodies(&receiver, 5);
    let told: BTreeSet<_> = types(&events).into_iter().collect();
    let expected = [
        "payment.link.updated",
        "payment.transaction.created",
        "payment.transaction.updated",
        "transfer.created",
        "transfer.updated",
    ];
    assert_eq!(told, BTreeSet::from(expected));
}

#[test]
fn during_a_rotation_both_secrets_sign_and_the_test_event_is_always_the_same() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    let (path, old) = webhook(&world, &receiver, &[]);
    world.call("POST", &format!("{path}/secret/rotate"), "{}").expect(204);
    let new = text(&world.call("GET", &format!("{path}/secret"), "").expect(200)["key"]);
    for _ in 0..2 {
        assert_eq!(call(&world, "POST", "test", &NONE).expect(201)["type"], "TEST_EVENT");
    }
    let [first, second] = &deliveries(&receiver, 2)[..] else { panic!("two were sent") };
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("bridgeapi-signature").matches("v1=").count(), 2);
    for secret in [&old, &new] {
        verified(Provider::Bridge, &[secret], first).expect("either will do");
    }
}

#[test]
fn there_are_ten_webhooks_at_most_and_they_outlive_a_reset() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    for _ in 0..10 {
        webhook(&world, &receiver, &["TEST_EVENT"]);
    }
    assert_eq!(world.call("POST", ENDPOINTS, json!({"url": receiver.url})).status, 400);
    let item = create(&world, "items", &json!({}));
    call(&world, "POST", "reset", &NONE).expect(204);
    assert_eq!(call(&world, "GET", &format!("items/{}", item["item_id"]), &NONE).status, 404);
    create(&world, "test", &NONE);
    bodies(&receiver, 10);
}

#[test]
fn an_application_that_somebody_deletes_is_made_anew_for_what_happens_next() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    world.call("DELETE", "/api/v1/app/bridge", "").expect(204);
    create(&world, "test", &NONE);
    eventually(|| Some(()).filter(|()| world.call("GET", "/api/v1/app/bridge", "").status == 200));
    webhook(&world, &receiver, &[]);
    create(&world, "test", &NONE);
    bodies(&receiver, 1);
}

#[test]
fn a_connection_goes_on_after_a_restart_with_nothing_lost_and_nothing_twice() {
    let (mut world, receiver) = (at_speed("20"), Receiver::good());
    webhook(&world, &receiver, &[]);
    for _ in 0..5 {
        create(&world, "items", &json!({"accounts": 2}));
    }
    bodies(&receiver, 8);
    world.kill_and_restart();
    let distinct = |events: &[Value]| events.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    let events = eventually(|| Some(distinct(&bodies(&receiver, 35))).filter(|events| events.len() == 35));
    for (kind, count) in [("item.created", 5), ("item.account.created", 10), ("item.refreshed", 10)] {
        let word = format!(r#""type":"{kind}""#);
        assert_eq!(events.iter().filter(|event| event.contains(&word)).count(), count, "{kind}");
    }
    let listed = world.call("GET", "/api/v1/app/bridge/msg?limit=250", "").expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 35, "each was taken once");
}

#[test]
fn ids_never_come_twice() {
    let world = at_speed("1");
    let ids = |kind, field: &str| -> BTreeSet<String> {
        (0..60).map(|_| create(&world, kind, &json!({}))[field].to_string()).collect()
    };
    for (kind, field) in [("items", "item_id"), ("users", "user_uuid"), ("payments", "payment_request_id")] {
        assert_eq!(ids(kind, field).len(), 60, "{kind}");
    }
    assert!(ids("items", "item_id").iter().all(|id| id.len() == 7 && id.bytes().all(|byte| byte.is_ascii_digit())));
}

#[test]
fn the_same_seed_gives_the_same_ids_and_amounts_whatever_comes_first() {
    let make = |kinds: &[&str]| {
        let world = World::sandbox(&["--seed", "7"]);
        let mut made: Vec<_> = kinds.iter().map(|kind| create(&world, kind, &json!({})).to_string()).collect();
        made.sort();
        made
    };
    let one = make(&["items", "payments", "users", "items", "links"]);
    assert_eq!(one, make(&["links", "users", "items", "items", "payments"]));
    assert_ne!(one[0], one[1]);
}

#[test]
fn bad_input_is_answered_in_bridges_shape() {
    let world = at_speed("60");
    let item = create(&world, "items", &json!({"accounts": 0}));
    let account = create(&world, "accounts", &json!({"item_id": item["item_id"]}));
    let payment = create(&world, "payments", &json!({}));
    let refresh = format!("items/{}/refresh", item["item_id"]);
    let account = format!("accounts/{}", account["account_id"]);
    let update = format!("payments/{}", text(&payment["payment_request_id"]));
    let link = format!("links/{}", text(&payment["payment_link_id"]));
    for (method, path, body, status, property) in [
        ("POST", "items", json!({"accounts": 11}), 400, "accounts"),
        ("POST", "items", json!({"accounts": "2"}), 400, "accounts"),
        ("POST", "items", json!({"acounts": 2}), 400, "acounts"),
        ("POST", "items", json!({"user_uuid": 7}), 400, "user_uuid"),
        ("POST", "items", json!({"user_uuid": "nobody"}), 404, "id"),
        ("POST", "users", json!({"name": "x"}), 400, "name"),
        ("POST", "accounts", json!({}), 400, "item_id"),
        ("POST", "accounts", json!({"item_id": 1}), 404, "id"),
        ("POST", "accounts", json!({"item_id": item["item_id"], "balance": "1"}), 400, "balance"),
        ("POST", &refresh, json!({"status_code": 1}), 400, "status_code"),
        ("POST", &refresh, json!({"full_refresh": 1}), 400, "full_refresh"),
        ("POST", &refresh, json!({"refresh_trigger": "me"}), 400, "refresh_trigger"),
        ("POST", &refresh, json!({"nb_new_transactions": -1}), 400, "nb_new_transactions"),
        ("POST", &refresh, json!({"status_code": 402, "nb_new_transactions": 1}), 400, "nb_new_transactions"),
        ("PATCH", &account, json!({"balance": 1e12}), 400, "balance"),
        ("PATCH", &account, json!({"nb_new_transactions": 1.5}), 400, "nb_new_transactions"),
        ("POST", "payments", json!({"payment_link_id": "x"}), 404, "id"),
        ("POST", "payments", json!({"client_reference": "x".repeat(257)}), 400, "client_reference"),
        ("PATCH", &update, json!({}), 400, "status"),
        ("PATCH", &update, json!({"status": "ACCP"}), 400, "status"),
        ("PATCH", &update, json!({"status": "ACTC", "status_reason": "MS03"}), 400, "status_reason"),
        ("PATCH", &link, json!({"status": "ACSC"}), 400, "status"),
        ("PATCH", "transactions/x", json!({"status": "ACTC"}), 404, "id"),
        ("PATCH", "transfers/x", json!({"status": "ACTC"}), 404, "id"),
        ("POST", "transfers", json!({"amount": 1}), 400, "amount"),
        ("POST", "test", json!({"type": "x"}), 400, "type"),
        ("GET", "items/%ff", NONE, 404, ""),
        ("GET", "items/1", NONE, 404, "id"),
        ("DELETE", "users/1", NONE, 404, "id"),
        ("GET", "items", NONE, 405, ""),
        ("PUT", &account, json!({}), 405, ""),
        ("DELETE", &update, NONE, 405, ""),
        ("GET", "test", NONE, 405, ""),
        ("GET", "nothing", NONE, 404, ""),
        ("POST", "items", json!([]), 400, ""),
    ] {
        let error = call(&world, method, path, &body).expect(status);
        let keys: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = if property.is_empty() { &["code", "message"][..] } else { &["code", "property", "message"] };
        assert_eq!(keys, expected, "{method} {path} {body}");
        assert_eq!(error["property"].as_str().unwrap_or_default(), property, "{method} {path} {body}");
    }
    assert_eq!(world.call_as("", "GET", "/bridge", &[], "").expect(404)["code"], "not_found");
    assert_eq!(world.call_as("", "POST", "/bridge/webhooks", &[], "{}").expect(404)["code"], "not_found");
}
