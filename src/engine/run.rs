//! The shell around the core: channels in, one writer thread, attempts out.

use std::sync::Arc;
use std::sync::mpsc as thread_mpsc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::core::Core;
use super::gate::Gate;
use super::hasten::hasten;
use super::message::{Answer, Input, NotChanged, Output};
use super::pulse::Pulse;
use super::senders::{Means, Senders};
use crate::attempt::{Lease, Report, Sender};
use crate::audit::By;
use crate::clock::{Clock, Now};
use crate::error::{Error, Result};
use crate::event::{Accepted, NewEvent};
use crate::id::{EndpointId, EventId, IdSource, IdText};
use crate::retry::Ladder;
use crate::store::{Batch, CommitFailed, DAMAGED, Durable, Op, Receipt, Refused, Setting, Store};

/// How many inputs the core takes before it lets go of what gathered.
const INPUTS_PER_TURN: usize = 512;
/// How many events one read of recovery looks at.
const RECOVERY_SLICE: usize = 4_096;
/// A read that failed is tried again after so long.
const READ_PAUSE_MS: i64 = 1_000;

/// And one that met damage, after a minute.
const DAMAGED_PAUSE_MS: i64 = 60_000;

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
    pulse: Arc<Pulse>,
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
    /// How many times faster than written waits pass: 1, but for the sandbox.
    pub speed: u32,
    /// When a failed delivery is tried again, where neither its endpoint nor its provider says so.
    pub ladder: Ladder,
    /// How many attempts run at one time, at most [`super::core::IN_FLIGHT_MAX`].
    pub slots: usize,
}

