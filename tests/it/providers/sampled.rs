//! The 95 sample payloads of the providers' own pages, oddities included.

use std::collections::BTreeSet;

use posthaste::provider::Provider;
use posthaste::providers;

use super::{json, received, samples, sender};

#[test]
fn every_sample_is_typed_and_dated() {
    let samples = samples();
    assert_eq!(samples.len(), 95);
    for (name, body) in &samples {
        let received = received(sender(name), body).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let number_ends = if sender(name) == Provider::Finix { 1 } else { 2 };
        let expected: Vec<&str> = name.split('_').skip(number_ends).collect();
        assert_eq!(received.event_type.replace('.', "_"), expected.join("_"), "{name}");
        assert!(received.known && received.occurred_ms.is_some(), "{name}");
        let live = json(body)["mode"].as_str().map(|mode| mode == "live");
        assert_eq!(received.live, live, "{name}");
        assert_eq!(received.verified.body(), body.as_slice(), "{name}");
    }
}

#[test]
fn every_sample_of_finix_is_an_event_of_its_own() {
    let mut keys = BTreeSet::new();
    let (mut ids, mut count) = (BTreeSet::new(), 0);
    for (name, body) in samples().iter().filter(|(name, _)| sender(name) == Provider::Finix) {
        let received = received(Provider::Finix, body).unwrap();
        let key = received.dedup_key.unwrap();
        assert_eq!(key.starts_with("sha256:"), received.id.is_none(), "{name}");
        assert!(keys.insert(key), "{name} has the key of another");
        count += usize::from(received.id.is_some());
        ids.extend(received.id);
    }
    // twelve have an id; three pairs share theirs, with another type each
    assert_eq!((keys.len(), count, ids.len()), (91, 12, 9));
}

#[test]
fn the_samples_of_fintoc_share_their_id_and_the_test_of_bridge_has_no_key() {
    let keys = |provider: Provider| -> Vec<_> {
        let samples = samples().into_iter().filter(|(name, _)| sender(name) == provider);
        samples.map(|(_, body)| received(provider, &body).unwrap().dedup_key).collect()
    };
    assert_eq!(keys(Provider::Fintoc), vec![Some("evt_00000000".to_owned()); 3]);
    assert_eq!(keys(Provider::Bridge), [None]);
}

