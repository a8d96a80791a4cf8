//! An environment: the outermost boundary of data and keys (`test`, `live`, or one that Svix tokens name).

use crate::id::{EnvironmentId, Id as _};

/// The two environments that keys can belong to; the key's prefix says which.
pub const NAMES: [&str; 2] = ["test", "live"];

/// How the name of an environment begins that a Svix token names.
pub const ORG_PREFIX: &str = "org_";
/// Where what happens to endpoints and attempts is told: one application here for each other environment, whose uid is
/// that environment's public id (so it is in Svix).
pub const MANAGEMENT: &str = "org_00000000000SvixManagement00";
/// The id of [`MANAGEMENT`].
pub const MANAGEMENT_ID: i64 = 3;

/// What happens to an event that its type's schema does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Validation {
    /// Nobody looks.
    #[default]
    Off = 0,
    /// It is accepted, and the log says what is wrong.
    Warn = 1,
    /// It is refused.
    Enforce = 2,
}

impl Validation {
    /// All of them, by their words.
    pub const ALL: [(&str, Self); 3] = [("off", Self::Off), ("warn", Self::Warn), ("enforce", Self::Enforce)];

    /// Reads the number; `None` for one that is none.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().map(|(_, validation)| validation).find(|validation| *validation as i64 == number)
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Reads the word. Error: the three that exist.
    pub fn parse(name: &str) -> crate::error::Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, validation)| *validation);
        found.ok_or_else(|| {
            crate::error::Error::field("schemaValidation", format!("`{name}` is none; use off, warn or enforce"))
        })
    }
}

/// The name of an environment by its id: they are numbered from 1 in the order of [`NAMES`].
pub fn name_of(id: EnvironmentId) -> &'static str {
    let position = id.value().checked_sub(1).and_then(|position| usize::try_from(position).ok());
    position.and_then(|position| NAMES.get(position)).copied().unwrap_or(NAMES[0])
}

/// Whether money is real there.
pub fn is_live(id: EnvironmentId) -> bool {
    name_of(id) == NAMES[1]
}

/// Whether Svix tokens name it, or it is the management's.
pub fn is_of_svix(id: EnvironmentId) -> bool {
    id.value() >= MANAGEMENT_ID
}

/// The environment of keys that say this name.
pub fn named(name: &str) -> Environment {
    let position = NAMES.iter().position(|known| *known == name).unwrap_or_default();
    Environment {
        id: EnvironmentId::new(i64::try_from(position).unwrap_or_default() + 1),
        name: NAMES[position].to_owned(),
    }
}

/// The boundary that owns keys, event types and applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// `test`, `live`, or `org_…` for one that a Svix token names.
    pub name: String,
}
