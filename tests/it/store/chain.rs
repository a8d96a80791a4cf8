//! Chains: one delivery of a key is due, the others wait, and whoever ends lets the next one have its turn.

use posthaste::application::Application;
use posthaste::delivery::{BLOCKED_MS, Delivery, Due, Status};
use posthaste::endpoint::{Endpoint, State};
use posthaste::event::Extra;
use posthaste::fan_out;
use posthaste::id::{EndpointId, EventId};
use posthaste::ordering::OrderKey;
use posthaste::replay::Kind;
use posthaste::store::{Batch, Change, Op, Page, Refused, Replayed, Store, Tried, Turn};

use super::subject::{NOON_MS, Subject, resend, set};

ask! {
    a_canceled_head_and_a_skipped_one_give_their_turn_away,
    a_delivery_made_again_waits_behind_who_has_the_turn,
    a_delivery_of_a_later_time_takes_its_place_when_it_has_come,
    a_deleted_endpoints_chains_end,
    an_attempt_that_ends_after_its_delivery_was_skipped_changes_nothing,
    those_of_a_key_are_due_one_after_the_other,
}

const KEY: OrderKey = OrderKey::new(-5);

/// An endpoint with three events of one key, all written down while the first was on its way.
fn chained(subject: &Subject) -> (Application, Endpoint, [EventId; 3]) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let events = line_up(subject, &application, &endpoint);
    (application, endpoint, events)
}

/// Three events of one key.
pub fn line_up(subject: &Subject, application: &Application, endpoint: &Endpoint) -> [EventId; 3] {
    let events = [0; 3].map(|_| {
        let mut row = subject.new_event(application, &[]);
        row.fan_out = fan_out::pack(&[(endpoint.id, Some(KEY))]);
        let event = row.event.id;
        subject.done(Op::Event(row));
        event
    });
    assert_eq!(subject.unwritten(events[1], 1).unwrap().deliveries[0].1, [(endpoint.id, Some(KEY))]);
    for event in events {
        subject.done(place(event, endpoint.id));
    }
    events
}

fn place(event: EventId, endpoint: EndpointId) -> Op {
    Op::Park(Due { event, endpoint, delivery: Delivery::fresh(NOON_MS), key: Some(KEY), joins: false })
}

/// Commits; gives whose turn it is.
fn turns(subject: &Subject, op: Op) -> Vec<Turn> {
    let batch = Batch { wall_ms: NOON_MS, steady_ms: NOON_MS + 7, ops: vec![op] };
    let receipt = Store::commit(&**subject, &batch).unwrap();
    assert_eq!(receipt.get().refused, []);
    receipt.get().turns.clone()
}

fn tried(subject: &Subject, event: EventId, endpoint: EndpointId, status: u16) -> Op {
    Op::Tried(Box::new(Tried { key: Some(KEY), ..subject.tried(event, endpoint, status) }))
}

fn due(subject: &Subject, endpoint: EndpointId) -> Vec<EventId> {
    let slice = subject.due(endpoint, NOON_MS + 9, 10).unwrap();
    assert!(slice.due.iter().all(|due| due.key == Some(KEY) && !due.joins));
    slice.due.iter().map(|due| due.event).collect()
}

fn standing(subject: &Subject, event: EventId, endpoint: EndpointId) -> Delivery {
    subject.deliveries(event).unwrap().into_iter().find(|(at, _)| *at == endpoint).unwrap().1
}

fn those_of_a_key_are_due_one_after_the_other(subject: &Subject) {
    let (_, endpoint, events) = chained(subject);
    let at = endpoint.id;
    assert_eq!(due(subject, at), [events[0]]);
    assert_eq!(standing(subject, events[1], at).due_ms, Some(BLOCKED_MS));
    assert_eq!(standing(subject, events[1], at).next_ms(), None);
    assert_eq!(subject.opening(NOON_MS).unwrap().chains, [(at, KEY)]);
    assert_eq!(turns(subject, tried(subject, events[0], at, 500)), [], "it keeps its turn");
    assert_eq!(due(subject, at), []);
    let page = Page { after: None, descending: false, limit: 9 };
    let shown = subject.chains(at, page).unwrap().rows;
    assert_eq!((shown.len(), shown[0].head, shown[0].waiting, shown[0].key), (1, events[0], 2, KEY));
    assert_eq!(
        (shown[0].delivery.attempts, shown[0].tried_ms.is_some(), subject.chain_count(at).unwrap()),
        (1, true, 1)
    );
    subject.done(resend(events[2], at, NOON_MS));
    assert_eq!(standing(subject, events[2], at).due_ms, Some(BLOCKED_MS), "who waits waits on");

    assert_eq!(turns(subject, tried(subject, events[0], at, 200)), [(at, KEY, Some(events[1]))]);
    assert_eq!(due(subject, at), [events[1]]);
    assert_eq!(standing(subject, events[1], at).due_ms, Some(NOON_MS + 7));
    assert_eq!(turns(subject, tried(subject, events[1], at, 200)), [(at, KEY, Some(events[2]))]);
    assert_eq!(turns(subject, tried(subject, events[2], at, 200)), [(at, KEY, None)]);
    assert_eq!((subject.backlog().unwrap().waiting, subject.chain_count(at).unwrap()), (0, 0));
    assert!(subject.opening(NOON_MS).unwrap().chains.is_empty());
}

