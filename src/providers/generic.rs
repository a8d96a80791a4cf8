//! Any sender that signs the body alone with an HMAC; its form says how, and where type and id stand.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;

use super::alphabet;
use super::standard::UNNAMED;
use crate::error::{Error, Result};
use crate::inbound::{Algorithm, DedupBy, Encoding, Form, Inbound, Refusal, Said, Terms, Verified};
use crate::providers::fact::{Reading, Signing, hashed};
use crate::providers::{json, proof};
use crate::quarantine::{Kind, Unread};
use crate::secret::{self, Secret, SecretSlot};
use crate::signature;

/// How long generated secrets are (190 bits), and the longest that is read, in bytes.
const SECRET_CHARS: usize = 32;
const SECRET_BYTES_MAX: usize = 1_024;
/// The header of a form that nobody chose, [`Form::default`].
const GITHUB: &str = "x-hub-signature-256";

/// A fresh text.
pub(super) fn generate_secret(rng: &mut impl RngCore) -> Secret {
    Secret::verbatim(&alphabet::text(alphabet::BASE62, SECRET_CHARS, rng))
}

/// Reads any text; it is the key. Error: the form.
pub(super) fn parse_secret(text: &str) -> Result<Secret> {
    if (1..=SECRET_BYTES_MAX).contains(&text.len()) {
        return Ok(Secret::verbatim(text));
    }
    Err(Error::field("secret", format!("must be a text of 1 to {SECRET_BYTES_MAX} bytes; it is the key as it stands")))
}

/// Signs: what stands in the form's header.
pub(super) fn sign(form: &Form, secret: &Secret, body: &[u8]) -> String {
    let tag = hmac::sign(&key(form.algorithm, secret), body);
    let text = match form.encoding {
        Encoding::Hex => signature::hex(tag.as_ref()),
        Encoding::Base64 => STANDARD.encode(tag.as_ref()),
    };
    format!("{}{text}", form.prefix)
}

/// Signs in GitHub's form with the current secret.
pub(super) fn sign_all(slots: &[SecretSlot], signing: Signing<'_>) -> Vec<(&'static str, String)> {
    let written = |secret| (GITHUB, sign(&Form::default(), secret, signing.body));
    secret::signing(slots, signing.at_secs).take(1).map(written).collect()
}

/// Reads the form's header and holds it against every secret: one signature, the prefix letter by letter.
pub(super) fn verify(terms: &Terms, inbound: Inbound<'_>, _now_secs: i64) -> Result<(), Refusal> {
    let form = &terms.form;
    let value = proof::header(inbound.headers, &form.header)?;
    let text = value.strip_prefix(form.prefix.as_str()).ok_or(Refusal::UnknownScheme)?;
    let given = match form.encoding {
        Encoding::Hex => signature::from_hex(text),
        Encoding::Base64 => STANDARD.decode(text).ok(),
    };
    let given = given.ok_or(Refusal::BadSignature)?;
    let made = |secret: &Secret| {
        let ours = hmac::sign(&key(form.algorithm, secret), inbound.body);
        !secret.bytes().is_empty() && signature::equal(ours.as_ref(), &given)
    };
    if terms.secrets.iter().any(made) { Ok(()) } else { Err(Refusal::BadSignature) }
}

/// What the headers that the form names say of the event; one that is there twice, or is no text, says nothing.
pub(super) fn said(form: &Form, inbound: Inbound<'_>) -> Said {
    let named = |name: &Option<String>| {
        let value = proof::header(inbound.headers, name.as_deref()?).ok()?.trim();
        (!value.is_empty() && value.len() <= json::ID_BYTES_MAX).then(|| value.to_owned())
    };
    Said { id: named(&form.id_header), event_type: named(&form.type_header) }
}

/// Understands a request: type and id stand where the form says, and without a word of it any bytes will do.
/// Error: there is no type where it should be.
pub(super) fn read<'a>(form: &Form, verified: &'a Verified) -> Result<Reading<'a>, Unread> {
    let body = verified.body();
    let pointed = |path: &String| std::str::from_utf8(body).ok().and_then(|text| json::pointed(text, path));
    let said = verified.said();
    let event_type = match (&said.event_type, &form.type_path, &form.type_header) {
        (Some(said), ..) => said.into(),
        (None, Some(path), _) => {
            pointed(path).ok_or_else(|| Unread::new(Kind::NoType, format!("the body has no event type at `{path}`")))?
        }
        (None, None, Some(name)) => {
            return Err(Unread::new(Kind::NoType, format!("the request has no event type in its header `{name}`")));
        }
        (None, None, None) => UNNAMED.into(),
    };
    let in_body = || form.id_path.as_ref().and_then(pointed).filter(|id| id.len() <= json::ID_BYTES_MAX);
    let found = || said.id.clone().or_else(|| in_body().map(String::from));
    let id = if form.dedup == DedupBy::Id { found() } else { None };
    let dedup_key = match form.dedup {
        DedupBy::None => None,
        DedupBy::Id | DedupBy::Body => Some(id.clone().unwrap_or_else(|| hashed(body))),
    };
    Ok(Reading { event_type, id, dedup_key, ..Reading::default() })
}

fn key(algorithm: Algorithm, secret: &Secret) -> hmac::Key {
    let algorithm = match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, secret.bytes())
}
