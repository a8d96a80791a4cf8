//! `posthaste serve`: the one place that names the concrete store, clock, resolver and sender, and joins them.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use rand::{RngCore as _, SeedableRng as _};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::database::{DatabaseArgs, Owned};
use super::endpoints::{EndpointArgs, judge_by};
use super::first_start::{home, people, prepare};
use super::oidc::OidcArgs;
use super::{process, say};
use crate::attempt;
use crate::clock::{Clock, SystemClock};
use crate::egress::guard::Guard;
use crate::egress::probe::Prober;
use crate::egress::resolve::{Dns, Resolver};
use crate::egress::send::Courier;
use crate::engine::run::{Engine, Parts};
use crate::error::Error;
use crate::http::api;
use crate::http::auth::Admission;
use crate::http::dashboard;
use crate::http::doors::{Doors, Watch};
use crate::http::readiness::Readiness;
use crate::http::state::{Api, EndpointRules, Limits};
use crate::http::{self, Room};
use crate::id::IdText;
use crate::jwt::JwtSecret;
use crate::key::KeyText;
use crate::network::Network;
use crate::sandbox::{self, Manner};
use crate::store::sqlite::{Claim, Purpose};
use crate::token::Signer;
use crate::user;

/// The largest payload of one event unless --payload-max says otherwise: 1 MiB; and the largest it may say.
pub(super) const PAYLOAD_BYTES: u64 = 1_024 * 1_024;
const PAYLOAD_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// For how many days payloads are kept unless --payload-days says otherwise; and the most it may say: ten years.
pub(super) const PAYLOAD_DAYS: u32 = 90;
const PAYLOAD_DAYS_MAX: i64 = 3_650;

/// How many seconds a stop may take unless --drain-seconds says otherwise: longer than an attempt may; and the most it
/// may say: an hour.
pub(super) const DRAIN_SECONDS: u32 = 20;
pub(super) const DRAIN_SECONDS_MAX: i64 = 3_600;
/// What `:PORT` listens on.
const EVERY_ADDRESS: &str = "0.0.0.0";
/// How long an attempt of the small providers may take: 10 s, as little as any page says.
const SANDBOX_TIMEOUT: Duration = Duration::from_secs(10);

