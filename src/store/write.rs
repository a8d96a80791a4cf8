//! What a store is given to write, and what it says became of it.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Erased, PeopleChange};
use crate::application::Application;
use crate::attempt::Attempt;
use crate::audit::By;
use crate::conflict::Held;
use crate::delivery::{Ahead, Delivery, Due, Standing, Status};
use crate::endpoint::{Endpoint, Health, State};
use crate::environment::{Environment, Validation};
use crate::event::{Event, Once, Release};
use crate::event_type::EventType;
use crate::id::{ApplicationId, AttemptId, ConflictId, EndpointId, EnvironmentId, EventId, KeyId, SourceId, TaskId};
use crate::inbound::{Refusal, RefusedRequest};
use crate::key::Key;
use crate::ordering::OrderKey;
use crate::quarantine::Quarantined;
use crate::replay::{Kind, Replay};
use crate::resource::Resource;
use crate::source::{Dedup, Source};
use crate::task::Task;
use crate::token::Ended;

/// All that becomes durable together, in this order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// When it was put together, by the wall clock, in ms since 1970.
    pub wall_ms: i64,
    /// The same moment on the steady scale, by which deliveries are due.
    pub steady_ms: i64,
    /// The transitions.
    pub ops: Vec<Op>,
}

/// One transition. A refused one changes nothing and leaves the rest of its batch alone.
#[derive(Clone, Debug)]
pub enum Op {
    /// An event is accepted. Refused: its key or uid is known. An inbound one that came before is counted there.
    Event(NewRow),
    /// The operation just before it is told of: an event of the application that hears of it. Refused: that was.
    News(NewRow),
    /// An attempt ended.
    Tried(Box<Tried>),
    /// A delivery that nobody tried leaves memory: from now on the disk knows when it is due. One with a key takes its
    /// place among those of its key: it is due when no other has, and waits otherwise.
    Park(Due),
    /// A person wants a delivery attempted now.
    Resend {
        /// What.
        event: EventId,
        /// Where to.
        endpoint: EndpointId,
        /// When: now, on the steady scale.
        due_ms: i64,
        /// Who wants it.
        by: By,
    },
    /// Deliveries are made again, or are due before their time; none when the replay has been called off.
    Replay(Box<Replayed>),
    /// Up to `count` waiting deliveries of a deleted endpoint end as canceled.
    Cancel {
        /// The deleted endpoint.
        endpoint: EndpointId,
        /// At most so many.
        count: usize,
    },
    /// All deliveries of events below `mark` have rows; ids up to `last_id` are used.
    Mark {
        /// Where recovery begins.
        mark: EventId,
        /// The highest id handed out.
        last_id: i64,
    },
    /// What an endpoint's attempts came to; with a state, the engine disables it.
    Health {
        /// Which.
        endpoint: EndpointId,
        /// Its health from now on.
        health: Health,
        /// Its state from now on, when that changes.
        state: Option<State>,
    },
    /// A setting changes. Refused: a name is taken, it changed meanwhile, or the request was answered before.
    Setting(Box<Setting>),
    /// Idempotency keys past their time go, and what makes inbound events duplicates: at most 500 of each kind.
    Forget,
    /// A key was used at this moment, in ms since 1970.
    Used {
        /// Which.
        key: KeyId,
        /// When.
        at_ms: i64,
    },
    /// Requests at a source's door that became no event.
    Turned(Turned),
    /// A genuine request that could not be understood is kept, once for each body, [`super::QUARANTINED_MAX`] a source.
    /// Refused: an Admin has released or discarded it.
    Quarantine(Box<Quarantined>),
    /// Whoever hears of a conflict is told of it by the operation that follows. Refused: that was done before.
    ConflictTold(ConflictId),
    /// Deliveries of an endpoint are due after the longest wait that they can have, at last: the clock was ahead.
    Hasten {
        /// Whose.
        endpoint: EndpointId,
        /// By how much the clock was ahead.
        ahead: Ahead,
        /// The longest wait of each rung of its ladder, in ms.
        waits_ms: Vec<i64>,
    },
    /// The server lives at this moment, in ms since 1970.
    Alive(i64),
    /// A source's provider may have given up on events in this time: from, to, in ms since 1970.
    Outage {
        /// Which.
        source: SourceId,
        /// Since when nothing was taken.
        since_ms: i64,
        /// Until when.
        until_ms: i64,
    },
}

impl Op {
    /// What it is, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Event(_) => "an event",
            Self::News(_) => "an operational event",
            Self::Tried(_) => "the outcome of an attempt",
            Self::Park(_) => "a delivery that waits",
            Self::Resend { .. } => "a resend",
            Self::Replay(_) => "a slice of a replay",
            Self::Cancel { .. } => "the deliveries of a deleted endpoint",
            Self::Mark { .. } => "the mark",
            Self::Health { .. } => "an endpoint's health",
            Self::Setting(_) => "a setting",
            Self::Hasten { .. } => "due times of a clock that was ahead",
            Self::Forget => "what is past its time",
            Self::Used { .. } => "when a key was used",
            Self::Turned(_) => "a turn of the sandbox",
            Self::Quarantine(_) => "an inbound request in quarantine",
            Self::ConflictTold(_) => "that a conflict was told",
            Self::Alive(_) => "that the server lives",
            Self::Outage { .. } => "an outage",
        }
    }
}

impl Op {
    /// The event that it appends.
    pub fn event(&self) -> Option<&NewRow> {
        match self {
            Self::Event(row) | Self::News(row) => Some(row),
            _ => None,
        }
    }
}

