//! Names that callers choose: which characters, how long.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The longest uid, event type name or feature flag, in characters.
pub const NAME_CHARS_MAX: usize = 256;
/// The longest channel, in characters.
pub const CHANNEL_CHARS_MAX: usize = 128;
/// The longest free text (an application's name, a description), in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// How many metadata entries an object carries, and how many bytes together.
const METADATA_ENTRIES_MAX: usize = 50;
const METADATA_BYTES_MAX: usize = 16_384;

/// Metadata as callers give it: their keys, their texts.
pub type Metadata = BTreeMap<String, String>;

/// Checks a uid: letters, digits, `-`, `_`, `.`; not beginning like one of our own ids.
pub fn check_uid(field: &str, uid: &str, id_prefix: &str) -> Result<()> {
    check(field, uid, NAME_CHARS_MAX)?;
    if uid.starts_with(id_prefix) {
        let mut error =
            Error::field(field, format!("must not start with `{id_prefix}`: that is how our own ids begin"));
        error.code = "invalid_uid_prefix";
        return Err(error);
    }
    Ok(())
}

/// Checks an event type's name.
pub fn check_event_type(field: &str, name: &str) -> Result<()> {
    check(field, name, NAME_CHARS_MAX)
}

/// Checks a list of channels of at most `count_max`, each ≤ 128 characters.
pub fn check_channels(field: &str, channels: &[String], count_max: usize) -> Result<()> {
    if channels.is_empty() || channels.len() > count_max {
        return Err(Error::field(
            field,
            format!("takes 1 to {count_max} channels, got {}; leave it out for none", channels.len()),
        ));
    }
    channels.iter().try_for_each(|channel| check(field, channel, CHANNEL_CHARS_MAX))
}

/// Checks a free text: not longer than 4,096 bytes, no control characters.
pub fn check_text(field: &str, text: &str) -> Result<()> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::field(field, format!("is {} bytes long; at most {TEXT_BYTES_MAX} are allowed", text.len())));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Error::field(field, "contains control characters; send plain text"));
    }
    Ok(())
}

/// Checks metadata: at most 50 entries and 16 KiB.
pub fn check_metadata(metadata: &Metadata) -> Result<()> {
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if metadata.len() > METADATA_ENTRIES_MAX || bytes > METADATA_BYTES_MAX {
        let message = format!(
            "holds {} entries of {bytes} bytes; at most {METADATA_ENTRIES_MAX} entries of {METADATA_BYTES_MAX} bytes together are allowed",
            metadata.len()
        );
        return Err(Error::field("metadata", message));
    }
    Ok(())
}

fn check(field: &str, name: &str, chars_max: usize) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > chars_max || !name.chars().all(fits) {
        let message = format!("must be 1 to {chars_max} characters out of a-z, A-Z, 0-9, `-`, `_` and `.`");
        return Err(Error::field(field, message));
    }
    Ok(())
}
