//! Tokens of an application: short-lived, signed by the server, kept nowhere; which of them end before their time.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::digest::hash16;
use crate::error::{Error, Result};
use crate::id::{ApplicationId, EnvironmentId, Id as _};
use crate::name;
use crate::signature::hex;

/// How a token's text begins.
pub const PREFIX: &str = "appsk_";
/// How long a token lives unless its maker says otherwise, and at most: 7 days; and at least: 1 hour. In seconds.
pub const LIFE_SECS: i64 = 7 * 86_400;
const LIFE_SECS_MIN: i64 = 3_600;
/// The longest text that is read at all, in bytes.
const TEXT_BYTES_MAX: usize = 8_192;
/// The longest token in a link to the portal, in bytes: browsers keep 4,096 of a cookie (RFC 6265 §6.1), name included.
pub const LINK_BYTES_MAX: usize = 4_000;
/// How many feature flags one token carries.
const FLAGS_MAX: usize = 50;
/// How long it is remembered that all tokens of an application or a session ended: longer than any of them lives.
pub const ENDED_MS: i64 = 366 * 86_400_000;
/// How many bytes of a token are its signature.
const MAC_BYTES: usize = 32;

/// What a token lets its bearer do (the words are Svix's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capability {
    /// Look at everything but secrets.
    ViewBase,
    /// See an endpoint's secret.
    ViewEndpointSecret,
    /// See and rotate it.
    ManageEndpointSecret,
    /// Kept for Svix's sake: there are no transformations.
    ManageTransformations,
    /// Have events sent again, and examples sent.
    CreateAttempts,
    /// Make, change and delete endpoints, secrets included.
    ManageEndpoint,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    #[serde(rename = "e")]
    environment: i64,
    #[serde(rename = "a")]
    application: i64,
    /// When it was issued, in ms since 1970.
    #[serde(rename = "i")]
    pub issued_ms: i64,
    /// When it ends, in ms since 1970.
    #[serde(rename = "x")]
    pub expires_ms: i64,
    /// What it lets its bearer do.
    #[serde(rename = "c")]
    pub capabilities: Vec<Capability>,
    /// Which event types with feature flags it sees.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub feature_flags: Vec<String>,
    /// The session it was made for.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Tells it from every other.
    #[serde(rename = "n")]
    nonce: u64,
}

/// What a token is to say.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// How long it lives, in seconds; 7 days unless given.
    pub life_secs: Option<i64>,
    /// What it lets its bearer do; all unless given.
    pub capabilities: Option<Vec<Capability>>,
    /// Only looking.
    pub read_only: bool,
    /// Which event types with feature flags it sees.
    pub feature_flags: Vec<String>,
    /// The session it is made for.
    pub session: Option<String>,
}

impl Claims {
    /// What a token of this application says. Error: the field that breaks a rule.
    pub fn new(environment: EnvironmentId, application: ApplicationId, grant: Grant, at: (i64, u64)) -> Result<Self> {
        let (now_ms, nonce) = at;
        let life_secs = grant.life_secs.unwrap_or(LIFE_SECS);
        if !(LIFE_SECS_MIN..=LIFE_SECS).contains(&life_secs) {
            let message = format!("must be {LIFE_SECS_MIN} to {LIFE_SECS} seconds (an hour to seven days)");
            return Err(Error::field("expiry", message));
        }
        check_flags("featureFlags", &grant.feature_flags)?;
        if let Some(session) = &grant.session {
            name::check_text("sessionId", session)?;
        }
        let all = [Capability::ViewBase, Capability::CreateAttempts, Capability::ManageEndpoint];
        let capabilities = match grant.capabilities {
            _ if grant.read_only => vec![Capability::ViewBase],
            Some(given) if !given.contains(&Capability::ViewBase) => {
                return Err(Error::field(
                    "capabilities",
                    "must contain `ViewBase`; add it, or leave the list out for all",
                ));
            }
            given => given.unwrap_or_else(|| all.to_vec()),
        };
        Ok(Self {
            environment: environment.value(),
            application: application.value(),
            issued_ms: now_ms,
            expires_ms: now_ms + life_secs * 1_000,
            capabilities,
            feature_flags: grant.feature_flags,
            session: grant.session,
            nonce,
        })
    }

    /// Where the application lives.
    pub fn environment(&self) -> EnvironmentId {
        EnvironmentId::new(self.environment)
    }

    /// The application that it is limited to.
    pub fn application(&self) -> ApplicationId {
        ApplicationId::new(self.application)
    }
}

