//! What the providers' plays look like: the documented trees, every row of the catalogues, the same again and another.

use std::collections::BTreeSet;

use posthaste::provider::Provider;
use posthaste::providers::{self, Play, Scene};
use serde_json::Value;

mod door;
mod story;
mod tree;

use tree::{Sample, paths, tree};

const AT_MS: i64 = 1_793_620_800_123; // 2026-11-02, a Monday

pub const PLAY: Play = Play { seed: 7, at_ms: AT_MS, live: false, as_documented: false, speed: 1 };
pub const DOCUMENTED: Play = Play { as_documented: true, ..PLAY };
pub const PLAYERS: [Provider; 3] = [Provider::Fintoc, Provider::Bridge, Provider::Finix];

pub fn played(provider: Provider, flow: &str, play: &Play) -> Vec<Scene> {
    providers::play(provider, flow, play).unwrap_or_else(|| panic!("{provider:?} has no flow {flow}"))
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn each_step_of_a_flow_has_the_tree_of_its_sample() {
    let samples = Sample::all();
    assert_eq!(samples.len(), 95);
    for sample in &samples {
        for play in [PLAY, DOCUMENTED] {
            let scene = &played(sample.provider, sample.flow, &play)[sample.step - 1];
            assert_eq!(tree(&scene.payload), sample.tree, "{} step {}", sample.flow, sample.step);
        }
        let scene = &played(sample.provider, sample.flow, &DOCUMENTED)[sample.step - 1];
        assert_eq!(scene.event_type, sample.event_type, "{}", sample.number);
        let keys: Vec<_> = tree::keys(&scene.body);
        assert_eq!(keys.join(","), sample.keys, "{}", sample.number);
        if sample.provider == Provider::Finix {
            assert_eq!(tree::keys(json(&scene.body)["_embedded"].to_string().as_bytes()), [sample.holder]);
        }
    }
}

#[test]
fn every_row_of_a_catalogue_has_an_example_between_the_keys_always_and_ever_documented() {
    let samples = Sample::all();
    for provider in PLAYERS {
        for row in providers::catalogue(provider) {
            let scene = providers::example(provider, &row.event_type, 0, &PLAY).expect("an example");
            assert_eq!((scene.event_type.as_str(), scene.wait_ms), (row.event_type.as_str(), 0));
            let entity = |event_type: &str| event_type.rsplit_once('.').map(|(entity, _)| entity.to_owned());
            let of_provider = || samples.iter().filter(|sample| sample.provider == provider);
            let mut alike: Vec<_> = of_provider().filter(|sample| sample.event_type == row.event_type).collect();
            if alike.is_empty() {
                alike = of_provider().filter(|sample| entity(sample.event_type) == entity(&row.event_type)).collect();
            }
            let Some(first) = alike.first() else {
                continue;
            };
            let here = paths(&tree(&scene.payload));
            let mut always = paths(first.tree);
            let mut ever = BTreeSet::new();
            for sample in alike {
                let there = paths(sample.tree);
                always.retain(|path| there.contains(path));
                ever.extend(there);
            }
            let [missing, unknown]: [Vec<_>; 2] =
                [always.difference(&here).collect(), here.difference(&ever).collect()];
            assert!(missing.is_empty() && unknown.is_empty(), "{}: {missing:?} {unknown:?}", row.event_type);
        }
        assert!(providers::example(provider, "of.tomorrow", 0, &PLAY).is_none());
        assert!(providers::play(provider, "of-tomorrow", &PLAY).is_none());
    }
    assert!(providers::flows(Provider::Standard).is_empty());
    assert!(providers::example(Provider::Svix, "transfer.created", 0, &PLAY).is_none());
}

#[test]
fn the_next_of_a_kind_differs_and_the_forms_of_a_kind_take_turns() {
    for provider in PLAYERS {
        for row in providers::catalogue(provider).iter().filter(|row| row.event_type != "TEST_EVENT") {
            let bodies: BTreeSet<_> =
                (0..4).map(|nth| providers::example(provider, &row.event_type, nth, &PLAY).unwrap().body).collect();
            assert_eq!(bodies.len(), 4, "{}", row.event_type);
        }
    }
    let said = |event_type: &str, key: &str| -> Vec<_> {
        let example = |nth| providers::example(Provider::Fintoc, event_type, nth, &PLAY).unwrap();
        (0..3).map(|nth| json(&example(nth).payload)[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        said("charge.failed", "failure_code"),
        ["insufficient_funds", "amount_exceeds_authorization", "authorization_disabled"]
    );
    let rejected = said("subscription_intent.rejected", "public_error");
    assert!(rejected[0] != rejected[1] && rejected[0] == rejected[2], "{rejected:?}");
    let enrolled = providers::example(Provider::Fintoc, "subscription_intent.succeeded", 0, &PLAY).unwrap();
    assert_eq!(json(&enrolled.payload)["subscription"]["object"], "subscription");
}

/// Every text of a body that is an id or another random text.
fn names(body: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let random = |word: &&str| word.len() >= 16 && word.contains(|c: char| c.is_ascii_digit());
    words.filter(random).map(str::to_owned).collect()
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_makes_other_ids() {
    let everything = |play: &Play| {
        let flows = |provider| providers::flows(provider).into_iter().map(move |flow| (provider, flow.name));
        let flows = PLAYERS.into_iter().flat_map(flows);
        flows.map(|(provider, flow)| ((provider.name(), flow), played(provider, flow, play))).collect::<Vec<_>>()
    };
    for play in [PLAY, DOCUMENTED] {
        let first = everything(&play);
        assert_eq!(first, everything(&play));
        let mut seen = BTreeSet::new();
        for (flow, scenes) in first.iter().chain(&everything(&Play { seed: 8, ..play })) {
            let here: BTreeSet<_> = scenes.iter().flat_map(|scene| names(&scene.body)).collect();
            for name in here {
                assert!(seen.insert(name.clone()), "{name} of {flow:?} stands in another play too");
            }
        }
        let later = everything(&Play { at_ms: AT_MS + 86_400_000, ..play });
        for ((_, scenes), (_, later)) in first.iter().zip(later) {
            let ids = |scenes: &[Scene]| scenes.iter().map(|scene| scene.id.clone()).collect::<Vec<_>>();
            assert_eq!(ids(scenes), ids(&later));
        }
    }
}
