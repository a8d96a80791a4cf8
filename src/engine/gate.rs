//! The gate: how much may wait at one time, and what the metrics show of it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::core::Core;
use crate::error::{Error, Kind, Result};
use crate::id::{EventId, Id};

/// How many operations may wait for the writer.
const OPS_MAX: usize = 8_192;
/// How many bytes of bodies may wait for the writer: 32 MiB.
const KIBIBYTES_MAX: usize = 32 * 1_024;
/// How many deliveries to healthy endpoints may wait for their first attempt.
pub const WAITING_MAX: usize = 262_144;
/// How long a request is held up before it is told to come back.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// Lets requests in while there is room, and shows what goes on behind it.
pub struct Gate {
    ops: Semaphore,
    kibibytes: Semaphore,
    waiting: AtomicUsize,
    room: Notify,
    accepted: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    put_off: AtomicU64,
    outage: AtomicBool,
    unwritable: AtomicU64,
    oldest: AtomicI64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            ops: Semaphore::new(OPS_MAX),
            kibibytes: Semaphore::new(KIBIBYTES_MAX),
            waiting: AtomicUsize::new(0),
            room: Notify::new(),
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            put_off: AtomicU64::new(0),
            outage: AtomicBool::new(false),
            unwritable: AtomicU64::new(0),
            oldest: AtomicI64::new(0),
        }
    }
}

/// Room taken; given back when dropped.
pub(super) struct Pass<'a> {
    _ops: SemaphorePermit<'a>,
    _kibibytes: SemaphorePermit<'a>,
}

/// A moment's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Events accepted since the process began.
    pub accepted: u64,
    /// Deliveries that succeeded.
    pub delivered: u64,
    /// Attempts that did not.
    pub failed: u64,
    /// Attempts that were put off: they never left this machine, or nobody in the world answered.
    pub put_off: u64,
    /// Whether attempts are put off now.
    pub outage: bool,
    /// Operations that the store could not write.
    pub unwritable: u64,
    /// Deliveries that wait in memory for their first attempt.
    pub waiting: usize,
    /// The oldest event that has a delivery in memory.
    pub oldest: Option<EventId>,
}

impl Gate {
    /// Waits up to a second for room. Error: 503.
    pub(super) async fn enter(&self, ops: usize, bytes: usize) -> Result<Pass<'_>> {
        let ops = u32::try_from(ops.clamp(1, OPS_MAX)).expect("clamped");
        let kibibytes = u32::try_from(bytes.div_ceil(1_024).min(KIBIBYTES_MAX)).expect("clamped");
        if self.has_room()
            && let (Ok(ops), Ok(kibibytes)) =
                (self.ops.try_acquire_many(ops), self.kibibytes.try_acquire_many(kibibytes))
        {
            return Ok(Pass { _ops: ops, _kibibytes: kibibytes });
        }
        match Box::pin(tokio::time::timeout(DELAY_MAX, self.wait(ops, kibibytes))).await {
            Ok(pass) => Ok(pass),
            Err(_) => Err(Error::new(
                Kind::Overloaded,
                "overloaded",
                "too many events wait already; send the same request again in a second",
            )),
        }
    }

    async fn wait(&self, ops: u32, kibibytes: u32) -> Pass<'_> {
        loop {
            let room = self.room.notified();
            if self.has_room() {
                break;
            }
            room.await;
        }
        let ops = self.ops.acquire_many(ops).await.expect("never closed");
        let kibibytes = self.kibibytes.acquire_many(kibibytes).await.expect("never closed");
        Pass { _ops: ops, _kibibytes: kibibytes }
    }

    fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) <= WAITING_MAX
    }

    /// Takes the core's figures after each of its turns.
    pub(super) fn show<R>(&self, core: &Core<R>) {
        let had_room = self.has_room();
        self.waiting.store(core.waiting(), Ordering::Relaxed);
        let counters = core.counters();
        self.accepted.store(counters.accepted, Ordering::Relaxed);
        self.delivered.store(counters.delivered, Ordering::Relaxed);
        self.failed.store(counters.failed, Ordering::Relaxed);
        self.put_off.store(counters.put_off, Ordering::Relaxed);
        self.outage.store(counters.outage, Ordering::Relaxed);
        self.unwritable.store(counters.unwritable, Ordering::Relaxed);
        self.oldest.store(core.oldest().map_or(0, EventId::value), Ordering::Relaxed);
        if !had_room && self.has_room() {
            self.room.notify_waiters();
        }
    }

    /// The figures of this moment.
    pub fn figures(&self) -> Figures {
        let oldest = self.oldest.load(Ordering::Relaxed);
        Figures {
            accepted: self.accepted.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            put_off: self.put_off.load(Ordering::Relaxed),
            outage: self.outage.load(Ordering::Relaxed),
            unwritable: self.unwritable.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            oldest: (oldest != 0).then(|| EventId::new(oldest)),
        }
    }
}
