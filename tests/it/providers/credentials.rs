//! Corpus V4: what the `Authorization` header of Finix must say, beside a signature or instead of one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste::inbound::Refusal::{self, BadCredentials, BadSecret, BadSignature, MissingHeader};
use posthaste::inbound::{Credentials, Terms};
use posthaste::provider::Provider;
use posthaste::secret::Secret;

use super::{headers, secret_of, signed, terms, verify};

const BODY: &[u8] = br#"{"type":"created","entity":"transfer"}"#;

fn asking(credentials: Credentials) -> Terms {
    Terms { credentials, ..terms(Provider::Finix, &[secret_of(Provider::Finix)]) }
}

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: Secret::verbatim(password) }
}

fn bearer(token: &str) -> Credentials {
    Credentials::Bearer { token: Secret::verbatim(token) }
}

/// What a signed request with these `Authorization` headers comes to.
fn judge(terms: &Terms, values: &[&[u8]]) -> Option<Refusal> {
    let mut pairs: Vec<(&str, Vec<u8>)> = values.iter().map(|value| ("Authorization", value.to_vec())).collect();
    let proof = signed(Provider::Finix, secret_of(Provider::Finix), BODY);
    pairs.extend(proof.into_iter().map(|(name, value)| (name, value.into_bytes())));
    verify(Provider::Finix, terms, &headers(&pairs), BODY).err()
}

#[test]
fn a_bearer_token_is_compared_as_it_stands() {
    let terms = asking(bearer("tok-én"));
    let long = [b"Bearer ", &b"x".repeat(65_536)[..]].concat();
    for (name, values, expected) in [
        ("right", vec!["Bearer tok-én".as_bytes()], None),
        ("case of scheme", vec!["bEARER tok-én".as_bytes()], None),
        ("absent", vec![], Some(BadCredentials)),
        ("wrong", vec![b"Bearer tok-en"], Some(BadCredentials)),
        ("case of token", vec!["Bearer Tok-én".as_bytes()], Some(BadCredentials)),
        ("empty", vec![b""], Some(BadCredentials)),
        ("no token", vec![b"Bearer"], Some(BadCredentials)),
        ("empty token", vec![b"Bearer "], Some(BadCredentials)),
        ("prefix", vec![b"Bearer tok"], Some(BadCredentials)),
        ("suffix", vec!["Bearer tok-én1".as_bytes()], Some(BadCredentials)),
        ("double space", vec!["Bearer  tok-én".as_bytes()], Some(BadCredentials)),
        ("tab", vec!["Bearer\ttok-én".as_bytes()], Some(BadCredentials)),
        ("non-UTF-8", vec![b"Bearer tok-\xe9n"], Some(BadCredentials)),
        ("64 KiB", vec![&long], Some(BadCredentials)),
        ("two headers", vec!["Bearer tok-én".as_bytes(), "Bearer tok-én".as_bytes()], Some(BadCredentials)),
        ("another scheme", vec![b"Basic dG9rOg=="], Some(BadCredentials)),
        ("realm", vec!["Bearer realm=\"x\", tok-én".as_bytes()], Some(BadCredentials)),
    ] {
        assert_eq!(judge(&terms, &values), expected, "{name}");
    }
}

