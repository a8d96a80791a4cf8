//! Sources and what comes in by them, to fill a store with.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use posthaste::application::Application;
use posthaste::conflict::OnConflict;
use posthaste::digest;
use posthaste::event::Event;
use posthaste::id::{EndpointId, EnvironmentId, EventId, Id, WebhookId};
use posthaste::inbound::{Algorithm, Credentials, Encoding, Flags, Form, Terms};
use posthaste::provider::Provider;
use posthaste::quarantine::{Kind, Quarantined};
use posthaste::secret::Secret;
use posthaste::source::{Arrival, Config, Dedup, DeliverAs, Source, SourceStats, TokenSlot};
use posthaste::store::{Change, Consumer, NewRow, Op, Refused};

use super::subject::{DAY_MS, Subject, secret, set};

/// How long events are remembered unless a test says otherwise.
pub const DEDUP_DAYS: u32 = 35;

impl Subject {
    /// A source that is not yet made, every field filled, and its application.
    pub fn new_source(&self, environment: EnvironmentId, uid: Option<&str>) -> (Source, Application) {
        let (id, application) = (self.id(), self.id());
        let source = Source {
            id,
            environment,
            uid: uid.map(str::to_owned),
            name: "Fintoc, Chile".to_owned(),
            metadata: BTreeMap::from([("team".to_owned(), "münze".to_owned())]),
            provider: Provider::Fintoc,
            application,
            config: a_config(),
            tokens: vec![
                TokenSlot { token: format!("token-{}", id.value()), expires_ms: None },
                TokenSlot { token: format!("old-token-{}", id.value()), expires_ms: Some(self.wall_ms() + DAY_MS) },
            ],
            updated_ms: self.wall_ms(),
            deleted: false,
            revision: 1,
        };
        let own = Application {
            id: application,
            source: Some(id),
            ..self.new_application(environment, Some(&format!("of source {}", id.value())))
        };
        (source, own)
    }

    /// Makes a source in an environment.
    pub fn make_source(&self, environment: EnvironmentId) -> (Source, Application) {
        let (source, application) = self.new_source(environment, None);
        self.done(made(&source, &application));
        (source, application)
    }

    /// An inbound event that is not yet accepted.
    pub fn arriving(&self, source: &Source, key: &str, body: &str, endpoints: &[EndpointId]) -> NewRow {
        let of_application = Application { id: source.application, ..self.new_application(source.environment, None) };
        let row = self.new_event(&of_application, endpoints);
        let body = Bytes::copy_from_slice(body.as_bytes());
        let sha256 = digest::sha256(&body);
        let arrival = Arrival {
            source: source.id,
            dedup_key: key.to_owned(),
            duplicates: 0,
            flags: Flags::default(),
            headers: vec![("Fintoc-Signature".to_owned(), "t=1,v1=ab\"c".to_owned())],
            webhook_id: Some(WebhookId::new(&source.naming(), key, &row.event.event_type)),
            first: None,
        };
        let dedup = Dedup {
            key: digest::hash16(&[&source.id.value().to_be_bytes(), key.as_bytes()].concat()),
            twin: sha256[..16].try_into().unwrap(),
            original: None,
            days: source.config.dedup_days,
            on_conflict: source.config.on_conflict,
        };
        let event = Event { body, sha256, arrival: Some(Arc::new(arrival)), ..row.event };
        NewRow { event, dedup: Some(Box::new(dedup)), ..row }
    }

    /// Takes an inbound event in; gives its id, or why it was refused.
    pub fn arrive(&self, source: &Source, key: &str, body: &str) -> Result<EventId, Refused> {
        let row = self.arriving(source, key, body, &[]);
        let id = row.event.id;
        self.refusal(Op::Event(row)).map_or(Ok(id), Err)
    }

    /// How an event came.
    pub fn arrival(&self, source: &Source, event: EventId) -> Arrival {
        Arc::unwrap_or_clone(self.event(source.application, event).unwrap().unwrap().arrival.unwrap())
    }

    /// What a source's requests came to.
    pub fn stats(&self, source: &Source) -> SourceStats {
        self.source_stats(source.id).unwrap()
    }

    /// A body that could not be understood.
    pub fn not_understood(&self, source: &Source, body: &str) -> Quarantined {
        Quarantined {
            source: source.id,
            sha256: digest::sha256(body.as_bytes()),
            first_ms: self.wall_ms(),
            count: 1,
            kind: Some(Kind::NoType),
            reason: "`type` is missing".to_owned(),
            headers: vec![("content-type".to_owned(), "text/json".to_owned())],
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }
}

/// The operation that makes a source with its application.
pub fn made(source: &Source, application: &Application) -> Op {
    set(Change::Source(Box::new(source.clone()), Some(Box::new(application.clone()))))
}

/// The operation that changes a source.
pub fn changed(source: &Source) -> Op {
    set(Change::Source(Box::new(source.clone()), None))
}

/// The operation that moves a poller's place.
pub fn moved(source: &Source, name: &str, place: EventId, commits: bool) -> Op {
    let (sink, name) = ("ledger".to_owned(), name.to_owned());
    set(Change::Consumer(Consumer { application: source.application, sink, name, place, commits }))
}

/// One with every field filled.
pub fn a_config() -> Config {
    let form = Form {
        header: "x-signature".to_owned(),
        algorithm: Algorithm::Sha512,
        encoding: Encoding::Base64,
        prefix: "v=".to_owned(),
        type_path: Some("/type".to_owned()),
        id_path: Some("/data/id".to_owned()),
        ..Form::default()
    };
    let password = Secret::verbatim("pässword \"quoted\"");
    Config {
        terms: Terms {
            secrets: vec![secret(1), Secret::verbatim("whsec_fintoc"), Secret::verbatim("")],
            tolerance_secs: Some(300),
            credentials: Credentials::Basic { username: "größe".to_owned(), password },
            requires_signature: true,
            form,
        },
        deliver_as: DeliverAs::Standard,
        dedup_days: DEDUP_DAYS,
        on_conflict: OnConflict::Deliver,
        allow_ips: ["10.0.0.0/8", "fd00::1"].map(|text| text.parse().unwrap()).into(),
    }
}
