//! The shell around the core: channels in, one writer thread, attempts out.

use std::sync::Arc;
use std::sync::mpsc as thread_mpsc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::core::{Answer, Core, Input, NotChanged, Output};
use super::gate::Gate;
use crate::attempt::{self, Cause, Lease, Order, Report, Sender};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::event::NewEvent;
use crate::id::{EndpointId, EventId, IdSource, IdText};
use crate::store::{Batch, CommitFailed, Durable, Setting, Store};

/// How many inputs the core takes before it lets go of what gathered.
const INPUTS_PER_TURN: usize = 512;
/// How many events one read of recovery looks at.
const RECOVERY_SLICE: usize = 4_096;

type Reply = oneshot::Sender<Answer>;

enum Message {
    Input(Input<Reply>),
    /// Send nothing more; say so when what is in flight has ended and all outcomes are on disk.
    Stop(oneshot::Sender<()>),
}

/// The running engine, as everybody else sees it.
#[derive(Clone)]
pub struct Engine {
    messages: mpsc::UnboundedSender<Message>,
    gate: Arc<Gate>,
    ids: Arc<IdSource>,
    text: IdText,
}

/// What the engine is made of.
pub struct Parts<S, C> {
    /// Where everything durable is.
    pub store: Arc<dyn Store>,
    /// Who makes the attempts, once the key of the public ids is known.
    pub sender: S,
    /// What time it is.
    pub clock: Arc<C>,
    /// Decides the jitter of retries.
    pub seed: u64,
}

impl Engine {
    /// Takes up what the store holds, then runs until stopped. The second value resolves when the engine ended:
    /// `Err` when a commit may stand or not, and the process must end.
    pub async fn start<S: Sender, C: Clock>(
        parts: Parts<S, C>,
        opening: crate::store::Opening,
    ) -> Result<(Self, oneshot::Receiver<Result<()>>)> {
        let now = parts.clock.now();
        let ids = Arc::new(IdSource::new(0, opening.last_id));
        let text = IdText::new(opening.id_key);
        let from = opening.mark;
        let core = Core::recover(Arc::clone(&ids), opening, parts.seed, now);
        let (messages, inbox) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate::default());
        let engine = Self { messages: messages.clone(), gate: Arc::clone(&gate), ids, text };
        let (ended, end) = oneshot::channel();
        let shell = Shell { core, inbox, messages, gate, parts, failed: None, stopping: None };
        let shell = shell.recover(from).await?;
        tokio::spawn(async move {
            let outcome = shell.run().await;
            let _ = ended.send(outcome); // nobody asks when the process is already leaving
        });
        Ok((engine, end))
    }

    /// Makes events durable; one answer for each, in order. Error: 503 when too much waits, or it is unknown whether they stand.
    pub async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Result<Durable<EventId>>>> {
        let bytes = events.iter().map(|event| event.body.len()).sum();
        let _pass = self.gate.enter(events.len(), bytes).await?;
        let answer = self.ask(|reply| Input::Accept { events, reply }).await?;
        match answer {
            Answer::Events(answers) => Ok(answers),
            Answer::Changed(_) => Err(Error::internal("events were answered as a setting")),
        }
    }

    /// Makes a setting durable and obeyed. Error: why not.
    pub async fn change(&self, setting: Setting) -> Result<Durable<()>, NotChanged> {
        self.ask_change(|reply| Input::Change { setting: Box::new(setting), reply }).await
    }

    /// Makes one attempt due now. Error: why not.
    pub async fn resend(&self, event: EventId, endpoint: EndpointId) -> Result<Durable<()>, NotChanged> {
        self.ask_change(|reply| Input::Resend { event, endpoint, reply }).await
    }

    async fn ask_change(&self, input: impl FnOnce(Reply) -> Input<Reply>) -> Result<Durable<()>, NotChanged> {
        let _pass = self.gate.enter(1, 0).await.map_err(NotChanged::Failed)?;
        match self.ask(input).await.map_err(NotChanged::Failed)? {
            Answer::Changed(answer) => answer,
            Answer::Events(_) => Err(NotChanged::Failed(Error::internal("a setting was answered as events"))),
        }
    }

    async fn ask(&self, input: impl FnOnce(Reply) -> Input<Reply>) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Input(input(reply))).map_err(|_| unknown())?;
        answer.await.map_err(|_| unknown())
    }

    /// Lets attempts in flight end and their outcomes reach the disk; sends nothing more.
    pub async fn stop(&self) {
        let (done, is_done) = oneshot::channel();
        if self.messages.send(Message::Stop(done)).is_ok() {
            let _ = is_done.await; // an engine that failed has nothing left to end
        }
    }

    /// Where new ids come from.
    pub fn ids(&self) -> &IdSource {
        &self.ids
    }

    /// How ids are written.
    pub fn text(&self) -> &IdText {
        &self.text
    }

    /// What the metrics show.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

