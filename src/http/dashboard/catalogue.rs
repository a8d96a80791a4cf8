//! The event types that pages offer, and how they are grouped.

use crate::error::Result;
use crate::event_type::EventType;
use crate::id::EnvironmentId;
use crate::store::{Page, Store};

/// How many event types are offered.
const EVENT_TYPES_MAX: usize = 1_000;

/// The event types of an environment, as many as are offered.
pub(super) fn all(store: &dyn Store, environment: EnvironmentId) -> Result<Vec<EventType>> {
    let page = Page { after: None, descending: false, limit: EVENT_TYPES_MAX };
    Ok(store.event_types(environment, page, false)?.rows)
}

/// The group that a type is listed under: its own, or what its name begins with.
pub(super) fn group(event_type: &EventType) -> &str {
    event_type.group_name.as_deref().unwrap_or_else(|| event_type.name.split('.').next().unwrap_or_default())
}
