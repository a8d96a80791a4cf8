//! Points: what a receiver is graded on, one by one.

use serde::Serialize;

use crate::error::{Error, Kind, Result};

/// One thing that a receiver must do right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// It answers 2xx to an event.
    Ack,
    /// It does so at once.
    Fast,
    /// It refuses what is not signed.
    SignatureMissing,
    /// It refuses what is signed wrongly.
    SignatureWrong,
    /// It refuses what was signed long ago.
    Stale,
    /// It takes a repetition and does nothing for it.
    Duplicate,
    /// It takes a type that it does not know.
    UnknownType,
    /// It takes events in any order.
    OutOfOrder,
    /// It refuses a body that breaks off.
    Truncated,
    /// It refuses a body that is too large.
    Oversize,
    /// It takes many at once.
    Burst,
    /// It takes every type there is.
    Catalogue,
    /// It takes every business flow, also with the documentation's oddities.
    Flows,
}

impl Point {
    /// All of them, in the order in which they are played.
    pub const ALL: [Self; 13] = [
        Self::Ack,
        Self::Fast,
        Self::SignatureMissing,
        Self::SignatureWrong,
        Self::Stale,
        Self::Duplicate,
        Self::UnknownType,
        Self::OutOfOrder,
        Self::Truncated,
        Self::Oversize,
        Self::Burst,
        Self::Catalogue,
        Self::Flows,
    ];

    /// Its word in reports.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Fast => "fast",
            Self::SignatureMissing => "signature-missing",
            Self::SignatureWrong => "signature-wrong",
            Self::Stale => "stale",
            Self::Duplicate => "duplicate",
            Self::UnknownType => "unknown-type",
            Self::OutOfOrder => "out-of-order",
            Self::Truncated => "truncated",
            Self::Oversize => "oversize",
            Self::Burst => "burst",
            Self::Catalogue => "catalogue",
            Self::Flows => "flows",
        }
    }

    /// Reads the word. Error: those that exist.
    pub fn parse(id: &str) -> Result<Self> {
        let wrong = || {
            let ids = Self::ALL.map(Self::id).join(", ");
            Error::new(Kind::Invalid, "point", format!("`{id}` is no point; use some of {ids}"))
        };
        Self::ALL.into_iter().find(|point| point.id() == id).ok_or_else(wrong)
    }
}

/// How a receiver did at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should.
    Pass,
    /// Not so.
    Fail,
    /// Nobody can tell, or it does not apply.
    Skipped,
}

/// A point with its mark and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grade {
    /// The point.
    pub id: &'static str,
    /// The mark.
    pub result: Mark,
    /// What was sent, what came back, and what to do.
    pub detail: String,
}
