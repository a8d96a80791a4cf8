//! Ten minutes of an outage in quick motion: the engine and the simulator's store, whose clock is ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use posthaste::attempt::{Answer, Cause, Lease, Order, Report};
use posthaste::clock::Now;
use posthaste::delivery::Status;
use posthaste::endpoint::{Endpoint, State};
use posthaste::engine::core::Core;
use posthaste::engine::message::{Input, Output};
use posthaste::event::NewEvent;
use posthaste::id::{ApplicationId, AttemptId, EnvironmentId, IdSource};
use posthaste::store::{Change, Unwritten};

use crate::store::subject::{NOON_MS, Subject, set};

const SECOND_MS: i64 = 1_000;

/// What an attempt at this host brings at this time, and after how many ms.
type World = fn(host: &str, secs: i64) -> (i64, Answer);

struct Motion {
    core: Core<()>,
    subject: Subject,
    world: World,
    now_ms: i64,
    /// Attempts that end then.
    flying: BTreeMap<(i64, AttemptId), (Lease, Answer)>,
    /// How many attempts were made, by their second.
    made: BTreeMap<i64, usize>,
    environment: EnvironmentId,
    applications: Vec<ApplicationId>,
    outages: Vec<bool>,
}

fn response(status: u16) -> Answer {
    Answer::Response { status, retry_after_secs: None, wish: None, excerpt: bytes::Bytes::new() }
}

fn failure(cause: Cause) -> Answer {
    Answer::Failure { cause, detail: "it is cut off".to_owned() }
}

impl Motion {
    /// Applications with so many endpoints each, every one with a host of its own.
    fn new(applications: &[usize], world: World) -> Self {
        let subject = Subject::memory();
        let environment = subject.make_environment("test");
        let mut all = Vec::new();
        for (nth, endpoints) in applications.iter().enumerate() {
            let application = subject.new_application(environment, None);
            subject.done(set(Change::Application(application.clone())));
            for host in 0..*endpoints {
                let url = format!("https://h{host}.a{nth}.example/");
                let (event_types, channels) = (Vec::new(), Vec::new());
                let endpoint = Endpoint { url, event_types, channels, ..subject.new_endpoint(&application, None) };
                subject.done(set(Change::Endpoint(endpoint)));
            }
            all.push(application.id);
        }
        let opening = subject.opening(NOON_MS).unwrap();
        let ids = Arc::new(IdSource::new(0, opening.last_id));
        let now = Now { steady_ms: NOON_MS, wall_ms: NOON_MS };
        let mut core = Core::recover(ids, opening, 7, now);
        core.step(now, Input::Found(Unwritten::default()));
        let (flying, made, outages) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { core, subject, world, now_ms: NOON_MS, flying, made, environment, applications: all, outages }
    }

    fn secs(&self) -> i64 {
        (self.now_ms - NOON_MS) / SECOND_MS
    }

    fn step(&mut self, input: Input<()>) {
        self.core.step(Now { steady_ms: self.now_ms, wall_ms: self.now_ms }, input);
    }

    fn publish(&mut self, application: usize) {
        let body = bytes::Bytes::from_static(b"{}");
        let event = NewEvent::operational(self.environment, self.applications[application], "a", body);
        self.step(Input::Accept { events: vec![event], reply: () });
    }

