//! What a source holds back, on its page: shown beside the first, released and discarded by Admins alone.

use serde_json::json;

use posthaste::provider::Provider;

use super::pages::viewer;
use super::{ADMIN, Person, world};
use crate::receive::{self, FINTOC, fintoc};
use crate::world::{Receiver, World};

/// A Fintoc source with a receiver behind it; gives its id, the path of its page, and that of its door.
fn source(world: &World, receiver: &Receiver) -> (String, String, String) {
    let wanted = json!({"name": "Fintoc", "type": "fintoc", "config": {"secrets": [FINTOC]}});
    let made = world.call("POST", "/ingest/api/v1/source", wanted).expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let endpoint = json!({"url": receiver.url});
    world.call("POST", &format!("/ingest/api/v1/source/{id}/endpoint"), endpoint).expect(201);
    let page = format!("/test/source/{id}");
    (id, page, receive::path_of(&made))
}

fn send(world: &World, door: &str, body: &str) -> u16 {
    let proof = receive::proof(Provider::Fintoc, FINTOC, body.as_bytes(), receive::now_secs());
    world.raw(&receive::request(door, body.as_bytes(), &proof)).status
}

#[test]
fn a_conflict_stands_beside_the_first_and_goes_out_with_a_press() {
    let (world, receiver) = (world(), Receiver::good());
    let (_, page, door) = source(&world, &receiver);
    let mut ana = Person::login(&world, ADMIN);
    assert!(ana.get(&page).body.contains("Nothing that came under a known id says something else"));
    for amount in [4_990, 4_991, 4_992] {
        assert_eq!(send(&world, &door, &fintoc("evt_1", amount)), 200);
    }
    let first = receiver.wait_for(1)[0].id().to_owned();
    let list = ana.get("/test/source").body;
    assert!(list.contains("2, 2 held") && list.contains(&format!("href=\"{page}\"")), "{list}");
    let shown = ana.get(&page).body;
    for part in ["&quot;amount&quot;:4990", "&quot;amount&quot;:4991", "&quot;amount&quot;:4992", "evt_1"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let forms: Vec<_> = shown.split('"').filter(|text| text.starts_with(&format!("{page}/conflict/"))).collect();
    let [release, .., discard] = &forms[..] else {
        panic!("{forms:?}");
    };
    let mut vera = viewer(&world, &mut ana);
    let seen = vera.get(&page);
    assert!(seen.status == 200 && seen.body.contains("4991") && !seen.body.contains("/release"), "{seen:?}");
    assert_eq!((vera.post(release, &[]).status, vera.post(discard, &[]).status), (403, 403));
    let told = ana.follow(release, &[]).body;
    assert!(told.contains("It is delivered as msg_"), "{told}");
    assert!(ana.follow(discard, &[]).body.contains("It is discarded; its bytes are erased."));
    assert!(ana.follow(discard, &[]).body.contains("it does not wait any more"));
    let received = receiver.wait_for(2);
    assert_eq!(received[1].header("posthaste-first-id"), first);
    let event = world.call("GET", "/api/v1/audit?what=event", "").expect(200);
    assert_eq!(
        (event["data"][0]["action"].as_str(), event["data"][0]["actorName"].as_str()),
        (Some("event.discarded"), Some(ADMIN))
    );
    let odd = ana.get(&format!("/test/event/{}", received[1].id())).body;
    assert!(odd.contains("id_conflict") && odd.contains(&first), "{odd}");
}

#[test]
fn what_was_not_understood_goes_out_or_away_all_of_a_reason() {
    let (world, receiver) = (world(), Receiver::good());
    let (_, page, door) = source(&world, &receiver);
    for number in 0..3 {
        assert_eq!(send(&world, &door, &format!("\u{feff}{}", fintoc(&format!("evt_{number}"), 1))), 400);
        assert_eq!(send(&world, &door, &format!("[{number}]")), 400);
    }
    let mut ana = Person::login(&world, ADMIN);
    let shown = ana.get(&page).body;
    assert!(shown.contains("byte_order_mark") && shown.contains("no_object") && shown.contains("3 bodies"), "{shown}");
    let released = ana.follow(&format!("{page}/quarantine/release"), &[("reason", "byte_order_mark")]).body;
    assert!(released.contains("3 bodies delivered, flagged unread."), "{released}");
    let discarded = ana.follow(&format!("{page}/quarantine/discard"), &[("reason", "no_object")]).body;
    assert!(
        discarded.contains("3 bodies discarded") && discarded.contains("was understood, or decided"),
        "{discarded}"
    );
    let again = ana.follow(&format!("{page}/quarantine/discard"), &[("reason", "no_object")]).body;
    assert!(again.contains("None of these waits any more."), "{again}");
    assert_eq!(receiver.wait_for(3).len(), 3);
}
