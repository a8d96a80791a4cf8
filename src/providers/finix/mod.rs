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
