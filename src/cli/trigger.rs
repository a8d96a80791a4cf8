//! `posthaste trigger`: any event or flow of a provider, printed or sent, with faults on demand.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use clap::{ArgGroup, Args};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;

use super::say::tell;
use crate::clock::{Clock as _, SystemClock};
use crate::egress::probe::Prober;
use crate::error::{Error, Kind};
use crate::provider::Provider;
use crate::providers::{self, Play, Scene};
use crate::rehearse::fault::Fault;
use crate::rehearse::salvo::{BURST, Battery, Shot, Signer, load};
use crate::secret::Secret;

/// How often a type or flow may be repeated.
const REPEAT_MAX: u32 = 1_000_000;
/// The exit code when nobody could be reached: as for an answer that was wrong.
const FAILED: u8 = 1;

/// Sends any event or flow of a provider, signed, with faults on demand; without --to it prints what would be sent.
///
/// The same --seed gives the same ids, amounts and outcomes; --at fixes the times. Exit 0: each request got what it
/// should (2xx; 4xx for bad-signature, stale, oversize and truncated). 1: one did not. 2: wrong use.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[command(group = ArgGroup::new("what").required(true).args(["event_type", "flow", "list"]))]
pub(super) struct TriggerArgs {
    /// fintoc, bridge or finix.
    #[arg(value_name = "PROVIDER", value_parser = player)]
    provider: Provider,
    /// An event type, such as charge.failed or transfer.created; --list shows all.
    #[arg(value_name = "TYPE")]
    event_type: Option<String>,
    /// A business flow, such as refresh-mixed or emv-authorization; --list shows all.
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Lists every type and flow with a sentence.
    #[arg(long)]
    list: bool,
    /// Where to send it.
    #[arg(long, value_name = "URL", requires = "secret")]
    to: Option<String>,
    /// The receiver's secret; a second one is the one before it.
    #[arg(long, env = "POSTHASTE_SECRET", hide_env_values = true, value_name = "SECRET", value_delimiter = ',')]
    secret: Vec<String>,
    /// Changes the body before it is signed: /json/pointer=value, the value as JSON or else as text; repeatable.
    #[arg(long, value_name = "POINTER=VALUE")]
    set: Vec<String>,
    /// How often.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(REPEAT_MAX)))]
    repeat: u32,
    /// What goes wrong: duplicate, reorder, drop-then-retry, late, stale, bad-signature, rotated-key, oversize,
    /// truncated, burst; repeatable.
    #[arg(long, value_name = "FAULT", value_parser = Fault::parse)]
    fault: Vec<Fault>,
    /// Decides ids, amounts and outcomes; made up and shown unless given.
    #[arg(long, env = "POSTHASTE_SEED", value_name = "N")]
    seed: Option<u64>,
    /// The time of the events and of their signatures: seconds since 1970, or such as 2026-11-25T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = super::proof::at_secs)]
    at: Option<i64>,
    /// Waits between a flow's steps as in real life, divided by this; without it there are none.
    #[arg(long, value_name = "N", value_parser = speed)]
    speed: Option<u32>,
    /// With the oddities of the provider's documentation: order, missing and shared ids, odd times and keys.
    #[arg(long)]
    as_documented: bool,
    /// Events of the live mode.
    #[arg(long)]
    live: bool,
    /// One line of JSON for each request.
    #[arg(long)]
    json: bool,
}

/// Reads a provider that has a catalogue to play.
pub(super) fn player(name: &str) -> Result<Provider, Error> {
    let provider = Provider::parse(name)?;
    if providers::catalogue(provider).is_empty() {
        return Err(Error::field("provider", format!("`{name}` has no catalogue; use fintoc, bridge or finix")));
    }
    Ok(provider)
}

/// `60` or `60x`.
pub(super) fn speed(text: &str) -> Result<u32, String> {
    let wrong = || "must be a number from 1 on, such as 60 or 60x".to_owned();
    text.strip_suffix('x').unwrap_or(text).parse().ok().filter(|speed| *speed > 0).ok_or_else(wrong)
}

#[derive(Serialize)]
struct Listed<'a> {
    kind: &'static str,
    name: &'a str,
    about: &'a str,
}

/// What is printed instead of being sent.
#[derive(Serialize)]
struct Printed<'a> {
    seq: usize,
    #[serde(rename = "type")]
    event_type: &'a str,
    id: Option<&'a str>,
    headers: Vec<(String, String)>,
    body: &'a str,
}

