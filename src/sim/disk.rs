//! The disk: the store, and the batch on its way to it.

use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::store::memory::Memory;
use crate::store::{Batch, Durable, Receipt, Store as _};

/// The key of the public ids.
pub(super) const ID_KEY: [u8; 16] = [7; 16];

/// A batch on its way.
pub(super) struct Pending {
    pub(super) batch: Arc<Batch>,
    /// There once it is on disk.
    pub(super) receipt: Option<Durable<Receipt>>,
}

/// The store and what is on its way to it.
pub(super) struct Disk {
    pub(super) memory: Memory,
    pub(super) full: bool,
    pub(super) rng: SmallRng,
    pub(super) pending: Option<Pending>,
    /// Any durable value: mutants make false promises of it.
    pub(super) seal: Option<Durable<()>>,
}

impl Disk {
    /// Empty; the keys of fewer than `tail_max` inbound events wait for their index between two commits.
    pub(super) fn new(rng: SmallRng, tail_max: usize) -> Self {
        Self { memory: Memory::new(ID_KEY, tail_max), full: false, rng, pending: None, seal: None }
    }

    /// Writes a batch, whatever the weather. Error: it breaks a rule of the tables.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<Durable<Receipt>, String> {
        let receipt = self.memory.commit(batch).map_err(|failed| format!("{failed:?}"))?;
        self.seal.get_or_insert_with(|| receipt.vouch(()));
        Ok(receipt)
    }

    /// How long something takes that takes at most so long: mostly much less.
    pub(super) fn delay_ms(&mut self, max_ms: i64) -> i64 {
        if self.rng.random_ratio(3, 4) {
            self.rng.random_range(0..=max_ms / 8)
        } else {
            self.rng.random_range(0..=max_ms)
        }
    }
}
