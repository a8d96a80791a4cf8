//! Receiving: what a source's request becomes, whether it was verified, imported, or released by an Admin.

use std::sync::Arc;

use bytes::Bytes;

use crate::application::ApplicationRef;
use crate::audit::By;
use crate::conflict::{Conflict, Held, OnConflict};
use crate::digest::{half, hash16, sha256};
use crate::environment;
use crate::event::{NewEvent, Release};
use crate::id::{Id, WebhookId, key_hash};
use crate::inbound::{Flags, Received};
use crate::quarantine::Quarantined;
use crate::repetition;
use crate::signature::hex;
use crate::source::{Arrival, Config, Dedup, DeliverAs, Source};

impl NewEvent {
    /// Takes a verified request, as its source hands it on: `body` is the request's own, or that of
    /// [`DeliverAs::Standard`].
    pub fn received(source: &Source, received: Received, body: Bytes) -> Self {
        let sha256 = sha256(&body);
        let original = received.verified.body();
        let dedup = received.dedup_key.as_ref().map(|key| {
            let key = key_hash(&source.id.value().to_be_bytes(), key);
            let came = (body != *original).then(|| original.clone());
            // a key that is made of the content cannot have two contents, however they are spelled
            let twin = match (&received.id, &came) {
                (None, _) => key,
                (Some(_), None) => half(sha256),
                (Some(_), Some(original)) => hash16(original),
            };
            let Config { dedup_days: days, on_conflict, .. } = source.config;
            Box::new(Dedup { key, twin, original: came, days, on_conflict })
        });
        let mut flags = received.flags;
        if !received.known {
            flags = flags.with(Flags::UNKNOWN_TYPE);
        }
        if received.live.is_some_and(|is_live| is_live != environment::is_live(source.environment)) {
            flags = flags.with(Flags::MODE_MISMATCH);
        }
        let named = |key: &String| WebhookId::new(&source.naming(), key, &received.event_type);
        let webhook_id = received.dedup_key.as_ref().map(named);
        let kept = &source.config.terms.form.keep_headers;
        let goes_on = |name: &String| source.config.deliver_as == DeliverAs::Original || kept.contains(name);
        let headers = received.verified.headers().iter().filter(|(name, _)| goes_on(name)).cloned().collect();
        let dedup_key = received.dedup_key.unwrap_or_default();
        let arrival = Arrival { source: source.id, dedup_key, flags, headers, webhook_id, ..Arrival::default() };
        Self::inbound(source, received.event_type, (body, sha256), arrival, dedup)
    }

    /// Takes a conflict that an Admin releases: it is delivered, flagged, and its repetitions are known.
    pub fn released(source: &Source, conflict: Conflict, by: By) -> Self {
        let Conflict { id, first, event_type, dedup_key, flags, headers, body, twin, .. } = conflict;
        let key = key_hash(&source.id.value().to_be_bytes(), &dedup_key);
        let (days, on_conflict) = (source.config.dedup_days, OnConflict::Deliver);
        let original = repetition::original(&body, &twin).filter(|original| original[..] != body[..]);
        let original = original.map(|original| original.into_owned().into());
        let dedup = Some(Box::new(Dedup { key, twin, original, days, on_conflict }));
        let flags = flags.with(Flags::ID_CONFLICT);
        let arrival =
            Arrival { source: source.id, dedup_key, flags, headers, first: Some(first), ..Arrival::default() };
        let sha256 = sha256(&body);
        let released = Some(Box::new(Release { held: Held::Conflict(id), by }));
        Self { released, ..Self::inbound(source, event_type, (body, sha256), arrival, dedup) }
    }

    /// Takes what an Admin releases from quarantine, row `number`: its bytes as they came. `guess` is the type, and the
    /// key of the event, as far as they could be found in them.
    pub fn unread(
        source: &Source,
        (number, row): (i64, Quarantined),
        (event_type, key): (String, Option<String>),
        by: By,
    ) -> Self {
        let Quarantined { sha256, mut headers, body, .. } = row;
        headers.retain(|(name, _)| source.config.terms.form.goes_on(name));
        let has_id = key.is_some();
        let dedup_key = key.unwrap_or_else(|| format!("sha256:{}", hex(&sha256)));
        let key = key_hash(&source.id.value().to_be_bytes(), &dedup_key);
        let (days, on_conflict) = (source.config.dedup_days, OnConflict::Deliver);
        let twin = if has_id { half(sha256) } else { key };
        let dedup = Some(Box::new(Dedup { key, twin, original: None, days, on_conflict }));
        let webhook_id = Some(WebhookId::new(&source.naming(), &dedup_key, &event_type));
        let flags = Flags::UNREAD;
        let arrival = Arrival { source: source.id, dedup_key, flags, headers, webhook_id, ..Arrival::default() };
        let released = Some(Box::new(Release { held: Held::Quarantined(number), by }));
        Self { released, ..Self::inbound(source, event_type, (body, sha256), arrival, dedup) }
    }

    fn inbound(
        source: &Source,
        event_type: String,
        (body, sha256): (Bytes, [u8; 32]),
        arrival: Arrival,
        dedup: Option<Box<Dedup>>,
    ) -> Self {
        Self {
            environment: source.environment,
            application: ApplicationRef::Id(source.application),
            event_type,
            channels: Vec::new(),
            uid: None,
            extra: None,
            sha256,
            body,
            once: None,
            wrapped: false,
            only: None,
            arrival: Some(Arc::new(arrival)),
            dedup,
            released: None,
        }
    }
}
