//! Corpus V1: signatures over a time and a body. Each case has its number in the corpus.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD, URL_SAFE};
use posthaste::inbound::Refusal::{
    self, BadSecret, BadSignature, Future, MalformedHeader, MissingHeader, Stale, UnknownScheme,
};
use posthaste::provider::Provider;
use posthaste::providers;
use posthaste::signature::hex;

use super::{NOW, headers, other_secret_of, secret_of, terms, verify};

const BODY: &[u8] = br#"{"id":"evt_1","type":"payout.created","amount":1.0}"#;

/// A sender that signs a time: what stands between time and body, and how the proof is written.
#[derive(Clone, Copy)]
struct Sender {
    provider: Provider,
    write: fn(time: &str, signature: &str) -> Vec<(&'static str, String)>,
}

const SENDERS: [Sender; 4] = [
    Sender {
        provider: Provider::Fintoc,
        write: |time, signature| vec![("fintoc-signature", format!("t={time},v1={signature}"))],
    },
    Sender {
        provider: Provider::Finix,
        write: |time, signature| vec![("finix-signature", format!("timestamp={time}, sig={signature}"))],
    },
    Sender { provider: Provider::Standard, write: |time, signature| standard("webhook", "msg_1", time, signature) },
    Sender { provider: Provider::Svix, write: |time, signature| standard("svix", "msg_1", time, signature) },
];

/// The headers of Standard Webhooks, `webhook-…`, or of Svix, `svix-…`.
fn standard(family: &str, id: &str, time: &str, signature: &str) -> Vec<(&'static str, String)> {
    let names = match family {
        "svix" => ["svix-id", "svix-timestamp", "svix-signature"],
        _ => ["webhook-id", "webhook-timestamp", "webhook-signature"],
    };
    vec![(names[0], id.to_owned()), (names[1], time.to_owned()), (names[2], format!("v1,{signature}"))]
}

fn tag(key: &[u8], said: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), said).as_ref().to_vec()
}

/// What a sender that misreads its secret takes for the key: the text for the bytes or the bytes for the text.
fn wrong_key(provider: Provider) -> Vec<u8> {
    let secret = secret_of(provider);
    match provider {
        Provider::Finix => posthaste::signature::from_hex(secret).unwrap(),
        Provider::Fintoc => {
            let lenient = NO_PAD.with_decode_allow_trailing_bits(true);
            GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(&secret["whsec_".len()..]).unwrap()
        }
        _ => secret.as_bytes().to_vec(),
    }
}

impl Sender {
    fn key(self, secret: &str) -> Vec<u8> {
        match self.provider {
            Provider::Standard | Provider::Svix => STANDARD.decode(&secret["whsec_".len()..]).unwrap(),
            _ => secret.as_bytes().to_vec(),
        }
    }

    fn said(self, time: &str, body: &[u8]) -> Vec<u8> {
        let head = match self.provider {
            Provider::Fintoc => format!("{time}."),
            Provider::Finix => format!("{time}:"),
            _ => format!("msg_1.{time}."),
        };
        [head.as_bytes(), body].concat()
    }

    fn encode(self, tag: &[u8]) -> String {
        if matches!(self.provider, Provider::Fintoc | Provider::Finix) { hex(tag) } else { STANDARD.encode(tag) }
    }

    fn good(self, time: &str, body: &[u8]) -> String {
        self.encode(&tag(&self.key(secret_of(self.provider)), &self.said(time, body)))
    }

    /// Verifies [`BODY`] with a time and a signature as they would stand in the headers.
    fn judge(self, time: &str, signature: &str) -> Option<Refusal> {
        self.judge_body(time, signature, BODY)
    }

    fn judge_body(self, time: &str, signature: &str, body: &[u8]) -> Option<Refusal> {
        let terms = terms(self.provider, &[secret_of(self.provider)]);
        verify(self.provider, &terms, &headers(&(self.write)(time, signature)), body).err()
    }
}

