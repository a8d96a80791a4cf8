//! Signatures: what every scheme shares, and the one that goes with all we send (Standard Webhooks, `v1`).

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::{self, Secret, SecretSlot};

/// How many signatures of one header are looked at: far more than anybody rotates at once, few enough to be cheap.
pub const SIGNATURES_MAX: usize = 16;
/// How many bytes HMAC-SHA256 gives.
pub const TAG_BYTES: usize = 32;
/// How a symmetric signature begins, and one by a private key.
const SCHEME: &str = "v1,";
const PRIVATE_SCHEME: &str = "v1a,";

/// Signs `{id}.{timestamp}.{body}`; gives `v1,` + base64, or `v1a,` + base64 for an ed25519 key. `timestamp` is in
/// seconds since 1970.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    if let Some(pair) = secret.pair() {
        let signature = pair.sign(&parts(id, &timestamp.to_string(), body).concat());
        return format!("{PRIVATE_SCHEME}{}", STANDARD.encode(signature));
    }
    let tag = tag(secret, &parts(id, &timestamp.to_string(), body));
    let mut text = String::with_capacity(SCHEME.len() + 44);
    text.push_str(SCHEME);
    STANDARD.encode_string(tag.as_ref(), &mut text);
    text
}

/// Signs with every secret that still signs at `timestamp`; a space between two.
pub fn sign_all(slots: &[SecretSlot], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut text = String::new();
    for secret in secret::signing(slots, timestamp) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&sign(secret, id, timestamp, body));
    }
    text
}

/// Whether one of the signatures in the header is by one of the secrets; `timestamp` as it stood in its header.
/// Constant time in the tag; its age is the caller's to judge.
pub fn verify(secrets: &[Secret], id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    let read = |part: &str| STANDARD.decode(part.strip_prefix(SCHEME)?).ok()?.try_into().ok();
    let given: Vec<_> = signatures.split(' ').take(SIGNATURES_MAX).filter_map(read).collect();
    made(secrets, &parts(id, timestamp, body), &given)
        || signatures.split(' ').take(SIGNATURES_MAX).any(|part| signed_privately(secrets, id, timestamp, part, body))
}

/// Whether a `v1a` signature is by the private key of one of the secrets.
fn signed_privately(secrets: &[Secret], id: &str, timestamp: &str, part: &str, body: &[u8]) -> bool {
    let Some(signature) = part.strip_prefix(PRIVATE_SCHEME).and_then(|text| STANDARD.decode(text).ok()) else {
        return false;
    };
    let message = parts(id, timestamp, body).concat();
    let by = |pair: &Ed25519KeyPair| {
        UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref()).verify(&message, &signature).is_ok()
    };
    secrets.iter().filter_map(Secret::pair).any(by)
}

/// Whether a list of signatures holds one of a scheme that [`verify`] looks at with these secrets.
pub fn has_scheme(secrets: &[Secret], signatures: &str) -> bool {
    let private = secrets.iter().any(|secret| secret.pair().is_some());
    signatures.split(' ').any(|part| part.starts_with(SCHEME) || (private && part.starts_with(PRIVATE_SCHEME)))
}

/// The HMAC-SHA256 of the parts in a row.
pub fn tag(secret: &Secret, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(secret.key());
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Whether one of the tags is by one of the secrets; an empty secret has made none.
pub fn made(secrets: &[Secret], parts: &[&[u8]], given: &[[u8; TAG_BYTES]]) -> bool {
    let has_made = |secret: &&Secret| !secret.bytes().is_empty() && secret.pair().is_none() && !given.is_empty();
    secrets.iter().filter(has_made).any(|secret| {
        let ours = tag(secret, parts);
        given.iter().any(|theirs| equal(ours.as_ref(), theirs))
    })
}

/// Whether both are the same, in a time that tells their length alone.
pub fn equal(ours: &[u8], theirs: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs).is_ok()
}

/// Writes two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Reads two digits a byte, upper or lower case; `None` for anything else, spaces and signs included.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Reads the tag that 64 digits write, upper or lower case.
pub fn read_tag(text: &str) -> Option<[u8; TAG_BYTES]> {
    from_hex(text)?.try_into().ok()
}

/// Reads the tag that 64 lower-case digits write.
pub fn read_lower_tag(text: &str) -> Option<[u8; TAG_BYTES]> {
    read_tag(text).filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()))
}

/// Reads `name=value` parts between commas, spaces around them trimmed; `None` when one has no `=`.
pub fn fields(text: &str) -> Option<Vec<(&str, &str)>> {
    text.split(',').map(|part| part.trim_matches(' ').split_once('=')).collect()
}

/// Reads a number of digits alone: no sign, no exponent; `None` beyond 63 bits too.
pub fn digits(text: &str) -> Option<i64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parts<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn the_published_vector_holds() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("24 bytes");
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let verifies = |signatures: &str, body: &[u8]| {
            verify(std::slice::from_ref(&secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signatures, body)
        };
        assert!(verifies(&signature, body) && verifies(&format!("v1,AAAA v2,x {signature}"), body));
        assert!(!verifies(&signature, br#"{"test": 2432232315}"#) && !verifies("", body));
    }

    #[test]
    fn hex_and_numbers_are_read_strictly() {
        assert_eq!(from_hex("00fFA5"), Some(vec![0, 255, 165]));
        assert_eq!(hex(&[0, 255, 165]), "00ffa5");
        for wrong in ["0", "0g", "+1", " 1", "1 ", "é", "0x"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
        assert_eq!(digits("0012"), Some(12));
        for wrong in ["", "-1", "+1", " 1", "1e9", "1.0", "9223372036854775808", "١"] {
            assert_eq!(digits(wrong), None, "{wrong}");
        }
        assert_eq!(fields("a=1, b=2=3,c="), Some(vec![("a", "1"), ("b", "2=3"), ("c", "")]));
        assert_eq!(fields("a=1,,b=2"), None);
    }
}
