//! The same event: which spellings are one, what contradicts another, and what becomes of that.

use std::sync::Arc;

use posthaste::audit::By;
use posthaste::conflict::{Conflict, First, Held, OnConflict, State};
use posthaste::event::{Event, NewEvent};
use posthaste::id::{ConflictId, EventId, Id};
use posthaste::inbound::Flags;
use posthaste::source::Source;
use posthaste::store::{Change, NewRow, Op, Page, Refused, Setting};

use super::subject::{DAY_MS, NOON_MS, Subject};

ask! {
    a_conflict_is_told_once,
    a_released_conflict_is_an_event_that_is_known_again,
    all_that_nobody_was_told_of_is_found_at_a_start_and_no_body_of_it,
    an_erased_first_is_known_by_its_fingerprint_alone,
    an_event_is_held_against_some_of_those_that_share_its_id,
    an_event_is_found_by_what_it_is_called_for_ever,
    another_spelling_is_a_repetition_and_another_value_is_not,
    another_type_under_the_same_id_is_another_event,
    what_contradicts_another_is_held_once_and_known_again_when_it_was_discarded,
    what_is_delivered_all_the_same_is_called_by_its_own_id,
    what_waits_is_found_by_its_age,
    what_was_decided_in_quarantine_is_refused_when_it_comes_again,
}

const FIRST: &str = r#"{"id":"evt_1","data":{"amount":4990}}"#;
const OTHER: &str = r#"{"id":"evt_1","data":{"amount":4991}}"#;
const OTHER_RESPELLED: &str = "{ \"data\": { \"amount\": 4991.0 }, \"id\": \"evt_1\", \"more\": [] }";

fn a_source(subject: &Subject) -> Source {
    subject.make_source(subject.make_environment("test")).0
}

/// An event as a source that holds conflicts takes it.
fn holding(subject: &Subject, source: &Source, key: &str, body: &str) -> NewRow {
    let mut row = subject.arriving(source, key, body, &[]);
    row.dedup.as_mut().unwrap().on_conflict = OnConflict::Hold;
    row
}

/// Takes the first event in and lets another contradict it; gives both.
fn contradicted(subject: &Subject, source: &Source) -> (EventId, ConflictId) {
    let first = subject.arrive(source, "evt_1", FIRST).unwrap();
    let row = holding(subject, source, "evt_1", OTHER);
    let conflict = ConflictId::new(row.event.id.value());
    let webhook_id = subject.arrival(source, first).webhook_id;
    let held = Refused::Held { conflict, first: First { event: first, webhook_id }, is_new: true };
    assert_eq!(subject.refusal(Op::Event(row)), Some(held));
    (first, conflict)
}

fn waiting(subject: &Subject, source: &Source) -> Vec<Conflict> {
    subject.conflicts(source.id, Page { after: None, descending: false, limit: 100 }).unwrap().rows
}

/// The row of an event that an Admin releases.
pub fn row_of(subject: &Subject, source: &Source, new: NewEvent) -> NewRow {
    let row = subject.arriving(source, "", "", &[]);
    let NewEvent { event_type, body, sha256, arrival, dedup, released, .. } = new;
    NewRow { event: Event { event_type, body, sha256, arrival, ..row.event }, dedup, released, ..row }
}

fn discard(source: &Source, held: Vec<Held>) -> Op {
    let change = Change::Discard(source.application, held);
    Op::Setting(Box::new(Setting { by: By::command(), change, answer: None }))
}

fn another_spelling_is_a_repetition_and_another_value_is_not(subject: &Subject) {
    let source = a_source(subject);
    let first = subject.arrive(&source, "evt_1", FIRST).unwrap();
    for spelling in [
        FIRST,
        r#"{"data":{"amount":4990},"id":"evt_1"}"#,
        "{\n  \"id\" : \"evt_1\",\n  \"data\" : { \"amount\" : 4990 }\n}",
        r#"{"id":"\u0065vt_1","data":{"amount":499e1}}"#,
        r#"{"id":"evt_1","data":{"amount":4990.00,"new":{"x":[1]}},"new":null}"#,
        r#"{"data":{"amount":4990}}"#,
    ] {
        assert_eq!(subject.arrive(&source, "evt_1", spelling), Err(Refused::Duplicate(first)), "{spelling}");
    }
    assert_eq!(subject.arrival(&source, first).duplicates, 6);
    for other in [OTHER, r#"{"id":"evt_1","data":[4990]}"#, "not JSON"] {
        let second = subject.arrive(&source, "evt_1", other).unwrap();
        let arrival = subject.arrival(&source, second);
        assert_eq!((arrival.flags, arrival.first.map(|first| first.event)), (Flags::ID_CONFLICT, Some(first)));
    }
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.duplicates, stats.conflicts, stats.held), (4, 6, 3, 0));
}

