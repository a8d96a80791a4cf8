//! A large backlog, written into a database directly instead of being published.

use std::path::Path;

use posthaste::delivery::{Delivery, Due};
use posthaste::digest::sha256;
use posthaste::event::Event;
use posthaste::fan_out;
use posthaste::id::{ApplicationId, EndpointId, EventId, Id as _, IdSource, IdText};
use posthaste::secret::Sealer;
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{Batch, NewRow, Op, Store as _};

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
    let store = Sqlite::open(database, Sealer::plain()).expect("a database of ours");
    let opening = store.opening(now_ms).expect("it opens");
    let (ids, text) = (IdSource::new(0, opening.last_id), IdText::new(opening.id_key));
    let application = text.parse::<ApplicationId>(goal.app).expect("an application");
    let endpoint = text.parse::<EndpointId>(goal.endpoint).expect("an endpoint");
    let mut last = EventId::new(0);
    for first in (0..count).step_by(usize::try_from(EVENTS_PER_COMMIT).unwrap()) {
        let mut batch = Batch { wall_ms: now_ms, ops: Vec::new() };
        for number in first..count.min(first + EVENTS_PER_COMMIT) {
            last = ids.next(now_ms);
            let body = format!(r#"{{"backlog":{number},"filler":"{}"}}"#, "x".repeat(goal.size));
            batch.ops.push(Op::Event(row(last, application, endpoint, body)));
            batch.ops.push(Op::Park(Due { event: last, endpoint, delivery: Delivery::fresh(now_ms) }));
        }
        batch.ops.push(Op::Mark { mark: EventId::new(last.value() + 1), last_id: last.value() });
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
    NewRow { event, fan_out: fan_out::pack(&[endpoint]), once: None, dedup: None }
}
