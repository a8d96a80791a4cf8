//! The only door in: connections with limits, and the routes behind them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Version};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::Service as _;

use crate::error::{Error, Kind, Result};

pub mod api;
pub mod auth;
pub(crate) mod call;
mod cors;
pub mod dashboard;
pub mod doors;
mod ingress;
mod linger;
mod metrics;
pub mod oidc;
mod openapi;
mod origin;
mod pace;
mod page;
mod problem;
pub mod readiness;
mod schemas;
mod sdk;
pub mod state;
pub(crate) mod strict;
pub mod upkeep;
mod yaml;

/// How many connections are open at one time where descriptors are enough; more wait in the listener's queue.
pub const CONNECTIONS_MAX: usize = 8_192;
/// How long a request's head may take, and how long a connection may stay idle.
const HEAD_READ_MAX: Duration = Duration::from_secs(30);
/// A request's head: how many headers, and how many bytes.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 64 * 1_024;
/// How long open requests may take to end after a stop: 10 s at most.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// The paths of those that watch begin so: they are answered also while the server ends.
const HEALTH: &str = "/api/v1/health";

/// How many may come in, and how long they may stay after a stop.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// How many connections are open at one time; more wait in the listener's queue.
    pub callers: usize,
    /// How long a stop may take in all; open requests have half of it, attempts in flight the rest.
    pub drain: Duration,
}

/// Serves until `stop` resolves, then lets open requests end. Gives what goes on to say that the server ends, to whoever
/// comes later, until it is dropped.
pub async fn serve(listener: TcpListener, router: Router, room: Room, stop: impl Future<Output = ()>) -> JoinSet<()> {
    let graceful = GracefulShutdown::new();
    let (room, drain) = (Arc::new(Semaphore::new(room.callers)), DRAIN_MAX.min(room.drain / 2));
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = Arc::clone(&room).acquire_owned().await.expect("never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await; // out of file handles: let some be closed
                continue;
            }
        };
        let connection = graceful.watch(connect(stream, peer, router.clone(), false));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    let mut late = JoinSet::new();
    late.spawn(turn_away(listener, router, room));
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    late
}

/// Answers those that watch, and tells all others that the server ends.
async fn turn_away(listener: TcpListener, router: Router, room: Arc<Semaphore>) {
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await; // out of file handles: let some be closed
            continue;
        };
        let connection = connect(stream, peer.ip(), router.clone(), true);
        tokio::spawn(async move {
            let _ = connection.await; // nothing was accepted that could be lost
            drop(place);
        });
    }
}

/// Who is at the other end of the connection; every request carries it.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

fn connect(
    stream: TcpStream,
    peer: IpAddr,
    router: Router,
    ending: bool,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // small answers must not wait for the peer's delayed acknowledgement; a socket that refuses it still works
    let _ = stream.set_nodelay(true);
    let unread = Arc::new(AtomicBool::new(true)); // what closes it now closes it inside a request's head
    let stream = linger::Lingering::new(stream, Arc::clone(&unread));
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        answer(router.clone(), request, Arc::clone(&unread), ending)
    });
    http1::Builder::new()
        .keep_alive(!ending)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_MAX)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
}

async fn answer(
    mut router: Router,
    mut request: Request<Incoming>,
    unread: Arc<AtomicBool>,
    ending: bool,
) -> Result<http::Response<Body>, Infallible> {
    unread.store(!request.body().is_end_stream(), Ordering::Relaxed);
    if ending && !request.uri().path().starts_with(HEALTH) {
        return Ok(readiness::ending().into_response());
    }
    if let Err(error) = check_head(&request) {
        return Ok(error.into_response());
    }
    trim_slash(&mut request);
    let from_page = cors::is_from_page(&request);
    if let Some(response) = cors::preflight(&request).filter(|_| from_page) {
        return Ok(response);
    }
    let mut response = router.call(request).await?;
    if from_page {
        cors::show(&mut response);
    }
    if response.status().is_success() {
        unread.store(false, Ordering::Relaxed);
    }
    Ok(response)
}

/// Refuses what a proxy on the way may have read in another way (RFC 9112 §3.2, §6.1): no host or two, a coding
/// that is never undone. Of a length beside chunks hyper drops the length, and the connection after it.
fn check_head(request: &Request<Incoming>) -> Result<()> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let wrong = if hosts > 1 || (hosts == 0 && request.version() >= Version::HTTP_11) {
        "the request must have one Host header; send it once"
    } else if !codings.next().is_none_or(chunked) || codings.next().is_some() {
        "no Transfer-Encoding but `chunked` is read; send the body as it is"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Invalid, "generic_error", wrong))
}

/// `/api/v1/app/` is `/api/v1/app`.
fn trim_slash(request: &mut Request<Incoming>) {
    let uri = request.uri();
    let trimmed = uri.path().trim_end_matches('/');
    if trimmed.len() == uri.path().len() || trimmed.is_empty() {
        return;
    }
    let text = uri.query().map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}"));
    if let Ok(uri) = text.parse() {
        *request.uri_mut() = uri;
    }
}

/// Listens; `:0` takes a free port.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
