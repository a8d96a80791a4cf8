//! Repetitions: whether what comes under a known id is the event that came before, whatever its spelling.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical;
use crate::digest::hash16;

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
    let agrees = canonical::agree(&original(payload, before.twin), came);
    if agrees { Verdict::Repetition } else { Verdict::Conflict }
}

/// What came, found in what is delivered of it: that itself, or the data of its `standard` form. `twin` is the hash of
/// what came; where nothing has it, the payload is taken for it.
pub fn original<'a>(payload: &'a [u8], twin: &[u8]) -> Cow<'a, [u8]> {
    #[derive(Deserialize)]
    struct Standard<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let is_it = |bytes: &[u8]| hash16(bytes) == twin;
    if is_it(payload) {
        return Cow::Borrowed(payload);
    }
    let Ok(Standard { data }) = serde_json::from_slice(payload) else {
        return Cow::Borrowed(payload);
    };
    if is_it(data.get().as_bytes()) {
        return Cow::Borrowed(data.get().as_bytes());
    }
    // what was no JSON stands there as a text, what was no text as the base64 of it
    let text = serde_json::from_str::<String>(data.get()).ok().filter(|text| is_it(text.as_bytes()));
    let bytes = || {
        let text = serde_json::from_str::<String>(data.get()).ok()?;
        STANDARD.decode(text).ok().filter(|bytes| is_it(bytes))
    };
    text.map(String::into_bytes).or_else(bytes).map_or(Cow::Borrowed(payload), Cow::Owned)
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
    fn what_came_is_found_in_what_is_delivered() {
        let wrap = |data: &str| format!(r#"{{"type":"a","timestamp":"2026-11-30T00:00:00Z","data":{data}}}"#);
        let quoted = |text: &str| serde_json::to_string(text).expect("a text");
        for (came, payload) in [
            (&b"{\"a\": 1}"[..], "{\"a\": 1}".to_owned()),
            (b"{\"a\": 1}", wrap("{\"a\": 1}")),
            (b"{\"data\":{}}", wrap("{\"data\":{}}")),
            (b"a=\"1\"", wrap(&quoted("a=\"1\""))),
            (b"\xff\x00", wrap(&quoted(&STANDARD.encode(b"\xff\x00")))),
        ] {
            assert_eq!(&*original(payload.as_bytes(), &hash16(came)), came, "{payload}");
        }
        assert_eq!(&*original(b"damaged", &[0; 16]), b"damaged");
    }
}
