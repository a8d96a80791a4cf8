//! `sim`: lives through many seeds of the simulated world, on all cores, and says which went wrong.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use anyhow::Context as _;

use super::say::say;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Error;
use crate::sim::{self, LAST_LINES, Mutant, Verdict};

/// How many seeds run when no number is given.
const SEEDS: u64 = 20_000;
/// One seed in so many runs twice: the same seed must be the same run.
const SEEDS_PER_REPEAT: u64 = 100;
/// How many failures are shown whole; the others in one line each.
const FAILURES_SHOWN: usize = 3;

/// What `sim` is told.
#[derive(clap::Args, Clone, Debug)]
pub struct SimArgs {
    /// How many seeds to live through; 20000, or 1 with --seed.
    #[arg(long, env = "POSTHASTE_SEEDS", value_name = "N")]
    pub seeds: Option<u64>,
    /// The first seed.
    #[arg(long, env = "POSTHASTE_SEED", value_name = "S")]
    pub seed: Option<u64>,
    /// Prints all that happens in each seed.
    #[arg(long, env = "POSTHASTE_TRACE")]
    pub trace: bool,
    /// Plants one mutant by name, or every mutant in turn (all); each must be caught.
    #[arg(long, env = "POSTHASTE_MUTANT", value_name = "NAME")]
    pub mutant: Option<String>,
    /// How many threads work; one for each core unless given.
    #[arg(long, env = "POSTHASTE_JOBS", value_name = "N")]
    pub jobs: Option<NonZero<usize>>,
}

/// The seeds of a run.
struct Seeds {
    first: u64,
    count: u64,
}

/// What a run came to.
#[derive(Default)]
struct Total {
    steps: AtomicU64,
    crashes: AtomicU64,
    cpu_ns: AtomicU64,
    bad: Mutex<Vec<Verdict>>,
}

/// Runs the seeds; exit code 1 when one is bad, or a mutant survives. Error: there is no mutant of that name.
pub fn run(args: &SimArgs) -> anyhow::Result<ExitCode> {
    let count = args.seeds.unwrap_or(if args.seed.is_some() { 1 } else { SEEDS });
    let seeds = Seeds { first: args.seed.unwrap_or(0), count };
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    match args.mutant.as_deref() {
        Some("all") => Ok(every_mutant(&seeds, jobs)),
        Some(name) => Ok(one_mutant(mutant(name)?, &seeds, args.trace)),
        None if args.trace => Ok(traced(&seeds)),
        None => every_seed(&seeds, jobs),
    }
}

fn mutant(name: &str) -> Result<Mutant, Error> {
    let names: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
    let wrong = || Error::field("mutant", format!("`{name}` is no mutant; use all, or one of {}", names.join(", ")));
    Mutant::parse(name).ok_or_else(wrong)
}

