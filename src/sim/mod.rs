//! The simulator: the real core in a world of its own, where one seed decides everything that goes wrong.
//!
//! A tour: `faults` rolls what a seed is about; `world` is the loop over virtual time around
//! [`crate::engine::core::Core`]; `queue` holds what will happen. `clients`, `disk` and `receivers` are those it deals
//! with, each with a stream of random numbers of its own; `asking`, `settings` and `storing` say how. `ledger` keeps the
//! books outside the product and says what must not be; `mutants` are planted faults, each of which the ledger must find,
//! and `mutation` the seam between core and world where they distort what passes; `report` is what a run leaves behind.

mod asking;
mod body;
mod clients;
mod disk;
mod door;
mod faults;
mod ledger;
mod mutants;
mod mutation;
mod queue;
mod receivers;
mod report;
mod settings;
mod storing;
mod world;

pub use mutants::Mutant;
pub use report::{Failure, Verdict};

/// How many of the last happenings a failure shows.
pub const LAST_LINES: usize = 200;

/// Lives one seed to its end. With `lines`, that many of the last happenings are kept for a failure to show.
#[must_use]
pub fn run(seed: u64, mutant: Option<Mutant>, lines: usize) -> Verdict {
    world::World::new(seed, mutant, lines).live()
}
