//! Repetitions: whether what comes under a known id is the event that came before, whatever its spelling.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical;
use crate::digest::hash16;

/// How many of the events under one key what comes is held against, bytes apart; a sender whose events share an id costs
/// no more.
pub const JUDGED_MAX: usize = 16;

/// What is kept of an event that came in under a key.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The hash of what came.
    pub twin: &'a [u8],
    /// The fingerprint of what came, written down when its payload was erased.
    pub fingerprint: Option<&'a [u8]>,
    /// The payload as it is delivered; `None` once it is erased.
    pub payload: Option<&'a [u8]>,
}

/// What something is to an event that came before it under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same, perhaps spelled in another way, with members that the other lacks or without some of them.
    Repetition,
    /// It says something else.
    Conflict,
    /// It may say something else: the payload of the one before is erased, and this is not a spelling of the same.
    Uncertain,
}

/// Holds what came, whose hash is `twin`, against what came before. Its cost is that of reading both bodies once.
pub fn judge(came: &[u8], twin: [u8; 16], before: Before<'_>) -> Verdict {
    if before.twin == twin {
        return Verdict::Repetition;
    }
    let Some(payload) = before.payload else {
        let is_same = before.fingerprint.is_some_and(|print| print == canonical::fingerprint(came));
        return if is_same { Verdict::Repetition } else { Verdict::Uncertain };
    };
    let agrees = original(payload, before.twin).is_some_and(|original| canonical::agree(&original, came));
    if agrees { Verdict::Repetition } else { Verdict::Conflict }
}

/// Of all under one key, the newest first, those that what comes is held against: the newest, and the first of all.
pub fn judged<T>(mut under: Vec<T>) -> Vec<T> {
    if under.len() > JUDGED_MAX {
        let first = under.pop();
        under.truncate(JUDGED_MAX - 1);
        under.extend(first);
    }
    under
}

/// What came, found in what is delivered of it: that itself, or the data of its `standard` form, with the white space
/// around it. `twin` is the hash of what came; `None` when nothing has it.
pub fn original<'a>(payload: &'a [u8], twin: &[u8]) -> Option<Cow<'a, [u8]>> {
    #[derive(Deserialize)]
    struct Standard<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let is_it = |bytes: &[u8]| hash16(bytes) == twin;
    if is_it(payload) {
        return Some(Cow::Borrowed(payload));
    }
    let Standard { data } = serde_json::from_slice(payload).ok()?;
    if let Some(came) = last(payload, data.get()).filter(|came| is_it(came)) {
        return Some(Cow::Borrowed(came));
    }
    // what was no JSON stands there as a text, what was no text as the base64 of it
    let text = serde_json::from_str::<String>(data.get()).ok().filter(|text| is_it(text.as_bytes()));
    let bytes = || {
        let text = serde_json::from_str::<String>(data.get()).ok()?;
        STANDARD.decode(text).ok().filter(|bytes| is_it(bytes))
    };
    text.map(String::into_bytes).or_else(bytes).map(Cow::Owned)
}

/// The last value of an object, with the white space around it.
fn last<'a>(object: &'a [u8], value: &str) -> Option<&'a [u8]> {
    let inner = object.strip_suffix(b"}")?;
    let start = inner.trim_ascii_end().len().checked_sub(value.len())?;
    inner.get(inner[..start].trim_ascii_end().len()..)
}

/// What all spellings of something have in common, found in what is delivered of it; `None` when it is not there.
pub fn fingerprint(payload: &[u8], twin: &[u8]) -> Option<[u8; 16]> {
    Some(canonical::fingerprint(&original(payload, twin)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(came: &str, first: &str, erased: bool) -> Verdict {
        let (twin, print) = (hash16(first.as_bytes()), canonical::fingerprint(first.as_bytes()));
        let before = Before {
            twin: &twin,
            fingerprint: erased.then_some(&print),
            payload: (!erased).then_some(first.as_bytes()),
        };
        judge(came.as_bytes(), hash16(came.as_bytes()), before)
    }

    #[test]
    fn a_repetition_is_known_by_what_it_says_and_an_erased_one_by_its_fingerprint() {
        let first = r#"{"id":"evt_1","amount":4990}"#;
        for (came, kept, erased) in [
            (first, Verdict::Repetition, Verdict::Repetition),
            (r#"{ "amount": 4990.0, "id": "evt_1" }"#, Verdict::Repetition, Verdict::Repetition),
            (r#"{"id":"evt_1","amount":4990,"more":1}"#, Verdict::Repetition, Verdict::Uncertain),
            (r#"{"id":"evt_1","amount":4991}"#, Verdict::Conflict, Verdict::Uncertain),
            ("not JSON", Verdict::Conflict, Verdict::Uncertain),
        ] {
            assert_eq!((verdict(came, first, false), verdict(came, first, true)), (kept, erased), "{came}");
        }
    }

    #[test]
    fn the_newest_and_the_first_are_judged() {
        assert_eq!(judged(vec![3, 2, 1]), [3, 2, 1]);
        let many = judged((0..100).rev().collect());
        assert_eq!((many.len(), many[0], many[14], many[15]), (JUDGED_MAX, 99, 85, 0));
    }

    #[test]
    fn what_came_is_found_in_what_is_delivered() {
        let wrap = |data: &str| format!(r#"{{"type":"a","timestamp":"2026-11-30T00:00:00Z","data":{data}}}"#);
        let quoted = |text: &str| serde_json::to_string(text).expect("a text");
        for (came, payload) in [
            (&b"{\"a\": 1}"[..], "{\"a\": 1}".to_owned()),
            (b"{\"a\": 1}", wrap("{\"a\": 1}")),
            (b"{\"data\":{}}", wrap("{\"data\":{}}")),
            (b"\n { \"a\": 1 }\r\n", wrap("\n { \"a\": 1 }\r\n")),
            (b"a=\"1\"", wrap(&quoted("a=\"1\""))),
            (b"\xff\x00", wrap(&quoted(&STANDARD.encode(b"\xff\x00")))),
        ] {
            assert_eq!(original(payload.as_bytes(), &hash16(came)).as_deref(), Some(came), "{payload}");
            assert_eq!(original(payload.as_bytes(), &[0; 16]), None);
        }
        assert_eq!(original(b"damaged", &[0; 16]), None);
    }
}
