//! What a small provider is asked, what it answers, and what it says when it cannot.

use http::HeaderMap;
use serde_json::{Map, Value};

/// A request, read within its limits.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub method: http::Method,
    /// The path below the provider's own, decoded and split.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    /// The body's fields; none when there was no body.
    pub body: Map<String, Value>,
    /// The URL of the provider's root, for links to other pages.
    pub root: String,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub status: u16,
    /// JSON; `None` for no body.
    pub body: Option<Value>,
    /// A `Link` header.
    pub link: Option<String>,
}

/// Why a request is refused; each provider writes it in its own shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub status: u16,
    /// What sort of error, where the provider sorts them (Fintoc).
    pub kind: &'static str,
    pub code: &'static str,
    pub message: String,
    /// The field that is wrong.
    pub param: Option<String>,
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body), link: None }
    }

    pub fn created(body: Value) -> Self {
        Self { status: 201, body: Some(body), link: None }
    }

    pub fn nothing() -> Self {
        Self { status: 204, body: None, link: None }
    }
}

impl Problem {
    pub fn refused(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind: "invalid_request_error", code, message: message.into(), param: None }
    }

    /// A field is wrong: what, and how it should be.
    pub fn field(param: &str, message: impl Into<String>) -> Self {
        let param = Some(param.to_owned());
        Self { param, ..Self::refused(400, "invalid_parameter", message) }
    }

    /// A field is missing.
    pub fn missing(param: &str) -> Self {
        let message = format!("`{param}` is missing; the request needs it");
        Self { code: "missing_parameter", ..Self::field(param, message) }
    }

    pub fn not_found(kind: &str, id: &str) -> Self {
        let shown: String = id.chars().take(80).collect();
        let param = Some("id".to_owned());
        Self { param, ..Self::refused(404, "missing_resource", format!("there is no {kind} with the id {shown}")) }
    }

    pub fn no_route() -> Self {
        Self::refused(404, "unknown_route", "there is no such route in the sandbox; its page at / lists what there is")
    }

    /// Nothing could be written; nothing was done.
    pub fn unavailable() -> Self {
        let message = "nothing could be written down, so nothing was done; send it again";
        Self { kind: "api_error", ..Self::refused(503, "unavailable", message) }
    }
}

impl Ask {
    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Refuses fields other than these: where there are few, another one is a typing error that would do nothing.
    pub fn only(&self, names: &[&str]) -> Result<(), Problem> {
        let Some(other) = self.body.keys().find(|name| !names.contains(&name.as_str())) else {
            return Ok(());
        };
        let known = if names.is_empty() { "there are none here".to_owned() } else { names.join(", ") };
        let shown: String = other.chars().take(80).collect();
        Err(Problem::field(&shown, format!("there is no field `{shown}`; the fields are: {known}")))
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.body.get(name).filter(|value| !value.is_null())
    }

    /// A text of at most `chars_max` characters. Error: another type, too long.
    pub fn text(&self, name: &str, chars_max: usize) -> Result<Option<String>, Problem> {
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        let text = value.as_str().filter(|text| text.chars().count() <= chars_max);
        let wrong = || Problem::field(name, format!("`{name}` must be a text of at most {chars_max} characters"));
        text.map(|text| Some(text.to_owned())).ok_or_else(wrong)
    }

    /// A text that must be there.
    pub fn needed_text(&self, name: &str, chars_max: usize) -> Result<String, Problem> {
        self.text(name, chars_max)?.filter(|text| !text.is_empty()).ok_or_else(|| Problem::missing(name))
    }

    /// A whole number in this range.
    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        let number = value.as_i64().filter(|number| range.contains(number));
        let wrong = || {
            let message = format!("`{name}` must be a whole number from {} to {}", range.start(), range.end());
            Problem::field(name, message)
        };
        number.map(Some).ok_or_else(wrong)
    }

    /// A yes or no.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        let wrong = || Problem::field(name, format!("`{name}` must be true or false"));
        value.as_bool().map(Some).ok_or_else(wrong)
    }

    /// A list of at most `count_max` texts.
    pub fn texts(&self, name: &str, count_max: usize) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        let texts = value.as_array().filter(|values| values.len() <= count_max).and_then(|values| {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        let wrong = || Problem::field(name, format!("`{name}` must be a list of at most {count_max} texts"));
        texts.map(Some).ok_or_else(wrong)
    }

    /// An object, as it was sent.
    pub fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, Problem> {
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        let wrong = || Problem::field(name, format!("`{name}` must be an object"));
        value.as_object().cloned().map(Some).ok_or_else(wrong)
    }

    /// What makes two requests the same purpose: where they go and what they say, in any order of keys.
    pub fn purpose(&self) -> String {
        let sorted: std::collections::BTreeMap<_, _> = self.body.iter().collect();
        format!("{} {} {}", self.method, self.path.join("/"), serde_json::to_string(&sorted).unwrap_or_default())
    }
}
