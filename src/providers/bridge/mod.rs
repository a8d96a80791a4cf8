//! Bridge by Bankin' (bridgeapi.io, not bridge.xyz): the body alone is signed, events have no id, eleven retries.
//!
//! From docs.bridgeapi.io: webhooks, secure your webhooks, payments webhooks.

use std::borrow::Cow;
use std::sync::LazyLock;

use rand::RngCore;

use super::alphabet;
use super::catalogue::{self, Row};
use crate::error::{Error, Result};
use crate::retry::{Ladder, doubling};
use crate::secret::{Overlap, Secret};

pub(super) mod envelope;
pub(super) mod signature;
pub(super) mod stage;

/// Where the hyphens of a UUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_CHARS: usize = 36;

/// Every kind of event it sends.
pub(super) static CATALOGUE: LazyLock<Vec<Row>> = LazyLock::new(|| catalogue::parse(include_str!("catalogue.toml")));

/// Eleven retries, a minute after the first failure, then doubling: 1.4 days, of the "one to two days" it promises.
pub(super) static LADDER: Ladder = Ladder { waits_secs: Cow::Borrowed(&doubling::<11>(60)), jitter: false };

/// Never more than two secrets count; renewing once more ends the older one at once.
pub(super) const OVERLAP: Overlap = Overlap::EndOldest(1);

/// A fresh UUID (version 4, RFC 9562 §5.4).
pub(super) fn generate_secret(rng: &mut impl RngCore) -> Secret {
    let mut bytes = alphabet::bytes::<16>(rng);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = crate::signature::hex(&bytes);
    for at in HYPHENS {
        text.insert(at, '-');
    }
    Secret::verbatim(&text)
}

/// Reads a UUID; its text is the key, in the lower-case digits that Bridge's dashboard shows and signs with. Error: the
/// form.
pub(super) fn parse_secret(text: &str) -> Result<Secret> {
    let fits = |(at, byte): (usize, u8)| if HYPHENS.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    if text.len() == UUID_CHARS && text.bytes().enumerate().all(fits) {
        return Ok(Secret::verbatim(&text.to_ascii_lowercase()));
    }
    let form = "must be a UUID such as 644b2ac3-0797-4ec6-9537-cb5c0af9caf9, as Bridge's dashboard showed it once";
    Err(Error::field("secret", form))
}
