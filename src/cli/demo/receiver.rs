//! The demo's receiver: a customer's endpoint that verifies every signature and misbehaves now and then.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::secret::Secret;
use crate::signature;

/// Every so many requests one is answered with 500, and one slowly.
const FAILS_EVERY: usize = 9;
const DAWDLES_EVERY: usize = 7;
const DAWDLES: Duration = Duration::from_millis(400);
/// How many rows are kept to be shown.
const ROWS_MAX: usize = 10_000;

/// The path of its URL; below it, one for each provider.
const PATH: &str = "webhooks";

/// What stands above the rows.
pub(super) const HEADING: &str = "event                            from       type                                 attempt  answer  signature  after";

/// What the demo's events say, and what the providers' do.
#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    event_type: String,
    /// Finix names its types in two parts.
    entity: Option<String>,
    /// The demo's own are numbered.
    number: Option<usize>,
}

/// A customer's endpoint.
pub(super) struct Receiver {
    /// Where it listens.
    pub(super) url: String,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    secrets: Vec<Secret>,
    published: Vec<Instant>,
    attempts: BTreeMap<String, u32>,
    rows: Vec<String>,
    requests: usize,
    delivered: usize,
    failed: usize,
    forged: usize,
}

impl Receiver {
    /// Listens on a free port of this machine.
    pub(super) async fn start() -> Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/{PATH}", listener.local_addr()?);
        let receiver = Arc::new(Self { url, seen: Mutex::default() });
        let shared = Arc::clone(&receiver);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = Arc::clone(&shared);
                let service = hyper::service::service_fn(move |request| Arc::clone(&receiver).answer(request));
                // a connection that breaks is the sender's to notice
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(receiver)
    }

    /// Takes the secret that its deliveries must be signed with.
    pub(super) fn trust(&self, secret: Secret) {
        self.seen().secrets.push(secret);
    }

    /// The next event to publish, as the body of the call; its number tells when it was published.
    pub(super) fn next_event(&self, event_type: &str, amount: u32) -> String {
        let mut seen = self.seen();
        let number = seen.published.len();
        seen.published.push(Instant::now());
        format!(
            r#"{{"eventType":"{event_type}","payload":{{"type":"{event_type}","amount":{amount},"currency":"CLP","number":{number}}}}}"#
        )
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let header =
            |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let from = head.uri.path().rsplit('/').next().filter(|last| *last != PATH).unwrap_or("platform");
        let proof = [header("webhook-id"), header("webhook-timestamp"), header("webhook-signature")];
        let (status, wait) = self.note(from, &proof, &body);
        tokio::time::sleep(wait).await;
        let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        Ok(response)
    }

    /// Verifies and writes down one request; gives the status and how long to dawdle.
    fn note(&self, from: &str, [id, timestamp, signatures]: &[String; 3], body: &[u8]) -> (u16, Duration) {
        let mut seen = self.seen();
        let genuine = signature::verify(&seen.secrets, id, timestamp, signatures, body);
        let payload = serde_json::from_slice::<Payload>(body).ok().filter(|_| genuine);
        let Some(payload) = payload else {
            seen.forged += 1;
            return (400, Duration::ZERO);
        };
        seen.requests += 1;
        let fails = seen.requests.is_multiple_of(FAILS_EVERY);
        let dawdles = seen.requests.is_multiple_of(DAWDLES_EVERY);
        let attempts = seen.attempts.entry(id.clone()).or_default();
        *attempts += 1;
        let attempt = *attempts;
        if fails {
            seen.failed += 1;
        } else {
            seen.delivered += 1;
        }
        let status = if fails { 500 } else { 200 };
        let after = payload.number.and_then(|number| seen.published.get(number)).map(Instant::elapsed);
        let after = after.map_or_else(String::new, |after| format!("{:.1} ms", after.as_secs_f64() * 1_000.0));
        let Payload { event_type, entity, .. } = payload;
        let event_type = entity.map_or(event_type.clone(), |entity| format!("{entity}.{event_type}"));
        let row = format!("{id:<32} {from:<10} {event_type:<36} {attempt:>4}     {status}     verified   {after}");
        if seen.rows.len() < ROWS_MAX {
            seen.rows.push(row);
        }
        (status, if dawdles { DAWDLES } else { Duration::ZERO })
    }

    /// The newest rows.
    pub(super) fn last_rows(&self, count: usize) -> Vec<String> {
        let seen = self.seen();
        seen.rows[seen.rows.len().saturating_sub(count)..].to_vec()
    }

    /// The rows from this one on.
    pub(super) fn rows_from(&self, first: usize) -> Vec<String> {
        self.seen().rows[first..].to_vec()
    }

    /// All of it in a line.
    pub(super) fn summary(&self) -> String {
        let seen = self.seen();
        let Seen { delivered, failed, forged, .. } = &*seen;
        format!(
            "{} events published, the rest from the providers; {delivered} delivered; {failed} attempts failed on purpose and are retried; {forged} bad signatures",
            seen.published.len()
        )
    }

    /// Whether something came, and all of it was signed rightly.
    pub(super) fn all_verified(&self) -> bool {
        let seen = self.seen();
        seen.forged == 0 && seen.delivered > 0
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
