//! A small Finix: webhooks that are tried out first, flows that arrive and can be read back, users apart.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste::provider::Provider;
use serde_json::{Value, json};

use super::{at_speed, bodies, deliveries};
use crate::provider::verified;
use crate::receive::text;
use crate::world::{Answer, Behaviour, Receiver, World, eventually};

mod refused;

/// Calls as a user.
struct User<'a> {
    world: &'a World,
    authorization: String,
}

impl<'a> User<'a> {
    fn of(world: &'a World, name: &str) -> Self {
        Self { world, authorization: format!("Basic {}", STANDARD.encode(format!("{name}:secret"))) }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.world.call_as("", method, &format!("/finix{path}"), &[("authorization", &self.authorization)], &body)
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).expect(200)
    }

    fn webhook(&self, settings: &Value) -> Value {
        self.call("POST", "/webhooks", settings).expect(201)
    }

    fn play(&self, flow: &str) -> Value {
        self.call("POST", &format!("/sandbox/flows/{flow}"), &Value::Null).expect(201)
    }

    fn ids(&self, path: &str) -> Vec<String> {
        let collection = path.trim_start_matches('/').split('?').next().unwrap();
        let list = self.get(path);
        list["_embedded"][collection].as_array().unwrap().iter().map(|row| text(&row["id"])).collect()
    }
}

/// The kinds of events, as the catalogue names them.
fn kinds(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| format!("{}.{}", text(&event["entity"]), text(&event["type"]))).collect()
}

#[test]
fn a_webhook_is_made_once_its_url_answers_an_empty_ping() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    let user = User::of(&world, "USsRhsHYZGBPnQw8CByJyEQW");
    let events = json!([{"entity": "transfer", "types": ["updated", "created"]}, {"entity": "dispute", "types": []}]);
    let made = user.webhook(&json!({
        "url": receiver.url, "nickname": "books", "enabled_events": events,
        "authentication": {"type": "BASIC", "basic": {"username": "me", "password": "s3cret"}},
    }));
    let ping = &receiver.wait_for(1)[0];
    assert!(ping.body.is_empty() && ping.header("authorization") == format!("Basic {}", STANDARD.encode("me:s3cret")));
    let (id, key) = (text(&made["id"]), text(&made["secret_signing_key"]));
    assert!(id.starts_with("WH") && id.len() == 24 && key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit()));
    let read = user.get(&format!("/webhooks/{id}"));
    let mut expected = made.clone();
    expected["secret_signing_key"] = Value::Null;
    assert_eq!(read, expected, "only the secret is gone");
    assert_eq!(read["enabled_events"], events);
    for (field, value) in [
        ("authentication", json!({"type": "BASIC"})),
        ("enabled", json!(true)),
        ("is_accepting_events", json!(true)),
        ("nickname", json!("books")),
        ("previous_secret_expires_at", Value::Null),
        ("url", json!(receiver.url)),
    ] {
        assert_eq!(read[field], value, "{field}");
    }
    assert!(text(&read["_links"]["self"]["href"]).ends_with(&format!("/finix/webhooks/{id}")));
    assert!(!read.to_string().contains("s3cret") && !user.get("/webhooks").to_string().contains(&key));
}

#[test]
fn a_url_that_does_not_answer_the_ping_with_2xx_makes_no_webhook() {
    let world = at_speed("60");
    let user = User::of(&world, "user");
    let broken = Receiver::start(|_, _| Behaviour::Status(503));
    let silent = Receiver::start(|_, _| Behaviour::Close);
    for (url, why) in [
        (broken.url.as_str(), "it answered 503"),
        (&silent.url, "without an answer"),
        ("http://127.0.0.1:1/", "refused"),
    ] {
        let error =
            user.call("POST", "/webhooks", &json!({ "url": url })).expect(422)["_embedded"]["errors"][0].clone();
        assert_eq!((&error["code"], &error["field"]), (&json!("INVALID_FIELD"), &json!("url")));
        assert!(text(&error["message"]).contains(why), "{error}");
    }
    assert_eq!(user.ids("/webhooks"), [""; 0]);
}

