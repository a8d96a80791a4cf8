//! What every route may use: the engine, the store, the time, the keys, the doors, the guard's verdict.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::auth::Auth;
use super::doors::Doors;
use crate::clock::Clock;
use crate::engine::run::Engine;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::store::Store;

/// Judges a URL as delivery will; the error says which address was refused and how to allow it.
pub type JudgeUrl = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// What an operator decides about the routes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest payload of one event, in bytes.
    pub payload_bytes_max: usize,
    /// Under which URL callers reach this server, without a slash at its end.
    pub public_url: String,
    /// Whose word counts about where a request came from.
    pub trusted_proxies: Vec<Network>,
}

/// What every route may use.
#[derive(Clone)]
pub struct Api {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) auth: Arc<Auth>,
    pub(super) doors: Arc<Doors>,
    pub(super) judge_url: JudgeUrl,
    /// The largest payload of one event, in bytes.
    pub(super) payload_bytes_max: usize,
    pub(super) public_url: Arc<str>,
    pub(super) trusted_proxies: Arc<[Network]>,
}

impl Api {
    /// Joins the parts.
    pub fn new(
        engine: Engine,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        judge_url: JudgeUrl,
        limits: Limits,
    ) -> Self {
        let auth = Arc::new(Auth::new(Arc::clone(&store), Arc::clone(&clock)));
        let doors = Doors::new(Arc::clone(&store), Arc::clone(&clock), engine.clone());
        Self {
            engine,
            store,
            clock,
            auth,
            doors,
            judge_url,
            payload_bytes_max: limits.payload_bytes_max,
            public_url: limits.public_url.into(),
            trusted_proxies: limits.trusted_proxies.into(),
        }
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
