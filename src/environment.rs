//! An environment: the outermost boundary of data and keys (`test` or `live`).

use crate::id::{EnvironmentId, Id as _};

/// The two environments that keys can belong to; the key's prefix says which.
pub const NAMES: [&str; 2] = ["test", "live"];

/// The name of an environment by its id: they are numbered from 1 in the order of [`NAMES`].
pub fn name_of(id: EnvironmentId) -> &'static str {
    let position = id.value().checked_sub(1).and_then(|position| usize::try_from(position).ok());
    position.and_then(|position| NAMES.get(position)).copied().unwrap_or(NAMES[0])
}

/// Whether money is real there.
pub fn is_live(id: EnvironmentId) -> bool {
    name_of(id) == NAMES[1]
}

/// The boundary that owns keys, event types and applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// `test` or `live`.
    pub name: String,
}