fn unknown() -> Error {
    let detail = "the server is ending: it is unknown whether this was accepted; send it again with the same Idempotency-Key or eventId";
    Error::new(crate::error::Kind::Overloaded, "unknown", detail)
}

struct Shell<S, C> {
    core: Core<Reply>,
    inbox: mpsc::UnboundedReceiver<Message>,
    messages: mpsc::UnboundedSender<Message>,
    gate: Arc<Gate>,
    parts: Parts<S, C>,
    failed: Option<oneshot::Receiver<String>>,
    stopping: Option<oneshot::Sender<()>>,
}

impl<S: Sender, C: Clock> Shell<S, C> {
    /// Finds deliveries without rows, slice by slice.
    async fn recover(mut self, mut from: EventId) -> Result<Self> {
        loop {
            let store = Arc::clone(&self.parts.store);
            let found =
                spawn_blocking(move || store.unwritten(from, RECOVERY_SLICE)).await.map_err(Error::internal)??;
            let next = found.next;
            self.core.step(self.parts.clock.now(), Input::Found(found));
            match next {
                Some(next) => from = next,
                None => return Ok(self),
            }
        }
    }

    async fn run(mut self) -> Result<()> {
        let (batches, failed) = self.start_writer()?;
        self.failed = Some(failed);
        loop {
            self.core.step(self.parts.clock.now(), Input::Drained);
            self.perform(&batches);
            self.gate.show(&self.core);
            if self.core.idle()
                && let Some(done) = self.stopping.take()
            {
                let _ = done.send(()); // whoever asked may be gone
                return Ok(());
            }
            if let Some(detail) = self.take_turn().await {
                return Err(Error::internal(detail));
            }
        }
    }

    /// Waits for inputs or time and tells the core; gives why the writer failed, when it did.
    async fn take_turn(&mut self) -> Option<String> {
        let wake_ms = self.core.wake_ms();
        let sleep_ms = wake_ms.map_or(0, |at| (at - self.parts.clock.now().steady_ms).max(0));
        let sleep = tokio::time::sleep(Duration::from_millis(sleep_ms.unsigned_abs()));
        let failed = self.failed.as_mut().expect("set when the writer started");
        tokio::select! {
            biased;
            message = self.inbox.recv() => match message {
                Some(message) => self.take(message),
                None => return Some("nobody is left to ask the engine".to_owned()),
            },
            detail = failed => return Some(detail.unwrap_or_else(|_| "the writer ended".to_owned())),
            () = sleep, if wake_ms.is_some() => {}
        }
        for _ in 0..INPUTS_PER_TURN {
            let Ok(message) = self.inbox.try_recv() else {
                break;
            };
            self.take(message);
        }
        let now = self.parts.clock.now();
        if self.core.wake_ms().is_some_and(|at| at <= now.steady_ms) {
            self.core.step(now, Input::Tick);
        }
        None
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Input(input) => self.core.step(self.parts.clock.now(), input),
            Message::Stop(done) => {
                self.core.hold();
                self.stopping = Some(done);
            }
        }
    }

    fn perform(&mut self, batches: &thread_mpsc::Sender<Arc<Batch>>) {
        let mut unread = Vec::new();
        for output in self.core.outputs() {
            match output {
                Output::Store(batch) => {
                    let _ = batches.send(batch); // a writer that ended says so on its own channel
                }
                Output::Reply(reply, answer) => {
                    let _ = reply.send(answer); // the caller hung up
                }
                Output::Send(order) if order.body.is_some() => {
                    tokio::spawn(attempt(
                        self.parts.sender.clone(),
                        order,
                        Landing::new(&self.messages, &self.parts.clock),
                    ));
                }
                Output::Send(order) => unread.push((order, Landing::new(&self.messages, &self.parts.clock))),
                Output::Load { endpoint, until_ms, limit } => {
                    let (store, messages) = (Arc::clone(&self.parts.store), self.messages.clone());
                    spawn_blocking(move || {
                        let slice = store.due(endpoint, until_ms, limit).unwrap_or_else(|error| {
                            tracing::error!(%error, "a due index could not be read; trying again");
                            crate::store::DueSlice { due: Vec::new(), next_ms: Some(until_ms + 1_000) }
                        });
                        let _ = messages.send(Message::Input(Input::Loaded(endpoint, slice)));
                    });
                }
            }
        }
        if !unread.is_empty() {
            tokio::spawn(read_then_send(Arc::clone(&self.parts.store), self.parts.sender.clone(), unread));
        }
    }

    /// One thread, one batch at a time; after a commit that may stand or not it says why and ends.
    fn start_writer(&self) -> Result<(thread_mpsc::Sender<Arc<Batch>>, oneshot::Receiver<String>)> {
        let (batches, incoming) = thread_mpsc::channel::<Arc<Batch>>();
        let (fail, failed) = oneshot::channel();
        let (store, messages) = (Arc::clone(&self.parts.store), self.messages.clone());
        let writer = std::thread::Builder::new().name("writer".to_owned());
        let thread = writer.spawn(move || {
            for batch in incoming {
                let input = match store.commit(&batch) {
                    Ok(receipt) => Input::Stored(receipt),
                    Err(CommitFailed::NotDone(detail)) => {
                        tracing::warn!(detail, "nothing could be written; trying again in a second");
                        Input::NotStored(detail)
                    }
                    Err(CommitFailed::Unknown(detail)) => {
                        let _ = fail.send(format!("a commit may stand or not: {detail}"));
                        return;
                    }
                };
                drop(batch);
                let _ = messages.send(Message::Input(input));
            }
        });
        thread.map_err(Error::internal)?;
        Ok((batches, failed))
    }
}

