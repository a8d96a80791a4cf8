//! A resource of the sandbox: one JSON object that a small provider keeps.

use bytes::Bytes;

/// One JSON object of a small provider's, in the world of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Whose it is: other keys never see it.
    pub world: String,
    /// What it is, such as `link`.
    pub kind: String,
    /// Its id, unique among its kind in its world.
    pub id: String,
    /// The object as JSON; `None` when it goes.
    pub value: Option<Bytes>,
}
