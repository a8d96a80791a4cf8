//! A delivery: one event × one endpoint, from due to final.

use crate::attempt::{Outcome, Trigger};
use crate::id::{EndpointId, EventId};
use crate::ordering::OrderKey;
use crate::retry::{self, Ladder};

/// When a delivery is due that waits for another of its key: never, until that has ended. Later than any clock says, and
/// far enough from the end of numbers to be added to.
pub const BLOCKED_MS: i64 = i64::MAX / 2;

/// Where a delivery stands; the numbers are the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// A 2xx came.
    Success = 0,
    /// An attempt is to come.
    Pending = 1,
    /// The ladder is used up.
    Failed = 2,
    /// The endpoint was deleted first, the payload erased, or somebody skipped it.
    Canceled = 4,
}

impl Status {
    /// Reads the number; `None` for one that is no status.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Success, Self::Pending, Self::Failed, Self::Canceled].into_iter().find(|status| *status as i64 == number)
    }
}

/// Where a delivery stands as callers are told: what waits for its first attempt is told from what waits for another. The
/// numbers are Svix's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// A 2xx came.
    Success = 0,
    /// It waits for its first attempt.
    Pending = 1,
    /// The ladder is used up.
    Failed = 2,
    /// It was tried, and waits for its next attempt.
    Sending = 3,
    /// The endpoint was deleted first, the payload erased, or somebody skipped it.
    Canceled = 4,
}

impl Standing {
    /// Where a delivery of this status stands after so many attempts.
    pub fn new(status: Status, attempts: u32) -> Self {
        match status {
            Status::Success => Self::Success,
            Status::Pending if attempts > 0 => Self::Sending,
            Status::Pending => Self::Pending,
            Status::Failed => Self::Failed,
            Status::Canceled => Self::Canceled,
        }
    }

    /// Where a delivery stands; one that has no row yet waits for its first attempt.
    pub fn of(delivery: Option<Delivery>) -> Self {
        delivery.map_or(Self::Pending, |delivery| delivery.standing())
    }

    /// Reads the number; `None` for one that is none.
    pub fn from_number(number: u8) -> Option<Self> {
        let all = [Self::Success, Self::Pending, Self::Failed, Self::Sending, Self::Canceled];
        all.into_iter().find(|standing| *standing as u8 == number)
    }

    /// Svix's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Pending => "pending",
            Self::Failed => "fail",
            Self::Sending => "sending",
            Self::Canceled => "canceled",
        }
    }

    /// Whether an attempt is to come.
    pub fn waits(self) -> bool {
        matches!(self, Self::Pending | Self::Sending)
    }
}

/// A clock that was ahead when the server stopped, and has been set right since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// This moment, on the steady scale, in ms.
    pub now_ms: i64,
    /// The last moment that the server left a trace of, by the clock that was ahead.
    pub last_ms: i64,
}

/// The state of one delivery between two attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands.
    pub status: Status,
    /// How many attempts have been made.
    pub attempts: u32,
    /// How many steps of the ladder they used; a manual attempt uses none.
    pub step: u32,
    /// When the next one is due, on the steady scale, in ms; `None` when none is.
    pub due_ms: Option<i64>,
    /// Who asked for the next one.
    pub trigger: Trigger,
}

impl Delivery {
    /// Born with its event: due at once, nothing tried.
    pub fn fresh(now_ms: i64) -> Self {
        Self { status: Status::Pending, attempts: 0, step: 0, due_ms: Some(now_ms), trigger: Trigger::Scheduled }
    }

    /// Where it stands as callers are told.
    pub fn standing(&self) -> Standing {
        Standing::new(self.status, self.attempts)
    }

    /// It is not tried again; one that has ended stays as it is.
    pub fn cancel(&mut self) {
        if self.status == Status::Pending {
            (self.status, self.due_ms) = (Status::Canceled, None);
        }
    }

    /// When the next attempt is due, on the steady scale, in ms; `None` when none is, or nobody knows yet.
    pub fn next_ms(&self) -> Option<i64> {
        self.due_ms.filter(|due_ms| *due_ms < BLOCKED_MS)
    }

    /// When it is due at last, if its time was written by a clock that was ahead: at once where nobody tried it yet or a
    /// person wants it, or when it was published for; else after its rung with all jitter, of these waits in ms, or after
    /// what was left of a longer wait that its receiver asked for.
    pub fn due_by(&self, clock: Ahead, waits_ms: &[i64], deliver_at_ms: Option<i64>) -> i64 {
        let due_ms = self.due_ms.unwrap_or(clock.now_ms);
        let by_ms = if self.attempts == 0 {
            deliver_at_ms.unwrap_or(clock.now_ms)
        } else if self.trigger == Trigger::Manual {
            clock.now_ms
        } else {
            let rung = usize::try_from(self.step.max(1) - 1).unwrap_or(usize::MAX);
            let wait_ms = waits_ms.get(rung).copied().unwrap_or(0);
            clock.now_ms + wait_ms.max((due_ms - clock.last_ms).min(retry::ASKED_MS_MAX))
        };
        due_ms.min(by_ms)
    }

