//! Every type and flow of Fintoc, played at a source's door: a row for each payment that succeeded, and no other.

use std::collections::BTreeSet;

use posthaste::providers::example;

use super::*;
use crate::play::{PLAY, played};
use crate::world::program;

/// How many events of a kind: as many as a kind has forms.
const FORMS: usize = 3;

/// Plays a type or a flow at a door, each event twice; gives how many requests that were.
fn trigger(ingest_url: &str, seed: &str, what: &[&str]) -> usize {
    let fixed = ["--to", ingest_url, "--secret", FINTOC, "--seed", seed, "--fault", "duplicate", "--json"];
    let output = program().args(["trigger", "fintoc"]).args(what).args(fixed).output().unwrap();
    assert!(output.status.success(), "{what:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().count()
}

/// What has to be in the books when all this was told: the resources themselves say it, whatever the types are.
fn succeeded<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Vec<Row> {
    let mut rows = BTreeSet::new();
    for body in bodies {
        let resource = &serde_json::from_slice::<Value>(body).unwrap()["data"];
        if ["payment_intent", "charge"].map(Value::from).contains(&resource["object"])
            && resource["status"] == "succeeded"
        {
            let amount = resource["amount"].as_i64().unwrap();
            rows.insert((text(&resource["id"]), amount, text(&resource["currency"])));
        }
    }
    rows.into_iter().collect()
}

/// What became of an endpoint's deliveries: how many succeeded, and how many did not, attempts included.
fn outcomes(door: &Door, endpoint: &str) -> (u64, u64) {
    let read = |what: &str| {
        let path = format!("/api/v1/app/{}/endpoint/{endpoint}/{what}", door.source);
        let mut counts = door.world.call("GET", &path, "").expect(200);
        let success = counts["success"].take().as_u64().unwrap();
        (success, counts.as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>())
    };
    let ((delivered, other), (_, failed)) = (read("stats"), read("attempt-stats"));
    (delivered, other + failed)
}

#[test]
fn every_type_and_flow_leaves_a_row_for_each_payment_that_succeeded_and_no_failed_delivery() {
    // the documentation shows one id on several events: each of them shall reach the handler
    let door = Door::open_with(Provider::Fintoc, json!({"onConflict": "deliver"}));
    let (mut handler, witness) = (Handler::start(), Receiver::good());
    let endpoint = handler.subscribe_to(&door, &json!({}));
    door.subscribe(&witness);
    let ingest_url = format!("{}{}", door.world.url, door.path);
    let mut requests = 0;
    for (seed, documented) in [("7", &[][..]), ("8", &["--as-documented"])] {
        for flow in providers::flows(Provider::Fintoc) {
            requests += trigger(&ingest_url, seed, &[&["--flow", flow.name], documented].concat());
        }
        for row in providers::catalogue(Provider::Fintoc) {
            let forms = FORMS.to_string();
            requests += trigger(&ingest_url, seed, &[&[&*row.event_type, "--repeat", &forms], documented].concat());
        }
    }
    assert_eq!(requests, 2 * 2 * (29 + 27 * FORMS), "the steps of all flows, and all types, twice each");

    let count = |name: &str| usize::try_from(door.get("/stats")[name].as_u64().unwrap()).unwrap();
    // more than half: some of those that share an id in the documentation are the same to the byte
    assert_eq!(count("accepted") + count("duplicates"), requests);
    let told = witness.wait_for(count("accepted"));
    let bodies = || told.iter().map(|received| received.body.as_slice());
    let kinds: BTreeSet<_> =
        bodies().map(|body| text(&serde_json::from_slice::<Value>(body).unwrap()["type"])).collect();
    assert_eq!(kinds.len(), 27);
    eventually(|| (outcomes(&door, &endpoint) == (told.len() as u64, 0)).then_some(()));

    let expected = succeeded(bodies());
    assert_eq!(expected.len(), 2 * (5 + 2 * FORMS), "of five flows, and of two types");
    assert_eq!(handler.booked(), expected);
    handler.is_well();
}

#[test]
fn a_payment_is_booked_once_whichever_of_its_events_comes_first_and_however_often() {
    let mut handler = Handler::start();
    let mut told = Vec::new();
    for flow in ["payment-intent-pending", "checkout-session", "refund", "direct-debit"] {
        let mut scenes = played(Provider::Fintoc, flow, &PLAY);
        scenes.reverse();
        for scene in scenes.iter().chain(&scenes) {
            assert_eq!(handler.deliver(&scene.body), 200, "{}", scene.event_type);
        }
        told.extend(scenes);
        assert_eq!(handler.booked(), succeeded(told.iter().map(|scene| &*scene.body)), "{flow}");
    }
    assert_eq!(handler.booked().len(), 4);
    // the same payment once more, in an event of its own
    let again = fintoc("evt_1", 4_990).replacen("evt_1", "evt_2", 1);
    assert_eq!((handler.deliver(fintoc("evt_1", 4_990)), handler.deliver(again)), (200, 200));
    assert_eq!(handler.booked().len(), 5);
    handler.is_well();
}

#[test]
fn a_payment_that_is_open_or_came_to_nothing_is_not_booked() {
    let mut handler = Handler::start();
    for end in ["pending", "rejected", "expired", "failed"] {
        let scene = example(Provider::Fintoc, &format!("payment_intent.{end}"), 0, &PLAY).unwrap();
        assert_eq!((handler.deliver(&scene.body), handler.booked()), (200, vec![]), "{end}");
    }
    handler.is_well();
}
