//! The same event, however it is spelled: one delivery under one name; and what says something else is held or flagged.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::crowd::try_exchange;
use super::*;

/// A source whose events have ids, and one event of it.
struct Kind {
    type_name: &'static str,
    provider: Provider,
    secret: &'static str,
    config: Value,
    event: &'static str,
}

/// Each type of source that finds an id.
fn kinds() -> Vec<Kind> {
    let generic = "a secret of any form";
    let standard =
        r#"{"type":"invoice.paid","timestamp":"2026-11-25T10:00:00Z","data":{"id":"in_1","amount":4990,"note":"é"}}"#;
    let plain = r#"{"kind":"paid","id":"x1","data":{"z":1,"amount":4990,"note":"é"}}"#;
    let of = |type_name, provider, secret, config, event| Kind { type_name, provider, secret, config, event };
    vec![
        of(
            "fintoc",
            Provider::Fintoc,
            FINTOC,
            json!({}),
            r#"{"id":"evt_1","type":"payment_intent.succeeded","mode":"test","created_at":"2026-11-25T10:00:00.000Z","data":{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":4990,"note":"é"},"object":"event"}"#,
        ),
        of(
            "finix",
            Provider::Finix,
            FINIX,
            json!({}),
            r#"{"type":"created","entity":"transfer","occurred_at":"2026-01-01T00:00:00.1","_embedded":{"transfers":[{"id":"TR1","amount":4990,"note":"é"}]},"id":"event_1"}"#,
        ),
        of("standard-webhooks", Provider::Standard, STANDARD, json!({}), standard),
        of("svix", Provider::Svix, STANDARD, json!({"deliverAs": "standard"}), standard),
        of("generic-webhook", Provider::Generic, generic, json!({"idPath": "/id", "typePath": "/kind"}), plain),
        of("generic-webhook", Provider::Generic, generic, json!({"idHeader": "X-Event-Id"}), plain),
    ]
}

/// One event in other spellings: order, spaces, escapes, numbers, more members and fewer; and all at once.
fn spellings(event: &str) -> Vec<String> {
    let sorted: Value = serde_json::from_str(event).unwrap();
    let more = |text: &str| text.replacen('{', r#"{"added":{"x":[1]},"#, 1);
    let fewer = |text: &str| text.replace(r#","note":"é""#, "");
    let escaped = |text: &str| text.replace('é', "\\u00e9").replace("\"amount\"", "\"\\u0061mount\"");
    let all = |text: &str| more(&escaped(text)).replace("4990", "4.99e3");
    vec![
        event.to_owned(),
        sorted.to_string(),
        serde_json::to_string_pretty(&sorted).unwrap(),
        escaped(event),
        event.replace("4990", "4990.0"),
        event.replace("4990", "499e1"),
        more(event),
        fewer(event),
        all(&sorted.to_string()),
        all(&fewer(event)),
    ]
}

/// A door of a running server, and where its events go.
struct Way {
    of: Kind,
    source: String,
    path: String,
    receiver: Receiver,
}

impl Way {
    fn open(world: &World, of: Kind, on_conflict: &str) -> Self {
        let mut config = of.config.clone();
        config["secrets"] = json!([of.secret]);
        config["onConflict"] = json!(on_conflict);
        let made =
            world.call("POST", SOURCES, json!({"name": "in", "type": of.type_name, "config": config})).expect(201);
        assert_eq!(made["config"]["onConflict"], json!(on_conflict));
        let (source, path, receiver) = (text(&made["id"]), path_of(&made), Receiver::good());
        world.call("POST", &format!("{SOURCES}/{source}/endpoint"), json!({"url": receiver.url})).expect(201);
        Self { of, source, path, receiver }
    }

    /// A request with this body, under the one id of this event.
    fn request(&self, body: &str) -> Vec<u8> {
        let secret = providers::parse_secret(self.of.provider, self.of.secret).unwrap();
        let signing = Signing { id: "msg_one", at_secs: now_secs(), body: body.as_bytes() };
        let proofs = providers::sign(self.of.provider, &[SecretSlot::new(secret)], signing);
        let mut headers: Vec<_> = proofs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        headers.extend(providers::id_header(self.of.provider).map(|name| (name.to_owned(), "msg_one".to_owned())));
        headers.push(("x-event-id".to_owned(), "x1".to_owned()));
        request(&self.path, body.as_bytes(), &headers)
    }

    fn send(&self, world: &World, body: &str) {
        assert_eq!(world.raw(&self.request(body)).status, 200, "{}: {body}", self.of.type_name);
    }

    fn get(&self, world: &World, rest: &str) -> Value {
        world.call("GET", &format!("{SOURCES}/{}{rest}", self.source), "").expect(200)
    }

    fn events(&self, world: &World) -> Vec<Value> {
        let list = world.call("GET", &format!("/api/v1/app/{}/msg", self.source), "").expect(200);
        list["data"].as_array().unwrap().clone()
    }
}

/// Sends every spelling many times, twenty at a time; gives how many requests were answered 200.
fn storm(url: &str, ways: &[Way], times: usize) -> usize {
    let all = ways.iter().flat_map(|way| spellings(way.of.event).into_iter().map(|body| way.request(&body)));
    let requests: Vec<_> = all.collect();
    let (next, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= requests.len() * times {
                        return;
                    }
                    // far from one another in the list, so that the spellings of one event meet
                    let status = try_exchange(url, &requests[place * 7 % requests.len()]);
                    assert!(matches!(status, 0 | 200 | 503), "{status}");
                    taken.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                }
            });
        }
    });
    taken.into_inner()
}

