//! The one error of the domain: what is wrong, where, and how to mend it.

use std::fmt;

/// What sort of failure it is; `http/problem.rs` turns each into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A field or the whole request breaks a rule (422 with fields, 400 without).
    Invalid,
    /// No key, or one that does not hold (401).
    Unauthorized,
    /// The key holds but may not do this (403).
    Forbidden,
    /// Nothing here by that id (404).
    NotFound,
    /// It clashes with what exists (409).
    Conflict,
    /// More bytes than the limit (413).
    TooLarge,
    /// Known to the API, not served by this build (501).
    Unserved,
    /// The caller asks more often than it may (429).
    Throttled,
    /// Too much waits already; the same request is welcome in a second (503).
    Overloaded,
    /// Ours to mend; the detail goes to the log, not to the caller (500).
    Internal,
}

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it stands, outermost first: `["body", "url"]`, `["query", "limit"]`.
    pub path: Vec<String>,
    /// What is wrong, the limit, and the next step.
    pub message: String,
    /// `value_error`, or `value_error.jsondecode` for JSON that is malformed or of another type.
    pub kind: &'static str,
}

/// A failure with its kind, a stable code, and one sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What sort of failure.
    pub kind: Kind,
    /// The word that clients compare, such as `not_found`.
    pub code: &'static str,
    /// One sentence that says what is wrong and how to mend it.
    pub detail: String,
    /// The fields concerned; empty when no single field is.
    pub fields: Vec<Field>,
}

impl Error {
    /// A failure of this kind; for the usual ones the functions below read better.
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), fields: Vec::new() }
    }

    /// A field of the request's body breaks a rule.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self::at(&["body", name], message)
    }

    /// A place in the request (body, query, header) breaks a rule.
    pub fn at(path: &[&str], message: impl Into<String>) -> Self {
        let message = message.into();
        let path = path.iter().map(|&part| part.to_owned()).collect();
        let field = Field { path, message: message.clone(), kind: "value_error" };
        Self { kind: Kind::Invalid, code: "validation", detail: message, fields: vec![field] }
    }

    /// The request is not the JSON it should be.
    pub fn json(message: impl Into<String>) -> Self {
        Self::json_at(&["body"], message)
    }

    /// A place in the request's JSON is not of the type it should be.
    pub fn json_at(path: &[&str], message: impl Into<String>) -> Self {
        let mut error = Self::at(path, message);
        error.fields[0].kind = "value_error.jsondecode";
        error
    }

    /// There is nothing by that id, or the caller may not know of it.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "not_found", "Entity not found")
    }

    /// It exists already.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, "conflict", detail)
    }

    /// Something of ours failed; the detail is for the log.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, "server_error", detail.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {}

/// The domain's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
