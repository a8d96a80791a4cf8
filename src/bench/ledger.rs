//! The ledger of one run: when each event was published, and what has arrived of it, byte for byte.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::latency::{Histogram, now};
use super::payload::Payload;
use super::wire::Delivery;
use crate::secret::Secret;
use crate::signature;

/// What both threads share about a run; its size is fixed when it is opened.
#[derive(Debug)]
pub struct Ledger {
    payload: Payload,
    /// One secret per endpoint, in the shape that verifying takes.
    secrets: Vec<[Secret; 1]>,
    ordinal_first: u64,
    /// The events that are measured; those before are warm-up, and only checked.
    counted: Range<usize>,
    opened: Instant,
    /// Nanoseconds after `opened`, by event.
    published_ns: Vec<AtomicU64>,
    /// Deliveries that were neither duplicates nor strangers; read while the run goes on.
    delivered: AtomicU64,
    arrivals: Mutex<Arrivals>,
}

/// What the sink saw.
#[derive(Debug)]
pub struct Arrivals {
    /// One bit per event and endpoint.
    seen: Vec<u64>,
    /// From publishing (or the intended time) to arrival, of the counted events.
    pub end_to_end: Histogram,
    /// When the last counted delivery arrived.
    pub last: Instant,
    /// What was wrong.
    pub faults: Faults,
}

/// Everything that must be zero, except `overloaded`, which a server may answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Deliveries that had arrived before at the same endpoint.
    pub duplicates: u64,
    /// Deliveries of an earlier run, which had been given up.
    pub late: u64,
    /// Deliveries that never arrived.
    pub missing: u64,
    /// Deliveries whose bytes are not those that were published.
    pub wrong_bytes: u64,
    /// Deliveries whose signature does not fit the endpoint's secret.
    pub bad_signatures: u64,
    /// Events of a batch that the server refused.
    pub refused: u64,
    /// Answers 503, each followed by a pause and a retry.
    pub overloaded: u64,
}

impl Faults {
    /// Whether nothing was lost, altered or badly signed; duplicates and overload are reported, not condemned.
    #[must_use]
    pub fn none_that_fail(&self) -> bool {
        let Self { duplicates: _, late: _, overloaded: _, missing, wrong_bytes, bad_signatures, refused } = *self;
        missing + wrong_bytes + bad_signatures + refused == 0
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            duplicates: self.duplicates + other.duplicates,
            late: self.late + other.late,
            missing: self.missing + other.missing,
            wrong_bytes: self.wrong_bytes + other.wrong_bytes,
            bad_signatures: self.bad_signatures + other.bad_signatures,
            refused: self.refused + other.refused,
            overloaded: self.overloaded + other.overloaded,
        }
    }
}

impl Ledger {
    /// Opens a ledger for ordinals from `ordinal_first` on; the events before `counted` are warm-up.
    #[must_use]
    pub fn open(payload: Payload, secrets: Vec<Secret>, ordinal_first: u64, counted: Range<usize>) -> Self {
        let opened = now();
        let bits = counted.end * secrets.len();
        Self {
            payload,
            ordinal_first,
            opened,
            published_ns: (0..counted.end).map(|_| AtomicU64::new(0)).collect(),
            delivered: AtomicU64::new(0),
            arrivals: Mutex::new(Arrivals {
                seen: vec![0; bits.div_ceil(64)],
                end_to_end: Histogram::new(),
                last: opened,
                faults: Faults::default(),
            }),
            secrets: secrets.into_iter().map(|secret| [secret]).collect(),
            counted,
        }
    }

    /// The ordinal of an event.
    #[must_use]
    pub fn ordinal(&self, event: usize) -> u64 {
        self.ordinal_first + u64::try_from(event).expect("an index fits 64 bits")
    }

    /// Notes that events are about to be published, or were meant to be, at `instant`.
    pub fn published(&self, events: Range<usize>, instant: Instant) {
        let ns = nanoseconds(instant.saturating_duration_since(self.opened));
        for event in &self.published_ns[events] {
            event.store(ns, Relaxed);
        }
    }

