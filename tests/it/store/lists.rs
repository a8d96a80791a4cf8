//! Lists: page by page in both directions, narrowed, and never across a boundary.

use std::fmt::Debug;
use std::slice;

use posthaste::application::Application;
use posthaste::endpoint::{Endpoint, State};
use posthaste::event::Event;
use posthaste::event_type::EventType;
use posthaste::id::{EventId, Id};
use posthaste::store::{Change, Filter, Listed, Op, Page};

use super::subject::{Subject, set, with_type, with_uid};

ask! {
    applications_are_listed_by_environment,
    endpoints_are_listed_by_application,
    event_types_are_listed_by_name,
    events_are_listed_by_application,
    events_are_narrowed_by_type_channel_and_id,
    events_come_with_their_bodies_when_asked_for,
}

/// Pages of every size, both ways, from the beginning and from behind each row, must show what is `expected`.
pub fn check<K: Clone, T: Clone + PartialEq + Debug>(
    expected: &[T],
    key: impl Fn(&T) -> K,
    list: impl Fn(Page<K>) -> Listed<T>,
) {
    let mut expected = expected.to_vec();
    for descending in [false, true] {
        for limit in 1..=expected.len() + 2 {
            for first in 0..=expected.len() {
                let mut after = first.checked_sub(1).map(|before| key(&expected[before]));
                let mut shown = first;
                loop {
                    let page = list(Page { after, descending, limit });
                    let end = (shown + limit).min(expected.len());
                    assert_eq!(page.rows, expected[shown..end], "{limit} rows from {shown}, descending: {descending}");
                    assert_eq!(
                        (page.done, page.stopped_at),
                        (end == expected.len(), None),
                        "{limit} rows from {shown}"
                    );
                    if page.done {
                        break;
                    }
                    after = page.rows.last().map(&key);
                    shown = end;
                }
            }
        }
        expected.reverse();
    }
}

fn applications_are_listed_by_environment(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let mut expected = Vec::new();
    for number in 0..5 {
        let application = subject.new_application(environment, Some(&format!("{}", 9 - number)));
        subject.done(set(Change::Application(application.clone())));
        subject.done(set(Change::Application(subject.new_application(other, None))));
        let deleted = Application { deleted: number == 2, ..application };
        subject.done(set(Change::Application(deleted.clone())));
        expected.extend((!deleted.deleted).then_some(deleted));
    }
    check(&expected, |application| application.id, |page| subject.applications(environment, page).unwrap());
    check(&[], |application: &Application| application.id, |page| subject.applications(subject.id(), page).unwrap());
}

fn endpoints_are_listed_by_application(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    subject.done(set(Change::Application(other.clone())));
    let mut expected = Vec::new();
    for state in [State::Enabled, State::Disabled, State::Deleted, State::Gone, State::Failing] {
        let endpoint = subject.make_endpoint(&application);
        subject.make_endpoint(&other);
        let changed = Endpoint { state, revision: 2, ..endpoint };
        subject.done(set(Change::Endpoint(changed.clone())));
        expected.extend((state != State::Deleted).then_some(changed));
    }
    check(&expected, |endpoint| endpoint.id, |page| subject.endpoints(application.id, page).unwrap());
    check(&[], |endpoint: &Endpoint| endpoint.id, |page| subject.endpoints(subject.id(), page).unwrap());
}

fn event_types_are_listed_by_name(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let names = ["a.10", "a.2", "a.b", "A", "payment.failed", "payment_failed", "z"];
    let mut all = Vec::new();
    for name in names {
        let archived = name.starts_with("payment");
        let event_type = EventType { archived, ..subject.new_event_type(environment, name) };
        subject.done(set(Change::EventType(event_type.clone())));
        subject.done(set(Change::EventType(subject.new_event_type(other, name))));
        all.push(event_type);
    }
    all.sort_by(|one, two| one.name.as_bytes().cmp(two.name.as_bytes()));
    let living: Vec<_> = all.iter().filter(|event_type| !event_type.archived).cloned().collect();
    let name = |event_type: &EventType| event_type.name.clone();
    check(&all, name, |page| subject.event_types(environment, page, true).unwrap());
    check(&living, name, |page| subject.event_types(environment, page, false).unwrap());
    check(&[], name, |page| subject.event_types(subject.id(), page, true).unwrap());
}

