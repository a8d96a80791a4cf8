//! The world: a loop over virtual time that hands the core its inputs and does what it asks for.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::SmallRng;

use super::clients::Clients;
use super::disk::Disk;
use super::faults::{self, Options};
use super::ledger::Ledger;
use super::mutants::Mutant;
use super::mutation::Mutation;
use super::queue::{Happening, Queue};
use super::receivers::{Brought, Receivers};
use super::report::{Failure, Trace, Verdict};
use crate::attempt::{Cause, Lease, Order};
use crate::clock::Now;
use crate::engine::core::Core;
use crate::engine::message::{Input, Output};
use crate::id::{Id as _, IdSource};
use crate::store::Store as _;

/// When virtual time begins: some day in November 2026, in ms since 1970.
const BEGINNING_MS: i64 = 1_795_305_600_000;
const DAY_MS: i64 = 86_400_000;
/// A world that takes more steps than this does not come to rest.
const STEPS_MAX: u64 = 400_000;
/// So many wake-ups at one moment, and nothing done: a core that spins.
const IDLE_TICKS_MAX: u32 = 100;
/// A crash comes after at most so many steps from the one before.
const CRASH_STEPS_MAX: u32 = 160;

/// One seed's world.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) options: Options,
    pub(super) mutation: Mutation,
    pub(super) trace: Trace,
    pub(super) queue: Queue,
    pub(super) ledger: Ledger,
    pub(super) disk: Disk,
    pub(super) clients: Clients,
    receivers: Receivers,
    rng: SmallRng,
    pub(super) ids: Arc<IdSource>,
    pub(super) core: Option<Core<usize>>,
    /// Counts processes: what belongs to a dead one is void.
    pub(super) run: u32,
    /// Recovery is over: clients are served.
    pub(super) ready: bool,
    pub(super) calm: bool,
    /// The process was told to stop, and lets end what is on its way.
    pub(super) stopping: bool,
    pub(super) at_ms: i64,
    pub(super) steady_offset_ms: i64,
    pub(super) wall_offset_ms: i64,
    /// Requests that are sent twice at nearly one time.
    pub(super) twins: Vec<(usize, usize)>,
    outputs: Vec<Output<usize>>,
    steps: u64,
    pub(super) crashes: u64,
    /// Steps until the next crash; `None` when none is to come.
    crash_in: Option<u32>,
    crashes_left: u32,
    idle_ticks: u32,
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>, lines: usize) -> Self {
        let mut rng = faults::stream(seed, 1);
        let options = Options::roll(seed, &mut rng);
        let beginning_ms = BEGINNING_MS + rng.random_range(0..DAY_MS);
        let now = Now { steady_ms: beginning_ms, wall_ms: beginning_ms };
        let mut world = Self {
            seed,
            mutation: Mutation::new(mutant),
            trace: Trace::new(lines),
            queue: Queue::default(),
            ledger: Ledger::new(now, &options),
            disk: Disk::new(faults::stream(seed, 2), options.tail_max),
            clients: Clients::new(faults::stream(seed, 3)),
            receivers: Receivers::new(faults::stream(seed, 4)),
            ids: Arc::new(IdSource::new(0, 0)),
            core: None,
            run: 0,
            ready: false,
            calm: false,
            stopping: false,
            at_ms: 0,
            steady_offset_ms: beginning_ms,
            wall_offset_ms: beginning_ms,
            twins: Vec::new(),
            outputs: Vec::new(),
            steps: 0,
            crashes: 0,
            crash_in: None,
            crashes_left: options.crashes,
            idle_ticks: 0,
            rng,
            options,
        };
        world.furnish();
        world.plan();
        world
    }

    fn plan(&mut self) {
        let span_ms = self.options.span_ms;
        self.queue.put(0, Happening::Start);
        self.plan_events();
        self.plan_twins();
        self.plan_changes();
        for _ in 0..self.options.crashes / 3 {
            self.crashes_left -= 1;
            self.queue.put(self.rng.random_range(0..span_ms), Happening::Crash);
        }
        for _ in 0..self.options.stops {
            self.queue.put(self.rng.random_range(0..span_ms), Happening::Stop);
        }
        for _ in 0..self.options.jumps {
            self.queue.put(self.rng.random_range(0..span_ms), Happening::Jump);
        }
        for _ in 0..self.options.disk_full {
            let from_ms = self.rng.random_range(0..span_ms);
            let length_ms = self.rng.random_range(0..20_000);
            self.queue.put(from_ms, Happening::DiskFull(true));
            self.queue.put((from_ms + length_ms).min(span_ms), Happening::DiskFull(false));
        }
        self.queue.put(span_ms, Happening::Calm);
        self.next_crash();
    }

    fn next_crash(&mut self) {
        self.crash_in = (self.crashes_left > 0).then(|| self.rng.random_range(1..=CRASH_STEPS_MAX));
        self.crashes_left = self.crashes_left.saturating_sub(1);
    }

    /// Lives to the end: until something is wrong, or nothing is left to happen.
    pub(super) fn live(mut self) -> Verdict {
        loop {
            let turned = panic::catch_unwind(AssertUnwindSafe(|| self.turn()));
            if turned.is_err() {
                self.core = None;
                self.ledger.blame("the engine panicked".to_owned());
            }
            if self.ledger.wrong.is_some() || !turned.unwrap_or(false) {
                break;
            }
        }
        if self.ledger.wrong.is_none() {
            self.ledger.close(&self.disk.memory);
            if self.core.as_ref().is_some_and(|core| core.oldest().is_some() || core.waiting() > 0) {
                self.ledger.blame("the core still holds deliveries in memory".to_owned());
            }
        }
        let options = &self.options;
        let failure = self.ledger.wrong.take().map(|wrong| Failure { options: format!("{options:?}"), wrong });
        let hash = self.trace.hash();
        Verdict {
            seed: self.seed,
            steps: self.steps,
            crashes: self.crashes,
            hash,
            lines: self.trace.into_lines(),
            failure,
        }
    }

    /// Lets the next thing happen; false when there is none.
    fn turn(&mut self) -> bool {
        let wake_ms = self
            .core
            .as_ref()
            .and_then(Core::wake_ms)
            .map(|wake_ms| (wake_ms.saturating_sub(self.steady_offset_ms) + self.options.late_ms).max(self.at_ms));
        let next_ms = self.queue.next_ms();
        match (next_ms, wake_ms) {
            (None, None) => return false,
            (Some(next_ms), wake_ms) if wake_ms.is_none_or(|wake_ms| next_ms <= wake_ms) => {
                self.set_time(next_ms);
                self.idle_ticks = 0;
                if let Some(happening) = self.queue.take() {
                    self.happen(happening);
                }
            }
            (_, wake_ms) => {
                self.set_time(wake_ms.unwrap_or(self.at_ms));
                self.tick();
            }
        }
        if self.core.is_some()
            && (self.queue.next_ms().is_none_or(|next_ms| next_ms > self.at_ms + self.options.busy_ms)
                || self.rng.random_ratio(1, 3))
        {
            self.step(Input::Drained);
        }
        if self.stopping && self.core.as_ref().is_some_and(Core::idle) {
            self.stopped();
        }
        if self.steps > STEPS_MAX {
            self.ledger.blame("the world does not come to rest".to_owned());
        }
        true
    }

    fn set_time(&mut self, at_ms: i64) {
        self.at_ms = at_ms;
        self.ledger.at_ms = at_ms;
        self.ledger.now = self.now();
    }

    fn tick(&mut self) {
        self.idle_ticks += 1;
        if self.idle_ticks > IDLE_TICKS_MAX
            && self.core.as_ref().and_then(Core::wake_ms).is_some_and(|wake_ms| wake_ms < self.now().steady_ms)
        {
            return self.ledger.blame("the core wants to be woken in the past, again and again".to_owned());
        }
        self.trace.note(self.at_ms, "tick", (0, 0));
        self.step(Input::Tick);
        let oldest = self.core.as_ref().and_then(Core::oldest);
        self.ledger.check_oldest(oldest);
    }

    fn happen(&mut self, happening: Happening) {
        let run = self.run;
        match happening {
            Happening::Start => self.start(),
            Happening::Crash if !self.calm => self.crash(),
            Happening::Stop => self.stop(),
            Happening::Page(of, from) if of == run => self.page(from),
            Happening::Synced(of) if of == run => self.synced(),
            Happening::Told(of) if of == run => self.told(),
            Happening::Read(of, endpoint, until_ms, limit) if of == run => self.read(endpoint, until_ms, limit),
            Happening::Loaded(of, endpoint, slice) if of == run => self.step(Input::Loaded(endpoint, *slice)),
            Happening::Done(of, lease, brought) if of == run => self.done(lease, brought),
            Happening::Freed(of, lease) if of == run => {
                let failed = Brought { status: 0, cause: Cause::Internal, duration_ms: 0, retry_after_secs: None };
                self.step(Input::Done(lease, failed.report(self.at_ms)));
            }
            Happening::Ask(request) => self.ask_with_twin(request),
            Happening::Change => self.ask_for_change(),
            Happening::Revive => self.revive(),
            Happening::Resend => self.ask_for_resend(),
            Happening::Jump => self.jump(),
            Happening::DiskFull(full) => self.disk.full = full && !self.calm,
            Happening::Calm => self.calm_down(),
            _ => {}
        }
    }

    fn ask_with_twin(&mut self, request: usize) {
        if let Some(position) = self.twins.iter().position(|(first, _)| *first == request) {
            let (_, twin) = self.twins.swap_remove(position);
            let wait_ms = self.rng.random_range(0..2 * self.options.commit_ms + 20);
            self.queue.put(self.at_ms + wait_ms, Happening::Ask(twin));
        }
        self.ask(request);
    }

    fn jump(&mut self) {
        let far_ms = self.rng.random_range(-self.options.jump_ms..=self.options.jump_ms);
        self.trace.note(self.at_ms, "wall clock jumps by", (far_ms, 0));
        self.wall_offset_ms += far_ms;
        self.ledger.jumps += 1;
        self.ledger.now = self.now();
    }

    fn calm_down(&mut self) {
        self.trace.note(self.at_ms, "calm", (0, 0));
        self.calm = true;
        self.disk.full = false;
        self.crash_in = None;
        self.receivers.calm();
        self.queue.put(self.at_ms + self.rng.random_range(1_000..100_000), Happening::Revive);
    }

    /// Gives the core one input and does what it asks for; the process may die before, amid or after that.
    pub(super) fn step(&mut self, input: Input<usize>) {
        let now = self.now();
        self.step_at(now, input);
    }

    fn step_at(&mut self, now: Now, mut input: Input<usize>) {
        let Some(core) = &mut self.core else {
            return;
        };
        self.mutation.input(&mut input);
        core.step(now, input);
        self.steps += 1;
        if let Some(steps) = &mut self.crash_in {
            *steps -= 1;
            if *steps == 0 {
                return self.crash_amid();
            }
        }
        self.take_outputs();
    }

    /// Does all that the core asked for.
    pub(super) fn take_outputs(&mut self) {
        let Some(core) = &mut self.core else {
            return;
        };
        let mut outputs = std::mem::take(&mut self.outputs);
        outputs.extend(core.outputs());
        for output in outputs.drain(..) {
            self.obey(output);
        }
        self.outputs = outputs;
    }

    /// Does some of what the core asked for, and dies.
    fn crash_amid(&mut self) {
        let outputs: Vec<_> = self.core.iter_mut().flat_map(Core::outputs).collect();
        let done = self.rng.random_range(0..=outputs.len());
        for output in outputs.into_iter().take(done) {
            self.obey(output);
        }
        self.crash();
        self.next_crash();
    }

    fn obey(&mut self, output: Output<usize>) {
        match output {
            Output::Store(batch) => self.store(batch),
            Output::Reply(request, answer) => self.reply(request, answer),
            Output::Send(order) => self.send(order),
            Output::Outage { lasts, .. } => self.ledger.outage(lasts),
            Output::Load { endpoint, until_ms, limit } => self.load(endpoint, until_ms, limit),
            Output::Seek(replay, limit) => {
                let found = self.disk.memory.replayable(&replay, limit).ok();
                self.step(Input::Replayable(replay, found));
            }
        }
    }

    fn send(&mut self, order: Order) {
        let lease = order.lease;
        self.trace.note(self.at_ms, "send: event, endpoint", (lease.event.value(), lease.endpoint.value()));
        let mut wire = order;
        if wire.payload.is_none() {
            wire.payload = self.disk.memory.payloads(&[lease.event]).unwrap_or_default().pop().flatten();
        }
        self.mutation.wire(&mut wire);
        let target = self.ledger.sent(&wire);
        if self.mutation.sends_twice() {
            self.ledger.sent(&wire);
        }
        let Some(target) = target else {
            return;
        };
        let brought = self.receivers.meet(&self.options, target, self.at_ms);
        let ends_ms = self.at_ms + i64::from(brought.duration_ms);
        self.queue.put(ends_ms, Happening::Done(self.run, lease, brought));
        if self.mutation.frees_slots_early() {
            self.queue.put(self.at_ms, Happening::Freed(self.run, lease));
        }
    }

    fn done(&mut self, lease: Lease, brought: Brought) {
        self.trace.note(self.at_ms, "done: event, status", (lease.event.value(), i64::from(brought.status)));
        self.ledger.ended(lease, brought);
        let (now, told) = self.mutation.report(self.now(), brought);
        if self.mutation.tells_reports_twice() {
            self.step_at(now, Input::Done(lease, told.report(now.wall_ms)));
        }
        self.step_at(now, Input::Done(lease, told.report(now.wall_ms)));
    }
}
