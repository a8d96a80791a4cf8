//! An inspector: a throw-away receiver that shows what arrives and answers as it was told. Kept in memory alone.

use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::inbound::{Refusal, Terms};
use crate::provider::Provider;
use crate::source::{TOKEN_CHARS, TokenSlot};

/// How the path of a receiving URL begins; the token follows, and nothing else.
pub const PATH: &str = "/inspect/";
/// How long an inspector lives: 24 h.
pub const LIFE_MS: i64 = 86_400_000;
/// The largest request that it takes, in bytes: as at a source's door.
pub const BODY_BYTES_MAX: usize = 1_024 * 1_024;
/// How many requests it keeps, and how many bytes of them together; the oldest go first, the newest is always kept.
pub const REQUESTS_MAX: usize = 100;
const KEPT_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// The longest that its answer waits, in seconds.
pub const DELAY_SECS_MAX: u64 = 30;
/// The largest body of its answer, in bytes.
const REPLY_BYTES_MAX: usize = 16 * 1_024;
/// The longest name, in characters.
pub const NAME_CHARS_MAX: usize = 64;

/// What every request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status, 200 to 599.
    pub status: u16,
    /// After how many seconds.
    pub delay_secs: u64,
    /// The body, as plain text.
    pub body: String,
}

impl Reply {
    /// Checks what somebody wants to be answered. Error: the limits.
    pub fn new(status: u16, delay_secs: u64, body: &str) -> Result<Self> {
        if !(200..=599).contains(&status) {
            return Err(Error::field("status", "must be 200 to 599"));
        }
        if delay_secs > DELAY_SECS_MAX {
            return Err(Error::field("delay", format!("must be 0 to {DELAY_SECS_MAX} seconds")));
        }
        if body.len() > REPLY_BYTES_MAX {
            return Err(Error::field("body", format!("must have at most {REPLY_BYTES_MAX} bytes")));
        }
        Ok(Self { status, delay_secs, body: body.to_owned() })
    }
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When, in ms since 1970.
    pub at_ms: i64,
    /// From where.
    pub from: IpAddr,
    /// Its method.
    pub method: String,
    /// Its query; empty for none.
    pub query: String,
    /// Its headers in their order, doubled ones too.
    pub headers: Vec<(String, String)>,
    /// Its body, byte for byte.
    pub body: Bytes,
    /// Whether it is genuine, or why not; `None` where nobody asked.
    pub verdict: Option<Result<(), Refusal>>,
}

impl Seen {
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.body.len() + self.query.len() + headers
    }
}

/// A throw-away receiver.
#[derive(Clone, Debug)]
pub struct Inspector {
    /// The unguessable end of its URL.
    pub token: String,
    /// What its maker calls it; may be empty.
    pub name: String,
    /// Who made it.
    pub maker: String,
    /// When it ends, in ms since 1970.
    pub expires_ms: i64,
    /// In whose form requests must be signed, and by what; `None` to check nothing.
    pub proof: Option<(Provider, Terms)>,
    /// What it answers.
    pub reply: Reply,
    /// How many requests arrived so far.
    pub count: u64,
    seen: VecDeque<(u64, Seen)>,
}

impl Inspector {
    /// One that has seen nothing. Error: the name is too long.
    pub fn new(name: &str, maker: &str, now_ms: i64, rng: &mut impl rand::Rng) -> Result<Self> {
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(Error::field("name", format!("must have at most {NAME_CHARS_MAX} characters")));
        }
        Ok(Self {
            token: TokenSlot::generate(rng).token,
            name: name.to_owned(),
            maker: maker.to_owned(),
            expires_ms: now_ms + LIFE_MS,
            proof: None,
            reply: Reply { status: 200, delay_secs: 0, body: String::new() },
            count: 0,
            seen: VecDeque::new(),
        })
    }

    /// Keeps a request, numbered from 1; lets the oldest go when there are too many.
    pub fn keep(&mut self, seen: Seen) {
        self.count += 1;
        self.seen.push_back((self.count, seen));
        while self.seen.len() > 1 && (self.seen.len() > REQUESTS_MAX || self.kept_bytes() > KEPT_BYTES_MAX) {
            self.seen.pop_front();
        }
    }

    fn kept_bytes(&self) -> usize {
        self.seen.iter().map(|(_, seen)| seen.bytes()).sum()
    }

    /// What arrived and is still kept, the newest first, each with its number.
    pub fn seen(&self) -> impl Iterator<Item = (u64, &Seen)> {
        self.seen.iter().rev().map(|(number, seen)| (*number, seen))
    }
}

/// Whether the path of a URL is that of an inspector and nothing else.
pub fn is_path(path: &str) -> bool {
    path.strip_prefix(PATH)
        .is_some_and(|token| token.len() == TOKEN_CHARS && token.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn seen(bytes: usize) -> Seen {
        let body = Bytes::from(vec![b'x'; bytes]);
        let (method, query) = ("POST".to_owned(), String::new());
        Seen { at_ms: 0, from: IpAddr::from([192, 0, 2, 1]), method, query, headers: Vec::new(), body, verdict: None }
    }

    fn inspector() -> Inspector {
        Inspector::new("", "ana", 0, &mut rand::rngs::StdRng::seed_from_u64(1)).expect("a short name")
    }

    #[test]
    fn the_newest_hundred_requests_and_four_mebibytes_are_kept() {
        let mut inspector = inspector();
        (0..105).for_each(|_| inspector.keep(seen(1)));
        let numbers: Vec<u64> = inspector.seen().map(|(number, _)| number).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[99], inspector.count), (100, 105, 6, 105));
        (0..5).for_each(|_| inspector.keep(seen(BODY_BYTES_MAX)));
        assert_eq!(inspector.seen().count(), 4);
        inspector.keep(seen(2 * KEPT_BYTES_MAX));
        assert_eq!(inspector.seen().map(|(number, _)| number).collect::<Vec<_>>(), [111], "the newest, always");
    }

    #[test]
    fn an_answer_has_its_limits() {
        assert!(Reply::new(200, 30, "ok").is_ok() && Reply::new(599, 0, "").is_ok());
        assert!(Reply::new(199, 0, "").is_err() && Reply::new(600, 0, "").is_err());
        assert!(Reply::new(200, 31, "").is_err() && Reply::new(200, 0, &"x".repeat(16_385)).is_err());
    }

    #[test]
    fn the_path_of_an_inspector_is_just_its_token() {
        let own = format!("{PATH}{}", inspector().token);
        assert!(is_path(&own));
        for other in ["/inspect", "/inspect/", "/inspect/abc", "/api/v1/app", "", &own[1..], &own[..own.len() - 1]] {
            assert!(!is_path(other), "{other}");
        }
        for end in ["/seen", "/", "?a", "x", "/../../test", "%2f"] {
            assert!(!is_path(&format!("{own}{end}")), "{end}");
        }
    }
}