fn a_delivery_of_a_later_time_takes_its_place_when_it_has_come(subject: &Subject) {
    let (application, endpoint, events) = chained(subject);
    let mut row = subject.new_event(&application, &[]);
    row.fan_out = fan_out::pack(&[(endpoint.id, Some(KEY))]);
    row.event.extra = Some(Box::new(Extra { deliver_at_ms: Some(NOON_MS + 5), ..Extra::default() }));
    let later = row.event.id;
    subject.done(Op::Event(row));
    turns(subject, tried(subject, events[0], endpoint.id, 200));
    let slice = subject.due(endpoint.id, NOON_MS + 9, 10).unwrap();
    let line = *slice.due.iter().find(|due| due.event == later).unwrap();
    assert!(line.joins && line.key == Some(KEY));
    subject.done(Op::Park(line));
    assert_eq!(standing(subject, later, endpoint.id).due_ms, Some(BLOCKED_MS));
    assert_eq!(due(subject, endpoint.id), [events[1]]);
    for event in [events[1], events[2]] {
        turns(subject, tried(subject, event, endpoint.id, 200));
    }
    assert_eq!(due(subject, endpoint.id), [later]);
}

fn a_canceled_head_and_a_skipped_one_give_their_turn_away(subject: &Subject) {
    let (application, endpoint, events) = chained(subject);
    let skip = |event| set(Change::Skip(endpoint.id, event));
    assert_eq!(subject.refusal(skip(events[1])), Some(Refused::Stale), "it is not its turn");
    assert_eq!(turns(subject, skip(events[0])), [(endpoint.id, KEY, Some(events[1]))]);
    assert_eq!(standing(subject, events[0], endpoint.id).status, Status::Canceled);
    assert_eq!(subject.refusal(skip(events[0])), Some(Refused::Stale), "it was skipped");
    assert_eq!(due(subject, endpoint.id), [events[1]]);
    let expunge = |event| set(Change::Expunge(application.id, vec![event]));
    assert_eq!(turns(subject, expunge(events[1])), [(endpoint.id, KEY, Some(events[2]))]);
    assert_eq!(due(subject, endpoint.id), [events[2]]);
    subject.done(resend(events[0], endpoint.id, NOON_MS));
    let slice = subject.due(endpoint.id, NOON_MS + 9, 10).unwrap();
    let again = slice.due.iter().find(|due| due.event == events[0]).unwrap();
    assert_eq!((again.key, again.joins), (None, false), "what is sent again by hand waits for nobody");
}

fn an_attempt_that_ends_after_its_delivery_was_skipped_changes_nothing(subject: &Subject) {
    let (_, endpoint, events) = chained(subject);
    let failed = tried(subject, events[0], endpoint.id, 500);
    subject.done(set(Change::Skip(endpoint.id, events[0])));
    assert_eq!(turns(subject, failed), [(endpoint.id, KEY, Some(events[1]))]);
    let skipped = standing(subject, events[0], endpoint.id);
    assert_eq!((skipped.status, skipped.due_ms, skipped.attempts), (Status::Canceled, None, 1));
    assert_eq!(due(subject, endpoint.id), [events[1]]);
    assert_eq!(subject.backlog().unwrap().waiting, 2);
}

fn a_deleted_endpoints_chains_end(subject: &Subject) {
    let (_, endpoint, events) = chained(subject);
    subject.done(Op::Cancel { endpoint: endpoint.id, count: 2 });
    subject.done(set(Change::Endpoint(Endpoint { state: State::Deleted, revision: 2, ..endpoint.clone() })));
    subject.done(Op::Cancel { endpoint: endpoint.id, count: 9 });
    assert!(events.iter().all(|&event| standing(subject, event, endpoint.id).status == Status::Canceled));
    assert_eq!((subject.backlog().unwrap().waiting, subject.chain_count(endpoint.id).unwrap()), (0, 0));
}

fn a_delivery_made_again_waits_behind_who_has_the_turn(subject: &Subject) {
    let (application, endpoint, events) = chained(subject);
    let replay = subject.new_replay(&endpoint, application.environment);
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    subject.done(set(Change::Skip(endpoint.id, events[0])));
    turns(subject, tried(subject, events[1], endpoint.id, 200));
    assert_eq!(due(subject, endpoint.id), [events[2]]);
    let (replay, position) = (replay.id, replay.last);
    let again = vec![(events[0], Some(KEY)), (events[1], Some(KEY))];
    let kind = Kind::Bulk;
    let slice = Replayed {
        replay,
        endpoint: endpoint.id,
        kind,
        events: again,
        position,
        done: true,
        due_ms: NOON_MS,
        spares_delivered: false,
    };
    assert_eq!(turns(subject, Op::Replay(Box::new(slice))), []);
    assert_eq!(due(subject, endpoint.id), [events[2]], "who has the turn keeps it");
    turns(subject, tried(subject, events[2], endpoint.id, 200));
    assert_eq!(due(subject, endpoint.id), [events[0]], "then the earliest");
    turns(subject, tried(subject, events[0], endpoint.id, 200));
    assert_eq!(due(subject, endpoint.id), [events[1]]);
}
