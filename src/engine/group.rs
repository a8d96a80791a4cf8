//! Groups: what gathers while a batch is on its way to the disk, and who waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Now;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::event::Once;
use crate::id::EventId;
use crate::ordering::OrderKey;
use crate::store::{Batch, Change, NewRow, Op};

/// A batch is closed when it holds so many operations, or so many bytes of bodies.
const OPS_MAX: usize = 2_048;
const BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// While so many operations wait for the disk, no attempt is begun: their outcomes would pile up in memory.
const WAITING_OPS_MAX: usize = 16_384;
/// Outcomes alone wait this long for an event to ride with.
const LINGER_MS: i64 = 100;
/// After a commit that could not be made (disk full) the next one waits this long.
const PAUSE_MS: i64 = 1_000;

/// A lane that an event goes to, and the key under which it waits its turn there.
pub(super) type KeyedLane = (usize, Option<OrderKey>);

/// An event that tells of an operation, and where it goes.
pub(super) type Told = (NewRow, Entry);

/// One event of a request, as it waits for its commit.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is at this place of the batch, for these lanes; `urgent` when somebody waits for its delivery.
    New { position: usize, lanes: Vec<KeyedLane>, wrapped: bool, urgent: bool },
    /// Its brief key is known: whatever becomes of that first event is the answer.
    Repeat(Once, EventId),
    /// It never got that far.
    Refused(Error),
}

/// Somebody who waits for a commit.
#[derive(Debug)]
pub(super) enum Wait<R> {
    /// For events.
    Events(R, Vec<Entry>),
    /// Nobody does, but what tells of one of the engine's own operations is to be sent.
    News(Entry),
    /// For a change at this place of the batch, or for the commit alone; what tells of it is to be sent.
    Change(R, Option<usize>, Option<Entry>),
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

impl<R> Group<R> {
    /// Tells of the engine's own operation that was put in last.
    pub(super) fn tell(&mut self, told: Told) {
        let entry = self.put_news(told);
        self.waits.push(Wait::News(entry));
    }

    fn put_news(&mut self, (row, mut entry): Told) -> Entry {
        if let Entry::New { position, .. } = &mut entry {
            *position = self.ops.len();
        }
        self.bytes += row.event.body.len();
        self.ops.push(Op::News(row));
        entry
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
    /// Puts an operation into the next commit. Nobody waits for it: it may linger.
    pub(super) fn push(&mut self, now: Now, op: Op) {
        self.flush_ms.get_or_insert(now.steady_ms + self.linger_ms);
        self.open().ops.push(op);
    }

    /// Remembers that a lane has a line in the due index once the operation just put in is durable.
    pub(super) fn line(&mut self, lane: usize, due_ms: i64) {
        self.same().lines.push((lane, due_ms));
    }

    /// Tells of the operation just put in, in the same commit.
    pub(super) fn tell(&mut self, told: Told) {
        self.same().tell(told);
    }

    /// Puts a request's events into one commit, all of them.
    pub(super) fn wait_events(&mut self, reply: R, rows: Vec<NewRow>, mut entries: Vec<Entry>) {
        let group = self.open();
        let first = group.ops.len();
        for entry in &mut entries {
            if let Entry::New { position, .. } = entry {
                *position += first;
            }
        }
        group.bytes += rows.iter().map(|row| row.event.body.len()).sum::<usize>();
        group.ops.extend(rows.into_iter().map(Op::Event));
        group.waits.push(Wait::Events(reply, entries));
    }

    /// Lets somebody wait for the next commit and, in it, for this operation, which is told of so.
    pub(super) fn wait_change(&mut self, reply: R, op: Option<Op>, told: Option<Told>) {
        let group = self.open();
        let position = op.map(|op| {
            group.ops.push(op);
            group.ops.len() - 1
        });
        let told = told.map(|told| group.put_news(told));
        group.waits.push(Wait::Change(reply, position, told));
    }

    /// No mark that waits to be written is above this one.
    pub(super) fn lower_mark(&mut self, lowest: EventId) {
        for op in self.gathering.iter_mut().flat_map(|group| &mut group.ops) {
            if let Op::Mark { mark, .. } = op {
                *mark = lowest.min(*mark);
            }
        }
    }

    /// Whether a setting of this endpoint, of its application or of its source is on its way to the disk.
    pub(super) fn changes(&self, endpoint: &Endpoint) -> bool {
        let of_it = |op: &Op| match op {
            Op::Setting(setting) => match &setting.change {
                Change::Endpoint(other) => other.id == endpoint.id,
                Change::Application(application) => application.id == endpoint.application,
                Change::Source(source, _) => source.application == endpoint.application,
                _ => false,
            },
            _ => false,
        };
        let committing = self.committing.iter().flat_map(|(batch, _)| &batch.ops);
        committing.chain(self.gathering.iter().flat_map(|group| &group.ops)).any(of_it)
    }

    /// When a commit is wanted though nobody waits.
    pub(super) fn wake_ms(&self) -> Option<i64> {
        if self.committing.is_some() {
            return None;
        }
        self.flush_ms.map(|flush_ms| self.pause_until_ms.map_or(flush_ms, |until_ms| flush_ms.max(until_ms)))
    }

    /// What was just put in is committed as soon as it can be.
    pub(super) fn flush(&mut self, now: Now) {
        self.flush_ms = Some(self.flush_ms.map_or(now.steady_ms, |flush_ms| flush_ms.min(now.steady_ms)));
    }

    /// Nothing lingers from now on.
    pub(super) fn hurry(&mut self) {
        self.linger_ms = 0;
        self.flush_ms = self.flush_ms.map(|_| i64::MIN);
    }

    /// Whether the outcomes of more attempts may gather.
    pub(super) fn has_room(&self) -> bool {
        self.gathering.iter().map(|group| group.ops.len()).sum::<usize>() < WAITING_OPS_MAX
    }

    /// Whether nothing has gathered and nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.committing.is_none() && self.gathering.iter().all(|group| group.ops.is_empty() && group.waits.is_empty())
    }

