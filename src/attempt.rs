//! An attempt: one HTTP try of a delivery, what came of it, and what that means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::endpoint::Endpoint;
use crate::id::{AttemptId, EndpointId, EventId, Id as _, WebhookId};
use crate::source::Arrival;

/// How long one attempt may take in all: connect, TLS, request, response body.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a failing response is kept, in bytes.
pub const EXCERPT_BYTES_MAX: usize = 16_384;
/// How much of a 2xx response is kept, in bytes.
pub const EXCERPT_SUCCESS_BYTES_MAX: usize = 1_024;

/// Who asked for the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trigger {
    /// The ladder.
    Scheduled = 0,
    /// A person, by resend.
    Manual = 1,
}

/// The right to make one attempt, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// What is delivered.
    pub event: EventId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The attempt's id, handed out as it begins: tells it from every other.
    pub attempt: AttemptId,
}

/// One attempt to make.
#[derive(Clone, Debug)]
pub struct Order {
    /// To be given back with the report.
    pub lease: Lease,
    /// Where to, with which headers and secrets.
    pub endpoint: Arc<Endpoint>,
    /// What to send; `None` when it must be read from the store first.
    pub payload: Option<Payload>,
}

/// What an attempt sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The body, byte for byte.
    pub body: Bytes,
    /// How it came, with the headers that go with it; `None` for an event that was published here.
    pub arrival: Option<Arc<Arrival>>,
}

/// Makes attempts: the one seam between the engine and the network.
pub trait Sender: Clone + Send + Sync + 'static {
    /// Makes one attempt; takes at most [`TIMEOUT`] and never fails, it reports.
    fn send(&self, order: Order) -> impl Future<Output = Report> + Send;
}

/// Why no response came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The guard refused the address; nothing was sent.
    Blocked,
    /// The name has no address.
    Unresolved,
    /// Nobody listens, or the connection broke.
    Connect,
    /// The certificate or the handshake is not acceptable.
    Tls,
    /// Not done within [`TIMEOUT`].
    Timeout,
    /// The response is not HTTP/1.1.
    Protocol,
    /// Ours to mend: the payload is damaged, or the attempt panicked.
    Internal,
    /// It never left this machine: no name server, no descriptor, a payload that cannot be read now. It was no
    /// attempt.
    Local,
    /// It never left this machine, which has no route to the address: no attempt, as long as others are not answered.
    NoRoute,
}

/// What a receiver may ask for beside its status (`webhook-delivery`, Svix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// No more of anything: `disable`.
    Disable,
    /// No more of this event: `abort-message`.
    Abort,
}

impl Wish {
    /// Reads the header's value; `None` for any other.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "disable" => Some(Self::Disable),
            "abort-message" => Some(Self::Abort),
            _ => None,
        }
    }
}

/// What one HTTP try brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered.
    Response {
        /// Its status, 100..=999.
        status: u16,
        /// Its `Retry-After`, in seconds from then.
        retry_after_secs: Option<i64>,
        /// What its `webhook-delivery` header asks for.
        wish: Option<Wish>,
        /// The beginning of its body.
        excerpt: Bytes,
    },
    /// It did not.
    Failure {
        /// Why.
        cause: Cause,
        /// One sentence for a person.
        detail: String,
    },
}

/// One finished try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it was signed and sent, by the wall clock, in ms since 1970.
    pub started_ms: i64,
    /// How long it took.
    pub duration_ms: u32,
    /// What it brought.
    pub answer: Answer,
    /// What the event was called, when that was not by its id.
    pub webhook_id: Option<WebhookId>,
}

/// What a try means for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx: delivered.
    Success,
    /// Try again, not before the receiver's own wish.
    Retry {
        /// Seconds the receiver asked for.
        asked_secs: Option<i64>,
    },
    /// 410, or a failure with the wish for it: the receiver wants no more of anything.
    Gone,
    /// The receiver wants no more of this event.
    Abort,
}

impl Report {
    /// Judges the try: 2xx is success, 410 ends the endpoint, all else (3xx too) is tried again, unless the receiver
    /// asks otherwise.
    pub fn outcome(&self) -> Outcome {
        match self.answer {
            Answer::Response { status: 200..=299, .. } => Outcome::Success,
            Answer::Response { status: 410, .. } | Answer::Response { wish: Some(Wish::Disable), .. } => Outcome::Gone,
            Answer::Response { wish: Some(Wish::Abort), .. } => Outcome::Abort,
            Answer::Response { retry_after_secs, .. } => Outcome::Retry { asked_secs: retry_after_secs },
            Answer::Failure { .. } => Outcome::Retry { asked_secs: None },
        }
    }

    /// Why it never left this machine; `None` when it did, or was not to.
    pub fn local(&self) -> Option<&str> {
        match &self.answer {
            Answer::Failure { cause: Cause::Local | Cause::NoRoute, detail } => Some(detail),
            _ => None,
        }
    }

    /// Whether this machine has no route to the address.
    pub fn found_no_route(&self) -> bool {
        matches!(&self.answer, Answer::Failure { cause: Cause::NoRoute, .. })
    }

    /// Whether the receiver wants no more of anything, whether it took this or not.
    pub fn disables(&self) -> bool {
        matches!(self.answer, Answer::Response { status: 410, .. } | Answer::Response { wish: Some(Wish::Disable), .. })
    }

    /// Whether the receiver cannot keep up: it says so (429, 503), or says nothing in time.
    pub fn asks_for_less(&self) -> bool {
        matches!(
            self.answer,
            Answer::Response { status: 429 | 503, .. } | Answer::Failure { cause: Cause::Timeout, .. }
        )
    }

    /// The receiver's status; 0 when it gave none.
    pub fn status_code(&self) -> u16 {
        match self.answer {
            Answer::Response { status, .. } => status,
            Answer::Failure { .. } => 0,
        }
    }

    /// The excerpt of the response, or why there is none.
    pub fn text(&self) -> Bytes {
        match &self.answer {
            Answer::Response { excerpt, .. } => excerpt.clone(),
            Answer::Failure { detail, .. } => Bytes::copy_from_slice(detail.as_bytes()),
        }
    }
}

/// One attempt as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its id, handed out when it began: by that time attempts are listed, and shown.
    pub id: AttemptId,
    /// When it was signed and sent, by the wall clock, in ms since 1970: the second that its signature names.
    pub started_ms: i64,
    /// How long it took.
    pub duration_ms: u32,
    /// Where it went.
    pub url: String,
    /// The receiver's status; 0 when it gave none.
    pub status_code: u16,
    /// The beginning of the response, or why there is none.
    pub response: Bytes,
    /// Who asked for it.
    pub trigger: Trigger,
}

impl Attempt {
    /// When it began, in ms since 1970: the time that is shown, and by which lists are sorted and narrowed.
    pub fn began_ms(&self) -> i64 {
        self.id.time_ms()
    }

    /// When it ended, in ms since 1970, on the scale of ids: that of what was accepted, whatever the clock does.
    pub fn ended_ms(&self) -> i64 {
        self.began_ms() + i64::from(self.duration_ms)
    }

    /// Whether it delivered.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}
