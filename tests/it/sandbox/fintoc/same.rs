//! The same seed: whatever the order of requests, ids, amounts and outcomes are the same; another seed has others.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use super::{ended, get, link, post, refresh};
use crate::world::World;

/// Makes links and payments from several threads, in this order; gives everything that is not a moment.
fn run(seed: &str, order: &[usize]) -> BTreeSet<String> {
    let world = World::sandbox(&["--seed", seed, "--speed", "5000"]);
    thread::scope(|scope| {
        for &nth in order {
            let world = &world;
            scope.spawn(move || {
                let link = link(world, &json!({ "accounts": nth }));
                refresh(world, &link).expect(201);
                ended(world, &link);
                let payment = json!({ "amount": 1_000 + nth % 3, "currency": "CLP" });
                post(world, "/v1/payment_intents", &payment).expect(201);
            });
        }
    });
    let texts = |value: &Value, names: &[&str]| names.iter().map(|name| value[*name].to_string()).collect::<String>();
    let mut facts = BTreeSet::new();
    for link in get(&world, "/v1/links").as_array().unwrap() {
        facts.insert(texts(link, &["id", "holder_id", "status", "refresh_status"]));
        for account in link["accounts"].as_array().unwrap() {
            facts.insert(texts(account, &["id", "number", "balance"]));
        }
    }
    for payment in get(&world, "/v1/payment_intents").as_array().unwrap() {
        facts.insert(texts(payment, &["id", "amount", "reference_id", "widget_token"]));
    }
    for event in get(&world, "/v2/events?per_page=300").as_array().unwrap() {
        let data = &event["data"];
        facts.insert(texts(event, &["id", "type"]) + &texts(data, &["refreshed_object_id", "status", "new_movements"]));
    }
    facts
}

#[test]
fn the_order_of_concurrent_requests_changes_nothing() {
    let one = run("7", &[1, 2, 3, 4, 5, 6]);
    let other = run("7", &[6, 3, 5, 2, 4, 1]);
    assert_eq!(one, other);
    assert!(one.is_disjoint(&run("8", &[1, 2, 3, 4, 5, 6])));
}
