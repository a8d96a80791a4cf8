//! An endpoint: a URL that receives events, with its filters, secrets, headers and health.

use std::collections::BTreeMap;

use crate::application::{Application, Wire};
use crate::digest::hash16;
use crate::error::{Error, Result};
use crate::handling::Handling;
use crate::id::{ApplicationId, EndpointId, Id};
use crate::name::{self, Metadata};
use crate::provider::Provider;
use crate::secret::{Secret, SecretSlot};

/// How many channels one endpoint may name.
const CHANNELS_MAX: usize = 10;
/// How many event types one endpoint may name.
const EVENT_TYPES_MAX: usize = 1_000;
/// Custom headers: how many, and how long a value may be, in bytes.
const HEADERS_MAX: usize = 32;
const HEADER_NAME_CHARS_MAX: usize = 256;
const HEADER_VALUE_BYTES_MAX: usize = 4_096;
/// Headers that belong to the connection, to us, or to proxies and clouds; never a caller's to set.
const HEADERS_FORBIDDEN: [&str; 19] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "metadata-flavor",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
const HEADER_PREFIXES_FORBIDDEN: [&str; 8] =
    ["proxy-", "webhook-", "svix-", "x-svix-", "x-amz-", "x-amzn-", "x-aws-ec2-metadata-token", "x-forwarded-"];

/// An endpoint that failed everything for this long is disabled: 5 days.
const DISABLE_AFTER_MS: i64 = 5 * 24 * 3_600_000;
/// Two failures at least 12 h and at most 24 h apart, nothing delivered between, start that clock.
const SUSPECT_MIN_MS: i64 = 12 * 3_600_000;
const SUSPECT_MAX_MS: i64 = 24 * 3_600_000;

/// Whether events are delivered, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// They are.
    Enabled = 0,
    /// Somebody switched it off.
    Disabled = 1,
    /// It answered 410.
    Gone = 2,
    /// It failed everything for 5 days.
    Failing = 3,
    /// It is deleted; its history stays.
    Deleted = 4,
}

impl State {
    /// Reads the number; `None` for one that is no state.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Enabled, Self::Disabled, Self::Gone, Self::Failing, Self::Deleted]
            .into_iter()
            .find(|state| *state as i64 == number)
    }
}

/// What its attempts have come to lately; on disk, so that a restart forgets nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The first failure since the last success, in ms since 1970.
    pub failing_since_ms: Option<i64>,
    /// Whether the five days run from it.
    pub clock_runs: bool,
}

impl Health {
    /// The health after one attempt, and whether the endpoint is to be disabled; days pass `speed` times faster.
    pub fn after(self, succeeded: bool, now_ms: i64, speed: i64) -> (Self, bool) {
        let since = match (succeeded, self.failing_since_ms) {
            (true, _) => return (Self::default(), false),
            (false, None) => return (Self { failing_since_ms: Some(now_ms), clock_runs: false }, false),
            (false, Some(since)) => since,
        };
        let age_ms = (now_ms - since).saturating_mul(speed);
        if self.clock_runs {
            (self, age_ms >= DISABLE_AFTER_MS)
        } else if age_ms > SUSPECT_MAX_MS {
            (Self { failing_since_ms: Some(now_ms), clock_runs: false }, false)
        } else {
            (Self { clock_runs: age_ms >= SUSPECT_MIN_MS, ..self }, false)
        }
    }
}

/// A URL that receives events.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its id; its time is when it was created.
    pub id: EndpointId,
    /// Whose it is.
    pub application: ApplicationId,
    /// In whose form events go there: its application's.
    pub provider: Provider,
    /// Under which names its events carry their id and signature: its application's.
    pub wire: Wire,
    /// Whether only events that name it go there, whatever its filters say.
    pub direct: bool,
    /// The caller's own id for it, unique in the application while it lives.
    pub uid: Option<String>,
    /// Where events go: http or https, judged by the guard.
    pub url: String,
    /// For people.
    pub description: String,
    /// Whether events are delivered.
    pub state: State,
    /// The event types it wants; empty means all.
    pub event_types: Vec<String>,
    /// The channels it wants; empty means all.
    pub channels: Vec<String>,
    /// Headers added to every attempt.
    pub headers: BTreeMap<String, String>,
    /// How its deliveries are made, where not as usual.
    pub handling: Box<Handling>,
    /// Whatever the caller keeps with it.
    pub metadata: Metadata,
    /// The current secret first, then those that still sign.
    pub secrets: Vec<SecretSlot>,
    /// What its attempts have come to lately.
    pub health: Health,
    /// When its settings last changed, in ms since 1970.
    pub updated_ms: i64,
    /// Grows with every change of its settings, so that no change overwrites one it has not seen.
    pub revision: i64,
}

