//! Fintoc: a signed time, an id with every event, seventeen retries from three seconds on.
//!
//! From docs.fintoc.com (webhooks) and the official SDKs: fintoc-python, fintoc-node, fintoc-ruby.

use std::borrow::Cow;
use std::sync::LazyLock;

use rand::RngCore;

use super::alphabet;
use super::catalogue::{self, Row};
use crate::error::{Error, Result};
use crate::retry::{Ladder, doubling};
use crate::secret::{OLD_SECRETS_MAX, Overlap, Secret};

pub(super) mod envelope;
pub(super) mod signature;
pub(super) mod stage;

/// How a secret begins; the beginning is part of the key.
const SECRET_PREFIX: &str = "whsec_";
/// How long generated secrets are without it (131 bits), and which lengths are read.
const SECRET_CHARS: usize = 22;
const SECRET_CHARS_MIN: usize = 8;
const SECRET_CHARS_MAX: usize = 128;

/// Every kind of event it sends.
pub(super) static CATALOGUE: LazyLock<Vec<Row>> = LazyLock::new(|| catalogue::parse(include_str!("catalogue.toml")));

/// Seventeen retries, three seconds after the first failure, then doubling: 4.6 days. The factor is our reading of
/// "exponential" and "multiple days".
pub(super) static LADDER: Ladder = Ladder { waits_secs: Cow::Borrowed(&doubling::<17>(3)), jitter: false };

/// Its pages describe no rotation.
pub(super) const OVERLAP: Overlap = Overlap::Refuse(OLD_SECRETS_MAX);

/// A fresh `whsec_…`.
pub(super) fn generate_secret(rng: &mut impl RngCore) -> Secret {
    Secret::verbatim(&format!("{SECRET_PREFIX}{}", alphabet::text(alphabet::BASE62, SECRET_CHARS, rng)))
}

/// Reads `whsec_…`; the text is the key. Error: the form.
pub(super) fn parse_secret(text: &str) -> Result<Secret> {
    let rest = text.strip_prefix(SECRET_PREFIX).unwrap_or_default();
    let fits = (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&rest.len());
    if fits && rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Secret::verbatim(text));
    }
    let form = format!(
        "must be Fintoc's `{SECRET_PREFIX}` followed by {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} printable characters, as the endpoint's creation showed it"
    );
    Err(Error::field("secret", form))
}
