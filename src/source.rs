//! A source: a named inbound door, its provider, its secrets, and how its events are handed on.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::conflict::{First, OnConflict};
use crate::digest::hash16;
use crate::error::{Error, Result};
use crate::id::{ApplicationId, EnvironmentId, Id, IdText, SourceId, WebhookId};
use crate::inbound::{Flags, Terms};
use crate::name::{self, Metadata};
use crate::network::Network;
use crate::provider::Provider;

/// How many secrets count at one time.
pub const SECRETS_MAX: usize = 16;
/// How many networks a source may be limited to.
const NETWORKS_MAX: usize = 64;
/// How long events are remembered as duplicates unless told otherwise, and at most, in days.
pub const DEDUP_DAYS: u32 = 35;
/// The longest such memory, in days.
pub const DEDUP_DAYS_MAX: u32 = 400;
/// How long a token goes on opening the door after another has taken its place: 24 h.
pub const TOKEN_GRACE_MS: i64 = 86_400_000;
/// How many characters a token has: 32 of 62 kinds are 190 bits.
pub const TOKEN_CHARS: usize = 32;
const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A named inbound door.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its id; its time is when it was created.
    pub id: SourceId,
    /// Where it lives; keys of another environment never see it.
    pub environment: EnvironmentId,
    /// The caller's own id for it, unique in the environment while it lives.
    pub uid: Option<String>,
    /// A name for people.
    pub name: String,
    /// Whatever the caller keeps with it.
    pub metadata: Metadata,
    /// Whose requests come in.
    pub provider: Provider,
    /// The application that receives its events; its uid is this source's id.
    pub application: ApplicationId,
    /// How requests prove themselves, and what becomes of them.
    pub config: Config,
    /// The current token first, then the one before while it still counts.
    pub tokens: Vec<TokenSlot>,
    /// When it last changed, in ms since 1970.
    pub updated_ms: i64,
    /// Deleted sources let nothing in; their events stay.
    pub deleted: bool,
    /// Grows with every change, so that no change overwrites one it has not seen.
    pub revision: i64,
}

/// How a source's requests prove themselves, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The proof.
    pub terms: Terms,
    /// In which form events are handed on.
    pub deliver_as: DeliverAs,
    /// How long an event is remembered, so that its repetition is a duplicate, in days.
    pub dedup_days: u32,
    /// What becomes of an event that comes under the id of another and says something else.
    pub on_conflict: OnConflict,
    /// Where requests may come from; empty for anywhere.
    pub allow_ips: Vec<Network>,
}

/// In which form events are handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliverAs {
    /// The very bytes, with their Content-Type and the headers that proved them.
    #[default]
    Original,
    /// `{type, timestamp, data}` with the very bytes as `data`.
    Standard,
}

/// A token and how long it still opens the door.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSlot {
    /// The unguessable end of the source's URL.
    pub token: String,
    /// `None` for the current one; else when it stops counting, in ms since 1970.
    pub expires_ms: Option<i64>,
}

impl std::fmt::Debug for TokenSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenSlot(…, {:?})", self.expires_ms)
    }
}

impl TokenSlot {
    /// A new current token.
    pub fn generate(rng: &mut impl rand::Rng) -> Self {
        let token = (0..TOKEN_CHARS).map(|_| char::from(ALPHANUMERIC[rng.random_range(0..62)])).collect();
        Self { token, expires_ms: None }
    }
}

/// The hash under which a token is looked up: whoever reads the index cannot use what it holds.
pub fn token_hash(token: &str) -> [u8; 16] {
    hash16(token.as_bytes())
}

impl Source {
    /// Checks every field against its limit.
    pub fn check(&self) -> Result<()> {
        if let Some(uid) = &self.uid {
            name::check_uid("uid", uid, SourceId::PREFIX)?;
        }
        name::check_text("name", &self.name)?;
        if self.name.is_empty() {
            return Err(Error::field("name", "must not be empty; any name a person can recognise will do"));
        }
        name::check_metadata(&self.metadata)?;
        let Config { terms, dedup_days, allow_ips, .. } = &self.config;
        let wrong = |field: &str, message: String| Err(Error::at(&["body", "config", field], message));
        if terms.secrets.len() > SECRETS_MAX {
            return wrong("secrets", format!("holds {}; at most {SECRETS_MAX} count at one time", terms.secrets.len()));
        }
        if !(1..=DEDUP_DAYS_MAX).contains(dedup_days) {
            return wrong("dedupDays", format!("must be 1 to {DEDUP_DAYS_MAX}"));
        }
        if allow_ips.len() > NETWORKS_MAX {
            return wrong(
                "allowIps",
                format!("names {} networks; at most {NETWORKS_MAX} are allowed", allow_ips.len()),
            );
        }
        Ok(())
    }

