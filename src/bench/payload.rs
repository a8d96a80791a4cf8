//! The payload of a benchmark: one JSON object of an exact size that carries its ordinal at a fixed place.

use std::ops::Range;

use super::BenchError;

/// Ordinals start here: ten digits without a leading zero, which JSON does not allow.
pub const ORDINAL_FIRST: u64 = 1_000_000_000;
/// Digits of an ordinal.
pub const ORDINAL_DIGITS: usize = 10;
/// The payload limit of the server, and of its doors.
pub const SIZE_BYTES_MAX: usize = 1024 * 1024;

/// 37 characters, a prime, so that bytes moved by any usual block size are noticed.
const PADDING: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-";

/// What stands around ordinal and padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"n":…,"pad":"…"}`, for those who publish.
    Plain,
    /// `{"n":…,"key":"…","pad":"…"}`, one of so many keys in turn, for those whose deliveries are ordered.
    Keyed(u32),
    /// Fintoc's envelope with the ordinal in the event's id, for those who post to a source.
    Fintoc,
}

/// The bytes that every payload of a run has in common.
#[derive(Debug, Clone)]
pub struct Payload {
    bytes: Vec<u8>,
    ordinal_at: Range<usize>,
    /// Where a key stands, and how many there are.
    key: Option<(Range<usize>, u64)>,
}

impl Shape {
    /// What stands before the ordinal, between it and the padding, and after that.
    fn parts(self) -> [&'static str; 3] {
        match self {
            Self::Plain => [r#"{"n":"#, r#","pad":""#, r#""}"#],
            Self::Keyed(_) => [r#"{"n":"#, r#","key":"0000000000","pad":""#, r#""}"#],
            Self::Fintoc => [
                r#"{"id":"evt_"#,
                concat!(
                    r#"","type":"payment_intent.succeeded","mode":"test","#,
                    r#""created_at":"2027-01-15T08:00:00Z","data":{"pad":""#
                ),
                r#""},"object":"event"}"#,
            ],
        }
    }
}

impl Payload {
    /// A payload of exactly `size_bytes`.
    ///
    /// # Errors
    /// When the size cannot hold the ordinal, or exceeds what the server takes.
    pub fn new(shape: Shape, size_bytes: usize) -> Result<Self, BenchError> {
        let [before, between, after] = shape.parts();
        let size_bytes_min = before.len() + ORDINAL_DIGITS + between.len() + after.len();
        if !(size_bytes_min..=SIZE_BYTES_MAX).contains(&size_bytes) {
            return Err(BenchError::new(format!(
                "a payload has {size_bytes_min} to {SIZE_BYTES_MAX} bytes, not {size_bytes}"
            )));
        }
        let padding = PADDING.iter().cycle().take(size_bytes - size_bytes_min);
        let mut bytes = before.as_bytes().to_vec();
        let ordinal_at = bytes.len()..bytes.len() + ORDINAL_DIGITS;
        bytes.resize(ordinal_at.end, b'1');
        bytes.extend_from_slice(between.as_bytes());
        bytes.extend(padding);
        bytes.extend_from_slice(after.as_bytes());
        let key_at = ordinal_at.end + r#","key":""#.len();
        let key = match shape {
            Shape::Keyed(keys) => Some((key_at..key_at + ORDINAL_DIGITS, u64::from(keys.max(1)))),
            Shape::Plain | Shape::Fintoc => None,
        };
        Ok(Self { bytes, ordinal_at, key })
    }

    /// The payload with some ordinal in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the ordinal stands in a message whose body begins at `body_at`.
    #[must_use]
    pub fn ordinal_at(&self, body_at: usize) -> Range<usize> {
        body_at + self.ordinal_at.start..body_at + self.ordinal_at.end
    }

    /// Writes an ordinal, and the key that follows from it, into a message whose body begins at `body_at`.
    pub fn carry(&self, message: &mut [u8], body_at: usize, ordinal: u64) {
        write_digits(&mut message[self.ordinal_at(body_at)], ordinal);
        if let Some((Range { start, end }, keys)) = self.key.clone() {
            write_digits(&mut message[body_at + start..body_at + end], ordinal % keys);
        }
    }

    /// The ordinal of a body, or `None` when any other byte differs from what was published.
    #[must_use]
    pub fn ordinal(&self, body: &[u8]) -> Option<u64> {
        let Range { start, end } = self.ordinal_at;
        if body.len() != self.bytes.len() {
            return None;
        }
        let ordinal = number(&body[start..end])?;
        let (key, rest) = match &self.key {
            Some((at, keys)) => (number(&body[at.clone()])? == ordinal % keys, at.end),
            None => (true, end),
        };
        let same = body[..start] == self.bytes[..start] && body[rest..] == self.bytes[rest..];
        let between = self.key.as_ref().is_none_or(|(at, _)| body[end..at.start] == self.bytes[end..at.start]);
        (key && same && between).then_some(ordinal)
    }
}

/// The number that digits are; `None` when something else is among them.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
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
        for shape in [Shape::Plain, Shape::Keyed(100), Shape::Fintoc] {
            let least = shape.parts().map(str::len).iter().sum::<usize>() + ORDINAL_DIGITS;
            for size in [least, least + 1, 1024] {
                let payload = Payload::new(shape, size).unwrap();
                let mut body = payload.bytes().to_vec();
                payload.carry(&mut body, 0, ORDINAL_FIRST + 123);
                let object: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let carried = if shape == Shape::Fintoc { &object["id"] } else { &object["n"] };
                assert!(!matches!(shape, Shape::Keyed(_)) || object["key"] == "0000000023");
                assert_eq!((body.len(), carried.to_string().contains("1000000123")), (size, true));
                assert_eq!(payload.ordinal(&body), Some(ORDINAL_FIRST + 123));
            }
            assert!(Payload::new(shape, least - 1).is_err());
        }
    }

    #[test]
    fn any_other_byte_is_noticed() {
        for shape in [Shape::Plain, Shape::Keyed(7)] {
            let payload = Payload::new(shape, 64).unwrap();
            let mut sound = payload.bytes().to_vec();
            payload.carry(&mut sound, 0, ORDINAL_FIRST);
            for at in 0..64 {
                let mut body = sound.clone();
                body[at] ^= 0x80;
                assert_eq!(payload.ordinal(&body), None, "at {at}");
            }
            assert_eq!((payload.ordinal(&sound), payload.ordinal(&sound[1..])), (Some(ORDINAL_FIRST), None));
        }
    }
}
