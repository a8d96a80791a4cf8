//! Corpus V2: signatures over the body alone (Bridge and generic senders). Each case has its number in the corpus.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste::inbound::Refusal::{self, BadSecret, BadSignature, MalformedHeader, MissingHeader, UnknownScheme};
use posthaste::inbound::{Algorithm, Encoding, Form};
use posthaste::provider::Provider;
use posthaste::providers;
use posthaste::secret::Secret;
use posthaste::signature::hex;

use super::{headers, other_secret_of, secret_of, terms, verify};

const BODY: &[u8] = br#"{"content":{"a":1.0,"b":"\u00e9"},"timestamp":1,"type":"item.created"}"#;
const NAME: &str = "X-Hub-Signature-256";

fn tag(secret: &str, body: &[u8]) -> String {
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body).as_ref())
}

/// What GitHub's form makes of these headers, all of its name unless another is given.
fn github(values: &[&str], body: &[u8]) -> Option<Refusal> {
    let pairs: Vec<_> = values.iter().map(|value| (NAME, *value)).collect();
    let terms = terms(Provider::Generic, &[secret_of(Provider::Generic)]);
    verify(Provider::Generic, &terms, &headers(&pairs), body).err()
}

#[test]
fn a_generic_signature_is_read_strictly() {
    let good = tag(secret_of(Provider::Generic), BODY);
    let whole = format!("sha256={good}");
    let sha1 =
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret_of(Provider::Generic).as_bytes()), BODY);
    let long = "0".repeat(102_400);
    for (number, values, expected) in [
        (0, vec![whole.as_str()], None),
        (1, vec![], Some(MissingHeader)),
        (2, vec![""], Some(MalformedHeader)),
        (2, vec!["sha256="], Some(BadSignature)),
        (3, vec![&good], Some(UnknownScheme)),
        (4, vec![&format!("sha1={}", hex(sha1.as_ref()))], Some(UnknownScheme)),
        (4, vec![&format!("sha256={}", hex(sha1.as_ref()))], Some(BadSignature)),
        (5, vec![&format!("sha1={},sha256={}", hex(sha1.as_ref()), hex(&[1; 32]))], Some(UnknownScheme)),
        (6, vec![&format!("sha256={whole}")], Some(BadSignature)),
        (7, vec![&format!("SHA256={good}")], Some(UnknownScheme)),
        (8, vec![&whole[..whole.len() - 1]], Some(BadSignature)),
        (9, vec![&format!("{whole}0")], Some(BadSignature)),
        (10, vec![&format!("{whole}{good}")], Some(BadSignature)),
        (11, vec![&format!("sha256={}", "g".repeat(64))], Some(BadSignature)),
        (12, vec![&format!("sha256={}", STANDARD.encode(&good[..32]))], Some(BadSignature)),
        (13, vec![&format!("sha256={}", hex(good.as_bytes()))], Some(BadSignature)),
        (14, vec![&whole, "sha256=00"], Some(MalformedHeader)),
        (15, vec!["sha256=00", &whole], Some(MalformedHeader)),
        (26, vec![&format!("sha256={}", tag(other_secret_of(Provider::Generic), BODY))], Some(BadSignature)),
        (28, vec![&format!("sha256={}", tag("", BODY))], Some(BadSignature)),
        (34, vec!["null"], Some(UnknownScheme)),
        (35, vec![&format!("sha256={long}")], Some(MalformedHeader)),
        (0, vec![&format!("sha256={}", good.to_uppercase())], None),
        (0, vec![&format!("sha256= {good}")], Some(BadSignature)),
    ] {
        assert_eq!(github(&values, BODY), expected, "case {number}");
    }
}

