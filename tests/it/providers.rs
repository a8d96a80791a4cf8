//! The providers' forms: published vectors, the corpora of forged signatures, 95 real payloads, the command line.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use posthaste::inbound::{Credentials, Form, Inbound, Received, Refusal, Terms, Verified};
use posthaste::provider::Provider;
use posthaste::providers;
use serde_json::Value;

mod command;
mod credentials;
mod flipped;
mod library;
mod plain;
mod round_trip;
mod sampled;
mod timed;
mod vectors;

/// The moment of all these stories, in seconds since 1970.
const NOW: i64 = 1_764_064_800;
/// A second secret of each provider's form; the first ones are those of the stories of receiving.
const OTHERS: [(Provider, &str); 6] = [
    (Provider::Standard, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
    (Provider::Fintoc, "whsec_0000000000000000000000"),
    (Provider::Bridge, "0b1d6f0e-6f0a-4f6e-9a1e-5d2b7c3e8f90"),
    (Provider::Finix, "0000000000000000000000000000000000000000000000000000000000000000"),
    (Provider::Svix, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
    (Provider::Generic, "another secret"),
];

fn secret_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Fintoc => crate::receive::FINTOC,
        Provider::Bridge => crate::receive::BRIDGE,
        Provider::Finix => crate::receive::FINIX,
        Provider::Standard | Provider::Svix => crate::receive::STANDARD,
        Provider::Generic => "a secret of any form",
    }
}

fn other_secret_of(provider: Provider) -> &'static str {
    OTHERS.into_iter().find(|(other, _)| *other == provider).expect("all are there").1
}

/// What a source of this provider with these secrets asks for.
fn terms(provider: Provider, secrets: &[&str]) -> Terms {
    Terms {
        secrets: secrets.iter().map(|text| providers::parse_secret(provider, text).unwrap()).collect(),
        tolerance_secs: Some(300),
        credentials: Credentials::None,
        requires_signature: true,
        form: Form::default(),
    }
}

/// Headers as bytes, doubled ones too; panics on those that no HTTP library lets through.
fn headers<N: AsRef<str>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name.as_ref()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
    }
    headers
}

/// Verifies at [`NOW`].
fn verify(provider: Provider, terms: &Terms, headers: &HeaderMap, body: &[u8]) -> Result<Verified, Refusal> {
    verify_at(provider, terms, headers, (body, NOW))
}

/// Verifies a body at a moment.
fn verify_at(
    provider: Provider,
    terms: &Terms,
    headers: &HeaderMap,
    (body, now_secs): (&[u8], i64),
) -> Result<Verified, Refusal> {
    let body = Bytes::copy_from_slice(body);
    providers::verify(provider, terms, Inbound { headers, body: &body }, now_secs)
}

/// Signs a body at [`NOW`] and reads what a source makes of it.
fn received(provider: Provider, body: &[u8]) -> Result<Received, String> {
    let terms = terms(provider, &[secret_of(provider)]);
    let headers = headers(&signed(provider, secret_of(provider), body));
    let verified = verify(provider, &terms, &headers, body).expect("it was signed");
    providers::read(&terms, verified).map_err(|unread| unread.detail.into_owned())
}

/// The headers with which a provider sends a body at [`NOW`].
fn signed(provider: Provider, secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let secret = providers::parse_secret(provider, secret).unwrap();
    let slots = [posthaste::secret::SecretSlot::new(secret)];
    let signing = providers::Signing { id: "msg_1", at_secs: NOW, body };
    let id = providers::id_header(provider).map(|name| (name, "msg_1".to_owned()));
    id.into_iter().chain(providers::sign(provider, &slots, signing)).collect()
}

/// The sample payloads: name and bytes, in the order of their numbers.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/samples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut samples: Vec<_> = files
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .filter(|(name, _)| name != "vectors")
        .collect();
    samples.sort();
    samples
}

/// Whose sample it is.
fn sender(name: &str) -> Provider {
    match name.split('_').next() {
        Some("fintoc") => Provider::Fintoc,
        Some("bridge") => Provider::Bridge,
        _ => Provider::Finix,
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}
