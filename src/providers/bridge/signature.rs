//! `BridgeApi-Signature: v1=<HEX>[,v1=<HEX>]` over the body alone.

use crate::inbound::{Inbound, Refusal, Terms};
use crate::providers::fact::Signing;
use crate::providers::proof;
use crate::secret::{self, SecretSlot};
use crate::signature::{self, SIGNATURES_MAX};

/// The header that holds the proof.
pub(in crate::providers) const HEADER: &str = "bridgeapi-signature";
/// How many secrets sign at one time (docs.bridgeapi.io, secure your webhooks).
const SECRETS_MAX: usize = 2;

/// Signs with every secret that counts, the current one first, in the upper-case digits that Bridge writes.
pub(in crate::providers) fn sign(slots: &[SecretSlot], signing: Signing<'_>) -> Vec<(&'static str, String)> {
    let written = |secret| {
        let tag = signature::tag(secret, &[signing.body]);
        format!("v1={}", signature::hex(tag.as_ref()).to_uppercase())
    };
    let all: Vec<_> = secret::signing(slots, signing.at_secs).take(SECRETS_MAX).map(written).collect();
    if all.is_empty() { Vec::new() } else { vec![(HEADER, all.join(","))] }
}

/// Reads the header and holds it against every secret. Every other scheme is ignored, whatever it says: the protection
/// against a downgrade that Bridge asks for. No time is signed, so `_now_secs` judges nothing.
pub(in crate::providers) fn verify(terms: &Terms, inbound: Inbound<'_>, _now_secs: i64) -> Result<(), Refusal> {
    let value = proof::header(inbound.headers, HEADER)?;
    let fields = signature::fields(value).ok_or(Refusal::MalformedHeader)?;
    if fields.len() > SIGNATURES_MAX {
        return Err(Refusal::MalformedHeader);
    }
    let given: Vec<_> = fields.iter().filter(|(scheme, _)| *scheme == "v1").map(|(_, value)| *value).collect();
    if given.is_empty() {
        return Err(Refusal::UnknownScheme);
    }
    let given: Vec<_> = given.into_iter().filter_map(signature::read_tag).collect();
    if signature::made(&terms.secrets, &[inbound.body], &given) { Ok(()) } else { Err(Refusal::BadSignature) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The example of docs.bridgeapi.io.
    #[test]
    fn the_published_vector_holds() {
        let secret = Secret::verbatim("644b2ac3-0797-4ec6-9537-cb5c0af9caf9");
        let slots = [SecretSlot::new(secret)];
        let body = br#"{"content":{"item_id":1234567890,"status":0,"user_uuid":"9a95b38f-f98b-417a-988b-9d0d584893e7"},"timestamp":1611681789,"type":"TEST_EVENT"}"#;
        let signing = Signing { id: "", at_secs: 0, body };
        assert_eq!(
            sign(&slots, signing),
            [(HEADER, "v1=FAA8ECAC21DA6405D789C76EDB4003756398E7169DACC3FA70CF5919A81374A8".to_owned())]
        );
        assert_eq!(sign(&[], signing), []);
    }
}
