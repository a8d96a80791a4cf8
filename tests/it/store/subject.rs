//! A store under question, with a clock and a source of ids to fill it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Deref;

use bytes::Bytes;
use posthaste::application::{Application, Wire};
use posthaste::attempt::{Attempt, Outcome, Trigger};
use posthaste::audit::By;
use posthaste::delivery::{Delivery, Due};
use posthaste::digest;
use posthaste::endpoint::{Endpoint, Health, State};
use posthaste::environment::Environment;
use posthaste::event::{Event, Once};
use posthaste::event_type::EventType;
use posthaste::fan_out;
use posthaste::id::{ApplicationId, EndpointId, EnvironmentId, EventId, Id, IdSource};
use posthaste::key::{Grant, Key, Role};
use posthaste::ordering::OrderKey;
use posthaste::provider::Provider;
use posthaste::replay::{self, Replay, Wanted};
use posthaste::retry;
use posthaste::secret::{Sealer, Secret, SecretSlot};
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{
    AttemptRow, Batch, Change, CommitFailed, Durable, Filter, NewRow, Op, Page, Receipt, Refused, Setting, Store, Tried,
};
use tempfile::TempDir;

pub const MINUTE_MS: i64 = 60_000;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// The beginning of a day, and when each story begins.
pub const MIDNIGHT_MS: i64 = 1_795_305_600_000;
pub const NOON_MS: i64 = MIDNIGHT_MS + 12 * HOUR_MS;

/// A store, and what is needed to fill it.
pub struct Subject {
    store: Box<dyn Store>,
    ids: IdSource,
    wall_ms: Cell<i64>,
    _folder: Option<TempDir>,
}

impl Deref for Subject {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl Subject {
    /// SQLite, on a file of its own.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("state.db"), Sealer::plain()).unwrap();
        Self { _folder: Some(folder), ..Self::new(Box::new(store)) }
    }

    /// The simulator's store.
    #[cfg(feature = "sim")]
    pub fn memory() -> Self {
        Self::new(Box::new(posthaste::store::memory::Memory::new([7; 16], 3)))
    }

    /// Any store, at noon.
    pub fn new(store: Box<dyn Store>) -> Self {
        Self { store, ids: IdSource::new(1, 0), wall_ms: Cell::new(NOON_MS), _folder: None }
    }

    pub fn wall_ms(&self) -> i64 {
        self.wall_ms.get()
    }

    /// Sets the clock, forth or back; ids grow all the same.
    pub fn set_clock(&self, wall_ms: i64) {
        self.wall_ms.set(wall_ms);
    }

    pub fn id<T: Id>(&self) -> T {
        self.ids.next(self.wall_ms())
    }

    /// Commits; gives what was refused.
    pub fn commit(&self, ops: Vec<Op>) -> Vec<(usize, Refused)> {
        self.commit_result(&Batch { wall_ms: self.wall_ms(), steady_ms: self.wall_ms(), ops }).unwrap()
    }

    /// Commits; gives what was refused, or why nothing was done.
    pub fn commit_result(&self, batch: &Batch) -> Result<Vec<(usize, Refused)>, CommitFailed> {
        self.store.commit(batch).map(|receipt| receipt.get().refused.clone())
    }

    /// Commits what an engine put together.
    pub fn commit_batch(&self, batch: &Batch) -> Durable<Receipt> {
        self.store.commit(batch).unwrap()
    }

    /// Every delivery of these applications that has a row.
    pub fn all_deliveries(&self, applications: &[ApplicationId]) -> Vec<Delivery> {
        let page = Page { after: None::<EventId>, descending: false, limit: usize::MAX - 1 };
        let events = applications.iter().flat_map(|id| self.events(*id, page, &Filter::default(), false).unwrap().rows);
        events.flat_map(|event| self.deliveries(event.id).unwrap()).map(|(_, delivery)| delivery).collect()
    }

    /// Commits one operation; gives why it was refused.
    pub fn refusal(&self, op: Op) -> Option<Refused> {
        self.commit(vec![op]).pop().map(|(_, refused)| refused)
    }

    /// Commits one operation that nothing speaks against.
    pub fn done(&self, op: Op) {
        assert_eq!(self.refusal(op), None);
    }

    /// Makes an environment.
    pub fn make_environment(&self, name: &str) -> EnvironmentId {
        let id = self.id();
        self.done(set(Change::Environment(Environment { id, name: name.to_owned() })));
        id
    }

