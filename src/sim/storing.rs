//! Storing: commits that take time, fail or stay unknown, reads that arrive late, and what a crash leaves.

use std::sync::Arc;

use rand::Rng as _;

use super::disk::Pending;
use super::queue::Happening;
use super::world::World;
use crate::clock::Now;
use crate::engine::core::Core;
use crate::engine::message::Input;
use crate::id::{EndpointId, EventId, IdSource};
use crate::store::{Batch, DueSlice, Durable, Receipt, Store as _};

/// A read that failed is tried again after so long.
const READ_PAUSE_MS: i64 = 1_000;

impl World {
    /// The core hands a batch out.
    pub(super) fn store(&mut self, batch: Arc<Batch>) {
        self.trace.note(self.at_ms, "store: operations", (batch.ops.len().try_into().unwrap_or(0), 0));
        let batch = self.mutation.batch(batch);
        if self.disk.pending.is_some() {
            return self.ledger.blame("two batches were on their way at one time".to_owned());
        }
        let wait_ms = self.disk.delay_ms(self.options.commit_ms);
        self.queue.put(self.at_ms + wait_ms, Happening::Synced(self.run));
        let told_early = self
            .mutation
            .tells_early()
            .then(|| self.disk.seal.as_ref().map(|seal| seal.vouch(Receipt::default())))
            .flatten();
        if told_early.is_some() {
            self.queue.put(self.at_ms, Happening::Told(self.run));
        }
        self.disk.pending = Some(Pending { batch, receipt: told_early });
    }

    /// The disk is done with the batch, one way or another.
    pub(super) fn synced(&mut self) {
        if self.mutation.tells_early() {
            return;
        }
        let Some(pending) = &mut self.disk.pending else {
            return;
        };
        if self.disk.full {
            self.trace.note(self.at_ms, "not stored", (0, 0));
            self.disk.pending = None;
            (self.ledger.disk_since_ms, self.ledger.disk_failed) = (None, true);
            return self.step(Input::NotStored("disk full".to_owned()));
        }
        if self.options.sync_failure > 0 && !self.calm && self.disk.rng.random_ratio(1, self.options.sync_failure) {
            self.trace.note(self.at_ms, "sync failed", (0, 0));
            return self.crash();
        }
        let batch = Arc::clone(&pending.batch);
        self.trace.note(self.at_ms, "committed", (0, 0));
        let receipt = self.write(&batch);
        let receipt = self.mutation.receipt(receipt);
        if let Some(pending) = &mut self.disk.pending {
            pending.receipt = receipt;
        }
        let wait_ms = self.disk.delay_ms(1 + self.options.commit_ms / 4);
        self.queue.put(self.at_ms + wait_ms, Happening::Told(self.run));
    }

    fn write(&mut self, batch: &Batch) -> Option<Durable<Receipt>> {
        match self.disk.commit(batch) {
            Ok(receipt) => {
                self.mutation.committed(batch, &self.disk.memory);
                self.ledger.committed(batch, receipt.get());
                Some(receipt)
            }
            Err(failed) => {
                self.ledger.blame(format!("the store cannot take a batch: {failed}"));
                None
            }
        }
    }

    /// The core hears of it.
    pub(super) fn told(&mut self) {
        if let Some(Pending { batch, receipt: Some(receipt) }) = self.disk.pending.take() {
            self.trace.note(self.at_ms, "stored", (0, 0));
            self.ledger.told(&batch);
            self.step(Input::Stored(receipt));
            self.ledger.held_heard();
        }
    }

    /// The core wants a due index read.
    pub(super) fn load(&mut self, endpoint: EndpointId, until_ms: i64, limit: usize) {
        let wait_ms = self.disk.delay_ms(self.options.read_ms);
        self.queue.put(self.at_ms + wait_ms, Happening::Read(self.run, endpoint, until_ms, limit));
    }

    /// The disk answers; the answer travels on.
    pub(super) fn read(&mut self, endpoint: EndpointId, until_ms: i64, limit: usize) {
        let mut slice = self.disk.memory.due(endpoint, until_ms, limit).unwrap_or_default();
        self.trace.note(
            self.at_ms,
            "read: lines",
            (slice.due.len().try_into().unwrap_or(0), slice.next_ms.unwrap_or(0)),
        );
        if self.options.read_failure > 0 && !self.calm && self.disk.rng.random_ratio(1, self.options.read_failure) {
            self.trace.note(self.at_ms, "the read failed", (0, 0));
            slice = DueSlice { due: Vec::new(), next_ms: Some(until_ms.min(self.now().steady_ms) + READ_PAUSE_MS) };
            self.ledger.read_failed(endpoint, READ_PAUSE_MS);
        }
        self.mutation.slice(&mut slice);
        let wait_ms = self.disk.delay_ms(self.options.read_ms);
        let times = if self.mutation.tells_slices_twice() { 2 } else { 1 };
        for time in 0..times {
            let told = Happening::Loaded(self.run, endpoint, Box::new(slice.clone()));
            self.queue.put(self.at_ms + wait_ms + time * 30, told);
        }
    }

