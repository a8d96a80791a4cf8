//! What is wrapped and signed is verified and read: every provider, every type, any payload.

use bytes::Bytes;
use posthaste::provider::Provider;
use posthaste::providers::{self, Fact};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde_json::Value;

use super::{NOW, json, received};

/// Any JSON, with spaces and without.
fn payload() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    });
    (value, any::<bool>()).prop_map(|(value, pretty)| {
        if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() }
    })
}

fn check(provider: Provider, fact: Fact<'_>, rng: &mut SmallRng) {
    let body = providers::wrap(provider, fact, rng).unwrap().unwrap();
    let received = received(provider, &body).unwrap();
    assert!(received.known && received.event_type == fact.event_type, "{}", received.event_type);
    if fact.event_type == "TEST_EVENT" {
        assert!(received.dedup_key.is_none());
        return;
    }
    assert_eq!(received.occurred_ms, Some(fact.at_ms));
    assert_eq!(received.id.is_some(), provider != Provider::Bridge);
    assert_eq!(received.live, (provider == Provider::Fintoc).then_some(fact.live));
    assert!(received.dedup_key.is_some());
    let payload = fact.payload;
    assert!(payload.is_empty() || body.windows(payload.len()).any(|window| window == payload), "spliced as it came");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_type_of_every_provider_comes_back(
        payload in payload(),
        live in any::<bool>(),
        at_ms in 1_000_000_000_000_i64..4_000_000_000_000,
        seed in any::<u64>(),
    ) {
        let rng = &mut SmallRng::seed_from_u64(seed);
        for provider in [Provider::Fintoc, Provider::Bridge, Provider::Finix] {
            for row in providers::catalogue(provider) {
                let fact = Fact { event_type: &row.event_type, payload: payload.as_bytes(), live, at_ms };
                check(provider, fact, rng);
            }
        }
    }

    #[test]
    fn any_body_that_is_signed_is_read_by_those_who_ask_nothing_of_it(body in prop::collection::vec(any::<u8>(), 0..256)) {
        for provider in [Provider::Standard, Provider::Svix, Provider::Generic] {
            let received = received(provider, &body).unwrap();
            prop_assert!(received.dedup_key.is_some());
            let wrapped = json(&providers::as_standard(&received, NOW * 1_000));
            prop_assert_eq!(&wrapped["type"], &Value::from(received.event_type));
            prop_assert!(wrapped.get("data").is_some());
        }
    }

    #[test]
    fn no_body_and_no_header_makes_anything_fall_over(
        body in prop::collection::vec(any::<u8>(), 0..256),
        text in "[ -~]{0,80}",
        likely in "(t|v1|timestamp|sig|v0)=([0-9a-fA-F+-]{0,70})(, ?(t|v1|timestamp|sig)=([0-9a-f]{0,70})){0,20}",
    ) {
        for provider in Provider::ALL {
            let terms = super::terms(provider, &[super::secret_of(provider)]);
            for value in [&text, &likely] {
                let names = ["fintoc-signature", "bridgeapi-signature", "finix-signature", "webhook-id", "svix-id",
                    "webhook-timestamp", "svix-timestamp", "webhook-signature", "svix-signature", "x-hub-signature-256"];
                let headers = super::headers(&names.map(|name| (name, value)));
                prop_assert!(super::verify(provider, &terms, &headers, &body).is_err());
            }
            let _ = received(provider, &body); // whatever it says
        }
    }
}

#[test]
fn standard_webhooks_around_a_body_leaves_its_bytes_alone() {
    let around = |provider: Provider, body: &[u8]| {
        String::from_utf8(providers::as_standard(&received(provider, body).unwrap(), NOW * 1_000).to_vec()).unwrap()
    };
    let body = br#"{ "type":"payout.created","id":"evt_1","created_at":"2021-12-07T21:43:54.343Z","x":1.10 }"#;
    assert_eq!(
        around(Provider::Fintoc, body),
        r#"{"type":"payout.created","timestamp":"2021-12-07T21:43:54.343Z","data":{ "type":"payout.created","id":"evt_1","created_at":"2021-12-07T21:43:54.343Z","x":1.10 }}"#
    );
    let head = r#"{"type":"webhook","timestamp":"2025-11-25T10:00:00.000Z","data":"#;
    assert_eq!(around(Provider::Generic, b"a=\"1\""), format!(r#"{head}"a=\"1\""}}"#));
    assert_eq!(around(Provider::Generic, b""), format!(r#"{head}""}}"#));
    assert_eq!(around(Provider::Generic, b"\xff\xfe"), format!(r#"{head}"//4="}}"#));
    let none: Option<Bytes> = None;
    let fact = Fact { event_type: "a", payload: b"{}", live: true, at_ms: 0 };
    assert_eq!(providers::wrap(Provider::Standard, fact, &mut SmallRng::seed_from_u64(1)), Ok(none));
}
