//! Notes: what a page says once, after what was done on the page before it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many notes wait to be read; all are forgotten when there are more.
const NOTES_MAX: usize = 1_024;

/// What is said once.
#[derive(Clone)]
pub(in crate::http) enum Note {
    /// It was done.
    Done(String),
    /// It was not done, and why.
    Refused(String),
    /// It was done, and so many deliveries of the webhook at this path wait for a retry: they can be sent now.
    Waiting(String, u64, String),
    /// A webhook's secret that is shown now and not again.
    Secret(String),
    /// A link to a customer's portal, which is shown as a secret is.
    Link(String),
    /// An API key that is shown now and not again.
    Key(String),
}

/// Notes that wait, each for the session with this hash.
#[derive(Default)]
pub struct Notes {
    waiting: Mutex<HashMap<[u8; 32], Note>>,
}

impl Notes {
    /// Leaves a note for the next page of a session, in place of one that waits.
    pub(super) fn leave(&self, session: [u8; 32], note: Note) {
        let mut waiting = self.waiting();
        if waiting.len() >= NOTES_MAX {
            waiting.clear();
        }
        waiting.insert(session, note);
    }

    /// Takes a session's note.
    pub(super) fn take(&self, session: &[u8; 32]) -> Option<Note> {
        self.waiting().remove(session)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<[u8; 32], Note>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