/// Checks a list of feature flags.
pub fn check_flags(field: &str, flags: &[String]) -> Result<()> {
    if flags.len() > FLAGS_MAX {
        return Err(Error::field(field, format!("names {} flags; at most {FLAGS_MAX} are allowed", flags.len())));
    }
    flags.iter().try_for_each(|flag| name::check_event_type(field, flag))
}

/// Signs tokens and reads them back.
#[derive(Clone)]
pub struct Signer {
    key: hmac::Key,
}

impl Signer {
    /// Takes the 32 random bytes that the database keeps under its seal.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The text of a token.
    pub fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).expect("numbers and texts always serialise");
        let mac = hmac::sign(&self.key, &claims);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([mac.as_ref(), &claims].concat()))
    }

    /// What a token says; `None` for one that was never signed here. Whether it has ended is the caller's to look at.
    pub fn read(&self, text: &str) -> Option<Claims> {
        let text = text.strip_prefix(PREFIX).filter(|text| text.len() <= TEXT_BYTES_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() > MAC_BYTES)?;
        let (mac, claims) = bytes.split_at(MAC_BYTES);
        hmac::verify(&self.key, claims, mac).ok()?;
        serde_json::from_slice(claims).ok()
    }
}

/// Which tokens end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// All of the application.
    All,
    /// Those of one session.
    Session(String),
    /// One, by the hash of its text.
    One(String),
}

/// Tokens of an application that end before their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose.
    pub application: ApplicationId,
    /// Which.
    pub which: Which,
    /// Those issued until then, in ms since 1970.
    pub issued_until_ms: i64,
    /// When they end.
    pub from_ms: i64,
    /// When all of them would have ended anyway.
    pub forget_ms: i64,
}

impl Ended {
    /// Whether a token is among them at this moment.
    pub fn covers(&self, hash: &str, issued_ms: i64, session: Option<&str>, now_ms: i64) -> bool {
        let among = match &self.which {
            Which::All => true,
            Which::Session(named) => session == Some(named),
            Which::One(named) => hash == named,
        };
        among && issued_ms <= self.issued_until_ms && now_ms >= self.from_ms
    }
}

/// The hash under which it is kept that one token has ended.
pub fn hash(text: &str) -> String {
    hex(&hash16(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(grant: Grant) -> Result<Claims> {
        Claims::new(EnvironmentId::new(1), ApplicationId::new(7), grant, (1_000, 5))
    }

    #[test]
    fn a_token_reads_back_and_no_other_text_is_one() {
        let signer = Signer::new(&[1; 32]);
        let claims = claims(Grant { feature_flags: vec!["beta".to_owned()], ..Grant::default() }).expect("lawful");
        let text = signer.sign(&claims);
        assert_eq!(signer.read(&text), Some(claims));
        assert_eq!(Signer::new(&[2; 32]).read(&text), None);
        let flipped = text.char_indices().skip(PREFIX.len()).map(|(place, was)| {
            let other = if was == 'A' { 'B' } else { 'A' };
            format!("{}{other}{}", &text[..place], &text[place + 1..])
        });
        for wrong in flipped.chain(["", PREFIX, "appsk_AAAA", &text[1..]].map(str::to_owned)) {
            assert_eq!(signer.read(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_grant_is_held_to_its_limits() {
        for life_secs in [0, 3_599, 604_801, -1] {
            assert!(claims(Grant { life_secs: Some(life_secs), ..Grant::default() }).is_err(), "{life_secs}");
        }
        let nothing = Grant { capabilities: Some(vec![Capability::CreateAttempts]), ..Grant::default() };
        assert!(claims(nothing).is_err());
        let looking = claims(Grant { read_only: true, ..Grant::default() }).expect("lawful");
        assert_eq!(looking.capabilities, [Capability::ViewBase]);
    }

    #[test]
    fn what_ended_stays_ended_and_what_came_later_does_not() {
        let session = Which::Session("s".to_owned());
        let ended = |which| Ended {
            application: ApplicationId::new(1),
            which,
            issued_until_ms: 10,
            from_ms: 20,
            forget_ms: 99,
        };
        let check = |which, hash, issued_ms, session, now_ms| ended(which).covers(hash, issued_ms, session, now_ms);
        assert!(check(Which::All, "a", 10, None, 20));
        assert!(!check(Which::All, "a", 11, None, 20) && !check(Which::All, "a", 10, None, 19));
        assert!(check(session.clone(), "a", 1, Some("s"), 20) && !check(session, "a", 1, Some("t"), 20));
        assert!(
            check(Which::One("a".to_owned()), "a", 1, None, 20) && !check(Which::One("a".to_owned()), "b", 1, None, 20)
        );
    }
}
