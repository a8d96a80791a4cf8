//! The little of HTTP/1.1 that generator and sink share: a reused buffer, and where a message in it ends.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a buffer starts with: room for a head and a small body, so that most messages take one read.
const INBOX_BYTES: usize = 8 * 1024;
/// What a buffer may grow to: the answer to a batch of 1,000, or the largest payload with its head.
const INBOX_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Headers of one message; a delivery has about eight.
const HEADERS_MAX: usize = 32;

/// Bytes read from a connection and not yet used.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    filled: usize,
}

/// Where a complete answer lies in an inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Its body, which ends where the answer ends.
    pub body: Range<usize>,
}

/// A complete delivery in an inbox; a header that is absent is empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivery<'a> {
    /// The path it was posted to.
    pub path: &'a str,
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signatures: &'a str,
    /// Its body.
    pub body: &'a [u8],
    /// Bytes of the whole request.
    pub len: usize,
}

/// What the bytes read so far amount to.
#[derive(Debug, PartialEq)]
pub enum Parsed<T> {
    /// A whole message.
    Complete(T),
    /// Nothing can be said before this many bytes are there.
    Needs(usize),
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: vec![0; INBOX_BYTES], filled: 0 }
    }

    /// The bytes read and not yet used.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Reads until at least `needed` bytes are there; false when the peer closed before.
    ///
    /// # Errors
    /// When the connection fails, or the message exceeds `INBOX_BYTES_MAX`.
    pub async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin), needed: usize) -> io::Result<bool> {
        if needed > INBOX_BYTES_MAX {
            return Err(malformed("a message exceeds 4 MiB"));
        }
        // One byte to spare: a read that leaves room tells tokio that the socket is drained.
        if needed >= self.bytes.len() {
            self.bytes.resize((needed + 1).next_power_of_two(), 0);
        }
        while self.filled < needed {
            match stream.read(&mut self.bytes[self.filled..]).await? {
                0 => return Ok(false),
                read => self.filled += read,
            }
        }
        Ok(true)
    }

    /// Drops the first `len` bytes.
    pub fn consume(&mut self, len: usize) {
        self.bytes.copy_within(len..self.filled, 0);
        self.filled -= len;
    }

    /// Drops everything, for a new connection.
    pub fn clear(&mut self) {
        self.filled = 0;
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Parses an answer.
///
/// # Errors
/// When it is not HTTP/1.1, or does not tell its length in advance.
pub fn parse_answer(bytes: &[u8]) -> io::Result<Parsed<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let head = match answer.parse(bytes).map_err(malformed)? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(Parsed::Needs(bytes.len() + 1)),
    };
    let status = answer.code.expect("a complete answer has a status");
    let body_bytes = match body_bytes(answer.headers)? {
        Some(declared) => declared,
        None if status == 204 || status == 304 => 0,
        None => return Err(malformed("an answer without content-length")),
    };
    let body = head..head + body_bytes;
    if bytes.len() < body.end {
        return Ok(Parsed::Needs(body.end));
    }
    Ok(Parsed::Complete(Answer { status, body }))
}

/// Parses a delivery.
///
/// # Errors
/// When it is not a POST of HTTP/1.1 that tells its length in advance.
pub fn parse_delivery(bytes: &[u8]) -> io::Result<Parsed<Delivery<'_>>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes).map_err(malformed)? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(Parsed::Needs(bytes.len() + 1)),
    };
    if request.method != Some("POST") {
        return Err(malformed("a delivery that is not a POST"));
    }
    let body_bytes = body_bytes(request.headers)?.ok_or_else(|| malformed("a delivery without content-length"))?;
    let len = head + body_bytes;
    let Some(body) = bytes.get(head..len) else {
        return Ok(Parsed::Needs(len));
    };
    let mut delivery =
        Delivery { path: request.path.unwrap_or_default(), id: "", timestamp: "", signatures: "", body, len };
    for header in request.headers.iter() {
        let place = match header.name {
            name if name.eq_ignore_ascii_case("webhook-id") => &mut delivery.id,
            name if name.eq_ignore_ascii_case("webhook-timestamp") => &mut delivery.timestamp,
            name if name.eq_ignore_ascii_case("webhook-signature") => &mut delivery.signatures,
            _ => continue,
        };
        *place = std::str::from_utf8(header.value).unwrap_or_default();
    }
    Ok(Parsed::Complete(delivery))
}

fn body_bytes(headers: &[httparse::Header<'_>]) -> io::Result<Option<usize>> {
    let declared = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let Some(declared) = declared else {
        return Ok(None);
    };
    std::str::from_utf8(declared.value)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|bytes| *bytes <= INBOX_BYTES_MAX)
        .map(Some)
        .ok_or_else(|| malformed("a content-length that is no number, or exceeds 4 MiB"))
}

fn malformed(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let bytes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}HTTP";
        let whole = bytes.len() - 4;
        for end in 0..whole {
            let parsed = parse_answer(&bytes[..end]).unwrap();
            assert!(matches!(parsed, Parsed::Needs(needed) if needed > end && needed <= whole));
        }
        let Parsed::Complete(answer) = parse_answer(bytes).unwrap() else {
            panic!("the answer is whole");
        };
        assert_eq!((answer.status, answer.body), (202, whole - 2..whole));
        assert!(parse_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        let Parsed::Complete(answer) = parse_answer(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap() else {
            panic!("the answer is whole");
        };
        assert!(answer.body.is_empty());
    }

    #[test]
    fn a_delivery_gives_its_three_headers() {
        let bytes = b"POST /hook/7 HTTP/1.1\r\nWebhook-Id: msg_1\r\nwebhook-timestamp: 5\r\n\
            webhook-signature: v1,a v1,b\r\ncontent-length: 1\r\n\r\nx";
        let Parsed::Complete(delivery) = parse_delivery(bytes).unwrap() else {
            panic!("the delivery is whole");
        };
        assert_eq!(
            (delivery.path, delivery.id, delivery.timestamp, delivery.signatures),
            ("/hook/7", "msg_1", "5", "v1,a v1,b")
        );
        assert_eq!((delivery.body, delivery.len), (&b"x"[..], bytes.len()));
        assert!(parse_delivery(b"GET / HTTP/1.1\r\n\r\n").is_err());
        assert!(parse_delivery(b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n").is_err());
    }
}
