//! Quarantine: what was genuine and not understood is released or discarded, once, one by one or all of a reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;

/// A body of each kind that is not understood, and the word for it.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let event = fintoc("evt_1", 1);
    let latin = [b"\xe9", event.as_bytes()].concat();
    let noted = event.replacen('{', "{\"note\":\"caf?\",", 1).into_bytes();
    let latin_inside = noted.iter().map(|&byte| if byte == b'?' { 0xe9 } else { byte }).collect();
    vec![
        ("byte_order_mark", format!("\u{feff}{}", fintoc("evt_bom", 1)).into_bytes()),
        ("not_utf8", latin),
        ("not_utf8", latin_inside),
        ("field_twice", event.replacen('{', "{\"mode\":\"test\",", 1).into_bytes()),
        ("no_object", format!("[{event}]").into_bytes()),
        ("no_id", event.replace(r#""id":"evt_1","#, "").into_bytes()),
        ("long_id", event.replace("evt_1\"", &format!("evt_{}\"", "x".repeat(256))).into_bytes()),
        ("not_json", b"{".to_vec()),
        ("no_type", event.replace("\"type\"", "\"kind\"").into_bytes()),
    ]
}

fn waiting(door: &Door) -> Vec<Value> {
    door.get("/quarantine?limit=250")["data"].as_array().unwrap().clone()
}

fn post(door: &Door, rest: &str, body: &Value) -> Answer {
    door.world.call("POST", &format!("{SOURCES}/{}/quarantine/{rest}", door.source), body)
}

#[test]
fn each_kind_is_released_or_discarded_once_and_known_when_it_comes_again() {
    let (door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    door.subscribe(&receiver);
    let mut released = 0;
    for (place, (kind, body)) in bodies().into_iter().enumerate() {
        for _ in 0..2 {
            assert_eq!(door.send(&body).status, 400, "{kind}");
        }
        let rows = waiting(&door);
        let [row] = &rows[..] else {
            panic!("{rows:?}");
        };
        assert_eq!((&row["kind"], &row["count"]), (&json!(kind), &json!(2)));
        assert_eq!(BASE64.decode(text(&row["bodyBase64"])).unwrap(), body);
        let path = text(&row["sha256"]);
        if place % 2 == 0 {
            let out = post(&door, &format!("{path}/release"), &json!({})).expect(200);
            released += 1;
            let received = receiver.wait_for(released);
            let received = received.iter().find(|received| received.body == body).expect("raw");
            assert_eq!((received.header("posthaste-flags"), received.id()), ("unread", text(&out["msgId"]).as_str()));
            assert!(!received.header("fintoc-signature").is_empty());
            assert_eq!(received.header("content-type"), "application/json; charset=utf-8");
        } else {
            assert_eq!(post(&door, &format!("{path}/discard"), &json!({})).status, 204);
        }
        for verb in ["release", "discard"] {
            assert_eq!(post(&door, &format!("{path}/{verb}"), &json!({})).status, 404, "{kind}");
        }
        assert_eq!((waiting(&door), door.send(&body).status), (vec![], 200), "{kind}: it need not come again");
    }
    std::thread::sleep(A_WHILE);
    assert_eq!((receiver.received().len(), door.events().len()), (released, released));
    let told = door.world.call("GET", "/api/v1/audit?what=event.discarded", "").expect(200);
    assert_eq!(told["data"].as_array().unwrap().len(), bodies().len() - released);
}

#[test]
fn all_of_a_reason_are_released_or_discarded_together() {
    let (door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    door.subscribe(&receiver);
    for number in 0..120 {
        assert_eq!(door.send(format!("\u{feff}{}", fintoc(&format!("evt_{number}"), number))).status, 400);
        assert_eq!(door.send(format!("[{number}]")).status, 400);
    }
    assert_eq!(waiting(&door).len(), 240);
    let out = post(&door, "release", &json!({"reason": "byte_order_mark"})).expect(200);
    assert_eq!(out, json!({"released": 120, "duplicates": 0, "discarded": 0}));
    let out = post(&door, "discard", &json!({"reason": "the body is JSON, but no object"})).expect(200);
    assert_eq!(out, json!({"released": 0, "duplicates": 0, "discarded": 120}));
    let out = post(&door, "release", &json!({"reason": "byte_order_mark"})).expect(200);
    assert_eq!((out["released"].clone(), waiting(&door)), (json!(0), vec![]));
    assert_eq!(receiver.wait_for(120).len(), 120);
    let viewer = door.world.key("viewer", "test");
    let path = format!("{SOURCES}/{}/quarantine/release", door.source);
    let refused = || door.world.call_as(&viewer, "POST", &path, &[], "{\"reason\":\"x\"}");
    eventually(|| (refused().status == 403).then_some(()));
}

/// The provider mended its spelling and sent it again, and only then somebody released the first.
#[test]
fn what_came_well_spelled_meanwhile_is_not_delivered_twice() {
    let (door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    door.subscribe(&receiver);
    let event = fintoc("evt_1", 1);
    assert_eq!(door.send(format!("\u{feff}{event}")).status, 400);
    assert_eq!(door.send(&event).status, 200);
    let sha256 = text(&waiting(&door)[0]["sha256"]);
    let out = post(&door, &format!("{sha256}/release"), &json!({})).expect(200);
    assert_eq!((&out["status"], &out["msgId"]), (&json!("duplicate"), &door.events()[0]["id"]));
    assert_eq!((waiting(&door), door.events().len()), (vec![], 1));
    receiver.wait_for(1);
    std::thread::sleep(A_WHILE);
    assert_eq!(receiver.received().len(), 1);
}

/// The header that said its id is not handed on, and is what it is known by all the same.
#[test]
fn what_was_not_understood_keeps_the_id_that_its_header_said() {
    let config = json!({"idHeader": "x-id", "typePath": "/typo"});
    let (door, receiver) = (Door::open_with(Provider::Generic, config), Receiver::good());
    door.subscribe(&receiver);
    let send = |id: &str| {
        let body = format!("{{\"kind\":\"paid\",\"n\":\"{id}\"}}");
        let mut headers = proof(Provider::Generic, "a secret of any form", body.as_bytes(), now_secs());
        headers.push(("x-id".to_owned(), id.to_owned()));
        door.post(body.as_bytes(), &headers).status
    };
    assert_eq!((send("1"), send("2")), (400, 400));
    let mended = json!({"config": {"typePath": "/kind"}});
    door.world.call("PATCH", &format!("{SOURCES}/{}", door.source), mended).expect(200);
    assert_eq!(send("1"), 200);
    let out = post(&door, "release", &json!({"reason": "no_type"})).expect(200);
    assert_eq!(out, json!({"released": 1, "duplicates": 1, "discarded": 0}));
    assert_eq!(send("2"), 200, "it came in by the release");
    let received = receiver.wait_for(2);
    assert!(received.iter().all(|received| received.header("x-id").is_empty()));
    std::thread::sleep(A_WHILE);
    assert_eq!((receiver.received().len(), door.events().len()), (2, 2));
}
