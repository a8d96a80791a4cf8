//! How a delivery stands by the promises alone: the ladder, `Retry-After`, resends, final states.

use crate::sim::receivers::Brought;

/// The ladder as the documents promise it: seconds after the end of the attempt before.
const LADDER_SECS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The longest wait a receiver may ask for.
const ASKED_SECS_MAX: i64 = 86_400;

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Kind {
    Waiting,
    Succeeded,
    Failed,
    Canceled,
}

/// What is known of a delivery.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Standing {
    pub(super) kind: Kind,
    pub(super) attempts: u32,
    pub(super) step: u32,
    /// A person asked for the next attempt.
    pub(super) manual: bool,
    /// The bounds of its schedule, on the steady scale.
    pub(super) earliest_ms: i64,
    pub(super) latest_ms: i64,
    /// What the last attempt brought, and whether a person had asked for it.
    pub(super) status: u16,
    pub(super) was_manual: bool,
}

impl Standing {
    pub(super) fn fresh() -> Self {
        Self {
            kind: Kind::Waiting,
            attempts: 0,
            step: 0,
            manual: false,
            earliest_ms: i64::MIN,
            latest_ms: i64::MIN,
            status: 0,
            was_manual: false,
        }
    }

    /// What an attempt that ended then makes of it.
    pub(super) fn after(self, brought: Brought, ended_ms: i64, deleted: bool) -> Self {
        let step = self.step + u32::from(!self.manual);
        let mut next = Self {
            attempts: self.attempts + 1,
            step,
            manual: false,
            was_manual: self.manual,
            status: brought.status,
            ..self
        };
        if (200..300).contains(&brought.status) {
            next.kind = Kind::Succeeded;
        }
        if next.kind != Kind::Waiting {
            return next;
        }
        let rung = usize::try_from(step.max(1) - 1).unwrap_or(usize::MAX);
        let Some(&wait_secs) = LADDER_SECS.get(rung) else {
            return Self { kind: Kind::Failed, ..next };
        };
        if deleted {
            return Self { kind: Kind::Canceled, ..next };
        }
        let asked_secs = brought.retry_after_secs.filter(|_| brought.status != 0 && brought.status != 410).unwrap_or(0);
        let wait_ms = asked_secs.clamp(wait_secs, ASKED_SECS_MAX) * 1_000;
        Self { earliest_ms: ended_ms + wait_ms, latest_ms: ended_ms + wait_ms + wait_ms / 5, ..next }
    }
}