    /// An application that is not yet made.
    pub fn new_application(&self, environment: EnvironmentId, uid: Option<&str>) -> Application {
        let metadata = BTreeMap::from([("plan".to_owned(), "größer".to_owned())]);
        let uid = uid.map(str::to_owned);
        Application {
            id: self.id(),
            environment,
            uid,
            name: "Acme".to_owned(),
            metadata,
            throttle_rate: None,
            wire: Wire::Webhook,
            provider: Provider::Standard,
            source: None,
            updated_ms: self.wall_ms(),
            deleted: false,
        }
    }

    /// Makes an application in an environment of its own.
    pub fn make_application(&self) -> Application {
        let application = self.new_application(self.make_environment("test"), None);
        self.done(set(Change::Application(application.clone())));
        application
    }

    /// An endpoint that is not yet made, every field filled.
    pub fn new_endpoint(&self, application: &Application, uid: Option<&str>) -> Endpoint {
        Endpoint {
            id: self.id(),
            application: application.id,
            provider: application.provider,
            wire: application.wire,
            direct: false,
            uid: uid.map(str::to_owned),
            url: "https://receiver.example/hooks?a=1".to_owned(),
            description: "the ledger".to_owned(),
            state: State::Enabled,
            event_types: vec!["payment.succeeded".to_owned(), "payment.failed".to_owned()],
            channels: vec!["eu".to_owned()],
            handling: Box::default(),
            headers: BTreeMap::from([("Authorization".to_owned(), "Bearer x".to_owned())]),
            metadata: BTreeMap::from([("team".to_owned(), "money".to_owned())]),
            secrets: vec![
                SecretSlot::new(secret(1)),
                SecretSlot { expires_ms: Some(self.wall_ms() + DAY_MS), ..SecretSlot::new(secret(2)) },
            ],
            health: Health::default(),
            updated_ms: self.wall_ms(),
            revision: 1,
        }
    }

    /// A replay of all that failed at an endpoint.
    pub fn new_replay(&self, endpoint: &Endpoint, environment: EnvironmentId) -> Replay {
        Replay {
            id: self.id(),
            environment,
            application: endpoint.application,
            endpoint: endpoint.id,
            kind: replay::Kind::Recover,
            state: replay::State::Running,
            first: EventId::new(0),
            last: EventId::new(i64::MAX),
            wanted: Wanted::default(),
            position: EventId::new(0),
            total: 3,
            done: 0,
            delivered: 0,
            updated_ms: self.wall_ms(),
        }
    }

    /// Makes an endpoint.
    pub fn make_endpoint(&self, application: &Application) -> Endpoint {
        let endpoint = self.new_endpoint(application, None);
        self.done(set(Change::Endpoint(endpoint.clone())));
        endpoint
    }

    /// An event that is not yet accepted.
    pub fn new_event(&self, application: &Application, endpoints: &[EndpointId]) -> NewRow {
        let body = Bytes::from_static(b"{\"amount\": 10.00}\0\xff");
        let sha256 = digest::sha256(&body);
        let event_type = "payment.succeeded".to_owned();
        let event = Event {
            id: self.id(),
            application: application.id,
            event_type,
            channels: Vec::new(),
            uid: None,
            extra: None,
            body,
            sha256,
            arrival: None,
        };
        NewRow { event, fan_out: fan_out::pack(&unkeyed(endpoints)), once: None, dedup: None, released: None }
    }

    /// Accepts an event.
    pub fn accept(&self, application: &Application, endpoints: &[EndpointId]) -> EventId {
        let row = self.new_event(application, endpoints);
        let id = row.event.id;
        self.done(Op::Event(row));
        id
    }

