//! Replays: a running one feeds its endpoint's due index slice by slice, whenever nothing else is due there. What waits
//! for a retry is not sent in vain: where the last attempts failed one goes first, and the others once one succeeds.

use super::core::Core;
use super::dispatch::SWEEP_MS;
use super::lane::{Run, WINDOW};
use super::message::Output;
use crate::clock::Now;
use crate::id::EventId;
use crate::ordering::OrderKey;
use crate::replay::{Kind, Replay, State};
use crate::store::{Op, Replayable, Replayed};

/// How many deliveries one slice makes again, at most.
const SLICE: usize = 1_000;
/// How many of those that wait go first where the last attempts failed.
const PROBE: usize = 1;

impl<R> Core<R> {
    /// Takes up a replay, new or changed; one that ended is let go.
    pub(super) fn take_replay(&mut self, now: Now, replay: &Replay) {
        let Some(lane) = self.lanes.find(replay.endpoint) else {
            return;
        };
        if replay.state == State::Running {
            self.replays.insert(lane, Run { replay: replay.clone(), busy: false, probed: false });
            if replay.kind == Kind::Waiting {
                self.knock(lane); // once through whatever holds it back
            }
            self.seek(now, lane);
        } else if self.replays.get(&lane).is_some_and(|run| run.replay.id == replay.id) {
            self.replays.remove(&lane);
        }
    }

    /// Where a lane's endpoint is another now, what waits may be tried once more.
    pub(super) fn probe_anew(&mut self, now: Now, lane: usize) {
        if let Some(run) = self.replays.get_mut(&lane).filter(|run| run.probed) {
            run.probed = false;
            self.knock(lane);
            self.seek(now, lane);
        }
    }

    /// Looks for more to replay where there is room for it; again later where there is none.
    pub(super) fn seek(&mut self, now: Now, lane: usize) {
        let Some(run) = self.replays.get_mut(&lane).filter(|run| !run.busy) else {
            return;
        };
        self.sweep_ms.get_or_insert(now.steady_ms + SWEEP_MS);
        let here = &self.lanes[lane];
        let due = here.next_due_ms.is_some_and(|due_ms| due_ms <= now.steady_ms);
        if !here.enabled() || here.loading || due || here.backlog.len() >= WINDOW / 2 {
            return;
        }
        let probes = run.replay.kind == Kind::Waiting && here.health.failing_since_ms.is_some();
        if probes && run.probed {
            return;
        }
        (run.busy, run.probed) = (true, probes);
        self.out.push(Output::Seek(Box::new(run.replay.clone()), if probes { PROBE } else { SLICE }));
    }

    /// Seeks for every replay that has nothing on its way.
    pub(super) fn seek_all(&mut self, now: Now) {
        let lanes: Vec<usize> = self.replays.keys().copied().collect();
        for lane in lanes {
            self.seek(now, lane);
        }
    }

    /// Writes down a slice that was found, but for what is in memory: that is on its way anyhow.
    pub(super) fn replayable(&mut self, now: Now, replay: &Replay, found: Option<Replayable>) {
        let Some(lane) = self.lanes.find(replay.endpoint) else {
            return;
        };
        let Some(run) = self.replays.get_mut(&lane).filter(|run| run.replay.id == replay.id) else {
            return;
        };
        let Some(Replayable { events, position, done }) = found else {
            run.busy = false; // it could not be read: the next sweep tries again
            return;
        };
        let here = &self.lanes[lane];
        let events: Vec<(EventId, Option<OrderKey>)> =
            events.into_iter().filter(|(event, _)| !here.holds(*event) && !here.waits(*event)).collect();
        let some = !events.is_empty();
        run.replay.position = position;
        for key in events.iter().filter_map(|(_, key)| *key) {
            // who of its key is in memory stands before it
            self.write_chain(now, lane, key);
            self.lanes[lane].chains.write(key);
        }
        for &(event, _) in &events {
            self.lanes[lane].settle(event); // a read on its way may show the line that it has now
        }
        let replayed = Replayed {
            replay: replay.id,
            endpoint: replay.endpoint,
            kind: replay.kind,
            events,
            position,
            done,
            due_ms: now.steady_ms,
            spares_delivered: replay.spares_delivered(),
        };
        self.groups.push(now, Op::Replay(Box::new(replayed)));
        if some {
            self.groups.line(lane, now.steady_ms);
        }
    }

    /// A slice is durable: the next may be looked for.
    pub(super) fn replayed(&mut self, now: Now, replayed: &Replayed) {
        let Some(lane) = self.lanes.find(replayed.endpoint) else {
            return;
        };
        let Some(run) = self.replays.get_mut(&lane).filter(|run| run.replay.id == replayed.replay) else {
            return; // another has taken its place
        };
        if replayed.done {
            self.replays.remove(&lane);
        } else {
            run.busy = false;
            self.seek(now, lane);
        }
    }

    /// A slice could not be written: it is looked for anew.
    pub(super) fn not_replayed(&mut self, replayed: &Replayed) {
        if let Some(run) = self.lanes.find(replayed.endpoint).and_then(|lane| self.replays.get_mut(&lane)) {
            let first = replayed.events.first().map_or(replayed.position, |(event, _)| *event);
            run.replay.position = run.replay.position.min(first);
            (run.busy, run.probed) = (false, false);
        }
    }
}
