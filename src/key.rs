//! API keys: how they look, how they are kept, what their roles may do.

use std::collections::HashMap;

use crate::digest::sha256;
use crate::error::{Error, Kind, Result};
use crate::id::{EnvironmentId, KeyId};

/// How many characters follow `sk_test_` at least, and how many a generated key has.
const SECRET_CHARS_MIN: usize = 32;
const SECRET_CHARS: usize = 43;
/// The longest key that is read at all.
const KEY_CHARS_MAX: usize = 256;
/// How much of a key's text may be shown again: enough to recognise it.
const HINT_CHARS: usize = 12;
const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// All.
    Admin = 0,
    /// Creates and reads events, reads the rest but secrets.
    Publisher = 1,
    /// Reads, but no secrets.
    Viewer = 2,
}

impl Role {
    /// All roles, the mightiest first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Publisher, Self::Viewer];

    /// Its word on the command line and in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Publisher => "publisher",
            Self::Viewer => "viewer",
        }
    }

    /// Reads the word. Error: the three that exist.
    pub fn parse(name: &str) -> Result<Self> {
        let wrong = || Error::field("role", format!("`{name}` is no role; use admin, publisher or viewer"));
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(wrong)
    }
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look at anything but secrets.
    Read,
    /// Create events.
    Publish,
    /// Change settings, resend, see secrets.
    Manage,
}

/// An authenticated caller. Only [`Keyring::caller`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Where the key is at home.
    pub environment: EnvironmentId,
    role: Role,
}

impl Caller {
    /// Whether the role allows it. Error: 403 that names the role it takes.
    pub fn may(&self, action: Action) -> Result<()> {
        let allowed = match action {
            Action::Read => true,
            Action::Publish => self.role != Role::Viewer,
            Action::Manage => self.role == Role::Admin,
        };
        if allowed {
            return Ok(());
        }
        let needed = if action == Action::Publish { "a publisher or admin" } else { "an admin" };
        let detail = format!("a {} key may not do this; use {needed} key", self.role.name());
        Err(Error::new(Kind::Forbidden, "insufficient access", detail))
    }
}

/// A key as it is kept: never its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id; its time is when it was created.
    pub id: KeyId,
    /// Where it is at home.
    pub environment: EnvironmentId,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// The beginning of its text, to recognise it.
    pub hint: String,
    /// When it stopped working, in ms since 1970.
    pub revoked_ms: Option<i64>,
}

/// The text of a key, in the one moment that somebody holds it.
#[derive(Clone)]
pub struct KeyText(String);

impl KeyText {
    /// Takes the environment's name (`test` or `live`) and makes 43 random characters.
    pub fn generate(environment: &str, rng: &mut impl rand::Rng) -> Self {
        let secret: String = (0..SECRET_CHARS).map(|_| char::from(ALPHANUMERIC[rng.random_range(0..62)])).collect();
        Self(format!("sk_{environment}_{secret}"))
    }

    /// Reads `sk_(test|live)_` + at least 32 letters and digits. Error: the form.
    pub fn parse(text: &str) -> Result<Self> {
        let secret = text.strip_prefix("sk_test_").or_else(|| text.strip_prefix("sk_live_"));
        let fits = |secret: &str| {
            secret.len() >= SECRET_CHARS_MIN
                && text.len() <= KEY_CHARS_MAX
                && secret.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if secret.is_some_and(fits) {
            return Ok(Self(text.to_owned()));
        }
        let message =
            format!("must be sk_test_ or sk_live_ followed by at least {SECRET_CHARS_MIN} letters and digits");
        Err(Error::field("key", message))
    }

    /// `test` or `live`.
    pub fn environment(&self) -> &str {
        &self.0[3..7]
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// What may be shown again.
    pub fn hint(&self) -> String {
        format!("{}…", &self.0[..HINT_CHARS])
    }

    /// The text itself, to print once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The keys that work, by hash.
#[derive(Debug, Default)]
pub struct Keyring {
    callers: HashMap<[u8; 32], Caller>,
}

impl Keyring {
    /// Takes all keys; the revoked ones are left out.
    pub fn new(keys: &[Key]) -> Self {
        let works = |key: &&Key| key.revoked_ms.is_none();
        let callers = keys
            .iter()
            .filter(works)
            .map(|key| (key.hash, Caller { environment: key.environment, role: key.role }))
            .collect();
        Self { callers }
    }

    /// Takes the `Authorization` header. Error: 401 that says what would be right.
    pub fn caller(&self, authorization: Option<&str>) -> Result<Caller> {
        let refused = |detail: &str| Error::new(Kind::Unauthorized, "authentication_failed", detail);
        let Some(header) = authorization else {
            return Err(refused("send your key as `Authorization: Bearer sk_test_…`"));
        };
        let key = match header.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key,
            _ => return Err(refused("the Authorization header must be `Bearer` and the key, one space between")),
        };
        if key.len() > KEY_CHARS_MAX {
            return Err(refused("this is no key: keys are sk_test_… or sk_live_… and much shorter"));
        }
        self.callers
            .get(&sha256(key.as_bytes()))
            .copied()
            .ok_or_else(|| refused("this key does not exist or is revoked; `posthaste key create` makes one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn a_key_opens_what_its_role_allows_until_it_is_revoked() {
        let text = KeyText::parse(&format!("sk_test_{}", "a".repeat(32))).expect("well formed");
        let mut key = Key {
            id: KeyId::new(1),
            environment: EnvironmentId::new(1),
            role: Role::Publisher,
            hash: text.hash(),
            hint: text.hint(),
            revoked_ms: None,
        };
        let header = format!("Bearer {}", text.reveal());
        let caller = Keyring::new(&[key.clone()]).caller(Some(&header)).expect("known");
        assert!(caller.may(Action::Publish).is_ok() && caller.may(Action::Read).is_ok());
        assert_eq!(caller.may(Action::Manage).expect_err("publisher").code, "insufficient access");
        for wrong in [None, Some(""), Some("Bearer"), Some("Basic x"), Some("Bearer  x"), Some(text.reveal())] {
            assert!(Keyring::new(&[key.clone()]).caller(wrong).is_err(), "{wrong:?}");
        }
        key.revoked_ms = Some(1);
        assert!(Keyring::new(&[key]).caller(Some(&header)).is_err());
    }

    #[test]
    fn only_the_documented_form_is_a_key() {
        for wrong in [
            "",
            "sk_test_",
            "sk_prod_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "sk_test_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
            "sk_live_short",
        ] {
            assert!(KeyText::parse(wrong).is_err(), "{wrong}");
        }
    }
}
