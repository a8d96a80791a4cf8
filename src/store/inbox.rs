//! What is asked of what came in by sources: by their names on the wire, and what is held back there.

use super::{Listed, Page};
use crate::conflict::{Conflict, Held};
use crate::error::Result;
use crate::id::{ApplicationId, ConflictId, EventId, SourceId, WebhookId};
use crate::quarantine::Quarantined;

/// How many reasons of a quarantine are told apart at one time.
pub const REASONS_MAX: usize = 50;

/// What is asked of what came in.
pub trait Inbox {
    /// The events that are called so on the wire, and not by their ids, and whose they are; the newest first.
    fn called(&self, named: WebhookId) -> Result<Vec<(ApplicationId, EventId)>>;
    /// What events are called on the wire; `None` for those that are called by their ids.
    fn webhook_ids(&self, events: &[EventId]) -> Result<Vec<Option<WebhookId>>>;
    /// A source's conflicts that wait for an Admin.
    fn conflicts(&self, source: SourceId, page: Page<ConflictId>) -> Result<Listed<Conflict>>;
    /// A conflict of a source, whether it waits or not.
    fn conflict(&self, source: SourceId, conflict: ConflictId) -> Result<Option<Conflict>>;
    /// What waits in a source's quarantine, by the order in which bodies first came; the key is the row's number.
    fn quarantined(&self, source: SourceId, page: Page<i64>) -> Result<Listed<(i64, Quarantined)>>;
    /// Why what waits in a source's quarantine is there, [`REASONS_MAX`] of the reasons at most: the kind, or the sentence
    /// where there is none, how many bodies there are of it, and the last of them.
    fn quarantine_reasons(&self, source: SourceId) -> Result<Vec<(String, u64, Quarantined)>>;
    /// What waits in a source's quarantine with this SHA-256.
    fn quarantined_body(&self, source: SourceId, sha256: [u8; 32]) -> Result<Option<(i64, Quarantined)>>;
    /// What waits for an Admin since before this moment, of one application or of all, at most `limit` of each kind; and
    /// whose it is.
    fn held_since(&self, of: Option<ApplicationId>, before_ms: i64, limit: usize)
    -> Result<Vec<(ApplicationId, Held)>>;
}
