//! Posthaste: webhooks for money, in one binary.
//!
//! An event's life, as the code runs it:
//!
//! ```text
//! http::api        a caller is authenticated, the request read within its limits   -> NewEvent
//! engine::accept   the event gets its id; fan_out says which endpoints want it
//! store            it becomes durable together with whatever else waits            -> Durable
//! http::api        202
//! engine::lanes    it waits in the lane of each endpoint, never longer than it must
//! egress           the guard judges the address, the courier signs and sends       -> Report
//! engine::outcome  attempt -> delivery -> endpoint: done, or due again by the ladder
//! store            the outcome rides with the next commit
//! engine::timers   what is due again is read back from the disk; so is what a crash left
//! ```
//!
//! Nouns and rules stand at the root and do no I/O; machinery stands in folders. ARCHITECTURE.md has the map.

// nouns and rules
pub mod application;
pub mod attempt;
pub mod audit;
pub mod brand;
pub mod canonical;
pub mod clock;
pub mod colour;
pub mod conflict;
pub mod count;
pub mod decimal;
pub mod delivery;
pub mod digest;
pub mod endpoint;
pub mod environment;
pub mod error;
pub mod event;
pub mod event_type;
pub mod fan_out;
pub mod filter;
pub mod handling;
pub mod histogram;
pub mod id;
pub mod inbound;
pub mod inspector;
pub mod jwt;
pub mod key;
pub mod name;
pub mod network;
pub mod oidc;
pub mod ordering;
pub mod provider;
pub mod quarantine;
pub mod receive;
pub mod repetition;
pub mod replay;
pub mod resource;
pub mod retry;
pub mod secret;
pub mod signature;
pub mod source;
pub mod task;
pub mod token;
pub mod user;
pub mod varint;
// the senders' forms
pub mod providers;
// machinery: the doors in and out, what decides, what is durable
#[cfg(feature = "server")]
pub mod egress;
#[cfg(feature = "server")]
pub mod engine;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod store;
// beside the server
#[cfg(feature = "server")]
pub mod bench;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod rehearse;
#[cfg(feature = "server")]
pub mod sandbox;
#[cfg(feature = "sim")]
pub mod sim;
