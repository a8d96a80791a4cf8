//! Conflicts: what came under the id of another event and says something else.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, ConflictId, EventId, SourceId, WebhookId};
use crate::inbound::Flags;

/// What becomes of an event that comes under the id of another and says something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// It is kept and waits for an Admin, who releases or discards it.
    Hold,
    /// It is delivered, flagged.
    #[default]
    Deliver,
}

/// The event that came first under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// Our id of it.
    pub event: EventId,
    /// What it is called on the wire, unless that is its id.
    pub webhook_id: Option<WebhookId>,
}

/// A conflict that is held back, as it would be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its id; its time is when it came.
    pub id: ConflictId,
    /// At which door.
    pub source: SourceId,
    /// Who would receive it: the source's own application.
    pub application: ApplicationId,
    /// The event that came first under its id.
    pub first: First,
    /// The dotted name of its kind.
    pub event_type: String,
    /// What it has in common with the first.
    pub dedup_key: String,
    /// How often it came.
    pub count: u32,
    /// What is odd about it.
    pub flags: Flags,
    /// Where it stands.
    pub state: State,
    /// Headers that are handed on with it.
    pub headers: Vec<(String, String)>,
    /// The bytes that are delivered when it is released; empty once it is not waiting any more.
    pub body: Bytes,
    /// Hash of what came, and half of the hash of what it is found by.
    pub twin: [u8; 16],
}

/// Where something that is held back stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It waits for an Admin.
    #[default]
    Waiting,
    /// It was delivered as this event.
    Released(EventId),
    /// Nobody wants it, or its time is over.
    Discarded,
}

impl State {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Released(_) => "released",
            Self::Discarded => "discarded",
        }
    }
}

/// Something that a source holds back for an Admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// A conflict.
    Conflict(ConflictId),
    /// What is in quarantine: the number of its row.
    Quarantined(i64),
}