fn every_seed(seeds: &Seeds, jobs: usize) -> anyhow::Result<ExitCode> {
    let total = Total::default();
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| live(seeds, &next, &total));
        }
    });
    let mut bad = total.bad.into_inner().context("a thread panicked")?;
    bad.sort_by_key(|verdict| verdict.seed);
    for (position, verdict) in bad.iter().enumerate() {
        if position < FAILURES_SHOWN {
            let again = sim::run(verdict.seed, None, LAST_LINES);
            again.lines.iter().for_each(|line| say!("{line}"));
        }
        say!("{verdict}");
    }
    let (steps, crashes) = (total.steps.into_inner(), total.crashes.into_inner());
    say!(
        "steps={steps} ({} a seed) crashes={crashes} ({} for ten seeds)",
        steps / seeds.count.max(1),
        crashes * 10 / seeds.count.max(1)
    );
    let per_minute = u128::from(seeds.count) * 60_000_000_000 / u128::from(total.cpu_ns.into_inner().max(1));
    say!("seeds={} bad={} seeds_per_min_per_core={per_minute}", seeds.count, bad.len());
    Ok(if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One thread's share.
fn live(seeds: &Seeds, next: &AtomicU64, total: &Total) {
    let clock = SystemClock::start();
    let began = (cpu_ns(), clock.now().steady_ms);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= seeds.count {
            break;
        }
        let mut verdict = sim::run(seeds.first + number, None, 0);
        if number.is_multiple_of(SEEDS_PER_REPEAT)
            && verdict.failure.is_none()
            && sim::run(verdict.seed, None, 0).hash != verdict.hash
        {
            verdict.failure = Some(sim::Failure {
                options: String::new(),
                wrong: "the same seed was another run the second time".to_owned(),
            });
        }
        total.steps.fetch_add(verdict.steps, Ordering::Relaxed);
        total.crashes.fetch_add(verdict.crashes, Ordering::Relaxed);
        if verdict.failure.is_some() {
            total.bad.lock().expect("no panic while held").push(verdict);
        }
    }
    let elapsed_ns = u64::try_from(clock.now().steady_ms - began.1).unwrap_or(0) * 1_000_000;
    let spent_ns = cpu_ns().zip(began.0).map_or(elapsed_ns, |(ended, began)| ended - began);
    total.cpu_ns.fetch_add(spent_ns, Ordering::Relaxed);
}

/// What this thread has cost so far, where the system tells.
fn cpu_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn traced(seeds: &Seeds) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for number in 0..seeds.count {
        let verdict = sim::run(seeds.first + number, None, usize::MAX);
        verdict.lines.iter().for_each(|line| say!("{line}"));
        say!("{verdict}");
        if verdict.failure.is_some() {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// The first seed that catches the mutant.
fn caught(mutant: Mutant, seeds: &Seeds) -> Option<Verdict> {
    let lives = (0..seeds.count).map(|number| sim::run(seeds.first + number, Some(mutant), 0));
    lives.into_iter().find(|verdict| verdict.failure.is_some())
}

fn one_mutant(mutant: Mutant, seeds: &Seeds, trace: bool) -> ExitCode {
    let Some(verdict) = caught(mutant, seeds) else {
        let Some(why) = mutant.equivalent() else {
            say!("{} lived through {} seeds", mutant.name(), seeds.count);
            return ExitCode::FAILURE;
        };
        say!("{} lived through {} seeds, as it must: {why}", mutant.name(), seeds.count);
        return ExitCode::SUCCESS;
    };
    let again = sim::run(verdict.seed, Some(mutant), if trace { usize::MAX } else { LAST_LINES });
    again.lines.iter().for_each(|line| say!("{line}"));
    say!("{} is caught: {verdict}", mutant.name());
    ExitCode::SUCCESS
}

fn every_mutant(seeds: &Seeds, jobs: usize) -> ExitCode {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(&mutant) = Mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = caught(mutant, seeds);
                    rows.lock().expect("no panic while held").push((mutant.name(), mutant, verdict));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_default();
    rows.sort_by_key(|(name, ..)| Mutant::ALL.iter().position(|mutant| mutant.name() == *name));
    let mut survivors = 0;
    for (name, mutant, verdict) in &rows {
        let (result, good) = match (verdict, mutant.equivalent()) {
            (Some(verdict), None) => (format!("caught by seed {}: {}", verdict.seed, wrong(verdict)), true),
            (None, Some(why)) => (format!("equivalent: {why}"), true),
            (Some(verdict), Some(_)) => {
                (format!("named equivalent, but caught by seed {}: {}", verdict.seed, wrong(verdict)), false)
            }
            (None, None) => (format!("lived through {} seeds", seeds.count), false),
        };
        survivors += u64::from(!good);
        say!("{name:<20} {result}");
    }
    say!("mutants={} survivors={survivors}", rows.len());
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was wrong, short enough for a table.
fn wrong(verdict: &Verdict) -> String {
    verdict.failure.as_ref().map_or_else(String::new, |failure| failure.wrong.chars().take(100).collect())
}