/// Reads bodies that are no longer in memory, all at once, then makes the attempts.
async fn read_then_send<S: Sender, C: Clock>(store: Arc<dyn Store>, sender: S, unread: Vec<(Order, Landing<C>)>) {
    let events: Vec<_> = unread.iter().map(|(order, _)| order.lease.event).collect();
    let bodies = spawn_blocking(move || store.bodies(&events)).await;
    let bodies = bodies.map_err(Error::internal).and_then(|read| read).unwrap_or_else(|error| {
        tracing::error!(%error, "bodies could not be read");
        vec![None; unread.len()]
    });
    for ((order, landing), body) in unread.into_iter().zip(bodies) {
        match body {
            Some(body) => {
                tokio::spawn(attempt(sender.clone(), Order { body: Some(body), ..order }, landing));
            }
            None => landing.with(order.lease).give_up("the stored payload is missing or damaged"),
        }
    }
}

async fn attempt<S: Sender, C: Clock>(sender: S, order: Order, landing: Landing<C>) {
    let landing = landing.with(order.lease);
    let report = sender.send(order).await;
    landing.land(report);
}

/// Gives a lease back exactly once, also when the attempt panics.
struct Landing<C: Clock> {
    lease: Option<Lease>,
    messages: mpsc::UnboundedSender<Message>,
    clock: Arc<C>,
}

impl<C: Clock> Landing<C> {
    fn new(messages: &mpsc::UnboundedSender<Message>, clock: &Arc<C>) -> Self {
        Self { lease: None, messages: messages.clone(), clock: Arc::clone(clock) }
    }

    fn with(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    fn land(mut self, report: Report) {
        self.report(report);
    }

    fn give_up(mut self, detail: &str) {
        self.report_internal(detail);
    }

    fn report_internal(&mut self, detail: &str) {
        let answer = attempt::Answer::Failure { cause: Cause::Internal, detail: detail.to_owned() };
        let report = Report { started_ms: self.clock.now().wall_ms, duration_ms: 0, answer };
        self.report(report);
    }

    fn report(&mut self, report: Report) {
        if let Some(lease) = self.lease.take() {
            let _ = self.messages.send(Message::Input(Input::Done(lease, report))); // nobody listens after the end
        }
    }
}

impl<C: Clock> Drop for Landing<C> {
    fn drop(&mut self) {
        self.report_internal("the attempt was cut short inside posthaste");
    }
}
