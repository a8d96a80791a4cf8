//! The door that inbound events come in by: a source that remembers longer than any clock here jumps.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::application::{Application, Wire};
use crate::conflict::OnConflict;
use crate::digest;
use crate::id::{ApplicationId, EnvironmentId, Id as _, SourceId, WebhookId};
use crate::inbound::{Credentials, Form, Terms};
use crate::provider::Provider;
use crate::source::{Arrival, Config, DEDUP_DAYS_MAX, Dedup, DeliverAs, Source};
use crate::store::Change;

/// What the source and its application are known by.
const NUMBER: i64 = 1;

/// The source. Its events go to the clients' applications all the same, where the ledger looks.
pub(super) fn source(environment: EnvironmentId) -> Change {
    let terms = Terms {
        secrets: Vec::new(),
        tolerance_secs: None,
        credentials: Credentials::None,
        requires_signature: true,
        form: Form::default(),
    };
    let (id, application) = (SourceId::new(NUMBER), ApplicationId::new(NUMBER));
    let source = Source {
        id,
        environment,
        uid: None,
        name: "door".to_owned(),
        metadata: BTreeMap::new(),
        provider: Provider::Generic,
        application,
        config: Config {
            terms,
            deliver_as: DeliverAs::Original,
            dedup_days: DEDUP_DAYS_MAX,
            on_conflict: OnConflict::default(),
            allow_ips: Vec::new(),
        },
        tokens: Vec::new(),
        updated_ms: 0,
        deleted: false,
        revision: 1,
    };
    let own = Application {
        id: application,
        environment,
        uid: None,
        name: "door".to_owned(),
        metadata: BTreeMap::new(),
        provider: Provider::Standard,
        source: Some(id),
        throttle_rate: None,
        wire: Wire::default(),
        updated_ms: 0,
        deleted: false,
    };
    Change::Source(Box::new(source), Some(Box::new(own)))
}

/// The other want of the same key: it says something else, unless it is of another type and another event.
pub(super) fn rival(want: usize) -> usize {
    want ^ 1
}

/// What tells a want and its rival from all others.
pub(super) fn key(want: usize) -> String {
    (want / 2).to_string()
}

/// Whether what contradicts the first of a key is held back: so it is with every second key.
pub(super) fn holds(want: usize) -> bool {
    (want / 2).is_multiple_of(2)
}

/// What the first of a key and type is called on the wire.
pub(super) fn named(want: usize, event_type: &str) -> WebhookId {
    WebhookId::new(b"door", &key(want), event_type)
}

/// The source's id.
pub(super) fn source_id() -> SourceId {
    SourceId::new(NUMBER)
}

/// How an inbound want comes, and what tells it from all others. Two wants in a row share a key: their bodies tell them
/// apart.
pub(super) fn came_in(want: usize, event_type: &str, sha256: [u8; 32]) -> (Arc<Arrival>, Box<Dedup>) {
    let (dedup_key, webhook_id) = (key(want), Some(named(want, event_type)));
    let key = digest::hash16(dedup_key.as_bytes());
    let on_conflict = if holds(want) { OnConflict::Hold } else { OnConflict::Deliver };
    let arrival = Arrival { source: source_id(), dedup_key, webhook_id, ..Arrival::default() };
    let dedup = Dedup { key, twin: digest::half(sha256), original: None, days: DEDUP_DAYS_MAX, on_conflict };
    (Arc::new(arrival), Box::new(dedup))
}
