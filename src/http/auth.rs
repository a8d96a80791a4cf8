//! Who calls: keys, read from the store again when the last look is half a second old.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::task::spawn_blocking;

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::key::{Caller, Keyring};
use crate::store::Store;

/// A revoked key stops working, and a new one works, within this time and the read that follows it.
const LOOK_MS: i64 = 500;

/// The keys as last read.
pub(super) struct Auth {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(i64, Arc<Keyring>)>>,
}

impl Auth {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, last: Mutex::new(None) }
    }

    /// Takes a request's headers. Error: 401 that says what would be right.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let header = given.next().map(|value| value.to_str().unwrap_or_default());
        if given.next().is_some() {
            return Err(Error::new(
                Kind::Unauthorized,
                "authentication_failed",
                "the Authorization header is there twice; send one",
            ));
        }
        self.keyring().await?.caller(header)
    }

    async fn keyring(&self) -> Result<Arc<Keyring>> {
        let now_ms = self.clock.now().steady_ms;
        if let Some((read_ms, keyring)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && now_ms - read_ms < LOOK_MS
        {
            return Ok(Arc::clone(keyring));
        }
        let store = Arc::clone(&self.store);
        let keys = spawn_blocking(move || store.keys()).await.map_err(Error::internal)??;
        let keyring = Arc::new(Keyring::new(&keys));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now_ms, Arc::clone(&keyring)));
        Ok(keyring)
    }
}
