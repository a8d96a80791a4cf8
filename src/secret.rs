//! Secrets: key material for signing, how it is written, rotated, and sealed at rest.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// How a symmetric secret's text begins, a private key's, and that of the public key beside it (Standard Webhooks).
const PREFIX: &str = "whsec_";
const PRIVATE_PREFIX: &str = "whsk_";
pub(crate) const PUBLIC_PREFIX: &str = "whpk_";
/// How long the seed of a private key is, in bytes; its text may have the public key behind it.
const SEED_BYTES: usize = 32;
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

/// With what a secret signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// HMAC-SHA256: one secret for both sides.
    #[default]
    Hmac,
    /// A private key here, its public key at the receiver.
    Ed25519,
}

impl Scheme {
    /// Reads the word; `None` for one that is none.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "hmac" => Some(Self::Hmac),
            "ed25519" => Some(Self::Ed25519),
            _ => None,
        }
    }
}

/// One key, ready to sign. Its `Debug` never shows it; its bytes are wiped when dropped.
#[derive(Clone)]
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    key: hmac::Key,
    /// The pair of keys, when it signs with ed25519.
    pair: Option<Arc<Ed25519KeyPair>>,
    /// Whether its text is the key itself, and not the base64 of it.
    verbatim: bool,
}

impl Secret {
    /// Takes 24 to 75 bytes of key.
    fn new(bytes: Vec<u8>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Self { bytes: Zeroizing::new(bytes), key, pair: None, verbatim: false }
    }

    /// A key that is its own text, as Fintoc, Bridge and Finix have them; which text is theirs to check.
    pub fn verbatim(text: &str) -> Self {
        Self { verbatim: true, ..Self::new(text.as_bytes().to_vec()) }
    }

    /// Takes 24 fresh random bytes, or the 32 of a private key.
    pub fn generate(scheme: Scheme, rng: &mut impl rand::RngCore) -> Self {
        let mut bytes = match scheme {
            Scheme::Hmac => vec![0; KEY_BYTES],
            Scheme::Ed25519 => vec![0; SEED_BYTES],
        };
        rng.fill_bytes(&mut bytes);
        match scheme {
            Scheme::Hmac => Self::new(bytes),
            Scheme::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&bytes).expect("any 32 bytes are a seed");
                Self::with_pair(pair, Zeroizing::new(bytes).as_slice())
            }
        }
    }

    /// Reads `whsec_` + base64, the prefix optional, or a private key's `whsk_` + base64. Error: names the form and the
    /// allowed length.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(base64) = text.strip_prefix(PRIVATE_PREFIX) {
            return Self::private(base64);
        }
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

    /// Takes an ed25519 private key: its seed, with or without the public key behind it.
    fn private(base64: &str) -> Result<Self> {
        let wrong = || {
            let form = format!(
                "must be `{PRIVATE_PREFIX}` followed by the base64 of an ed25519 seed of {SEED_BYTES} bytes, with or without its public key"
            );
            Error::field("secret", form)
        };
        let bytes = Zeroizing::new(STANDARD.decode(base64).map_err(|_| wrong())?);
        let (seed, public) = bytes.split_at_checked(SEED_BYTES).ok_or_else(wrong)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| wrong())?;
        if !public.is_empty() && public != pair.public_key().as_ref() {
            return Err(wrong());
        }
        Ok(Self::with_pair(pair, seed))
    }

    fn with_pair(pair: Ed25519KeyPair, seed: &[u8]) -> Self {
        let whole = [seed, pair.public_key().as_ref()].concat();
        Self { pair: Some(Arc::new(pair)), ..Self::new(whole) }
    }

    /// With what it signs.
    pub fn scheme(&self) -> Scheme {
        if self.pair.is_some() { Scheme::Ed25519 } else { Scheme::Hmac }
    }

    /// The pair of keys, when it signs with ed25519.
    pub fn pair(&self) -> Option<&Ed25519KeyPair> {
        self.pair.as_deref()
    }

    /// What its receiver verifies with: the text itself, or the public key (`whpk_…`) of a private one.
    pub fn shown(&self) -> String {
        match &self.pair {
            Some(pair) => format!("{PUBLIC_PREFIX}{}", STANDARD.encode(pair.public_key())),
            None => self.text(),
        }
    }

    /// Its text (`whsec_…`, `whsk_…`, or what its provider gave), for the store alone.
    pub fn text(&self) -> String {
        if self.pair.is_some() {
            return format!("{PRIVATE_PREFIX}{}", STANDARD.encode(&*self.bytes));
        }
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

/// Checks what holds of every secret that somebody pastes, whoever made it: nothing that nobody sees stands at its ends,
/// nor a control character in it. Error: what is wrong, in words that tell nothing of the secret.
pub fn check_text(text: &str) -> Result<(), String> {
    if !text.is_empty() && text.chars().all(|char| unseen(char).is_some()) {
        return Err("is blank: there is nothing in it that anybody could see".to_owned());
    }
    for (does, end) in [("begins", text.chars().next()), ("ends", text.chars().next_back())] {
        if let Some(name) = end.and_then(unseen) {
            return Err(format!("{does} with {name}; leave it out"));
        }
    }
    match text.chars().find(|char| char.is_control()) {
        Some('\0') => Err("holds a NUL character; copy it once more".to_owned()),
        Some(char) => Err(format!("holds a control character (U+{:04X}); copy it once more", u32::from(char))),
        None => Ok(()),
    }
}

/// What a character is called that nobody sees at the end of a text.
fn unseen(char: char) -> Option<&'static str> {
    Some(match char {
        ' ' => "a blank",
        '\t' => "a tab",
        '\n' | '\r' => "a newline",
        '\u{feff}' => "a byte order mark",
        // Unicode does not count the ones without any width as white space
        '\u{200b}'..='\u{200d}' | '\u{2060}' => "a character that nobody sees",
        _ if char.is_whitespace() => "a character that nobody sees",
        _ => return None,
    })
}