    /// Lets time pass until then, in seconds from the beginning.
    fn run_until(&mut self, secs: i64) {
        let end_ms = NOON_MS + secs * SECOND_MS;
        loop {
            self.settle();
            let next_ms = self.core.wake_ms().into_iter().chain(self.flying.keys().next().map(|key| key.0)).min();
            let Some(next_ms) = next_ms.filter(|next_ms| *next_ms <= end_ms) else {
                self.now_ms = end_ms;
                return;
            };
            self.now_ms = self.now_ms.max(next_ms);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
                let (lease, answer) = entry.remove();
                let report = Report { started_ms: self.now_ms, duration_ms: 1, answer, webhook_id: None };
                self.step(Input::Done(lease, report));
            }
            self.step(Input::Tick);
        }
    }

    /// Does all that the engine asks for now.
    fn settle(&mut self) {
        self.step(Input::Drained);
        loop {
            let outputs: Vec<_> = self.core.outputs().collect();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::Store(batch) => {
                        let receipt = self.subject.commit_batch(&batch);
                        self.step(Input::Stored(receipt));
                        self.step(Input::Drained);
                    }
                    Output::Send(order) => self.send(&order),
                    Output::Load { endpoint, until_ms, limit } => {
                        let slice = self.subject.due(endpoint, until_ms, limit).unwrap();
                        self.step(Input::Loaded(endpoint, slice));
                    }
                    Output::Seek(replay, limit) => {
                        let found = self.subject.replayable(&replay, limit).ok();
                        self.step(Input::Replayable(replay, found));
                    }
                    Output::Outage { lasts, .. } => self.outages.push(lasts),
                    Output::Reply(..) => {}
                }
            }
        }
    }

    fn send(&mut self, order: &Order) {
        let secs = self.secs();
        let (long_ms, answer) = (self.world)(&order.endpoint.url, secs);
        *self.made.entry(secs).or_default() += 1;
        self.flying.insert((self.now_ms + long_ms, order.lease.attempt), (order.lease, answer));
    }

    /// How many attempts were made from this second on and before that one.
    fn made(&self, seconds: std::ops::Range<i64>) -> usize {
        self.made.range(seconds).map(|(_, count)| count).sum()
    }

    /// How many deliveries stand so, by how many attempts they took.
    fn deliveries(&self, status: Status) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for delivery in self.subject.all_deliveries(&self.applications) {
            if delivery.status == status {
                *counts.entry(delivery.attempts).or_default() += 1;
            }
        }
        counts
    }

    /// How many deliveries of these applications arrived.
    fn arrived(&self, applications: std::ops::Range<usize>) -> usize {
        let deliveries = self.subject.all_deliveries(&self.applications[applications]);
        deliveries.iter().filter(|delivery| delivery.status == Status::Success).count()
    }

    /// The process ends, and another one begins.
    fn restart(&mut self) {
        let opening = self.subject.opening(self.now_ms).unwrap();
        let (from, ids) = (opening.mark, Arc::new(IdSource::new(0, opening.last_id)));
        let now = Now { steady_ms: self.now_ms, wall_ms: self.now_ms };
        self.core = Core::recover(ids, opening, 8, now);
        self.flying.clear();
        let unwritten = self.subject.unwritten(from, usize::MAX).unwrap();
        self.step(Input::Found(unwritten));
    }

    fn all_enabled(&self) -> bool {
        self.subject.opening(self.now_ms).unwrap().endpoints.iter().all(|endpoint| endpoint.state == State::Enabled)
    }
}

const AWAY: std::ops::Range<i64> = 60..660;

/// 200 endpoints are sent 20,000 events while nothing leaves the machine for ten minutes.
#[test]
fn what_never_left_the_machine_spends_no_rung_and_all_is_there_a_minute_after_its_return() {
    let mut motion =
        Motion::new(
            &[1; 200],
            |_, secs| {
                if AWAY.contains(&secs) { (3, failure(Cause::Local)) } else { (20, response(200)) }
            },
        );
    for secs in 0..660_u32 {
        motion.run_until(secs.into());
        (0..200).step_by(6).for_each(|nth| motion.publish((nth + secs as usize) % 200));
    }
    assert_eq!(motion.outages, [true]);
    let tried = motion.made(AWAY);
    assert!(tried <= 200 * 80, "{tried} tries of 200 endpoints in ten minutes");
    motion.run_until(720);
    assert_eq!(motion.outages, [true, false]);
    let arrived = motion.deliveries(Status::Success);
    assert!(arrived[&1] >= 20_000 && arrived.len() == 1, "each with its first attempt: {arrived:?}");
    assert_eq!(motion.deliveries(Status::Pending), BTreeMap::new());
    assert!(motion.all_enabled());
}

/// The uplink is gone: everybody falls silent at one time, and nothing says that it is us.
#[test]
fn when_the_world_falls_silent_attempts_stop_but_for_probes_and_one_answer_ends_it() {
    let mut motion = Motion::new(&[5; 40], |_, secs| {
        if AWAY.contains(&secs) { (15_000, failure(Cause::Timeout)) } else { (20, response(200)) }
    });
    for secs in 0..660_u32 {
        motion.run_until(secs.into());
        for nth in 0..7 {
            motion.publish((nth * 6 + secs as usize) % 40);
        }
    }
    assert_eq!(motion.outages, [true]);
    let probes = motion.made(120..660);
    assert!(probes <= 540 + 200, "{probes} attempts in nine minutes: one probe a second, and each host once");
    motion.run_until(720);
    let arrived = motion.deliveries(Status::Success);
    let (first, all) = (arrived[&1], arrived.values().sum::<usize>());
    assert!(all >= 660 * 7 * 5 - 200 && first * 100 >= all * 99, "{arrived:?}");
    let waits: usize = motion.deliveries(Status::Pending).values().sum();
    assert_eq!(waits, 0, "all is there a minute after the return");
    assert!(motion.all_enabled());
}

