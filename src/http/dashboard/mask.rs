//! Masks: values in payloads that open doors are not shown to everybody who looks.

use serde_json::Value;

/// Parts of names whose values are masked: upload links, tokens, passwords, the keys of processors.
const NAMES: [&str; 9] = [
    "token",
    "secret",
    "password",
    "authorization",
    "credential",
    "apikey",
    "processorkey",
    "uploadurl",
    "presignedurl",
];
/// What stands in place of a value.
pub(super) const MASK: &str = "••••••";

/// A payload with such values masked; `None` when it holds none, or is no JSON.
pub(super) fn masked(payload: &[u8]) -> Option<String> {
    let mut value: Value = serde_json::from_slice(payload).ok()?;
    let found = mask(&mut value, false);
    found.then(|| serde_json::to_string(&value).expect("it was JSON"))
}

/// A header's value, masked when it opens doors.
pub(super) fn header<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret(name) || opens(value) { MASK } else { value }
}

/// Masks what is below a name that says so; whether anything was.
fn mask(value: &mut Value, named: bool) -> bool {
    match value {
        Value::Object(fields) => {
            let each = fields.iter_mut().map(|(name, value)| mask(value, named || is_secret(name)));
            each.fold(false, |found, this| found | this)
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, item| mask(item, named) | found),
        Value::String(text) if named || opens(text) => {
            MASK.clone_into(text);
            true
        }
        Value::Number(_) if named => {
            *value = Value::String(MASK.to_owned());
            true
        }
        _ => false,
    }
}

fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    NAMES.iter().any(|part| name.contains(part))
}

/// Whether a header's value may open doors.
pub(super) fn is_secret_header(name: &str) -> bool {
    is_secret(name) || name.contains("cookie")
}

/// Whether a text opens doors by itself: a bearer token, a link that is signed.
fn opens(text: &str) -> bool {
    text.starts_with("Bearer ")
        || (text.starts_with("https://") && (text.contains("ignature=") || text.contains("&sig=")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_open_doors_are_known_by_their_names() {
        for name in ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"] {
            assert!(is_secret_header(name), "{name}");
        }
        assert!(!is_secret_header("content-type") && !is_secret_header("webhook-signature"));
    }

    #[test]
    fn what_opens_doors_is_masked_wherever_it_stands_and_nothing_else_is() {
        let payload = br#"{"id":"a","link_token":"x","list":[{"upload_url":"https://a/b"}],"processorKey":{"deep":7},"note":"Bearer abc","file":"https://s3/f?X-Amz-Signature=1","amount":5}"#;
        let text = masked(payload).expect("it holds some");
        let expected = format!(
            r#"{{"id":"a","link_token":"{MASK}","list":[{{"upload_url":"{MASK}"}}],"processorKey":{{"deep":"{MASK}"}},"note":"{MASK}","file":"{MASK}","amount":5}}"#
        );
        assert_eq!(text, expected);
        for plain in [&br#"{"id":"a","url":"https://a/b","token_count":null}"#[..], b"no json", b""] {
            assert_eq!(masked(plain), None);
        }
    }
}