    /// Checks a delivery and enters it.
    pub fn arrived(&self, delivery: &Delivery<'_>) {
        let arrival = now();
        let endpoint = endpoint(delivery.path).filter(|endpoint| *endpoint < self.secrets.len());
        let ordinal = self.payload.ordinal(delivery.body);
        let (Some(endpoint), Some(ordinal)) = (endpoint, ordinal) else {
            self.arrivals().faults.wrong_bytes += 1;
            return;
        };
        let signed = signature::verify(
            &self.secrets[endpoint],
            delivery.id,
            delivery.timestamp,
            delivery.signatures,
            delivery.body,
        );
        let mut arrivals = self.arrivals();
        let Some(event) = ordinal.checked_sub(self.ordinal_first) else {
            // The secret of an earlier run may have been another one: its signature says nothing.
            arrivals.faults.late += 1;
            return;
        };
        let event = usize::try_from(event).unwrap_or(usize::MAX);
        if event >= self.counted.end {
            arrivals.faults.wrong_bytes += 1;
            return;
        }
        arrivals.faults.bad_signatures += u64::from(!signed);
        if !arrivals.see(event * self.secrets.len() + endpoint) {
            arrivals.faults.duplicates += 1;
            return;
        }
        if self.counted.contains(&event) {
            let published = Duration::from_nanos(self.published_ns[event].load(Relaxed));
            let end_to_end = arrival.saturating_duration_since(self.opened + published);
            arrivals.end_to_end.record(end_to_end);
            arrivals.last = arrival;
        }
        drop(arrivals);
        self.delivered.fetch_add(1, Relaxed);
    }

    /// Enters a request that was no delivery at all.
    pub fn malformed(&self) {
        self.arrivals().faults.wrong_bytes += 1;
    }

    /// Deliveries so far, without duplicates.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Deliveries that the first `events` events amount to.
    #[must_use]
    pub fn expected(&self, events: usize) -> u64 {
        u64::try_from(events * self.secrets.len()).expect("a number of deliveries fits 64 bits")
    }

    /// The events that are measured.
    #[must_use]
    pub fn counted(&self) -> Range<usize> {
        self.counted.clone()
    }

    /// What the sink saw so far; holding it stops the sink.
    pub fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().expect("no thread panics while it holds the arrivals")
    }
}

impl Arrivals {
    /// Marks a delivery; false when it had been marked before.
    fn see(&mut self, delivery: usize) -> bool {
        let (word, bit) = (delivery / 64, 1_u64 << (delivery % 64));
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        first
    }
}

/// The endpoint's number in `/hook/{number}`.
fn endpoint(path: &str) -> Option<usize> {
    path.strip_prefix("/hook/")?.parse().ok()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::payload::{ORDINAL_FIRST, Shape, write_digits};
    use super::*;

    /// Delivers `change`d event 1 of a run of three, the first of them warm-up, and gives delivered and faults.
    fn check(change: impl Fn(&mut Vec<u8>, &mut &str, &mut u64), times: usize) -> (u64, Faults) {
        let payload = Payload::new(Shape::Plain, 64).unwrap();
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let ledger = Ledger::open(payload.clone(), vec![secret.clone()], ORDINAL_FIRST + 10, 1..3);
        let (mut body, mut path, mut ordinal) = (payload.bytes().to_vec(), "/hook/0", ledger.ordinal(1));
        change(&mut body, &mut path, &mut ordinal);
        write_digits(&mut body[payload.ordinal_at(0)], ordinal);
        let signatures = signature::sign(&secret, "msg_1", 5, &body);
        let delivery = Delivery { path, id: "msg_1", timestamp: "5", signatures: &signatures, body: &body, len: 0 };
        ledger.published(0..3, now());
        (0..times).for_each(|_| ledger.arrived(&delivery));
        let faults = ledger.arrivals().faults;
        (ledger.delivered(), faults)
    }

    #[test]
    fn what_arrives_is_told_apart() {
        let none = Faults::default();
        assert_eq!(check(|_, _, _| (), 1), (1, none));
        assert_eq!(check(|_, _, _| (), 3), (1, Faults { duplicates: 2, ..none }));
        assert_eq!(check(|_, _, ordinal| *ordinal -= 2, 1), (0, Faults { late: 1, ..none }));
        let wrong = (0, Faults { wrong_bytes: 1, ..none });
        assert_eq!(check(|_, _, ordinal| *ordinal += 2, 1), wrong);
        assert_eq!(check(|_, path, _| *path = "/hook/1", 1), wrong);
        assert_eq!(check(|body, _, _| body[40] += 1, 1), wrong);
    }

    #[test]
    fn a_bad_signature_is_counted_and_the_delivery_too() {
        let payload = Payload::new(Shape::Plain, 64).unwrap();
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let ledger = Ledger::open(payload.clone(), vec![secret], ORDINAL_FIRST, 0..1);
        let mut body = payload.bytes().to_vec();
        write_digits(&mut body[payload.ordinal_at(0)], ORDINAL_FIRST);
        ledger.arrived(&Delivery {
            path: "/hook/0",
            id: "msg_1",
            timestamp: "5",
            signatures: "v1,AAAA",
            body: &body,
            len: 0,
        });
        let faults = ledger.arrivals().faults;
        assert_eq!((ledger.delivered(), faults.bad_signatures), (1, 1));
        assert!(!faults.none_that_fail());
    }
}
