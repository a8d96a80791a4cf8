//! The generator: keep-alive connections that publish as fast as answers come, or at a given rate.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::latency::{Histogram, now};
use super::ledger::Ledger;
use super::pace;
use super::request::Request;
use super::wire::{Inbox, Parsed, parse_answer};
use super::{BenchError, STALLED_AFTER, Watch};

/// What a server that is overloaded asks for with `Retry-After: 1`.
const OVERLOADED_PAUSE: Duration = Duration::from_secs(1);
/// A server may close a connection that was idle, but not every one it is offered.
const RECONNECTS_MAX: usize = 3;
/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Bytes of an unexpected answer that an error shows.
const EXCERPT_BYTES: usize = 300;

/// A keep-alive connection, to the server or straight to the sink.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    inbox: Inbox,
    /// The body of the last answer, which the inbox still holds.
    body: Range<usize>,
}

/// A connection with the request it sends again and again.
#[derive(Debug)]
pub struct Line {
    /// The connection.
    pub connection: Connection,
    /// The request.
    pub request: Request,
}

/// A stretch of publishing.
#[derive(Debug)]
pub struct Phase {
    /// What a progress bar calls it.
    pub step: &'static str,
    /// The ledger that the events belong to.
    pub ledger: Arc<Ledger>,
    /// The events to publish.
    pub events: Range<usize>,
    /// Events per request.
    pub batch: usize,
    /// Events a second in an open loop; `None` is a closed loop.
    pub rate: Option<u32>,
}

/// What publishing came to.
#[derive(Debug)]
pub struct Published {
    /// When the phase began.
    pub start: Instant,
    /// When the last answer came.
    pub last: Instant,
    /// Events accepted.
    pub accepted: u64,
    /// Events of a batch that were refused.
    pub refused: u64,
    /// Answers 503.
    pub overloaded: u64,
    /// From the first publish of an event (or the intended time) to its answer.
    pub accept: Histogram,
}

/// What the lines of a phase share.
struct Shared {
    phase: Phase,
    start: Instant,
    next: AtomicUsize,
    /// Requests that may start, in an open loop.
    due: Option<Arc<Semaphore>>,
    published: Mutex<Published>,
}

#[derive(Deserialize)]
struct BatchAnswer {
    data: Vec<BatchItem>,
}

