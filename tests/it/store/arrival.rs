//! Inbound events: what reads back, which one is a repetition, and for how long.

use std::sync::Arc;

use posthaste::attempt::Payload;
use posthaste::id::{EventId, Id};
use posthaste::inbound::Flags;
use posthaste::source::{Arrival, Source};
use posthaste::store::{Filter, NewRow, Op, Page, Refused};

use super::receiving::made;
use super::subject::{DAY_MS, HOUR_MS, NOON_MS, Subject};

ask! {
    a_published_event_has_no_arrival,
    a_repetition_in_the_same_batch_is_one_too,
    a_repetition_is_counted_on_its_event_and_changes_nothing_else,
    an_inbound_event_reads_back_whole,
    another_body_under_the_same_key_is_another_event,
    each_source_remembers_its_own,
    events_are_remembered_as_long_as_their_source_says,
    forgetting_amid_a_batch_forgets_nothing_of_it,
    twenty_thousand_events_are_remembered_one_by_one,
    a_clock_set_back_makes_no_event_twice,
    without_a_key_nothing_is_a_repetition,
}

fn with_flags(mut row: NewRow, flags: Flags) -> NewRow {
    Arc::make_mut(row.event.arrival.as_mut().unwrap()).flags = flags;
    row
}

fn a_source(subject: &Subject) -> Source {
    subject.make_source(subject.make_environment("test")).0
}

fn an_inbound_event_reads_back_whole(subject: &Subject) {
    let source = a_source(subject);
    let check = |key: &str, body: &str, headers: &[(&str, &str)], flags: Flags| {
        let mut row = with_flags(subject.arriving(&source, key, body, &[]), flags);
        let headers: Vec<_> = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Arc::make_mut(row.event.arrival.as_mut().unwrap()).headers.clone_from(&headers);
        let event = row.event.clone();
        subject.done(Op::Event(row));
        assert_eq!(subject.event(source.application, event.id).unwrap().as_ref(), Some(&event));
        assert_eq!(
            subject.payloads(&[event.id]).unwrap(),
            [Some(Payload { body: event.body.clone(), arrival: event.arrival.clone() })]
        );
        let page = Page { after: None, descending: true, limit: 1 };
        assert_eq!(subject.events(source.application, page, &Filter::default(), true).unwrap().rows, [event]);
    };
    check("evt_1", "{\"type\":1}", &[("Fintoc-Signature", "t=1,v1=00"), ("content-type", "a \"b\"")], Flags::default());
    check("", "", &[], Flags::UNKNOWN_TYPE);
    check("größe\0", "x", &[("a", "")], Flags::UNKNOWN_TYPE.with(Flags::MODE_MISMATCH));
}

fn a_published_event_has_no_arrival(subject: &Subject) {
    let application = subject.make_application();
    let event = subject.accept(&application, &[]);
    assert_eq!(subject.event(application.id, event).unwrap().unwrap().arrival, None);
    let payload = subject.payloads(&[event]).unwrap().remove(0).unwrap();
    assert_eq!(payload.arrival, None);
}

fn a_repetition_is_counted_on_its_event_and_changes_nothing_else(subject: &Subject) {
    let source = a_source(subject);
    let first = subject.arrive(&source, "evt_1", "{}").unwrap();
    let arrival = subject.arrival(&source, first);
    for times in 1..4 {
        let row = with_flags(subject.arriving(&source, "evt_1", "{}", &[]), Flags::UNKNOWN_TYPE);
        let second = row.event.id;
        assert_eq!(subject.refusal(Op::Event(row)), Some(Refused::Duplicate(first)));
        assert_eq!(subject.event(source.application, second).unwrap(), None);
        assert_eq!(subject.payloads(&[second]).unwrap(), [None]);
        assert_eq!(subject.arrival(&source, first), Arrival { duplicates: times, ..arrival.clone() });
    }
    assert_eq!(subject.unwritten(EventId::new(0), 10).unwrap().deliveries, []);
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.duplicates, stats.conflicts, stats.unknown_types), (1, 3, 0, 0));
}

fn a_repetition_in_the_same_batch_is_one_too(subject: &Subject) {
    let source = a_source(subject);
    let rows = [("a", "1"), ("a", "1"), ("b", "1"), ("a", "2"), ("a", "1"), ("a", "2")]
        .map(|(key, body)| subject.arriving(&source, key, body, &[]));
    let ids: Vec<EventId> = rows.iter().map(|row| row.event.id).collect();
    let refused = subject.commit(rows.map(Op::Event).into());
    let duplicates = [(1, ids[0]), (4, ids[0]), (5, ids[3])].map(|(place, of)| (place, Refused::Duplicate(of)));
    assert_eq!(refused, duplicates);
    let told = |place: usize| {
        let arrival = subject.arrival(&source, ids[place]);
        (arrival.duplicates, arrival.flags)
    };
    assert_eq!(told(0), (2, Flags::default()));
    assert_eq!(told(2), (0, Flags::default()));
    assert_eq!(told(3), (1, Flags::ID_CONFLICT));
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.duplicates, stats.conflicts), (3, 3, 1));
}

