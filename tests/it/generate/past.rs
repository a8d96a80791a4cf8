//! A long past: millions of events over a month, of many applications, and all that became of them.

use std::path::Path;

use bytes::Bytes;
use posthaste::attempt::{Attempt, Trigger};
use posthaste::delivery::{Delivery, Status};
use posthaste::digest::sha256;
use posthaste::event::{Event, Extra};
use posthaste::fan_out;
use posthaste::id::{ApplicationId, AttemptId, EndpointId, EventId, Id as _, IdText, floor_at};
use posthaste::secret::Sealer;
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{Batch, NewRow, Op, Store as _, Tried};

use super::EVENTS_PER_COMMIT;

/// Over how long the events are spread.
const SPAN_MS: i64 = 30 * 86_400_000;
/// How many events there are for one of the rare type, channel or tag.
pub const RARE: u64 = 9_973;
/// An attempt's answer when it fails.
const FAILED: &[u8] = b"{\"error\":\"upstream request timeout\"}";

/// An application and its endpoints, as the API names them.
pub struct Owner {
    pub app: String,
    pub endpoints: Vec<String>,
}

struct Place {
    application: ApplicationId,
    endpoints: Vec<EndpointId>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy)]
struct Fate {
    attempts: u32,
    status: Status,
}

/// Writes so many events of the month before `now_ms`, half of them of the first owner. Of a thousand deliveries 950 are
/// made at once, 38 at the second attempt, 8 fail for good after ten and 4 still wait.
pub fn write(database: &Path, owners: &[Owner], count: u64, now_ms: i64) {
    let store = Sqlite::open(database, Sealer::plain()).expect("a database of ours");
    let opening = store.opening(now_ms).expect("it opens");
    let text = IdText::new(opening.id_key);
    let places: Vec<_> = owners.iter().map(|owner| place(&text, owner)).collect();
    let mut mark = opening.mark;
    for first in (0..count).step_by(usize::try_from(EVENTS_PER_COMMIT).unwrap()) {
        let mut batch = Batch { wall_ms: now_ms, steady_ms: now_ms, ops: Vec::new() };
        for number in first..count.min(first + EVENTS_PER_COMMIT) {
            // nothing newer than an hour: what comes next is the story's own
            let ago_ms = SPAN_MS - SPAN_MS * i64::try_from(number).unwrap() / i64::try_from(count).unwrap();
            let row = event(&places, number, now_ms - 3_600_000 - ago_ms);
            let (id, endpoints) = (row.event.id, fan_out::unpack(&row.fan_out).expect("just packed"));
            batch.ops.push(Op::Event(row));
            for (endpoint, nth) in endpoints.into_iter().zip(0_u8..) {
                attempts(&mut batch, (id, endpoint, nth), fate(mixed(number * 8 + u64::from(nth))), now_ms);
            }
            mark = mark.max(EventId::new(id.value() + 1));
        }
        batch.ops.push(Op::Mark { mark, last_id: opening.last_id });
        assert!(store.commit(&batch).expect("it is written").get().refused.is_empty());
    }
}

fn place(text: &IdText, owner: &Owner) -> Place {
    let endpoints = owner.endpoints.iter().map(|endpoint| text.parse(endpoint).expect("an endpoint")).collect();
    Place { application: text.parse(&owner.app).expect("an application"), endpoints }
}

/// A number that looks like chance and is the same in every run (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn fate(chance: u64) -> Fate {
    match chance % 1_000 {
        0..950 => Fate { attempts: 1, status: Status::Success },
        950..988 => Fate { attempts: 2, status: Status::Success },
        988..996 => Fate { attempts: 10, status: Status::Failed },
        _ => Fate { attempts: 1, status: Status::Pending },
    }
}

fn event(places: &[Place], number: u64, at_ms: i64) -> NewRow {
    let chance = mixed(number);
    let others = u64::try_from(places.len()).unwrap();
    let owner = if chance.is_multiple_of(2) { 0 } else { usize::try_from((chance >> 8) % others).unwrap() };
    let is_rare = number % RARE == RARE / 2;
    let event_type = match (chance >> 16) % 10 {
        _ if is_rare => "dispute.lost",
        0..6 => "payment.succeeded",
        6..8 => "payment.failed",
        8 => "payout.paid",
        _ => "refund.created",
    };
    let channels = match (chance >> 24) % 10 {
        _ if is_rare => vec!["audit".to_owned()],
        0 => vec!["eu".to_owned()],
        _ => Vec::new(),
    };
    let extra = is_rare.then(|| Box::new(Extra { tags: vec!["vip".to_owned()], ..Extra::default() }));
    let note = if is_rare { "needle in the haystack" } else { "paid by transfer from a customer's current account" };
    let body = Bytes::from(format!(
        r#"{{"id":"pi_{chance:016x}","object":"payment_intent","amount":{},"currency":"CLP","status":"succeeded","number":{number},"description":"{note}","sender_account":{{"holder_id":"111111111","number":"{:012}","type":"checking_account","institution_id":"cl_banco_de_chile"}},"metadata":{{"order":"order_{number}","basket":"{:016x}"}},"created_at":{at_ms}}}"#,
        chance % 1_000_000,
        chance % 1_000_000_000_000,
        mixed(chance),
    ));
    let event = Event {
        id: EventId::new(floor_at(at_ms) | i64::try_from(number % 4_096).unwrap()),
        application: places[owner].application,
        event_type: event_type.to_owned(),
        channels,
        uid: None,
        extra,
        sha256: sha256(&body),
        body,
        arrival: None,
    };
    let endpoints: Vec<_> = places[owner].endpoints.iter().map(|endpoint| (*endpoint, None)).collect();
    NewRow { event, fan_out: fan_out::pack(&endpoints), once: None, dedup: None, released: None }
}

/// The attempts of a delivery, a minute apart and more; what still waits is due in six hours.
fn attempts(batch: &mut Batch, (event, endpoint, place): (EventId, EndpointId, u8), fate: Fate, now_ms: i64) {
    let mut was_due_ms = None;
    for nth in 1..=fate.attempts {
        let ended = nth == fate.attempts;
        let started_ms = event.time_ms() + 20 + i64::from(nth - 1) * 60_000;
        let succeeded = ended && fate.status == Status::Success;
        let due_ms = match (ended, fate.status) {
            (false, _) => Some(started_ms + 60_000),
            (true, Status::Pending) => Some(now_ms + 6 * 3_600_000),
            (true, _) => None,
        };
        let attempt = Attempt {
            // as of a node of its own, so that it is nobody else's
            id: AttemptId::new(
                floor_at(started_ms + 12) | i64::from(u32::from(place) * 16 + nth) << 12 | (event.value() & 4_095),
            ),
            started_ms,
            duration_ms: 12,
            url: "http://127.0.0.1:9/hook".to_owned(),
            status_code: if succeeded { 200 } else { 504 },
            response: Bytes::from_static(if succeeded { b"ok" } else { FAILED }),
            trigger: Trigger::Scheduled,
        };
        let status = if ended { fate.status } else { Status::Pending };
        let delivery = Delivery { status, attempts: nth, step: nth, due_ms, trigger: Trigger::Scheduled };
        batch.ops.push(Op::Tried(Box::new(Tried { event, endpoint, attempt, delivery, was_due_ms, key: None })));
        was_due_ms = due_ms;
    }
}
