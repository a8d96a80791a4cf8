//! The one form of a JSON text: what two spellings of the same thing have in common, and where they differ.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::value::RawValue;

use crate::decimal::Decimal;
use crate::digest::hash16;

/// How deep a body may be nested that is to be written anew.
pub const DEPTH_MAX: usize = 128;
/// What some senders put before their JSON.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How numbers are written in the one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Digit for digit as they stood.
    AsWritten,
    /// By their worth: `1`, `1.0` and `1e0` are written alike.
    ByWorth,
}

/// Writes JSON in its one form: keys sorted, no spaces, texts spelled one way. `json` has been read as JSON before.
/// `None` when it is nested deeper than [`DEPTH_MAX`].
pub fn form(json: &str, numbers: Numbers) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    Walk { json, at: 0, numbers }.value(DEPTH_MAX, &mut out)?;
    Some(out)
}

/// What all spellings of a body have in common: the hash of its one form, or of its bytes when it has none.
pub fn fingerprint(body: &[u8]) -> [u8; 16] {
    form_of(body).map_or_else(|| hash16(body), |form| hash16(form.as_bytes()))
}

/// Whether two bodies say the same: every value that stands in both is equal, numbers by their worth. An object may have
/// members that the other lacks; an array may not. Bodies that are no JSON say the same when their bytes are the same.
pub fn agree(one: &[u8], other: &[u8]) -> bool {
    match (form_of(one), form_of(other)) {
        (Some(one), Some(other)) => {
            let mut pair = (Walk::over(&one), Walk::over(&other));
            agree_at(&mut pair.0, &mut pair.1).unwrap_or(false)
        }
        _ => one == other,
    }
}

/// The one form of a body, numbers by their worth; `None` for what is no JSON, or nested too deep.
fn form_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)).ok()?;
    serde_json::from_str::<&RawValue>(text).ok()?;
    form(text, Numbers::ByWorth)
}

/// Whether two values in the one form agree; both walks end behind theirs, whatever comes of it.
fn agree_at<'a>(one: &mut Walk<'a>, other: &mut Walk<'a>) -> Option<bool> {
    match (one.next()?, other.next()?) {
        (b'{', b'{') => objects_agree(one, other),
        (b'[', b'[') => arrays_agree(one, other),
        _ => Some(one.skip()? == other.skip()?),
    }
}

/// Members stand in the order of their names in both: a merge. A name that stands twice in one must stand twice in the
/// other, with the same values.
fn objects_agree<'a>(one: &mut Walk<'a>, other: &mut Walk<'a>) -> Option<bool> {
    (one.at, other.at) = (one.at + 1, other.at + 1);
    let (mut agrees, mut last) = (true, "");
    let (mut here, mut there) = (one.member()?, other.member()?);
    while here.is_some() || there.is_some() {
        let order = match (here, there) {
            (Some(here), Some(there)) => here.cmp(there),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let name = if order == Ordering::Greater { there? } else { here? };
        if order == Ordering::Equal {
            agrees &= agree_at(one, other)?;
        } else {
            agrees &= name != last; // it stands here more often than there
            if order == Ordering::Less {
                one.skip()?
            } else {
                other.skip()?
            };
        }
        last = name;
        if order != Ordering::Greater {
            here = one.member()?;
        }
        if order != Ordering::Less {
            there = other.member()?;
        }
    }
    Some(agrees)
}

fn arrays_agree<'a>(one: &mut Walk<'a>, other: &mut Walk<'a>) -> Option<bool> {
    (one.at, other.at) = (one.at + 1, other.at + 1);
    let mut agrees = true;
    loop {
        let (ends, other_ends) = (one.next()? == b']', other.next()? == b']');
        if ends && other_ends {
            (one.at, other.at) = (one.at + 1, other.at + 1);
            return Some(agrees);
        }
        if ends || other_ends {
            agrees = false;
            let longer = if ends { &mut *other } else { &mut *one };
            longer.skip()?;
        } else {
            agrees &= agree_at(one, other)?;
        }
        one.comma();
        other.comma();
    }
}