/// Runs the command.
pub(super) fn run(args: &TriggerArgs) -> Result<ExitCode> {
    if args.list {
        return list(args);
    }
    for fault in &args.fault {
        fault.check(args.provider)?;
    }
    let clock = SystemClock::start();
    let seed = args.seed.unwrap_or_else(|| StdRng::from_os_rng().random());
    let at_ms = args.at.map_or_else(|| clock.now().wall_ms, |secs| secs * 1_000);
    let play = Play { seed, at_ms, live: args.live, as_documented: args.as_documented, speed: 1 };
    let signer =
        Signer { provider: args.provider, secrets: secrets(args.provider, &args.secret, seed)?, at_secs: args.at };
    let rounds = (0..u64::from(args.repeat)).map(|round| round_of(args, &play, round));
    let mut scenes = rounds.collect::<Result<Vec<_>>>()?.concat();
    if args.fault.contains(&Fault::Burst) {
        let mut round = u64::from(args.repeat);
        while scenes.len() < BURST {
            scenes.extend(round_of(args, &play, round)?);
            round += 1;
        }
        scenes.truncate(BURST);
    }
    let volleys = load(scenes, &args.fault);
    if args.seed.is_none() {
        tell!("seed {seed}");
    }
    match &args.to {
        None => print(args, &signer, &volleys.into_iter().flatten().collect::<Vec<_>>(), clock.now().wall_ms / 1_000),
        Some(url) => {
            let prober = Prober::new().map_err(|unreachable| anyhow::anyhow!(unreachable.0))?;
            let battery = Battery { prober, clock: Arc::new(clock), signer, url: url.clone(), speed: args.speed };
            super::runtime()?.block_on(send(args, Arc::new(battery), volleys))
        }
    }
}

/// One round: the type once, or the flow once, each round with other values.
fn round_of(args: &TriggerArgs, play: &Play, round: u64) -> Result<Vec<Scene>> {
    let unknown = |what: &str, name: &str| {
        let detail = format!(
            "{} has no {what} `{name}`; `posthaste trigger {} --list` shows all",
            args.provider.name(),
            args.provider.name()
        );
        Error::new(Kind::Invalid, "trigger", detail)
    };
    let scenes = if let Some(flow) = &args.flow {
        let play = Play { seed: play.seed.wrapping_add(round), ..*play };
        providers::play(args.provider, flow, &play).ok_or_else(|| unknown("flow", flow))?
    } else {
        let event_type = args.event_type.as_deref().unwrap_or_default();
        let scene = providers::example(args.provider, event_type, round, play);
        vec![scene.ok_or_else(|| unknown("event type", event_type))?]
    };
    scenes.into_iter().map(|scene| changed(scene, &args.set)).collect()
}

fn changed(mut scene: Scene, changes: &[String]) -> Result<Scene> {
    for change in changes {
        let wrong = || Error::new(Kind::Invalid, "set", format!("--set {change}: must be /json/pointer=value"));
        let (pointer, value) = change.split_once('=').ok_or_else(wrong)?;
        scene.body = providers::set(&scene.body, pointer, value)?;
    }
    Ok(scene)
}

/// The secrets that were given, or one that is made up and shown.
fn secrets(provider: Provider, texts: &[String], seed: u64) -> Result<Vec<Secret>> {
    if texts.is_empty() {
        let secret = providers::generate_secret(provider, &mut StdRng::seed_from_u64(seed));
        tell!("signed with {}", secret.text());
        return Ok(vec![secret]);
    }
    let parse = |text: &String| {
        providers::parse_secret(provider, text)
            .map_err(|error| Error::new(Kind::Invalid, "secret", format!("--secret {}", error.detail)))
    };
    Ok(texts.iter().map(parse).collect::<Result<_, _>>()?)
}

fn list(args: &TriggerArgs) -> Result<ExitCode> {
    let rows = providers::catalogue(args.provider).iter();
    let types = rows.map(|row| Listed { kind: "type", name: &row.event_type, about: &row.description });
    let flows = providers::flows(args.provider);
    let flows = flows.iter().map(|flow| Listed { kind: "flow", name: flow.name, about: flow.about });
    let mut out = std::io::stdout().lock();
    for listed in types.chain(flows) {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&listed)?)?;
        } else {
            writeln!(out, "{}  {:<44} {}", listed.kind, listed.name, listed.about)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(args: &TriggerArgs, signer: &Signer, shots: &[Shot], now_secs: i64) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for (position, shot) in shots.iter().enumerate() {
        let headers = shot.headers(signer, now_secs);
        let body: &Bytes = &shot.scene.body;
        if args.json {
            let (event_type, id) = (shot.scene.event_type.as_str(), shot.scene.id.as_deref());
            let body = std::str::from_utf8(body)?;
            let printed = Printed { seq: position + 1, event_type, id, headers, body };
            writeln!(out, "{}", serde_json::to_string(&printed)?)?;
            continue;
        }
        if position > 0 {
            writeln!(out)?;
        }
        for (name, value) in headers {
            writeln!(out, "{name}: {value}")?;
        }
        writeln!(out)?;
        out.write_all(body)?;
        writeln!(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn send(args: &TriggerArgs, battery: Arc<Battery>, volleys: Vec<Vec<Shot>>) -> Result<ExitCode> {
    let mut right = true;
    let mut out = std::io::stdout();
    let fired = battery.fire(volleys, |shown| {
        right &= shown.right;
        let line = if args.json {
            serde_json::to_string(&shown).unwrap_or_default()
        } else {
            let status = shown.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let sign = if shown.right { '✔' } else { '✘' };
            let fault = shown.fault.map(|fault| format!("  ({fault})")).unwrap_or_default();
            format!("{sign} {:>3}  {:<44} {status:>9}  {:>5} ms{fault}", shown.seq, shown.event_type, shown.ms)
        };
        let _ = writeln!(out, "{line}"); // whoever reads may have gone
    });
    if let Err(unreachable) = fired.await {
        tell!("error: {}: {}", battery.url, unreachable.0);
        return Ok(ExitCode::from(FAILED));
    }
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