/// How many requests at a source's door became no event, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Which door.
    pub source: SourceId,
    /// Validation pings.
    pub pings: u64,
    /// Requests that were not let in, by reason.
    pub refused: Vec<(Refusal, u64)>,
    /// The last of these, in the order in which they came.
    pub last: Vec<RefusedRequest>,
}

/// An accepted event with what only its row knows.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// The event.
    pub event: Event,
    /// Where it goes, packed by `fan_out::pack`.
    pub fan_out: Vec<u8>,
    /// Its idempotency key.
    pub once: Option<Once>,
    /// What makes its repetition the same event, when it is inbound.
    pub dedup: Option<Box<Dedup>>,
    /// What was held back, and becomes this event.
    pub released: Option<Box<Release>>,
}

/// An attempt that ended, and what it made of its delivery.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What was to be delivered.
    pub event: EventId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The attempt.
    pub attempt: Attempt,
    /// The state from now on.
    pub delivery: Delivery,
    /// The delivery's line in the due index until now; `None` when it has no row yet.
    pub was_due_ms: Option<i64>,
    /// Its key, unless it waits for nobody, or began and succeeded while nothing of its key was on disk. When it has
    /// ended, the next of this key is due.
    pub key: Option<OrderKey>,
}

impl Tried {
    /// As it is written down when the delivery stood so before: one that was canceled while the attempt was on its way
    /// is not tried again.
    pub(super) fn after(&self, before: Standing) -> Cow<'_, Self> {
        if before == Standing::Canceled && self.delivery.status == Status::Pending {
            let delivery = Delivery { status: Status::Canceled, due_ms: None, ..self.delivery };
            return Cow::Owned(Self { delivery, ..self.clone() });
        }
        Cow::Borrowed(self)
    }
}

/// A slice of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Whose.
    pub replay: TaskId,
    /// Where to.
    pub endpoint: EndpointId,
    /// Which of them are meant.
    pub kind: Kind,
    /// What, and under which key; those that nobody tried yet, or that wait for others of their key, stay as they are.
    pub events: Vec<(EventId, Option<OrderKey>)>,
    /// All events below this one are done.
    pub position: EventId,
    /// Whether that was all.
    pub done: bool,
    /// When they are due: now, on the steady scale.
    pub due_ms: i64,
    /// Whether what was delivered meanwhile stays so.
    pub spares_delivered: bool,
}

/// A change of settings, whose it is, and the answer that a retry of its request will get. The audit log tells of it in
/// the same transaction.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Who wants it.
    pub by: By,
    /// What changes.
    pub change: Change,
    /// Kept under the request's idempotency key.
    pub answer: Option<Answer>,
}

/// One changed object, whole.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new environment.
    Environment(Environment),
    /// A new or changed application.
    Application(Application),
    /// A new endpoint (revision 1), or one changed from the revision before.
    Endpoint(Endpoint),
    /// A new event type; an archived one of that name comes back.
    EventType(EventType),
    /// Event types, made or changed as they stand here; those that exist keep the time they were made.
    EventTypes(Vec<EventType>),
    /// An event type goes, as if it had never been. Refused: there is none.
    EventTypeGone(EnvironmentId, String),
    /// What happens in an environment to events that their type's schema does not allow.
    Validation(EnvironmentId, Validation),
    /// The payloads of an application's events are erased, and what still waits for them on disk is canceled; what the
    /// engine has in memory for its first attempt may still be sent.
    Expunge(ApplicationId, Vec<EventId>),
    /// A slice of payloads is erased behind the requests, as [`Change::Expunge`] erases them.
    Erased(Erased),
    /// A new task, or how far one has come, that it is called off. Refused: it has ended, or too many run.
    Task(Box<Task>),
    /// A delivery that others of its key wait for is canceled, so that they go on. Refused: it is none.
    Skip(EndpointId, EventId),
    /// The response that an attempt brought is erased.
    ExpungeAttempt(EventId, AttemptId),
    /// Tokens end before their time.
    EndTokens(Vec<Ended>),
    /// A provider's catalogue: those that are missing are made, all others stay as they are.
    Catalogue(Vec<EventType>),
    /// What a source held back is not wanted: its bodies are erased, and what comes again is known. Refused: one of it
    /// does not wait any more.
    Discard(ApplicationId, Vec<Held>),
    /// A new source (revision 1) with its application, or one changed from the revision before. Deleting it
    /// deletes the application.
    Source(Box<Source>, Option<Box<Application>>),
    /// How far a poller has come.
    Consumer(Consumer),
    /// A new replay, or one that is called off.
    Replay(Box<Replay>),
    /// Resources of the sandbox, new or changed, or gone.
    Resources(Vec<Resource>),
    /// Users, their sessions, their tests.
    People(PeopleChange),
    /// A new key.
    Key(Key),
    /// Nothing but the answer is kept: what it answers changed already.
    Answered,
    /// A key stops working.
    Revoke {
        /// Which.
        key: KeyId,
        /// When, in ms since 1970.
        at_ms: i64,
    },
}

/// A poller of an application's events, and the last event that it has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Whose events.
    pub application: ApplicationId,
    /// The sink's name.
    pub sink: String,
    /// The consumer's name.
    pub name: String,
    /// The last event it has taken.
    pub place: EventId,
    /// Whether the events up to there count as processed; not when somebody only moves the place.
    pub commits: bool,
}

/// An answer given, kept for the retry of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The key, and the hash of what was asked.
    pub once: Once,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}
