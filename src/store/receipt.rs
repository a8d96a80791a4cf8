//! What a commit came to: what of it was refused and why, and whose turn it is; or that it was not confirmed.

use super::{Answer, Op};
use crate::conflict::First;
use crate::id::{ConflictId, EndpointId, EventId};
use crate::inbound::Flags;
use crate::ordering::OrderKey;

/// A commit that was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitFailed {
    /// Nothing of it stands (disk full, lock held, no memory), or it is not known which of it cannot be written: it may be
    /// tried again later.
    NotDone(String),
    /// It may stand or not (a failed sync): the process must end, recovery decides.
    Unknown(String),
}

impl CommitFailed {
    /// What the system said.
    pub fn detail(&self) -> &str {
        match self {
            Self::NotDone(detail) | Self::Unknown(detail) => detail,
        }
    }
}

/// What a commit did not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Positions in the batch, ascending, and why each was refused.
    pub refused: Vec<(usize, Refused)>,
    /// Whose turn it is now, for each key of an endpoint where that may have changed; `None` where nobody is left.
    pub turns: Vec<Turn>,
    /// Positions of events in the batch, ascending, that contradict another: which, and what is odd about them by that.
    pub conflicts: Vec<(usize, First, Flags)>,
}

impl Receipt {
    /// Why an operation is not to be done at this place of the batch: what was refused is not told.
    pub(super) fn untold(&self, position: usize, op: &Op) -> Option<Refused> {
        let (last, refused) = self.refused.last()?;
        (matches!(op, Op::News(_)) && last + 1 == position).then(|| refused.clone())
    }
}

/// Whose turn it is.
pub type Turn = (EndpointId, OrderKey, Option<EventId>);

/// Why one transition was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The same request became this event before.
    Repeated(EventId),
    /// The key was used with another body.
    KeyReused,
    /// The uid or name is taken.
    Taken,
    /// It changed meanwhile: read again.
    Stale,
    /// An inbound event that came before is this one.
    Duplicate(EventId),
    /// It contradicts an event that came under its id, and is held back.
    Held {
        /// As this.
        conflict: ConflictId,
        /// The event that came first.
        first: First,
        /// It came for the first time: whoever hears of it is to be told.
        is_new: bool,
    },
    /// As many as are allowed exist.
    Full(usize),
    /// As many tasks run as may at one time.
    Busy(usize),
    /// An application with events or endpoints keeps its provider.
    Fixed,
    /// The same request got this answer before.
    Answered(Answer),
    /// It cannot be written, for a reason that is its own (a damaged page, a broken rule); nothing of it stands.
    Unwritable(String),
}
