//! What will happen, in the order of virtual time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::receivers::Brought;
use crate::attempt::Lease;
use crate::id::{EndpointId, EventId};
use crate::store::DueSlice;

/// Something that happens at a moment. A number in front is the run of the process that it belongs to.
#[derive(Debug)]
pub(super) enum Happening {
    /// The process starts again.
    Start,
    /// The process dies.
    Crash,
    /// Somebody stops the process in good order.
    Stop,
    /// Recovery reads a slice of the events.
    Page(u32, EventId),
    /// The disk is done with the batch, one way or another.
    Synced(u32),
    /// The core hears of it.
    Told(u32),
    /// The disk answers a read of a due index: endpoint, until, limit.
    Read(u32, EndpointId, i64, usize),
    /// The core gets that answer.
    Loaded(u32, EndpointId, Box<DueSlice>),
    /// An attempt ends.
    Done(u32, Lease, Brought),
    /// A mutant gives the slot of an attempt back before it ends.
    Freed(u32, Lease),
    /// A client sends a request: its first try, or one more.
    Ask(usize),
    /// A client wants a setting changed.
    Change,
    /// A client wants an endpoint switched on that is off.
    Revive,
    /// A client wants something sent again.
    Resend,
    /// The wall clock jumps.
    Jump,
    /// The disk is full, or has room again.
    DiskFull(bool),
    /// Faults stop.
    Calm,
}

struct Entry {
    at_ms: i64,
    number: u64,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest; of one moment, the one that was put in first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.number).cmp(&(self.at_ms, self.number))
    }
}

/// The happenings to come.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    number: u64,
}

impl Queue {
    pub(super) fn put(&mut self, at_ms: i64, happening: Happening) {
        self.number += 1;
        self.heap.push(Entry { at_ms, number: self.number, happening });
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        self.heap.peek().map(|entry| entry.at_ms)
    }

    pub(super) fn take(&mut self) -> Option<Happening> {
        self.heap.pop().map(|entry| entry.happening)
    }
}
