//! The one test binary: a story file per capability, the store's conformance, the simulation, the rulebook.

#![expect(clippy::unwrap_used, reason = "a test that unwraps in vain has failed")]

mod api;
mod backlog;
mod backup;
mod cli;
mod dashboard;
mod database;
mod delivery;
#[cfg(feature = "peers")]
mod disk;
mod door;
mod generate;
mod guard;
mod handling;
mod history;
mod idle;
mod isolation;
mod kill;
mod load;
mod malformed;
mod ordering;
mod outage;
mod owner;
#[cfg(feature = "peers")]
mod peers;
mod play;
mod process;
mod provider;
mod providers;
mod publish;
#[cfg(feature = "peers")]
mod readme;
mod receive;
mod rehearse;
mod replay;
mod sandbox;
mod simulation;
mod store;
mod tidy;
#[cfg(feature = "peers")]
mod trace;
mod unwritable;
mod world;
mod zoo;
