//! An inbound request: raw, then verified, then understood; only what was verified can become an event.

use std::net::IpAddr;

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::provider::Provider;
use crate::secret::Secret;

/// A request as it came: nothing of it is believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// Its headers, doubled ones too.
    pub headers: &'a HeaderMap,
    /// Its body, byte for byte.
    pub body: &'a Bytes,
}

/// How a request must prove whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Any of these may have signed; none at all lets nothing in.
    pub secrets: Vec<Secret>,
    /// How far a signed time may be from now, in whole seconds, both ways, the limit included; `None` for any distance.
    pub tolerance_secs: Option<i64>,
    /// What the `Authorization` header must say.
    pub credentials: Credentials,
    /// Whether a signature is needed beside the credentials.
    pub requires_signature: bool,
    /// How a generic sender signs, and where in its body to look; others ignore it.
    pub form: Form,
}

/// What the `Authorization` header must say.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Credentials {
    /// Nothing is asked for.
    #[default]
    None,
    /// `Basic` with this name and password.
    Basic {
        /// The name.
        username: String,
        /// The password, as the bytes to compare.
        password: Secret,
    },
    /// `Bearer` with this token.
    Bearer {
        /// The token, as the bytes to compare.
        token: Secret,
    },
}

/// How a generic sender signs its bodies, and where their type and id stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The header that holds the signature, in lower case.
    pub header: String,
    /// Of what kind the HMAC is.
    pub algorithm: Algorithm,
    /// How it is written.
    pub encoding: Encoding,
    /// What stands before it, such as `sha256=`.
    pub prefix: String,
    /// A JSON pointer to the event type; `None` names every event by the provider.
    pub type_path: Option<String>,
    /// A JSON pointer to the event id; `None` takes the body's hash.
    pub id_path: Option<String>,
    /// The header that holds the event type, in lower case; it goes before the pointer.
    #[serde(default)]
    pub type_header: Option<String>,
    /// The header that holds the event id, in lower case; it goes before the pointer. No signature covers it.
    #[serde(default)]
    pub id_header: Option<String>,
    /// Headers that are handed on with the body, in lower case.
    #[serde(default)]
    pub keep_headers: Vec<String>,
    /// What tells events apart.
    #[serde(default)]
    pub dedup: DedupBy,
}

/// What tells a generic sender's events apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DedupBy {
    /// Their id, where the form finds one, else their bytes.
    #[default]
    Id,
    /// Their bytes.
    Body,
    /// Nothing: each request is an event of its own.
    None,
}

impl Form {
    /// Whether a header, in lower case, goes on with an event; those that say its id and type alone do not.
    pub fn goes_on(&self, name: &String) -> bool {
        let mut says = [&self.id_header, &self.type_header].into_iter().flatten();
        self.keep_headers.contains(name) || !says.any(|says| says == name)
    }
}

impl Default for Form {
    /// GitHub's form: `x-hub-signature-256: sha256=<hex>`.
    fn default() -> Self {
        Self {
            header: "x-hub-signature-256".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: "sha256=".to_owned(),
            type_path: None,
            id_path: None,
            type_header: None,
            id_header: None,
            keep_headers: Vec::new(),
            dedup: DedupBy::default(),
        }
    }
}

/// The hash inside an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-1: old senders only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How the bytes of a signature are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two digits a byte, upper or lower case.
    Hex,
    /// Standard base64 with padding.
    Base64,
}