#[test]
fn a_name_and_a_password_are_compared_as_they_stand() {
    let terms = asking(basic("finix", "pass:wörd"));
    let said = |pair: &[u8]| [b"Basic ", STANDARD.encode(pair).as_bytes()].concat();
    let right = said("finix:pass:wörd".as_bytes());
    for (name, value, expected) in [
        ("right, colon in password", right.clone(), None),
        ("wrong", said(b"finix:word"), Some(BadCredentials)),
        ("empty password", said(b"finix:"), Some(BadCredentials)),
        ("prefix", said("fini:pass:wörd".as_bytes()), Some(BadCredentials)),
        ("suffix", said("finix:pass:wörd ".as_bytes()), Some(BadCredentials)),
        ("name and password the other way round", said("pass:wörd:finix".as_bytes()), Some(BadCredentials)),
        ("base64 junk", [&right[..], b"!"].concat(), Some(BadCredentials)),
        ("no padding", right.strip_suffix(b"=").unwrap_or(&right[1..]).to_vec(), Some(BadCredentials)),
        ("another scheme", [b"Bearer ", &right[6..]].concat(), Some(BadCredentials)),
        ("plain", "Basic finix:pass:wörd".into(), Some(BadCredentials)),
        ("realm", [&right[..], b" realm=\"x\""].concat(), Some(BadCredentials)),
    ] {
        assert_eq!(judge(&terms, &[&value]), expected, "{name}");
    }
    assert_eq!(judge(&terms, &[&right, &right]), Some(BadCredentials));
    for nothing in [bearer(""), basic("", ""), basic("finix", "")] {
        for value in [&b"Bearer "[..], b"Basic Og==", &said(b"finix:")] {
            assert_eq!(judge(&asking(nothing.clone()), &[value]), Some(BadCredentials));
        }
    }
}

#[test]
fn credentials_stand_beside_the_signature_unless_they_are_to_suffice() {
    let wrong = headers(&[("authorization", "Bearer t"), ("finix-signature", "timestamp=1764064800, sig=00")]);
    let bare = headers(&[("authorization", "Bearer t")]);
    let mut terms = asking(bearer("t"));
    assert_eq!(verify(Provider::Finix, &terms, &wrong, BODY).err(), Some(BadSignature));
    assert_eq!(verify(Provider::Finix, &terms, &bare, BODY).err(), Some(MissingHeader));
    terms.requires_signature = false;
    assert!(verify(Provider::Finix, &terms, &bare, BODY).is_ok());
    terms.secrets.clear();
    assert!(verify(Provider::Finix, &terms, &bare, BODY).is_ok());
    assert_eq!(verify(Provider::Finix, &terms, &headers::<&str, &str>(&[]), BODY).err(), Some(BadCredentials));
    // whoever asks for nothing believes nothing
    terms.credentials = Credentials::None;
    assert_eq!(verify(Provider::Finix, &terms, &bare, BODY).err(), Some(BadSecret));
    terms.secrets = super::terms(Provider::Finix, &[secret_of(Provider::Finix)]).secrets;
    assert_eq!(verify(Provider::Finix, &terms, &bare, BODY).err(), Some(BadSecret));
}

#[test]
fn what_opens_our_door_is_never_handed_on_and_what_proves_it_is() {
    let carried = |provider: Provider, terms: &Terms| {
        let mut pairs = vec![("Content-Type", "text/json; a=b".to_owned()), ("Authorization", "Bearer t".to_owned())];
        pairs.extend(signed(provider, secret_of(provider), BODY));
        pairs.push(("X-Else", "1".to_owned()));
        let verified = verify(provider, terms, &headers(&pairs), BODY).unwrap();
        assert_eq!(verified.body(), BODY);
        verified.headers().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    for (provider, names) in [
        (Provider::Standard, &[][..]),
        (Provider::Fintoc, &["fintoc-signature"]),
        (Provider::Bridge, &["bridgeapi-signature"]),
        (Provider::Finix, &["finix-signature"]),
        (Provider::Svix, &["svix-id", "svix-timestamp", "svix-signature"]),
        (Provider::Generic, &["x-hub-signature-256"]),
    ] {
        let mut terms = terms(provider, &[secret_of(provider)]);
        terms.credentials = bearer("t");
        assert_eq!(carried(provider, &terms), [&["content-type"], names].concat(), "{provider:?}");
    }
    let mut terms = terms(Provider::Generic, &["a"]);
    terms.form.header = "authorization".to_owned();
    let value = posthaste::providers::sign_generic(&terms.form, &terms.secrets[0], BODY);
    let verified = verify(Provider::Generic, &terms, &headers(&[("authorization", value)]), BODY).unwrap();
    assert_eq!(verified.headers(), []);
}
