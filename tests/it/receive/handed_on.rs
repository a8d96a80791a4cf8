//! Handing on: the very bytes with what proved them, or the same bytes inside a Standard Webhook.

use super::*;

#[test]
fn the_original_goes_on_byte_for_byte_with_its_own_proof_and_ours() {
    let (door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    let endpoint = door.subscribe(&receiver);
    let body = fintoc("evt_1", 1);
    let proof = door.proof(body.as_bytes());
    assert_eq!(door.post(body.as_bytes(), &proof).status, 200);
    let received = &receiver.wait_for(1)[0];
    assert_eq!(received.body, body.as_bytes());
    assert_eq!(received.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(received.header("fintoc-signature"), proof[0].1);
    assert_eq!(received.id(), text(&door.events()[0]["id"]));
    let secret = door.get(&format!("/endpoint/{endpoint}/secret"));
    assert!(received.signed_by(secret["key"].as_str().unwrap()));
    eventually(|| (door.get("/stats")["processed"] == json!(1)).then_some(()));
    let attempts = door.get(&format!("/endpoint/{endpoint}/attempt"));
    assert_eq!(attempts["data"][0]["responseStatusCode"], json!(200));
}

#[test]
fn what_came_with_an_event_goes_with_every_attempt_also_after_a_crash() {
    let receiver = Receiver::start(|count, _| crate::world::Behaviour::Status(if count == 0 { 500 } else { 200 }));
    let mut door = Door::open(Provider::Bridge);
    door.subscribe(&receiver);
    let body = r#"{"content":{"user_uuid":"u"},"timestamp":1612782588323,"type":"user.deleted"}"#;
    assert_eq!(door.send(body).status, 200);
    receiver.wait_for(1);
    std::thread::sleep(A_WHILE); // let the outcome reach the disk
    door.world.kill_and_restart();
    let received = receiver.wait_for(2);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(received[0].id(), received[1].id());
    for header in ["bridgeapi-signature", "content-type"] {
        assert!(!received[1].header(header).is_empty());
        assert_eq!(received[0].header(header), received[1].header(header));
    }
}

#[test]
fn as_a_standard_webhook_the_original_stands_inside() {
    let (door, receiver) = (Door::open_with(Provider::Finix, json!({"deliverAs": "standard"})), Receiver::good());
    let endpoint = door.subscribe(&receiver);
    let body = r#"{"type":"created","entity":"transfer","occurred_at":"2026-01-02T03:04:05.678","_embedded":{"transfers":[{"id":"TR1","amount":1.10}]}}"#;
    assert_eq!((door.send(body).status, door.send(body).status), (200, 200));
    let received = &receiver.wait_for(1)[0];
    let expected = format!(r#"{{"type":"transfer.created","timestamp":"2026-01-02T03:04:05.678Z","data":{body}}}"#);
    assert_eq!(String::from_utf8_lossy(&received.body), expected);
    assert_eq!((received.header("content-type"), received.header("finix-signature")), ("application/json", ""));
    let secret = door.get(&format!("/endpoint/{endpoint}/secret"));
    assert!(received.signed_by(secret["key"].as_str().unwrap()));
    assert_eq!((door.events().len(), &door.events()[0]["duplicates"]), (1, &json!(1)));
}

#[test]
fn the_events_of_a_source_are_an_applications_events_but_nobody_publishes_there() {
    let (door, receiver) = (Door::open(Provider::Fintoc), Receiver::good());
    let endpoint = door.subscribe(&receiver);
    assert_eq!(door.send(fintoc("evt_1", 1)).status, 200);
    let event = text(&door.events()[0]["id"]);
    let app = format!("/api/v1/app/{}", door.source);
    assert_eq!(door.world.attempts(&door.source, &event, 1).len(), 1);
    door.world.call("POST", &format!("{app}/msg/{event}/endpoint/{endpoint}/resend"), "{}").expect(202);
    receiver.wait_for(2);
    let forged = json!({"eventType": "payment_intent.succeeded", "payload": {}});
    assert_eq!(door.world.call("POST", &format!("{app}/msg"), forged).expect(409)["code"], json!("conflict"));
    door.world
        .call("POST", &format!("{app}/endpoint/{endpoint}/send-example"), r#"{"eventType":"svix.ping"}"#)
        .expect(200);
    assert_eq!(receiver.wait_for(3)[2].body, br#"{"success":true}"#);
    let apps = door.world.call("GET", "/api/v1/app", "").expect(200);
    assert_eq!(apps["data"], json!([]), "a source's application is no customer");
    door.world.call("DELETE", &app, "").expect(409);
}

#[test]
fn an_endpoint_filters_the_types_of_the_catalogue_that_came_with_the_source() {
    let (door, receiver) = (Door::open(Provider::Finix), Receiver::good());
    let path = format!("{SOURCES}/{}/endpoint", door.source);
    door.world.call("POST", &path, json!({"url": receiver.url, "eventTypes": ["transfer.updated"]})).expect(201);
    door.world.call("POST", &path, json!({"url": receiver.url, "eventTypes": ["transfer.vanished"]})).expect(422);
    for kind in ["created", "updated"] {
        let body = format!(r#"{{"type":"{kind}","entity":"transfer","_embedded":{{"transfers":[{{}}]}}}}"#);
        assert_eq!(door.send(body).status, 200);
    }
    let received = receiver.wait_for(1);
    std::thread::sleep(A_WHILE);
    assert_eq!((receiver.received().len(), received[0].body.windows(7).any(|part| part == b"updated")), (1, true));
}

#[test]
fn standard_webhooks_and_svix_come_in_by_their_own_headers() {
    for provider in [Provider::Standard, Provider::Svix] {
        let (door, receiver) = (Door::open(provider), Receiver::good());
        let endpoint = door.subscribe(&receiver);
        let body = r#"{"type":"invoice.paid","data":{}}"#;
        assert_eq!((door.send(body).status, door.send(body).status), (200, 200));
        let events = door.events();
        assert_eq!(
            (events.len(), &events[0]["eventType"], &events[0]["duplicates"]),
            (1, &json!("invoice.paid"), &json!(1))
        );
        let received = &receiver.wait_for(1)[0];
        let secret = door.get(&format!("/endpoint/{endpoint}/secret"));
        assert!(received.signed_by(secret["key"].as_str().unwrap()), "webhook-* is ours");
        assert_eq!(received.header("svix-signature").is_empty(), provider == Provider::Standard);
    }
}
