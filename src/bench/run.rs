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

use super::door::Posting;
use super::generator::{Connection, Line, Phase, Published, publish};
use super::latency::{Histogram, Latencies, now};
use super::ledger::{Faults, Ledger};
use super::payload::{ORDINAL_FIRST, Payload, Shape};
use super::proc::{Memory, ThreadCpu};
use super::report::{Figures, Part, Run, per_second, per_thing_us};
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
    ordered: Option<Payload>,
    inbound: Option<Payload>,
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

/// What sender and sink do without a server in between.
#[derive(Clone, Copy)]
struct Direct {
    requests_per_second: f64,
    cpu_us_per_request: f64,
}

/// The way that events take into the server, and the bytes they have.
struct Way<'a> {
    subject: &'a Subject,
    application: &'a Application,
    payload: &'a Payload,
    /// What a progress bar calls the counted events.
    step: &'static str,
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
            payload: Payload::new(Shape::Plain, plan.size_bytes)?,
            ordered: plan.ordered.map(|keys| Payload::new(Shape::Keyed(keys), plan.size_bytes)).transpose()?,
            inbound: plan.inbound.then(|| Payload::new(Shape::Fintoc, plan.size_bytes)).transpose()?,
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
        let Self { plan, payload, ordered, inbound, sink, runtime, stop: [interrupt, terminate], ordinal_next } = self;
        let parts = Parts { plan, payload, ordered: ordered.as_ref(), inbound: inbound.as_ref(), sink, watch };
        runtime.block_on(async {
            tokio::select! {
                run = parts.run(ordinal_next) => run,
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
    ordered: Option<&'a Payload>,
    inbound: Option<&'a Payload>,
    sink: &'a Sink,
    watch: Watch<'a>,
}

impl Parts<'_> {
    async fn run(&self, ordinal_next: &mut u64) -> Result<Run, BenchError> {
        let direct = self.direct(ordinal_next).await?;
        let subject = Subject::start(self.plan)?;
        let (endpoints, sink) = (self.plan.endpoints, self.sink.address());
        let application = target::set_up(&subject.target, endpoints, sink).await?;
        let way = Way { subject: &subject, application: &application, payload: self.payload, step: "counted" };
        let published = self.take(&way, direct, ordinal_next).await?;
        let mut ordered = None;
        if let Some(payload) = self.ordered {
            let application = target::set_up_ordered(&subject.target, endpoints, sink).await?;
            let way = Way { subject: &subject, application: &application, payload, step: "ordered" };
            ordered = Some(self.beside(&published, &way, direct, ordinal_next).await?);
        }
        let mut inbound = None;
        if let Some(payload) = self.inbound {
            let source = target::set_up_source(&subject.target, endpoints, sink).await?;
            let way = Way { subject: &subject, application: &source, payload, step: "inbound" };
            inbound = Some(self.beside(&published, &way, direct, ordinal_next).await?);
        }
        subject.stop()?;
        Ok(Run { published, ordered, inbound })
    }

    /// Takes one way, to be seen beside published events.
    async fn beside(
        &self,
        published: &Part,
        way: &Way<'_>,
        direct: Direct,
        ordinal_next: &mut u64,
    ) -> Result<Part, BenchError> {
        let mut part = self.take(way, direct, ordinal_next).await?;
        part.figures.cpu_ratio_to_published = ratio(&part.figures, &published.figures);
        Ok(part)
    }

    /// Takes one way, and leaves nothing there that goes on.
    async fn take(&self, way: &Way<'_>, direct: Direct, ordinal_next: &mut u64) -> Result<Part, BenchError> {
        let part = self.measure(way, direct, ordinal_next).await?;
        way.subject.leave(way.application, &part.faults).await?;
        Ok(part)
    }

    /// Sends warm-up and counted events one way, and waits for all that comes of them.
    async fn measure(&self, way: &Way<'_>, direct: Direct, ordinal_next: &mut u64) -> Result<Part, BenchError> {
        let Way { subject, application, payload, step } = *way;
        let counted = self.plan.warm_up..self.plan.warm_up + self.plan.events;
        let ledger = self.open(ordinal_next, payload, application.secrets.clone(), counted);
        let lines = self.lines(way).await?;
        let lines = self.warm_up(&ledger, lines).await?;

        let mut syncs = Histogram::new();
        self.probe(subject, &mut syncs)?;
        let cpu_before = subject.cpu()?;
        let (published, lines) = self.step(step, &ledger, ledger.counted(), lines).await?;
        let missing = self.drained(step, &ledger, ledger.counted()).await;
        let cost = subject.cost(cpu_before)?;
        self.probe(subject, &mut syncs)?;
        drop(lines);

        let mut faults = ledger.arrivals().faults;
        faults.missing = missing;
        faults.refused = published.refused;
        faults.overloaded = published.overloaded;
        let sync_ms = (self.plan.rate.is_some() && cost.0.is_some()).then(|| syncs.latencies());
        Ok(Part { figures: figures(&ledger, &published, direct, cost, sync_ms), faults })
    }

    /// Sends deliveries straight from generator to sink.
    async fn direct(&self, ordinal_next: &mut u64) -> Result<Direct, BenchError> {
        let secret = secret();
        let requests = self.plan.events.min(DIRECT_REQUESTS_MAX);
        let ledger = self.open(ordinal_next, self.payload, vec![secret.clone()], 0..requests);
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
        Ok(Direct { requests_per_second: per_second(requests, took), cpu_us_per_request: per_thing_us(cpu, requests) })
    }

    fn open(
        &self,
        ordinal_next: &mut u64,
        payload: &Payload,
        secrets: Vec<Secret>,
        counted: Range<usize>,
    ) -> Arc<Ledger> {
        let ledger = Ledger::open(payload.clone(), secrets, *ordinal_next, counted);
        *ordinal_next = ledger.ordinal(ledger.counted().end);
        let ledger = Arc::new(ledger);
        self.sink.follow(&ledger);
        ledger
    }

    async fn lines(&self, way: &Way<'_>) -> Result<Vec<Line>, BenchError> {
        let Way { subject: Subject { target, .. }, application, payload, .. } = way;
        let mut lines = Vec::with_capacity(self.plan.in_flight);
        for _ in 0..self.plan.in_flight {
            let batched = self.plan.batch.is_some();
            let request = match &application.door {
                Some(door) => Request::Post(Box::new(Posting::new(door, &target.host, payload))),
                None => Request::Publish(Box::new(Publish::new(target, &application.path, payload, batched))),
            };
            lines.push(Line { connection: Connection::open(target.address).await?, request });
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

    /// Tidies up at a server that goes on, unless something is wrong and wants to be looked at.
    async fn leave(&self, application: &Application, faults: &Faults) -> Result<(), BenchError> {
        if self.own.is_some() || !faults.none_that_fail() {
            return Ok(());
        }
        target::tear_down(&self.target, application).await
    }

    /// Ends the own server.
    fn stop(self) -> Result<(), BenchError> {
        self.own.map_or(Ok(()), Server::stop)
    }
}

/// What a delivery cost the server, for each of what a published one did; unless nothing is known of it.
fn ratio(other: &Figures, published: &Figures) -> Option<f64> {
    let published_us = published.server_cpu_us_per_delivery.filter(|us| *us > 0.0)?;
    Some(other.server_cpu_us_per_delivery? / published_us)
}

fn figures(
    ledger: &Ledger,
    published: &Published,
    direct: Direct,
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
        direct_requests_per_second: direct.requests_per_second,
        direct_cpu_us_per_request: direct.cpu_us_per_request,
        ratio_to_direct: delivered_per_second / direct.requests_per_second,
        accept_ms: published.accept.latencies(),
        end_to_end_ms: arrivals.end_to_end.latencies(),
        server_cpu_us_per_delivery: cpu.map(|cpu| per_thing_us(cpu, delivered)),
        cpu_ratio_to_published: None,
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
