//! Forms: what a page of ours posts, and proof that it was ours.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method};

use crate::error::{Error, Kind, Result};

/// The largest form, in bytes: a webhook may name a thousand event types.
pub(super) const FORM_BYTES_MAX: usize = 256 * 1_024;

/// The code of what was posted from elsewhere.
pub(super) const CROSS_ORIGIN: &str = "cross_origin";

/// The fields of a form, in their order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(super) fn read(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// A form that is filled in already.
    pub(super) fn of<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The first value of a field; empty when there is none.
    pub(super) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether there is such a field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// All values of a field.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether nothing was given.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Refuses a request that changes something and was not sent by a page of this server (RFC 6454): browsers say where a
/// form comes from.
pub(super) fn check_origin(method: &Method, headers: &HeaderMap) -> Result<()> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    if origin.is_some() && origin == text(HOST) {
        return Ok(());
    }
    let detail = "this did not come from a page of this server; open the page here and try again";
    Err(Error::new(Kind::Forbidden, CROSS_ORIGIN, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_post() {
        let headers = |origin: &[&str]| {
            let mut headers = HeaderMap::from_iter([(HOST, "hooks.example.com".parse().expect("a value"))]);
            headers.extend(origin.iter().map(|origin| (ORIGIN, origin.parse().expect("a value"))));
            headers
        };
        let check = |origin: &[&str]| check_origin(&Method::POST, &headers(origin)).is_ok();
        assert!(check(&["https://hooks.example.com"]));
        for foreign in [
            &[][..],
            &["null"],
            &["https://example.com"],
            &["https://hooks.example.com.evil.com"],
            &["https://hooks.example.com:8443"],
            &["hooks.example.com"],
        ] {
            assert!(!check(foreign), "{foreign:?}");
        }
        assert!(check_origin(&Method::GET, &headers(&[])).is_ok());
    }
}
