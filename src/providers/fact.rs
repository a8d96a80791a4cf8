//! What goes into a provider's form and what comes out of it.

use std::borrow::Cow;

use crate::canonical::{self, DEPTH_MAX, Numbers};
use crate::digest::sha256;
use crate::name::NAME_CHARS_MAX;
use crate::quarantine::{Kind, Unread};
use crate::signature::hex;

/// What is to be put into a provider's envelope.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    /// The catalogue's name of its kind.
    pub event_type: &'a str,
    /// The resource, as JSON.
    pub payload: &'a [u8],
    /// Whether it is of the live mode.
    pub live: bool,
    /// When it happened, in ms since 1970.
    pub at_ms: i64,
}

/// What is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The event's `webhook-id`; only Standard Webhooks and Svix sign it.
    pub id: &'a str,
    /// When, in seconds since 1970.
    pub at_secs: i64,
    /// The body.
    pub body: &'a [u8],
}

/// What a body says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    /// The kind of event, as the sender writes it.
    pub event_type: Cow<'a, str>,
    /// The sender's own id of the event.
    pub id: Option<String>,
    /// What tells it from every other event; `None` for what is never a duplicate.
    pub dedup_key: Option<String>,
    /// When it happened, in ms since 1970.
    pub occurred_ms: Option<i64>,
    /// Whether it is of the live mode.
    pub live: Option<bool>,
}

/// The name that is nearest to a sender's and that we can keep: other characters become `_`, the rest is cut off.
pub(super) fn fit(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() <= NAME_CHARS_MAX && name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().take(NAME_CHARS_MAX).map(|c| if fits(c) { c } else { '_' }).collect())
}

/// What stands for the hash of these bytes where an id would.
pub(super) fn hashed(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&sha256(bytes)))
}

/// What stands for the hash of what this JSON says, in whatever order and with whatever spaces. Error: it is nested too
/// deep.
pub(super) fn hashed_content(json: &str) -> Result<String, Unread> {
    let deep = || Unread::new(Kind::TooDeep, format!("the body is nested deeper than {DEPTH_MAX} levels"));
    canonical::form(json, Numbers::AsWritten).map(|form| hashed(form.as_bytes())).ok_or_else(deep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bent_only_where_it_must_be() {
        assert!(matches!(fit("payment.link-paid_2"), Cow::Borrowed("payment.link-paid_2")));
        assert_eq!(fit("paiement réussi/été"), "paiement_r_ussi__t_");
        assert_eq!(fit(&"é".repeat(300)), "_".repeat(256));
    }
}
