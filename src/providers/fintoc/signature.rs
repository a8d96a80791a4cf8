//! `Fintoc-Signature: t=<seconds>,v1=<hex>` over `{t}.{body}`.

use crate::inbound::{Inbound, Refusal, Terms};
use crate::providers::fact::Signing;
use crate::providers::proof;
use crate::secret::{self, SecretSlot};
use crate::signature::{self, SIGNATURES_MAX};

/// The header that holds the proof.
pub(in crate::providers) const HEADER: &str = "fintoc-signature";

/// Signs with the current secret alone: of two `v1` the official SDKs see the last one only.
pub(in crate::providers) fn sign(slots: &[SecretSlot], signing: Signing<'_>) -> Vec<(&'static str, String)> {
    let time = signing.at_secs.to_string();
    let written = |secret| {
        let tag = signature::tag(secret, &[time.as_bytes(), b".", signing.body]);
        (HEADER, format!("t={time},v1={}", signature::hex(tag.as_ref())))
    };
    secret::signing(slots, signing.at_secs).take(1).map(written).collect()
}

/// Reads the header and holds it against every secret. Of two `v1` the last one counts, other fields do not, and
/// upper-case digits are as wrong as they are for the official SDKs. These take the last of two times; Fintoc writes one,
/// and whoever writes two wants one reader to believe the first and another the second.
pub(in crate::providers) fn verify(terms: &Terms, inbound: Inbound<'_>, now_secs: i64) -> Result<(), Refusal> {
    let value = proof::header(inbound.headers, HEADER)?;
    let fields = signature::fields(value).ok_or(Refusal::MalformedHeader)?;
    let (times, others): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| *name == "t");
    let [(_, time)] = times[..] else {
        return Err(Refusal::MalformedHeader);
    };
    let at_secs = signature::digits(time).ok_or(Refusal::MalformedHeader)?;
    if others.len() > SIGNATURES_MAX {
        return Err(Refusal::MalformedHeader);
    }
    let (_, given) = others.into_iter().rfind(|(name, _)| *name == "v1").ok_or(Refusal::UnknownScheme)?;
    let given = signature::read_lower_tag(given).ok_or(Refusal::BadSignature)?;
    if !signature::made(&terms.secrets, &[time.as_bytes(), b".", inbound.body], &[given]) {
        return Err(Refusal::BadSignature);
    }
    proof::in_window(at_secs, terms, now_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The secret of the official SDKs' tests over a short body; computed with Python's `hmac`.
    #[test]
    fn the_published_vector_holds() {
        let secret = Secret::verbatim("whsec_test_secret");
        let slots = [SecretSlot::new(secret)];
        let signing = Signing { id: "", at_secs: 1_743_890_251, body: br#"{"id":"evt_1"}"# };
        assert_eq!(
            sign(&slots, signing),
            [(HEADER, "t=1743890251,v1=e75d908fad5fe40585750133c39bc9e253066a542ce4042a3a9cc16bed5ad1b6".to_owned())]
        );
        assert_eq!(sign(&[], signing), []);
    }
}