#[test]
fn an_event_in_ten_spellings_is_one_delivery_under_one_name_also_through_a_crash() {
    let mut world = World::start();
    let ways: Vec<_> = kinds().into_iter().map(|kind| Way::open(&world, kind, "hold")).collect();
    let killer = {
        let pid = rustix::process::Pid::from_child(&world.server);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(120));
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)
        })
    };
    storm(&world.url, &ways, 10);
    killer.join().unwrap().unwrap();
    world.kill();
    world.restart();
    assert_eq!(storm(&world.url, &ways, 3), ways.len() * 30, "nothing speaks against any of them");
    for way in &ways {
        let events = way.events(&world);
        assert_eq!(events.len(), 1, "{}: {events:?}", way.of.type_name);
        let stats = way.get(&world, "/stats");
        assert_eq!((&stats["accepted"], &stats["conflicts"]), (&json!(1), &json!(0)), "{}", way.of.type_name);
        way.receiver.wait_for(1);
    }
    std::thread::sleep(A_WHILE);
    for way in &ways {
        let received = way.receiver.received();
        assert!(received.len() <= 2, "the one attempt, and once more when the crash met it: {}", received.len());
        let name = text(&way.events(&world)[0]["id"]);
        assert!(received.iter().all(|received| received.id() == name));
    }
}

#[test]
fn a_changed_amount_is_held_or_delivered_as_its_source_says() {
    let world = World::start();
    for (place, on_conflict) in ["hold", "deliver"].into_iter().enumerate() {
        for kind in kinds() {
            let way = Way::open(&world, kind, on_conflict);
            let other = way.of.event.replace("4990", "4991");
            way.send(&world, way.of.event);
            let first = way.receiver.wait_for(1)[0].id().to_owned();
            for body in [other.clone(), spellings(&other)[9].clone(), way.of.event.to_owned()] {
                way.send(&world, &body);
            }
            let stats = way.get(&world, "/stats");
            assert_eq!((&stats["conflicts"], &stats["duplicates"]), (&json!(1), &json!(2)), "{}", way.of.type_name);
            assert_eq!((&stats["accepted"], &stats["held"]), (&json!(1 + place), &json!(1 - place)));
            if on_conflict == "hold" {
                check_release(&world, &way, &first);
            }
            let received = way.receiver.wait_for(2);
            let flagged = received.iter().find(|received| !received.header("posthaste-flags").is_empty()).unwrap();
            assert_eq!(flagged.header("posthaste-flags"), "id_conflict");
            assert_eq!(flagged.header("posthaste-first-id"), first);
            assert_ne!(flagged.id(), first, "it has an id of its own");
            assert!(String::from_utf8_lossy(&flagged.body).contains("4991"));
            let event = way.events(&world).remove(0);
            assert_eq!((&event["flags"], &event["firstId"]), (&json!(["id_conflict"]), &json!(first)));
            way.send(&world, &other);
            std::thread::sleep(A_WHILE);
            assert_eq!(way.receiver.received().len(), 2, "{}: a repetition of either is known", way.of.type_name);
        }
    }
}