/// What the server is told.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one, and without a host all addresses of this machine are listened on.
    #[arg(long, env = "POSTHASTE_LISTEN", default_value = "127.0.0.1:8071", value_name = "HOST:PORT", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Where everything is kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Goes on when the database lacks what was acknowledged, because its -wal is missing or another; it is logged.
    #[arg(long, env = "POSTHASTE_ACCEPT_LOSS")]
    pub accept_loss: bool,
    /// Private networks that endpoints may be in, such as 10.1.0.0/16; repeatable, or with commas.
    #[arg(long, env = "POSTHASTE_ALLOW_NETWORK", value_delimiter = ',', value_name = "CIDR")]
    pub allow_network: Vec<Network>,
    /// The URL under which callers reach this server, with which the ingestUrl of sources begins. Unless given: where
    /// it listens.
    #[arg(long, env = "POSTHASTE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<url::Url>,
    /// The origin under which people reach the portal, such as `https://hooks.example.com`: links to it begin with it.
    /// Unless given: the public URL.
    #[arg(long, env = "POSTHASTE_PORTAL_URL", value_name = "URL", value_parser = origin)]
    pub portal_url: Option<String>,
    /// Origins whose pages may show the portal in a frame, such as `https://app.example.com`; repeatable, or with
    /// commas.
    #[arg(long, env = "POSTHASTE_PORTAL_FRAME_ANCESTORS", value_delimiter = ',', value_name = "ORIGIN", value_parser = origin)]
    pub portal_frame_ancestors: Vec<String>,
    /// svix-server's `jwt_secret`: tokens made for it are accepted as they are (HS256), each environment apart.
    #[arg(long, env = "POSTHASTE_JWT_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub jwt_secret: Option<String>,
    /// How many requests a second each key, application token or environment token may make that has no rate of its
    /// own; more are answered 429. Unless given: as many as come.
    #[arg(long, env = "POSTHASTE_KEY_RATE", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub key_rate: Option<u32>,
    /// What holds for endpoints that say nothing else.
    #[command(flatten)]
    pub endpoints: EndpointArgs,
    /// Proxies in front of this server, such as 10.0.0.5: their X-Forwarded-For tells where a request came from.
    #[arg(long, env = "POSTHASTE_TRUST_PROXY", value_delimiter = ',', value_name = "CIDR", value_parser = Network::of_senders)]
    pub trust_proxy: Vec<Network>,
    /// The largest payload of one event, in bytes.
    #[arg(long, env = "POSTHASTE_PAYLOAD_MAX", default_value_t = PAYLOAD_BYTES, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=PAYLOAD_BYTES_MAX))]
    pub payload_max: u64,
    /// For how many days the payloads of events are kept that say nothing themselves (payloadRetentionPeriod); then they
    /// are erased, and whatever waits for them still is canceled.
    #[arg(long, env = "POSTHASTE_PAYLOAD_DAYS", default_value_t = PAYLOAD_DAYS, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=PAYLOAD_DAYS_MAX))]
    pub payload_days: u32,
    /// An admin key (`sk_test_…` or `sk_live_…`) that is made, with its environment, when it does not exist yet.
    #[arg(long, env = "POSTHASTE_BOOTSTRAP_KEY", hide_env_values = true, value_name = "KEY")]
    pub bootstrap_key: Option<String>,
    /// The e-mail address of an Admin of the dashboard that is made at start when there is none, with --admin-password.
    #[arg(long, env = "POSTHASTE_ADMIN_EMAIL", value_name = "EMAIL", requires = "admin_password")]
    pub admin_email: Option<String>,
    /// The password of that Admin, at least 12 characters.
    #[arg(
        long,
        env = "POSTHASTE_ADMIN_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        requires = "admin_email"
    )]
    pub admin_password: Option<String>,
    /// The issuer by which people may log in to the dashboard.
    #[command(flatten)]
    pub oidc: OidcArgs,
    /// The small providers beside the server, when this is `posthaste sandbox`.
    #[arg(skip)]
    pub sandbox: Option<Manner>,
    /// How many seconds a stop may take, in which open requests and attempts in flight end; what has not ended then is
    /// sent again after the next start.
    #[arg(long, env = "POSTHASTE_DRAIN_SECONDS", default_value_t = DRAIN_SECONDS, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=DRAIN_SECONDS_MAX))]
    pub drain_seconds: u32,
    /// What goes to the log on stderr: error, warn, info, debug, or a filter such as posthaste=debug.
    #[arg(long, env = "POSTHASTE_LOG", default_value = "info", value_name = "LEVEL")]
    pub log: String,
}

impl ServeArgs {
    /// On a free port of this machine, for endpoints on this machine, with everything in this file.
    pub(super) fn here(database: &Path, key: &KeyText) -> Self {
        Self {
            listen: ([127, 0, 0, 1], 0).into(),
            database: DatabaseArgs { database: format!("sqlite:{}", database.display()), seal_key: None },
            accept_loss: false,
            allow_network: vec!["127.0.0.0/8".parse().expect("a network")],
            public_url: None,
            portal_url: None,
            portal_frame_ancestors: Vec::new(),
            jwt_secret: None,
            key_rate: None,
            endpoints: EndpointArgs::default(),
            trust_proxy: Vec::new(),
            payload_max: PAYLOAD_BYTES,
            payload_days: PAYLOAD_DAYS,
            bootstrap_key: Some(key.reveal().to_owned()),
            admin_email: None,
            admin_password: None,
            oidc: OidcArgs::default(),
            sandbox: None,
            drain_seconds: DRAIN_SECONDS,
            log: String::new(),
        }
    }

    /// The e-mail address and the password of the Admin that is wanted. Error: what either lacks.
    fn admin(&self) -> Result<Option<(String, &str)>> {
        let (Some(email), Some(password)) = (&self.admin_email, &self.admin_password) else {
            return Ok(None);
        };
        let email = user::email(email).context("--admin-email (POSTHASTE_ADMIN_EMAIL)")?;
        user::check_password(password).context("--admin-password (POSTHASTE_ADMIN_PASSWORD)")?;
        Ok(Some((email, password)))
    }

    fn claim(&self, since_ms: i64) -> Claim {
        let purpose = if self.sandbox.is_some() { Purpose::Sandbox } else { Purpose::Serve };
        Claim { purpose, since_ms, accept_loss: self.accept_loss }
    }

