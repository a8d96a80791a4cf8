//! The benchmark: a generator publishes, the server delivers, a sink checks every byte that arrives.
//!
//! A run, in order:
//!
//! 1. `generator` sends signed deliveries straight to the `sink`: the *direct* rate, what this
//!    machine does without a server in between;
//! 2. `server` starts this binary on a temporary database, and `target` makes an application there;
//! 3. the warm-up is published and awaited, then the counted events: in a closed loop, or to the
//!    beat of `pace`; `request` has their bytes, `wire` reads the answers;
//!    with `--ordered` the same again to endpoints whose deliveries wait for those of their key,
//!    with `--inbound` the same again by the `door` of a source, on the same server;
//! 4. the `ledger`, which generator and sink share, says when each event was published and what
//!    came of it; `proc` and `disk` say what it cost;
//! 5. `report` puts the runs into words, and their medians.
//!
//! Generator and sink have a thread each, and a buffer per connection that is used again and again.
//! Nothing here prints, and nothing but `generator` opens a connection.

pub(crate) mod disk;
mod door;
mod generator;
mod latency;
mod ledger;
mod pace;
mod payload;
mod proc;
pub(crate) mod report;
mod request;
mod run;
mod server;
mod sink;
pub(crate) mod target;
mod wire;

use std::fmt;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

pub use run::Bench;

/// Connections, each a task with two buffers.
pub const IN_FLIGHT_MAX: u32 = 4096;
/// Endpoints of the application.
pub const ENDPOINTS_MAX: u32 = 1000;
/// Events of one batch: the server's own limit.
pub const BATCH_MAX: u32 = 1000;
/// Events of one run, warm-up included: each takes 8 bytes, and a bit per endpoint.
pub const EVENTS_MAX: u32 = 10_000_000;
/// Keys of ordered deliveries.
pub const KEYS_MAX: u32 = 10_000_000;
/// Runs of one benchmark.
pub const RUNS_MAX: u32 = 100;
/// Events a second: more than any machine's loopback carries one by one.
pub const RATE_MAX: u32 = 1_000_000;
/// Deliveries of one run, a bit each: 128 MiB.
const DELIVERIES_MAX: usize = 1 << 30;
/// Bytes of one batch: the server's own limit.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What an event of a batch takes beside its payload, rounded up.
const MESSAGE_BYTES: usize = 64;
/// Bytes of all requests together, as every connection keeps its own.
const REQUESTS_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Without any progress for this long, what is still awaited counts as missing.
const STALLED_AFTER: Duration = Duration::from_mins(1);

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Connections that publish, each awaiting its answer.
    pub in_flight: usize,
    /// Bytes of a payload.
    pub size_bytes: usize,
    /// Endpoints that every event goes to.
    pub endpoints: usize,
    /// Events per request; `None` publishes one by one.
    pub batch: Option<usize>,
    /// Events that are measured in each run.
    pub events: usize,
    /// Events before them that are not.
    pub warm_up: usize,
    /// Runs.
    pub runs: usize,
    /// Events a second; `None` publishes as fast as answers come.
    pub rate: Option<u32>,
    /// How many keys as many events have after those, whose deliveries wait for one another; `None` for none.
    pub ordered: Option<u32>,
    /// Whether as many events come in by the door of a source after those that are published.
    pub inbound: bool,
    /// A server that runs already, and its key; `None` starts one for each run.
    #[serde(skip)]
    pub server: Option<(String, String)>,
}

/// Why a benchmark could not be carried through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchError(String);

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub step: &'static str,
    /// Deliveries that arrived.
    pub done: u64,
    /// Deliveries that will have arrived when the step is done.
    pub total: u64,
}

/// Whoever wants to see progress; called some ten times a second.
pub type Watch<'a> = &'a dyn Fn(Progress);

impl Plan {
    /// Checks what no single figure shows.
    ///
    /// # Errors
    /// When the plan would take more memory, or larger requests, than it may.
    pub fn check(&self) -> Result<(), BenchError> {
        payload::Payload::new(payload::Shape::Plain, self.size_bytes)?;
        if let Some(keys) = self.ordered {
            payload::Payload::new(payload::Shape::Keyed(keys), self.size_bytes)?;
        }
        if self.inbound {
            payload::Payload::new(payload::Shape::Fintoc, self.size_bytes)?;
        }
        let batch = self.batch.unwrap_or(1);
        let request_bytes = batch * (self.size_bytes + MESSAGE_BYTES);
        let events = self.warm_up + self.events;
        let refuse = |why: String| Err(BenchError(why));
        if self.inbound && self.batch.is_some() {
            return refuse("a provider posts its events one by one: leave out --batch or --inbound".into());
        }
        if batch > 1 && request_bytes > BATCH_BYTES_MAX {
            return refuse(format!("{batch} events of {} bytes exceed 16 MiB: lower --batch", self.size_bytes));
        }
        if self.in_flight * request_bytes > REQUESTS_BYTES_MAX {
            return refuse("the requests of all connections exceed 512 MiB: lower --in-flight or --batch".into());
        }
        if events > EVENTS_MAX as usize {
            return refuse(format!("{events} events exceed {EVENTS_MAX}: lower --events or --warm-up"));
        }
        if events * self.endpoints > DELIVERIES_MAX {
            return refuse(format!("the deliveries exceed {DELIVERIES_MAX}: lower --events or --endpoints"));
        }
        Ok(())
    }
}

impl BenchError {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BenchError {}

/// Randomness for keys and secrets that live as long as a run.
fn random() -> StdRng {
    StdRng::from_os_rng()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_limits() {
        let plan = Plan {
            in_flight: 64,
            size_bytes: 1024,
            endpoints: 1,
            batch: None,
            events: 200_000,
            warm_up: 20_000,
            runs: 5,
            rate: None,
            ordered: None,
            inbound: false,
            server: None,
        };
        let check = |change: fn(&mut Plan)| {
            let mut plan = plan.clone();
            change(&mut plan);
            plan.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| ()), Ok(()));
        assert!(check(|plan| plan.size_bytes = 10).is_err());
        assert_eq!(check(|plan| plan.ordered = Some(10_000)), Ok(()));
        assert!(check(|plan| (plan.ordered, plan.size_bytes) = (Some(7), 43)).is_err());
        assert_eq!(check(|plan| plan.inbound = true), Ok(()));
        assert!(check(|plan| (plan.inbound, plan.size_bytes) = (true, 100)).is_err());
        assert!(check(|plan| (plan.inbound, plan.batch) = (true, Some(1))).unwrap_err().contains("--inbound"));
        assert!(
            check(|plan| (plan.batch, plan.size_bytes) = (Some(1000), 20_000)).unwrap_err().ends_with("lower --batch")
        );
        assert!(check(|plan| (plan.batch, plan.in_flight) = (Some(1000), 4096)).unwrap_err().contains("--in-flight"));
        assert!(check(|plan| plan.events = 9_990_000).unwrap_err().contains("--events"));
        assert!(check(|plan| (plan.events, plan.endpoints) = (9_000_000, 1000)).unwrap_err().contains("--endpoints"));
    }
}
