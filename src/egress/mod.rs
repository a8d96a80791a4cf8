//! The only door out: which addresses may be dialled, how names become addresses, how attempts are made.

pub mod guard;
mod heard;
mod pool;
pub mod resolve;
pub mod send;