/// Whoever restarts the process in an outage does not make its silence the receivers' fault; and hosts that were dead before
/// keep nobody from being asked whether he is back.
#[test]
fn a_restart_in_the_silence_and_dead_hosts_beside_it_change_nothing() {
    let mut applications = vec![300];
    applications.extend([5; 20]);
    let mut motion = Motion::new(&applications, |url, secs| {
        let dead = url.contains(".a0.") || AWAY.contains(&secs);
        if dead { (5_000, failure(Cause::Timeout)) } else { (20, response(200)) }
    });
    for secs in 0..660_u32 {
        motion.run_until(secs.into());
        if secs == 300 {
            motion.restart();
        }
        motion.publish(1 + secs as usize % 20);
        if secs % 60 == 0 {
            motion.publish(0);
        }
    }
    let spent = motion.made(330..660);
    assert!(spent <= 330 + 500, "{spent} attempts in the five minutes after the restart");
    motion.run_until(720);
    assert_eq!(motion.arrived(1..21), 660 * 5);
    assert_eq!(motion.outages.last(), Some(&false));
    assert!(motion.all_enabled());
}

/// An address that this machine has no route to is its own endpoint's matter while others are answered.
#[test]
fn who_alone_is_out_of_reach_goes_up_its_ladder_and_is_no_outage() {
    let mut motion =
        Motion::new(
            &[1, 1, 1],
            |url, _| {
                if url.contains(".a0.") { (3, failure(Cause::NoRoute)) } else { (20, response(200)) }
            },
        );
    motion.publish(0);
    for secs in 0..600 {
        motion.run_until(secs);
        motion.publish(1);
    }
    motion.run_until(601);
    assert!(motion.outages.is_empty());
    let waits = motion.deliveries(Status::Pending);
    assert!(waits.keys().all(|attempts| *attempts >= 2), "it is on its ladder: {waits:?}");
    assert_eq!(motion.arrived(1..2), 600);
}

/// One application's receivers, however many, are no world; nor are hosts that never answered.
#[test]
fn five_hundred_dead_hosts_of_one_application_stop_nobody() {
    let mut motion = Motion::new(&[500, 1, 1, 1], |url, secs| {
        let dead = url.contains(".a0.") && secs >= 30;
        if dead { (10, failure(Cause::Connect)) } else { (20, response(200)) }
    });
    motion.publish(0);
    motion.run_until(30);
    for secs in 30..300 {
        motion.run_until(secs);
        motion.publish(0);
        if secs % 40 == 0 {
            // nobody else is sent anything for longer than silence is looked at
            let before = motion.arrived(1..4);
            (1..4).for_each(|nth| motion.publish(nth));
            motion.run_until(secs + 1);
            assert_eq!(motion.arrived(1..4), before + 3, "at once");
        }
    }
    motion.run_until(310);
    assert!(motion.outages.is_empty());
    let arrived: usize = motion.deliveries(Status::Success).values().sum();
    assert_eq!(arrived, 500 + 7 * 3);
}

/// Two applications, and hosts that never answered, are not the world either; three with twenty hosts are.
#[test]
fn the_world_is_twenty_hosts_of_three_applications_that_had_answered() {
    let silent: World = |url, secs| {
        let dead = secs >= 30 || url.contains(".a9.");
        if dead { (10, failure(Cause::Timeout)) } else { (20, response(200)) }
    };
    for (applications, silence) in [(&[20, 20][..], false), (&[7, 7, 5], false), (&[7, 7, 6], true)] {
        let mut motion = Motion::new(applications, silent);
        (0..applications.len()).for_each(|nth| motion.publish(nth));
        motion.run_until(30);
        (0..applications.len()).for_each(|nth| motion.publish(nth));
        motion.run_until(40);
        assert_eq!(motion.outages, if silence { vec![true] } else { vec![] }, "{applications:?}");
    }
}
