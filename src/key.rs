//! API keys: how they look, how they are kept, what their roles may do.

use std::collections::HashMap;

use crate::audit::Actor;
use crate::digest::sha256;
use crate::error::{Error, Kind, Result};
use crate::id::{ApplicationId, EnvironmentId, KeyId, UserId};
use crate::token::{Capability, Claims};

/// How a key's text begins, whatever its environment.
pub const PREFIX: &str = "sk_";
/// How many characters follow `sk_test_` at least, and how many a generated key has.
const SECRET_CHARS_MIN: usize = 32;
const SECRET_CHARS: usize = 43;
/// The longest key that is read at all.
const KEY_CHARS_MAX: usize = 256;
/// The longest name of a key, in characters.
pub const KEY_NAME_CHARS_MAX: usize = 64;
/// The longest life of a key that ends by itself: ten years.
pub const KEY_DAYS_MAX: i64 = 3_650;
const DAY_MS: i64 = 86_400_000;
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
    /// Have events sent again, or examples sent.
    Attempt,
    /// Make, change and delete endpoints.
    EditEndpoint,
    /// See an endpoint's secret.
    SeeSecret,
    /// Rotate an endpoint's secret.
    RotateSecret,
    /// Change what belongs to the whole environment.
    Manage,
}

/// What proves who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    Key(Role),
    Token { capabilities: Vec<Capability>, feature_flags: Vec<String> },
}

/// An authenticated caller: a [`Keyring`] gives one for a key, a verified token is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Where the caller is at home.
    pub environment: EnvironmentId,
    /// Who it is, for the audit log.
    pub actor: Actor,
    application: Option<ApplicationId>,
    proof: Proof,
}

impl Caller {
    /// The bearer of a token that was signed here and has not ended.
    pub fn of_token(claims: Claims) -> Self {
        Self {
            environment: claims.environment(),
            actor: Actor::Token(claims.application()),
            application: Some(claims.application()),
            proof: Proof::Token { capabilities: claims.capabilities, feature_flags: claims.feature_flags },
        }
    }

    /// The bearer of a Svix token of a whole environment.
    pub fn of_environment(environment: EnvironmentId) -> Self {
        Self { environment, actor: Actor::Environment(environment), application: None, proof: Proof::Key(Role::Admin) }
    }

    /// The bearer of a Svix token of one application, who may do all that an application may.
    pub fn of_application(environment: EnvironmentId, application: ApplicationId, feature_flags: Vec<String>) -> Self {
        let capabilities = vec![Capability::ViewBase, Capability::CreateAttempts, Capability::ManageEndpoint];
        let (actor, proof) = (Actor::Token(application), Proof::Token { capabilities, feature_flags });
        Self { environment, actor, application: Some(application), proof }
    }

    /// A user who looks at this environment.
    pub fn of_user(environment: EnvironmentId, user: UserId, role: Role) -> Self {
        Self { environment, actor: Actor::User(user), application: None, proof: Proof::Key(role) }
    }

    /// The one application that the caller may know of; `None` for all of the environment.
    pub fn application(&self) -> Option<ApplicationId> {
        self.application
    }

    /// The feature flags that the caller carries; `None` for one who sees everything.
    pub fn feature_flags(&self) -> Option<&[String]> {
        match &self.proof {
            Proof::Key(_) => None,
            Proof::Token { feature_flags, .. } => Some(feature_flags),
        }
    }

    /// The caller's role, as `whoami` tells it.
    pub fn role(&self) -> &'static str {
        match &self.proof {
            Proof::Key(role) => role.name(),
            Proof::Token { capabilities, .. } if capabilities.contains(&Capability::ManageEndpoint) => "application",
            Proof::Token { .. } => "application-viewer",
        }
    }

    /// What a token lets its bearer do; `None` for a key.
    pub fn capabilities(&self) -> Option<&[Capability]> {
        match &self.proof {
            Proof::Key(_) => None,
            Proof::Token { capabilities, .. } => Some(capabilities),
        }
    }

    /// Whether the caller may do this. Error: 403 that says what it takes.
    pub fn may(&self, action: Action) -> Result<()> {
        match &self.proof {
            Proof::Key(role) => self.role_may(*role, action),
            Proof::Token { capabilities, .. } => token_may(capabilities, action),
        }
    }

    fn role_may(&self, role: Role, action: Action) -> Result<()> {
        let allowed = match action {
            Action::Read => true,
            Action::Publish => role != Role::Viewer,
            _ => role == Role::Admin,
        };
        if !allowed {
            let needed = if action == Action::Publish { "a publisher or admin" } else { "an admin" };
            return Err(forbidden(format!("a {} key may not do this; use {needed} key", role.name())));
        }
        if action == Action::Manage { self.whole_environment() } else { Ok(()) }
    }

    /// Whether the caller may know of more than one application. Error: 403.
    pub fn whole_environment(&self) -> Result<()> {
        if self.application.is_none() {
            return Ok(());
        }
        Err(forbidden("this key or token is for one application; use an admin key of the environment".to_owned()))
    }
}

