//! Many events, written into a database directly instead of being published.

use std::path::Path;

use bytes::Bytes;
use posthaste::attempt::{Attempt, Trigger};
use posthaste::delivery::{Delivery, Due, Status};
use posthaste::digest::sha256;
use posthaste::event::Event;
use posthaste::fan_out;
use posthaste::id::{ApplicationId, AttemptId, EndpointId, EventId, Id as _, IdSource, IdText};
use posthaste::secret::Sealer;
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{Batch, NewRow, Op, Store as _, Tried};

pub mod past;

/// How many events one commit carries.
const EVENTS_PER_COMMIT: u64 = 5_000;

/// Where a backlog goes: an application and one of its endpoints, as the API names them.
pub struct Goal<'a> {
    pub app: &'a str,
    pub endpoint: &'a str,
    /// Bytes of each payload, about.
    pub size: usize,
}

/// Writes so many events of `now_ms`, each with a due delivery; gives the last one's id.
pub fn backlog(database: &Path, goal: &Goal<'_>, count: u64, now_ms: i64) -> String {
    written(database, goal, count, now_ms, |event, endpoint, _| {
        Op::Park(Due { event, endpoint, delivery: Delivery::fresh(now_ms), key: None, joins: false })
    })
}

/// Writes so many events of `now_ms`, each with a delivery that failed for good; gives the last one's id.
pub fn failed(database: &Path, goal: &Goal<'_>, count: u64, now_ms: i64) -> String {
    written(database, goal, count, now_ms, |event, endpoint, id| {
        let delivery =
            Delivery { status: Status::Failed, attempts: 1, step: 1, due_ms: None, ..Delivery::fresh(now_ms) };
        let attempt = Attempt {
            id,
            started_ms: now_ms,
            duration_ms: 5,
            url: "http://127.0.0.1/".to_owned(),
            status_code: 500,
            response: Bytes::new(),
            trigger: Trigger::Scheduled,
        };
        Op::Tried(Box::new(Tried { event, endpoint, attempt, delivery, was_due_ms: None, key: None }))
    })
}

fn written(
    database: &Path,
    goal: &Goal<'_>,
    count: u64,
    now_ms: i64,
    delivery: impl Fn(EventId, EndpointId, AttemptId) -> Op,
) -> String {
    let store = Sqlite::open(database, Sealer::plain()).expect("a database of ours");
    let opening = store.opening(now_ms).expect("it opens");
    let (ids, text) = (IdSource::new(0, opening.last_id), IdText::new(opening.id_key));
    let application = text.parse::<ApplicationId>(goal.app).expect("an application");
    let endpoint = text.parse::<EndpointId>(goal.endpoint).expect("an endpoint");
    let mut last = EventId::new(0);
    for first in (0..count).step_by(usize::try_from(EVENTS_PER_COMMIT).unwrap()) {
        let mut batch = Batch { wall_ms: now_ms, steady_ms: now_ms, ops: Vec::new() };
        for number in first..count.min(first + EVENTS_PER_COMMIT) {
            last = ids.next(now_ms);
            let body = format!(r#"{{"backlog":{number},"filler":"{}"}}"#, "x".repeat(goal.size));
            batch.ops.push(Op::Event(row(last, application, endpoint, body)));
            batch.ops.push(delivery(last, endpoint, ids.next(now_ms)));
        }
        batch.ops.push(Op::Mark { mark: EventId::new(last.value() + 1), last_id: last.value() + 1 });
        assert!(store.commit(&batch).expect("it is written").get().refused.is_empty());
    }
    text.of(last)
}

fn row(id: EventId, application: ApplicationId, endpoint: EndpointId, body: String) -> NewRow {
    let event = Event {
        id,
        application,
        event_type: "backlog.made".to_owned(),
        channels: Vec::new(),
        uid: None,
        sha256: sha256(body.as_bytes()),
        extra: None,
        body: body.into(),
        arrival: None,
    };
    NewRow { event, fan_out: fan_out::pack(&[(endpoint, None)]), once: None, dedup: None, released: None }
}
