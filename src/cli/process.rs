//! What the process asks of its system: files that nobody else reads, no picture of its memory, enough descriptors.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};

use crate::egress::send::KEPT_MAX;
use crate::engine::core::IN_FLIGHT_MAX;
use crate::http::CONNECTIONS_MAX;

/// What is open beside connections: the database with its log and its readers, what the threads wait on, questions to
/// name servers, the log.
const OWN_DESCRIPTORS: usize = 96;

/// How many connections of each kind the descriptors are enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Callers.
    pub(super) callers: usize,
    /// Attempts in flight.
    pub(super) slots: usize,
    /// Connections that are kept for the next attempt.
    pub(super) kept: usize,
}

impl Shares {
    /// Divides so many descriptors: a third for callers, who find room whatever receivers do.
    fn of(descriptors: usize) -> Self {
        let third = (descriptors.saturating_sub(OWN_DESCRIPTORS) / 3).max(1);
        Self { callers: third.min(CONNECTIONS_MAX), slots: third.min(IN_FLIGHT_MAX), kept: third.min(KEPT_MAX) }
    }

    /// Tells the log.
    pub(super) fn tell(self) {
        let Self { callers, slots, kept } = self;
        let descriptors = getrlimit(Resource::Nofile).current;
        if slots < IN_FLIGHT_MAX {
            tracing::warn!(
                descriptors,
                callers,
                slots,
                kept,
                "few open files are allowed, so fewer attempts are made at one time; raise `ulimit -n` (LimitNOFILE)"
            );
        } else {
            tracing::info!(descriptors, callers, slots, kept, "open files are divided");
        }
    }
}

/// What this process makes is read and written by its user alone: files 0600, folders 0700.
pub(super) fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Lets no picture of the memory be taken, which holds secrets: neither in a file, nor by a program that collects them
/// (whom the limit does not bind), nor by another process of the same user.
pub(super) fn forbid_dumps() {
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps cannot be forbidden");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core dumps by a collector cannot be forbidden");
    }
}

/// Takes as many open files as the system allows: each connection, in and out, is one.
pub(super) fn take_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the number of open files stays limited");
    }
}

/// What the descriptors that this process has now are enough for.
pub(super) fn shares() -> Shares {
    let limit = getrlimit(Resource::Nofile).current;
    Shares::of(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_fit_the_descriptors_and_are_never_nothing() {
        for descriptors in [0, 64, 256, 1_024, 4_096, 65_536, usize::MAX] {
            let Shares { callers, slots, kept } = Shares::of(descriptors);
            assert!(callers > 0 && slots > 0 && kept > 0, "{descriptors}");
            if descriptors > OWN_DESCRIPTORS + 3 {
                assert!(callers + slots + kept <= descriptors - OWN_DESCRIPTORS, "{descriptors}");
            }
        }
        assert_eq!(Shares::of(65_536).slots, IN_FLIGHT_MAX);
    }
}
