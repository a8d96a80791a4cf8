//! The simulator: thousands of seeds keep every promise, every planted mutant is caught, the same seed is the same run.

use posthaste::sim::{self, LAST_LINES, Mutant, Verdict};

/// How many seeds run with each test run; `posthaste sim` runs more.
const SEEDS: u64 = 2_000;
/// How many seeds a mutant may live through before it counts as not caught.
const MUTANT_SEEDS: u64 = 2_000;
/// How many seeds run twice.
const REPEATED_SEEDS: u64 = 20;
/// What a seed must be worth on average: inputs of the core, and crashes in ten seeds.
const STEPS_MIN: u64 = 500;
const CRASHES_OF_TEN_MIN: u64 = 30;
/// Seeds that once went wrong, one a line, behind `#` what it was.
const REGRESSIONS: &str = include_str!("seeds.txt");

#[track_caller]
fn must_be_good(verdict: &Verdict) {
    if verdict.failure.is_some() {
        let again = sim::run(verdict.seed, None, LAST_LINES);
        panic!("{}\n{verdict}", again.lines.join("\n"));
    }
}

#[test]
fn thousands_of_seeds_keep_every_promise() {
    let (mut steps, mut crashes) = (0, 0);
    for seed in 0..SEEDS {
        let verdict = sim::run(seed, None, 0);
        must_be_good(&verdict);
        steps += verdict.steps;
        crashes += verdict.crashes;
    }
    assert!(steps / SEEDS >= STEPS_MIN, "{steps} steps in {SEEDS} seeds");
    assert!(crashes * 10 / SEEDS >= CRASHES_OF_TEN_MIN, "{crashes} crashes in {SEEDS} seeds");
}

#[test]
fn seeds_that_once_went_wrong_stay_good() {
    let seeds =
        REGRESSIONS.lines().filter_map(|line| line.split('#').next()).map(str::trim).filter(|seed| !seed.is_empty());
    for seed in seeds {
        let seed = seed.parse().expect("a number in seeds.txt");
        must_be_good(&sim::run(seed, None, 0));
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..REPEATED_SEEDS {
        let (one, other) = (sim::run(seed, None, usize::MAX), sim::run(seed, None, usize::MAX));
        assert_eq!((one.hash, one.steps, &one.lines), (other.hash, other.steps, &other.lines), "seed {seed}");
        assert_eq!(sim::run(seed, None, 0).hash, one.hash, "keeping the lines changes nothing");
    }
    assert_ne!(sim::run(0, None, 0).hash, sim::run(1, None, 0).hash);
}

#[test]
fn every_mutant_is_caught_but_the_equivalent_ones() {
    assert!(Mutant::ALL.len() >= 15);
    for &mutant in Mutant::ALL {
        let caught = (0..MUTANT_SEEDS).find(|&seed| sim::run(seed, Some(mutant), 0).failure.is_some());
        match mutant.equivalent() {
            None => assert!(caught.is_some(), "{} lived through {MUTANT_SEEDS} seeds", mutant.name()),
            Some(why) => assert_eq!(caught, None, "{} is named equivalent: {why}", mutant.name()),
        }
        assert_eq!(Mutant::parse(mutant.name()), Some(mutant));
    }
    assert_eq!(Mutant::parse("none-such"), None);
}
