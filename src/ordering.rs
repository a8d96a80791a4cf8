//! Ordering: whether an endpoint's deliveries are made as they come, or those of one key one after the other.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::digest::hash16;
use crate::filter;

/// In which order deliveries are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// Each on its own.
    #[default]
    None,
    /// Those of one key in the order in which their events were accepted, one at a time.
    Key,
}

impl Ordering {
    /// Whether it need not be written down.
    pub fn is_usual(&self) -> bool {
        *self == Self::None
    }
}

/// A key, as memory and disk know it: half of a hash of its pointer and its value. Two that share one by accident wait
/// for each other, and nothing worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey(i64);

impl OrderKey {
    /// The key that stands at a JSON pointer; `None` when nothing stands there, or no text, number, true or false.
    pub fn of(pointer: &str, payload: &[u8]) -> Option<Self> {
        let value = value_at(pointer, payload)?;
        let hash = hash16(&[pointer.as_bytes(), b"\0", value.as_bytes()].concat());
        let half = hash.first_chunk().copied().unwrap_or_default();
        Some(Self(i64::from_be_bytes(half)))
    }

    /// Takes the number it is kept as.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number it is kept as.
    pub fn value(self) -> i64 {
        self.0
    }
}

/// A key as people know it: its text; a number as it is written.
pub fn text_at(pointer: &str, payload: &[u8]) -> Option<String> {
    let value = value_at(pointer, payload)?;
    Some(value.strip_prefix('"').map_or_else(|| value.clone(), str::to_owned))
}

/// What stands at the pointer: a text behind a quotation mark, anything else as it is written.
fn value_at(pointer: &str, payload: &[u8]) -> Option<String> {
    let root = std::str::from_utf8(payload).ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok())?;
    let found = filter::find(root, pointer)?.get();
    match found.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(found).ok().map(|text| format!("\"{text}")),
        b'{' | b'[' | b'n' => None,
        _ => Some(found.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_text_a_number_or_a_truth_however_it_is_spelled() {
        let key = |payload: &str| OrderKey::of("/data/id", payload.as_bytes());
        let one = key(r#"{"data":{"id":"a/1"}}"#);
        assert!(one.is_some());
        assert_eq!(one, key(r#"{"data": {"x": [], "id": "\u0061\/1"}}"#));
        assert_ne!(one, key(r#"{"data":{"id":"a/2"}}"#));
        assert_ne!(key(r#"{"data":{"id":5}}"#), key(r#"{"data":{"id":"5"}}"#));
        assert_ne!(one, OrderKey::of("/id", br#"{"id":"a/1"}"#), "another pointer is another order");
        assert!(key(r#"{"data":{"id":true}}"#).is_some());
        assert_eq!(text_at("/id", br#"{"id":"a/1"}"#).as_deref(), Some("a/1"));
        assert_eq!(text_at("/id", br#"{"id":1.50}"#).as_deref(), Some("1.50"));
    }

    #[test]
    fn what_has_no_key_has_none() {
        for payload in [
            &b"{}"[..],
            br#"{"data":{"id":null}}"#,
            br#"{"data":{"id":{}}}"#,
            br#"{"data":{"id":["a"]}}"#,
            br#"{"data":"id"}"#,
            b"no json",
            b"\xff",
            b"",
        ] {
            assert_eq!(OrderKey::of("/data/id", payload), None, "{payload:?}");
        }
    }
}
