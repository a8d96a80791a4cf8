//! The door that inbound events come in by: a source that remembers longer than any clock here jumps.

use std::collections::BTreeMap;

use crate::application::{Application, Wire};
use crate::digest;
use crate::id::{ApplicationId, EnvironmentId, Id as _, SourceId};
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
        config: Config { terms, deliver_as: DeliverAs::Original, dedup_days: DEDUP_DAYS_MAX, allow_ips: Vec::new() },
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

/// How an inbound want comes, and what tells it from all others. Two wants in a row share a key: their bodies tell them
/// apart.
pub(super) fn came_in(want: usize, sha256: [u8; 32]) -> (Box<Arrival>, Box<Dedup>) {
    let dedup_key = (want / 2).to_string();
    let key = digest::hash16(dedup_key.as_bytes());
    let twin = digest::half(sha256);
    let arrival = Arrival { source: SourceId::new(NUMBER), dedup_key, ..Arrival::default() };
    (Box::new(arrival), Box::new(Dedup { key, twin, days: DEDUP_DAYS_MAX }))
}
