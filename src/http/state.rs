//! What every route may use: the engine, the store, the time, the keys, the doors, the guard's verdict.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::auth::{Admission, Auth};
use super::dashboard::entrance::Entrance;
use super::dashboard::inspectors::Inspectors;
use super::dashboard::note::Notes;
use super::dashboard::viewers::Viewers;
use super::doors::Doors;
use super::oidc::Oidc;
use super::openapi;
use super::readiness::Readiness;
use super::schemas::Schemas;
use crate::clock::Clock;
use crate::engine::run::Engine;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::retry::Ladder;
use crate::secret::Scheme;
use crate::store::Store;

/// How the normal form of a URL begins that is called over TLS.
const HTTPS: &str = "https://";

/// Judges a URL as delivery will and gives it in its normal form, which calls the same; the error says which address was
/// refused and how to allow it.
pub type JudgeUrl = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<String>> + Send>> + Send + Sync>;

/// What an operator decides for endpoints that say nothing else.
#[derive(Clone, Debug)]
pub struct EndpointRules {
    /// With what new ones sign whose request brings no secret.
    pub default_signature: Scheme,
    /// Whether new and changed URLs must be https.
    pub https_only: bool,
    /// When a failed delivery is tried again, where neither its endpoint nor its provider says so.
    pub ladder: Ladder,
}

/// What an operator decides about the routes.
#[derive(Clone)]
pub struct Limits {
    /// The largest payload of one event, in bytes.
    pub payload_bytes_max: usize,
    /// Under which URL callers reach this server, without a slash at its end.
    pub public_url: String,
    /// Under which URL people reach the portal, without a slash at its end.
    pub portal_url: String,
    /// The origins whose pages may frame the portal.
    pub portal_ancestors: Vec<String>,
    /// Whose word counts about where a request came from.
    pub trusted_proxies: Vec<Network>,
    /// What makes the first Admin, while there is none.
    pub setup_code: Option<String>,
    /// What holds for endpoints that say nothing else.
    pub endpoints: EndpointRules,
    /// The issuer by which people may come in.
    pub oidc: Option<Arc<Oidc>>,
    /// What keeps the server from accepting anything.
    pub readiness: Arc<Readiness>,
    /// How many lines could not be written to the log and to stdout so far.
    pub dropped_lines: fn() -> u64,
}

/// What every route may use.
#[derive(Clone)]
pub struct Api {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) auth: Arc<Auth>,
    pub(super) doors: Arc<Doors>,
    pub(super) schemas: Arc<Schemas>,
    pub(super) judge_url: JudgeUrl,
    pub(super) rules: Arc<EndpointRules>,
    /// The largest payload of one event, in bytes.
    pub(super) payload_bytes_max: usize,
    pub(super) public_url: Arc<str>,
    pub(super) portal_url: Arc<str>,
    pub(super) portal_ancestors: Arc<[String]>,
    /// The OpenAPI document.
    pub(super) document: Arc<OnceLock<Bytes>>,
    pub(super) trusted_proxies: Arc<[Network]>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) oidc: Option<Arc<Oidc>>,
    pub(super) notes: Arc<Notes>,
    /// Wakes the upkeep before its time.
    pub(super) upkeep: Arc<Notify>,
    pub(super) viewers: Arc<Viewers>,
    pub(super) inspectors: Arc<Inspectors>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) dropped_lines: fn() -> u64,
}

impl Api {
    /// Joins the parts.
    #[expect(clippy::too_many_arguments, reason = "the one place where all parts meet")]
    pub fn new(
        engine: Engine,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        judge_url: JudgeUrl,
        limits: Limits,
        admission: Admission,
    ) -> Self {
        let schemas = Arc::new(Schemas::new(Arc::clone(&store), Arc::clone(&clock)));
        let auth = Auth::new(Arc::clone(&store), Arc::clone(&clock), engine.clone(), admission);
        let auth = Arc::new(auth);
        let doors = Doors::new(Arc::clone(&store), Arc::clone(&clock), engine.clone());
        Self {
            engine,
            store,
            clock,
            auth,
            doors,
            schemas,
            judge_url,
            rules: Arc::new(limits.endpoints),
            payload_bytes_max: limits.payload_bytes_max,
            document: Arc::default(),
            public_url: limits.public_url.into(),
            portal_url: limits.portal_url.into(),
            portal_ancestors: limits.portal_ancestors.into(),
            trusted_proxies: limits.trusted_proxies.into(),
            entrance: Arc::new(Entrance::new(limits.setup_code)),
            oidc: limits.oidc,
            notes: Arc::default(),
            upkeep: Arc::default(),
            viewers: Arc::default(),
            inspectors: Arc::default(),
            readiness: limits.readiness,
            dropped_lines: limits.dropped_lines,
        }
    }

    /// The URL of an endpoint as it is kept; `before` is the one that it has. Error: the guard's verdict, or http where
    /// the operator takes https alone and the endpoint had not that URL before.
    pub(super) async fn endpoint_url(&self, given: &str, before: Option<&str>) -> Result<String> {
        let url = (self.judge_url)(given.to_owned()).await?;
        let is_changed = before.is_none_or(|before| before != url && before != given);
        if self.rules.https_only && is_changed && !url.starts_with(HTTPS) {
            return Err(Error::field(
                "url",
                format!("must begin with {HTTPS}: this server takes no other (--https-only)"),
            ));
        }
        Ok(url)
    }

    /// The OpenAPI document, made when it is asked for first.
    pub(super) fn document(&self) -> Bytes {
        self.document.get_or_init(|| openapi::document(&self.public_url).into()).clone()
    }

    /// The doors of sources.
    pub fn doors(&self) -> Arc<Doors> {
        Arc::clone(&self.doors)
    }

    /// Asks the store on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        spawn_blocking(move || question(&*store)).await.map_err(Error::internal)?
    }
}
