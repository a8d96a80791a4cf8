//! `posthaste rehearse`: everything a provider sends, and everything that can go wrong, played at a receiver.

use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use http::{HeaderName, HeaderValue};
use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::say::tell;
use crate::clock::{Clock as _, SystemClock};
use crate::egress::probe::{Prober, Unreachable};
use crate::error::{Error, Kind};
use crate::provider::Provider;
use crate::providers::{self, Play};
use crate::rehearse::grade::{Grade, Grader, Observer, Point};
use crate::rehearse::report::Report;
use crate::rehearse::salvo::{Battery, Signer};

/// The exit code when nobody could be reached.
const UNREACHABLE: u8 = 3;
/// Names of hosts that are for trying things out hold one of these.
const TRIAL_WORDS: [&str; 4] = ["test", "staging", "sandbox", "dev"];

/// Plays a provider's whole catalogue, all its flows and all faults at a receiver, and grades it.
///
/// Exit 0: nothing failed. 1: something did. 2: wrong use. 3: nobody is there.
#[derive(Args)]
pub(super) struct RehearseArgs {
    /// fintoc, bridge or finix.
    #[arg(value_name = "PROVIDER", value_parser = super::trigger::player)]
    provider: Provider,
    /// The receiver.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The receiver's secret.
    #[arg(long, env = "POSTHASTE_SECRET", hide_env_values = true, value_name = "SECRET")]
    secret: String,
    /// A URL that answers GET with JSON that has a number `processed`: it proves that repetitions do nothing. A source
    /// of a Posthaste has one, …/stats.
    #[arg(long, value_name = "URL")]
    observe: Option<String>,
    /// A header to ask it with, such as 'Authorization: Bearer sk_…'; repeatable.
    #[arg(long, value_name = "HEADER", requires = "observe", value_parser = super::verify::header)]
    observe_header: Vec<(HeaderName, HeaderValue)>,
    /// One JSON document instead of the table.
    #[arg(long)]
    json: bool,
    /// Also writes the grades as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// These points only.
    #[arg(long, value_name = "POINT", value_delimiter = ',', value_parser = Point::parse)]
    only: Vec<Point>,
    /// Also at a host that does not look like one for tests.
    #[arg(long)]
    yes: bool,
    /// Decides ids and amounts; made up unless given.
    #[arg(long, env = "POSTHASTE_SEED", value_name = "N")]
    seed: Option<u64>,
}

/// Runs the command.
pub(super) fn run(args: &RehearseArgs) -> Result<ExitCode> {
    check_host(args)?;
    let clock = SystemClock::start();
    let seed = args.seed.unwrap_or_else(|| StdRng::from_os_rng().random());
    let play = Play { seed, at_ms: clock.now().wall_ms, live: false, as_documented: false, speed: 1 };
    let secret = providers::parse_secret(args.provider, &args.secret)
        .map_err(|error| Error::new(Kind::Invalid, "secret", format!("--secret {}", error.detail)))?;
    let signer = Signer { provider: args.provider, secrets: vec![secret], at_secs: None };
    let prober = Prober::new().map_err(|unreachable| anyhow::anyhow!(unreachable.0))?;
    let battery = Battery { prober, clock: Arc::new(clock), signer, url: args.to.clone(), speed: None };
    let observer = args.observe.clone().map(|url| Observer { url, headers: args.observe_header.clone() });
    let grader = Grader { battery: Arc::new(battery), provider: args.provider, play, observer, nth: 0 };
    let points = if args.only.is_empty() { Point::ALL.to_vec() } else { args.only.clone() };
    match super::runtime()?.block_on(grade(grader, &points)) {
        Ok(grades) => report(args, grades),
        Err(unreachable) => {
            tell!("error: {}: {}", args.to, unreachable.0);
            Ok(ExitCode::from(UNREACHABLE))
        }
    }
}

/// A receiver that may be a real one is only played at when somebody says so.
fn check_host(args: &RehearseArgs) -> Result<(), Error> {
    let wrong = |detail: String| Error::new(Kind::Invalid, "to", detail);
    let url = url::Url::parse(&args.to).map_err(|error| wrong(format!("--to {}: {error}", args.to)))?;
    let host = url.host_str().ok_or_else(|| wrong(format!("--to {}: has no host", args.to)))?;
    let is_near = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let looks_like_a_trial = literal.map_or_else(
        || host == "localhost" || host.ends_with(".localhost") || TRIAL_WORDS.iter().any(|word| host.contains(word)),
        is_near,
    );
    if looks_like_a_trial || args.yes {
        return Ok(());
    }
    let detail = format!(
        "{host} does not look like a host for tests (no test, staging, sandbox or dev in its name, not private): \
         forged and doubled payments would be sent to it; say --yes if that is what you want"
    );
    Err(wrong(detail))
}

async fn grade(mut grader: Grader, points: &[Point]) -> Result<Vec<Grade>, Unreachable> {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(points.len() as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{msg:18} {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    let mut grades = Vec::with_capacity(points.len());
    for point in points {
        bar.set_message(point.id());
        grades.push(grader.grade(*point).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(grades)
}

fn report(args: &RehearseArgs, grades: Vec<Grade>) -> Result<ExitCode> {
    let report = Report::new(args.provider.name(), grades);
    if let Some(file) = &args.junit {
        std::fs::write(file, report.junit()).with_context(|| format!("--junit {}", file.display()))?;
    }
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{}", report.table(out.is_terminal()))?;
    }
    Ok(ExitCode::from(u8::from(report.failed > 0)))
}
