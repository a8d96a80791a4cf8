//! `posthaste demo`: a server, the small providers, a receiver that misbehaves now and then, events, a live table.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rand::{Rng as _, SeedableRng as _};
use serde::Deserialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::say::say;
use super::serve::{ServeArgs, Server};
use crate::bench::target::{Calls, resolve};
use crate::key::KeyText;
use crate::secret::Secret;
use providers::Providers;
use receiver::Receiver;

mod providers;
mod receiver;

/// How often an event is published, and how often the table is drawn anew.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// How often something happens at one of the providers.
const PLAY_EVERY: Duration = Duration::from_millis(1_500);
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// How long it runs where nobody can press Ctrl-C.
const UNATTENDED: Duration = Duration::from_secs(10);
/// How many deliveries the table shows.
const ROWS: usize = 12;
/// What happens at a payment platform, and how often compared with the rest.
const EVENT_TYPES: [(&str, u32); 5] = [
    ("payment.succeeded", 6),
    ("payment.failed", 2),
    ("refund.succeeded", 2),
    ("payout.paid", 1),
    ("dispute.opened", 1),
];

/// Shows it all in seconds: a server that sends and receives, small providers that play, a receiver that misbehaves
/// now and then, a live table.
#[derive(Args, Clone, Debug)]
pub(super) struct DemoArgs {
    /// How long, such as 10s or 2m; without it until Ctrl-C, or 10 s where there is no terminal.
    #[arg(long = "for", env = "POSTHASTE_FOR", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a number and a unit, such as 10s or 2m".to_owned();
    let (number, unit_secs) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(number.saturating_mul(unit_secs)))
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
struct Shown {
    key: String,
}

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode> {
    super::runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let key = KeyText::generate("test", &mut rand::rngs::StdRng::from_os_rng());
        let server = Server::start(&ServeArgs::here(&folder.path().join("demo.db"), &key)).await?;
        let receiver = Receiver::start().await?;
        let played = play(args, &server.url, &key, &receiver, folder.path()).await;
        let stopped = server.stop().await;
        played?;
        stopped?;
        say!("{}", receiver.summary());
        Ok(if receiver.all_verified() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Sets a customer up as a platform would, then publishes until the time is over.
async fn play(
    args: &DemoArgs,
    url: &str,
    key: &KeyText,
    receiver: &Arc<Receiver>,
    folder: &std::path::Path,
) -> Result<()> {
    let target = resolve(url, key.reveal())?;
    let mut calls = Calls::open(&target).await?;
    let application: Created = calls.post("/api/v1/app", r#"{"name":"Panadería San José","uid":"san-jose"}"#).await?;
    let endpoints = format!("/api/v1/app/{}/endpoint", application.id);
    let endpoint: Created = calls.post(&endpoints, &format!(r#"{{"url":"{}"}}"#, receiver.url)).await?;
    let secret: Shown = calls.get(&format!("{endpoints}/{}/secret", endpoint.id)).await?;
    receiver.trust(Secret::parse(&secret.key).context("the endpoint's secret")?);
    let mut rng = rand::rngs::StdRng::from_os_rng();
    let providers = Providers::start(&mut calls, receiver, folder, key, rng.random()).await?;
    say!(
        "server     {url}\nsandbox    {} (a small Fintoc, Finix and Bridge: what they send comes in at the server)\nadmin key  {}\nreceiver   {} (verifies every signature, fails now and then)\n",
        providers.url(),
        key.reveal(),
        receiver.url
    );
    say!("try        curl -H 'Authorization: Bearer {}' {url}/api/v1/app/san-jose/msg\n", key.reveal());
    let terminal = std::io::stdout().is_terminal();
    let time = args.time.or((!terminal).then_some(UNATTENDED));
    let messages = format!("/api/v1/app/{}/msg?with_content=false", application.id);
    let mut table = Table::new(terminal);
    let (mut publish, mut play, mut draw) = (every(PUBLISH_EVERY), every(PLAY_EVERY), every(DRAW_EVERY));
    let mut played = 0;
    let end = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            _ = publish.tick() => {
                let event = receiver.next_event(EVENT_TYPES[pick(&mut rng)].0, rng.random_range(990..250_000));
                let _: Created = calls.post(&messages, &event).await?;
            }
            _ = play.tick() => {
                providers.play(played).await?;
                played += 1;
            }
            _ = draw.tick() => table.draw(receiver),
            () = &mut end => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    table.end(receiver);
    providers.stop().await
}

/// The table: drawn over itself on a terminal, line after line elsewhere.
struct Table {
    bar: Option<ProgressBar>,
    printed: usize,
}

impl Table {
    fn new(terminal: bool) -> Self {
        say!("{}", receiver::HEADING);
        let bar = terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::with_template("{msg}").expect("a template of ours"));
            bar
        });
        Self { bar, printed: 0 }
    }

    fn draw(&mut self, receiver: &Receiver) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}\n\n{}", receiver.last_rows(ROWS).join("\n"), receiver.summary()));
            return;
        }
        for row in receiver.rows_from(self.printed) {
            say!("{row}");
            self.printed += 1;
        }
    }

    fn end(&mut self, receiver: &Receiver) {
        self.draw(receiver);
        if let Some(bar) = &self.bar {
            bar.set_message(receiver.last_rows(ROWS).join("\n") + "\n");
            bar.abandon();
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// Draws an event type by its weight.
fn pick(rng: &mut impl rand::Rng) -> usize {
    let total: u32 = EVENT_TYPES.iter().map(|(_, weight)| weight).sum();
    let mut lot = rng.random_range(0..total);
    for (position, (_, weight)) in EVENT_TYPES.iter().enumerate() {
        if lot < *weight {
            return position;
        }
        lot -= weight;
    }
    0
}