    /// The process dies: a batch on its way stands or not, everything else in memory is gone.
    pub(super) fn crash(&mut self) {
        if self.core.is_none() {
            return;
        }
        self.trace.note(self.at_ms, "crash", (0, 0));
        self.crashes += 1;
        if let Some(Pending { batch, receipt: None }) = self.disk.pending.take()
            && !self.disk.full
            && self.disk.rng.random()
        {
            self.trace.note(self.at_ms, "the batch survived", (0, 0));
            self.write(&batch);
        }
        self.end();
    }

    /// The process is asked to stop: no more requests, no more attempts.
    pub(super) fn stop(&mut self) {
        if let Some(core) = self.core.as_mut().filter(|_| self.ready) {
            self.trace.note(self.at_ms, "stop", (0, 0));
            core.hold();
            (self.stopping, self.ready) = (true, false);
        }
    }

    /// It has stopped: everybody was answered, every outcome is on disk.
    pub(super) fn stopped(&mut self) {
        self.trace.note(self.at_ms, "stopped", (0, 0));
        if self.clients.requests.iter().any(|request| request.open) {
            self.ledger.blame("the process stopped before everybody was answered".to_owned());
        }
        self.ledger.check_stopped();
        self.end();
    }

    /// The process is gone; a new one starts after a while.
    fn end(&mut self) {
        self.core = None;
        self.run += 1;
        (self.ready, self.stopping) = (false, false);
        self.ledger.crashed();
        self.hang_up();
        let down_ms = if self.disk.rng.random_ratio(1, 10) { self.options.span_ms / 10 } else { 2_000 };
        let wait_ms = self.disk.rng.random_range(0..=down_ms);
        self.queue.put(self.at_ms + wait_ms, Happening::Start);
    }

    /// The process starts: both clocks agree, the disk tells what it holds.
    pub(super) fn start(&mut self) {
        self.steady_offset_ms = self.wall_offset_ms;
        let now = self.now();
        self.ledger.now = now;
        self.trace.note(self.at_ms, "start at", (now.wall_ms, 0));
        self.disk.memory.reopen();
        if let Some(batch) = self.mutation.start(&self.disk.memory, now) {
            self.write(&batch);
        }
        let mut opening = match self.disk.memory.opening(now.wall_ms) {
            Ok(opening) => opening,
            Err(error) => return self.ledger.blame(format!("the store does not open: {error}")),
        };
        self.ledger.restarted(&self.disk.memory);
        let mark = opening.mark;
        self.ids = Arc::new(IdSource::new(0, opening.last_id));
        self.mutation.opening(&mut opening);
        let core = Core::recover(Arc::clone(&self.ids), opening, self.seed ^ u64::from(self.run), now);
        self.core = Some(core);
        self.take_outputs();
        let wait_ms = self.disk.delay_ms(self.options.read_ms);
        self.queue.put(self.at_ms + wait_ms, Happening::Page(self.run, mark));
    }

    /// Recovery reads on; after the last page the process serves.
    pub(super) fn page(&mut self, from: EventId) {
        let mut unwritten = self.disk.memory.unwritten(from, self.options.page).unwrap_or_default();
        self.trace.note(self.at_ms, "found: events", (unwritten.deliveries.len().try_into().unwrap_or(0), 0));
        self.mutation.unwritten(&mut unwritten);
        let next = unwritten.next;
        if let Some(next) = next {
            let wait_ms = self.disk.delay_ms(self.options.read_ms);
            self.queue.put(self.at_ms + wait_ms, Happening::Page(self.run, next));
        } else {
            self.ready = true;
            self.ledger.ready();
        }
        self.step(Input::Found(unwritten));
    }

    /// This moment by the clocks of the process.
    pub(super) fn now(&self) -> Now {
        Now { steady_ms: self.at_ms + self.steady_offset_ms, wall_ms: self.at_ms + self.wall_offset_ms }
    }
}
