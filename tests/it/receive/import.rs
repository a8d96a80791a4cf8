//! Import: what a source missed, given by an Admin's key.

use super::*;

fn import(door: &Door, body: impl ToString) -> Answer {
    door.world.call("POST", &format!("{SOURCES}/{}/import", door.source), body)
}

fn statuses(answer: &Value) -> Vec<String> {
    answer["data"].as_array().unwrap().iter().map(|one| text(&one["status"])).collect()
}

#[test]
fn one_event_an_array_and_a_list_answer_are_taken_and_each_is_answered() {
    let (door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    door.subscribe(&receiver);
    assert_eq!(door.send(fintoc("evt_1", 1)).status, 200);
    let respelled = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&fintoc("evt_1", 1)).unwrap()).unwrap();
    let out = import(&door, &respelled).expect(200);
    assert_eq!((statuses(&out), &out["data"][0]["msgId"]), (vec!["duplicate".to_owned()], &door.events()[0]["id"]));
    let two = fintoc("evt_2", 2);
    let out = import(&door, format!("[{two},{},{two},{{\"x\":1}},7]", fintoc("evt_1", 9))).expect(200);
    assert_eq!(statuses(&out), ["accepted", "conflict", "duplicate", "refused", "refused"]);
    assert_eq!(out["data"][3]["reason"], json!("the body has no text `type`"));
    assert!(text(&out["data"][1]["conflictId"]).starts_with("conflict_"), "{out}");
    assert_eq!(door.get("/conflict")["data"][0]["id"], out["data"][1]["conflictId"]);
    let list = format!("{{\"object\":\"list\",\"data\":[{},{two}]}}", fintoc("evt_3", 3));
    assert_eq!(statuses(&import(&door, &list).expect(200)), ["accepted", "duplicate"]);
    assert_eq!(statuses(&import(&door, &list).expect(200)), ["duplicate", "duplicate"], "repeating it is safe");
    let event = door.events().remove(0);
    assert_eq!((&event["flags"], &event["dedupKey"]), (&json!(["imported"]), &json!("evt_3")));
    assert_eq!(door.send(fintoc("evt_3", 3)).status, 200);
    let received = receiver.wait_for(3);
    std::thread::sleep(A_WHILE);
    assert_eq!(receiver.received().len(), 3);
    let third = received.iter().find(|received| received.body == fintoc("evt_3", 3).as_bytes()).expect("its bytes");
    assert_eq!((third.header("posthaste-flags"), third.header("content-type")), ("imported", "application/json"));
    assert_eq!(import(&door, "[]").expect(200), json!({"data": []}));
}

#[test]
fn what_is_too_much_or_not_allowed_is_refused_whole() {
    let door = Door::open(Provider::Fintoc);
    for (body, status) in [("", 422), ("7", 422), ("\"x\"", 422), ("{\"a\":", 422)] {
        assert_eq!(import(&door, body).status, status, "{body}");
    }
    let many: Vec<_> = (0..1_001).map(|number| fintoc(&format!("evt_{number}"), 1)).collect();
    assert_eq!(import(&door, format!("[{}]", many.join(","))).expect(413)["code"], json!("too_many_events"));
    assert_eq!(statuses(&import(&door, format!("[{}]", many[..1_000].join(","))).expect(200)).len(), 1_000);
    let large = fintoc("evt_large", 1).replace("\"x\":1.10", &format!("\"x\":\"{}\"", "x".repeat(1_048_576)));
    let out = import(&door, format!("[{large}]")).expect(200);
    assert!(text(&out["data"][0]["reason"]).contains("at most 1048576"), "{out}");
    assert_eq!(import(&door, format!("[{}]", vec![large; 17].join(","))).status, 413);
    for role in ["publisher", "viewer"] {
        let key = door.world.key(role, "test");
        let path = format!("{SOURCES}/{}/import", door.source);
        let refused = || door.world.call_as(&key, "POST", &path, &[], &fintoc("evt_x", 1));
        eventually(|| (refused().status == 403).then_some(()));
    }
    assert_eq!(door.get("/stats")["accepted"], json!(1_000));
}

