//! One run from its direct rate to its figures.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::generator::{Connection, Line, Phase, Published, publish};
use super::latency::{Histogram, Latencies, now};
use super::ledger::{Faults, Ledger};
use super::payload::{ORDINAL_FIRST, Payload};
use super::proc::{Memory, ThreadCpu};
use super::report::{Figures, Run, per_second, per_thing_us};
use super::request::{Deliver, Publish, Request, Target};
use super::server::Server;
use super::sink::Sink;
use super::target::{self, Application};
use super::{BenchError, Plan, Progress, STALLED_AFTER, Watch, disk, random};
use crate::secret::Secret;

/// Requests of the direct run: some seconds' worth.
const DIRECT_REQUESTS_MAX: usize = 200_000;
/// Bare syncs before the counted events, and as many after them.
const SYNCS: usize = 100;
/// How closely the end of a run is watched; the figures themselves come from the sink.
const DRAIN_POLL: Duration = Duration::from_millis(2);

/// A benchmark with its sink, ready to run.
#[derive(Debug)]
pub struct Bench {
    plan: Plan,
    payload: Payload,
    sink: Sink,
    runtime: Runtime,
    stop: [Signal; 2],
    /// No two runs share an ordinal, so that a late delivery is known as such.
    ordinal_next: u64,
}

/// The server under test, whoever started it.
struct Subject {
    target: Target,
    own: Option<Server>,
}

/// What the counted events cost the server.
type Cost = (Option<Duration>, Option<Memory>);

impl Bench {
    /// Prepares a benchmark.
    ///
    /// # Errors
    /// When the plan exceeds a limit, or the sink cannot be started.
    pub fn new(plan: Plan) -> Result<Self, BenchError> {
        plan.check()?;
        let failed = |error| BenchError::new(format!("the generator did not start: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let guard = runtime.enter();
        let stop = [signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?];
        drop(guard);
        Ok(Self {
            payload: Payload::new(plan.size_bytes)?,
            sink: Sink::start()?,
            plan,
            runtime,
            stop,
            ordinal_next: ORDINAL_FIRST,
        })
    }

    /// Runs once.
    ///
    /// # Errors
    /// When the server fails, or SIGINT or SIGTERM comes; deliveries that are missing or wrong are no error
    /// but faults of the run.
    pub fn run(&mut self, watch: Watch<'_>) -> Result<Run, BenchError> {
        let parts = Parts { plan: &self.plan, payload: &self.payload, sink: &self.sink, watch };
        let [interrupt, terminate] = &mut self.stop;
        self.runtime.block_on(async {
            tokio::select! {
                run = parts.run(&mut self.ordinal_next) => run,
                _ = interrupt.recv() => Err(BenchError::new("interrupted")),
                _ = terminate.recv() => Err(BenchError::new("terminated")),
            }
        })
    }
}

/// What a run works with.
struct Parts<'a> {
    plan: &'a Plan,
    payload: &'a Payload,
    sink: &'a Sink,
    watch: Watch<'a>,
}

impl Parts<'_> {
    async fn run(&self, ordinal_next: &mut u64) -> Result<Run, BenchError> {
        let (direct_requests_per_second, direct_cpu_us_per_request) = self.direct(ordinal_next).await?;
        let subject = Subject::start(self.plan)?;
        let application = target::set_up(&subject.target, self.plan.endpoints, self.sink.address()).await?;
        let ledger = self.open(ordinal_next, application.secrets.clone(), self.plan.warm_up, self.plan.events);
        let lines = self.lines(&subject.target, &application).await?;
        let lines = self.warm_up(&ledger, lines).await?;

        let mut syncs = Histogram::new();
        self.probe(&subject, &mut syncs)?;
        let cpu_before = subject.cpu()?;
        let (published, lines) = self.step("counted", &ledger, ledger.counted(), lines).await?;
        let missing = self.drained("counted", &ledger, ledger.counted()).await;
        let cost = subject.cost(cpu_before)?;
        self.probe(&subject, &mut syncs)?;
        drop(lines);

        let mut faults = ledger.arrivals().faults;
        faults.missing = missing;
        faults.refused = published.refused;
        faults.overloaded = published.overloaded;
        subject.stop(&application, &faults).await?;
        let direct = (direct_requests_per_second, direct_cpu_us_per_request);
        let sync_ms = (self.plan.rate.is_some() && cost.0.is_some()).then(|| syncs.latencies());
        Ok(Run { figures: figures(&ledger, &published, direct, cost, sync_ms), faults })
    }

