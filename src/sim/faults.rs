//! What a seed is about: each class of faults is on or off, so that rare combinations meet.

use std::ops::Range;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

/// Everything a seed decides before it begins.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// How long clients act and faults strike, in ms; after that the world is calm.
    pub(super) span_ms: i64,
    pub(super) applications: usize,
    /// Of how many environments it is told what happens to endpoints and attempts; 0 for none, else there are two.
    pub(super) hearers: usize,
    pub(super) endpoints: usize,
    pub(super) events: usize,
    /// At most so many events in one request.
    pub(super) batch: usize,
    /// One request in so many comes at a moment of its own, the others with the one before.
    pub(super) burst: u32,
    /// Shares of the events, in percent.
    pub(super) own_keys: u32,
    pub(super) brief_keys: u32,
    pub(super) uids: u32,
    pub(super) inbound: u32,
    /// How many inbound events the store indexes together.
    pub(super) tail_max: usize,
    /// Clients repeat what was answered, now and then with another body under the same key.
    pub(super) repeats: bool,
    pub(super) crashes: u32,
    /// One commit in so many fails to sync: nobody knows whether it stands, the process ends; 0 for none.
    pub(super) sync_failure: u32,
    /// How often somebody stops the process in good order.
    pub(super) stops: u32,
    /// One read in so many fails, and the shell tries again a second later; 0 for none.
    pub(super) read_failure: u32,
    /// How long a commit takes at most, in ms.
    pub(super) commit_ms: i64,
    /// How long a read takes at most, in ms; it may be answered from before a commit and arrive after it.
    pub(super) read_ms: i64,
    /// How often the disk is full for a while.
    pub(super) disk_full: u32,
    /// The moods that receivers have.
    pub(super) moods: Vec<Mood>,
    /// Some receivers never come back.
    pub(super) dead: bool,
    /// When nothing leaves the machine, from and to, in ms.
    pub(super) cuts: Vec<Range<i64>>,
    /// How often the wall clock jumps, and how far at most, in ms.
    pub(super) jumps: u32,
    pub(super) jump_ms: i64,
    /// How many changes of endpoints are asked for.
    pub(super) changes: u32,
    pub(super) deletions: bool,
    pub(super) resends: u32,
    /// How many events one read of recovery looks at.
    pub(super) page: usize,
    /// Inputs that come within this time keep the core from hearing that nothing else waits, mostly.
    pub(super) busy_ms: i64,
    /// How late the core is woken.
    pub(super) late_ms: i64,
}

/// How a receiver behaves for a while, when not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Failing,
    Hanging,
    Limiting,
    Flapping,
    Gone,
}

/// The stream that says which seeds have hearers: none of those that went wrong before there were any.
const HEARERS_STREAM: u64 = 122;
/// The stream that says which seeds lose their network.
const CUTS_STREAM: u64 = 123;
const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The stream of random numbers of one part of the world.
pub(super) fn stream(seed: u64, part: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed ^ part.wrapping_mul(0xd134_2543_de82_ef95))
}

impl Options {
    /// Rolls the options of a seed.
    pub(super) fn roll(seed: u64, rng: &mut SmallRng) -> Self {
        let span_ms = [5 * SECOND_MS, MINUTE_MS, 20 * MINUTE_MS, 6 * HOUR_MS, 3 * DAY_MS][rng.random_range(0..5)];
        let wide = rng.random_ratio(1, 40);
        let crowd = rng.random_ratio(1, 400);
        let heap = rng.random_ratio(1, 200);
        let share = |rng: &mut SmallRng| if rng.random_bool(0.6) { rng.random_range(10..90) } else { 0 };
        let some = |rng: &mut SmallRng, chance: f64, max: u32| {
            if rng.random_bool(chance) { rng.random_range(1..=max) } else { 0 }
        };
        Self {
            span_ms,
            applications: rng.random_range(1..=2),
            hearers: hearers(&mut stream(seed, HEARERS_STREAM)),
            endpoints: if heap {
                1
            } else if wide {
                rng.random_range(20..=40)
            } else {
                rng.random_range(1..=5)
            },
            events: if heap {
                700
            } else if wide {
                5
            } else if crowd {
                2_400
            } else {
                rng.random_range(10..=36)
            },
            batch: if crowd || heap {
                800
            } else if rng.random_bool(0.5) {
                1
            } else {
                rng.random_range(2..=12)
            },
            burst: [1, 8][rng.random_range(0..2)],
            own_keys: share(rng),
            brief_keys: share(rng),
            uids: share(rng),
            inbound: share(rng),
            tail_max: [1, 2, 7, 40, 4_096][rng.random_range(0..5)],
            repeats: rng.random_bool(0.5),
            crashes: if rng.random_bool(0.85) { rng.random_range(2..=9) } else { 0 },
            sync_failure: if rng.random_bool(0.3) { rng.random_range(20..60) } else { 0 },
            stops: some(rng, 0.2, 2),
            read_failure: if rng.random_bool(0.15) { rng.random_range(4..30) } else { 0 },
            commit_ms: [0, 3, 30, 400, 7_000][rng.random_range(0..5)],
            read_ms: [0, 2, 20, 300, 5_000][rng.random_range(0..5)],
            disk_full: some(rng, 0.3, 3),
            moods: if crowd { Vec::new() } else { moods(rng) },
            cuts: cuts(&mut stream(seed, CUTS_STREAM), span_ms),
            dead: !crowd && !heap && rng.random_bool(0.15),
            jumps: some(rng, 0.3, 3),
            jump_ms: [2 * SECOND_MS, HOUR_MS, 40 * DAY_MS][rng.random_range(0..3)],
            changes: some(rng, 0.6, 10),
            deletions: rng.random_bool(0.4),
            resends: some(rng, 0.5, 8),
            page: [1, 3, 1_000][rng.random_range(0..3)],
            busy_ms: [0, 0, 4, 40][rng.random_range(0..4)],
            late_ms: if rng.random_bool(0.3) { rng.random_range(1..60) } else { 0 },
        }
    }
}

fn hearers(rng: &mut SmallRng) -> usize {
    if rng.random_ratio(1, 4) { rng.random_range(1..=2) } else { 0 }
}

fn cuts(rng: &mut SmallRng, span_ms: i64) -> Vec<Range<i64>> {
    let count = if rng.random_ratio(1, 6) { rng.random_range(1..=3) } else { 0 };
    let cut = |_| {
        let from_ms = rng.random_range(0..span_ms);
        from_ms..from_ms + [SECOND_MS, 20 * SECOND_MS, 10 * MINUTE_MS][rng.random_range(0..3)]
    };
    (0..count).map(cut).collect()
}

fn moods(rng: &mut SmallRng) -> Vec<Mood> {
    let chances =
        [(Mood::Failing, 0.6), (Mood::Hanging, 0.5), (Mood::Limiting, 0.5), (Mood::Flapping, 0.5), (Mood::Gone, 0.3)];
    chances.into_iter().filter(|(_, chance)| rng.random_bool(*chance)).map(|(mood, _)| mood).collect()
}
