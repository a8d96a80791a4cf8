//! An environment: the outermost boundary of data and keys (`test` or `live`).

use crate::id::EnvironmentId;

/// The two environments that keys can belong to; the key's prefix says which.
pub const NAMES: [&str; 2] = ["test", "live"];

/// The boundary that owns keys, event types and applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// `test` or `live`.
    pub name: String,
}