    /// Requests a second straight from generator to sink, and CPU µs a request of both together.
    async fn direct(&self, ordinal_next: &mut u64) -> Result<(f64, f64), BenchError> {
        let secret = secret();
        let requests = self.plan.events.min(DIRECT_REQUESTS_MAX);
        let ledger = self.open(ordinal_next, vec![secret.clone()], 0, requests);
        let mut lines = Vec::with_capacity(self.plan.in_flight);
        for _ in 0..self.plan.in_flight {
            let deliver = Deliver::new(self.sink.address(), &secret, self.payload);
            lines.push(Line {
                connection: Connection::open(self.sink.address()).await?,
                request: Request::Deliver(Box::new(deliver)),
            });
        }
        let unknown = |error| BenchError::new(format!("no CPU time of a thread: {error}"));
        let generator = ThreadCpu::of_this_thread().map_err(unknown)?;
        let used = || Ok(generator.used().map_err(unknown)? + self.sink.cpu().used().map_err(unknown)?);
        let before: Duration = used()?;
        let phase = Phase { step: "direct", ledger: Arc::clone(&ledger), events: 0..requests, batch: 1, rate: None };
        let (published, _) = publish(phase, lines, self.watch).await?;
        let cpu = used()?.saturating_sub(before);
        let faults = ledger.arrivals().faults;
        if faults != Faults::default() {
            return Err(BenchError::new(format!("the direct run, which has no server, had faults: {faults:?}")));
        }
        let took = published.last.saturating_duration_since(published.start);
        let requests = ledger.expected(requests);
        Ok((per_second(requests, took), per_thing_us(cpu, requests)))
    }

    fn open(&self, ordinal_next: &mut u64, secrets: Vec<Secret>, warm_up: usize, events: usize) -> Arc<Ledger> {
        let counted = warm_up..warm_up + events;
        let ledger = Ledger::open(self.payload.clone(), secrets, *ordinal_next, counted);
        *ordinal_next = ledger.ordinal(warm_up + events);
        let ledger = Arc::new(ledger);
        self.sink.follow(&ledger);
        ledger
    }

    async fn lines(&self, target: &Target, application: &Application) -> Result<Vec<Line>, BenchError> {
        let mut lines = Vec::with_capacity(self.plan.in_flight);
        for _ in 0..self.plan.in_flight {
            let batched = self.plan.batch.is_some();
            let publish = Publish::new(target, &application.id, self.payload, batched);
            lines
                .push(Line { connection: Connection::open(target.address).await?, request: Request::Publish(publish) });
        }
        Ok(lines)
    }

    /// Publishes the warm-up, always in a closed loop, and waits until all of it is delivered.
    async fn warm_up(&self, ledger: &Arc<Ledger>, lines: Vec<Line>) -> Result<Vec<Line>, BenchError> {
        let events = 0..ledger.counted().start;
        let (_, lines) = self.step("warm-up", ledger, events.clone(), lines).await?;
        match self.drained("warm-up", ledger, events).await {
            0 => Ok(lines),
            missing => Err(BenchError::new(format!(
                "the warm-up never ended: {missing} deliveries are missing, faults {:?}",
                ledger.arrivals().faults
            ))),
        }
    }

    async fn step(
        &self,
        step: &'static str,
        ledger: &Arc<Ledger>,
        events: Range<usize>,
        lines: Vec<Line>,
    ) -> Result<(Published, Vec<Line>), BenchError> {
        let phase = Phase {
            step,
            ledger: Arc::clone(ledger),
            rate: self.plan.rate.filter(|_| events.start >= ledger.counted().start),
            events,
            batch: self.plan.batch.unwrap_or(1),
        };
        publish(phase, lines, self.watch).await
    }

