//! Whatever is played is signed, verified and read, as if the provider itself had sent it.

use std::collections::BTreeSet;

use posthaste::inbound::{Credentials, Form, Inbound, Received, Terms};
use posthaste::provider::Provider;
use posthaste::providers::{self, Play, Scene, Signing};
use posthaste::secret::SecretSlot;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{DOCUMENTED, PLAY, PLAYERS, played};

/// What a source makes of a scene that is signed now.
fn received(provider: Provider, scene: &Scene) -> Received {
    let secret = providers::generate_secret(provider, &mut StdRng::seed_from_u64(1));
    let at_secs = PLAY.at_ms / 1_000;
    let slots = [SecretSlot::new(secret.clone())];
    let proofs = providers::sign(provider, &slots, Signing { id: "", at_secs, body: &scene.body });
    let mut headers = http::HeaderMap::new();
    for (name, value) in proofs {
        headers.append(name, value.parse().unwrap());
    }
    let terms = Terms {
        secrets: vec![secret],
        tolerance_secs: Some(300),
        credentials: Credentials::None,
        requires_signature: true,
        form: Form::default(),
    };
    let verified = providers::verify(provider, &terms, Inbound { headers: &headers, body: &scene.body }, at_secs);
    providers::read(&terms, verified.unwrap()).unwrap()
}

fn reads_as_played(provider: Provider, scene: &Scene) -> Received {
    let received = received(provider, scene);
    assert_eq!(received.event_type, scene.event_type);
    assert!(received.known && received.occurred_ms.is_some());
    assert_eq!(received.id, scene.id);
    received
}

fn every_scene(play: &Play) {
    for provider in PLAYERS {
        for flow in providers::flows(provider) {
            let mut keys = BTreeSet::new();
            for scene in played(provider, flow.name, play) {
                let Some(key) = reads_as_played(provider, &scene).dedup_key else {
                    assert_eq!(scene.event_type, "TEST_EVENT");
                    continue;
                };
                let shared = play.as_documented && key == "evt_00000000";
                assert!(keys.insert(key.clone()) || shared, "{}: {key} comes twice", flow.name);
            }
        }
        for row in providers::catalogue(provider) {
            reads_as_played(provider, &providers::example(provider, &row.event_type, 0, play).unwrap());
        }
    }
}

#[test]
fn our_own_door_takes_every_scene_as_what_it_is() {
    every_scene(&PLAY);
    every_scene(&Play { live: true, ..PLAY });
}

#[test]
fn our_own_door_takes_every_scene_with_the_oddities_of_the_documentation() {
    every_scene(&DOCUMENTED);
}

#[test]
fn the_mode_is_said_where_the_provider_says_it() {
    for (live, mode) in [(true, "live"), (false, "test")] {
        let scene = providers::example(Provider::Fintoc, "charge.succeeded", 0, &Play { live, ..PLAY }).unwrap();
        assert_eq!(received(Provider::Fintoc, &scene).live, Some(live));
        let text = String::from_utf8(scene.body.to_vec()).unwrap();
        assert_eq!(text.matches(&format!(r#""mode":"{mode}""#)).count(), 2);
    }
}
