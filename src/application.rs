//! An application: one customer of the operator, who owns endpoints and receives events.

use crate::error::Result;
use crate::id::{ApplicationId, EnvironmentId, Id, SourceId};
use crate::name::{self, Metadata};
use crate::provider::Provider;

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