/// A secret of an endpoint: since when and how long it signs.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretSlot {
    /// The key.
    pub secret: Secret,
    /// When it took the place of the one before, in ms since 1970; `None` for the first one, and where nobody knows.
    pub since_ms: Option<i64>,
    /// `None` for the current one; else when it stops signing, in ms since 1970.
    pub expires_ms: Option<i64>,
}

impl SecretSlot {
    /// The first secret of an endpoint, which signs until another takes its place.
    pub fn new(secret: Secret) -> Self {
        Self { secret, since_ms: None, expires_ms: None }
    }

    /// A secret that takes the place of another at this moment, in ms since 1970.
    pub fn since(secret: Secret, now_ms: i64) -> Self {
        Self { since_ms: Some(now_ms), ..Self::new(secret) }
    }
}

/// The secrets that were there at a past moment, as far as they still are.
pub fn standing(slots: &[SecretSlot], at_ms: i64) -> Vec<SecretSlot> {
    slots.iter().filter(|slot| slot.since_ms.is_none_or(|since_ms| since_ms <= at_ms)).cloned().collect()
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
    slots.insert(0, SecretSlot::since(secret, now_ms));
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
    key: Option<Arc<LessSafeKey>>,
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
        Ok(Self { key: Some(Arc::new(LessSafeKey::new(key))) })
    }

    /// Whether it has a key.
    pub fn seals(&self) -> bool {
        self.key.is_some()
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
                    .map_err(|_| Error::internal("a sealed value does not open: another key than that of --seal-key (POSTHASTE_SEAL_KEY) sealed it, or it is damaged"))
            }
            (Some((&AES_GCM, _)), None) => Err(Error::internal(
                "the database holds sealed secrets; give the key they were sealed with by --seal-key or POSTHASTE_SEAL_KEY",
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
        let mut slots = vec![SecretSlot::new(secret())];
        rotate(&mut slots, secret(), OVERLAP, 60, 1_000).expect("first");
        let times =
            |slots: &[SecretSlot]| slots.iter().map(|slot| (slot.since_ms, slot.expires_ms)).collect::<Vec<_>>();
        assert_eq!(times(&slots), [(Some(1_000), None), (None, Some(61_000))]);
        assert_eq!(times(&standing(&slots, 999)), [(None, Some(61_000))]);
        assert_eq!(standing(&slots, 1_000), slots);
        rotate(&mut slots, secret(), OVERLAP, 0, 2_000).expect("no grace");
        assert_eq!(slots.len(), 1);
        for _ in 0..OLD_SECRETS_MAX {
            rotate(&mut slots, secret(), OVERLAP, 60, 3_000).expect("below the limit");
        }
        assert_eq!(rotate(&mut slots, secret(), OVERLAP, 60, 3_000).expect_err("eleventh").code, "limit_reached");
    }

    #[test]
    fn what_nobody_sees_in_a_secret_is_named_and_the_secret_is_not() {
        for (text, why) in [
            ("s3cr3t\n", "ends with a newline; leave it out"),
            ("s3cr3t\r\n", "ends with a newline; leave it out"),
            ("\ns3cr3t", "begins with a newline; leave it out"),
            (" s3cr3t", "begins with a blank; leave it out"),
            ("s3cr3t ", "ends with a blank; leave it out"),
            ("s3cr3t\t", "ends with a tab; leave it out"),
            ("\u{feff}s3cr3t", "begins with a byte order mark; leave it out"),
            ("s3cr3t\u{a0}", "ends with a character that nobody sees; leave it out"),
            ("\u{200b}s3cr3t", "begins with a character that nobody sees; leave it out"),
            (" ", "is blank: there is nothing in it that anybody could see"),
            (" \t\r\n\u{3000}", "is blank: there is nothing in it that anybody could see"),
            ("s3c\0r3t", "holds a NUL character; copy it once more"),
            ("\0", "holds a NUL character; copy it once more"),
            ("s3c\nr3t", "holds a control character (U+000A); copy it once more"),
            ("s3c\u{1b}r3t", "holds a control character (U+001B); copy it once more"),
        ] {
            assert_eq!(check_text(text).as_ref().map_err(String::as_str), Err(why), "{text:?}");
        }
        for text in ["", "s3cr3t", "a secret of any form", "schlüssel"] {
            assert_eq!(check_text(text), Ok(()), "{text:?}");
        }
    }

    /// The first vector of RFC 8032 §7.1.
    #[test]
    fn a_private_key_shows_its_public_one() {
        let seed = crate::signature::from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = crate::signature::from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let (seed, public) = (seed.expect("hex"), public.expect("hex"));
        let whole = format!("whsk_{}", STANDARD.encode([&seed[..], &public].concat()));
        for text in [&whole, &format!("whsk_{}", STANDARD.encode(&seed))] {
            let secret = Secret::parse(text).expect("a private key");
            assert_eq!(secret.shown(), format!("whpk_{}", STANDARD.encode(&public)));
            assert_eq!(secret.text(), whole);
            let signature = crate::signature::sign(&secret, "msg_1", 5, b"{}");
            let verifies =
                |body| crate::signature::verify(std::slice::from_ref(&secret), "msg_1", "5", &signature, body);
            assert!(signature.starts_with("v1a,") && verifies(b"{}") && !verifies(b"[]"));
        }
        let other = format!("whsk_{}", STANDARD.encode([&seed[..], &[7; 32]].concat()));
        for wrong in ["whsk_", "whsk_AAAA", &other, "whpk_AAAA"] {
            assert!(Secret::parse(wrong).is_err(), "{wrong}");
        }
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
