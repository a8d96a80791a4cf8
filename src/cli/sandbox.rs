//! `posthaste sandbox`: a small Fintoc, a small Finix and a small Bridge beside the server.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::database::DatabaseArgs;
use super::endpoints::EndpointArgs;
use super::oidc::OidcArgs;
use super::run::{self as server};
use super::serve::{self, DRAIN_SECONDS, DRAIN_SECONDS_MAX, ServeArgs, listen_address};
use crate::network::Network;
use crate::sandbox::Manner;

/// The fastest that waits may pass: a day in less than a tenth of a second.
const SPEED_MAX: u32 = 1_000_000;
/// What endpoints may always be on: this machine.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Runs a small Fintoc, a small Finix and a small Bridge, with the server they send through.
///
/// Point an SDK at http://HOST:PORT/fintoc or /finix and use any key; the page at / says how. Posthaste's own API
/// is on the same port: the webhooks of Bridge are endpoints of its application `bridge`. Endpoints may be on this
/// machine. What happens stays in the database, and the same seed gives the same ids, amounts and outcomes.
#[derive(Args)]
pub(super) struct SandboxArgs {
    /// Where to listen; port 0 takes a free one, and without a host all addresses of this machine are listened on.
    #[arg(long, env = "POSTHASTE_LISTEN", default_value = "127.0.0.1:8072", value_name = "HOST:PORT", value_parser = listen_address)]
    listen: SocketAddr,
    /// Where everything is kept: sqlite:FILE.
    #[arg(long, env = "POSTHASTE_DATABASE", default_value = "sqlite:sandbox.db", value_name = "URL")]
    database: String,
    /// Goes on when the database lacks what was acknowledged, because its -wal is missing or another; it is logged.
    #[arg(long, env = "POSTHASTE_ACCEPT_LOSS")]
    accept_loss: bool,
    /// What every value is made from.
    #[arg(long, env = "POSTHASTE_SEED", default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many times faster every wait passes (60 or 60x): a visit at the bank, the five minutes between two
    /// refreshes, the days of a ladder. Time stamps and signatures keep to the clock.
    #[arg(long, env = "POSTHASTE_SPEED", default_value = "1", value_name = "N", value_parser = speed)]
    speed: u32,
    /// With the oddities of the providers' documentation; Fintoc demands https then.
    #[arg(long, env = "POSTHASTE_AS_DOCUMENTED")]
    as_documented: bool,
    /// Private networks that endpoints may be in beside this machine, such as 10.1.0.0/16; repeatable, or with commas.
    #[arg(long, env = "POSTHASTE_ALLOW_NETWORK", value_delimiter = ',', value_name = "CIDR")]
    allow_network: Vec<Network>,
    /// The URL under which callers reach the sandbox. Unless given: where it listens.
    #[arg(long, env = "POSTHASTE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<url::Url>,
    /// An admin key (`sk_test_…`) of Posthaste's own API that is made when it does not exist yet.
    #[arg(long, env = "POSTHASTE_BOOTSTRAP_KEY", hide_env_values = true, value_name = "KEY")]
    bootstrap_key: Option<String>,
    /// How many seconds a stop may take, in which open requests and attempts in flight end.
    #[arg(long, env = "POSTHASTE_DRAIN_SECONDS", default_value_t = DRAIN_SECONDS, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=DRAIN_SECONDS_MAX))]
    drain_seconds: u32,
    /// What goes to the log on stderr: error, warn, info, debug, or a filter such as posthaste=debug.
    #[arg(long, env = "POSTHASTE_LOG", default_value = "info", value_name = "LEVEL")]
    log: String,
}

/// Reads `60` or `60x`.
fn speed(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('x').unwrap_or(text).parse().ok().filter(|speed| (1..=SPEED_MAX).contains(speed));
    number.ok_or_else(|| format!("must be a whole number from 1 to {SPEED_MAX}, such as 60 or 60x"))
}

impl From<SandboxArgs> for ServeArgs {
    fn from(args: SandboxArgs) -> Self {
        let SandboxArgs { listen, database, seed, speed, as_documented, public_url, bootstrap_key, .. } = args;
        let loopback = LOOPBACK.map(|text| text.parse().expect("a network"));
        Self {
            listen,
            database: DatabaseArgs { database, seal_key: None },
            accept_loss: args.accept_loss,
            allow_network: args.allow_network.into_iter().chain(loopback).collect(),
            public_url,
            portal_url: None,
            portal_frame_ancestors: Vec::new(),
            jwt_secret: None,
            key_rate: None,
            endpoints: EndpointArgs::default(),
            trust_proxy: Vec::new(),
            payload_max: serve::PAYLOAD_BYTES,
            payload_days: serve::PAYLOAD_DAYS,
            bootstrap_key,
            admin_email: None,
            admin_password: None,
            oidc: OidcArgs::default(),
            sandbox: Some(Manner { seed, speed, as_documented }),
            drain_seconds: args.drain_seconds,
            log: args.log,
        }
    }
}

pub(super) fn run(args: SandboxArgs) -> Result<ExitCode> {
    server::run(&args.into())
}
