//! Whether anything can be accepted now, for those that send traffic here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind};

/// What keeps a whole server from accepting anything, shared with whoever finds out.
#[derive(Debug, Default)]
pub struct Readiness {
    ending: AtomicBool,
    lost: OnceLock<String>,
    /// Whether a write is under way that only finds out whether the disk takes any.
    pub(super) asking: AtomicBool,
}

impl Readiness {
    /// The server ends: nothing new is accepted.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// What is accepted would be lost: the database is gone. The first reason stays.
    pub fn lose(&self, why: impl Into<String>) {
        let _ = self.lost.set(why.into());
    }

    /// Why nothing is accepted, whatever the disk says.
    pub(super) fn refusal(&self) -> Option<Error> {
        if let Some(why) = self.lost.get() {
            return Some(not_ready(why.as_str()));
        }
        self.ending.load(Ordering::Relaxed).then(ending)
    }
}

/// What is said while the server ends.
pub(super) fn ending() -> Error {
    not_ready("the server is ending and accepts nothing; send the same request again in a second")
}

/// 503, with the reason.
pub(super) fn not_ready(why: impl Into<String>) -> Error {
    Error::new(Kind::Overloaded, "not_ready", why)
}