fn another_body_under_the_same_key_is_another_event(subject: &Subject) {
    let source = a_source(subject);
    let first = subject.arrive(&source, "evt_1", "one").unwrap();
    subject.set_clock(NOON_MS + 8 * DAY_MS);
    let row = with_flags(subject.arriving(&source, "evt_1", "two", &[]), Flags::UNKNOWN_TYPE);
    let second = row.event.id;
    subject.done(Op::Event(row));
    subject.set_clock(NOON_MS + 16 * DAY_MS);
    let third = subject.arrive(&source, "evt_1", "three").unwrap();
    for (body, event) in [("one", first), ("two", second), ("three", third)] {
        assert_eq!(subject.arrive(&source, "evt_1", body), Err(Refused::Duplicate(event)));
        assert_eq!(subject.arrival(&source, event).duplicates, 1);
    }
    let flags = [first, second, third].map(|event| subject.arrival(&source, event).flags);
    assert_eq!(flags, [Flags::default(), Flags::UNKNOWN_TYPE.with(Flags::ID_CONFLICT), Flags::ID_CONFLICT]);
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.duplicates, stats.conflicts, stats.unknown_types), (3, 3, 2, 1));
}

fn each_source_remembers_its_own(subject: &Subject) {
    let environment = subject.make_environment("test");
    let [one, other] = [(), ()].map(|()| subject.make_source(environment).0);
    assert!(subject.arrive(&one, "evt_1", "{}").is_ok());
    assert!(subject.arrive(&other, "evt_1", "{}").is_ok());
    assert!(subject.arrive(&one, "evt_1", "{}").is_err());
    let counts = [&one, &other].map(|source| subject.stats(source)).map(|stats| (stats.accepted, stats.duplicates));
    assert_eq!(counts, [(1, 1), (1, 0)]);
}

fn without_a_key_nothing_is_a_repetition(subject: &Subject) {
    let source = a_source(subject);
    for _ in 0..3 {
        subject.done(Op::Event(NewRow { dedup: None, ..subject.arriving(&source, "", "{}", &[]) }));
    }
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.duplicates, stats.conflicts), (3, 0, 0));
}

fn events_are_remembered_as_long_as_their_source_says(subject: &Subject) {
    let environment = subject.make_environment("test");
    for days in [1, 6, 7, 8, 35, 400] {
        for rest_days in [1, 9, 18, 27] {
            let start_ms = subject.wall_ms() + rest_days * DAY_MS;
            let (mut source, own) = subject.new_source(environment, None);
            source.config.dedup_days = days;
            subject.done(made(&source, &own));
            let lives_ms = i64::from(days) * DAY_MS;
            subject.set_clock(start_ms);
            let first = subject.arrive(&source, "evt_1", "{}").unwrap();
            for after_ms in [0, 1, lives_ms / 2, lives_ms - 1] {
                subject.set_clock(start_ms + after_ms);
                assert_eq!(subject.arrive(&source, "evt_1", "{}"), Err(Refused::Duplicate(first)), "{days} days");
            }
            subject.set_clock(start_ms + lives_ms);
            let second = subject.arrive(&source, "evt_1", "{}").expect("its time is over");
            assert_eq!(subject.arrive(&source, "evt_1", "{}"), Err(Refused::Duplicate(second)));
            assert_eq!(subject.arrival(&source, second).flags, Flags::default());
            assert_eq!(subject.arrival(&source, first).duplicates, 4);
        }
    }
}

fn a_clock_set_back_makes_no_event_twice(subject: &Subject) {
    let source = a_source(subject);
    for (round, back_ms) in [HOUR_MS, DAY_MS, 27 * DAY_MS].into_iter().enumerate() {
        let key = format!("evt_{round}");
        for day in (0..28).step_by(3) {
            let key = format!("{key}_{day}");
            subject.set_clock(NOON_MS + day * DAY_MS);
            let first = subject.arrive(&source, &key, "{}").unwrap();
            subject.set_clock(subject.wall_ms() - back_ms);
            assert_eq!(subject.arrive(&source, &key, "{}"), Err(Refused::Duplicate(first)), "{back_ms} ms back");
        }
    }
}

/// It writes what waits for the index, of earlier batches and of this one.
fn forgetting_amid_a_batch_forgets_nothing_of_it(subject: &Subject) {
    let source = a_source(subject);
    let before = subject.arrive(&source, "before", "{}").unwrap();
    let rows = ["a", "a", "before", "b", "b", "a", "before"].map(|key| subject.arriving(&source, key, "{}", &[]));
    let ids = rows.each_ref().map(|row| row.event.id);
    let [a, again, early, b, more, last, late] = rows.map(Op::Event);
    let refused = subject.commit(vec![a, Op::Forget, again, early, b, Op::Forget, more, last, late]);
    let duplicates = [(2, ids[0]), (3, before), (6, ids[3]), (7, ids[0]), (8, before)];
    assert_eq!(refused, duplicates.map(|(place, of)| (place, Refused::Duplicate(of))));
    for (key, event) in [("a", ids[0]), ("b", ids[3]), ("before", before)] {
        assert_eq!(subject.arrive(&source, key, "{}"), Err(Refused::Duplicate(event)));
    }
}

/// More than a store keeps in memory before it writes them down in another order, and what is left of that.
fn twenty_thousand_events_are_remembered_one_by_one(subject: &Subject) {
    let source = a_source(subject);
    let count = 20_000;
    let batch = |numbers: std::ops::Range<usize>| -> Vec<Op> {
        numbers.map(|number| Op::Event(subject.arriving(&source, &format!("evt_{number}"), "{}", &[]))).collect()
    };
    for first in (0..count).step_by(1_000) {
        assert_eq!(subject.commit(batch(first..first + 1_000)), []);
        // the batch before, across whatever happened between
        let again = first.saturating_sub(1_000)..first;
        assert_eq!(subject.commit(batch(again.clone())).len(), again.len());
    }
    assert_eq!(subject.commit(batch(0..count)).len(), count);
    assert_eq!(subject.commit(vec![Op::Forget]), []);
    assert_eq!(subject.commit(batch(count - 1..count + 1)).len(), 1);
    let stats = subject.stats(&source);
    assert_eq!((stats.accepted, stats.conflicts), (20_001, 0));
}
