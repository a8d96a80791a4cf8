//! Groups: what gathers while a batch is on its way to the disk, and who waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Now;
use crate::error::Error;
use crate::event::Once;
use crate::store::{Batch, NewRow, Op};

/// A batch is closed when it holds so many operations, or so many bytes of bodies.
const OPS_MAX: usize = 2_048;
const BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Outcomes alone wait this long for an event to ride with.
const LINGER_MS: i64 = 100;
/// After a commit that could not be made (disk full) the next one waits this long.
const PAUSE_MS: i64 = 1_000;

/// One event of a request, as it waits for its commit.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is at this place of the batch, for these lanes.
    New { position: usize, lanes: Vec<usize> },
    /// Its brief key is known: whatever became of the first is the answer.
    Repeat(Once),
    /// It never got that far.
    Refused(Error),
}

/// Somebody who waits for a commit.
#[derive(Debug)]
pub(super) enum Wait<R> {
    /// For events.
    Events(R, Vec<Entry>),
    /// For a change at this place of the batch, or for the commit alone.
    Change(R, Option<usize>),
}

/// What becomes durable together, and what follows when it is.
#[derive(Debug)]
pub(super) struct Group<R> {
    pub(super) ops: Vec<Op>,
    bytes: usize,
    pub(super) waits: Vec<Wait<R>>,
    /// Lanes that get a line in the due index, and when it is due.
    pub(super) lines: Vec<(usize, i64)>,
}

impl<R> Default for Group<R> {
    fn default() -> Self {
        Self { ops: Vec::new(), bytes: 0, waits: Vec::new(), lines: Vec::new() }
    }
}

/// The batch on its way, and those behind it.
#[derive(Debug)]
pub(super) struct Groups<R> {
    gathering: VecDeque<Group<R>>,
    committing: Option<(Arc<Batch>, Group<R>)>,
    /// When what has gathered is committed even if nobody waits for it.
    flush_ms: Option<i64>,
    pause_until_ms: Option<i64>,
    linger_ms: i64,
}

impl<R> Default for Groups<R> {
    fn default() -> Self {
        Self {
            gathering: VecDeque::new(),
            committing: None,
            flush_ms: None,
            pause_until_ms: None,
            linger_ms: LINGER_MS,
        }
    }
}

impl<R> Groups<R> {
    /// Puts an operation into the next commit; gives its place there. Nobody waits for it: it may linger.
    pub(super) fn push(&mut self, now: Now, op: Op) -> usize {
        self.flush_ms.get_or_insert(now.steady_ms + self.linger_ms);
        self.append(op)
    }

    /// Remembers that a lane has a line in the due index once the next commit is made.
    pub(super) fn line(&mut self, lane: usize, due_ms: i64) {
        self.last().lines.push((lane, due_ms));
    }

    /// Puts a request's events into one commit, all of them.
    pub(super) fn wait_events(&mut self, reply: R, rows: Vec<NewRow>, mut entries: Vec<Entry>) {
        let first = self.last().ops.len();
        for row in rows {
            self.append_here(Op::Event(row));
        }
        for entry in &mut entries {
            if let Entry::New { position, .. } = entry {
                *position += first;
            }
        }
        self.last().waits.push(Wait::Events(reply, entries));
    }

    /// Lets somebody wait for the next commit and, in it, for this operation.
    pub(super) fn wait_change(&mut self, reply: R, op: Option<Op>) {
        let position = op.map(|op| self.append(op));
        self.last().waits.push(Wait::Change(reply, position));
    }

    /// When a commit is wanted though nobody waits.
    pub(super) fn wake_ms(&self) -> Option<i64> {
        if self.committing.is_some() {
            return None;
        }
        self.pause_until_ms.filter(|_| !self.gathering.is_empty()).or(self.flush_ms)
    }

    /// Nothing lingers from now on.
    pub(super) fn hurry(&mut self) {
        self.linger_ms = 0;
        self.flush_ms = self.flush_ms.map(|_| i64::MIN);
    }

    /// Whether nothing has gathered and nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.committing.is_none() && self.gathering.iter().all(|group| group.ops.is_empty() && group.waits.is_empty())
    }

    fn last(&mut self) -> &mut Group<R> {
        if self.gathering.back().is_none_or(|group| group.ops.len() >= OPS_MAX || group.bytes >= BYTES_MAX) {
            self.gathering.push_back(Group::default());
        }
        self.gathering.back_mut().expect("one was just made sure of")
    }

    fn append(&mut self, op: Op) -> usize {
        let group = self.last();
        group.ops.push(op);
        group.ops.len() - 1
    }

    /// Appends without closing the group: a request's events stay together.
    fn append_here(&mut self, op: Op) {
        let group = self.gathering.back_mut().expect("asked for before");
        if let Op::Event(row) = &op {
            group.bytes += row.event.body.len();
        }
        group.ops.push(op);
    }

    /// The next batch, when one is wanted and none is on its way.
    pub(super) fn take(&mut self, now: Now) -> Option<Arc<Batch>> {
        let wanted = self.gathering.len() > 1
            || self.gathering.front().is_some_and(|group| !group.waits.is_empty())
            || self.flush_ms.is_some_and(|at| at <= now.steady_ms);
        let paused = self.pause_until_ms.is_some_and(|until| now.steady_ms < until);
        if !wanted || paused || self.committing.is_some() {
            return None;
        }
        let mut group = self.gathering.pop_front()?;
        self.pause_until_ms = None;
        self.flush_ms = (!self.gathering.is_empty()).then_some(now.steady_ms);
        let batch = Arc::new(Batch { wall_ms: now.wall_ms, ops: std::mem::take(&mut group.ops) });
        self.committing = Some((Arc::clone(&batch), group));
        Some(batch)
    }

    /// The batch that was on its way, and who waits for it.
    pub(super) fn landed(&mut self) -> Option<(Arc<Batch>, Group<R>)> {
        self.committing.take()
    }

    /// Keeps operations that could not be written for the commit after a pause, before all others.
    pub(super) fn keep(&mut self, now: Now, kept: Group<R>) {
        self.pause_until_ms = Some(now.steady_ms + PAUSE_MS);
        self.gathering.push_front(kept);
    }
}
