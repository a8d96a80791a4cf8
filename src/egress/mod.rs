//! The only door out: which addresses may be dialled, how names become addresses, how attempts are made.

mod ask;
mod dial;
pub mod guard;
mod heard;
mod pool;
pub mod probe;
pub mod resolve;
pub mod send;
