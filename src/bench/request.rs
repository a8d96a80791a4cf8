//! The bytes that the generator writes: made once per connection, then only ordinal and signature change.

use std::net::SocketAddr;
use std::ops::Range;

use super::door::Posting;
use super::ledger::Ledger;
use super::payload::{ORDINAL_DIGITS, Payload, write_digits};
use crate::secret::Secret;
use crate::signature;

/// The time that direct deliveries claim: the sink checks signatures, not clocks.
const TIMESTAMP: i64 = 1_800_000_000;
const MESSAGE_BEFORE: &str = r#"{"eventType":"bench.event","payload":"#;
const MESSAGE_AFTER: &str = "}";
const BATCH_BEFORE: &str = r#"{"messages":["#;
const BATCH_AFTER: &str = "]}";

/// Where requests go, and with which key.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server's address.
    pub address: SocketAddr,
    /// What it is called in `host`.
    pub host: String,
    /// The key that is sent with every call.
    pub key: String,
}

/// A request that is sent many times, each time with other ordinals.
#[derive(Debug)]
pub enum Request {
    /// One event, or a batch of them, to the API.
    Publish(Box<Publish>),
    /// One event, signed by its provider, to the door of a source.
    Post(Box<Posting>),
    /// One signed delivery, straight to the sink.
    Deliver(Box<Deliver>),
}

/// A publish of one event or of several.
#[derive(Debug)]
pub struct Publish {
    bytes: Vec<u8>,
    target: Target,
    path: String,
    payload: Payload,
    /// Events that `bytes` holds.
    events: usize,
    /// Where the first ordinal stands, and how far apart they are.
    first_at: usize,
    stride: usize,
    batched: bool,
}

/// What the server would send, without a server.
#[derive(Debug)]
pub struct Deliver {
    bytes: Vec<u8>,
    secret: Secret,
    id: Range<usize>,
    signature: Range<usize>,
    payload: Payload,
    body_at: usize,
}

impl Request {
    /// The bytes that carry these events of the ledger.
    pub fn carrying(&mut self, events: Range<usize>, ledger: &Ledger) -> &[u8] {
        match self {
            Self::Publish(publish) => publish.carrying(events, ledger),
            Self::Post(posting) => posting.carrying(ledger.ordinal(events.start)),
            Self::Deliver(deliver) => deliver.carrying(ledger.ordinal(events.start)),
        }
    }
}

impl Publish {
    /// A publish to the application at that path of the API; `batched` ones may carry any number of events, others one.
    #[must_use]
    pub fn new(target: &Target, application: &str, payload: &Payload, batched: bool) -> Self {
        let last = if batched { "msg/batch" } else { "msg?with_content=false" };
        Self {
            bytes: Vec::new(),
            target: target.clone(),
            path: format!("{application}/{last}"),
            payload: payload.clone(),
            events: 0,
            first_at: 0,
            stride: 0,
            batched,
        }
    }

    fn carrying(&mut self, events: Range<usize>, ledger: &Ledger) -> &[u8] {
        if events.len() != self.events {
            self.lay_out(events.len());
        }
        for (nth, event) in events.enumerate() {
            let body_at = self.first_at + nth * self.stride;
            self.payload.carry(&mut self.bytes, body_at, ledger.ordinal(event));
        }
        &self.bytes
    }

    fn lay_out(&mut self, events: usize) {
        let (before, after) = if self.batched { (BATCH_BEFORE, BATCH_AFTER) } else { ("", "") };
        let message_bytes = MESSAGE_BEFORE.len() + self.payload.bytes().len() + MESSAGE_AFTER.len();
        let commas = events - 1;
        let body_bytes = before.len() + events * message_bytes + commas + after.len();
        let head = head("POST", &self.path, &self.target, body_bytes);
        self.first_at = head.len() + before.len() + MESSAGE_BEFORE.len();
        self.stride = message_bytes + 1;
        self.events = events;
        self.bytes.clear();
        self.bytes.reserve_exact(head.len() + body_bytes);
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(before.as_bytes());
        for nth in 0..events {
            if nth > 0 {
                self.bytes.push(b',');
            }
            self.bytes.extend_from_slice(MESSAGE_BEFORE.as_bytes());
            self.bytes.extend_from_slice(self.payload.bytes());
            self.bytes.extend_from_slice(MESSAGE_AFTER.as_bytes());
        }
        self.bytes.extend_from_slice(after.as_bytes());
    }
}