#[test]
fn an_id_that_stands_in_a_header_is_given_beside_the_body() {
    let standard = Door::open(Provider::Standard);
    let bare = import(&standard, r#"{"type":"a","data":{}}"#).expect(200);
    assert!(text(&bare["data"][0]["reason"]).contains("webhook-id"), "{bare}");
    let body = r#"{"headers":{"webhook-id":"msg_1"},"body":{"type":"a","data":{}}}"#;
    assert_eq!(statuses(&import(&standard, body).expect(200)), ["accepted"]);
    assert_eq!(statuses(&import(&standard, body).expect(200)), ["duplicate"]);
    assert_eq!(standard.events()[0]["dedupKey"], json!("msg_1"));
    let config = json!({"idHeader": "x-id", "typeHeader": "x-type"});
    let generic = Door::open_with(Provider::Generic, config);
    let body = r#"{"headers":{"X-Id":"7","x-type":"paid"},"body":"amount=5"}"#;
    assert_eq!(statuses(&import(&generic, body).expect(200)), ["accepted"]);
    let event = generic.events().remove(0);
    assert_eq!((&event["eventType"], &event["dedupKey"]), (&json!("paid"), &json!("7")));
    assert_eq!(event["payload"], json!({"rawPayload": "amount=5"}));
}

#[test]
fn what_cannot_be_told_apart_is_not_imported() {
    let generic = Door::open_with(Provider::Generic, json!({"idHeader": "x-id"}));
    for (body, why) in [
        (r#"{"a":1}"#, "give {\"headers\": {\"x-id\": …}"),
        (r#"{"headers":{"x-id":""},"body":{"a":1}}"#, "give {\"headers\""),
        (r#"{"headers":{"x-id":7},"body":{"a":1}}"#, "`headers` beside `body` must be an object of texts"),
        (r#"{"headers":[],"body":{"a":1}}"#, "must be an object of texts"),
        (r#"{"headers":{"x id":"7"},"body":{"a":1}}"#, "`x id` is no header"),
    ] {
        let out = import(&generic, body).expect(200);
        assert!(text(&out["data"][0]["reason"]).contains(why), "{body}: {out}");
    }
    let standard = Door::open(Provider::Standard);
    for id in ["", "a.b", &"x".repeat(257)] {
        let body = json!({"headers": {"webhook-id": id}, "body": {"type": "a"}});
        assert_eq!(statuses(&import(&standard, &body).expect(200)), ["refused"], "{id}");
    }
    let each_time = Door::open_with(Provider::Generic, json!({"dedup": "none"}));
    let told = import(&each_time, r#"{"a":1}"#).expect(422).to_string();
    assert!(told.contains("set `dedup` to `body`"), "{told}");
    assert_eq!((generic.events(), standard.events(), each_time.events()), (vec![], vec![], vec![]));
}

#[test]
fn a_body_that_looks_like_a_list_is_one_event_within_an_array() {
    let door = Door::open_with(Provider::Generic, json!({}));
    let body = r#"{"event":"x","data":[{"a":1},{"a":2}]}"#;
    assert_eq!(statuses(&import(&door, format!("[{body},[1,2]]")).expect(200)), ["accepted", "accepted"]);
    let payloads: Vec<_> = door.events().iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(payloads.len(), 2, "{payloads:?}");
    assert!(payloads.contains(&serde_json::from_str(body).unwrap()), "{payloads:?}");
}

/// A small Fintoc sends to a door that is away for a while; what it lists afterwards is imported as a script spells it.
#[cfg(feature = "peers")]
#[test]
fn an_outage_is_healed_from_the_providers_own_list() {
    use std::collections::BTreeMap;
    let (sandbox, receiver) = (World::sandbox(&[]), Receiver::good());
    let mut door = Door::open_with(Provider::Fintoc, json!({"secrets": []}));
    door.subscribe(&receiver);
    let fintoc = |method: &str, path: &str, body: Value| {
        sandbox.call_as(
            "sk_test_shop",
            method,
            &format!("/fintoc{path}"),
            &[("authorization", "sk_test_shop")],
            &body.to_string(),
        )
    };
    let url = format!("{}{}", door.world.url, door.path);
    let made =
        fintoc("POST", "/v1/webhook_endpoints", json!({"url": url, "enabled_events": ["payment_intent.succeeded"]}));
    let made = made.expect(201);
    let (webhook, secret) = (text(&made["id"]), text(&made["secret"]));
    let path = format!("{SOURCES}/{}", door.source);
    door.world.call("PATCH", &path, json!({"config": {"secrets": [secret]}})).expect(200);
    let trigger = |count: usize| {
        for _ in 0..count {
            fintoc("POST", "/v1/events/trigger", json!({"type": "payment_intent.succeeded"})).expect(201);
        }
    };
    trigger(20);
    receiver.wait_for(5);
    door.world.kill();
    trigger(20);
    door.world.restart();
    let list = fintoc("GET", "/v1/events?per_page=100", json!({})).body;
    let python = |text: &str| {
        use std::io::Write as _;
        let script = "import json,sys; print(json.dumps(json.load(sys.stdin)))";
        let mut python = std::process::Command::new("python3")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
    };
    let spelled = python(&list);
    let out = import(&door, &spelled).expect(200);
    let imported = statuses(&out);
    assert_eq!(imported.len(), 40, "{imported:?}");
    assert!(imported.iter().filter(|status| *status == "accepted").count() >= 20, "{imported:?}");
    assert!(imported.iter().all(|status| status == "accepted" || status == "duplicate"), "{imported:?}");
    let url = json!({"url": format!("{}{}", door.world.url, door.path)});
    fintoc("PATCH", &format!("/v1/webhook_endpoints/{webhook}"), url).expect(200);
    // what it could not deliver the provider sends again
    eventually(|| (door.get("/stats")["duplicates"].as_u64().unwrap() >= 40).then_some(()));
    eventually(|| (door.events().len() == 40).then_some(()));
    let mut seen = BTreeMap::<String, usize>::new();
    eventually(|| {
        (receiver.received().iter().map(|one| one.id().to_owned()).collect::<std::collections::BTreeSet<_>>().len()
            == 40)
            .then_some(())
    });
    for received in receiver.received() {
        *seen.entry(received.id().to_owned()).or_default() += 1;
    }
    let stats = door.get("/stats");
    assert_eq!((&stats["accepted"], &stats["conflicts"], seen.len()), (&json!(40), &json!(0), 40));
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.len() <= 16, "no more than flew when it was killed: {twice:?}");
}
