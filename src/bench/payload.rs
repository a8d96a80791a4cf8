//! The payload of a benchmark: one JSON object of an exact size that carries its ordinal at a fixed place.

use std::ops::Range;

use super::BenchError;

/// Ordinals start here: ten digits without a leading zero, which JSON does not allow.
pub const ORDINAL_FIRST: u64 = 1_000_000_000;
/// Digits of an ordinal.
pub const ORDINAL_DIGITS: usize = 10;
/// The payload limit of the server.
pub const SIZE_BYTES_MAX: usize = 1024 * 1024;

const BEFORE: &[u8] = br#"{"n":"#;
const BETWEEN: &[u8] = br#","pad":""#;
const AFTER: &[u8] = br#""}"#;
/// Bytes of a payload with empty padding.
const SIZE_BYTES_MIN: usize = BEFORE.len() + ORDINAL_DIGITS + BETWEEN.len() + AFTER.len();
/// Where the ordinal stands.
const ORDINAL_AT: Range<usize> = BEFORE.len()..BEFORE.len() + ORDINAL_DIGITS;
/// 37 characters, a prime, so that bytes moved by any usual block size are noticed.
const PADDING: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-";

/// The bytes that every payload of a run has in common.
#[derive(Debug, Clone)]
pub struct Payload {
    bytes: Vec<u8>,
}

impl Payload {
    /// A payload of exactly `size_bytes`.
    ///
    /// # Errors
    /// When the size cannot hold the ordinal, or exceeds what the server takes.
    pub fn new(size_bytes: usize) -> Result<Self, BenchError> {
        if !(SIZE_BYTES_MIN..=SIZE_BYTES_MAX).contains(&size_bytes) {
            return Err(BenchError::new(format!(
                "a payload has {SIZE_BYTES_MIN} to {SIZE_BYTES_MAX} bytes, not {size_bytes}"
            )));
        }
        let padding = PADDING.iter().cycle().take(size_bytes - SIZE_BYTES_MIN);
        let mut bytes = BEFORE.to_vec();
        bytes.resize(ORDINAL_AT.end, b'1');
        bytes.extend_from_slice(BETWEEN);
        bytes.extend(padding);
        bytes.extend_from_slice(AFTER);
        Ok(Self { bytes })
    }

    /// The payload with some ordinal in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The ordinal of a body, or `None` when any other byte differs from what was published.
    #[must_use]
    pub fn ordinal(&self, body: &[u8]) -> Option<u64> {
        let end = ORDINAL_AT.end;
        let same = body.len() == self.bytes.len()
            && body[..ORDINAL_AT.start] == self.bytes[..ORDINAL_AT.start]
            && body[end..] == self.bytes[end..];
        let digits = same.then(|| &body[ORDINAL_AT])?;
        digits
            .iter()
            .try_fold(0, |ordinal, digit| digit.is_ascii_digit().then(|| ordinal * 10 + u64::from(digit - b'0')))
    }
}

/// Writes an ordinal into a payload.
pub fn set_ordinal(payload: &mut [u8], ordinal: u64) {
    write_digits(&mut payload[ORDINAL_AT], ordinal);
}

/// Fills `place` with the last digits of `number`.
pub fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a remainder of ten fits");
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_of_its_exact_size() {
        for size in [SIZE_BYTES_MIN, SIZE_BYTES_MIN + 1, 1024] {
            let payload = Payload::new(size).unwrap();
            let mut body = payload.bytes().to_vec();
            set_ordinal(&mut body, ORDINAL_FIRST + 123);
            let object: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((body.len(), &object["n"]), (size, &(ORDINAL_FIRST + 123).into()));
            assert_eq!(payload.ordinal(&body), Some(ORDINAL_FIRST + 123));
        }
        assert!(Payload::new(SIZE_BYTES_MIN - 1).is_err());
    }

    #[test]
    fn any_other_byte_is_noticed() {
        let payload = Payload::new(64).unwrap();
        for at in 0..64 {
            let mut body = payload.bytes().to_vec();
            body[at] ^= 0x80;
            assert_eq!(payload.ordinal(&body), None, "at {at}");
        }
        assert_eq!(payload.ordinal(&payload.bytes()[1..]), None);
    }
}
