//! What the events of the simulated world say: which want they are of, and their key.

use bytes::Bytes;
use serde_json::Value;

/// Where a body says under which key it waits its turn, and how many keys there are.
pub(super) const KEY_POINTER: &str = "/key";
const KEYS: usize = 3;

/// The body of a want, which tells it from every other; one in four has no key.
pub(super) fn body_of(number: usize) -> Bytes {
    let key = number % (KEYS + 1);
    if key == KEYS { format!("[{number}]") } else { format!(r#"{{"want":{number},"key":"k{key}"}}"#) }.into()
}

/// The same body spelled in one of four ways.
pub(super) fn respelled(number: usize, way: usize) -> Bytes {
    let key = number % (KEYS + 1);
    let text = match (way % 4, key == KEYS) {
        (1, true) => format!("[ {number}.0 ]"),
        (1, false) => format!("{{ \"key\" : \"k{key}\",\n \"want\" : {number}.00 }}"),
        (2, true) => format!("[{number}e0]"),
        (2, false) => format!(r#"{{"more":[1],"\u0077ant":{number}e0,"key":"\u006b{key}"}}"#),
        (3, false) => format!(r#"{{"want":{number},"key":"k{key}","api":{{"version":2}}}}"#),
        _ => return body_of(number),
    };
    text.into()
}

/// The want that a body is of, however it is spelled.
pub(super) fn want_of(body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    let start = text.strip_prefix(r#"{"want":"#).or_else(|| text.strip_prefix('['));
    let number = start.and_then(|start| start.split([',', ']']).next());
    number.and_then(|number| number.parse().ok()).or_else(|| read_want(body))
}

fn read_want(body: &[u8]) -> Option<usize> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let number = value.get("want").or_else(|| value.get(0))?.as_f64()?;
    format!("{number}").parse().ok()
}
