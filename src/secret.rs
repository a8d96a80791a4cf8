//! Secrets: key material for signing, how it is written, rotated, and sealed at rest.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// How a symmetric secret's text begins (Standard Webhooks).
const PREFIX: &str = "whsec_";
/// How long generated keys are, and which lengths are accepted, in bytes.
const KEY_BYTES: usize = 24;
const KEY_BYTES_MIN: usize = 24;
const KEY_BYTES_MAX: usize = 75;
/// How many rotated-out secrets may still sign at one time.
pub const OLD_SECRETS_MAX: usize = 10;
/// How long a rotated-out secret goes on signing unless the caller says otherwise, and at most.
pub const GRACE_SECS: i64 = 86_400;
/// The longest such grace: 7 days.
pub const GRACE_SECS_MAX: i64 = 604_800;

/// One key, ready to sign. Its `Debug` never shows it; its bytes are wiped when dropped.
#[derive(Clone)]
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    key: hmac::Key,
    /// Whether its text is the key itself, and not the base64 of it.
    verbatim: bool,
}

impl Secret {
    /// Takes 24 to 75 bytes of key.
    fn new(bytes: Vec<u8>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Self { bytes: Zeroizing::new(bytes), key, verbatim: false }
    }

    /// A key that is its own text, as Fintoc, Bridge and Finix have them; which text is theirs to check.
    pub fn verbatim(text: &str) -> Self {
        Self { verbatim: true, ..Self::new(text.as_bytes().to_vec()) }
    }

    /// Takes 24 fresh random bytes.
    pub fn generate(rng: &mut impl rand::RngCore) -> Self {
        let mut bytes = vec![0; KEY_BYTES];
        rng.fill_bytes(&mut bytes);
        Self::new(bytes)
    }

    /// Reads `whsec_` + base64, the prefix optional. Error: names the form and the allowed length.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            let form = format!(
                "must be `{PREFIX}` followed by the base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes; leave it out to have one made"
            );
            Error::field("secret", form)
        };
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).map_err(|_| wrong())?;
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes.len()) {
            return Err(wrong());
        }
        Ok(Self::new(bytes))
    }

    /// Its text (`whsec_…`, or what its provider gave), for the eyes of admins only.
    pub fn text(&self) -> String {
        if self.verbatim {
            return String::from_utf8_lossy(&self.bytes).into_owned();
        }
        format!("{PREFIX}{}", STANDARD.encode(&*self.bytes))
    }

    /// Whether its text is the key itself.
    pub fn is_verbatim(&self) -> bool {
        self.verbatim
    }

    /// The bytes of the key.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key for HMAC-SHA256.
    pub fn key(&self) -> &hmac::Key {
        &self.key
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.verbatim == other.verbatim && self.bytes == other.bytes
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret of an endpoint and how long it still signs.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretSlot {
    /// The key.
    pub secret: Secret,
    /// `None` for the current one; else when it stops signing, in ms since 1970.
    pub expires_ms: Option<i64>,
}

/// The secrets that sign at this moment, the current one first.
pub fn signing(slots: &[SecretSlot], at_secs: i64) -> impl Iterator<Item = &Secret> {
    let signs = move |slot: &&SecretSlot| slot.expires_ms.is_none_or(|at| at / 1_000 >= at_secs);
    slots.iter().filter(signs).map(|slot| &slot.secret)
}

/// How many rotated-out secrets sign on, and what becomes of one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// At most so many; one more is refused.
    Refuse(usize),
    /// At most so many; one more ends the oldest.
    EndOldest(usize),
}

/// Puts a new secret in front; the ones before sign on until their grace ends. Error: `limit_reached`.
pub fn rotate(
    slots: &mut Vec<SecretSlot>,
    secret: Secret,
    overlap: Overlap,
    grace_secs: i64,
    now_ms: i64,
) -> Result<()> {
    slots.retain(|slot| slot.expires_ms.is_none_or(|at| at > now_ms));
    let ends_ms = now_ms + grace_secs * 1_000;
    for slot in slots.iter_mut() {
        slot.expires_ms = Some(slot.expires_ms.map_or(ends_ms, |at| at.min(ends_ms)));
    }
    slots.retain(|slot| slot.expires_ms.is_none_or(|at| at > now_ms));
    match overlap {
        Overlap::EndOldest(old_max) => slots.truncate(old_max),
        Overlap::Refuse(old_max) if slots.len() > old_max => return Err(too_many(old_max)),
        Overlap::Refuse(_) => {}
    }
    slots.insert(0, SecretSlot { secret, expires_ms: None });
    Ok(())
}

fn too_many(old_max: usize) -> Error {
    let detail = format!(
        "{old_max} rotated-out secrets still sign; wait until one expires, or rotate with gracePeriodSeconds 0"
    );
    Error::new(crate::error::Kind::Invalid, "limit_reached", detail)
}