#[test]
fn webhooks_are_listed_by_cursors_and_changed_but_never_deleted() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    let user = User::of(&world, "user");
    let made: Vec<_> = (0..5).map(|_| text(&user.webhook(&json!({"url": receiver.url}))["id"])).collect();
    let newest_first: Vec<_> = made.iter().rev().cloned().collect();
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), 5, "the same wish five times is five webhooks");
    let page = user.get("/webhooks?limit=2");
    assert_eq!(page["page"], json!({"limit": 2, "next_cursor": newest_first[1]}));
    assert_eq!(user.ids("/webhooks?limit=2"), newest_first[..2]);
    assert_eq!(user.ids(&format!("/webhooks?limit=2&after_cursor={}", newest_first[1])), newest_first[2..4]);
    assert_eq!(user.ids(&format!("/webhooks?limit=2&before_cursor={}", newest_first[4])), newest_first[2..4]);
    let last = user.get(&format!("/webhooks?limit=2&after_cursor={}", newest_first[3]));
    assert_eq!(last["page"], json!({"limit": 2}), "there is nothing behind it");
    let path = format!("/webhooks/{}", made[0]);
    let change = json!({
        "url": format!("{}/b", receiver.url), "enabled": false, "nickname": "b",
        "authentication": {"type": "BEARER", "bearer": {"token": "f00d"}},
        "enabled_events": [{"entity": "fee", "types": ["created"]}],
    });
    let changed = user.call("PUT", &path, &change).expect(200);
    for field in ["url", "enabled", "nickname", "enabled_events"] {
        assert_eq!(changed[field], change[field], "{field}");
    }
    assert_eq!(changed["authentication"], json!({"type": "BEARER"}));
    assert_eq!(user.call("PUT", &path, &json!({"enabled": true})).expect(200)["nickname"], json!("b"));
    assert_eq!(user.call("DELETE", &path, &Value::Null).status, 405);
    assert_eq!(user.ids("/webhooks").len(), 5);
}