    /// What its events' [`WebhookId`]s follow from: its uid, or its id where it has none.
    pub fn naming(&self) -> Vec<u8> {
        let own = || self.id.value().to_be_bytes().to_vec();
        self.uid.as_ref().map_or_else(own, |uid| [uid.as_bytes(), b"\0"].concat())
    }

    /// Whether a request may come from this address.
    pub fn admits(&self, address: IpAddr) -> bool {
        let allowed = &self.config.allow_ips;
        allowed.is_empty() || allowed.iter().any(|network| network.contains(address.to_canonical()))
    }

    /// Whether this token opens the door now.
    pub fn opened_by(&self, token: &str, now_ms: i64) -> bool {
        !self.deleted
            && self.tokens.iter().any(|slot| slot.token == token && slot.expires_ms.is_none_or(|at| at > now_ms))
    }

    /// Puts a new token in front; the one before opens for another 24 h, older ones no more.
    pub fn rotate_token(&mut self, fresh: TokenSlot, now_ms: i64) {
        self.tokens.truncate(1);
        for slot in &mut self.tokens {
            slot.expires_ms = Some(now_ms + TOKEN_GRACE_MS);
        }
        self.tokens.insert(0, fresh);
    }
}

/// How a caller names a source: our id, or their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRef {
    /// Our id.
    Id(SourceId),
    /// The caller's.
    Uid(String),
}

/// How an inbound event came, and what came with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Which door.
    pub source: SourceId,
    /// What tells it from every other event of its source; empty for what is never a duplicate.
    pub dedup_key: String,
    /// How often it came again.
    pub duplicates: u32,
    /// What is odd about it.
    pub flags: Flags,
    /// Headers that are handed on with its body.
    pub headers: Vec<(String, String)>,
    /// What it is called on the wire; `None` when that is its id.
    pub webhook_id: Option<WebhookId>,
    /// The event under whose id it came, saying something else.
    pub first: Option<First>,
}

/// The header that says what is odd about an event, words with commas between them.
const FLAGS_HEADER: &str = "posthaste-flags";
/// The header that names the event under whose id this one came, saying something else.
const FIRST_HEADER: &str = "posthaste-first-id";

impl Arrival {
    /// It contradicts another, and is odd by that: it is called by its own id.
    pub fn contradict(&mut self, first: First, flags: Flags) {
        (self.first, self.flags, self.webhook_id) = (Some(first), flags, None);
    }

    /// What is handed on beside the headers that came: what is odd about it, and whom it contradicts.
    pub fn remarks(&self, ids: &IdText) -> Vec<(&'static str, String)> {
        let flags = (self.flags != Flags::default()).then(|| (FLAGS_HEADER, self.flags.names().join(",")));
        let first = self.first.map(|first| (FIRST_HEADER, ids.webhook_id(first.event, first.webhook_id)));
        flags.into_iter().chain(first).collect()
    }
}

/// What makes a repeated inbound event the same event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    /// Hash of source and key.
    pub key: [u8; 16],
    /// Hash of what came, or the key when that is made of all of it: another one may be another event.
    pub twin: [u8; 16],
    /// What came, unless that is the event's body.
    pub original: Option<bytes::Bytes>,
    /// How long it counts, in days.
    pub days: u32,
    /// What becomes of it when it says something else than the event before it.
    pub on_conflict: OnConflict,
}

/// What a source's requests came to, since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Events kept.
    pub accepted: u64,
    /// Repetitions of them.
    pub duplicates: u64,
    /// Events that came under the id of another and said something else.
    pub conflicts: u64,
    /// How many of them wait for an Admin.
    pub held: u64,
    /// Events kept of types that the catalogue does not have.
    pub unknown_types: u64,
    /// Genuine requests that were not understood, each once.
    pub quarantined: u64,
    /// Validation pings.
    pub pings: u64,
    /// Events that an endpoint took, or a poller committed.
    pub processed: u64,
    /// Requests that were not let in, by reason.
    pub refused: std::collections::BTreeMap<crate::inbound::Refusal, u64>,
    /// When the last event was kept, in ms since 1970.
    pub last_ms: Option<i64>,
    /// How long it is silent at most between two events, as the last two weeks showed.
    pub usual_silence_ms: Option<i64>,
    /// The last outage that was longer than the provider retries: from, to, in ms since 1970.
    pub outage: Option<(i64, i64)>,
}
