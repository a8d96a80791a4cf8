//! The event types that pages offer, and how they are grouped.

use crate::error::Result;
use crate::event_type::EventType;
use crate::key::Caller;
use crate::store::{Page, Store};

/// How many event types are offered.
const EVENT_TYPES_MAX: usize = 1_000;

/// The event types that somebody may know of, as many as are offered.
pub(super) fn all(store: &dyn Store, caller: &Caller) -> Result<Vec<EventType>> {
    let page = Page { after: None, descending: false, limit: EVENT_TYPES_MAX };
    let rows = store.event_types(caller.environment, page, false)?.rows;
    Ok(rows.into_iter().filter(|row| row.is_shown_to(caller.feature_flags())).collect())
}

/// The group that a type is listed under: its own, or what its name begins with.
pub(super) fn group(event_type: &EventType) -> &str {
    event_type.group_name.as_deref().unwrap_or_else(|| event_type.name.split('.').next().unwrap_or_default())
}