    fn public_url(&self, listening: SocketAddr) -> String {
        without_slash(self.public_url.as_ref()).unwrap_or_else(|| format!("http://{listening}"))
    }

    fn portal_url(&self, listening: SocketAddr) -> String {
        self.portal_url.clone().unwrap_or_else(|| self.public_url(listening))
    }

    fn limits(
        &self,
        listening: SocketAddr,
        setup_code: Option<String>,
        endpoints: EndpointRules,
        readiness: &Arc<Readiness>,
    ) -> Result<Limits, Error> {
        let public_url = self.public_url(listening);
        Ok(Limits {
            payload_bytes_max: usize::try_from(self.payload_max).unwrap_or(usize::MAX),
            oidc: self.oidc.open(&public_url)?,
            public_url,
            portal_url: self.portal_url(listening),
            portal_ancestors: self.portal_frame_ancestors.clone(),
            trusted_proxies: self.trust_proxy.clone(),
            setup_code,
            endpoints,
            readiness: Arc::clone(readiness),
            dropped_lines: say::dropped,
        })
    }

    fn admission(&self, token_key: &[u8; 32]) -> Result<Admission, Error> {
        let named =
            |error: Error| Error { detail: format!("--jwt-secret (POSTHASTE_JWT_SECRET) {}", error.detail), ..error };
        let jwt = self.jwt_secret.as_deref().map(JwtSecret::new).transpose().map_err(named)?;
        Ok(Admission { signer: Signer::new(token_key), jwt, rate: self.key_rate })
    }
}

/// Reads an origin (RFC 6454), with `*.` before its host for all names below it.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text} is no origin; give scheme, host and port alone, such as https://app.example.com");
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
    let origin = url.origin().ascii_serialization();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:/[]*".contains(c);
    let is_alone = url.as_str().trim_end_matches('/') == origin && !text.contains(['@', '?', '#']);
    if is_alone && origin.chars().all(plain) { Ok(origin) } else { Err(wrong()) }
}

/// Reads where to listen: an address or a name of this machine, and a port; `:PORT` is every address.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("{EVERY_ADDRESS}{text}") } else { text.to_owned() };
    let wrong =
        |why: &dyn std::fmt::Display| format!("{why}; give HOST:PORT, such as 127.0.0.1:8071, localhost:8071 or :8071");
    let found: Vec<SocketAddr> = whole.to_socket_addrs().map_err(|error| wrong(&error))?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| wrong(&"this name has no address"))
}

fn without_slash(url: Option<&url::Url>) -> Option<String> {
    url.map(|url| url.as_str().trim_end_matches('/').to_owned())
}

/// A running server.
pub struct Server {
    /// `http://HOST:PORT`, with the port that was taken.
    pub url: String,
    /// The admin key that was made because the database was empty.
    pub admin_key: Option<KeyText>,
    /// What makes the first Admin of the dashboard, when there is none.
    pub setup_code: Option<String>,
    engine: Engine,
    database: Owned,
    doors: Arc<Doors>,
    watching: tokio::task::JoinHandle<()>,
    keeping: tokio::task::JoinHandle<()>,
    readiness: Arc<Readiness>,
    stop: Option<oneshot::Sender<()>>,
    door: tokio::task::JoinHandle<JoinSet<()>>,
    end: oneshot::Receiver<crate::error::Result<()>>,
}