#[test]
fn a_webhook_is_an_endpoint_of_the_users_application_and_nothing_beside() {
    let (world, receiver) = (at_speed("60"), Receiver::good());
    let user = User::of(&world, "user");
    let events = json!([{"entity": "transfer", "types": []}]);
    let id = text(&user.webhook(&json!({"url": receiver.url, "enabled_events": events}))["id"]);
    let apps = world.call("GET", "/api/v1/app", "").expect(200);
    let app = apps["data"].as_array().unwrap().iter().find(|app| text(&app["uid"]).starts_with("finix_")).unwrap();
    let path = format!("/api/v1/app/{}/endpoint/{id}", text(&app["id"]));
    assert_eq!(world.call("GET", &path, "").expect(200)["eventTypes"], json!(["transfer.created", "transfer.updated"]));
    world.call("PATCH", &path, r#"{"eventTypes":["fee.created","file.updated","fee.updated"]}"#).expect(200);
    let read = user.get(&format!("/webhooks/{id}"));
    let expected =
        json!([{"entity": "fee", "types": ["created", "updated"]}, {"entity": "file", "types": ["updated"]}]);
    assert_eq!(read["enabled_events"], expected, "what was changed on one side shows on the other");
    world.call("POST", &format!("{path}/secret/rotate"), "{}").expect(204);
    assert!(user.get(&format!("/webhooks/{id}"))["previous_secret_expires_at"].is_string());
}

#[test]
fn a_flow_arrives_in_order_signed_and_its_resources_are_as_their_events_left_them() {
    let (world, all, some) = (at_speed("600"), Receiver::good(), Receiver::good());
    let user = User::of(&world, "user");
    let key = text(&user.webhook(&json!({"url": all.url}))["secret_signing_key"]);
    user.webhook(&json!({"url": some.url, "enabled_events": [{"entity": "evidence", "types": ["updated"]}]}));
    let played = user.play("dispute-won");
    let expected = json!(["dispute.created", "evidence.created", "evidence.updated", "dispute.updated"]);
    assert_eq!(played["events"], expected);
    let (events, ids) = (bodies(&all, 4), &played["ids"]);
    assert_eq!(json!(kinds(&events)), expected);
    for (delivery, event) in deliveries(&all, 4).iter().zip(&events) {
        let received = verified(Provider::Finix, &[&key], delivery).expect("it verifies");
        assert_eq!(received.event_type, kinds(std::slice::from_ref(event))[0]);
    }
    let times: Vec<_> = events.iter().map(|event| text(&event["occurred_at"])).collect();
    assert!(times.is_sorted() && times[0] != times[3], "{times:?}");
    assert_eq!(user.get(&format!("/disputes/{}", text(&ids[0]))), events[3]["_embedded"]["disputes"][0]);
    assert_eq!(user.get(&format!("/evidences/{}", text(&ids[1])))["state"], "SUCCEEDED");
    assert_eq!(user.ids("/disputes"), [text(&ids[0])]);
    assert_eq!(kinds(&bodies(&some, 1)), ["evidence.updated"], "only what was asked for");
    let again = user.play("dispute-won");
    assert!(ids.as_array().unwrap().iter().all(|id| !again["ids"].as_array().unwrap().contains(id)), "others");
}

#[test]
fn a_resource_is_there_from_its_first_event_on() {
    let world = at_speed("60");
    let user = User::of(&world, "user");
    let ids = user.play("settlement-lifecycle")["ids"].clone();
    assert_eq!(user.get(&format!("/settlements/{}", text(&ids[0])))["status"], "PENDING");
    let answer = user.call("GET", &format!("/transfers/{}", text(&ids[1])), &Value::Null);
    assert_eq!(answer.expect(404)["_embedded"]["errors"][0]["code"], "NOT_FOUND", "it is days away");
}

#[test]
fn what_one_user_does_no_other_sees_and_a_reset_leaves_nothing() {
    let (world, mine, theirs) = (at_speed("600"), Receiver::good(), Receiver::good());
    let (me, they) = (User::of(&world, "me"), User::of(&world, "they"));
    let webhook = text(&me.webhook(&json!({"url": mine.url}))["id"]);
    they.webhook(&json!({"url": theirs.url}));
    let ids = me.play("dispute-won")["ids"].clone();
    for path in [format!("/webhooks/{webhook}"), format!("/disputes/{}", text(&ids[0]))] {
        me.get(&path);
        assert_eq!(they.call("GET", &path, &Value::Null).status, 404);
        assert_eq!(
            they.call("PUT", &path, &json!({"enabled": false})).status,
            if path.contains("web") { 404 } else { 405 }
        );
    }
    bodies(&mine, 4);
    assert!(they.ids("/disputes").is_empty() && theirs.received().len() == 1, "the ping alone");
    me.call("POST", "/sandbox/reset", &Value::Null).expect(204);
    assert!(me.ids("/webhooks").is_empty() && me.ids("/disputes").is_empty() && they.ids("/webhooks").len() == 1);
    assert!(!me.play("dispute-won")["ids"].as_array().unwrap().contains(&ids[0]), "a new round has ids of its own");
}

#[test]
fn core_customers_see_more() {
    let (world, receiver) = (at_speed("6000"), Receiver::good());
    let (core, other) = (User::of(&world, "core_platform"), User::of(&world, "platform"));
    core.webhook(&json!({"url": receiver.url}));
    let played = core.play("core");
    assert_eq!(json!(kinds(&bodies(&receiver, 6))), played["events"]);
    assert_eq!(core.ids("/balance_transfers").len(), 1);
    let refused = other.call("POST", "/sandbox/flows/core", &Value::Null).expect(403);
    assert_eq!(refused["_embedded"]["errors"][0]["code"], "FORBIDDEN");
}

#[test]
fn every_flow_can_be_played_with_and_without_the_oddities_of_the_documentation() {
    for flags in [&["--speed", "1000000"][..], &["--speed", "1000000", "--as-documented"]] {
        let (world, receiver) = (World::sandbox(flags), Receiver::good());
        let user = User::of(&world, "core_user");
        let key = text(&user.webhook(&json!({"url": receiver.url}))["secret_signing_key"]);
        let (mut told, mut ids) = (0, BTreeSet::new());
        for flow in posthaste::providers::flows(Provider::Finix) {
            let played = user.play(flow.name);
            told += played["events"].as_array().unwrap().len();
            ids.extend(played["ids"].as_array().unwrap().iter().map(text));
        }
        for delivery in deliveries(&receiver, told) {
            verified(Provider::Finix, &[&key], &delivery).expect("it verifies");
        }
        assert_eq!(deliveries(&receiver, told).len(), told);
        for (prefix, collection) in [("TR", "transfers"), ("PI", "payment_instruments"), ("ST", "settlements")] {
            let expected: BTreeSet<_> = ids.iter().filter(|id| id.starts_with(prefix)).cloned().collect();
            let listed = user.ids(&format!("/{collection}?limit=100")).into_iter().collect::<BTreeSet<_>>();
            assert!(!expected.is_empty() && listed == expected, "{collection}: {listed:?}, {expected:?}");
        }
    }
}

#[test]
fn a_flow_goes_on_after_a_restart_with_nothing_lost_and_nothing_twice() {
    let (mut world, receiver) = (at_speed("40"), Receiver::good());
    User::of(&world, "user").webhook(&json!({"url": receiver.url}));
    let flows: Vec<_> = (0..8).map(|_| User::of(&world, "user").play("dispute-won")).collect();
    bodies(&receiver, 9); // the first of each, and one in the middle
    world.kill_and_restart();
    let ids = |events: &[Value]| events.iter().map(|event| text(&event["id"])).collect::<BTreeSet<_>>();
    let events = eventually(|| Some(bodies(&receiver, 32)).filter(|events| ids(events).len() == 32));
    for flow in flows {
        let mine = |event: &&Value| flow["ids"].as_array().unwrap().contains(&event["_embedded"]["disputes"][0]["id"]);
        let told: BTreeSet<_> = events.iter().filter(mine).map(|event| text(&event["type"])).collect();
        assert_eq!(told.len(), 2, "created and updated");
    }
    let app = world.call("GET", "/api/v1/app?limit=9", "").expect(200)["data"][1]["id"].clone();
    let listed = world.call("GET", &format!("/api/v1/app/{}/msg?limit=250", text(&app)), "").expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 32, "each was taken once");
}