/// What waits is shown beside the first, and released once.
fn check_release(world: &World, way: &Way, first: &str) {
    let conflicts = way.get(world, "/conflict")["data"].as_array().unwrap().clone();
    let [conflict] = &conflicts[..] else {
        panic!("{conflicts:?}");
    };
    assert_eq!((&conflict["status"], &conflict["count"]), (&json!("waiting"), &json!(2)));
    assert!(text(&conflict["body"]).contains("4991") && text(&conflict["firstId"]) == first, "{conflict}");
    assert_eq!(conflict["first"]["id"], json!(first));
    let path = format!("{SOURCES}/{}/conflict/{}", way.source, text(&conflict["id"]));
    let released = world.call("POST", &format!("{path}/release"), "").expect(200);
    assert_eq!(released["status"], json!("released"));
    world.call("POST", &format!("{path}/release"), "").expect(409);
    world.call("POST", &format!("{path}/discard"), "").expect(409);
    assert_eq!(world.call("GET", &path, "").expect(200)["status"], json!("released"));
    assert_eq!(way.get(world, "/conflict")["data"], json!([]));
    assert_eq!(way.events(world)[0]["id"], released["msgId"]);
    let told = world.call("GET", "/api/v1/audit?what=event.released", "").expect(200);
    assert_eq!(told["data"][0]["action"], json!("event.released"));
}

#[test]
fn a_conflict_is_told_once_to_whoever_hears_and_a_discarded_one_is_known_again() {
    let hearer = Receiver::good();
    let mut world = World::start();
    world
        .call(
            "POST",
            "/api/v1/operational-webhook/endpoint",
            json!({"url": hearer.url, "eventTypes": ["source.conflict"]}),
        )
        .expect(201);
    let way = Way::open(&world, kinds().remove(0), "hold");
    let other = way.of.event.replace("4990", "4991");
    for body in [way.of.event, &other, &other] {
        way.send(&world, body);
    }
    let conflict = way.get(&world, "/conflict")["data"][0].clone();
    let told: Value = serde_json::from_slice(&hearer.wait_for(1)[0].body).unwrap();
    assert_eq!(told["type"], json!("source.conflict"));
    let data = &told["data"];
    assert_eq!((&data["conflictId"], &data["firstMsgId"]), (&conflict["id"], &conflict["firstId"]));
    assert_eq!((&data["sourceId"], &data["dedupKey"]), (&json!(way.source), &json!("evt_1")));
    let path = format!("{SOURCES}/{}/conflict/{}", way.source, text(&conflict["id"]));
    assert_eq!(world.call("POST", &format!("{path}/discard"), "").status, 204);
    let gone = world.call("GET", &path, "").expect(200);
    assert_eq!((&gone["status"], &gone["body"], &gone["bodyBase64"]), (&json!("discarded"), &Value::Null, &json!("")));
    world.kill_and_restart();
    way.send(&world, &spellings(&other)[2]);
    std::thread::sleep(A_WHILE);
    assert_eq!((way.get(&world, "/conflict")["data"].clone(), hearer.received().len()), (json!([]), 1));
    assert_eq!(way.events(&world).len(), 1);
}

#[test]
fn white_space_around_a_body_means_nothing_in_the_standard_form_either() {
    let world = World::start();
    for mut kind in kinds() {
        kind.config["deliverAs"] = json!("standard");
        let way = Way::open(&world, kind, "hold");
        way.send(&world, &format!("\n {}\r\n", way.of.event));
        for body in spellings(way.of.event) {
            way.send(&world, &body);
        }
        for changed in [format!(" {}\n", way.of.event), spellings(way.of.event).remove(2)] {
            way.send(&world, &changed.replace("4990", "4991"));
        }
        let stats = way.get(&world, "/stats");
        let counts = [&stats["accepted"], &stats["duplicates"], &stats["conflicts"], &stats["held"]];
        assert_eq!(counts, [&json!(1), &json!(11), &json!(1), &json!(1)], "{}", way.of.type_name);
    }
}

#[test]
fn only_admins_decide_what_is_held() {
    let world = World::start();
    let way = Way::open(&world, kinds().remove(0), "hold");
    way.send(&world, way.of.event);
    way.send(&world, &way.of.event.replace("4990", "4991"));
    let conflict = text(&way.get(&world, "/conflict")["data"][0]["id"]);
    for role in ["publisher", "viewer"] {
        let key = world.key(role, "test");
        for verb in ["release", "discard"] {
            let path = format!("{SOURCES}/{}/conflict/{conflict}/{verb}", way.source);
            eventually(|| (world.call_as(&key, "POST", &path, &[], "").status == 403).then_some(()));
        }
    }
    assert_eq!(way.get(&world, "/stats")["held"], json!(1));
}