/// Seals what the database must not show: under a key when the operator gave one, plainly otherwise.
#[derive(Clone)]
pub struct Sealer {
    key: Option<std::sync::Arc<LessSafeKey>>,
}

/// The first byte of a sealed value says how it is sealed.
const PLAIN: u8 = 0;
const AES_GCM: u8 = 1;

impl Sealer {
    /// Values are kept as they are.
    pub fn plain() -> Self {
        Self { key: None }
    }

    /// Takes the operator's key: the base64 of 32 bytes. Error: says how to make one.
    pub fn with_key(base64: &str) -> Result<Self> {
        let wrong =
            || Error::field("seal-key", "must be the base64 of 32 random bytes; `openssl rand -base64 32` makes one");
        let bytes = Zeroizing::new(STANDARD.decode(base64.trim()).map_err(|_| wrong())?);
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong())?;
        Ok(Self { key: Some(std::sync::Arc::new(LessSafeKey::new(key))) })
    }

    /// Seals `value` for its owner; opening it under another owner's id fails.
    pub fn seal(&self, owner: i64, value: &[u8]) -> Vec<u8> {
        let Some(key) = &self.key else {
            return [&[PLAIN], value].concat();
        };
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).expect("the system gives random bytes");
        let mut sealed = value.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner.to_be_bytes()), &mut sealed)
            .expect("a secret is far below the cipher's limit");
        [&[AES_GCM], &nonce[..], &sealed].concat()
    }

    /// Opens what [`Self::seal`] made. Error: another key, another owner, or damage.
    pub fn open(&self, owner: i64, sealed: &[u8]) -> Result<Vec<u8>> {
        match (sealed.split_first(), &self.key) {
            (Some((&PLAIN, value)), _) => Ok(value.to_vec()),
            (Some((&AES_GCM, rest)), Some(key)) if rest.len() > NONCE_LEN => {
                let (nonce, value) = rest.split_at(NONCE_LEN);
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
                let mut value = value.to_vec();
                let opened = key.open_in_place(nonce, Aad::from(owner.to_be_bytes()), &mut value);
                opened
                    .map(|plain| plain.to_vec())
                    .map_err(|_| Error::internal("a sealed value does not open: wrong --seal-key, or damage"))
            }
            (Some((&AES_GCM, _)), None) => Err(Error::internal(
                "the database holds sealed secrets; start with the --seal-key they were sealed with",
            )),
            _ => Err(Error::internal("a sealed value has an unknown form")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_for_its_owner_alone() {
        let sealer = Sealer::with_key(&STANDARD.encode([9; 32])).expect("32 bytes");
        let sealed = sealer.seal(1, b"whsec");
        assert_eq!(sealer.open(1, &sealed).expect("opens"), b"whsec");
        assert!(sealer.open(2, &sealed).is_err() && Sealer::plain().open(1, &sealed).is_err());
        assert!(!sealed.windows(5).any(|window| window == b"whsec"));
        assert_eq!(sealer.open(1, &Sealer::plain().seal(1, b"old")).expect("plain opens"), b"old");
    }

    #[test]
    fn rotation_keeps_the_old_one_for_its_grace_and_never_more_than_ten() {
        const OVERLAP: Overlap = Overlap::Refuse(OLD_SECRETS_MAX);
        let secret = || Secret::new(vec![1; 24]);
        let mut slots = vec![SecretSlot { secret: secret(), expires_ms: None }];
        rotate(&mut slots, secret(), OVERLAP, 60, 1_000).expect("first");
        assert_eq!(slots.iter().map(|slot| slot.expires_ms).collect::<Vec<_>>(), [None, Some(61_000)]);
        rotate(&mut slots, secret(), OVERLAP, 0, 2_000).expect("no grace");
        assert_eq!(slots.len(), 1);
        for _ in 0..OLD_SECRETS_MAX {
            rotate(&mut slots, secret(), OVERLAP, 60, 3_000).expect("below the limit");
        }
        assert_eq!(rotate(&mut slots, secret(), OVERLAP, 60, 3_000).expect_err("eleventh").code, "limit_reached");
    }

    #[test]
    fn only_whsec_of_the_right_length_is_a_secret() {
        let good = format!("whsec_{}", STANDARD.encode([5; 32]));
        assert_eq!(Secret::parse(&good).expect("32 bytes").text(), good);
        for wrong in ["", "whsec_", "whsec_!!", "whsec_c2hvcnQ=", &format!("whsec_{}", STANDARD.encode([1; 76]))] {
            assert!(Secret::parse(wrong).is_err(), "{wrong}");
        }
    }
}