fn forbidden(detail: String) -> Error {
    Error::new(Kind::Forbidden, "insufficient access", detail)
}

fn token_may(capabilities: &[Capability], action: Action) -> Result<()> {
    let has = |wanted: Capability| capabilities.contains(&wanted) || capabilities.contains(&Capability::ManageEndpoint);
    let (allowed, needed) = match action {
        Action::Read => (true, ""),
        Action::Attempt => (has(Capability::CreateAttempts), "CreateAttempts"),
        Action::EditEndpoint => (has(Capability::ManageEndpoint), "ManageEndpoint"),
        Action::SeeSecret => {
            let sees = has(Capability::ViewEndpointSecret) || has(Capability::ManageEndpointSecret);
            (sees, "ViewEndpointSecret")
        }
        Action::RotateSecret => (has(Capability::ManageEndpointSecret), "ManageEndpointSecret"),
        Action::Publish | Action::Manage => {
            let detail = "a token of an application may not do this; use an admin key of the environment";
            return Err(forbidden(detail.to_owned()));
        }
    };
    if allowed {
        return Ok(());
    }
    Err(forbidden(format!("this token may not do this; ask for one with the capability {needed}")))
}

/// What a key is to be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What people call it; may be empty.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The one application that it is for; `None` for all.
    pub application: Option<ApplicationId>,
    /// How many requests a second it may make; `None` for as many as the server says.
    pub rate: Option<u32>,
    /// When it ends by itself, in ms since 1970.
    pub expires_ms: Option<i64>,
}

impl Grant {
    /// A key without a name, for all applications, that works until it is revoked.
    pub fn of(role: Role) -> Self {
        Self { name: String::new(), role, application: None, rate: None, expires_ms: None }
    }
}

/// Checks the name of a key. Error: the limit.
pub fn check_key_name(name: &str) -> Result<()> {
    if name.chars().count() <= KEY_NAME_CHARS_MAX && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::field("name", format!("must have at most {KEY_NAME_CHARS_MAX} characters, on one line")))
}

/// When a key ends that is made now and lasts so many days. Error: the limits.
pub fn ends_after(days: i64, now_ms: i64) -> Result<i64> {
    if (1..=KEY_DAYS_MAX).contains(&days) {
        return Ok(now_ms + days * DAY_MS);
    }
    Err(Error::field(
        "days",
        format!("must be 1 to {KEY_DAYS_MAX}; leave it out for a key that ends when it is revoked"),
    ))
}

/// A key as it is kept: never its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id; its time is when it was created.
    pub id: KeyId,
    /// Where it is at home.
    pub environment: EnvironmentId,
    /// What it is for.
    pub grant: Grant,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// The beginning of its text, to recognise it.
    pub hint: String,
    /// When it was last used, to a minute, in ms since 1970.
    pub used_ms: Option<i64>,
    /// When it stopped working, in ms since 1970.
    pub revoked_ms: Option<i64>,
}

impl Key {
    /// Whether it opens anything at this moment.
    pub fn works(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none() && self.grant.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }
}

/// The text of a key, in the one moment that somebody holds it.
#[derive(Clone)]
pub struct KeyText(String);

