//! Making one attempt: sign, send, read as much of the response as is kept, judge nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Incoming;

use super::dial::{self, NotConnected};
use super::guard::{Refused, Target};
use super::pool::{Connection, Pool};
use super::resolve::{Lookup, ResolveError, Resolver};
use crate::attempt::{Answer, Cause, EXCERPT_BYTES_MAX, EXCERPT_SUCCESS_BYTES_MAX, Order, Report, Sender, Wish};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::id::{EndpointId, IdText};
use crate::providers::{Signing, request};
use crate::retry;

/// By which a receiver says what is to become of its deliveries.
const WEBHOOK_DELIVERY: HeaderName = HeaderName::from_static("webhook-delivery");

/// How many idle connections are kept at most, over all endpoints, where descriptors are enough.
pub const KEPT_MAX: usize = 16_384;
/// How long a connection is tried to see whether there is a way out, when nothing came in time. A name is asked for as long
/// as ever: silent name servers are what is looked for.
const WAY_OUT_MAX: Duration = Duration::from_secs(1);

/// Carries attempts to their endpoints.
pub struct Courier<L, C> {
    inner: Arc<Inner<L, C>>,
}

struct Inner<L, C> {
    resolver: Resolver<L>,
    pool: Pool,
    text: IdText,
    clock: Arc<C>,
    timeout: Duration,
}

impl<L, C> Clone for Courier<L, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<L: Lookup + Send + Sync + 'static, C: Clock> Courier<L, C> {
    /// Takes how names are resolved and judged, how ids are written, the time, how long an attempt may take, and how many
    /// idle connections are kept.
    pub fn new(resolver: Resolver<L>, text: IdText, clock: Arc<C>, timeout: Duration, kept: usize) -> Self {
        let pool = Pool::new(dial::trusting_browsers(), kept);
        Self { inner: Arc::new(Inner { resolver, pool, text, clock, timeout }) }
    }
}

impl<L: Lookup + Send + Sync + 'static, C: Clock> Sender for Courier<L, C> {
    async fn send(&self, order: Order) -> Report {
        let begun = self.inner.clock.now();
        let timeout = order.endpoint.handling.timeout().unwrap_or(self.inner.timeout);
        let answer =
            match tokio::time::timeout(timeout, self.inner.attempt(&order, begun.wall_ms.div_euclid(1_000))).await {
                Ok(answer) => answer,
                Err(_) => self.inner.silence(&order.endpoint, timeout).await,
            };
        let took_ms = self.inner.clock.now().steady_ms - begun.steady_ms;
        let webhook_id = order.payload.as_ref().and_then(|payload| payload.arrival.as_ref()?.webhook_id);
        Report { started_ms: begun.wall_ms, duration_ms: u32::try_from(took_ms).unwrap_or(0), answer, webhook_id }
    }
}

/// What one exchange came to.
enum Exchange {
    Answered(Answer),
    /// The connection ended before a single byte of a response: a kept one was stale, and a new one may be tried.
    Stale,
}

impl<L: Lookup, C: Clock> Inner<L, C> {
    async fn attempt(&self, order: &Order, at_secs: i64) -> Answer {
        let endpoint = &order.endpoint;
        let target = match self.target(endpoint) {
            Ok(target) => target,
            Err(refused) => return blocked(&refused),
        };
        if let Some(connection) = self.pool.take(endpoint.id)
            && let Exchange::Answered(answer) = self.exchange(order, &target, connection, at_secs).await
        {
            return answer;
        }
        // boxed: a new connection is rare, and its state would make every attempt's task four times as large
        let connection = match Box::pin(self.connect(endpoint.id, &target)).await {
            Ok(connection) => connection,
            Err(answer) => return answer,
        };
        match self.exchange(order, &target, connection, at_secs).await {
            Exchange::Answered(answer) => answer,
            Exchange::Stale => failure(Cause::Connect, "the connection was closed before a response came".to_owned()),
        }
    }

    async fn connect(&self, endpoint: EndpointId, target: &Target) -> Result<Connection, Answer> {
        let addresses = self.resolver.resolve(target).await.map_err(|error| match error {
            ResolveError::Refused(refused) => blocked(&refused),
            ResolveError::Unresolved(detail) => failure(Cause::Unresolved, detail),
            ResolveError::Unreachable(detail) => failure(Cause::Local, detail),
        })?;
        let dialled = self.pool.dial(endpoint, target, &addresses).await;
        dialled.map_err(|NotConnected { cause, detail }| failure(cause, detail))
    }

    /// Nothing came in time. Where the way out is gone by now, whatever was sent on it says nothing of the receiver.
    async fn silence(&self, endpoint: &Endpoint, waited: Duration) -> Answer {
        if let Ok(target) = self.target(endpoint)
            && let Err(NotConnected { cause, detail }) = self.way_out(&target).await
        {
            return failure(cause, detail);
        }
        failure(Cause::Timeout, format!("no complete response within {} s", waited.as_secs()))
    }