    /// The group that takes one more request: the last one, or a new one when that is full.
    fn open(&mut self) -> &mut Group<R> {
        if self.gathering.back().is_none_or(|group| group.ops.len() >= OPS_MAX || group.bytes >= BYTES_MAX) {
            self.gathering.push_back(Group::default());
        }
        self.same()
    }

    /// The group that took the last operation, full or not: what belongs to an operation stays with it.
    fn same(&mut self) -> &mut Group<R> {
        self.gathering.back_mut().expect("asked for only after an operation was put in")
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
        let batch =
            Arc::new(Batch { wall_ms: now.wall_ms, steady_ms: now.steady_ms, ops: std::mem::take(&mut group.ops) });
        self.committing = Some((Arc::clone(&batch), group));
        Some(batch)
    }

    /// The batch that was on its way, and who waits for it.
    pub(super) fn landed(&mut self) -> Option<(Arc<Batch>, Group<R>)> {
        self.committing.take()
    }

    /// All that waits, the batch on its way first: none of it can be written now.
    pub(super) fn give_up(&mut self) -> Option<Vec<Group<R>>> {
        let (batch, group) = self.committing.take()?;
        let first = Group { ops: Arc::unwrap_or_clone(batch).ops, ..group };
        Some(std::iter::once(first).chain(self.gathering.drain(..)).collect())
    }

    /// Keeps operations that could not be written for the commit after a pause, before all others.
    pub(super) fn keep(&mut self, now: Now, kept: Group<R>) {
        let until_ms = now.steady_ms + PAUSE_MS;
        self.pause_until_ms = Some(until_ms);
        self.gathering.push_front(kept);
        self.flush_ms = Some(self.flush_ms.map_or(until_ms, |flush_ms| flush_ms.min(until_ms)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::By;
    use crate::clock::Now;
    use crate::event::Event;
    use crate::id::{ApplicationId, EndpointId, Id as _};

    const NOW: Now = Now { steady_ms: 0, wall_ms: 0 };

    fn resend() -> Op {
        Op::Resend { event: EventId::new(1), endpoint: EndpointId::new(1), due_ms: 0, by: By::server() }
    }

    /// The last operation that fits closes the group; whoever waits for it was once put into the next one.
    #[test]
    fn who_waits_for_an_operation_is_in_its_group_even_when_it_fills_it() {
        let mut groups = Groups::default();
        for _ in 0..OPS_MAX - 1 {
            groups.push(NOW, Op::Forget);
        }
        groups.wait_change("first", Some(resend()), None);
        groups.line(7, 0);
        groups.wait_change("second", Some(resend()), None);
        let batch = groups.take(NOW).expect("somebody waits");
        let (_, group) = groups.landed().expect("on its way");
        assert!(matches!(group.waits[..], [Wait::Change("first", Some(position), None)] if position == OPS_MAX - 1));
        assert_eq!((batch.ops.len(), group.lines), (OPS_MAX, vec![(7, 0)]));
        let batch = groups.take(NOW).expect("somebody waits");
        assert_eq!(batch.ops.len(), 1);
    }

    #[test]
    fn what_tells_of_an_operation_is_in_its_commit_even_when_that_is_full() {
        let mut groups = Groups::<()>::default();
        for _ in 0..OPS_MAX {
            groups.push(NOW, Op::Forget);
        }
        let event = Event {
            id: EventId::new(1),
            application: ApplicationId::new(1),
            event_type: "endpoint.disabled".to_owned(),
            channels: Vec::new(),
            uid: None,
            extra: None,
            body: bytes::Bytes::new(),
            sha256: [0; 32],
            arrival: None,
        };
        let row = NewRow { event, fan_out: Vec::new(), once: None, dedup: None, released: None };
        groups.tell((row, Entry::New { position: 0, lanes: Vec::new(), wrapped: false, urgent: false }));
        let batch = groups.take(NOW).expect("somebody waits");
        assert!(matches!(batch.ops[OPS_MAX..], [Op::News(_)]));
        let (_, group) = groups.landed().expect("on its way");
        assert!(matches!(group.waits[..], [Wait::News(Entry::New { position: OPS_MAX, .. })]));
    }

    /// What a full disk refused was once kept without a time to try again, and the shell woke for it for ever.
    #[test]
    fn what_could_not_be_written_is_tried_again_after_a_pause_and_then_wakes_nobody() {
        let mut groups = Groups::<()>::default();
        groups.push(NOW, Op::Forget);
        let later = Now { steady_ms: LINGER_MS, wall_ms: 0 };
        groups.take(later).expect("lingered long enough");
        let (_, group) = groups.landed().expect("on its way");
        groups.keep(later, group);
        let pause_ends = LINGER_MS + PAUSE_MS;
        assert_eq!((groups.take(later).is_some(), groups.wake_ms()), (false, Some(pause_ends)));
        assert!(groups.take(Now { steady_ms: pause_ends, wall_ms: 0 }).is_some());
        groups.landed();
        assert_eq!(groups.wake_ms(), None);
    }
}