impl KeyText {
    /// Takes the environment's name (`test` or `live`) and makes 43 random characters.
    pub fn generate(environment: &str, rng: &mut impl rand::Rng) -> Self {
        let secret: String = (0..SECRET_CHARS).map(|_| char::from(ALPHANUMERIC[rng.random_range(0..62)])).collect();
        Self(format!("{PREFIX}{environment}_{secret}"))
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

    /// The key as it is kept, not used yet.
    pub fn kept(&self, id: KeyId, environment: EnvironmentId, grant: Grant) -> Key {
        Key { id, environment, grant, hash: self.hash(), hint: self.hint(), used_ms: None, revoked_ms: None }
    }

    /// The text itself, to print once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A key that works.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub id: KeyId,
    /// Who holds it.
    pub caller: Caller,
    /// How many requests a second it may make.
    pub rate: Option<u32>,
}

/// The keys that work, by hash.
#[derive(Debug, Default)]
pub struct Keyring {
    known: HashMap<[u8; 32], Known>,
}

impl Keyring {
    /// Takes all keys; those that are revoked or have ended at this moment are left out.
    pub fn new(keys: &[Key], now_ms: i64) -> Self {
        let known = |key: &Key| {
            let Grant { role, application, rate, .. } = key.grant;
            let (environment, actor, proof) = (key.environment, Actor::Key(key.id), Proof::Key(role));
            let caller = Caller { environment, actor, application, proof };
            (key.hash, Known { id: key.id, caller, rate })
        };
        Self { known: keys.iter().filter(|key| key.works(now_ms)).map(known).collect() }
    }

    /// A key that works, by its id.
    pub fn by_id(&self, id: KeyId) -> Option<&Known> {
        self.known.values().find(|known| known.id == id)
    }

    /// Takes the text that [`bearer`] gave. Error: 401 that says what would be right.
    pub fn find(&self, text: &str) -> Result<&Known> {
        if text.len() > KEY_CHARS_MAX {
            return Err(refused("this is no key: keys are sk_test_… or sk_live_… and much shorter"));
        }
        self.known.get(&sha256(text.as_bytes())).ok_or_else(|| {
            refused("this key does not exist, is revoked or has ended; `posthaste key create` makes one")
        })
    }
}

/// The key or token in an `Authorization` header. Error: 401 that says what would be right.
pub fn bearer(authorization: Option<&str>) -> Result<&str> {
    let Some(header) = authorization else {
        return Err(refused("send your key as `Authorization: Bearer sk_test_…`"));
    };
    match header.split_once(' ') {
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("bearer") => Ok(text),
        _ => Err(refused("the Authorization header must be `Bearer` and the key, one space between")),
    }
}

/// Nobody who may come in.
pub fn refused(detail: impl Into<String>) -> Error {
    Error::new(Kind::Unauthorized, "authentication_failed", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn a_key_opens_what_its_role_allows_until_it_is_revoked() {
        let text = KeyText::parse(&format!("sk_test_{}", "a".repeat(32))).expect("well formed");
        let mut key = text.kept(KeyId::new(1), EnvironmentId::new(1), Grant::of(Role::Publisher));
        let header = format!("Bearer {}", text.reveal());
        let find = |key: &Key, header| {
            let text = bearer(header)?;
            Keyring::new(std::slice::from_ref(key), 1_000).find(text).map(|known| known.caller.clone())
        };
        let caller = find(&key, Some(&header)).expect("known");
        assert!(caller.may(Action::Publish).is_ok() && caller.may(Action::Read).is_ok());
        assert_eq!(caller.may(Action::Manage).expect_err("publisher").code, "insufficient access");
        for wrong in [None, Some(""), Some("Bearer"), Some("Basic x"), Some("Bearer  x"), Some(text.reveal())] {
            assert!(find(&key, wrong).is_err(), "{wrong:?}");
        }
        key.grant.application = Some(ApplicationId::new(9));
        key.grant.role = Role::Admin;
        let scoped = find(&key, Some(&header)).expect("known");
        assert!(scoped.may(Action::EditEndpoint).is_ok() && scoped.may(Action::Publish).is_ok());
        assert!(scoped.may(Action::Manage).is_err() && scoped.application() == key.grant.application);
        key.grant.expires_ms = Some(1_001);
        assert!(find(&key, Some(&header)).is_ok());
        key.grant.expires_ms = Some(1_000);
        assert!(find(&key, Some(&header)).is_err());
        key.grant.expires_ms = None;
        key.revoked_ms = Some(1);
        assert!(find(&key, Some(&header)).is_err());
    }

    #[test]
    fn a_name_is_short_and_an_end_is_days_away() {
        assert!(check_key_name("").is_ok() && check_key_name(&"ä".repeat(64)).is_ok());
        assert!(check_key_name(&"a".repeat(65)).is_err() && check_key_name("a\nb").is_err());
        assert_eq!(ends_after(1, 5).expect("a day"), 86_400_005);
        assert!(ends_after(0, 5).is_err() && ends_after(3_651, 5).is_err());
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
