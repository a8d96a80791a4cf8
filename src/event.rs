//! An event: one fact with its payload, accepted once.

use std::sync::Arc;

use bytes::Bytes;

use crate::application::{Application, ApplicationRef};
use crate::audit::By;
use crate::conflict::Held;
use crate::digest::{hash16, sha256};
use crate::error::{Error, Kind, Result};
use crate::id::{ApplicationId, ConflictId, EndpointId, EnvironmentId, EventId, Id, IdText};
use crate::key::Caller;
use crate::name;
use crate::source::{Arrival, Dedup};

/// How many channels one event may name.
const CHANNELS_MAX: usize = 5;
/// How many tags one event may have.
const TAGS_MAX: usize = 10;
/// A key that an SDK made up for its own retry begins so; it is kept 15 minutes instead of 24 hours.
const AUTO_KEY_PREFIX: &str = "auto_";
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// What makes a retried request the same request: its `Idempotency-Key`, hashed with where and whose it is,
/// and the hash of what it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// Hash of environment, path and key.
    pub key: [u8; 16],
    /// Hash of the body.
    pub request: [u8; 16],
    /// Kept 15 minutes, in memory; else 24 hours, in an index.
    pub brief: bool,
}

impl Once {
    /// Takes the header's text. Error: empty, longer than 256 bytes, or not printable ASCII.
    pub fn new(caller: &Caller, path: &str, key: &str, body: &[u8]) -> Result<Self> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            let message = format!("must be 1 to {KEY_BYTES_MAX} printable ASCII characters");
            return Err(Error::at(&["header", "idempotency-key"], message));
        }
        // what an application's own callers ask is apart from what its operator asks
        let owner = caller.application().map_or(caller.environment.value(), Id::value);
        let scope = [&owner.to_be_bytes(), path.as_bytes(), b"\0", key.as_bytes()].concat();
        Ok(Self { key: hash16(&scope), request: hash16(body), brief: key.starts_with(AUTO_KEY_PREFIX) })
    }

    /// The same for the `position`th event of a batch: each event is its own request.
    pub fn of_batch(self, position: usize) -> Self {
        let scope = [&self.key[..], &position.to_be_bytes()].concat();
        Self { key: hash16(&scope), ..self }
    }
}

/// An event that an authenticated caller asks to publish; nothing else can become an event.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Where the caller is at home.
    pub environment: EnvironmentId,
    /// Who receives it.
    pub application: ApplicationRef,
    /// The dotted name of its kind; need not be registered.
    pub event_type: String,
    /// Which channels it is for; empty for none.
    pub channels: Vec<String>,
    /// The caller's own id for it, as long as it lives.
    pub uid: Option<String>,
    /// What few events have.
    pub extra: Option<Box<Extra>>,
    /// The bytes to deliver, exactly.
    pub body: Bytes,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// What makes a retry of the request the same request.
    pub once: Option<Once>,
    /// Whether the bytes stand in their provider's envelope already.
    pub wrapped: bool,
    /// Goes to this endpoint alone, whatever the filters say: an example, or a type that is sent to one URL.
    pub only: Option<EndpointId>,
    /// How it came, when it came in through a source's door.
    pub arrival: Option<Arc<Arrival>>,
    /// What makes its repetition the same event.
    pub dedup: Option<Box<Dedup>>,
    /// What was held back, and becomes this event.
    pub released: Option<Box<Release>>,
}

/// Who releases what was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// What.
    pub held: Held,
    /// Who.
    pub by: By,
}

impl NewEvent {
    /// Takes a caller who may publish and an unchecked event. Error: the field that breaks a rule, or 403.
    pub fn published(caller: &Caller, draft: Draft) -> Result<Self> {
        caller.may(crate::key::Action::Publish)?;
        Self::drafted(caller, draft)
    }

    fn drafted(caller: &Caller, draft: Draft) -> Result<Self> {
        name::check_event_type("eventType", &draft.event_type)?;
        if let Some(channels) = &draft.channels {
            name::check_channels("channels", channels, CHANNELS_MAX)?;
        }
        if let Some(uid) = &draft.uid {
            name::check_uid("eventId", uid, EventId::PREFIX)?;
        }
        if let Some(tags) = &draft.tags {
            check_tags(tags)?;
        }
        let tags = draft.tags.unwrap_or_default();
        let Draft { keep_until_ms, deliver_at_ms, .. } = draft;
        let extra = (!tags.is_empty() || keep_until_ms.is_some() || deliver_at_ms.is_some())
            .then(|| Box::new(Extra { tags, keep_until_ms, deliver_at_ms, expunged: false }));
        let sha256 = sha256(&draft.body);
        Ok(Self {
            environment: caller.environment,
            application: draft.application,
            event_type: draft.event_type,
            channels: draft.channels.unwrap_or_default(),
            uid: draft.uid,
            extra,
            body: draft.body,
            sha256,
            once: draft.once,
            wrapped: false,
            only: None,
            arrival: None,
            dedup: None,
            released: None,
        })
    }

    /// Takes an event of the sandbox: `body` stands in its provider's envelope, `uid` tells it from all others.
    pub fn played(application: &Application, event_type: String, uid: String, body: Bytes) -> Self {
        Self {
            environment: application.environment,
            application: ApplicationRef::Id(application.id),
            event_type,
            channels: Vec::new(),
            uid: Some(uid),
            extra: None,
            sha256: sha256(&body),
            body,
            once: None,
            wrapped: true,
            only: None,
            arrival: None,
            dedup: None,
            released: None,
        }
    }