fn an_event_is_held_against_some_of_those_that_share_its_id(subject: &Subject) {
    let source = a_source(subject);
    let spelled = |amount: usize, blank: &str| format!("{{\"id\":\"evt_1\",\"amount\":{blank}{amount}}}");
    let ids: Vec<_> = (0..40).map(|amount| subject.arrive(&source, "evt_1", &spelled(amount, "")).unwrap()).collect();
    for (amount, blank, is_known) in
        [(39, " ", true), (25, " ", true), (0, " ", true), (20, "", true), (20, " ", false)]
    {
        let answer = subject.arrive(&source, "evt_1", &spelled(amount, blank));
        assert_eq!(answer == Err(Refused::Duplicate(ids[amount])), is_known, "{amount}{blank}");
        assert_eq!(answer.is_err(), is_known);
    }
    let arrival = subject.arrival(&source, ids[39]);
    assert_eq!(arrival.first.map(|first| first.event), Some(ids[0]));
}

fn another_type_under_the_same_id_is_another_event(subject: &Subject) {
    let source = a_source(subject);
    let first = subject.arrive(&source, "evt_1", FIRST).unwrap();
    let mut row = holding(subject, &source, "evt_1", OTHER);
    "payment.failed".clone_into(&mut row.event.event_type);
    let second = row.event.id;
    subject.done(Op::Event(row.clone()));
    assert_eq!(subject.arrival(&source, second).flags, Flags::default());
    row.event.id = subject.id();
    assert_eq!(subject.refusal(Op::Event(row)), Some(Refused::Duplicate(second)));
    assert_eq!(subject.arrive(&source, "evt_1", FIRST), Err(Refused::Duplicate(first)));
}

fn what_contradicts_another_is_held_once_and_known_again_when_it_was_discarded(subject: &Subject) {
    let source = a_source(subject);
    let (first, conflict) = contradicted(subject, &source);
    let again = |body: &str| subject.refusal(Op::Event(holding(subject, &source, "evt_1", body)));
    let known = |refused: Option<Refused>| match refused {
        Some(Refused::Held { conflict: known, is_new: false, .. }) => assert_eq!(known, conflict),
        refused => panic!("{refused:?}"),
    };
    known(again(OTHER));
    known(again(OTHER_RESPELLED));
    let delivering = subject.arriving(&source, "evt_1", OTHER, &[]);
    known(subject.refusal(Op::Event(delivering)));
    let held = waiting(subject, &source);
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].count, held[0].first.event, &held[0].body[..]), (4, first, OTHER.as_bytes()));
    assert_eq!((held[0].state, held[0].flags), (State::Waiting, Flags::ID_CONFLICT));
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.conflicts, stats.held, stats.duplicates), (1, 1, 1, 3));

    subject.done(discard(&source, vec![Held::Conflict(conflict)]));
    assert_eq!(waiting(subject, &source), []);
    let gone = subject.conflict(source.id, conflict).unwrap().unwrap();
    assert_eq!((gone.state, gone.body.len(), gone.headers.len()), (State::Discarded, 0, 0));
    known(again(OTHER));
    assert_eq!(subject.refusal(discard(&source, vec![Held::Conflict(conflict)])), Some(Refused::Stale));
    let third = again(r#"{"id":"evt_1","data":{"amount":7}}"#);
    assert!(matches!(third, Some(Refused::Held { is_new: true, .. })), "{third:?}");
    assert_eq!(subject.stats(&source).held, 1);
}

