//! Released schemas: each is kept as a small database that this build must open and read.

use std::path::{Path, PathBuf};

use posthaste::application::Application;
use posthaste::audit::By;
use posthaste::count::minute;
use posthaste::endpoint::{Endpoint, Health, State};
use posthaste::environment::Validation;
use posthaste::event_type::EventType;
use posthaste::filter::Filter;
use posthaste::handling::Handling;
use posthaste::id::{EventId, Id};
use posthaste::inbound::Refusal;
use posthaste::key::{Grant, Key, Role};
use posthaste::ordering::Ordering;
use posthaste::replay::{Kind, Replay, State as ReplayState};
use posthaste::secret::Sealer;
use posthaste::source::SourceRef;
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{Answer, Change, Op, PeopleChange, Setting};
use posthaste::task::{Task, Work};
use posthaste::user::{Holder, Test, Way};
use rusqlite::Connection;

use super::{a_folder, inbound};
use crate::store::answers::{Topics, check_alike};
use crate::store::audit;
use crate::store::chain;
use crate::store::refusal::{refused, turned};
use crate::store::replay;
use crate::store::resource::resource;
use crate::store::subject::{
    DAY_MS, HOUR_MS, NOON_MS, Subject, brief, once, park, resend, set, with_key, with_type, with_uid,
};
use crate::store::user;

mod receiving;

/// Writes what stands in a kept database.
type Fill = fn(&Subject) -> Topics;
/// The schemas that were released, by the number of their last step, and what stands in each.
const RELEASED: [(&str, Fill); 16] = [
    ("0001", fill_sending),
    ("0002", fill_receiving),
    ("0003", fill_waiting),
    ("0004", fill_sandbox),
    ("0006", fill_handling),
    ("0007", fill_people),
    ("0008", fill_brand),
    ("0009", fill_background),
    ("0010", fill_ordering),
    ("0011", fill_keys),
    ("0012", fill_minutes),
    ("0013", fill_refusals),
    ("0014", fill_sameness),
    ("0015", fill),
    ("0016", fill),
    ("0017", fill),
];
/// Names the one that is to be written: `POSTHASTE_TEST_WRITE_SCHEMA=0003 cargo test --test it released`.
const WRITE: &str = "POSTHASTE_TEST_WRITE_SCHEMA";

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/schema/{name}.db"))
}

