//! Any sender: id and type in headers, headers that go on, and what tells its events apart.

use super::*;

const SECRET: &str = "a secret of any form";

fn send(door: &Door, body: &[u8], headers: &[(&str, &str)]) {
    let mut all = proof(Provider::Generic, SECRET, body, now_secs());
    all.extend(headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(door.post(body, &all).status, 200);
}

fn told(door: &Door) -> Vec<(String, Option<String>)> {
    let told = |event: &Value| (text(&event["eventType"]), event["dedupKey"].as_str().map(str::to_owned));
    door.events().iter().rev().map(told).collect()
}

#[test]
fn id_and_type_may_stand_in_headers_and_headers_go_on_with_the_body() {
    let config = json!({"idHeader": "X-Delivery-Id", "typeHeader": "X-Event", "keepHeaders": ["X-Request-Id", "x-tenant"], "typePath": "/kind"});
    let (door, receiver) = (Door::open_with(Provider::Generic, config), Receiver::good());
    door.subscribe(&receiver);
    let shown = door.get("")["config"].clone();
    assert_eq!(
        (&shown["idHeader"], &shown["keepHeaders"]),
        (&json!("x-delivery-id"), &json!(["x-request-id", "x-tenant"]))
    );
    let both =
        [("x-delivery-id", "7"), ("x-event", "paid"), ("x-request-id", "r1"), ("x-tenant", "cl"), ("x-other", "no")];
    for _ in 0..2 {
        send(&door, b"{\"kind\":\"k\"}", &both);
    }
    send(&door, b"{\"kind\":\"k\"}", &[("x-delivery-id", "8")]);
    send(&door, b"{\"kind\":\"k\"}", &[]);
    let events = told(&door);
    assert_eq!(events[..2], [("paid".to_owned(), Some("7".to_owned())), ("k".to_owned(), Some("8".to_owned()))]);
    assert!(events[2].1.as_ref().unwrap().starts_with("sha256:"), "without an id its bytes tell it apart");
    let first = receiver.wait_for(3).into_iter().find(|one| one.header("x-tenant") == "cl").expect("they go on");
    assert_eq!((first.header("x-request-id"), first.header("x-other")), ("r1", ""));
}

#[test]
fn what_is_always_the_same_may_be_an_event_each_time() {
    for (dedup, count) in [("none", 3), ("body", 1), ("id", 1)] {
        let (door, receiver) = (Door::open_with(Provider::Generic, json!({"dedup": dedup})), Receiver::good());
        door.subscribe(&receiver);
        for _ in 0..3 {
            send(&door, b"", &[]);
        }
        assert_eq!(door.events().len(), count, "{dedup}");
        let ids: std::collections::BTreeSet<_> =
            receiver.wait_for(count).iter().map(|received| received.id().to_owned()).collect();
        assert_eq!(ids.len(), count, "each has an id of its own");
    }
}

#[test]
fn a_form_that_cannot_be_is_told_what_would_be_right() {
    let world = World::start();
    for (config, field) in [
        (json!({"idHeader": "a b"}), "idHeader"),
        (json!({"typeHeader": ""}), "typeHeader"),
        (json!({"keepHeaders": (0..11).map(|n| format!("x-{n}")).collect::<Vec<_>>()}), "keepHeaders"),
        (json!({"keepHeaders": ["Authorization"]}), "keepHeaders"),
        (json!({"keepHeaders": ["webhook-id"]}), "keepHeaders"),
        (json!({"keepHeaders": ["Posthaste-Flags"]}), "keepHeaders"),
        (json!({"keepHeaders": ["content-length"]}), "keepHeaders"),
        (json!({"dedup": "none", "idHeader": "x-id"}), "dedup"),
        (json!({"dedup": "sometimes"}), "dedup"),
        (json!({"onConflict": "ignore"}), "onConflict"),
    ] {
        let source = json!({"name": "a", "type": "generic-webhook", "config": config});
        let answer = world.call("POST", SOURCES, source).expect(422);
        assert!(answer["detail"].to_string().contains(field), "{config}: {answer}");
    }
    for key in ["idHeader", "typeHeader"] {
        let source = json!({"name": "a", "type": "fintoc", "config": {key: "x-a"}});
        assert!(world.call("POST", SOURCES, source).expect(422).to_string().contains("generic-webhook"));
    }
}
