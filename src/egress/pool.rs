//! Connections: dialled to judged addresses only, kept for the next attempt to the same endpoint.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::dial::{self, NotConnected};
use super::guard::Target;
use super::heard::Heard;
use crate::attempt::{Cause, TIMEOUT};
use crate::id::EndpointId;

/// A connection takes new attempts for this long; then its address is resolved and judged anew.
const CONNECTION_AGE_MAX: Duration = Duration::from_mins(1);
/// How many idle connections one endpoint keeps.
const IDLE_MAX: usize = 64;
/// Responses: how many headers, and how many bytes of them.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 16_384;

/// One open connection.
pub(super) struct Connection {
    /// Its place among those that are kept, while it is idle.
    place: Option<OwnedSemaphorePermit>,
    pub(super) requests: http1::SendRequest<Full<Bytes>>,
    since: Instant,
    heard: Arc<AtomicUsize>,
}

impl Connection {
    /// How many bytes came over it so far.
    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

/// Where an endpoint's attempts go, and its idle connections there.
struct Route {
    url: String,
    target: Arc<Target>,
    idle: Vec<Connection>,
}

/// The routes of all endpoints that were sent to.
pub(super) struct Pool {
    routes: Arc<Mutex<HashMap<EndpointId, Route>>>,
    tls: TlsConnector,
    /// Room for idle connections, over all endpoints.
    places: Arc<Semaphore>,
}

impl Pool {
    /// Keeps so many idle connections at most.
    pub(super) fn new(tls: TlsConnector, kept: usize) -> Self {
        Self { routes: Arc::default(), tls, places: Arc::new(Semaphore::new(kept)) }
    }

    /// The parsed URL of an endpoint, when it was sent to before; a changed URL is another route.
    pub(super) fn target(&self, endpoint: EndpointId, url: &str) -> Option<Arc<Target>> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.get(&endpoint).filter(|route| route.url == url).map(|route| Arc::clone(&route.target))
    }

    /// Remembers where an endpoint's URL leads; connections to its former URL are closed.
    pub(super) fn learn(&self, endpoint: EndpointId, url: &str, target: Arc<Target>) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.insert(endpoint, Route { url: url.to_owned(), target, idle: Vec::new() });
    }

    /// An idle connection that may take one more attempt.
    pub(super) fn take(&self, endpoint: EndpointId) -> Option<Connection> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = &mut routes.get_mut(&endpoint)?.idle;
        while let Some(mut connection) = idle.pop() {
            connection.place = None;
            if connection.requests.is_ready() && connection.since.elapsed() < CONNECTION_AGE_MAX {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose response ended cleanly.
    pub(super) fn give_back(&self, endpoint: EndpointId, target: &Arc<Target>, mut connection: Connection) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return; // so many are kept already: this one is closed
        };
        connection.place = Some(place);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get_mut(&endpoint)
            && Arc::ptr_eq(&route.target, target)
            && route.idle.len() < IDLE_MAX
            && !connection.requests.is_closed()
        {
            route.idle.push(connection);
        }
    }

    /// Connects to the first address that answers; all of them have been judged.
    pub(super) async fn dial(
        &self,
        endpoint: EndpointId,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<Connection, NotConnected> {
        let stream = dial::connect(addresses).await?;
        if !target.https() {
            return self.handshake(endpoint, stream).await;
        }
        let stream = dial::secure(&self.tls, target, stream).await?;
        self.handshake(endpoint, stream).await
    }

    async fn handshake(
        &self,
        endpoint: EndpointId,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Connection, NotConnected> {
        let (stream, heard) = Heard::new(stream);
        let handshake = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_header_size(HEADER_BYTES_MAX)
            .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await;
        let (requests, driver) =
            handshake.map_err(|error| NotConnected { cause: Cause::Connect, detail: error.to_string() })?;
        let routes = Arc::clone(&self.routes);
        tokio::spawn(async move {
            // a connection outlives its age only while the attempt it took last is still allowed to run;
            // how it ended is told to that attempt
            let _ = timeout(CONNECTION_AGE_MAX + TIMEOUT, driver).await;
            let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(route) = routes.get_mut(&endpoint) {
                route.idle.retain(|connection| !connection.requests.is_closed());
            }
        });
        Ok(Connection { place: None, requests, since: Instant::now(), heard })
    }
}
