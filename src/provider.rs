//! A provider: whose form events have on the wire. What that form is stands in `providers/`.

use crate::error::{Error, Result};

/// A sender's form. The numbers are the store's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Provider {
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    #[default]
    Standard = 0,
    /// Fintoc (fintoc.com).
    Fintoc = 1,
    /// Bridge by Bankin' (bridgeapi.io), not bridge.xyz.
    Bridge = 2,
    /// Finix (finix.com).
    Finix = 3,
    /// Standard Webhooks under Svix's own header names.
    Svix = 4,
    /// Any sender that signs the body with an HMAC.
    Generic = 5,
}

impl Provider {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Standard, Self::Fintoc, Self::Bridge, Self::Finix, Self::Svix, Self::Generic];
    /// Those that an application can deliver as.
    pub const DELIVERED: [Self; 4] = [Self::Standard, Self::Fintoc, Self::Bridge, Self::Finix];

    /// Its word on the command line and in an application's settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Fintoc => "fintoc",
            Self::Bridge => "bridge",
            Self::Finix => "finix",
            Self::Svix => "svix",
            Self::Generic => "generic",
        }
    }

    /// Reads the word. Error: those that exist.
    pub fn parse(name: &str) -> Result<Self> {
        let wrong = || {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::field("provider", format!("`{name}` is no provider; use one of {names}"))
        };
        Self::ALL.into_iter().find(|provider| provider.name() == name).ok_or_else(wrong)
    }

    /// Reads the number; `None` for one that is no provider.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| *provider as i64 == number)
    }

    /// How many endpoints an application has at most: ten webhooks for Bridge (docs.bridgeapi.io, webhooks).
    pub fn endpoints_max(self) -> Option<usize> {
        (self == Self::Bridge).then_some(10)
    }
}