#[test]
fn the_same_seed_gives_the_same_ids_whatever_comes_first() {
    let play = |flows: &[&str]| {
        let (world, receiver) = (World::sandbox(&["--seed", "7"]), Receiver::good());
        let user = User::of(&world, "user");
        let mut played: Vec<_> =
            flows.iter().map(|flow| (flow.to_string(), user.play(flow)["ids"].to_string())).collect();
        let webhook = user.webhook(&json!({"url": receiver.url}));
        played.sort();
        (played, webhook["application"].clone())
    };
    let one = play(&["identity-buyer", "dispute-won", "identity-buyer"]);
    assert_eq!(one, play(&["dispute-won", "identity-buyer", "identity-buyer"]));
}

#[test]
fn five_days_of_nothing_but_failures_end_acceptance_until_it_is_switched_on_again() {
    let world = at_speed("500000");
    let receiver = Receiver::start(|nth, _| Behaviour::Status(if nth == 0 { 200 } else { 500 }));
    let user = User::of(&world, "user");
    let path = format!("/webhooks/{}", text(&user.webhook(&json!({"url": receiver.url}))["id"]));
    let read = eventually(|| {
        user.play("identity-buyer");
        Some(user.get(&path)).filter(|webhook| webhook["is_accepting_events"] == false)
    });
    assert_eq!(read["enabled"], true, "that is what the user wants, still");
    let changed = user.call("PUT", &path, &json!({"enabled": true})).expect(200);
    assert_eq!(changed["is_accepting_events"], true);
}