fn open(path: &Path) -> Subject {
    let sealer = Sealer::with_key("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    Subject::new(Box::new(Sqlite::open(path, sealer).unwrap()))
}

#[test]
fn every_released_schema_is_opened_and_read() {
    for (name, fill) in RELEASED {
        let (_fresh_folder, fresh_path) = a_folder();
        let fresh = open(&fresh_path);
        let topics = fill(&fresh);
        if name < "0014" {
            forget_names(&fresh_path);
        }
        if std::env::var(WRITE).is_ok_and(|written| written == name) {
            write(&fresh_path, &kept(name));
        }
        let (_folder, path) = a_folder();
        std::fs::copy(kept(name), &path).unwrap();
        let old = open(&path);
        check_alike(&*old, &*fresh, &topics);
        let told = audit::all(&*old);
        assert!(told.is_empty() || told == audit::all(&*fresh), "schema {name}: what was told stays");
        assert_eq!(told.is_empty(), name < "0011", "schema {name}");
        assert_eq!(schema(&path), schema(&fresh_path), "schema {name}: a released step is never edited");
        let application = old.opening(NOON_MS).unwrap().applications.remove(0);
        old.set_clock(NOON_MS + 30 * DAY_MS);
        old.accept(&application, &[]);
    }
}

/// Under schema 2 the key of each was indexed as it came; under schema 3 some keys may wait.
#[test]
fn what_came_in_under_an_earlier_schema_is_still_known() {
    for ((name, fill), waiting) in RELEASED[1..].iter().zip([0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 4, 4]) {
        let (_fresh_folder, fresh_path) = a_folder();
        let topics = fill(&open(&fresh_path));
        let (_folder, path) = a_folder();
        std::fs::copy(kept(name), &path).unwrap();
        for day in 1..4 {
            let subject = open(&path);
            assert_eq!(inbound::waiting(&path), waiting + i64::from(day > 1), "schema {name}");
            subject.set_clock(NOON_MS + day * DAY_MS);
            receiving::check_known(&subject, &topics);
            let source = subject.source(topics.environments[0], &SourceRef::Id(topics.sources[0])).unwrap().unwrap();
            let new = subject.arrive(&source, "evt_new", "{}");
            assert_eq!(new.is_ok(), day == 1, "schema {name}, day {day}: {new:?}");
        }
    }
}

/// Before schema 16 nobody counted what waits for a retry apart from what nobody tried: that is made up for.
#[test]
fn what_waits_for_a_retry_in_an_older_database_is_counted() {
    for (name, fill) in RELEASED {
        let (_fresh_folder, fresh_path) = a_folder();
        let topics = fill(&open(&fresh_path));
        let (_folder, path) = a_folder();
        std::fs::copy(kept(name), &path).unwrap();
        let sql = "select count(*) from delivery where status = 1 and attempts > 0";
        let tried: i64 = Connection::open(&path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
        let old = open(&path);
        let counts = topics.endpoints.iter().map(|endpoint| old.counts(*endpoint, (0, i64::MAX)).unwrap());
        let waiting = counts.fold((0, 0), |sum, counts| (sum.0 + counts.waiting(), sum.1 + counts.retrying));
        assert!(tried > 1 && tried == waiting.1 && tried < waiting.0, "schema {name}: {tried}, {waiting:?}");
    }
}

/// What came in before schema 14 is called by its id, and says nothing of whom it contradicts, or what kind it is of.
fn forget_names(path: &Path) {
    let database = Connection::open(path).unwrap();
    database.execute("update arrival set webhook_id = null, first = null", ()).unwrap();
    database.execute("update quarantine set kind = null, headers = null", ()).unwrap();
}

/// Copies a database in smaller pages: the file need not be large to show how it is built.
fn write(from: &Path, to: &Path) {
    std::fs::remove_file(to).unwrap_or_default();
    let connection = Connection::open(from).unwrap();
    connection.pragma_update(None, "page_size", 2_048).unwrap();
    connection.execute("vacuum into ?1", (to.to_str().unwrap(),)).unwrap();
}

/// What the tables and indices are made of.
fn schema(path: &Path) -> Vec<(String, Option<String>)> {
    let connection = Connection::open(path).unwrap();
    let mut sql = connection.prepare("select type || ' ' || name, sql from sqlite_schema order by 1").unwrap();
    let rows = sql.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Writes something of everything; gives what there is to ask about. It must not change once a schema was released with it:
/// what a new schema holds beyond the one before is written by a function of its own.
pub fn fill(subject: &Subject) -> Topics {
    let mut topics = fill_sameness(subject);
    let (environment, application) = (topics.environments[0], topics.applications[0]);
    let own = subject.opening(NOON_MS).unwrap().applications.into_iter().find(|row| row.id == application).unwrap();
    let endpoint = subject.make_endpoint(&own);
    let [delivered, waiting] = [0; 2].map(|_| subject.accept(&own, &[endpoint.id]));
    subject.attempted(delivered, endpoint.id, 200);
    subject.attempted(waiting, endpoint.id, 401);
    for (kind, event) in [(Kind::Bulk, delivered), (Kind::Waiting, waiting)] {
        let replay = Replay { kind, ..subject.new_replay(&endpoint, environment) };
        subject.done(set(Change::Replay(Box::new(replay.clone()))));
        subject.done(replay::slice(&replay, &[event], true));
    }
    topics.endpoints.push(endpoint.id);
    topics.events.extend([delivered, waiting]);
    topics
}

/// What schema 14 can hold.
fn fill_sameness(subject: &Subject) -> Topics {
    let mut topics = fill_refusals(subject);
    receiving::fill_held(subject, &mut topics);
    topics
}

/// What schema 13 can hold.
fn fill_refusals(subject: &Subject) -> Topics {
    let topics = fill_minutes(subject);
    let source = subject.source(topics.environments[0], &SourceRef::Id(topics.sources[0])).unwrap().unwrap();
    let last: Vec<_> = (0..3).map(|number| refused(NOON_MS + number, Refusal::BadSignature)).collect();
    subject.done(turned(&source, &last));
    topics
}

/// What schema 12 can hold.
fn fill_minutes(subject: &Subject) -> Topics {
    let mut topics = fill_keys(subject);
    let application = subject.new_application(topics.environments[1], None);
    subject.done(set(Change::Application(application.clone())));
    let endpoint = subject.make_endpoint(&application).id;
    let [delivered, waiting] = [0; 2].map(|_| subject.accept(&application, &[endpoint]));
    subject.attempted(delivered, endpoint, 200);
    topics.applications.push(application.id);
    topics.endpoints.push(endpoint);
    topics.events.extend([delivered, waiting]);
    topics.minutes.push(minute(subject.wall_ms()));
    topics
}

/// What schema 11 can hold.
fn fill_keys(subject: &Subject) -> Topics {
    let topics = fill_ordering(subject);
    let grant = Grant { name: "Ledger".to_owned(), expires_ms: Some(NOON_MS + DAY_MS), ..Grant::of(Role::Viewer) };
    subject.done(set(Change::Key(Key { grant, ..subject.new_key(topics.environments[0], Role::Viewer) })));
    topics
}

/// What schema 10 can hold.
fn fill_ordering(subject: &Subject) -> Topics {
    let mut topics = fill_background(subject);
    let application = topics.applications[0];
    let own = subject.opening(NOON_MS).unwrap().applications.into_iter().find(|row| row.id == application).unwrap();
    let handling =
        Handling { ordering: Ordering::Key, ordering_key: Some("/amount".to_owned()), ..Handling::default() };
    let endpoint = Endpoint { handling: Box::new(handling), ..subject.new_endpoint(&own, None) };
    subject.done(set(Change::Endpoint(endpoint.clone())));
    for event in chain::line_up(subject, &own, &endpoint) {
        topics.events.push(event);
    }
    topics.endpoints.push(endpoint.id);
    topics
}

/// What schema 9 can hold.
fn fill_background(subject: &Subject) -> Topics {
    let topics = fill_brand(subject);
    let (environment, application) = (topics.environments[0], topics.applications[0]);
    for state in [ReplayState::Running, ReplayState::Finished] {
        let work = Work::Erase { below: i64::MAX };
        let task = Task::begin(subject.id(), environment, Some(application), work, NOON_MS);
        subject.done(set(Change::Task(Box::new(Task { state, ..task }))));
    }
    topics
}

/// What schema 8 can hold.
fn fill_brand(subject: &Subject) -> Topics {
    let topics = fill_people(subject);
    subject.done(user::people(PeopleChange::Brand(topics.environments[0], user::brand())));
    topics
}

/// What schema 7 can hold.
fn fill_people(subject: &Subject) -> Topics {
    let mut topics = fill_handling(subject);
    let ana = user::user(subject, "ana@example.com");
    let key = subject.keys().unwrap().remove(0).id;
    subject.done(user::people(PeopleChange::User(ana.clone())));
    for (holder, way, text) in [(Holder::User(ana.id), Way::Password, "one"), (Holder::Key(key), Way::Key, "two")] {
        let session = user::session(holder, text);
        topics.sessions.push(session.hash);
        subject.done(user::people(PeopleChange::Session(session, way)));
    }
    subject.done(user::people(PeopleChange::Test(Test {
        endpoint: topics.endpoints[0],
        event: topics.events[0],
        revision: 2,
    })));
    topics
}

/// What schema 6 can hold.
fn fill_handling(subject: &Subject) -> Topics {
    let mut topics = fill_sandbox(subject);
    let application = topics.applications[0];
    let environment = topics.environments[0];
    let own = subject.opening(NOON_MS).unwrap().applications.into_iter().find(|row| row.id == application).unwrap();
    let filter = Filter::new(serde_json::json!({ "/amount": { "gte": 1 } })).unwrap();
    let handling = Handling {
        throttle_rate: Some(10),
        retry_schedule: Some(vec![1, 60]),
        filter: Some(filter),
        ..Handling::default()
    };
    let endpoint = Endpoint { handling: Box::new(handling), ..subject.new_endpoint(&own, None) };
    subject.done(set(Change::Endpoint(endpoint.clone())));
    subject.done(set(Change::Validation(environment, Validation::Warn)));
    let typed = EventType { feature_flags: vec!["beta".to_owned()], ..subject.new_event_type(environment, "flagged") };
    subject.done(set(Change::EventType(typed)));
    for state in [ReplayState::Running, ReplayState::Canceled] {
        subject.done(set(Change::Replay(Box::new(Replay { state, ..subject.new_replay(&endpoint, environment) }))));
    }
    topics.endpoints.push(endpoint.id);
    topics.names.push("flagged".to_owned());
    topics
}

/// What schema 4 can hold.
fn fill_sandbox(subject: &Subject) -> Topics {
    let topics = fill_waiting(subject);
    let kept = ["account", "link"].map(|kind| resource("fintoc_1", kind, "one", Some("{\"n\":0,\"v\":{}}")));
    subject.done(set(Change::Resources(kept.into())));
    topics
}

/// What schema 3 can hold.
fn fill_waiting(subject: &Subject) -> Topics {
    let mut topics = fill_receiving(subject);
    receiving::fill_waiting(subject, &mut topics);
    topics
}

/// What schema 2 can hold.
fn fill_receiving(subject: &Subject) -> Topics {
    let mut topics = fill_sending(subject);
    receiving::fill(subject, &mut topics);
    topics
}

/// What schema 1 can hold.
fn fill_sending(subject: &Subject) -> Topics {
    let environments = vec![subject.make_environment("test"), subject.make_environment("live")];
    let application = subject.new_application(environments[0], Some("acme"));
    let deleted = subject.new_application(environments[1], Some("gone"));
    let answered = Answer { once: once("setting", "body"), status: 201, body: b"{}".as_slice().into() };
    subject.done(Op::Setting(Box::new(Setting {
        by: By::server(),
        change: Change::Application(application.clone()),
        answer: Some(answered),
    })));
    subject.done(set(Change::Application(deleted.clone())));
    subject.done(set(Change::Application(Application { deleted: true, ..deleted.clone() })));
    fill_settings(subject, &application);
    let endpoints = fill_endpoints(subject, &application);
    let events = fill_events(subject, &application, &endpoints);
    fill_deliveries(subject, &endpoints, &events);
    Topics {
        environments,
        applications: vec![application.id, deleted.id],
        endpoints: endpoints.iter().map(|endpoint| endpoint.id).collect(),
        events,
        uids: ["acme", "gone", "ledger", "invoice-1"].map(str::to_owned).into(),
        names: ["payment.succeeded", "payment.failed", "eu"].map(str::to_owned).into(),
        onces: vec![once("setting", "body"), once("event", "body"), brief("auto_event", "body")],
        moments: vec![NOON_MS, NOON_MS + HOUR_MS, NOON_MS + 2 * DAY_MS],
        ..Topics::default()
    }
}

fn fill_settings(subject: &Subject, application: &Application) {
    let [kept, revoked] = [Role::Admin, Role::Viewer].map(|role| subject.new_key(application.environment, role));
    for change in [
        Change::Key(kept),
        Change::Key(revoked.clone()),
        Change::Revoke { key: revoked.id, at_ms: NOON_MS },
        Change::EventType(subject.new_event_type(application.environment, "payment.succeeded")),
        Change::EventType(EventType {
            archived: true,
            ..subject.new_event_type(application.environment, "payment.failed")
        }),
    ] {
        subject.done(set(change));
    }
}

/// One in each state; the deleted one has a delivery still to be canceled.
fn fill_endpoints(subject: &Subject, application: &Application) -> Vec<Endpoint> {
    let states = [State::Enabled, State::Disabled, State::Gone, State::Failing, State::Deleted];
    let endpoints = states.map(|state| {
        let uid = (state == State::Enabled).then_some("ledger");
        let endpoint = subject.new_endpoint(application, uid);
        subject.done(set(Change::Endpoint(endpoint.clone())));
        let changed = Endpoint { state, revision: 2, ..endpoint };
        subject.done(set(Change::Endpoint(changed.clone())));
        changed
    });
    let health = Health { failing_since_ms: Some(NOON_MS), clock_runs: true };
    subject.done(Op::Health { endpoint: endpoints[3].id, health, state: None });
    endpoints.into()
}

fn fill_events(subject: &Subject, application: &Application, endpoints: &[Endpoint]) -> Vec<EventId> {
    let endpoints: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id).collect();
    let new = || subject.new_event(application, &endpoints);
    let rows = [
        new(),
        with_uid(new(), "invoice-1"),
        with_key(new(), once("event", "body")),
        with_key(new(), brief("auto_event", "body")),
        with_type(new(), "payment.failed", &["eu", "us"]),
    ];
    let accept = |row: posthaste::store::NewRow| {
        let id = row.event.id;
        subject.done(Op::Event(row));
        id
    };
    rows.map(accept).into()
}

/// Deliveries in every state, with and without attempts, due and not.
fn fill_deliveries(subject: &Subject, endpoints: &[Endpoint], events: &[EventId]) {
    let [enabled, disabled, gone, failing, deleted] = [0, 1, 2, 3, 4].map(|place| endpoints[place].id);
    for (event, endpoint, statuses) in [
        (0, enabled, &[200][..]),
        (1, enabled, &[500, 0, 404]),
        (2, enabled, &[500, 204]),
        (0, gone, &[410]),
        (0, failing, &[500; 10]),
        (1, deleted, &[500]),
    ] {
        for &status in statuses {
            subject.attempted(events[event], endpoint, status);
        }
    }
    subject.done(Op::Cancel { endpoint: deleted, count: 1 });
    subject.done(park(events[0], disabled, NOON_MS));
    subject.done(park(events[0], deleted, NOON_MS));
    subject.done(resend(events[3], enabled, NOON_MS + 1));
    subject.done(Op::Mark { mark: events[1], last_id: events[4].value() + 100 });
}
