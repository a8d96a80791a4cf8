//! An event: one fact with its payload, accepted once.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

use crate::application::ApplicationRef;
use crate::error::{Error, Kind, Result};
use crate::id::{ApplicationId, EndpointId, EnvironmentId, EventId, Id};
use crate::key::Caller;
use crate::name;

/// How many channels one event may name.
const CHANNELS_MAX: usize = 5;
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
        let scope = [&caller.environment.value().to_be_bytes(), path.as_bytes(), b"\0", key.as_bytes()].concat();
        Ok(Self { key: hash16(&scope), request: hash16(body), brief: key.starts_with(AUTO_KEY_PREFIX) })
    }

    /// The same for the `position`th event of a batch: each event is its own request.
    pub fn of_batch(self, position: usize) -> Self {
        let scope = [&self.key[..], &position.to_be_bytes()].concat();
        Self { key: hash16(&scope), ..self }
    }
}

/// The first half of a SHA-256: enough for a key that must not collide by accident or by design.
pub fn hash16(bytes: &[u8]) -> [u8; 16] {
    let hash = digest(&SHA256, bytes);
    hash.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes")
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
    /// The bytes to deliver, exactly.
    pub body: Bytes,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// What makes a retry of the request the same request.
    pub once: Option<Once>,
    /// Goes to this endpoint alone, whatever the filters say: an example.
    pub only: Option<EndpointId>,
}

impl NewEvent {
    /// Takes a caller who may publish and an unchecked event. Error: the field that breaks a rule, or 403.
    pub fn published(caller: &Caller, draft: Draft) -> Result<Self> {
        caller.may(crate::key::Action::Publish)?;
        name::check_event_type("eventType", &draft.event_type)?;
        if let Some(channels) = &draft.channels {
            name::check_channels("channels", channels, CHANNELS_MAX)?;
        }
        if let Some(uid) = &draft.uid {
            name::check_uid("eventId", uid, EventId::PREFIX)?;
        }
        let sha256 = sha256(&draft.body);
        Ok(Self {
            environment: caller.environment,
            application: draft.application,
            event_type: draft.event_type,
            channels: draft.channels.unwrap_or_default(),
            uid: draft.uid,
            body: draft.body,
            sha256,
            once: draft.once,
            only: None,
        })
    }
}

/// The SHA-256 of a payload.
pub fn sha256(body: &[u8]) -> [u8; 32] {
    digest(&SHA256, body).as_ref().try_into().expect("SHA-256 has 32 bytes")
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
    /// The bytes to deliver.
    pub body: Bytes,
    /// What makes a retry of the request the same request.
    pub once: Option<Once>,
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
    /// Its id: its `webhook-id`, and when it was accepted.
    pub id: EventId,
    /// Who receives it.
    pub application: ApplicationId,
    /// The dotted name of its kind.
    pub event_type: String,
    /// Which channels it is for.
    pub channels: Vec<String>,
    /// The caller's own id for it.
    pub uid: Option<String>,
    /// The bytes to deliver.
    pub body: Bytes,
    /// Their SHA-256, checked before every read of the body that is not from memory.
    pub sha256: [u8; 32],
}
