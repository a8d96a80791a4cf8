//! The senders: threads that make attempts, each endpoint's always on the same one, so that its connections are.

use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::attempt::{Answer, Cause, Lease, Order, Payload, Report, Sender};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{EventId, Id as _};
use crate::store::Store;

/// How many orders a thread takes up before it lets attempts go on.
const ORDERS_PER_TURN: usize = 256;
/// At most so many threads; half the machine's processors, one at least.
const THREADS_MAX: usize = 8;

/// How many reads of payloads one thread has under way.
const READERS_MAX: usize = 4;

/// Where finished attempts are told.
pub(super) type Reports = mpsc::UnboundedSender<(Lease, Report)>;

/// What every sender needs.
pub(super) struct Means<S, C> {
    pub(super) store: Arc<dyn Store>,
    pub(super) sender: S,
    pub(super) clock: Arc<C>,
    pub(super) reports: Reports,
}

impl<S: Clone, C> Clone for Means<S, C> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            sender: self.sender.clone(),
            clock: Arc::clone(&self.clock),
            reports: self.reports.clone(),
        }
    }
}

/// The threads that make attempts; they end when this is dropped.
pub(super) struct Senders {
    threads: Vec<mpsc::UnboundedSender<Order>>,
}

impl Senders {
    /// Starts the threads. Error: the system gives none.
    pub(super) fn start<S: Sender, C: Clock>(means: &Means<S, C>) -> Result<Self> {
        let count = thread::available_parallelism().map_or(1, |cores| cores.get() / 2).clamp(1, THREADS_MAX);
        let threads = (0..count).map(|_| start_thread(means.clone())).collect::<Result<_>>()?;
        Ok(Self { threads })
    }

    /// Gives an order to its endpoint's thread, which reports in any case.
    pub(super) fn send(&self, order: Order) {
        let hash = order.endpoint.id.value().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let thread = usize::try_from(hash).unwrap_or_default() % self.threads.len();
        self.threads[thread].send(order).expect("a sender's thread lives as long as its channel");
    }
}

fn start_thread<S: Sender, C: Clock>(means: Means<S, C>) -> Result<mpsc::UnboundedSender<Order>> {
    let (orders, incoming) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS_MAX)
        .build()
        .map_err(Error::internal)?;
    let thread = thread::Builder::new().name("sender".to_owned());
    thread.spawn(move || runtime.block_on(take_orders(incoming, means))).map_err(Error::internal)?;
    Ok(orders)
}

async fn take_orders<S: Sender, C: Clock>(mut incoming: mpsc::UnboundedReceiver<Order>, means: Means<S, C>) {
    let mut orders = Vec::with_capacity(ORDERS_PER_TURN);
    while incoming.recv_many(&mut orders, ORDERS_PER_TURN).await > 0 {
        let mut unread = Vec::new();
        for order in orders.drain(..) {
            let landing = Landing::of(&order, &means);
            if order.payload.is_some() {
                tokio::spawn(attempt(means.sender.clone(), order, landing));
            } else {
                unread.push((order, landing));
            }
        }
        if !unread.is_empty() {
            tokio::spawn(read_then_send(means.clone(), unread));
        }
    }
}

/// Reads bodies that are no longer in memory, all at once, then makes the attempts.
async fn read_then_send<S: Sender, C: Clock>(means: Means<S, C>, unread: Vec<(Order, Landing<C>)>) {
    let events: Vec<_> = unread.iter().map(|(order, _)| order.lease.event).collect();
    let store = Arc::clone(&means.store);
    let payloads = spawn_blocking(move || read_each(&*store, &events)).await;
    let payloads = payloads.unwrap_or_else(|error| vec![Err(Error::internal(error)); unread.len()]);
    for ((order, landing), payload) in unread.into_iter().zip(payloads) {
        match payload {
            Ok(Some(payload)) => {
                tokio::spawn(attempt(means.sender.clone(), Order { payload: Some(payload), ..order }, landing));
            }
            Ok(None) => landing.give_up(Cause::Internal, "the stored payload is missing or damaged"),
            Err(error) => {
                tracing::error!(%error, "a body could not be read; its delivery is put off");
                landing.give_up(Cause::Local, "the stored payload cannot be read now");
            }
        }
    }
}

/// Reads bodies at once, or each by itself where that fails: one that cannot be read keeps no other from being sent.
fn read_each(store: &dyn Store, events: &[EventId]) -> Vec<Result<Option<Payload>>> {
    if let Ok(payloads) = store.payloads(events) {
        return payloads.into_iter().map(Ok).collect();
    }
    events.iter().map(|event| store.payloads(&[*event]).map(|read| read.into_iter().next().flatten())).collect()
}

async fn attempt<S: Sender, C: Clock>(sender: S, order: Order, landing: Landing<C>) {
    let report = sender.send(order).await;
    landing.land(report);
}

/// Gives a lease back exactly once, also when the attempt panics.
struct Landing<C: Clock> {
    lease: Option<Lease>,
    reports: Reports,
    clock: Arc<C>,
}

impl<C: Clock> Landing<C> {
    fn of<S>(order: &Order, means: &Means<S, C>) -> Self {
        Self { lease: Some(order.lease), reports: means.reports.clone(), clock: Arc::clone(&means.clock) }
    }

    fn land(mut self, report: Report) {
        self.report(report);
    }

    fn give_up(mut self, cause: Cause, detail: &str) {
        self.report_failure(cause, detail);
    }

    fn report_failure(&mut self, cause: Cause, detail: &str) {
        let answer = Answer::Failure { cause, detail: detail.to_owned() };
        let report = Report { started_ms: self.clock.now().wall_ms, duration_ms: 0, answer, webhook_id: None };
        self.report(report);
    }

    fn report(&mut self, report: Report) {
        if let Some(lease) = self.lease.take() {
            let _ = self.reports.send((lease, report)); // nobody listens after the end
        }
    }
}

impl<C: Clock> Drop for Landing<C> {
    fn drop(&mut self) {
        if self.lease.is_some() {
            self.report_failure(Cause::Internal, "the attempt was cut short inside posthaste");
        }
    }
}