/// A place in sound JSON; `None` only where it would go too deep.
struct Walk<'a> {
    json: &'a str,
    at: usize,
    numbers: Numbers,
}

impl<'a> Walk<'a> {
    /// Over what is written in the one form already.
    fn over(form: &'a str) -> Self {
        Self { json: form, at: 0, numbers: Numbers::AsWritten }
    }

    /// The name of an object's next member, with its quotes; behind the last one the object has ended.
    fn member(&mut self) -> Option<Option<&'a str>> {
        self.comma();
        if self.next()? == b'}' {
            self.at += 1;
            return Some(None);
        }
        let name = self.skip()?;
        self.at += 1; // the colon
        Some(Some(name))
    }

    /// Passes a value of the one form, and gives it as it stands there.
    fn skip(&mut self) -> Option<&'a str> {
        let (start, mut open) = (self.at, 0_usize);
        loop {
            match self.next()? {
                b'{' | b'[' => (open, self.at) = (open + 1, self.at + 1),
                b'}' | b']' => (open, self.at) = (open.checked_sub(1)?, self.at + 1),
                b',' | b':' => self.at += 1,
                b'"' => drop(self.string()),
                _ => drop(self.word()),
            }
            if open == 0 {
                return Some(&self.json[start..self.at]);
            }
        }
    }

    fn value(&mut self, depth: usize, out: &mut String) -> Option<()> {
        match self.next()? {
            b'{' => self.object(depth.checked_sub(1)?, out)?,
            b'[' => self.array(depth.checked_sub(1)?, out)?,
            b'"' => out.push_str(&self.string()),
            _ => self.number(out),
        }
        Some(())
    }

    /// Writes the fields as they come, then puts them in order unless they came in it.
    fn object(&mut self, depth: usize, out: &mut String) -> Option<()> {
        self.at += 1;
        out.push('{');
        let start = out.len();
        let mut fields = Vec::new();
        while self.next()? != b'}' {
            let from = out.len();
            let name = self.string();
            out.push_str(&name);
            out.push(':');
            self.next()?;
            self.at += 1; // the colon
            self.value(depth, out)?;
            out.push(',');
            fields.push((name, from..out.len()));
            self.comma();
        }
        self.at += 1;
        if !fields.is_sorted_by(|(a, _), (b, _)| a <= b) {
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            let ordered: String = fields.into_iter().map(|(_, field)| &out[field]).collect();
            out.replace_range(start.., &ordered);
        }
        if out.ends_with(',') {
            out.pop();
        }
        out.push('}');
        Some(())
    }

    fn array(&mut self, depth: usize, out: &mut String) -> Option<()> {
        self.at += 1;
        out.push('[');
        let mut first = true;
        while self.next()? != b']' {
            if !first {
                out.push(',');
            }
            first = false;
            self.value(depth, out)?;
            self.comma();
        }
        self.at += 1;
        out.push(']');
        Some(())
    }

    /// The text that begins here, with its quotes; half a surrogate pair has no other spelling and stays.
    fn string(&mut self) -> Cow<'a, str> {
        let bytes = self.json.as_bytes();
        let start = self.at;
        let mut escapes = false;
        self.at += 1;
        while let Some(passed) = bytes[self.at.min(bytes.len())..].iter().position(|byte| matches!(byte, b'"' | b'\\'))
        {
            self.at += passed;
            if bytes[self.at] == b'"' {
                break;
            }
            escapes = true;
            self.at += 2;
        }
        self.at += 1;
        let raw = &self.json[start..self.at.min(bytes.len())];
        let spelled = || serde_json::from_str::<String>(raw).ok().and_then(|text| serde_json::to_string(&text).ok());
        if escapes { spelled().map_or(Cow::Borrowed(raw), Cow::Owned) } else { Cow::Borrowed(raw) }
    }

    /// The number or the word that begins here.
    fn word(&mut self) -> &'a str {
        let rest = &self.json[self.at..];
        let end = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn number(&mut self, out: &mut String) {
        let word = self.word();
        match Some(word).filter(|_| self.numbers == Numbers::ByWorth).and_then(Decimal::canonical) {
            Some(worth) => out.push_str(&worth),
            None => out.push_str(word),
        }
    }

    fn comma(&mut self) {
        if self.next() == Some(b',') {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_form_depends_on_nothing_but_what_is_said() {
        for (json, expected) in [
            (
                r#" { "b" : [ 1.0 , -0 , 1E5, 12345678901234567890.10 ] , "a" : null } "#,
                "{\"a\":null,\"b\":[1.0,-0,1E5,12345678901234567890.10]}",
            ),
            (r#"{"\u0061":"\u00e9\/\n\u0001"}"#, r#"{"a":"é/\n\u0001"}"#),
            (r#"{"a":"\ud800"}"#, r#"{"a":"\ud800"}"#),
            (r#"{"a":"]}\\\"","b":{}}"#, r#"{"a":"]}\\\"","b":{}}"#),
            ("[]", "[]"),
            ("true", "true"),
        ] {
            assert_eq!(form(json, Numbers::AsWritten).expect("shallow"), expected, "{json}");
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let deep = |levels| form(&nested(levels), Numbers::AsWritten);
        assert!(deep(128).is_some() && deep(129).is_none() && deep(500_000).is_none());
    }
    #[test]
    fn bodies_agree_when_no_value_of_one_is_another_in_the_other() {
        let base = r#"{"id":"evt_1","data":{"amount":4990,"tags":["a",{"b":1}],"note":null}}"#;
        for same in [
            r#"{"data":{"note":null,"tags":["a",{"b":1}],"amount":4990},"id":"evt_1"}"#,
            "{ \"id\" : \"evt_1\",\n \"data\": {\"amount\":4990.0,\"tags\":[\"a\",{\"b\":1e0}],\"note\":null} }",
            r#"{"id":"\u0065vt_1","data":{"amount":499e1,"tags":["\u0061",{"b":10E-1}],"note":null}}"#,
            r#"{"id":"evt_1","data":{"amount":4990,"tags":["a",{"b":1,"c":[]}],"more":{"x":[1]}},"api":"2026"}"#,
            r#"{"id":"evt_1"}"#,
            "{}",
            "\u{feff}{}",
        ] {
            assert!(agree(base.as_bytes(), same.as_bytes()), "{same}");
            assert!(agree(same.as_bytes(), base.as_bytes()), "{same}");
        }
        for (from, to) in [
            ("4990", "4991"),
            ("4990", "\"4990\""),
            ("4990", "4990.00000000000000000001"),
            ("4990", "1e99999999999"),
            ("\"a\"", "\"A\""),
            ("null", "0"),
            ("[\"a\",{\"b\":1}]", "[\"a\"]"),
            ("[\"a\",{\"b\":1}]", "[{\"b\":1},\"a\"]"),
            ("[\"a\",{\"b\":1}]", "[\"a\",{\"b\":1},2]"),
            ("[\"a\",{\"b\":1}]", "{}"),
            ("{\"b\":1}", "{\"b\":2}"),
            ("\"amount\":4990", "\"amount\":4990,\"amount\":4991"),
        ] {
            let other = base.replace(from, to);
            assert!(!agree(base.as_bytes(), other.as_bytes()), "{other}");
            assert!(!agree(other.as_bytes(), base.as_bytes()), "{other}");
            assert_ne!(fingerprint(base.as_bytes()), fingerprint(other.as_bytes()), "{other}");
        }
        assert!(agree(b"\xff", b"\xff") && !agree(b"{", b"{ ") && !agree(b"[]", b"{}") && agree(b"[ ]", b"[]"));
        let giants = [b"1e99999999999", b"1e99999999998"];
        assert!(!agree(giants[0], giants[1]) && agree(giants[0], giants[0]));
    }

    #[test]
    fn all_spellings_have_one_fingerprint() {
        let spellings =
            [r#"{"a":1,"b":"é"}"#, "{\"b\":\"\\u00e9\", \"a\":1.0}", "\u{feff}{\"a\":10e-1,\"b\":\"\\u00E9\"}"];
        for text in spellings {
            assert_eq!(fingerprint(text.as_bytes()), fingerprint(spellings[0].as_bytes()), "{text}");
        }
    }
}
