//! What the core is told, and what it tells: its whole language.

use std::sync::Arc;

use crate::attempt::{Lease, Order, Report};
use crate::audit::By;
use crate::error::Error;
use crate::event::{Accepted, NewEvent};
use crate::id::{EndpointId, EventId};
use crate::replay::Replay;
use crate::store::{Batch, DueSlice, Durable, Op, Receipt, Refused, Replayable, Setting, Unwritten};

/// What happened. `R` is whatever the caller needs to be answered.
#[derive(Debug)]
pub enum Input<R> {
    /// Events of one request ask to be accepted.
    Accept {
        /// In the order of the request.
        events: Vec<NewEvent>,
        /// Gets [`Answer::Events`].
        reply: R,
    },
    /// A setting asks to be changed.
    Change {
        /// The change.
        setting: Box<Setting>,
        /// Gets [`Answer::Changed`].
        reply: R,
    },
    /// A door asks that something be written down which changes nothing here: what it turned away, what it could
    /// not understand, that it lives.
    Record {
        /// What.
        op: Box<Op>,
        /// Gets [`Answer::Changed`].
        reply: R,
    },
    /// A person asks for one attempt now.
    Resend {
        /// What.
        event: EventId,
        /// Where to.
        endpoint: EndpointId,
        /// Who.
        by: By,
        /// Gets [`Answer::Changed`].
        reply: R,
    },
    /// The batch that was last given out is durable.
    Stored(Durable<Receipt>),
    /// Nothing of it is, for certain (the disk is full): the engine tries again later.
    NotStored(String),
    /// A slice of an endpoint's due index was read.
    Loaded(EndpointId, DueSlice),
    /// A slice of a replay was read; `None` when it could not be.
    Replayable(Box<Replay>, Option<Replayable>),
    /// Recovery found deliveries without rows.
    Found(Unwritten),
    /// An attempt ended.
    Done(Lease, Report),
    /// Time passed.
    Tick,
    /// Nothing else waits to be told: what gathered may be committed.
    Drained,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output<R> {
    /// Make this durable, then say [`Input::Stored`]; one at a time.
    Store(Arc<Batch>),
    /// Tell the caller.
    Reply(R, Answer),
    /// Make one attempt, then say [`Input::Done`].
    Send(Order),
    /// Tell whoever reads the log that attempts are put off, or no more.
    Outage {
        /// Whether that lasts.
        lasts: bool,
        /// Why, for a person.
        cause: String,
    },
    /// Read the next deliveries of a replay, at most so many, then say [`Input::Replayable`].
    Seek(Box<Replay>, usize),
    /// Read this endpoint's lines due by then, then say [`Input::Loaded`].
    Load {
        /// Whose.
        endpoint: EndpointId,
        /// Due at this time or before, on the steady scale.
        until_ms: i64,
        /// At most so many.
        limit: usize,
    },
}

/// What a caller is told.
#[derive(Debug)]
pub enum Answer {
    /// One for each event of the request, in its order.
    Events(Vec<Result<Durable<Accepted>, Error>>),
    /// The setting is durable and obeyed, or why not.
    Changed(Result<Durable<()>, NotChanged>),
}

/// Why a setting did not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotChanged {
    /// The store refused it.
    Refused(Refused),
    /// Nothing could be written.
    Failed(Error),
}

/// What the metrics show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events accepted.
    pub accepted: u64,
    /// Deliveries that succeeded.
    pub delivered: u64,
    /// Attempts that did not.
    pub failed: u64,
    /// Attempts that were none, and were put off.
    pub put_off: u64,
    /// Whether attempts are put off now.
    pub outage: bool,
    /// Operations that the store could not write.
    pub unwritable: u64,
}
