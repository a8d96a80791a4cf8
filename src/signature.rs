//! Signatures: the proof over the raw bytes (Standard Webhooks, scheme `v1`).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::{Secret, SecretSlot};

/// How a symmetric signature begins.
const SCHEME: &str = "v1,";
/// How many signatures of one header are looked at.
const SIGNATURES_MAX: usize = 16;

/// Signs `{id}.{timestamp}.{body}`; gives `v1,` + base64. `timestamp` is in seconds since 1970.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let tag = tag(secret, id, &timestamp.to_string(), body);
    let mut text = String::with_capacity(SCHEME.len() + 44);
    text.push_str(SCHEME);
    STANDARD.encode_string(tag.as_ref(), &mut text);
    text
}

/// Signs with every secret that still signs at `timestamp`; a space between two.
pub fn sign_all(slots: &[SecretSlot], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signs = |slot: &&SecretSlot| slot.expires_ms.is_none_or(|at| at / 1_000 >= timestamp);
    let mut text = String::new();
    for slot in slots.iter().filter(signs) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&sign(&slot.secret, id, timestamp, body));
    }
    text
}

/// Whether one of the signatures in the header is by one of the secrets; `timestamp` as it stood in its header.
/// Constant time in the tag; its age is the caller's to judge.
pub fn verify(secrets: &[Secret], id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    let given: Vec<_> = signatures
        .split(' ')
        .take(SIGNATURES_MAX)
        .filter_map(|part| STANDARD.decode(part.strip_prefix(SCHEME)?).ok())
        .collect();
    secrets.iter().any(|secret| {
        let ours = tag(secret, id, timestamp, body);
        given.iter().any(|theirs| aws_lc_rs::constant_time::verify_slices_are_equal(ours.as_ref(), theirs).is_ok())
    })
}

fn tag(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(secret.key());
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        context.update(part);
    }
    context.sign()
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
}