/// Accepts an event of a type and on channels; gives it as a list without bodies shows it.
fn published(subject: &Subject, application: &Application, event_type: &str, channels: &[&str]) -> Event {
    let row = with_type(subject.new_event(application, &[]), event_type, channels);
    let event = Event { body: bytes::Bytes::new(), ..row.event.clone() };
    subject.done(Op::Event(row));
    event
}

fn events_are_listed_by_application(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    let expected: Vec<Event> = (0..6)
        .map(|_| {
            published(subject, &other, "payment.failed", &[]);
            published(subject, &application, "payment.failed", &["eu"])
        })
        .collect();
    let list = |application, page| subject.events(application, page, &Filter::default(), false).unwrap();
    check(&expected, |event| event.id, |page| list(application.id, page));
    check(&[], |event: &Event| event.id, |page| list(subject.id(), page));
}

fn events_come_with_their_bodies_when_asked_for(subject: &Subject) {
    let application = subject.make_application();
    let row = with_uid(subject.new_event(&application, &[]), "invoice-1");
    let event = row.event.clone();
    subject.done(Op::Event(row));
    let page = Page { after: None, descending: true, limit: 1 };
    assert_eq!(subject.events(application.id, page, &Filter::default(), true).unwrap().rows, slice::from_ref(&event));
    let bare = Event { body: bytes::Bytes::new(), ..event };
    assert_eq!(subject.events(application.id, page, &Filter::default(), false).unwrap().rows, [bare]);
}

fn events_are_narrowed_by_type_channel_and_id(subject: &Subject) {
    let application = subject.make_application();
    let events = [
        ("paid", &[][..]),
        ("paid", &["eu"]),
        ("failed", &["eu", "us"]),
        ("refunded", &["us"]),
        ("paid", &["us", "eu"]),
        ("failed", &[]),
        ("paid.late", &["eu.west"]),
    ]
    .map(|(event_type, channels)| published(subject, &application, event_type, channels));
    let id = |place: usize| Some(events[place].id.value());
    let narrowed = |filter: Filter, places: &[usize]| {
        let expected: Vec<Event> = places.iter().map(|&place| events[place].clone()).collect();
        check(&expected, |event| event.id, |page| subject.events(application.id, page, &filter, false).unwrap());
    };
    let types = |names: &[&str]| Filter {
        event_types: names.iter().map(|&name| name.to_owned()).collect(),
        ..Filter::default()
    };
    let channel = |name: &str| Filter { channel: Some(name.to_owned()), ..Filter::default() };
    narrowed(types(&["paid"]), &[0, 1, 4]);
    narrowed(types(&["failed", "refunded", "unknown"]), &[2, 3, 5]);
    narrowed(types(&["unknown"]), &[]);
    narrowed(channel("eu"), &[1, 2, 4]);
    narrowed(channel("nowhere"), &[]);
    narrowed(Filter { channel: Some("us".to_owned()), ..types(&["paid", "failed"]) }, &[2, 4]);
    narrowed(Filter { below: id(3), ..Filter::default() }, &[0, 1, 2]);
    narrowed(Filter { above: id(3), ..Filter::default() }, &[4, 5, 6]);
    narrowed(Filter { above: id(0), below: id(4), ..Filter::default() }, &[1, 2, 3]);
    narrowed(Filter { above: id(0), below: id(5), ..types(&["paid"]) }, &[1, 4]);
    narrowed(Filter { above: id(4), below: id(2), ..Filter::default() }, &[]);
    let beyond = |after: i64, descending: bool, filter: &Filter| {
        let page = Page { after: Some(EventId::new(after)), descending, limit: 5 };
        let listed = subject.events(application.id, page, filter, false).unwrap();
        assert!(listed.done);
        listed.rows
    };
    assert_eq!(beyond(i64::MAX, false, &Filter::default()), []);
    assert_eq!(
        beyond(i64::MAX, true, &Filter { below: id(2), ..Filter::default() }),
        [events[1].clone(), events[0].clone()]
    );
    assert_eq!(beyond(0, false, &Filter { above: id(4), ..Filter::default() }), events[5..]);
}
