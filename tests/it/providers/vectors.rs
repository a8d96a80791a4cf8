//! The published vectors, and those that must fail.

use posthaste::inbound::Refusal;
use posthaste::provider::Provider;
use posthaste::providers;
use posthaste::secret::SecretSlot;
use serde_json::Value;

use super::{headers, json, terms, verify_at};

fn vectors() -> Vec<Value> {
    json(include_bytes!("../samples/vectors.json")).as_array().unwrap().clone()
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let mut reasons = Vec::new();
    for vector in vectors() {
        let text = |key: &str| vector[key].as_str().unwrap();
        let provider = Provider::parse(text("provider")).unwrap();
        let headers = headers(&[(text("header_name"), text("header_value"))]);
        let now_secs = vector["timestamp"].as_i64().unwrap_or(0);
        let terms = terms(provider, &[text("secret")]);
        let verdict = verify_at(provider, &terms, &headers, (text("body").as_bytes(), now_secs));
        assert_eq!(verdict.is_ok(), vector["valid"] != false, "{}", text("name"));
        reasons.extend(verdict.err());
        if let Some(other) = vector["other_secret"].as_str() {
            let terms = self::terms(provider, &[other]);
            assert!(verify_at(provider, &terms, &headers, (text("body").as_bytes(), now_secs)).is_ok());
        }
    }
    let expected = [
        Refusal::BadSignature,    // fintoc, body only
        Refusal::MalformedHeader, // fintoc, no t
        Refusal::UnknownScheme,   // bridge, v0
        Refusal::BadSignature,    // finix, key decoded
        Refusal::BadSignature,    // finix, another separator
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn what_is_documented_is_what_we_sign() {
    for name in ["fintoc-official-sdk", "fintoc-seed-refresh-succeeded", "bridge-official-docs", "finix-seed-fta"] {
        let vector = vectors().into_iter().find(|vector| vector["name"] == name).unwrap();
        let text = |key: &str| vector[key].as_str().unwrap();
        let provider = Provider::parse(text("provider")).unwrap();
        let secret = providers::parse_secret(provider, text("secret")).unwrap();
        let slots = [SecretSlot::new(secret)];
        let at_secs = vector["timestamp"].as_i64().unwrap_or(0);
        let signing = providers::Signing { id: "", at_secs, body: text("body").as_bytes() };
        let signed = providers::sign(provider, &slots, signing);
        let written: Vec<_> =
            signed.iter().map(|(name, value)| (providers::as_written(name), value.as_str())).collect();
        assert_eq!(written, [(text("header_name"), text("header_value"))]);
    }
}

#[test]
fn while_two_secrets_count_each_provider_signs_as_it_does() {
    let count = |provider: Provider, mark: &str| {
        let texts = [super::secret_of(provider), super::other_secret_of(provider)];
        let secret = |text: &str| providers::parse_secret(provider, text).unwrap();
        let slots = [(texts[0], None), (texts[1], Some(2_000)), (texts[1], Some(500))]
            .map(|(text, expires_ms)| SecretSlot { expires_ms, ..SecretSlot::new(secret(text)) });
        let signed = providers::sign(provider, &slots, providers::Signing { id: "msg_1", at_secs: 1, body: b"{}" });
        let id = providers::id_header(provider).map(|name| (name, "msg_1".to_owned()));
        let proof: Vec<_> = id.into_iter().chain(signed).collect();
        let value = proof.last().unwrap().1.clone();
        let verified = texts.map(|text| {
            let (terms, headers) = (terms(provider, &[text]), headers(&proof));
            verify_at(provider, &terms, &headers, (b"{}", 1)).is_ok()
        });
        (value.matches(mark).count(), verified)
    };
    assert_eq!(count(Provider::Standard, "v1,"), (2, [true, true]));
    assert_eq!(count(Provider::Bridge, "v1="), (2, [true, true]));
    assert_eq!(count(Provider::Finix, "sig="), (2, [true, true]));
    // of two v1 the official SDKs would see the last one only
    assert_eq!(count(Provider::Fintoc, "v1="), (1, [true, false]));
}
