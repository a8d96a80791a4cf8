//! Standard Webhooks, and Svix with its own names: an id, a time and `v1,<base64>` over `{id}.{time}.{body}`.
//!
//! From the specification at standardwebhooks.com; Svix signs the same under older names (docs.svix.com).

use crate::inbound::{Inbound, Refusal, Terms, Verified};
use crate::providers::fact::{Reading, Signing, hashed};
use crate::providers::json::{self, Object};
use crate::providers::{proof, time};
use crate::secret::SecretSlot;
use crate::signature::{self, SIGNATURES_MAX};

/// The name of an event that does not say its type.
pub(super) const UNNAMED: &str = "webhook";

/// The three headers: id, time, signatures.
pub(super) type Names = [&'static str; 3];
/// Those of the specification.
pub(super) const STANDARD: Names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
/// Those of Svix.
pub(super) const SVIX: Names = ["svix-id", "svix-timestamp", "svix-signature"];

/// Signs with every secret that counts. The id's own header is for whoever sends it: every delivery has one.
pub(super) fn sign(names: Names, slots: &[SecretSlot], signing: Signing<'_>) -> Vec<(&'static str, String)> {
    let [_, time, signatures] = names;
    let signature = signature::sign_all(slots, signing.id, signing.at_secs, signing.body);
    vec![(time, signing.at_secs.to_string()), (signatures, signature)]
}

/// The id in its header. One with a dot could be read as two.
pub(super) fn id([name, ..]: Names, inbound: Inbound<'_>) -> Result<&str, Refusal> {
    let id = proof::header(inbound.headers, name)?;
    let is_one = !id.contains('.') && id.len() <= json::ID_BYTES_MAX;
    if is_one { Ok(id) } else { Err(Refusal::MalformedHeader) }
}

/// Reads the headers and holds them against every secret; gives the id.
pub(super) fn verify(names: Names, terms: &Terms, inbound: Inbound<'_>, now_secs: i64) -> Result<String, Refusal> {
    let id = id(names, inbound)?;
    let [_, time, signatures] = names;
    let time = proof::header(inbound.headers, time)?;
    let signatures = proof::header(inbound.headers, signatures)?;
    if signatures.split(' ').count() > SIGNATURES_MAX {
        return Err(Refusal::MalformedHeader);
    }
    let at_secs = signature::digits(time).ok_or(Refusal::MalformedHeader)?;
    if !signature::has_scheme(&terms.secrets, signatures) {
        return Err(Refusal::UnknownScheme);
    }
    if !signature::verify(&terms.secrets, id, time, signatures, inbound.body) {
        return Err(Refusal::BadSignature);
    }
    proof::in_window(at_secs, terms, now_secs)?;
    Ok(id.to_owned())
}

/// Understands a body: the specification recommends `{type, timestamp, data}` and demands nothing.
pub(super) fn read(verified: &Verified) -> Reading<'_> {
    let object = Object::parse(verified.body()).ok();
    let text = |name| object.as_ref().and_then(|object| object.text(name)).filter(|text| !text.is_empty());
    let id = verified.said().id.clone();
    Reading {
        event_type: text("type").unwrap_or(UNNAMED.into()),
        dedup_key: Some(id.clone().unwrap_or_else(|| hashed(verified.body()))),
        id,
        occurred_ms: text("timestamp").and_then(|text| time::read(&text)),
        live: None,
    }
}