#[test]
fn the_time_is_read_strictly_and_the_window_includes_its_edges() {
    for sender in SENDERS {
        let check = |number: u8, time: &str, expected: Option<Refusal>| {
            let verdict = sender.judge(time, &sender.good(time, BODY));
            assert_eq!(verdict, expected, "{:?}, case {number}, {time}", sender.provider);
        };
        let at = |offset: i64| (NOW + offset).to_string();
        for (number, time) in [
            (7, ""),
            (8, "abc"),
            (9, "-1"),
            (10, "-9223372036854775808"),
            (11, "9223372036854775808"),
            (12, "1e9"),
            (13, &format!("+{NOW}")),
            (13, &format!("{NOW}.0")),
            (13, &format!("{NOW}x")),
        ] {
            check(number, time, Some(MalformedHeader));
        }
        check(11, "9223372036854775807", Some(Future));
        check(14, &format!("000{NOW}"), None);
        check(15, &format!("{NOW}000"), Some(Future));
        check(17, &at(-301), Some(Stale));
        check(17, &at(-300), None);
        check(17, &at(-299), None);
        check(18, &at(299), None);
        check(18, &at(300), None);
        check(18, &at(301), Some(Future));
        check(18, "0", Some(Stale));
        let plain = sender.judge(&format!("000{NOW}"), &sender.good(&NOW.to_string(), BODY));
        assert_eq!(plain, Some(BadSignature), "case 14: the zeros are signed too");
        // whoever forges learns nothing of the window
        assert_eq!(sender.judge(&at(-301), &sender.good(&NOW.to_string(), BODY)), Some(BadSignature));
    }
}

#[test]
fn without_a_tolerance_any_time_will_do_and_none_is_beyond_reckoning() {
    for sender in SENDERS {
        let mut terms = terms(sender.provider, &[secret_of(sender.provider)]);
        for time in ["0", "9223372036854775807"] {
            let headers = headers(&(sender.write)(time, &sender.good(time, BODY)));
            let judged =
                |terms: &_, now_secs| super::verify_at(sender.provider, terms, &headers, (BODY, now_secs)).err();
            terms.tolerance_secs = None;
            assert_eq!(judged(&terms, i64::MIN), None);
            terms.tolerance_secs = Some(0);
            assert!(
                judged(&terms, i64::MIN) == Some(Future) && judged(&terms, i64::MAX).is_none_or(|why| why == Stale)
            );
            terms.tolerance_secs = Some(i64::MAX);
            assert_eq!(judged(&terms, i64::MAX), None);
        }
    }
}