/// Why a request is not believed, or not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The signature's header is not there.
    MissingHeader,
    /// It cannot be read, or is there twice.
    MalformedHeader,
    /// It holds no signature of a scheme that counts.
    UnknownScheme,
    /// No secret made that signature of these bytes.
    BadSignature,
    /// It was signed too long ago.
    Stale,
    /// It was signed too far in the future.
    Future,
    /// The `Authorization` header is not what was agreed.
    BadCredentials,
    /// There is no secret to verify with, or one of another form.
    BadSecret,
    /// It came from an address that is not on the list.
    BadAddress,
    /// It is genuine, and its body is not what this provider sends.
    MalformedBody,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::MissingHeader,
        Self::MalformedHeader,
        Self::UnknownScheme,
        Self::BadSignature,
        Self::Stale,
        Self::Future,
        Self::BadCredentials,
        Self::BadSecret,
        Self::BadAddress,
        Self::MalformedBody,
    ];

    /// Its word in statistics and on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::MalformedHeader => "malformed_header",
            Self::UnknownScheme => "unknown_scheme",
            Self::BadSignature => "bad_signature",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::BadCredentials => "bad_credentials",
            Self::BadSecret => "bad_secret",
            Self::BadAddress => "bad_address",
            Self::MalformedBody => "malformed_body",
        }
    }

    /// Reads the word.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}

/// A request that was not let in. Of its own words nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedRequest {
    /// When it came, in ms since 1970.
    pub at_ms: i64,
    /// Why it was not let in.
    pub reason: Refusal,
    /// Who sent it.
    pub address: IpAddr,
}

/// A request that somebody who knows a secret made. Only `providers/` makes one, after the proof held.
#[derive(Clone, Debug)]
pub struct Verified {
    provider: Provider,
    body: Bytes,
    headers: Vec<(String, String)>,
    said: Said,
}

/// What a request's headers say of its event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its id.
    pub(crate) id: Option<String>,
    /// Its type.
    pub(crate) event_type: Option<String>,
}

impl Verified {
    /// Speaks for a request. `headers` are handed on with it; `said` stands in headers that are not.
    pub(crate) fn vouch(provider: Provider, body: &Bytes, headers: Vec<(String, String)>, said: Said) -> Self {
        Self { provider, body: body.clone(), headers, said }
    }

    /// Whose form it has.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Its bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The headers that go with it when it is handed on as it came.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// What its headers say of its event.
    pub(crate) fn said(&self) -> &Said {
        &self.said
    }
}

/// A verified request, understood.
#[derive(Clone, Debug)]
pub struct Received {
    /// The proof, and the bytes.
    pub verified: Verified,
    /// The dotted name of its kind, in the characters that names may have.
    pub event_type: String,
    /// Whether the provider's catalogue has it; `true` for those without a catalogue.
    pub known: bool,
    /// The provider's own id of the event.
    pub id: Option<String>,
    /// What tells it from every other event of its source; `None` for what is never a duplicate.
    pub dedup_key: Option<String>,
    /// When it happened, in ms since 1970, as far as it says so.
    pub occurred_ms: Option<i64>,
    /// Whether it is of the live mode; `None` when it does not say.
    pub live: Option<bool>,
    /// What is odd about how it came.
    pub flags: Flags,
}

/// What is odd about an inbound event; a set of bits, as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// It came under the id of another event, and says something else.
    pub const ID_CONFLICT: Self = Self(1);
    /// The provider's catalogue does not have its type.
    pub const UNKNOWN_TYPE: Self = Self(2);
    /// A live event at a test source, or the reverse.
    pub const MODE_MISMATCH: Self = Self(4);
    /// It was not understood, and released by an Admin.
    pub const UNREAD: Self = Self(8);
    /// An Admin's key vouched for it, and no signature.
    pub const IMPORTED: Self = Self(16);
    /// The payload of the event under whose id it came is erased: whether it says something else is not known.
    pub const FIRST_ERASED: Self = Self(32);

    /// These and those.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their words.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (Self::ID_CONFLICT, "id_conflict"),
            (Self::UNKNOWN_TYPE, "unknown_type"),
            (Self::MODE_MISMATCH, "mode_mismatch"),
            (Self::UNREAD, "unread"),
            (Self::IMPORTED, "imported"),
            (Self::FIRST_ERASED, "first_erased"),
        ];
        all.into_iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| name).collect()
    }
}