fn a_released_conflict_is_an_event_that_is_known_again(subject: &Subject) {
    let source = a_source(subject);
    let (first, conflict) = contradicted(subject, &source);
    let held = subject.conflict(source.id, conflict).unwrap().unwrap();
    let row = row_of(subject, &source, NewEvent::released(&source, held.clone(), By::command()));
    let event = row.event.id;
    subject.done(Op::Event(row));
    let arrival = subject.arrival(&source, event);
    assert_eq!((arrival.flags, arrival.first.map(|first| first.event)), (Flags::ID_CONFLICT, Some(first)));
    assert_eq!((arrival.webhook_id, arrival.headers), (None, held.headers.clone()));
    assert_eq!(subject.conflict(source.id, conflict).unwrap().unwrap().state, State::Released(event));
    let again = row_of(subject, &source, NewEvent::released(&source, held, By::command()));
    assert_eq!(subject.refusal(Op::Event(again)), Some(Refused::Stale));
    for body in [OTHER, OTHER_RESPELLED] {
        let row = holding(subject, &source, "evt_1", body);
        assert_eq!(subject.refusal(Op::Event(row)), Some(Refused::Duplicate(event)), "{body}");
    }
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.conflicts, stats.held, stats.duplicates), (2, 1, 0, 2));
}