impl Engine {
    /// Takes up what the store holds, then runs until stopped. The second value resolves when the engine ended:
    /// `Err` when a commit may stand or not, and the process must end.
    pub async fn start<S: Sender, C: Clock>(
        parts: Parts<S, C>,
        mut opening: crate::store::Opening,
    ) -> Result<(Self, oneshot::Receiver<Result<()>>)> {
        let now = parts.clock.now();
        let ids = Arc::new(IdSource::new(0, opening.last_id));
        let text = IdText::new(opening.id_key);
        let from = opening.mark;
        hasten(Arc::clone(&parts.store), (&parts.ladder, parts.speed), &mut opening, now).await?;
        let mut core = Core::recover(Arc::clone(&ids), opening, parts.seed, now);
        core = core.at_speed(parts.speed).with_ladder(parts.ladder.clone()).with_slots(parts.slots);
        find_unwritten(&mut core, &parts, from).await?;
        let (messages, inbox) = mpsc::unbounded_channel();
        let (reports, landed) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate::default());
        let pulse = Arc::new(Pulse::default());
        let engine = Self { messages: messages.clone(), gate: Arc::clone(&gate), pulse: Arc::clone(&pulse), ids, text };
        let (ended, end) = oneshot::channel();
        let (store, clock) = (Arc::clone(&parts.store), Arc::clone(&parts.clock));
        let (batches, failed) = start_writer((Arc::clone(&store), Arc::clone(&clock)), pulse, messages.clone())?;
        let means = Means { store: parts.store, sender: parts.sender, clock: parts.clock, reports };
        let senders = Senders::start(&means)?;
        let shell =
            Shell { core, inbox, landed, messages, gate, store, clock, batches, failed, senders, stopping: None };
        tokio::spawn(async move {
            let outcome = shell.run().await;
            let _ = ended.send(outcome); // nobody asks when the process is already leaving
        });
        Ok((engine, end))
    }

    /// Makes events durable; one answer for each, in order. Error: 503 when too much waits, or it is unknown whether they stand.
    pub async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Result<Durable<Accepted>>>> {
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

    /// Writes down what changes nothing in the engine ([`Op::Turned`], [`Op::Quarantine`], [`Op::Alive`],
    /// [`Op::Outage`]). Error: why not; it is not tried again.
    pub async fn record(&self, op: Op) -> Result<Durable<()>, NotChanged> {
        self.ask_change(|reply| Input::Record { op: Box::new(op), reply }).await
    }

    /// Makes one attempt due now. Error: why not.
    pub async fn resend(&self, by: By, event: EventId, endpoint: EndpointId) -> Result<Durable<()>, NotChanged> {
        self.ask_change(|reply| Input::Resend { event, endpoint, by, reply }).await
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

    /// Whether commits go through.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
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

/// Finds deliveries without rows, slice by slice.
async fn find_unwritten<S, C: Clock>(core: &mut Core<Reply>, parts: &Parts<S, C>, mut from: EventId) -> Result<()> {
    loop {
        let store = Arc::clone(&parts.store);
        let found = spawn_blocking(move || store.unwritten(from, RECOVERY_SLICE)).await.map_err(Error::internal)??;
        let next = found.next;
        core.step(parts.clock.now(), Input::Found(found));
        match next {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// One thread, one batch at a time; after a commit that may stand or not it says why and ends.
fn start_writer<C: Clock>(
    (store, clock): (Arc<dyn Store>, Arc<C>),
    pulse: Arc<Pulse>,
    messages: mpsc::UnboundedSender<Message>,
) -> Result<(Batches, Failed)> {
    let (batches, incoming) = thread_mpsc::channel::<Arc<Batch>>();
    let (fail, failed) = oneshot::channel();
    let writer = std::thread::Builder::new().name("writer".to_owned());
    let thread = writer.spawn(move || {
        for batch in incoming {
            pulse.begun(clock.now().steady_ms);
            let done = store.commit(&batch);
            pulse.ended(clock.now().steady_ms, done.as_ref().err().map(|error| error.detail().to_owned()));
            let input = match done {
                Ok(receipt) => {
                    tell_unwritable(&batch, receipt.get());
                    Input::Stored(receipt)
                }
                Err(CommitFailed::NotDone(detail)) => {
                    tracing::warn!(detail, "nothing could be written; trying again in a second");
                    Input::NotStored(detail)
                }
                Err(CommitFailed::Unknown(detail)) => {
                    let _ = fail.send(format!("a commit may stand or not: {detail}")); // the shell may have ended
                    return;
                }
            };
            drop(batch);
            let _ = messages.send(Message::Input(input)); // the shell may have ended
        }
    });
    thread.map_err(Error::internal)?;
    Ok((batches, failed))
}

fn tell_unwritable(batch: &Batch, receipt: &Receipt) {
    for (position, refused) in &receipt.refused {
        if let (Refused::Unwritable(detail), Some(op)) = (refused, batch.ops.get(*position)) {
            let what = op.name();
            tracing::error!(
                what,
                detail,
                "cannot be written, and is left out; run `posthaste check` and see what is damaged"
            );
        }
    }
}

/// How long a read that failed so is left alone: what is damaged is not whole a second later.
fn pause_ms(error: &Error) -> i64 {
    if error.code == DAMAGED { DAMAGED_PAUSE_MS } else { READ_PAUSE_MS }
}

type Batches = thread_mpsc::Sender<Arc<Batch>>;
type Failed = oneshot::Receiver<String>;

struct Shell<C> {
    core: Core<Reply>,
    inbox: mpsc::UnboundedReceiver<Message>,
    landed: mpsc::UnboundedReceiver<(Lease, Report)>,
    messages: mpsc::UnboundedSender<Message>,
    gate: Arc<Gate>,
    store: Arc<dyn Store>,
    clock: Arc<C>,
    batches: Batches,
    failed: Failed,
    senders: Senders,
    stopping: Option<oneshot::Sender<()>>,
}

impl<C: Clock> Shell<C> {
    async fn run(mut self) -> Result<()> {
        loop {
            self.perform();
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

    /// Waits for inputs or time and tells the core; gives why the engine must end, when it must.
    async fn take_turn(&mut self) -> Option<String> {
        let wake_ms = self.core.wake_ms();
        let sleep_ms = wake_ms.map_or(0, |at| (at - self.clock.now().steady_ms).max(0));
        let sleep = tokio::time::sleep(Duration::from_millis(sleep_ms.unsigned_abs()));
        let mut first = None;
        tokio::select! {
            biased;
            Some((lease, report)) = self.landed.recv() => first = Some(Message::Input(Input::Done(lease, report))),
            Some(message) = self.inbox.recv() => first = Some(message),
            detail = &mut self.failed => return Some(detail.unwrap_or_else(|_| "the writer ended".to_owned())),
            () = sleep, if wake_ms.is_some() => {}
        }
        let now = self.clock.now();
        let mut end = first.and_then(|message| self.take(now, message));
        for _ in 0..INPUTS_PER_TURN {
            let Ok((lease, report)) = self.landed.try_recv() else {
                break;
            };
            self.core.step(now, Input::Done(lease, report));
        }
        for _ in 0..INPUTS_PER_TURN {
            let Ok(message) = self.inbox.try_recv() else {
                break;
            };
            end = end.or(self.take(now, message));
        }
        if self.core.wake_ms().is_some_and(|at| at <= now.steady_ms) {
            self.core.step(now, Input::Tick);
        }
        self.core.step(now, Input::Drained);
        end
    }

    /// Tells the core; gives why the engine must end when a stop waits for a disk that takes nothing.
    fn take(&mut self, now: Now, message: Message) -> Option<String> {
        match message {
            Message::Input(Input::NotStored(detail)) if self.stopping.is_some() && self.core.in_flight() == 0 => {
                return Some(format!(
                    "the last outcomes could not be written, their attempts will be repeated: {detail}"
                ));
            }
            Message::Input(input) => self.core.step(now, input),
            Message::Stop(done) => {
                self.core.hold();
                self.stopping = Some(done);
            }
        }
        None
    }

    fn perform(&mut self) {
        for output in self.core.outputs() {
            match output {
                Output::Store(batch) => {
                    let _ = self.batches.send(batch); // a writer that ended says so on its own channel
                }
                Output::Reply(reply, answer) => {
                    let _ = reply.send(answer); // the caller hung up
                }
                Output::Send(order) => self.senders.send(order),
                Output::Outage { lasts: true, cause } => {
                    tracing::error!(cause, "attempts are put off: nothing of them counts until one is answered");
                }
                Output::Outage { cause, .. } => tracing::warn!(cause, "attempts are made again"),
                Output::Seek(replay, limit) => {
                    let (store, messages) = (Arc::clone(&self.store), self.messages.clone());
                    spawn_blocking(move || {
                        let found = store.replayable(&replay, limit);
                        let found =
                            found.inspect_err(|error| tracing::error!(%error, "a replay could not be read")).ok();
                        let _ = messages.send(Message::Input(Input::Replayable(replay, found)));
                    });
                }
                Output::Load { endpoint, until_ms, limit } => {
                    let (store, messages) = (Arc::clone(&self.store), self.messages.clone());
                    let now_ms = self.clock.now().steady_ms;
                    spawn_blocking(move || {
                        let slice = store.due(endpoint, until_ms, limit).unwrap_or_else(|error| {
                            tracing::error!(%error, "a due index could not be read; trying again");
                            let again_ms = now_ms + pause_ms(&error);
                            crate::store::DueSlice { due: Vec::new(), next_ms: Some(again_ms) }
                        });
                        let _ = messages.send(Message::Input(Input::Loaded(endpoint, slice)));
                    });
                }
            }
        }
    }
}