#[test]
fn no_other_bytes_will_do() {
    let key = secret_of(Provider::Generic);
    let by_bridge = |signed: &[u8], body: &[u8]| {
        let value = format!("v1={}", tag(secret_of(Provider::Bridge), signed).to_uppercase());
        let terms = terms(Provider::Bridge, &[secret_of(Provider::Bridge)]);
        verify(Provider::Bridge, &terms, &headers(&[("BridgeApi-Signature", value)]), body).err()
    };
    for (number, signed, body) in [
        (16, &b"{}"[..], &b""[..]),
        (17, b"", b"{}"),
        (18, b"{\r\n}", b"{\n}"),
        (19, "{\"a\":\"é\"}".as_bytes(), b"{\"a\":\"\xe9\"}"),
        (20, br#"{"a":1,"b":2}"#, br#"{"b":2,"a":1}"#),
        (21, br#"{"a":1.0}"#, br#"{"a":1}"#),
        (22, br#"{"a":"\u00e9"}"#, "{\"a\":\"é\"}".as_bytes()),
        (23, b"{} ", b"{}"),
        (24, br#"{"a":1}"#, b"a=1"),
    ] {
        for (signed, body) in [(signed, body), (body, signed)] {
            let value = format!("sha256={}", tag(key, signed));
            assert_eq!(github(&[&value], body), Some(BadSignature), "generic, case {number}");
            assert_eq!(github(&[&value], signed), None, "generic, case {number}");
            assert_eq!(by_bridge(signed, body), Some(BadSignature), "bridge, case {number}");
            assert_eq!(by_bridge(signed, signed), None, "bridge, case {number}");
        }
    }
}

#[test]
fn a_secret_counts_as_it_stands_and_nothing_at_its_ends_is_unseen() {
    let value = format!("sha256={}", tag("s3 \u{e9}cret", BODY));
    let proof = headers(&[(NAME, value)]);
    for (number, text, holds) in [
        (29, "s3 \u{e9}cret", true),
        (0, "s3\u{e9}cret", false),
        (0, "s3  \u{e9}cret", false),
        (26, "S3 \u{e9}cret", false),
    ] {
        let verdict = verify(Provider::Generic, &terms(Provider::Generic, &[text]), &proof, BODY);
        assert_eq!(verdict.is_ok(), holds, "case {number}: {text:?}");
    }
    for text in ["s3cret\n", "s3cret\r\n", "s3cret \t", " s3cret", "s3\0cret", " ", "\n"] {
        let error = providers::parse_secret(Provider::Generic, text).expect_err(text); // 29
        assert!(!error.detail.contains("s3cret"), "{error}");
    }
    // 27: a secret that was rotated out is no longer in the terms; any of those that are may have signed
    let both = ["another", "s3 \u{e9}cret"];
    assert!(verify(Provider::Generic, &terms(Provider::Generic, &both), &proof, BODY).is_ok());
    let mut none = terms(Provider::Generic, &[]);
    assert_eq!(verify(Provider::Generic, &none, &proof, BODY).err(), Some(BadSecret));
    none.secrets = vec![Secret::verbatim("")]; // 28
    let forged = headers(&[(NAME, format!("sha256={}", tag("", BODY)))]);
    assert_eq!(verify(Provider::Generic, &none, &forged, BODY).err(), Some(BadSecret));
}

#[test]
fn a_signature_in_another_place_is_no_signature() {
    let terms = terms(Provider::Generic, &[secret_of(Provider::Generic)]);
    let value = format!("sha256={}", tag(secret_of(Provider::Generic), BODY));
    for name in ["x-hub-signature", "signature", "x-signature-sha256", "authorization"] {
        let verdict = verify(Provider::Generic, &terms, &headers(&[(name, &value)]), BODY);
        assert_eq!(verdict.err(), Some(MissingHeader), "32, 33: {name}");
    }
}

#[test]
fn every_generic_form_signs_what_it_verifies() {
    let secret = Secret::verbatim("k");
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        for (encoding, prefix) in [(Encoding::Hex, ""), (Encoding::Base64, "v=1;"), (Encoding::Hex, "sha256=")] {
            let prefix = prefix.to_owned();
            let form = Form { header: "x-signature".to_owned(), algorithm, encoding, prefix, ..Form::default() };
            let value = providers::sign_generic(&form, &secret, BODY);
            let mut terms = terms(Provider::Generic, &["k"]);
            terms.form = form;
            let judge =
                |value: &str| verify(Provider::Generic, &terms, &headers(&[("X-Signature", value)]), BODY).err();
            assert_eq!(judge(&value), None);
            assert_eq!(judge(&format!("{value}=")), Some(BadSignature));
            assert_eq!(judge(&value[..value.len() - 2]), Some(BadSignature));
        }
    }
}

#[test]
fn the_bridge_header_counts_v1_alone_and_any_of_them() {
    let terms = terms(Provider::Bridge, &[secret_of(Provider::Bridge)]);
    let good = tag(secret_of(Provider::Bridge), BODY).to_uppercase();
    let bad = hex(&[1; 32]);
    for (number, values, expected) in [
        (0, vec![format!("v1={good}")], None),
        (0, vec![format!("v1={}", good.to_lowercase())], None),
        (0, vec![format!("v1={bad},v1={good}")], None),
        (0, vec![format!("v1={bad}, v1={good}")], None),
        (0, vec![format!("v2={bad},v1={good},v0={bad}")], None),
        (1, vec![], Some(MissingHeader)),
        (2, vec![String::new()], Some(MalformedHeader)),
        (3, vec![good.clone()], Some(MalformedHeader)),
        (4, vec![format!("v0={good}")], Some(UnknownScheme)),
        (5, vec![format!("v0={good},v1={bad}")], Some(BadSignature)),
        (6, vec![format!("v1=v1={good}")], Some(BadSignature)),
        (7, vec![format!("V1={good}")], Some(UnknownScheme)),
        (8, vec![format!("v1={}", &good[1..])], Some(BadSignature)),
        (9, vec![format!("v1={good}0")], Some(BadSignature)),
        (10, vec![format!("v1={good}{good}")], Some(BadSignature)),
        (14, vec![format!("v1={good}"), format!("v1={bad}")], Some(MalformedHeader)),
        (15, vec![format!("v1={bad}"), format!("v1={good}")], Some(MalformedHeader)),
        (26, vec![format!("v1={}", tag(other_secret_of(Provider::Bridge), BODY))], Some(BadSignature)),
        (34, vec!["null".to_owned()], Some(MalformedHeader)),
        (0, vec![format!("{}v1={good}", format!("v1={bad},").repeat(15))], None),
        (0, vec![format!("{}v1={good}", format!("v1={bad},").repeat(16))], Some(MalformedHeader)),
    ] {
        let pairs: Vec<_> = values.iter().map(|value| ("BridgeApi-Signature", value)).collect();
        let verdict = verify(Provider::Bridge, &terms, &headers(&pairs), BODY).err();
        assert_eq!(verdict, expected, "case {number}: {values:?}");
    }
}
