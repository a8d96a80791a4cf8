//! Batches: one after the other within one commit, and no refusal touches its neighbours.

use posthaste::application::Application;
use posthaste::endpoint::{Endpoint, State};
use posthaste::id::{EventId, Id};
use posthaste::store::{Change, Filter, Op, Page, Refused};

use super::subject::{NOON_MS, Subject, once, park, set, with_key, with_uid};

ask! {
    a_batch_may_hold_a_whole_life,
    a_batch_may_hold_nothing,
    a_refused_operation_leaves_the_rest_of_its_batch_alone,
    an_operation_sees_what_stands_before_it,
    what_was_refused_is_not_told,
}

fn a_batch_may_hold_nothing(subject: &Subject) {
    assert_eq!(subject.commit(Vec::new()), []);
}

fn a_refused_operation_leaves_the_rest_of_its_batch_alone(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let event = || subject.new_event(&application, &[endpoint.id]);
    let rows = [
        with_key(with_uid(event(), "invoice-1"), once("k", "body")),
        with_uid(event(), "invoice-1"),
        with_key(event(), once("k", "body")),
        with_key(event(), once("k", "other")),
        event(),
    ];
    let ids = rows.clone().map(|row| row.event.id);
    let changed = Endpoint { revision: 2, description: "changed".to_owned(), ..endpoint.clone() };
    let mut ops = vec![
        set(Change::Endpoint(Endpoint { revision: 9, ..endpoint.clone() })),
        set(Change::Endpoint(changed.clone())),
    ];
    ops.extend(rows.map(Op::Event));
    ops.extend([set(Change::Endpoint(endpoint.clone())), park(ids[4], endpoint.id, NOON_MS)]);

    let refused = [
        (0, Refused::Stale),
        (3, Refused::Taken),
        (4, Refused::Repeated(ids[0])),
        (5, Refused::KeyReused),
        (7, Refused::Taken),
    ];
    assert_eq!(subject.commit(ops), refused);
    let page = Page { after: None, descending: false, limit: 10 };
    let found = subject.events(application.id, page, &Filter::default(), false).unwrap().rows;
    assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), [ids[0], ids[4]]);
    assert_eq!(subject.endpoint(application.id, endpoint.id).unwrap(), Some(changed));
    assert_eq!(subject.due(endpoint.id, NOON_MS, 10).unwrap().due[0].event, ids[4]);
}

fn what_was_refused_is_not_told(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let change = |revision| set(Change::Endpoint(Endpoint { revision, ..endpoint.clone() }));
    let rows = [(); 4].map(|()| subject.new_event(&application, &[endpoint.id]));
    let ids = rows.clone().map(|row| row.event.id);
    let [stale, told, other, again] = rows.map(Op::News);
    let refused = subject.commit(vec![change(9), stale, change(2), told, other, change(2), again]);
    assert_eq!(refused, [(0, Refused::Stale), (1, Refused::Stale), (5, Refused::Stale), (6, Refused::Stale)]);
    let page = Page { after: None, descending: false, limit: 10 };
    let found = subject.events(application.id, page, &Filter::default(), false).unwrap().rows;
    assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), [ids[1], ids[2]]);
}

fn an_operation_sees_what_stands_before_it(subject: &Subject) {
    let environment = subject.make_environment("test");
    let first = subject.new_application(environment, Some("acme"));
    let second = subject.new_application(environment, Some("acme"));
    let make = |application: &Application| set(Change::Application(application.clone()));
    let delete =
        |application: &Application| set(Change::Application(Application { deleted: true, ..application.clone() }));
    let refused =
        subject.commit(vec![make(&first), make(&second), delete(&first), make(&second), delete(&second), make(&first)]);
    assert_eq!(refused, [(1, Refused::Taken), (5, Refused::Stale)]);

    let application = subject.new_application(environment, None);
    subject.done(make(&application));
    let endpoint = subject.make_endpoint(&application).id;
    let [early, late] = [(), ()].map(|()| subject.accept(&application, &[endpoint]));
    let cancel = || Op::Cancel { endpoint, count: 10 };
    subject.commit(vec![park(early, endpoint, NOON_MS), cancel(), cancel(), park(late, endpoint, NOON_MS)]);
    let waiting = subject.due(endpoint, NOON_MS, 10).unwrap().due;
    assert_eq!(waiting.iter().map(|due| due.event).collect::<Vec<_>>(), [late]);
    subject
        .commit(vec![Op::Mark { mark: early, last_id: late.value() }, Op::Mark { mark: late, last_id: late.value() }]);
    assert_eq!(subject.opening(NOON_MS).unwrap().mark, late);
}

/// An application, its endpoint, an event, three attempts and both deletions, in one commit.
fn a_batch_may_hold_a_whole_life(subject: &Subject) {
    let application = subject.new_application(subject.make_environment("test"), None);
    let endpoint = subject.new_endpoint(&application, None);
    let row = subject.new_event(&application, &[endpoint.id]);
    let event: EventId = row.event.id;
    let mut tried = [500, 500, 200].map(|status| subject.tried(event, endpoint.id, status));
    for position in 1..3 {
        tried[position].was_due_ms = tried[position - 1].delivery.due_ms;
        tried[position].delivery.attempts = u32::try_from(position).unwrap() + 1;
    }
    let deleted = Endpoint { state: State::Deleted, revision: 2, ..endpoint.clone() };
    let mut ops =
        vec![set(Change::Application(application.clone())), set(Change::Endpoint(endpoint.clone())), Op::Event(row)];
    ops.extend(tried.clone().map(|tried| Op::Tried(Box::new(tried))));
    ops.push(set(Change::Endpoint(deleted)));
    ops.push(set(Change::Application(Application { deleted: true, ..application.clone() })));
    assert_eq!(subject.commit(ops), []);
    assert_eq!(subject.delivery(event, endpoint.id), Some(tried[2].delivery));
    assert!(subject.opening(NOON_MS).unwrap().endpoints.is_empty());
    assert_eq!(subject.backlog().unwrap().waiting, 0);
}