    /// An event type that is not yet made.
    pub fn new_event_type(&self, environment: EnvironmentId, name: &str) -> EventType {
        EventType {
            environment,
            name: name.to_owned(),
            description: "a payment succeeded".to_owned(),
            schemas: Some(r#"{"1":{"examples":[{"amount":10.00}]}}"#.to_owned()),
            archived: false,
            deprecated: true,
            feature_flags: Vec::new(),
            group_name: None,
            created_ms: self.wall_ms(),
            updated_ms: self.wall_ms(),
        }
    }

    /// A key that is not yet made.
    pub fn new_key(&self, environment: EnvironmentId, role: Role) -> Key {
        let id: posthaste::id::KeyId = self.id();
        Key {
            id,
            environment,
            grant: Grant::of(role),
            hash: digest::sha256(&id.value().to_be_bytes()),
            hint: "sk_test_abcd…".to_owned(),
            used_ms: None,
            revoked_ms: None,
        }
    }

    /// An attempt that ended just now.
    pub fn attempt(&self, status_code: u16) -> Attempt {
        Attempt {
            id: self.id(),
            started_ms: self.wall_ms() - 120,
            duration_ms: 120,
            url: "https://receiver.example/hooks?a=1".to_owned(),
            status_code,
            response: Bytes::from_static(b"ok\0\xff"),
            trigger: Trigger::Scheduled,
        }
    }

    /// A delivery's row.
    pub fn delivery(&self, event: EventId, endpoint: EndpointId) -> Option<Delivery> {
        let deliveries = self.deliveries(event).unwrap();
        deliveries.into_iter().find(|(of, _)| *of == endpoint).map(|(_, delivery)| delivery)
    }

    /// One more attempt of a delivery, as the engine would write it down.
    pub fn tried(&self, event: EventId, endpoint: EndpointId, status_code: u16) -> Tried {
        let row = self.delivery(event, endpoint);
        let before = row.unwrap_or(Delivery::fresh(self.wall_ms()));
        let attempt = Attempt { trigger: before.trigger, ..self.attempt(status_code) };
        let outcome = if attempt.succeeded() { Outcome::Success } else { Outcome::Retry { asked_secs: None } };
        let delivery = before.after(outcome, &retry::STANDARD, self.wall_ms(), 0.0);
        Tried { event, endpoint, attempt, delivery, was_due_ms: row.and_then(|row| row.due_ms), key: None }
    }

    /// Writes one more attempt of a delivery down; gives its line in the lists.
    pub fn attempted(&self, event: EventId, endpoint: EndpointId, status_code: u16) -> AttemptRow {
        let tried = self.tried(event, endpoint, status_code);
        let row = AttemptRow { event, endpoint, attempt: tried.attempt.clone(), webhook_id: None };
        self.done(Op::Tried(Box::new(tried)));
        row
    }
}

/// The same event of this type and on these channels.
pub fn with_type(row: NewRow, event_type: &str, channels: &[&str]) -> NewRow {
    let channels = channels.iter().map(|&channel| channel.to_owned()).collect();
    NewRow { event: Event { event_type: event_type.to_owned(), channels, ..row.event }, ..row }
}

/// The same event with the caller's own id.
pub fn with_uid(row: NewRow, uid: &str) -> NewRow {
    NewRow { event: Event { uid: Some(uid.to_owned()), ..row.event }, ..row }
}

/// The same event under an idempotency key.
pub fn with_key(row: NewRow, once: Once) -> NewRow {
    NewRow { once: Some(once), ..row }
}

/// The operation that changes a setting, without a key.
pub fn set(change: Change) -> Op {
    Op::Setting(Box::new(Setting { by: By::server(), change, answer: None }))
}

/// The operation that makes a delivery due at a person's wish.
pub fn resend(event: EventId, endpoint: EndpointId, due_ms: i64) -> Op {
    Op::Resend { event, endpoint, due_ms, by: By::server() }
}

/// The operation that leaves a delivery to the disk.
pub fn park(event: EventId, endpoint: EndpointId, due_ms: i64) -> Op {
    Op::Park(Due { event, endpoint, delivery: Delivery::fresh(due_ms), key: None, joins: false })
}

/// A caller's own key.
pub fn once(key: &str, request: &str) -> Once {
    Once { key: digest::hash16(key.as_bytes()), request: digest::hash16(request.as_bytes()), brief: false }
}

/// A key that an SDK made up.
pub fn brief(key: &str, request: &str) -> Once {
    Once { brief: true, ..once(key, request) }
}

/// A secret that is recognised again.
pub fn secret(byte: u8) -> Secret {
    const TEXTS: [&str; 3] = [
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
        "whsec_AgICAgICAgICAgICAgICAgICAgICAgIC",
    ];
    Secret::parse(TEXTS[usize::from(byte)]).unwrap()
}

/// These, each of which waits for nobody.
pub fn unkeyed<T: Copy>(ids: &[T]) -> Vec<(T, Option<OrderKey>)> {
    ids.iter().map(|id| (*id, None)).collect()
}