    /// The state after an attempt that ended at `ended_ms`; `jitter` is random in 0..1.
    pub fn after(self, outcome: Outcome, ladder: &Ladder, ended_ms: i64, jitter: f64) -> Self {
        let manual = self.trigger == Trigger::Manual;
        let step = if manual { self.step } else { self.step + 1 };
        let next = Self { attempts: self.attempts + 1, step, due_ms: None, trigger: Trigger::Scheduled, ..self };
        let asked_secs = match outcome {
            Outcome::Success => return Self { status: Status::Success, ..next },
            Outcome::Retry { asked_secs } => asked_secs,
            Outcome::Gone | Outcome::Abort => None,
        };
        if self.status != Status::Pending {
            return next;
        }
        if outcome == Outcome::Abort {
            return Self { status: Status::Failed, ..next };
        }
        match retry::next_due(ladder, step.max(1), ended_ms, asked_secs, jitter) {
            Some(due_ms) => Self { due_ms: Some(due_ms), ..next },
            None => Self { status: Status::Failed, ..next },
        }
    }
}

/// One line of the due index: a delivery whose next attempt is known to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What is to be delivered.
    pub event: EventId,
    /// Where to.
    pub endpoint: EndpointId,
    /// Its state; `due_ms` is the key of its line.
    pub delivery: Delivery,
    /// The key under which it waits its turn; `None` when it waits for nobody.
    pub key: Option<OrderKey>,
    /// Whether its time has come, and it has yet to take its place among those of its key.
    pub joins: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Outcome = Outcome::Retry { asked_secs: None };

    #[test]
    fn what_was_tried_and_waits_is_told_from_what_nobody_tried() {
        let fresh = Delivery::fresh(0);
        let tried = fresh.after(RETRY, &retry::STANDARD, 0, 0.0);
        assert_eq!(
            (Standing::of(None), fresh.standing(), tried.standing()),
            (Standing::Pending, Standing::Pending, Standing::Sending)
        );
        let mut canceled = tried;
        canceled.cancel();
        assert_eq!((canceled.standing(), tried.standing().waits()), (Standing::Canceled, true));
        for number in 0..=5 {
            assert_eq!(Standing::from_number(number).map(|found| found as u8), (number < 5).then_some(number));
        }
    }

    #[test]
    fn the_ladder_ends_in_a_visible_state() {
        let mut delivery = Delivery::fresh(0);
        for attempts in 1..=9 {
            delivery = delivery.after(RETRY, &retry::STANDARD, 0, 0.0);
            assert_eq!((delivery.attempts, delivery.status), (attempts, Status::Pending));
        }
        let last = delivery.after(RETRY, &retry::STANDARD, 0, 0.0);
        assert_eq!((last.status, last.due_ms, last.attempts), (Status::Failed, None, 10));
        assert_eq!(delivery.after(Outcome::Success, &retry::STANDARD, 0, 0.0).status, Status::Success);
    }

    #[test]
    fn after_a_clock_that_was_ahead_nothing_waits_longer_than_it_can() {
        let (now_ms, last_ms) = (1_000_000, 1_000_000 + 3 * 86_400_000);
        let clock = Ahead { now_ms, last_ms };
        let waits_ms: Vec<_> = retry::STANDARD.longest_ms().collect();
        let by = |attempts, trigger, due_ms, deliver_at_ms| {
            let delivery = Delivery { attempts, step: attempts, trigger, ..Delivery::fresh(due_ms) };
            delivery.due_by(clock, &waits_ms, deliver_at_ms) - now_ms
        };
        let scheduled = Trigger::Scheduled;
        assert_eq!(by(0, scheduled, last_ms, None), 0, "nobody tried it");
        assert_eq!(by(0, scheduled, last_ms, Some(now_ms + 7)), 7, "as published");
        assert_eq!(by(3, Trigger::Manual, last_ms, None), 0, "a person wants it");
        assert_eq!(by(1, scheduled, last_ms + 4_000, None), 6_000, "its rung with jitter");
        assert_eq!(by(2, scheduled, last_ms + 100_000, None), 360_000);
        assert_eq!(by(1, scheduled, last_ms + 3_600_000, None), 3_600_000, "what was left of a Retry-After");
        assert_eq!(by(1, scheduled, last_ms + 400 * 86_400_000, None), retry::ASKED_MS_MAX);
        assert_eq!(by(2, scheduled, now_ms + 5_000, None), 5_000, "written by a clock that was right");
    }

    #[test]
    fn a_manual_attempt_uses_no_step_and_harms_no_final_state() {
        let manual = |status, step| Delivery { status, attempts: 3, step, due_ms: Some(0), trigger: Trigger::Manual };
        let failed = manual(Status::Failed, 10).after(RETRY, &retry::STANDARD, 0, 0.0);
        assert_eq!((failed.status, failed.due_ms, failed.attempts), (Status::Failed, None, 4));
        assert_eq!(manual(Status::Success, 1).after(RETRY, &retry::STANDARD, 0, 0.0).status, Status::Success);
        let pending = manual(Status::Pending, 2).after(RETRY, &retry::STANDARD, 0, 0.0);
        assert_eq!((pending.step, pending.due_ms), (2, Some(300_000)));
    }
}
