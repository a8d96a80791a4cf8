//! The engine: decides. A core without I/O, and the thin shell that drives it.
//!
//! An event's life, in the order of the files: `accept` gives it an id and its endpoints; `commit` makes it durable with
//! whatever else waits, then answers; `lanes` and `dispatch` send it, endpoint by endpoint; `outcome` writes down what
//! came of it (what was no attempt is `put_off`: `outage`) and when it is due again; `turns` let those of one key wait for one another (`chains`); `timers` wake what is due; `recover` takes up what a crash left.
//! `change` obeys settings in the order of their commits. `run` is the shell: channels, the writer, the senders.

mod accept;
mod announce;
mod aside;
mod breaker;
mod chains;
mod change;
mod commit;
pub mod core;
mod directory;
mod dispatch;
mod flight;
pub mod gate;
mod group;
mod hasten;
mod lane;
mod lanes;
pub mod message;
mod outage;
mod outcome;
mod pace;
mod payloads;
pub mod pulse;
mod put_off;
mod recent;
mod recover;
mod replay;
mod rota;
pub mod run;
mod senders;
mod timers;
mod turns;
