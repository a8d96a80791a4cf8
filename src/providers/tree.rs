//! JSON as a tree that keeps the order of its keys and the digits of its numbers.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::quoted;
use crate::error::{Error, Result};

/// How deep a tree may be: reading one goes down as deep as it is.
const DEPTH_MAX: usize = 128;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    Text(String),
    /// A number as its digits, `true`, `false` or `null`.
    Word(String),
}

/// Sets the value at a JSON pointer (RFC 6901) of a body: the text as JSON when it is JSON, else as a text. The last
/// key of the pointer need not be there yet; `-` is the place behind an array's last value. Error: what is wrong with
/// the body or with the pointer.
pub fn set(body: &[u8], pointer: &str, value_text: &str) -> Result<Bytes> {
    let refuse = |message| Error::field("set", message);
    let text = super::json::utf8(body).map_err(|unread| refuse(unread.detail.into_owned()))?;
    let mut tree = Tree::parse(text).map_err(refuse)?;
    let value = Tree::parse(value_text).unwrap_or_else(|_| Tree::Text(value_text.to_owned()));
    tree.set(pointer, value).map_err(refuse)?;
    Ok(tree.written().into())
}

impl Tree {
    /// Reads JSON. Error: what is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: &RawValue = serde_json::from_str(text)
            .map_err(|error| format!("the body is not JSON from line {} column {} on", error.line(), error.column()))?;
        Self::read(value, DEPTH_MAX).ok_or_else(|| format!("the body is nested deeper than {DEPTH_MAX} levels"))
    }

    /// Reads sound JSON; `None` when it is too deep.
    fn read(value: &RawValue, depth: usize) -> Option<Self> {
        let text = value.get();
        let depth_inside = depth.checked_sub(1);
        Some(match text.as_bytes().first()? {
            b'{' => {
                let Fields(fields) = serde_json::from_str(text).ok()?;
                let read = |(key, value)| Some((key, Self::read(value, depth_inside?)?));
                Self::Object(fields.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'[' => {
                let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::Array(values.into_iter().map(|value| Self::read(value, depth_inside?)).collect::<Option<_>>()?)
            }
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            _ => Self::Word(text.to_owned()),
        })
    }

    /// The tree as JSON without spaces.
    pub fn written(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Object(fields) => {
                out.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(key));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Self::Array(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Word(word) => out.push_str(word),
        }
    }

    /// The value at a JSON pointer.
    pub fn get(&self, pointer: &str) -> Option<&Self> {
        keys(pointer)?.iter().try_fold(self, |tree, key| match tree {
            Self::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::Array(values) => values.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The text at a JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        match self.get(pointer)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Puts a value at a JSON pointer, where there is one already or as a last key. Error: where the pointer leads to
    /// nothing, in a sentence.
    pub fn set(&mut self, pointer: &str, value: Self) -> Result<(), String> {
        let keys = keys(pointer).ok_or_else(|| format!("`{pointer}` is no JSON pointer: it begins with a slash"))?;
        let mut tree = self;
        for (depth, key) in keys.iter().enumerate() {
            let last = depth + 1 == keys.len();
            tree = tree.child(key, last).ok_or_else(|| format!("`{pointer}` leads nowhere from `{key}` on"))?;
        }
        *tree = value;
        Ok(())
    }

    /// The value of this key, made when it is the pointer's last and missing.
    fn child(&mut self, key: &str, make: bool) -> Option<&mut Self> {
        match self {
            Self::Object(fields) => {
                let at = fields.iter().position(|(name, _)| name == key);
                if at.is_none() && make {
                    fields.push((key.to_owned(), Self::null()));
                }
                let at = at.or_else(|| fields.len().checked_sub(1).filter(|_| make))?;
                Some(&mut fields[at].1)
            }
            Self::Array(values) => {
                if make && key == "-" {
                    values.push(Self::null());
                    return values.last_mut();
                }
                values.get_mut(key.parse::<usize>().ok()?)
            }
            _ => None,
        }
    }

    /// `null`.
    pub fn null() -> Self {
        Self::Word("null".to_owned())
    }
}

/// The keys a JSON pointer goes through; `None` when it is none.
fn keys(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let keys = pointer.strip_prefix('/')?.split('/');
    Some(keys.map(|key| key.replace("~1", "/").replace("~0", "~")).collect())
}

/// The fields of an object in the order they stand in.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_keeps_order_and_digits() {
        let written = r#"{"b":[1.10,-0,12345678901234567890],"a":{"é":"\n","":null},"c":true,"d":[],"e":{}}"#;
        let spaced = written.replace(',', " ,\n ").replace(':', " : ");
        assert_eq!(Tree::parse(&spaced).expect("JSON").written(), written);
        assert!(Tree::parse(&("[".repeat(128) + &"]".repeat(128))).is_ok());
        assert!(Tree::parse(&("[".repeat(100_000) + &"]".repeat(100_000))).is_err());
    }

    #[test]
    fn a_value_is_set_where_the_pointer_leads() {
        let body = br#"{"b":{"x/y":[1,2]},"a":1.0}"#;
        for (pointer, value, expected) in [
            ("/a", "2.50", r#"{"b":{"x/y":[1,2]},"a":2.50}"#),
            ("/a", "two", r#"{"b":{"x/y":[1,2]},"a":"two"}"#),
            ("/a", "\"2\"", r#"{"b":{"x/y":[1,2]},"a":"2"}"#),
            ("/b/x~1y/1", "null", r#"{"b":{"x/y":[1,null]},"a":1.0}"#),
            ("/b/x~1y/-", "3", r#"{"b":{"x/y":[1,2,3]},"a":1.0}"#),
            ("/b/new", r#"{"z": 1}"#, r#"{"b":{"x/y":[1,2],"new":{"z":1}},"a":1.0}"#),
            ("", "[]", "[]"),
        ] {
            assert_eq!(set(body, pointer, value).expect("a place"), expected, "{pointer}");
        }
        for (body, pointer, words) in [
            (&body[..], "a", "begins with a slash"),
            (body, "/c/d", "leads nowhere from `c` on"),
            (body, "/b/x~1y/2", "leads nowhere from `2` on"),
            (body, "/a/b", "leads nowhere from `b` on"),
            (b"{", "/a", "not JSON"),
            (b"\xff", "/a", "not UTF-8"),
        ] {
            let said = set(body, pointer, "1").expect_err(words).detail;
            assert!(said.contains(words), "{said}");
        }
    }
}
