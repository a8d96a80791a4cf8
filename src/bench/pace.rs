//! The beat of an open loop: a thread that releases each request when it is due, whatever became of those before.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::BenchError;
use super::latency::now;

/// At high rates several requests are released at once, so that the beat costs next to nothing.
/// (A thread's sleep ends within some 60 µs; a timer of the runtime would be a millisecond late.)
const SLEEP_MIN: Duration = Duration::from_micros(250);
/// How soon the beat notices that nobody listens any more.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// When requests are due.
#[derive(Debug, Clone, Copy)]
pub struct Beat {
    /// The first one.
    pub start: Instant,
    /// Events a second.
    pub rate: u32,
    /// Events per request.
    pub batch: usize,
}

/// When an event is due, after the first one.
#[must_use]
pub fn offset(event: usize, rate: u32) -> Duration {
    let event = u64::try_from(event).expect("an index fits 64 bits");
    // At most 10^7 events: the product stays below 2^64.
    Duration::from_nanos(event * 1_000_000_000 / u64::from(rate))
}

/// Starts the beat: `requests` permits, each when it is due, and in the end one for every line, so that it looks up.
///
/// # Errors
/// When the thread cannot be started.
pub fn start(due: &Arc<Semaphore>, beat: Beat, requests: usize, lines: usize) -> Result<(), BenchError> {
    let due = Arc::downgrade(due);
    thread::Builder::new()
        .name("bench-pace".into())
        .spawn(move || release(&due, beat, requests, lines))
        .map(drop)
        .map_err(|error| BenchError::new(format!("the beat did not start: {error}")))
}

fn release(due: &Weak<Semaphore>, beat: Beat, requests: usize, lines: usize) {
    let due_at = |request: usize| beat.start + offset(request * beat.batch, beat.rate);
    let mut released = 0;
    while released < requests {
        let Some(permits) = due.upgrade() else {
            return;
        };
        let instant = now();
        let ready = (released..requests).take_while(|request| due_at(*request) <= instant).count();
        permits.add_permits(ready);
        drop(permits);
        released += ready;
        let wait = due_at(released).saturating_duration_since(instant);
        thread::sleep(wait.clamp(SLEEP_MIN, SLEEP_MAX));
    }
    if let Some(permits) = due.upgrade() {
        permits.add_permits(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_do_not_drift() {
        assert_eq!(offset(300, 300), Duration::from_secs(1));
        assert_eq!(offset(10_000_000, 1), Duration::from_secs(10_000_000));
    }

    #[test]
    fn every_request_and_every_line_gets_a_permit() {
        let due = Arc::new(Semaphore::new(0));
        let beat = Beat { start: now(), rate: 1000, batch: 2 };
        release(&Arc::downgrade(&due), beat, 5, 3);
        assert_eq!(due.available_permits(), 8);
        assert!(beat.start.elapsed() >= offset(8, 1000));
    }
}
