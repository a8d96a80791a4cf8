//! The sandbox: a small Fintoc, a small Finix and a small Bridge that run beside the server.
//!
//! ```text
//! gate     a request is read within its limits, its key opens a world                    -> Ask
//! rules    whose: fintoc's, finix's or bridge's
//! fintoc   the provider's rules: resources change, events are told, alarms are set       -> Reply
//! house    all that one turn changed becomes durable together, and only then is answered
//! post     what was told goes to the engine, once, and on to the world's own endpoints
//! house    at its time an alarm rings, and is a turn of its own
//! ```
//!
//! Whatever is made up comes from the seed, the key and what it is for: never from the order of requests.

mod ask;
mod bridge;
mod finix;
mod fintoc;
mod gate;
mod house;
mod page;
mod post;
mod rules;
mod webhook;
mod world;

pub use gate::router;
pub use house::{House, Parts};
pub use rules::open;
pub use world::Manner;