impl Deliver {
    /// A delivery to the first endpoint of the sink at `sink`.
    #[must_use]
    pub fn new(sink: SocketAddr, secret: &Secret, payload: &Payload) -> Self {
        // As long as the server's own ids: `msg_` and 27 characters, the last ten of which count.
        let id = format!("msg_00000000000000000{}", "0".repeat(ORDINAL_DIGITS));
        let signature = signature::sign(secret, &id, TIMESTAMP, payload.bytes());
        let head_to_id = format!(
            "POST /hook/0 HTTP/1.1\r\nhost: {sink}\r\nuser-agent: posthaste-bench\r\n\
             content-type: application/json\r\nwebhook-id: "
        );
        let to_signature = format!("{head_to_id}{id}\r\nwebhook-timestamp: {TIMESTAMP}\r\nwebhook-signature: ");
        let head = format!("{to_signature}{signature}\r\ncontent-length: {}\r\n\r\n", payload.bytes().len());
        Self {
            id: head_to_id.len()..head_to_id.len() + id.len(),
            signature: to_signature.len()..to_signature.len() + signature.len(),
            payload: payload.clone(),
            body_at: head.len(),
            bytes: [head.as_bytes(), payload.bytes()].concat(),
            secret: secret.clone(),
        }
    }

    fn carrying(&mut self, ordinal: u64) -> &[u8] {
        self.payload.carry(&mut self.bytes, self.body_at, ordinal);
        write_digits(&mut self.bytes[self.id.end - ORDINAL_DIGITS..self.id.end], ordinal);
        let id = std::str::from_utf8(&self.bytes[self.id.clone()]).expect("an id is ASCII");
        let signature = signature::sign(&self.secret, id, TIMESTAMP, &self.bytes[self.body_at..]);
        self.bytes[self.signature.clone()].copy_from_slice(signature.as_bytes());
        &self.bytes
    }
}

/// A whole request whose body, if any, is JSON.
#[must_use]
pub fn call(method: &str, path: &str, target: &Target, body: &[u8]) -> Vec<u8> {
    let head = head(method, path, target, body.len());
    [head.as_bytes(), body].concat()
}

fn head(method: &str, path: &str, target: &Target, body_bytes: usize) -> String {
    let Target { host, key, .. } = target;
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {body_bytes}\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::payload::{ORDINAL_FIRST, Shape};
    use super::super::wire::{Parsed, parse_delivery};
    use super::*;

    fn ledger(payload: &Payload, secret: &Secret) -> Ledger {
        Ledger::open(payload.clone(), vec![secret.clone()], ORDINAL_FIRST, 0..9)
    }

    fn parts() -> (Payload, Secret, SocketAddr) {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        (Payload::new(Shape::Plain, 40).unwrap(), secret, ([127, 0, 0, 1], 80).into())
    }

    #[test]
    fn a_batch_is_laid_out_anew_when_its_length_changes() {
        let (payload, secret, address) = parts();
        let ledger = ledger(&payload, &secret);
        let target = Target { address, host: "h".into(), key: "k".into() };
        let mut publish = Publish::new(&target, "/api/v1/app/app_1", &payload, true);
        for events in [0..3, 3..6, 6..7] {
            let expected: Vec<u64> = events.clone().map(|event| ledger.ordinal(event)).collect();
            // Publishes are POSTs with a length, so the sink's parser reads them too.
            let Parsed::Complete(request) = parse_delivery(publish.carrying(events, &ledger)).unwrap() else {
                panic!("the request is whole");
            };
            let body: serde_json::Value = serde_json::from_slice(request.body).unwrap();
            let messages = body["messages"].as_array().unwrap().iter();
            let ordinals: Vec<u64> = messages.map(|one| one["payload"]["n"].as_u64().unwrap()).collect();
            assert_eq!((request.path, ordinals), ("/api/v1/app/app_1/msg/batch", expected));
        }
    }

    #[test]
    fn a_direct_delivery_passes_the_sinks_checks() {
        let (payload, secret, address) = parts();
        let ledger = ledger(&payload, &secret);
        let mut deliver = Deliver::new(address, &secret, &payload);
        for event in 0..3 {
            let bytes = deliver.carrying(ledger.ordinal(event));
            let Parsed::Complete(delivery) = parse_delivery(bytes).unwrap() else {
                panic!("the delivery is whole");
            };
            assert_eq!(delivery.len, bytes.len());
            ledger.arrived(&delivery);
        }
        assert_eq!(ledger.delivered(), 3);
        assert!(ledger.arrivals().faults.none_that_fail());
    }
}
