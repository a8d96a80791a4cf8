//! Quarantine: what is genuine and not understood, kept for a person who releases or discards it.

use std::borrow::Cow;

use bytes::Bytes;

use crate::id::SourceId;

/// Why a genuine body is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// In a word, by which a list can be narrowed.
    pub kind: Kind,
    /// In a sentence that says where.
    pub detail: Cow<'static, str>,
}

impl Unread {
    /// A kind and its sentence.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)+) => {
        /// The kinds of bodies that are not understood.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $variant,)+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its word in the API and the table.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }
    };
}

kinds! {
    /// Three bytes stand before the JSON that mark its encoding.
    ByteOrderMark = "byte_order_mark",
    /// Some byte is no UTF-8.
    NotUtf8 = "not_utf8",
    /// It is no JSON.
    NotJson = "not_json",
    /// It is JSON, but no object.
    NoObject = "no_object",
    /// Its outermost object has a field twice.
    FieldTwice = "field_twice",
    /// It has no type where that should be.
    NoType = "no_type",
    /// It has no id where that should be.
    NoId = "no_id",
    /// Its id is too long to be one.
    LongId = "long_id",
    /// It has no content where that should be.
    NoContent = "no_content",
    /// It is nested too deep.
    TooDeep = "too_deep",
}

impl Kind {
    /// Reads the word.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

/// A genuine request that was not understood; kept once for each body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// At which door.
    pub source: SourceId,
    /// The body's SHA-256.
    pub sha256: [u8; 32],
    /// When it first came, in ms since 1970.
    pub first_ms: i64,
    /// How often it came.
    pub count: u32,
    /// What kind of fault it has; `None` for what was kept before there were kinds.
    pub kind: Option<Kind>,
    /// What is wrong with it, in a sentence.
    pub reason: String,
    /// Headers that are handed on with it when it is released.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}