impl Server {
    /// Opens the database, takes up what it holds, listens. Error: whatever keeps it from doing so.
    pub async fn start(args: &ServeArgs) -> Result<Self> {
        let (clock, shares) = (Arc::new(SystemClock::start()), process::shares());
        let endpoints = args.endpoints.rules()?;
        let (database, admin_key, setup_code) = open(args, &clock)?;
        let store = database.store();
        let listener = http::listen(args.listen)
            .await
            .with_context(|| format!("cannot listen on {} (--listen, POSTHASTE_LISTEN)", args.listen))?;
        let address = listener.local_addr()?;
        database.listens(&format!("http://{address}"))?;
        let opening = store.opening(clock.now().wall_ms)?;
        let guard = Guard::new(args.allow_network.clone(), vec![address]);
        let timeout = if args.sandbox.is_some() { SANDBOX_TIMEOUT } else { attempt::TIMEOUT };
        let courier =
            Courier::new(resolver(&guard)?, IdText::new(opening.id_key), Arc::clone(&clock), timeout, shares.kept);
        let judge_url = judge_by(resolver(&guard)?);
        let seed = rand::rngs::StdRng::from_os_rng().next_u64();
        let speed = args.sandbox.map_or(1, |manner| manner.speed);
        let (sender, ladder) = (courier, endpoints.ladder.clone());
        let slots = shares.slots;
        let parts = Parts { store: Arc::clone(&store), sender, clock: Arc::clone(&clock), seed, speed, ladder, slots };
        let watch = Watch::new(&opening);
        let admission = args.admission(&opening.token_key)?;
        let (engine, end) = Engine::start(parts, opening).await?;
        let rooms = match args.sandbox {
            Some(manner) => {
                let prober = Prober::guarded(guard).map_err(|error| Error::internal(error.0))?;
                let house = sandbox::open(sandbox::Parts {
                    engine: engine.clone(),
                    store: Arc::clone(&store),
                    clock: Arc::clone(&clock) as Arc<dyn Clock>,
                    judge_url: Arc::clone(&judge_url),
                    prober,
                    environment: home(&*store, &*clock)?,
                    manner,
                    url: args.public_url(address),
                });
                sandbox::router(house.await?)
            }
            None => axum::Router::new(),
        };
        let readiness = Arc::new(Readiness::default());
        let limits = args.limits(address, setup_code.clone(), endpoints, &readiness)?;
        let api = Api::new(engine.clone(), store, clock, judge_url, limits, admission);
        let doors = api.doors();
        let pages = dashboard::router(api.clone(), args.sandbox.is_none());
        let watching = tokio::spawn(api.doors().watch(watch));
        let keeping = tokio::spawn(http::upkeep::run(api.clone(), args.payload_days));
        let room = Room { callers: shares.callers, drain: Duration::from_secs(args.drain_seconds.into()) };
        let (stop, stopped) = oneshot::channel::<()>();
        let door = tokio::spawn(http::serve(listener, api::router(api).merge(pages).merge(rooms), room, async move {
            let _ = stopped.await; // a dropped sender is a stop too
        }));
        Ok(Self {
            url: format!("http://{address}"),
            admin_key,
            setup_code,
            engine,
            database,
            doors,
            watching,
            keeping,
            readiness,
            stop: Some(stop),
            door,
            end,
        })
    }

    /// Accepts nothing more, lets open requests and attempts in flight end, closes the database. Error: outcomes could
    /// not be written.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.readiness.end();
        drop(self.stop.take());
        let late = self.door.await.inspect_err(|error| tracing::error!(%error, "the listener ended badly"));
        self.watching.abort();
        self.keeping.abort();
        self.doors.write_down().await;
        self.engine.stop().await;
        drop(late);
        let outcome = (&mut self.end).await.unwrap_or(Ok(()));
        self.database.end().await.and(outcome)
    }

    /// Resolves when the engine had to end, or the database is gone.
    pub(super) async fn failed(&mut self) -> Error {
        tokio::select! {
            end = &mut self.end => end.ok().and_then(Result::err).unwrap_or_else(|| Error::internal("the engine ended")),
            error = self.database.gone() => {
                self.readiness.lose(error.detail.clone());
                error
            }
        }
    }
}

/// Opens the database and makes in it what is wanted and missing; gives the admin key and the setup code that nobody
/// knows yet.
fn open(args: &ServeArgs, clock: &Arc<SystemClock>) -> Result<(Owned, Option<KeyText>, Option<String>)> {
    let claim = args.claim(clock.now().wall_ms);
    let database = args.database.own(&claim, Arc::clone(clock) as Arc<dyn Clock>)?;
    let store = database.store();
    let admin = args.admin()?;
    let admin_key = prepare(&*store, args.bootstrap_key.as_deref(), &**clock)?;
    let setup_code = people(&*store, admin, &**clock)?;
    Ok((database, admin_key, setup_code))
}

/// Names are asked for on the runtime that asks first: the API and the senders have one each.
fn resolver(guard: &Guard) -> Result<Resolver<Dns>, Error> {
    let lookup = Dns::system().map_err(|error| Error::internal(format!("no name servers: {error}")))?;
    Ok(Resolver::new(guard.clone(), lookup))
}