    /// As [`Self::published`], for the example of an event type, which whoever may have attempts made may ask for.
    pub fn example(caller: &Caller, draft: Draft) -> Result<Self> {
        caller.may(crate::key::Action::Attempt)?;
        Self::drafted(caller, draft)
    }

    /// What happens to endpoints and attempts, as the engine itself tells it to the application that hears of it.
    pub fn operational(environment: EnvironmentId, application: ApplicationId, event_type: &str, body: Bytes) -> Self {
        Self {
            environment,
            application: ApplicationRef::Id(application),
            event_type: event_type.to_owned(),
            channels: Vec::new(),
            uid: None,
            extra: None,
            sha256: sha256(&body),
            body,
            once: None,
            wrapped: false,
            only: None,
            arrival: None,
            dedup: None,
            released: None,
        }
    }
}

/// What a publish asks for, not yet checked.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who receives it.
    pub application: ApplicationRef,
    /// The dotted name of its kind.
    pub event_type: String,
    /// Which channels it is for.
    pub channels: Option<Vec<String>>,
    /// The caller's own id for it.
    pub uid: Option<String>,
    /// By which lists can be narrowed.
    pub tags: Option<Vec<String>>,
    /// How long its payload is kept, in ms since 1970.
    pub keep_until_ms: Option<i64>,
    /// When it is to be delivered, in ms since 1970; `None` for now.
    pub deliver_at_ms: Option<i64>,
    /// The bytes to deliver.
    pub body: Bytes,
    /// What makes a retry of the request the same request.
    pub once: Option<Once>,
}

/// Checks tags: 1 to 10, each as a channel is.
fn check_tags(tags: &[String]) -> Result<()> {
    name::check_channels("tags", tags, TAGS_MAX)
}

/// What few events have beside the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// By which lists can be narrowed; empty for none.
    pub tags: Vec<String>,
    /// How long its payload is kept, in ms since 1970; `None` for as long as any.
    pub keep_until_ms: Option<i64>,
    /// When it is delivered, in ms since 1970; `None` for as soon as it was accepted.
    pub deliver_at_ms: Option<i64>,
    /// Whether its payload was erased.
    pub expunged: bool,
}

impl Event {
    /// What it is called on the wire: what follows from what it is when it came in by a source, else its id.
    pub fn called(&self, ids: &IdText) -> String {
        ids.webhook_id(self.id, self.arrival.as_ref().and_then(|arrival| arrival.webhook_id))
    }

    /// Whether its payload is gone, or past its time.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        let is_gone = |extra: &Extra| extra.expunged || extra.keep_until_ms.is_some_and(|until_ms| until_ms <= now_ms);
        self.extra.as_deref().is_some_and(is_gone)
    }

    /// When it is delivered, in ms since 1970; `None` for as soon as it was accepted.
    pub fn deliver_at_ms(&self) -> Option<i64> {
        self.extra.as_deref()?.deliver_at_ms
    }

    /// Whether its payload was erased.
    pub fn is_expunged(&self) -> bool {
        self.extra.as_deref().is_some_and(|extra| extra.expunged)
    }

    /// By which lists can be narrowed; empty for none.
    pub fn tags(&self) -> &[String] {
        self.extra.as_deref().map_or(&[], |extra| &extra.tags)
    }
}

/// Refuses a payload above the limit. Error: 413 with both sizes and the flag that raises it.
pub fn check_size(bytes: usize, bytes_max: usize) -> Result<()> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let detail = format!("the payload is {bytes} bytes long; at most {bytes_max} are allowed (serve --payload-max)");
    Err(Error::new(Kind::TooLarge, "payload_too_large", detail))
}

/// Says of a request that was too large to be read whole how large its payload may be.
pub fn of_size(error: Error, bytes_max: usize) -> Error {
    if error.kind != Kind::TooLarge {
        return error;
    }
    let detail = format!("{}; a payload may have {bytes_max} (serve --payload-max)", error.detail);
    Error { detail, ..error }
}

/// An accepted event as it is stored and read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id, and when it was accepted; its `webhook-id` unless it came in by a source, see [`Self::called`].
    pub id: EventId,
    /// Who receives it.
    pub application: ApplicationId,
    /// The dotted name of its kind.
    pub event_type: String,
    /// Which channels it is for.
    pub channels: Vec<String>,
    /// The caller's own id for it.
    pub uid: Option<String>,
    /// What few events have.
    pub extra: Option<Box<Extra>>,
    /// The bytes to deliver.
    pub body: Bytes,
    /// Their SHA-256, checked before every read of the body that is not from memory.
    pub sha256: [u8; 32],
    /// How it came, when it came in through a source's door.
    pub arrival: Option<Arc<Arrival>>,
}

/// What became of a request to accept an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event that stands for it.
    pub event: EventId,
    /// The bytes that are kept.
    pub body: Kept,
}

/// The bytes that are kept of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Those that were sent.
    AsSent,
    /// These, in the provider's envelope.
    Wrapped(Bytes),
    /// Those that were sent, flagged: another event came under its id before, and says something else.
    Conflicting,
    /// Those of the first such request: the store has them.
    AsFirst,
    /// Those that were sent; they wait for an Admin, since another event came under its id before.
    Held(ConflictId),
}
