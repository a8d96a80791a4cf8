//! Catalogues: every kind of event a provider sends, what it says, and who may be sent it.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::name::Metadata;

/// A row of a provider's catalogue: one kind of event it sends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The dotted name.
    #[serde(rename = "type")]
    pub event_type: String,
    /// One sentence for people.
    pub description: String,
    /// The key that holds the resource, for those that name it after its kind (Finix).
    pub plural: Option<String>,
    /// The metadata entry that must be `"true"` at an application that is sent this type: an opt-in, a plan, a product.
    pub needs: Option<String>,
    /// Sent to the one URL given with the event, and to no endpoint.
    #[serde(default)]
    pub to_url: bool,
    /// Whether the provider's pages leave the name open.
    #[serde(default)]
    pub unconfirmed: bool,
}

/// Reads a catalogue that is part of this program.
pub(super) fn parse(text: &str) -> Vec<Row> {
    #[derive(Deserialize)]
    struct Catalogue {
        row: Vec<Row>,
    }
    toml::from_str::<Catalogue>(text).expect("a catalogue of ours is sound").row
}

/// The row of this type.
pub(super) fn find<'a>(rows: &'a [Row], event_type: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.event_type == event_type)
}

/// Whether an application with this metadata may be sent this type. Error: which entry switches it on.
pub(super) fn may_send(rows: &[Row], event_type: &str, metadata: &Metadata) -> Result<()> {
    let Some(key) = find(rows, event_type).and_then(|row| row.needs.as_deref()) else {
        return Ok(());
    };
    if metadata.get(key).is_some_and(|value| value == "true") {
        return Ok(());
    }
    let message = format!(
        "`{event_type}` goes only to those who have it switched on; set `{key}` to \"true\" in the application's metadata"
    );
    Err(Error::field("eventType", message))
}
