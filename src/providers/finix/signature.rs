//! `Finix-Signature: timestamp=<seconds>, sig=<hex>` over `{timestamp}:{body}`.

use crate::inbound::{Inbound, Refusal, Terms};
use crate::providers::fact::Signing;
use crate::providers::proof;
use crate::secret::{self, SecretSlot};
use crate::signature::{self, SIGNATURES_MAX};

/// The header that holds the proof.
pub(in crate::providers) const HEADER: &str = "finix-signature";

/// Signs with every secret that counts, the current one first: whether Finix repeats `sig` while two keys overlap is
/// not documented, and a receiver that takes the first one it finds is right either way.
pub(in crate::providers) fn sign(slots: &[SecretSlot], signing: Signing<'_>) -> Vec<(&'static str, String)> {
    let time = signing.at_secs.to_string();
    let written = |secret| {
        let tag = signature::tag(secret, &[time.as_bytes(), b":", signing.body]);
        format!(", sig={}", signature::hex(tag.as_ref()))
    };
    let all: String = secret::signing(slots, signing.at_secs).take(SIGNATURES_MAX).map(written).collect();
    if all.is_empty() { Vec::new() } else { vec![(HEADER, format!("timestamp={time}{all}"))] }
}

/// Reads the header and holds it against every secret. Names are read in any case, any `sig` may be the one, other
/// fields do not count, and two times are as good as none.
pub(in crate::providers) fn verify(terms: &Terms, inbound: Inbound<'_>, now_secs: i64) -> Result<(), Refusal> {
    let value = proof::header(inbound.headers, HEADER)?;
    let fields = signature::fields(value).ok_or(Refusal::MalformedHeader)?;
    let (times, others): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case("timestamp"));
    let [(_, time)] = times[..] else {
        return Err(Refusal::MalformedHeader);
    };
    let at_secs = signature::digits(time).ok_or(Refusal::MalformedHeader)?;
    if others.len() > SIGNATURES_MAX {
        return Err(Refusal::MalformedHeader);
    }
    let given: Vec<_> = others.iter().filter(|(name, _)| name.eq_ignore_ascii_case("sig")).collect();
    if given.is_empty() {
        return Err(Refusal::UnknownScheme);
    }
    let given: Vec<_> = given.into_iter().filter_map(|(_, value)| signature::read_lower_tag(value)).collect();
    if !signature::made(&terms.secrets, &[time.as_bytes(), b":", inbound.body], &given) {
        return Err(Refusal::BadSignature);
    }
    proof::in_window(at_secs, terms, now_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The example key of Finix's OpenAPI over the empty body of a validation ping; computed with Python's `hmac`.
    #[test]
    fn the_published_vector_holds() {
        let secret = Secret::verbatim("3afb49c98ac08a67a58efa5580b24e5984bc36d7ebd404e875234f107deed108");
        let slots = [SecretSlot::new(secret)];
        let signing = Signing { id: "", at_secs: 1_738_015_738, body: b"" };
        assert_eq!(
            sign(&slots, signing),
            [(
                HEADER,
                "timestamp=1738015738, sig=1869ee1724facb057fcf764b20344eb4482c64f20ba878be5823a0e61df0ee9d".to_owned()
            )]
        );
        assert_eq!(sign(&[], signing), []);
    }
}
