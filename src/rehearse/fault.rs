//! Faults: what goes wrong between a provider and a receiver, on demand.

use crate::error::{Error, Kind, Result};
use crate::provider::Provider;

/// What goes wrong with the events that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The same body twice, each freshly signed.
    Duplicate,
    /// Neighbours of a flow change places.
    Reorder,
    /// The connection is closed before the answer is read; then the event is sent again.
    DropThenRetry,
    /// Sent after 30 seconds, validly signed.
    Late,
    /// A valid signature of 301 seconds ago.
    Stale,
    /// One bit of the signature is wrong.
    BadSignature,
    /// Signed by a new secret, and by the old one too where the header holds both.
    RotatedKey,
    /// A body of 1 MiB and one byte.
    Oversize,
    /// The length promises more than is sent.
    Truncated,
    /// A hundred at once.
    Burst,
}

/// What a receiver should answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// 2xx.
    Taken,
    /// 4xx.
    Refused,
    /// Nothing that anybody reads.
    Nothing,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Duplicate,
        Self::Reorder,
        Self::DropThenRetry,
        Self::Late,
        Self::Stale,
        Self::BadSignature,
        Self::RotatedKey,
        Self::Oversize,
        Self::Truncated,
        Self::Burst,
    ];

    /// Its word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::DropThenRetry => "drop-then-retry",
            Self::Late => "late",
            Self::Stale => "stale",
            Self::BadSignature => "bad-signature",
            Self::RotatedKey => "rotated-key",
            Self::Oversize => "oversize",
            Self::Truncated => "truncated",
            Self::Burst => "burst",
        }
    }

    /// Reads the word. Error: those that exist.
    pub fn parse(name: &str) -> Result<Self> {
        let wrong = || {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(Kind::Invalid, "fault", format!("`{name}` is no fault; use one of {names}"))
        };
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or_else(wrong)
    }

    /// What a receiver should answer to it.
    pub fn expected(self) -> Expected {
        match self {
            Self::Stale | Self::BadSignature | Self::Oversize | Self::Truncated => Expected::Refused,
            _ => Expected::Taken,
        }
    }

    /// Whether a provider's requests can have it. Error: why not.
    pub fn check(self, provider: Provider) -> Result<()> {
        if self == Self::Stale && provider == Provider::Bridge {
            let why = "Bridge signs no time, so that none of its requests is ever stale; leave `stale` out";
            return Err(Error::new(Kind::Invalid, "fault", why));
        }
        Ok(())
    }
}
