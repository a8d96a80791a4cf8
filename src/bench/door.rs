//! What a provider posts to the door of a source: one request per connection, signed anew for every event.

use std::ops::Range;

use super::payload::{Payload, write_digits};
use super::random;
use crate::clock::{Clock as _, SystemClock};
use crate::provider::Provider;
use crate::providers::{self, Signing};
use crate::secret::{Secret, SecretSlot};

/// Whose events are posted.
pub const PROVIDER: Provider = Provider::Fintoc;
/// How far the source lets a signed time be from its own, as events are dated when a run begins: a day, the most it may.
pub const TOLERANCE_SECS: u32 = 86_400;

/// The door of a source, and whoever may come in there.
#[derive(Debug, Clone)]
pub struct Door {
    /// The path that its token is in.
    pub path: String,
    /// What is signed with.
    pub secret: Secret,
}

/// A request to a door; every event is another body, and so another signature.
#[derive(Debug)]
pub struct Posting {
    bytes: Vec<u8>,
    slots: [SecretSlot; 1],
    at_secs: i64,
    signature: Range<usize>,
    ordinal: Range<usize>,
    body_at: usize,
}

/// A secret as the provider gives it out.
#[must_use]
pub fn secret() -> Secret {
    providers::generate_secret(PROVIDER, &mut random())
}

impl Posting {
    /// A request to that door of `host`, dated now.
    #[must_use]
    pub fn new(door: &Door, host: &str, payload: &Payload) -> Self {
        let slots = [SecretSlot::new(door.secret.clone())];
        let at_secs = SystemClock::start().now().wall_ms.div_euclid(1_000);
        let (name, signature) = signed(&slots, at_secs, payload.bytes());
        let to_signature = format!("POST {} HTTP/1.1\r\nhost: {host}\r\n{name}: ", door.path);
        let head = format!(
            "{to_signature}{signature}\r\nuser-agent: posthaste-bench\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            payload.bytes().len()
        );
        Self {
            bytes: [head.as_bytes(), payload.bytes()].concat(),
            slots,
            at_secs,
            signature: to_signature.len()..to_signature.len() + signature.len(),
            ordinal: payload.ordinal_at(head.len()),
            body_at: head.len(),
        }
    }

    /// The bytes that carry this ordinal.
    pub fn carrying(&mut self, ordinal: u64) -> &[u8] {
        write_digits(&mut self.bytes[self.ordinal.clone()], ordinal);
        let (_, signature) = signed(&self.slots, self.at_secs, &self.bytes[self.body_at..]);
        self.bytes[self.signature.clone()].copy_from_slice(signature.as_bytes());
        &self.bytes
    }
}

/// The one header that proves a body; its value is as long for every body.
fn signed(slots: &[SecretSlot], at_secs: i64, body: &[u8]) -> (&'static str, String) {
    let headers = providers::sign(PROVIDER, slots, Signing { id: "", at_secs, body });
    headers.into_iter().next().expect("a current secret signs")
}

#[cfg(test)]
mod tests {
    use super::super::payload::{ORDINAL_FIRST, Shape};
    use super::super::wire::{Parsed, parse_delivery};
    use super::*;

    #[test]
    fn every_event_is_signed_for_itself() {
        let payload = Payload::new(Shape::Fintoc, 200).unwrap();
        let door = Door { path: "/in/token".to_owned(), secret: secret() };
        let mut posting = Posting::new(&door, "h", &payload);
        for ordinal in [ORDINAL_FIRST, ORDINAL_FIRST + 7] {
            let bytes = posting.carrying(ordinal).to_vec();
            let Parsed::Complete(request) = parse_delivery(&bytes).unwrap() else {
                panic!("the request is whole");
            };
            assert_eq!(
                (request.path, request.len, payload.ordinal(request.body)),
                ("/in/token", bytes.len(), Some(ordinal))
            );
            let (name, signature) = signed(&posting.slots, posting.at_secs, request.body);
            let head = String::from_utf8_lossy(&bytes[..posting.body_at]);
            assert!(head.contains(&format!("\r\n{name}: {signature}\r\n")), "{head}");
        }
    }
}
