//! What every route may use: the engine, the store, the time, the keys, the guard's verdict.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::auth::Auth;
use crate::clock::Clock;
use crate::engine::run::Engine;
use crate::error::{Error, Result};
use crate::store::Store;

/// Judges a URL as delivery will; the error says which address was refused and how to allow it.
pub type JudgeUrl = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// What every route may use.
#[derive(Clone)]
pub struct Api {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) auth: Arc<Auth>,
    pub(super) judge_url: JudgeUrl,
    /// The largest payload of one event, in bytes.
    pub(super) payload_bytes_max: usize,
}

impl Api {
    /// Joins the parts; `payload_bytes_max` is what `--payload-max` says.
    pub fn new(
        engine: Engine,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        judge_url: JudgeUrl,
        payload_bytes_max: usize,
    ) -> Self {
        let auth = Arc::new(Auth::new(Arc::clone(&store), Arc::clone(&clock)));
        Self { engine, store, clock, auth, judge_url, payload_bytes_max }
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
