//! The one test binary: a story file per capability, the store's conformance, the simulation, the rulebook.

#![expect(clippy::unwrap_used, reason = "a test that unwraps in vain has failed")]

mod cli;
mod database;
mod delivery;
mod guard;
mod malformed;
#[cfg(feature = "peers")]
mod peers;
mod publish;
mod simulation;
mod store;
mod tidy;
mod world;
mod zoo;
