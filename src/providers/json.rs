//! Reading JSON on the way in: the outermost object and nothing deeper, each value as the text it came in.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::canonical::BYTE_ORDER_MARK;
use crate::quarantine::{Kind, Unread};

/// The longest id of an event, in bytes: it becomes part of what a repetition is known by.
pub(super) const ID_BYTES_MAX: usize = 256;

/// The fields of a JSON object, by name; no name stands twice.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads a body. Error: what is wrong with it, in a sentence.
    pub fn parse(body: &'a [u8]) -> Result<Self, Unread> {
        if body.starts_with(BYTE_ORDER_MARK) {
            return Err(Unread::new(Kind::ByteOrderMark, "the body begins with a byte order mark, which is no JSON"));
        }
        Self::read(utf8(body)?)
    }

    fn read(text: &'a str) -> Result<Self, Unread> {
        let Self(mut fields) = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                return Unread::new(Kind::NoObject, "the body is JSON, but no object");
            }
            let place = format!("the body is not JSON from line {} column {} on", error.line(), error.column());
            Unread::new(Kind::NotJson, place)
        })?;
        fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if fields.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Unread::new(Kind::FieldTwice, "the body has a field twice"));
        }
        Ok(Self(fields))
    }

    /// The value of a field, as it stands there.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.binary_search_by(|(field, _)| (**field).cmp(name)).ok()?;
        Some(self.0[at].1)
    }

    /// The value of a field that is a text.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.get(name)?)
    }

    /// The value of a field that must be a text and not empty. Error: says so.
    pub fn required(&self, name: &str, kind: Kind) -> Result<Cow<'a, str>, Unread> {
        let text = self.text(name).filter(|text| !text.is_empty());
        text.ok_or_else(|| Unread::new(kind, format!("the body has no text `{name}`")))
    }

    /// The value of a field that is an id: a text, not empty. Error: it is too long to be one.
    pub fn id(&self, name: &str) -> Result<Option<Cow<'a, str>>, Unread> {
        let text = self.text(name).filter(|text| !text.is_empty());
        if text.as_ref().is_some_and(|text| text.len() > ID_BYTES_MAX) {
            let detail = format!("its `{name}` is longer than {ID_BYTES_MAX} bytes");
            return Err(Unread::new(Kind::LongId, detail));
        }
        Ok(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((Text(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A text that is not copied unless it holds an escape.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The body as text. Error: a sentence.
pub(super) fn utf8(body: &[u8]) -> Result<&str, Unread> {
    std::str::from_utf8(body).map_err(|error| {
        Unread::new(Kind::NotUtf8, format!("the body is not UTF-8 from byte {} on", error.valid_up_to()))
    })
}

/// A value between what comes before and after it.
pub(super) fn spliced(head: &str, value: &[u8], end: &str) -> Vec<u8> {
    [head.as_bytes(), value, end.as_bytes()].concat()
}

/// Writes a text with its quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// The bytes as a JSON value: themselves when they are one, else a text, else the base64 of them.
pub(super) fn as_value(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Cow::Owned(quoted(&STANDARD.encode(bytes)).into());
    };
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(quoted(text).into())
}

/// The text that a value is.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let Text(text) = serde_json::from_str(value.get()).ok()?;
    Some(text)
}

/// The text or the number that a value at the end of a JSON pointer is (RFC 6901).
pub(super) fn pointed<'a>(body: &'a str, pointer: &str) -> Option<Cow<'a, str>> {
    let whole: &RawValue = serde_json::from_str(body).ok()?;
    let path = if pointer.is_empty() { None } else { Some(pointer.strip_prefix('/')?.split('/')) };
    let end = path.into_iter().flatten().try_fold(whole, |value, token| {
        let token = token.replace("~1", "/").replace("~0", "~");
        match value.get().as_bytes().first()? {
            b'{' => Object::read(value.get()).ok()?.get(&token),
            b'[' => {
                serde_json::from_str::<Vec<&RawValue>>(value.get()).ok()?.get(token.parse::<usize>().ok()?).copied()
            }
            _ => None,
        }
    })?;
    let is_number = end.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if is_number { Some(Cow::Borrowed(end.get())) } else { text(end).filter(|text| !text.is_empty()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_strictly_and_no_deeper_than_it_must() {
        let object = Object::parse(br#" {"b": {"x":1,"x":2}, "a": "\u00e9"} "#).expect("an object");
        assert_eq!(object.text("a").as_deref(), Some("é"));
        assert_eq!(object.get("b").map(RawValue::get), Some(r#"{"x":1,"x":2}"#));
        assert!(object.text("b").is_none() && object.get("c").is_none());
        for (body, words) in [
            (&b""[..], "not JSON"),
            (b"[]", "no object"),
            (b"null", "no object"),
            (b"{\"a\":1,\"a\":1}", "twice"),
            (b"{\"a\":1,\"\\u0061\":1}", "twice"),
            (b"{\"a\":1} x", "not JSON"),
            (b"{\"a\":NaN}", "not JSON"),
            (b"{\"a\":1,}", "not JSON"),
            (b"\xef\xbb\xbf{}", "byte order mark"),
            (b"{\"a\":\"\xff\"}", "not UTF-8 from byte 6"),
            (b"{\"a\":\"\n\"}", "not JSON"),
        ] {
            let said = Object::parse(body).err().expect("refused");
            assert!(said.detail.contains(words), "{body:?}: {said:?}");
        }
    }

    #[test]
    fn a_pointer_finds_texts_and_numbers() {
        let body = r#"{"a":{"b/c":[{"id":"x"},{"id":12345678901234567890123}]},"":"e","n":null}"#;
        for (pointer, found) in [
            ("/a/b~1c/0/id", Some("x")),
            ("/a/b~1c/1/id", Some("12345678901234567890123")),
            ("/", Some("e")),
            ("/n", None),
            ("/a", None),
            ("/a/b~1c/2/id", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(pointed(body, pointer).as_deref(), found, "{pointer}");
        }
        assert_eq!(pointed("\"t\"", "").as_deref(), Some("t"));
    }
}