fn an_erased_first_is_known_by_its_fingerprint_alone(subject: &Subject) {
    let source = a_source(subject);
    let first = subject.arrive(&source, "evt_1", FIRST).unwrap();
    let change = Change::Expunge(source.application, vec![first]);
    subject.done(Op::Setting(Box::new(Setting { by: By::command(), change, answer: None })));
    for spelling in [FIRST, r#"{ "data": { "amount": 4990.0 }, "id": "\u0065vt_1" }"#] {
        assert_eq!(subject.arrive(&source, "evt_1", spelling), Err(Refused::Duplicate(first)), "{spelling}");
    }
    let more = subject.arrive(&source, "evt_1", r#"{"id":"evt_1","data":{"amount":4990},"new":1}"#).unwrap();
    let flags = Flags::ID_CONFLICT.with(Flags::FIRST_ERASED);
    assert_eq!(subject.arrival(&source, more).flags, flags, "what it lacks nobody can know");
    let row = holding(subject, &source, "evt_1", OTHER);
    let refused = subject.refusal(Op::Event(row));
    let Some(Refused::Held { conflict, is_new: true, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(subject.conflict(source.id, conflict).unwrap().unwrap().flags, flags);
}

fn what_is_delivered_all_the_same_is_called_by_its_own_id(subject: &Subject) {
    let source = a_source(subject);
    let first = subject.arrive(&source, "evt_1", FIRST).unwrap();
    let named = subject.arrival(&source, first).webhook_id;
    assert!(named.is_some());
    let second = subject.arrive(&source, "evt_1", OTHER).unwrap();
    assert_eq!(subject.webhook_ids(&[second, first]).unwrap(), [None, named]);
    let payload = subject.payloads(&[second]).unwrap().remove(0).unwrap();
    let arrival = payload.arrival.unwrap();
    assert_eq!((arrival.webhook_id, arrival.first), (None, Some(First { event: first, webhook_id: named })));
}

fn an_event_is_found_by_what_it_is_called_for_ever(subject: &Subject) {
    let environment = subject.make_environment("test");
    let (by_uid, own) = subject.new_source(environment, Some("fintoc"));
    subject.done(super::receiving::made(&by_uid, &own));
    for source in [by_uid, subject.make_source(environment).0] {
        let first = subject.arrive(&source, "evt_1", FIRST).unwrap();
        let named = subject.arrival(&source, first).webhook_id.unwrap();
        assert_eq!(subject.called(named).unwrap(), [(source.application, first)]);
        subject.set_clock(subject.wall_ms() + 500 * DAY_MS);
        subject.done(Op::Forget);
        assert_eq!(subject.called(named).unwrap(), [(source.application, first)]);
        // it is forgotten as what it is, and a new event under the same name
        let second = subject.arrive(&source, "evt_1", FIRST).unwrap();
        assert_eq!(subject.arrival(&source, second).webhook_id, Some(named));
        assert_eq!(subject.called(named).unwrap(), [second, first].map(|event| (source.application, event)));
    }
}

fn a_conflict_is_told_once(subject: &Subject) {
    let source = a_source(subject);
    let (_, conflict) = contradicted(subject, &source);
    let untold = || -> Vec<ConflictId> {
        subject.opening(subject.wall_ms()).unwrap().untold.iter().map(|conflict| conflict.id).collect()
    };
    assert_eq!(untold(), [conflict]);
    subject.done(Op::ConflictTold(conflict));
    assert_eq!((untold(), subject.refusal(Op::ConflictTold(conflict))), (vec![], Some(Refused::Stale)));
    assert_eq!(subject.refusal(Op::ConflictTold(subject.id())), Some(Refused::Stale));
    assert!(subject.opening(subject.wall_ms()).unwrap().last_id >= conflict.value());
}

fn all_that_nobody_was_told_of_is_found_at_a_start_and_no_body_of_it(subject: &Subject) {
    let source = a_source(subject);
    subject.arrive(&source, "evt_1", FIRST).unwrap();
    let count = 1_100;
    let ops = (1..=count).map(|amount| Op::Event(holding(subject, &source, "evt_1", &format!("{{\"id\":{amount}}}"))));
    let refused = subject.commit(ops.collect());
    assert!(refused.iter().all(|(_, refused)| matches!(refused, Refused::Held { is_new: true, .. })));
    let untold = subject.opening(subject.wall_ms()).unwrap().untold;
    assert_eq!(untold.len(), count);
    assert!(untold.iter().all(|conflict| conflict.body.is_empty() && conflict.dedup_key == "evt_1"));
}

fn what_was_decided_in_quarantine_is_refused_when_it_comes_again(subject: &Subject) {
    let source = a_source(subject);
    for (body, released) in [("released", true), ("discarded", false)] {
        let quarantined = subject.not_understood(&source, body);
        let keep = || subject.refusal(Op::Quarantine(Box::new(quarantined.clone())));
        assert_eq!((keep(), keep()), (None, None));
        let (number, row) = subject.quarantined_body(source.id, quarantined.sha256).unwrap().unwrap();
        assert_eq!((row.count, &row.body, &row.headers), (2, &quarantined.body, &quarantined.headers));
        if released {
            let new = NewEvent::unread(&source, (number, row), ("webhook".to_owned(), None), By::command());
            let row = row_of(subject, &source, new);
            let event = row.event.id;
            subject.done(Op::Event(row));
            let kept = subject.event(source.application, event).unwrap().unwrap();
            let arrival = Arc::unwrap_or_clone(kept.arrival.unwrap());
            assert_eq!((&kept.body[..], arrival.flags), (body.as_bytes(), Flags::UNREAD));
        } else {
            subject.done(discard(&source, vec![Held::Quarantined(number)]));
        }
        assert_eq!(subject.quarantined_body(source.id, quarantined.sha256).unwrap(), None);
        assert_eq!(keep(), Some(Refused::Stale));
    }
    assert_eq!(subject.stats(&source).quarantined, 2);
}

fn what_waits_is_found_by_its_age(subject: &Subject) {
    let source = a_source(subject);
    let (_, conflict) = contradicted(subject, &source);
    subject.set_clock(NOON_MS + DAY_MS);
    subject.done(Op::Quarantine(Box::new(subject.not_understood(&source, "x"))));
    let held = |of, before_ms: i64| subject.held_since(of, before_ms, 10).unwrap();
    assert_eq!(held(None, NOON_MS), []);
    let own = (source.application, Held::Conflict(conflict));
    assert_eq!(held(None, NOON_MS + DAY_MS), [own]);
    let both = held(Some(source.application), NOON_MS + 2 * DAY_MS);
    assert!(matches!(both[..], [one, (_, Held::Quarantined(_))] if one == own), "{both:?}");
    assert_eq!(held(Some(subject.id()), NOON_MS + 2 * DAY_MS), []);
    subject.done(discard(&source, both.iter().map(|(_, held)| *held).collect()));
    assert_eq!(held(None, NOON_MS + 2 * DAY_MS), []);
}