impl Endpoint {
    /// An enabled endpoint that wants all of an application's events, signed with this secret.
    pub fn new(id: EndpointId, application: &Application, url: &str, secret: Secret, now_ms: i64) -> Self {
        Self {
            id,
            application: application.id,
            provider: application.provider,
            wire: application.wire,
            direct: false,
            uid: None,
            url: url.to_owned(),
            description: String::new(),
            state: State::Enabled,
            event_types: Vec::new(),
            channels: Vec::new(),
            headers: BTreeMap::new(),
            handling: Box::default(),
            metadata: Metadata::new(),
            secrets: vec![SecretSlot::new(secret)],
            health: Health::default(),
            updated_ms: now_ms,
            revision: 1,
        }
    }

    /// The uid of the direct endpoint for a URL: two URLs never share it, and a caller's is not made by accident.
    pub fn uid_of_url(url: &str) -> String {
        format!("url_{:032x}", u128::from_be_bytes(hash16(url.as_bytes())))
    }

    /// Checks every field but the URL, which is the guard's to judge.
    pub fn check(&self) -> Result<()> {
        if let Some(uid) = &self.uid {
            name::check_uid("uid", uid, EndpointId::PREFIX)?;
        }
        name::check_text("description", &self.description)?;
        name::check_metadata(&self.metadata)?;
        if self.event_types.len() > EVENT_TYPES_MAX {
            let message = format!(
                "names {} event types; at most {EVENT_TYPES_MAX} are allowed, and an empty list means all",
                self.event_types.len()
            );
            return Err(Error::field("eventTypes", message));
        }
        self.event_types.iter().try_for_each(|name| name::check_event_type("eventTypes", name))?;
        if !self.channels.is_empty() {
            name::check_channels("channels", &self.channels, CHANNELS_MAX)?;
        }
        self.handling.check()?;
        check_headers(&self.headers)
    }

    /// Whether attempts are made now.
    pub fn is_active(&self) -> bool {
        self.state == State::Enabled && !self.handling.paused
    }
}

/// Whether a header belongs to the connection or to what is sent over it, and to nobody else. `name` in lower case.
pub fn is_taken_header(name: &str) -> bool {
    HEADERS_FORBIDDEN.contains(&name)
}

/// Checks custom headers: names, values, and who may set them.
fn check_headers(headers: &BTreeMap<String, String>) -> Result<()> {
    if headers.len() > HEADERS_MAX {
        return Err(Error::field(
            "headers",
            format!("holds {} headers; at most {HEADERS_MAX} are allowed", headers.len()),
        ));
    }
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let spelled = !name.is_empty()
            && name.len() <= HEADER_NAME_CHARS_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        let problem = if !spelled {
            format!("a name must be 1 to {HEADER_NAME_CHARS_MAX} characters out of a-z, A-Z, 0-9, `-`, `_` and `.`")
        } else if is_taken_header(&lower) || HEADER_PREFIXES_FORBIDDEN.iter().any(|prefix| lower.starts_with(prefix)) {
            format!("`{name}` is not a caller's to set; choose another name")
        } else if value.len() > HEADER_VALUE_BYTES_MAX || !value.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e))
        {
            format!("the value of `{name}` must be at most {HEADER_VALUE_BYTES_MAX} bytes of printable ASCII")
        } else {
            continue;
        };
        return Err(Error::field("headers", problem));
    }
    let distinct: std::collections::BTreeSet<_> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    if distinct.len() < headers.len() {
        return Err(Error::field("headers", "names a header twice; upper and lower case are the same"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn five_days_of_failures_disable_and_any_success_clears() {
        let mut health = Health::default();
        for hour in 0..=(5 * 24) {
            let (next, disable) = health.after(false, hour * HOUR_MS, 1);
            assert_eq!(disable, hour == 5 * 24, "hour {hour}");
            health = next;
        }
        assert_eq!(health.after(true, 200 * HOUR_MS, 1), (Health::default(), false));
    }

    #[test]
    fn two_failures_a_week_apart_are_no_five_days_of_failures() {
        let (first, _) = Health::default().after(false, 0, 1);
        let (second, disable) = first.after(false, 7 * 24 * HOUR_MS, 1);
        assert!(!disable && !second.clock_runs && second.failing_since_ms == Some(7 * 24 * HOUR_MS));
    }

    #[test]
    fn headers_that_are_ours_or_malformed_are_refused() {
        let check = |name: &str, value: &str| check_headers(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "webhook-id",
            "Svix-Id",
            "X-Forwarded-For",
            "X-Amzn-Trace-Id",
            "Cookie",
            "a b",
            "",
            "a:b",
            "ä",
            &"x".repeat(257),
        ] {
            assert!(check(name, "v").is_err(), "{name}");
        }
        for value in ["a\r\nb", "\0", "ä", &"v".repeat(4_097)] {
            assert!(check("X-Key", value).is_err(), "{value:?}");
        }
        for name in ["Authorization", "X-Key", "x_tenant.id", "_", &"x".repeat(256)] {
            assert!(check(name, "").is_ok() && check(name, "Bearer x").is_ok(), "{name}");
        }
    }
}