#[test]
fn another_spelling_of_the_same_is_the_same_and_nothing_else_is() {
    for (name, body) in samples() {
        let respelled = json(&body).to_string(); // no spaces, keys in alphabetical order
        assert_ne!(respelled.as_bytes(), body);
        let keys = [&body[..], respelled.as_bytes()].map(|body| received(sender(&name), body).unwrap().dedup_key);
        assert_eq!(keys[0], keys[1], "{name}");
    }
    let key = |body: &str| received(Provider::Bridge, body.as_bytes()).unwrap().dedup_key.unwrap();
    let event = |content: &str| format!(r#"{{"content":{content},"timestamp":1612782588323,"type":"item.refreshed"}}"#);
    assert_eq!(key(&event(r#"{"a":"é","b":[1]}"#)), key(&event(r#"{ "b": [1 ], "a": "\u00e9" }"#)));
    let others = [
        r#"{"a":1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1e0}"#,
        r#"{"a":12345678901234567890}"#,
        r#"{"a":12345678901234567891}"#,
    ];
    let others: BTreeSet<_> = others.map(|content| key(&event(content))).into();
    assert_eq!(others.len(), 5, "numbers count digit by digit");
}

#[test]
fn a_body_that_is_not_what_a_provider_sends_is_told_in_a_sentence() {
    for (provider, body, words) in [
        (Provider::Fintoc, &b""[..], "not JSON"),
        (Provider::Fintoc, b"[]", "no object"),
        (Provider::Fintoc, b"\xef\xbb\xbf{}", "byte order mark"),
        (Provider::Fintoc, b"{\"id\":\"\xff\"}", "not UTF-8"),
        (Provider::Fintoc, br#"{"id":"evt_1"}"#, "no text `type`"),
        (Provider::Fintoc, br#"{"type":"a.b"}"#, "no text `id`"),
        (Provider::Fintoc, br#"{"type":"a.b","id":""}"#, "no text `id`"),
        (Provider::Fintoc, br#"{"type":"a.b","id":7}"#, "no text `id`"),
        (Provider::Fintoc, br#"{"type":"a.b","id":"1","id":"2"}"#, "twice"),
        (Provider::Fintoc, br#"{"type":"a.b","id":"1","data":1,"data":2}"#, "twice"),
        (Provider::Bridge, br#"{"type":"a.b"}"#, "no `content`"),
        (Provider::Bridge, br#"{"content":{}}"#, "no text `type`"),
        (Provider::Finix, br#"{"type":"created"}"#, "no text `entity`"),
        (Provider::Finix, br#"{"entity":"transfer","type":null}"#, "no text `type`"),
    ] {
        let said = received(provider, body).err().unwrap();
        assert!(said.contains(words), "{}: {said}", String::from_utf8_lossy(body));
    }
    let long = format!(r#"{{"type":"a.b","id":"{}"}}"#, "x".repeat(257));
    assert!(received(Provider::Fintoc, long.as_bytes()).err().unwrap().contains("longer than 256"));
    let deep = format!(r#"{{"type":"b","entity":"a","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(received(Provider::Finix, deep.as_bytes()).err().unwrap().contains("nested deeper"));
}

#[test]
fn what_is_new_or_odd_is_understood_as_far_as_it_goes() {
    let fintoc = received(
        Provider::Fintoc,
        br#"{"createdAt":"2021-12-07T21:43:54.343Z","type":"of.tomorrow","id":"evt_1","mode":"else"}"#,
    );
    let fintoc = fintoc.unwrap();
    assert_eq!((fintoc.known, fintoc.live, fintoc.occurred_ms), (false, None, Some(1_638_913_434_343)));
    let odd = received(Provider::Fintoc, r#"{"type":"été/réussi payé","id":"evt_1"}"#.as_bytes()).unwrap();
    assert_eq!((odd.event_type.as_str(), odd.known), ("_t__r_ussi_pay_", false));
    let finix = received(
        Provider::Finix,
        br#"{"entity":"x","type":"y","system_generated_idempotency_id":"1","occurred_at":"soon"}"#,
    );
    let finix = finix.unwrap();
    assert_eq!((finix.id.as_deref(), finix.dedup_key.as_deref()), (Some("event_1"), Some("event_1/x.y")));
    assert_eq!((finix.event_type.as_str(), finix.known, finix.occurred_ms), ("x.y", false, None));
    for (timestamp, ms) in [
        ("1611681789", Some(1_611_681_789_000)),
        ("1612782588323", Some(1_612_782_588_323)),
        ("1.5", Some(1_500)),
        ("1611681789.5", Some(1_611_681_789_500)),
        ("\"1611681789\"", Some(1_611_681_789_000)),
        ("\"1612782588323\"", Some(1_612_782_588_323)),
        ("1e400", None),
        ("\"x\"", None),
    ] {
        let body = format!(r#"{{"content":null,"timestamp":{timestamp},"type":"item.created"}}"#);
        assert_eq!(received(Provider::Bridge, body.as_bytes()).unwrap().occurred_ms, ms, "{timestamp}");
    }
    for (body, event_type) in [
        (&br#"{"type":"a.b","timestamp":"2021-12-07T21:43:54.343Z","data":1}"#[..], "a.b"),
        (br#"{"type":1}"#, "webhook"),
        (b"[1]", "webhook"),
        (b"\xff\xfe", "webhook"),
        (b"", "webhook"),
    ] {
        for provider in [Provider::Standard, Provider::Svix] {
            let received = received(provider, body).unwrap();
            assert_eq!((received.event_type.as_str(), received.known), (event_type, true));
            assert_eq!((received.id.as_deref(), received.dedup_key.as_deref()), (Some("msg_1"), Some("msg_1")));
        }
    }
}

#[test]
fn a_generic_body_is_looked_into_only_where_the_form_says() {
    let read = |type_path: Option<&str>, id_path: Option<&str>, body: &[u8]| {
        let mut terms = super::terms(Provider::Generic, &["k"]);
        terms.form.type_path = type_path.map(str::to_owned);
        terms.form.id_path = id_path.map(str::to_owned);
        let proof = super::headers(&super::signed(Provider::Generic, "k", body));
        providers::read(&terms, super::verify(Provider::Generic, &terms, &proof, body).unwrap())
    };
    let body = br#"{"event":{"kind":"paid","n":42},"id":"x 1"}"#;
    let plain = read(None, None, body).unwrap();
    assert_eq!((plain.event_type.as_str(), plain.known, plain.id), ("webhook", true, None));
    let hash = plain.dedup_key.unwrap();
    assert!(hash.starts_with("sha256:") && hash.len() == 71);
    let pointed = read(Some("/event/kind"), Some("/id"), body).unwrap();
    assert_eq!((pointed.event_type.as_str(), pointed.dedup_key.as_deref()), ("paid", Some("x 1")));
    assert_eq!(read(None, Some("/event/n"), body).unwrap().id.as_deref(), Some("42"));
    assert_eq!(read(None, Some("/nowhere"), body).unwrap().dedup_key, Some(hash));
    assert!(read(Some("/nowhere"), None, body).unwrap_err().detail.contains("`/nowhere`"));
    assert!(read(Some("/event"), None, body).is_err() && read(Some("/a"), None, b"a=1").is_err());
    assert!(read(None, Some("/a"), b"a=1").unwrap().dedup_key.unwrap().starts_with("sha256:"));
}
