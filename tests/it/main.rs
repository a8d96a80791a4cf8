//! The one test binary: a story file per capability, the store's conformance, the simulation, the rulebook.

mod delivery;
mod guard;
mod publish;
mod tidy;
mod world;