#[test]
fn no_other_signature_will_do() {
    let now = NOW.to_string();
    for sender in SENDERS {
        let key = sender.key(secret_of(sender.provider));
        let (whole, good) = (tag(&key, &sender.said(&now, BODY)), sender.good(&now, BODY));
        let of = |said: &[u8]| sender.encode(&tag(&key, said));
        let by = |key: &[u8]| sender.encode(&tag(key, &sender.said(&now, BODY)));
        let sha1 = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &sender.said(&now, BODY));
        assert_eq!(sender.judge(&now, &good), None);
        for (number, signature) in [
            (21, good[..good.len() - 2].to_owned()),
            (22, good[..good.len() - 1].to_owned()),
            (24, format!("{} {}", &good[..20], &good[20..])),
            (25, URL_SAFE.encode([251; 32])),
            (26, good.trim_end_matches('=').to_owned() + if good.ends_with('=') { "" } else { "0" }),
            (28, sender.encode(&whole[..31])),
            (29, sender.encode(&[&whole[..], &[0]].concat())),
            (30, String::new()),
            (31, sender.encode(&[0; 32])),
            (32, of(BODY)),
            (33, of(&sender.said(&now, br#"{"amount":1.0,"id":"evt_1","type":"payout.created"}"#))),
            (34, of(&sender.said(&now, &[BODY, b"\n"].concat()))),
            (35, by(&sender.key(other_secret_of(sender.provider)))),
            (36, by(b"another source's")),
            (37, by(&wrong_key(sender.provider))),
            (38, by(b"")),
            (42, of(&sender.said(&now, &[b"\xef\xbb\xbf", BODY].concat()))),
            (48, sender.encode(sha1.as_ref())),
            (0, good.clone() + " "),
            (0, good.clone() + "="),
        ] {
            // a space ends a signature in a list of them, and is trimmed at the end of a field
            let same = number == 0 && signature.ends_with(' ');
            let verdict = sender.judge(&now, &signature);
            assert_eq!(verdict, (!same).then_some(BadSignature), "{:?}, case {number}", sender.provider);
        }
        // 43: the gzipped body is not what was signed; 42: a byte order mark that was signed is genuine, and no JSON
        let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(sender.judge_body(&now, &good, &gzip), Some(BadSignature));
        let marked = [b"\xef\xbb\xbf", BODY].concat();
        assert_eq!(sender.judge_body(&now, &sender.good(&now, &marked), &marked), None);
    }
}

#[test]
fn an_empty_secret_is_no_secret() {
    for sender in SENDERS {
        let now = NOW.to_string();
        let forged = sender.encode(&tag(b"", &sender.said(&now, BODY)));
        let headers = headers(&(sender.write)(&now, &forged));
        let mut terms = terms(sender.provider, &[]);
        assert_eq!(verify(sender.provider, &terms, &headers, BODY).err(), Some(BadSecret));
        terms.secrets = vec![posthaste::secret::Secret::verbatim("")]; // 38
        assert_eq!(verify(sender.provider, &terms, &headers, BODY).err(), Some(BadSecret));
        terms.secrets.extend(super::terms(sender.provider, &[secret_of(sender.provider)]).secrets);
        assert_eq!(verify(sender.provider, &terms, &headers, BODY).err(), Some(BadSignature));
        assert!(providers::parse_secret(sender.provider, "").is_err());
    }
}

#[test]
fn the_fintoc_header_is_read_as_the_official_sdks_read_it_but_for_two_times() {
    let (now, sender) = (NOW.to_string(), SENDERS[0]);
    let good = sender.good(&now, BODY);
    let bad = hex(&[1; 32]);
    let terms = terms(Provider::Fintoc, &[crate::receive::FINTOC]);
    let many = |count: usize| format!("t={now}{}", format!(",v1={good}").repeat(count));
    for (number, values, expected) in [
        (1, vec![], Some(MissingHeader)),
        (2, vec![String::new()], Some(MalformedHeader)),
        (3, vec![format!("t={now},v1={good}"), format!("t={now},v1={bad}")], Some(MalformedHeader)),
        (3, vec![format!("t={now},v1={good}"), format!("t={now},v1={good}")], Some(MalformedHeader)),
        (4, vec![format!("t={now},v1={good},t={now},v1={bad}")], Some(MalformedHeader)),
        (4, vec![format!("t={now},t={now},v1={good}")], Some(MalformedHeader)),
        (4, vec![format!("t={now},v1={good},v1={bad}")], Some(BadSignature)),
        (4, vec![format!("t={now},v1={bad},v1={good}")], None),
        (5, vec![format!("t={now}")], Some(UnknownScheme)),
        (6, vec![format!("v1={good}")], Some(MalformedHeader)),
        (16, vec![format!("t={now},t={},v1={good}", NOW + 1)], Some(MalformedHeader)),
        (16, vec![format!("t={},t={now},v1={good}", NOW + 1)], Some(MalformedHeader)),
        (19, vec![format!("t={now},v0={good}")], Some(UnknownScheme)),
        (20, vec![format!("t={now},v2={good}")], Some(UnknownScheme)),
        (20, vec![format!("t={now},v1={good},v2=bad_signature,x=")], None),
        (23, vec![format!("t={now},v1={}", good.to_uppercase())], Some(BadSignature)),
        (24, vec![format!(" t={now}, v1={good} ")], None),
        (24, vec![format!("t= {now},v1={good}")], Some(MalformedHeader)),
        (24, vec![format!("t={now},v1= {good}")], Some(BadSignature)),
        (44, vec![many(16)], None),
        (44, vec![many(17)], Some(MalformedHeader)),
        (44, vec![many(10_000)], Some(MalformedHeader)),
        (45, vec![format!("t={now},v1={good},x={}", "y".repeat(16_384))], Some(MalformedHeader)),
        (46, vec![format!("t={now},v1={good},x=é")], Some(MalformedHeader)),
        (0, vec![format!("t={now},v1={good},")], Some(MalformedHeader)),
        (0, vec![format!("T={now},V1={good}")], Some(MalformedHeader)),
    ] {
        let pairs: Vec<_> = values.iter().map(|value| ("Fintoc-Signature", value)).collect();
        let verdict = verify(Provider::Fintoc, &terms, &headers(&pairs), BODY).err();
        assert_eq!(verdict, expected, "case {number}: {values:?}");
    }
    assert!(http::HeaderValue::from_bytes(b"t=1\0").is_err(), "case 47: no HTTP library lets it through");
}

#[test]
fn the_finix_header_is_read_as_its_receivers_read_it() {
    let (now, sender) = (NOW.to_string(), SENDERS[1]);
    let good = sender.good(&now, BODY);
    let bad = hex(&[1; 32]);
    let terms = terms(Provider::Finix, &[crate::receive::FINIX]);
    let many = |count: usize| format!("timestamp={now}{}", format!(", sig={good}").repeat(count));
    for (number, values, expected) in [
        (1, vec![], Some(MissingHeader)),
        (2, vec![String::new()], Some(MalformedHeader)),
        (3, vec![many(1), many(1)], Some(MalformedHeader)),
        (4, vec![format!("{}, {}", many(1), many(1))], Some(MalformedHeader)),
        (4, vec![format!("timestamp={now}, sig={good}, sig={bad}")], None),
        (4, vec![format!("timestamp={now}, sig={bad}, sig={good}")], None),
        (5, vec![format!("timestamp={now}")], Some(UnknownScheme)),
        (6, vec![format!("sig={good}")], Some(MalformedHeader)),
        (16, vec![format!("timestamp={now}, timestamp={now}, sig={good}")], Some(MalformedHeader)),
        (20, vec![format!("timestamp={now}, v1={good}")], Some(UnknownScheme)),
        (20, vec![format!("timestamp={now}, sig={good}, v9=x")], None),
        (23, vec![format!("timestamp={now}, sig={}", good.to_uppercase())], Some(BadSignature)),
        (24, vec![format!("Timestamp={now},SIG={good}")], None),
        (44, vec![many(16)], None),
        (44, vec![many(10_000)], Some(MalformedHeader)),
    ] {
        let pairs: Vec<_> = values.iter().map(|value| ("Finix-Signature", value)).collect();
        let verdict = verify(Provider::Finix, &terms, &headers(&pairs), BODY).err();
        assert_eq!(verdict, expected, "case {number}: {values:?}");
    }
}

#[test]
fn the_standard_headers_are_read_strictly() {
    for (sender, family) in [(SENDERS[2], "webhook"), (SENDERS[3], "svix")] {
        let now = NOW.to_string();
        let good = sender.good(&now, BODY);
        let terms = terms(sender.provider, &[crate::receive::STANDARD]);
        let judge = |pairs: &[(&str, String)]| verify(sender.provider, &terms, &headers(pairs), BODY).err();
        let whole = standard(family, "msg_1", &now, &good);
        for position in 0..3 {
            let mut pairs = whole.clone();
            let one = pairs.remove(position);
            assert_eq!(judge(&pairs), Some(MissingHeader), "1, 5, 6");
            pairs.push((one.0, String::new()));
            assert_eq!(judge(&pairs), Some(MalformedHeader), "2");
            pairs.pop();
            pairs.extend([one.clone(), one]);
            assert_eq!(judge(&pairs), Some(MalformedHeader), "3");
        }
        let listed = |list: String| judge(&[whole[0].clone(), whole[1].clone(), (whole[2].0, list)]);
        let bad = STANDARD.encode([1; 32]);
        for (number, list, expected) in [
            (4, format!("v1,{bad} v1,{good}"), None),
            (4, format!("v1,{bad},v1,{good}"), Some(BadSignature)),
            (19, format!("v0,{good}"), Some(UnknownScheme)),
            (20, format!("v1a,{good} v2,{good}"), Some(UnknownScheme)),
            (20, good.clone(), Some(UnknownScheme)),
            (23, format!("V1,{good}"), Some(UnknownScheme)),
            (
                25,
                format!("v1,{}", URL_SAFE.encode(STANDARD.decode(&good).unwrap()).replace('=', "%3d")),
                Some(BadSignature),
            ),
            (26, format!("v1,{}", good.trim_end_matches('=')), Some(BadSignature)),
            (27, format!("v1,{}", trailing_bits(&good)), Some(BadSignature)),
            (44, format!("{}v1,{good}", format!("v1,{bad} ").repeat(15)), None),
            (44, format!("{}v1,{good}", format!("v1,{bad} ").repeat(16)), Some(MalformedHeader)),
            (44, format!("v1,{good} ").repeat(10_000), Some(MalformedHeader)),
        ] {
            assert_eq!(listed(list.clone()), expected, "case {number}: {}", &list[..list.len().min(80)]);
        }
        // 40, 41: the id is signed, and no dot in it lets one be read as another
        assert_eq!(judge(&standard(family, "msg_2", &now, &good)), Some(BadSignature));
        let dotted =
            sender.encode(&tag(&sender.key(crate::receive::STANDARD), &[b"a.b.", now.as_bytes(), b".", BODY].concat()));
        assert_eq!(judge(&standard(family, "a.b", &now, &dotted)), Some(MalformedHeader));
        assert_eq!(judge(&standard(family, &"x".repeat(257), &now, &good)), Some(MalformedHeader));
    }
}

/// The same 32 bytes with bits set that a strict reader wants to be zero.
fn trailing_bits(base64: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let last = base64.as_bytes()[42];
    let at = ALPHABET.iter().position(|byte| *byte == last).unwrap();
    format!("{}{}=", &base64[..42], char::from(ALPHABET[at | 1]))
}