    /// Whether a connection leaves this machine. Error: why it does not.
    async fn way_out(&self, target: &Target) -> Result<(), NotConnected> {
        let addresses = match self.resolver.resolve(target).await {
            Ok(addresses) => addresses,
            Err(ResolveError::Unreachable(detail)) => return Err(NotConnected { cause: Cause::Local, detail }),
            Err(ResolveError::Refused(_) | ResolveError::Unresolved(_)) => return Ok(()),
        };
        match tokio::time::timeout(WAY_OUT_MAX, dial::connect(&addresses)).await {
            Ok(Err(none)) if matches!(none.cause, Cause::Local | Cause::NoRoute) => Err(none),
            _ => Ok(()),
        }
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Arc<Target>, Refused> {
        if let Some(target) = self.pool.target(endpoint.id, &endpoint.url) {
            return Ok(target);
        }
        let target = Arc::new(self.resolver.guard().target(&endpoint.url)?);
        self.pool.learn(endpoint.id, &endpoint.url, Arc::clone(&target));
        Ok(target)
    }

    /// The signed request; time stamp and signature are of the second in which the attempt began, which its row keeps.
    fn request(&self, order: &Order, target: &Target, at_secs: i64) -> http::Result<Request<Full<Bytes>>> {
        let endpoint = &order.endpoint;
        let (body, arrival) = order
            .payload
            .as_ref()
            .map_or_else(Default::default, |payload| (payload.body.clone(), payload.arrival.as_deref()));
        let id = self.text.webhook_id(order.lease.event, arrival.and_then(|arrival| arrival.webhook_id));
        let signing = Signing { id: &id, at_secs, body: &body };
        let mut request = Request::post(target.path_and_query()).body(Full::new(body.clone()))?;
        let headers = request.headers_mut();
        let carried = request::headers(endpoint, arrival, &self.text, signing);
        headers.reserve(1 + carried.len());
        headers.insert(HOST, HeaderValue::try_from(target.authority())?);
        for (name, value) in carried {
            headers.insert(HeaderName::try_from(&*name)?, HeaderValue::try_from(&*value)?);
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        order: &Order,
        target: &Arc<Target>,
        mut connection: Connection,
        at_secs: i64,
    ) -> Exchange {
        let request = match self.request(order, target, at_secs) {
            Ok(request) => request,
            Err(error) => {
                return Exchange::Answered(failure(Cause::Internal, format!("the request cannot be written: {error}")));
            }
        };
        let heard = connection.heard();
        let response = match connection.requests.send_request(request).await {
            Ok(response) => response,
            Err(error) if error.is_parse() => {
                return Exchange::Answered(failure(Cause::Protocol, format!("no HTTP/1.1 response: {error}")));
            }
            Err(_) if connection.heard() == heard => return Exchange::Stale,
            Err(error) => {
                return Exchange::Answered(failure(Cause::Protocol, format!("the response broke off: {error}")));
            }
        };
        let (head, body) = response.into_parts();
        let kept_max = if head.status.is_success() { EXCERPT_SUCCESS_BYTES_MAX } else { EXCERPT_BYTES_MAX };
        let (excerpt, ended) = match read(body, kept_max).await {
            Ok(read) => read,
            Err(error) => {
                return Exchange::Answered(failure(Cause::Protocol, format!("the response broke off: {error}")));
            }
        };
        if ended {
            self.pool.give_back(order.endpoint.id, target, connection);
        }
        let retry_after_secs = self.retry_after(&head.headers);
        let wish = head.headers.get(WEBHOOK_DELIVERY).and_then(|value| Wish::parse(value.to_str().ok()?));
        Exchange::Answered(Answer::Response { status: head.status.as_u16(), retry_after_secs, wish, excerpt })
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<i64> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
        retry::parse_retry_after(text, self.clock.now().wall_ms)
    }
}

/// Reads what is kept, and up to 16 KiB to the end of the body; gives whether the end was seen.
/// A longer body is left unread: its connection is not used again.
async fn read(mut body: Incoming, kept_max: usize) -> hyper::Result<(Bytes, bool)> {
    let mut kept = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            seen += data.len();
            let room = kept_max - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
        if seen > EXCERPT_BYTES_MAX {
            return Ok((kept.freeze(), false));
        }
    }
    Ok((kept.freeze(), true))
}

fn failure(cause: Cause, detail: String) -> Answer {
    Answer::Failure { cause, detail }
}

/// All refusals look alike to whoever owns the endpoint: nothing inside is told apart.
fn blocked(refused: &Refused) -> Answer {
    tracing::warn!(%refused, "an attempt was refused");
    failure(Cause::Blocked, "blocked_address: this URL may not be called".to_owned())
}
