//! Finix: a signed time beside agreed credentials, kinds of entity and change, five retries within twenty minutes.
//!
//! From developers.finix.com and docs.finix.com (webhooks), its OpenAPI, and receivers that others run.

use std::borrow::Cow;
use std::sync::LazyLock;

use rand::RngCore;

use super::alphabet;
use super::catalogue::{self, Row};
use crate::error::{Error, Result};
use crate::retry::Ladder;
use crate::secret::{OLD_SECRETS_MAX, Overlap, Secret};

pub(super) mod envelope;
pub(super) mod signature;
pub(super) mod stage;

/// How long a `secret_signing_key` is: the digits of 32 bytes. The digits are the key, not the bytes.
const SECRET_CHARS: usize = 64;

/// What JSON takes for white space (RFC 8259 §2).
const JSON_SPACE: [u8; 4] = *b" \t\n\r";
/// The longest body that may be a ping, in bytes: nothing is to be looked for in a megabyte of blanks.
const PING_BYTES_MAX: usize = 1_024;

/// Every kind of event it sends.
pub(super) static CATALOGUE: LazyLock<Vec<Row>> = LazyLock::new(|| catalogue::parse(include_str!("catalogue.toml")));

/// Five retries, then never again (support.finix.com, article 360040292651).
pub(super) static LADDER: Ladder = Ladder { waits_secs: Cow::Borrowed(&[90, 120, 180, 300, 540]), jitter: false };

/// A webhook has a `previous_secret_expires_at`; how many secrets may overlap is not said.
pub(super) const OVERLAP: Overlap = Overlap::Refuse(OLD_SECRETS_MAX);

/// Fresh 64 hex digits.
pub(super) fn generate_secret(rng: &mut impl RngCore) -> Secret {
    Secret::verbatim(&crate::signature::hex(&alphabet::bytes::<{ SECRET_CHARS / 2 }>(rng)))
}

/// Reads 64 hex digits; the text is the key. Error: the form.
pub(super) fn parse_secret(text: &str) -> Result<Secret> {
    if text.len() == SECRET_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Secret::verbatim(text));
    }
    let form = format!("must be {SECRET_CHARS} hex digits: the `secret_signing_key` that Finix answered with");
    Err(Error::field("secret", form))
}

/// Whether a body says nothing: none at all, `{}` or `null`, with any white space around and in it. Finix's pages say
/// "an empty test event", and not how it is written.
pub(super) fn is_ping(body: &[u8]) -> bool {
    if body.len() > PING_BYTES_MAX {
        return false;
    }
    let is_blank = |bytes: &[u8]| bytes.iter().all(|byte| JSON_SPACE.contains(byte));
    match trimmed(body) {
        b"" | b"null" => true,
        [b'{', inside @ .., b'}'] => is_blank(inside),
        _ => false,
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_ink = |byte: &u8| !JSON_SPACE.contains(byte);
    let first = bytes.iter().position(is_ink).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(is_ink).map_or(first, |last| last + 1);
    &bytes[first..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_a_body_that_says_nothing() {
        let long = |count: usize| [vec![b' '; count], b"{}".to_vec()].concat();
        for ping in
            [&b""[..], b" ", b"\r\n", b" \t\r\n ", b"{}", b"{ }", b"{}\n", b"\n{\t\r\n }\n", b"null", b" null\n"]
        {
            assert!(is_ping(ping), "{ping:?}");
        }
        for other in [
            &b"{\"a\":1}"[..],
            b"{\"\":null}",
            b"[]",
            b"[ ]",
            b"nullx",
            b"n ull",
            b"Null",
            b"nullnull",
            b"{}{}",
            b"{{}}",
            b"{",
            b"}",
            b"0",
            b"\"\"",
            b"false",
            b"\0",
            b"\x0b{}",
            b"\xc2\xa0",
            b"\xef\xbb\xbf{}",
        ] {
            assert!(!is_ping(other), "{other:?}");
        }
        assert!(is_ping(&long(PING_BYTES_MAX - 2)) && !is_ping(&long(PING_BYTES_MAX - 1)));
    }
}
