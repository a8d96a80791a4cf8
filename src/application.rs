//! An application: one customer of the operator, who owns endpoints and receives events.

use crate::error::Result;
use crate::id::{ApplicationId, EnvironmentId, Id, SourceId};
use crate::name::{self, Metadata};
use crate::provider::Provider;

/// The names of the headers that carry an event's id, time stamp and signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Wire {
    /// `webhook-id` and so on (Standard Webhooks).
    #[default]
    Webhook = 0,
    /// `svix-id` and so on.
    Svix = 1,
    /// Both.
    Both = 2,
}

impl Wire {
    /// All of them, by their words.
    pub const ALL: [(&str, Self); 3] = [("webhook", Self::Webhook), ("svix", Self::Svix), ("both", Self::Both)];

    /// Reads the number; `None` for one that is none.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().map(|(_, wire)| wire).find(|wire| *wire as i64 == number)
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Reads the word. Error: the three that exist.
    pub fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, wire)| *wire);
        found.ok_or_else(|| {
            crate::error::Error::field("wireHeaders", format!("`{name}` is none; use webhook, svix or both"))
        })
    }
}

/// One customer of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its id; its time is when it was created.
    pub id: ApplicationId,
    /// Where it lives; keys of another environment never see it.
    pub environment: EnvironmentId,
    /// The caller's own id for it, unique in the environment while it lives.
    pub uid: Option<String>,
    /// A name for people.
    pub name: String,
    /// Whatever the caller keeps with it.
    pub metadata: Metadata,
    /// How many events a second are sent to its endpoints at most.
    pub throttle_rate: Option<u32>,
    /// Under which names its events carry their id and signature.
    pub wire: Wire,
    /// In whose form its events are delivered; fixed once it has endpoints or events.
    pub provider: Provider,
    /// The source whose events it receives, when it is a source's own.
    pub source: Option<SourceId>,
    /// When it last changed, in ms since 1970.
    pub updated_ms: i64,
    /// Deleted applications keep their events and refuse everything else.
    pub deleted: bool,
}

impl Application {
    /// Checks every field against its limit.
    pub fn check(&self) -> Result<()> {
        if let Some(uid) = &self.uid {
            name::check_uid("uid", uid, ApplicationId::PREFIX)?;
        }
        name::check_text("name", &self.name)?;
        if self.throttle_rate == Some(0) {
            return Err(crate::error::Error::field("throttleRate", "must be 1 or more; leave it out for no limit"));
        }
        if self.name.is_empty() {
            return Err(crate::error::Error::field(
                "name",
                "must not be empty; any name a person can recognise will do",
            ));
        }
        if !Provider::DELIVERED.contains(&self.provider) {
            let names = Provider::DELIVERED.map(Provider::name).join(", ");
            return Err(crate::error::Error::field(
                "provider",
                format!("`{}` only receives; an application delivers as one of {names}", self.provider.name()),
            ));
        }
        name::check_metadata(&self.metadata)
    }
}

/// How a caller names an application: our id, or their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationRef {
    /// Our id.
    Id(ApplicationId),
    /// The caller's.
    Uid(String),
}