#[derive(Deserialize)]
struct BatchItem {
    status: u16,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        let stream =
            connect(address).await.map_err(|error| BenchError::new(format!("no connection to {address}: {error}")))?;
        Ok(Self { address, stream, inbox: Inbox::new(), body: 0..0 })
    }

    /// Sends a request and gives the answer's status; a connection that the server closed is made anew.
    ///
    /// # Errors
    /// When the server closes every connection, or answers in something else than HTTP/1.1.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16, BenchError> {
        let address = self.address;
        let failed = |error| BenchError::new(format!("a request to {address} failed: {error}"));
        let mut reconnects = 0;
        loop {
            let error = match self.send(request).await {
                Ok(status) => return Ok(status),
                Err(error) => error,
            };
            let closed = matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            );
            if !closed || reconnects == RECONNECTS_MAX {
                return Err(failed(error));
            }
            reconnects += 1;
            self.inbox.clear();
            self.body = 0..0;
            self.stream = connect(address).await.map_err(failed)?;
        }
    }

    /// The body of the last answer.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.inbox.filled()[self.body.clone()]
    }

    async fn send(&mut self, request: &[u8]) -> io::Result<u16> {
        self.inbox.consume(self.body.end);
        self.body = 0..0;
        self.stream.write_all(request).await?;
        let mut needed = 1;
        loop {
            if !self.inbox.fill(&mut self.stream, needed).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match parse_answer(self.inbox.filled())? {
                Parsed::Needs(bytes) => needed = bytes,
                Parsed::Complete(answer) => {
                    self.body = answer.body;
                    return Ok(answer.status);
                }
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Publishes the events of a phase over all lines at once, and gives the lines back.
///
/// # Errors
/// When a request fails, is answered with neither 2xx nor 503, or nothing is answered any more.
pub async fn publish(phase: Phase, lines: Vec<Line>, watch: Watch<'_>) -> Result<(Published, Vec<Line>), BenchError> {
    let shared = Arc::new(Shared::new(phase));
    if let (Some(due), Some(rate)) = (&shared.due, shared.phase.rate) {
        let requests = shared.phase.events.len().div_ceil(shared.phase.batch);
        let beat = pace::Beat { start: shared.start, rate, batch: shared.phase.batch };
        pace::start(due, beat, requests, lines.len())?;
    }
    let mut tasks: JoinSet<_> = lines.into_iter().map(|line| run(line, Arc::clone(&shared))).collect();
    let mut lines = Vec::with_capacity(tasks.len());
    let mut shown = tokio::time::interval(PROGRESS_EVERY);
    while !tasks.is_empty() {
        tokio::select! {
            Some(ended) = tasks.join_next() => lines.push(ended.expect("a line does not panic")?),
            _ = shown.tick() => shared.show(watch)?,
        }
    }
    let shared = Arc::into_inner(shared).expect("every line has ended");
    let published = shared.published.into_inner();
    Ok((published.expect("no line panicked"), lines))
}

/// One line: publishes the next events that are due until none are left.
async fn run(mut line: Line, shared: Arc<Shared>) -> Result<Line, BenchError> {
    while let Some((events, start)) = shared.turn().await {
        let count = events.len();
        shared.phase.ledger.published(events.clone(), start);
        let request = line.request.carrying(events, &shared.phase.ledger);
        let mut status = line.connection.exchange(request).await?;
        while status == 503 {
            shared.published().overloaded += 1;
            tokio::time::sleep(OVERLOADED_PAUSE).await;
            status = line.connection.exchange(request).await?;
        }
        shared.answered(count, start, status, line.connection.body())?;
    }
    Ok(line)
}

impl Shared {
    fn new(phase: Phase) -> Self {
        let start = now();
        Self {
            start,
            next: AtomicUsize::new(phase.events.start),
            due: phase.rate.map(|_| Arc::new(Semaphore::new(0))),
            published: Mutex::new(Published {
                start,
                last: start,
                accepted: 0,
                refused: 0,
                overloaded: 0,
                accept: Histogram::new(),
            }),
            phase,
        }
    }

    /// The next events and when their publishing starts, which in an open loop may be in the past.
    async fn turn(&self) -> Option<(Range<usize>, Instant)> {
        if let Some(due) = &self.due {
            due.acquire().await.expect("nobody closes it").forget();
        }
        let Phase { events, batch, rate, .. } = &self.phase;
        let first = self.next.fetch_add(*batch, Relaxed);
        if first >= events.end {
            return None;
        }
        let start = match *rate {
            Some(rate) => self.start + pace::offset(first - events.start, rate),
            None => now(),
        };
        Some((first..events.end.min(first + batch), start))
    }

    fn answered(&self, count: usize, start: Instant, status: u16, body: &[u8]) -> Result<(), BenchError> {
        let unexpected = |what: &str| {
            let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES)]);
            BenchError::new(format!("a publish was answered with {what}: {excerpt}"))
        };
        if !(200..300).contains(&status) {
            return Err(unexpected(&status.to_string()));
        }
        let accepted = if self.phase.batch == 1 {
            count
        } else {
            let answer: BatchAnswer = serde_json::from_slice(body)
                .map_err(|error| unexpected(&format!("a body of another shape ({error})")))?;
            let accepted = answer.data.iter().filter(|item| item.status == 202);
            accepted.count()
        };
        let last = now();
        let mut published = self.published();
        published.accept.record(last.saturating_duration_since(start));
        published.accepted += wide(accepted);
        published.refused += wide(count.saturating_sub(accepted));
        published.last = last;
        Ok(())
    }

    fn show(&self, watch: Watch<'_>) -> Result<(), BenchError> {
        let Phase { step, ledger, events, .. } = &self.phase;
        let before = ledger.expected(events.start);
        watch(super::Progress {
            step,
            done: ledger.delivered().saturating_sub(before),
            total: ledger.expected(events.end) - before,
        });
        let published = self.published();
        let expected_by =
            published.last + STALLED_AFTER + pace::offset(self.phase.batch, self.phase.rate.unwrap_or(u32::MAX));
        if now() < expected_by {
            return Ok(());
        }
        let accepted = published.accepted;
        Err(BenchError::new(format!("{step}: no answer any more after {accepted} events")))
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().expect("no line panics while it holds the figures")
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).expect("a count fits 64 bits")
}
