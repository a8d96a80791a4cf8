//! The tables: what SQLite's are, as ordered maps.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::arrival::Came;
use super::held::ConflictRow;
use super::user;
use crate::application::Application;
use crate::attempt::Attempt;
use crate::audit::Entry;
use crate::conflict::State;
use crate::count::{Counts, Minute};
use crate::delivery::Delivery;
use crate::endpoint::Endpoint;
use crate::environment::{Environment, Validation};
use crate::event::{Event, Once};
use crate::event_type::EventType;
use crate::id::{
    ApplicationId, AttemptId, ConflictId, EndpointId, EnvironmentId, EventId, Id as _, KeyId, SourceId, TaskId,
    WebhookId,
};
use crate::inbound::RefusedRequest;
use crate::key::Key;
use crate::ordering::OrderKey;
use crate::quarantine::Quarantined;
use crate::replay::Replay;
use crate::source::Source;
use crate::store::tail::{Added, Tail};
use crate::store::tally::SourceTally;
use crate::store::{Answer, AttemptRow};
use crate::task::Task;
use crate::token::{Ended, Which};

/// An accepted event.
pub(super) struct EventRow {
    pub(super) event: Event,
    pub(super) fan_out: Vec<u8>,
}

/// A delivery that has a row, and its first attempt once there is one.
pub(super) struct FirstRow {
    pub(super) delivery: Delivery,
    pub(super) first: Option<Attempt>,
    /// The key under which it waits its turn.
    pub(super) key: Option<OrderKey>,
}

/// An idempotency key of a publish.
pub(super) struct KeyRow {
    pub(super) event: EventId,
    pub(super) request: [u8; 16],
    pub(super) at_ms: i64,
}

/// An answer kept under a key.
pub(super) struct AnswerRow {
    pub(super) answer: Answer,
    pub(super) at_ms: i64,
}

pub(super) struct Tables {
    pub(super) id_key: [u8; 16],
    pub(super) mark: EventId,
    pub(super) last_id: i64,
    pub(super) environments: BTreeMap<EnvironmentId, Environment>,
    pub(super) validations: BTreeMap<EnvironmentId, Validation>,
    pub(super) ended_tokens: BTreeMap<(ApplicationId, Which, i64), Ended>,
    /// By endpoint and hour.
    pub(super) hours: BTreeMap<(EndpointId, i64), Counts>,
    /// By minute and environment.
    pub(super) minutes: BTreeMap<(i64, EnvironmentId), Minute>,
    pub(super) keys: BTreeMap<KeyId, Key>,
    pub(super) applications: BTreeMap<ApplicationId, Application>,
    pub(super) event_types: BTreeMap<(EnvironmentId, String), EventType>,
    pub(super) endpoints: BTreeMap<EndpointId, Endpoint>,
    pub(super) events: BTreeMap<EventId, EventRow>,
    pub(super) event_uids: BTreeMap<[u8; 16], EventId>,
    /// By day and hash.
    pub(super) event_keys: BTreeMap<(i64, [u8; 16]), KeyRow>,
    pub(super) recent_keys: BTreeMap<EventId, Once>,
    /// By day and hash.
    pub(super) answers: BTreeMap<(i64, [u8; 16]), AnswerRow>,
    pub(super) deliveries: BTreeMap<(EventId, EndpointId), FirstRow>,
    /// From the second attempt on.
    pub(super) attempts: BTreeMap<AttemptId, AttemptRow>,
    /// The due index: endpoint, due time, event.
    pub(super) due: BTreeSet<(EndpointId, i64, EventId)>,
    /// Deliveries that have taken their place among those of their key: endpoint, key, event.
    pub(super) chains: BTreeSet<(EndpointId, OrderKey, EventId)>,
    pub(super) sources: BTreeMap<SourceId, Source>,
    /// Inbound events, and what makes the repetition of one the same event.
    pub(super) arrivals: BTreeMap<EventId, Came>,
    /// By month, half of the key's hash and event; it holds all up to `indexed`.
    pub(super) arrival_keys: BTreeSet<(i64, i64, EventId)>,
    pub(super) indexed: EventId,
    /// Inbound events that somebody has taken.
    pub(super) processed: BTreeSet<EventId>,
    pub(super) tallies: BTreeMap<SourceId, SourceTally>,
    /// By the order in which they came.
    pub(super) quarantine: BTreeMap<i64, (Quarantined, State)>,
    pub(super) conflicts: BTreeMap<ConflictId, ConflictRow>,
    /// By the order in which they came.
    pub(super) refusals: BTreeMap<i64, (SourceId, RefusedRequest)>,
    /// By application, sink and name.
    pub(super) consumers: BTreeMap<(ApplicationId, String, String), EventId>,
    pub(super) resources: BTreeMap<(String, String, String), Bytes>,
    pub(super) replays: BTreeMap<TaskId, Replay>,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    /// The payloads of events below are erased, but for those with a time of their own.
    pub(super) kept_from: EventId,
    pub(super) people: user::Tables,
    pub(super) audit: Vec<Entry>,
    pub(super) alive_ms: Option<i64>,
    /// What a process would keep in memory, and what a commit at work adds to it.
    pub(super) tail: Tail,
    pub(super) added: Added,
}

impl Tables {
    /// What an event is called on the wire; `None` when that is its id.
    pub(super) fn webhook_id(&self, event: EventId) -> Option<WebhookId> {
        self.events.get(&event)?.event.arrival.as_ref()?.webhook_id
    }

    /// Empty ones.
    pub(super) fn new(id_key: [u8; 16], tail_max: usize) -> Self {
        Self {
            id_key,
            mark: EventId::new(0),
            last_id: 0,
            environments: BTreeMap::new(),
            validations: BTreeMap::new(),
            ended_tokens: BTreeMap::new(),
            hours: BTreeMap::new(),
            minutes: BTreeMap::new(),
            keys: BTreeMap::new(),
            applications: BTreeMap::new(),
            event_types: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            events: BTreeMap::new(),
            event_uids: BTreeMap::new(),
            event_keys: BTreeMap::new(),
            recent_keys: BTreeMap::new(),
            answers: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            attempts: BTreeMap::new(),
            due: BTreeSet::new(),
            chains: BTreeSet::new(),
            sources: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            arrival_keys: BTreeSet::new(),
            indexed: EventId::new(0),
            processed: BTreeSet::new(),
            tallies: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            refusals: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            consumers: BTreeMap::new(),
            resources: BTreeMap::new(),
            replays: BTreeMap::new(),
            tasks: BTreeMap::new(),
            kept_from: EventId::new(0),
            people: user::Tables::default(),
            audit: Vec::new(),
            alive_ms: None,
            tail: Tail::new(tail_max, EventId::new(0), []),
            added: Added::default(),
        }
    }
}
