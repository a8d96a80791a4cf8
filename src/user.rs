//! Users: people who log in with an e-mail address and a password, or by an issuer, and their sessions.

use crate::audit::Actor;
use crate::digest::sha256;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::id::{EndpointId, EventId, KeyId, UserId};
use crate::key::Role;

/// The shortest and the longest password, in characters and in bytes.
pub const PASSWORD_CHARS_MIN: usize = 12;
const PASSWORD_BYTES_MAX: usize = 1_024;
/// The longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3).
const EMAIL_BYTES_MAX: usize = 254;
/// How long a session lasts: 7 days.
pub const SESSION_MS: i64 = 7 * 86_400_000;

/// A person who may use the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id; its time is when it was made.
    pub id: UserId,
    /// The e-mail address, in lower case.
    pub email: String,
    /// Admin or Viewer.
    pub role: Role,
    /// Argon2id of the password, in the form of PHC; `None`: comes in by the issuer alone.
    pub password: Option<String>,
    /// When it last changed, in ms since 1970.
    pub updated_ms: i64,
}

/// Who is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(UserId),
    /// Whoever has this key.
    Key(KeyId),
}

impl Holder {
    /// The same, for the audit log.
    pub fn actor(self) -> Actor {
        match self {
            Self::User(id) => Actor::User(id),
            Self::Key(id) => Actor::Key(id),
        }
    }
}

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By e-mail address and password.
    Password,
    /// By a key.
    Key,
    /// By the issuer.
    Oidc,
}

impl Way {
    /// The same in words, for the audit log.
    pub fn words(self) -> &'static str {
        match self {
            Self::Password => "by password",
            Self::Key => "by key",
            Self::Oidc => "by OIDC",
        }
    }
}

/// A login, as it is kept: never the text that the cookie holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The hash of the cookie's text.
    pub hash: [u8; 32],
    /// Who is logged in.
    pub holder: Holder,
    /// When it ends, in ms since 1970.
    pub expires_ms: i64,
}

impl Session {
    /// What is kept of a cookie's text.
    pub fn hash(text: &str) -> [u8; 32] {
        sha256(text.as_bytes())
    }
}

/// The last test of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// The event that was sent.
    pub event: EventId,
    /// The endpoint's revision then.
    pub revision: i64,
}

impl Test {
    /// Whether it tells of the endpoint as it stands.
    pub fn is_of(&self, endpoint: &Endpoint) -> bool {
        self.endpoint == endpoint.id && self.revision == endpoint.revision
    }
}

/// Reads an e-mail address. Error: what it lacks.
pub fn email(text: &str) -> Result<String> {
    let email = text.trim().to_lowercase();
    let fits = email.len() <= EMAIL_BYTES_MAX
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.len() > 1 && !host.contains('@'));
    if fits { Ok(email) } else { Err(Error::field("email", "must be an e-mail address such as ana@example.com")) }
}

/// Checks a password that somebody chose. Error: the limits.
pub fn check_password(text: &str) -> Result<()> {
    if text.chars().count() >= PASSWORD_CHARS_MIN && text.len() <= PASSWORD_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "must have at least {PASSWORD_CHARS_MIN} characters (and at most {PASSWORD_BYTES_MAX} bytes); a sentence is fine"
    );
    Err(Error::field("password", message))
}

/// Reads the role of a user. Error: the two that users can have.
pub fn role(text: &str) -> Result<Role> {
    Role::parse(text)
        .ok()
        .filter(|role| *role != Role::Publisher)
        .ok_or_else(|| Error::field("role", format!("`{text}` is none that a user has; choose admin or viewer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_in_lower_case_and_what_is_none_is_refused() {
        assert_eq!(email(" Ana@Example.com ").as_deref(), Ok("ana@example.com"));
        for wrong in ["", "ana", "@example.com", "ana@", "ana@b@c", "a na@example.com", "ana@exam\nple.com"] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_has_twelve_characters_and_a_user_is_admin_or_viewer() {
        assert!(check_password("twelve chars").is_ok() && check_password("äöüäöüäöüäöü").is_ok());
        assert!(check_password("eleven char").is_err() && check_password(&"a".repeat(1_025)).is_err());
        assert!(role("publisher").is_err() && role("viewer") == Ok(Role::Viewer));
    }
}
