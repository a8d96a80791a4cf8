//! `posthaste bench`: measures this server on this machine, and checks every delivery while it does.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::BoolishValueParser;
use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::report::{self, Report};
use crate::bench::{
    BATCH_MAX, Bench, ENDPOINTS_MAX, EVENTS_MAX, IN_FLIGHT_MAX, KEYS_MAX, Plan, Progress, RATE_MAX, RUNS_MAX, disk,
};

/// The exit code of a wrong use.
const USAGE: u8 = 2;

/// Measures how fast events are accepted and delivered, with a load generator and a verifying sink.
///
/// It starts a server of its own on a temporary database (in TMPDIR) for each run, unless --url names
/// another one, which must be allowed to call 127.0.0.1. The exit code is 1 when a delivery was
/// missing, altered or badly signed.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Connections that publish at the same time, each awaiting its answer.
    #[arg(long, env = "POSTHASTE_IN_FLIGHT", default_value_t = 64, value_parser = value_parser!(u32).range(1..=i64::from(IN_FLIGHT_MAX)))]
    in_flight: u32,
    /// Bytes of each payload.
    #[arg(long, env = "POSTHASTE_SIZE", default_value_t = 1024)]
    size: u32,
    /// Endpoints that every event is delivered to.
    #[arg(long, env = "POSTHASTE_ENDPOINTS", default_value_t = 1, value_parser = value_parser!(u32).range(1..=i64::from(ENDPOINTS_MAX)))]
    endpoints: u32,
    /// Publishes this many events per request instead of one.
    #[arg(long, env = "POSTHASTE_BATCH", value_parser = value_parser!(u32).range(1..=i64::from(BATCH_MAX)))]
    batch: Option<u32>,
    /// Events that are measured in each run.
    #[arg(long, env = "POSTHASTE_EVENTS", default_value_t = 200_000, value_parser = value_parser!(u32).range(1..=i64::from(EVENTS_MAX)))]
    events: u32,
    /// Events that are published before them and not measured.
    #[arg(long, env = "POSTHASTE_WARM_UP", default_value_t = 20_000, value_parser = value_parser!(u32).range(0..=i64::from(EVENTS_MAX)))]
    warm_up: u32,
    /// Runs, of which the medians are shown.
    #[arg(long, env = "POSTHASTE_RUNS", default_value_t = 5, value_parser = value_parser!(u32).range(1..=i64::from(RUNS_MAX)))]
    runs: u32,
    /// Publishes this many events a second, whatever the answers (open loop); latencies count from the intended time.
    #[arg(long, env = "POSTHASTE_RATE", value_parser = value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
    rate: Option<u32>,
    /// After what is published, publishes as many events of so many keys in turn, to endpoints that take those of a key
    /// one after the other, and compares.
    #[arg(long, env = "POSTHASTE_ORDERED", value_name = "KEYS", value_parser = value_parser!(u32).range(1..=i64::from(KEYS_MAX)))]
    ordered: Option<u32>,
    /// After what is published, posts as many signed events to the door of a source on the same server, and compares.
    #[arg(long, env = "POSTHASTE_INBOUND", value_parser = BoolishValueParser::new())]
    inbound: bool,
    /// Measures the server at this URL (http://HOST:PORT) instead of an own one.
    #[arg(long, env = "POSTHASTE_URL", requires = "key")]
    url: Option<String>,
    /// The admin key of the server at --url.
    #[arg(long, env = "POSTHASTE_KEY", hide_env_values = true, requires = "url")]
    key: Option<String>,
    /// Prints one JSON document instead of text.
    #[arg(long, env = "POSTHASTE_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// When the server fails or cannot be reached, or the output cannot be written.
pub fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let json = args.json;
    let plan = plan(args)?;
    if let Err(error) = plan.check() {
        writeln!(std::io::stderr(), "error: {error}")?;
        return Ok(ExitCode::from(USAGE));
    }
    let mut out = std::io::stdout();
    let in_memory = plan.server.is_none() && disk::is_memory(&std::env::temp_dir())?;
    let mut bench = Bench::new(plan.clone())?;
    let mut runs = Vec::with_capacity(plan.runs);
    if !json {
        writeln!(out, "{plan}")?;
    }
    for number in 1..=plan.runs {
        let bar = bar()?;
        let shown = format!("run {number}/{}", plan.runs);
        let measured = bench.run(&|progress| show(&bar, &shown, progress));
        bar.finish_and_clear();
        let measured = measured.with_context(|| format!("run {number} did not end"))?;
        if !json {
            write!(out, "\n{}", report::run(number, &measured))?;
        }
        runs.push(measured);
    }
    let report = Report::new(plan, in_memory, runs);
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(out, "\n{}", report.summary())?;
    }
    Ok(if report.faults.none_that_fail() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(args: BenchArgs) -> anyhow::Result<Plan> {
    Ok(Plan {
        in_flight: args.in_flight.try_into()?,
        size_bytes: args.size.try_into()?,
        endpoints: args.endpoints.try_into()?,
        batch: args.batch.map(TryInto::try_into).transpose()?,
        events: args.events.try_into()?,
        warm_up: args.warm_up.try_into()?,
        runs: args.runs.try_into()?,
        rate: args.rate,
        ordered: args.ordered,
        inbound: args.inbound,
        server: args.url.zip(args.key),
    })
}

/// A bar on a terminal, nothing elsewhere.
fn bar() -> anyhow::Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{prefix} {msg:8} {wide_bar} {pos}/{len} {per_sec}")?;
    Ok(ProgressBar::new(0).with_style(style))
}

fn show(bar: &ProgressBar, run: &str, progress: Progress) {
    let Progress { step, done, total } = progress;
    if bar.message() != step {
        bar.reset();
        bar.set_prefix(run.to_owned());
        bar.set_message(step);
    }
    bar.set_length(total);
    bar.set_position(done);
}
