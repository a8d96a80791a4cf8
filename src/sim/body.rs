//! What the events of the simulated world say: which want they are of, and their key.

use bytes::Bytes;

/// Where a body says under which key it waits its turn, and how many keys there are.
pub(super) const KEY_POINTER: &str = "/key";
const KEYS: usize = 3;

/// The body of a want, which tells it from every other; one in four has no key.
pub(super) fn body_of(number: usize) -> Bytes {
    let key = number % (KEYS + 1);
    if key == KEYS { format!("[{number}]") } else { format!(r#"{{"want":{number},"key":"k{key}"}}"#) }.into()
}

/// The want that a body is of.
pub(super) fn want_of(body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    let number = text.strip_prefix(r#"{"want":"#).or_else(|| text.strip_prefix('['))?;
    number.split([',', ']']).next()?.parse().ok()
}