    /// Waits until everything up to the end of `events` is delivered, or nothing is any more; gives what is missing.
    async fn drained(&self, step: &'static str, ledger: &Ledger, events: Range<usize>) -> u64 {
        let (before, expected) = (ledger.expected(events.start), ledger.expected(events.end));
        let (mut delivered, mut progressed) = (ledger.delivered(), now());
        while delivered < expected && progressed.elapsed() < STALLED_AFTER {
            tokio::time::sleep(DRAIN_POLL).await;
            let done = ledger.delivered();
            if done > delivered {
                (delivered, progressed) = (done, now());
            }
            (self.watch)(Progress { step, done: done.saturating_sub(before), total: expected - before });
        }
        expected - delivered
    }

    /// Half of the bare syncs, when the database's disk is at hand and latency is what is asked for.
    fn probe(&self, subject: &Subject, syncs: &mut Histogram) -> Result<(), BenchError> {
        match (&subject.own, self.plan.rate) {
            (Some(server), Some(_)) => probe(server.directory(), syncs),
            _ => Ok(()),
        }
    }
}

impl Subject {
    fn start(plan: &Plan) -> Result<Self, BenchError> {
        if let Some((url, key)) = &plan.server {
            let target = target::resolve(url, key)?;
            return Ok(Self { target, own: None });
        }
        let server = Server::start()?;
        Ok(Self { target: server.target().clone(), own: Some(server) })
    }

    fn cpu(&self) -> Result<Option<Duration>, BenchError> {
        self.own.as_ref().map(Server::cpu).transpose()
    }

    fn cost(&self, cpu_before: Option<Duration>) -> Result<Cost, BenchError> {
        let cpu = self.cpu()?.zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        Ok((cpu, self.own.as_ref().map(Server::memory).transpose()?))
    }

    /// Ends the own server; leaves another one as it was, unless something is wrong and wants to be looked at.
    async fn stop(self, application: &Application, faults: &Faults) -> Result<(), BenchError> {
        match self.own {
            Some(server) => server.stop(),
            None if faults.none_that_fail() => target::tear_down(&self.target, application).await,
            None => Ok(()),
        }
    }
}

fn figures(
    ledger: &Ledger,
    published: &Published,
    direct: (f64, f64),
    (cpu, memory): Cost,
    sync_ms: Option<Latencies>,
) -> Figures {
    let arrivals = ledger.arrivals();
    let counted = ledger.counted();
    let warm_up = ledger.expected(counted.start);
    let delivered = ledger.delivered() - warm_up;
    let accepting = published.last.saturating_duration_since(published.start);
    let delivering = arrivals.last.saturating_duration_since(published.start);
    let delivered_per_second = per_second(delivered, delivering);
    Figures {
        accepted_per_second: per_second(published.accepted, accepting),
        delivered_per_second,
        direct_requests_per_second: direct.0,
        direct_cpu_us_per_request: direct.1,
        ratio_to_direct: delivered_per_second / direct.0,
        accept_ms: published.accept.latencies(),
        end_to_end_ms: arrivals.end_to_end.latencies(),
        server_cpu_us_per_delivery: cpu.map(|cpu| per_thing_us(cpu, delivered)),
        server_memory: memory,
        sync_ms,
    }
}

fn probe(directory: &Path, syncs: &mut Histogram) -> Result<(), BenchError> {
    disk::probe(directory, SYNCS, syncs)
        .map_err(|error| BenchError::new(format!("the disk could not be probed: {error}")))
}

/// A secret for the direct run, of the shape that the server gives an endpoint.
fn secret() -> Secret {
    let mut bytes = [0; 32];
    random().fill_bytes(&mut bytes);
    Secret::parse(&format!("whsec_{}", STANDARD.encode(bytes)))
        .unwrap_or_else(|_| unreachable!("32 bytes in base64 are a secret"))
}
