//! The opening: what an engine finds that begins where another stopped.

use std::slice;

use posthaste::application::Application;
use posthaste::endpoint::{Endpoint, State};
use posthaste::id::{EventId, Id};
use posthaste::key::Role;
use posthaste::store::{Change, Op};

use super::receiving::made;
use super::subject::{NOON_MS, Subject, park, set};

ask! {
    a_deleted_endpoint_stays_until_its_deliveries_are_canceled,
    an_empty_store_opens_at_the_beginning,
    each_endpoint_that_waits_is_named_with_its_earliest_line,
    the_last_id_covers_whatever_was_handed_out,
    the_server_lived_when_it_last_said_so,
    what_lives_is_there_and_what_is_deleted_is_not,
}

fn an_empty_store_opens_at_the_beginning(subject: &Subject) {
    let opening = subject.opening(NOON_MS).unwrap();
    assert_eq!((opening.last_id, opening.mark), (0, EventId::new(0)));
    assert!(opening.environments.is_empty() && opening.applications.is_empty() && opening.endpoints.is_empty());
    assert!(opening.due.is_empty() && opening.recent_keys.is_empty());
    assert_eq!((opening.sources, opening.alive_ms), (Vec::new(), None));
    assert_eq!(subject.opening(NOON_MS).unwrap().id_key, opening.id_key);
}

fn what_lives_is_there_and_what_is_deleted_is_not(subject: &Subject) {
    let environment = subject.make_environment("live");
    let applications = [(), (), ()].map(|()| subject.new_application(environment, None));
    for application in &applications {
        subject.done(set(Change::Application(application.clone())));
    }
    let [first, deleted, last] = applications;
    let of_last = subject.make_endpoint(&last);
    let of_first = subject.make_endpoint(&first);
    let gone = subject.make_endpoint(&first);
    subject.make_endpoint(&deleted);
    subject.done(set(Change::Application(Application { deleted: true, ..deleted })));
    subject.done(set(Change::Endpoint(Endpoint { state: State::Deleted, revision: 2, ..gone })));
    let disabled = Endpoint { state: State::Disabled, revision: 2, ..of_first };
    subject.done(set(Change::Endpoint(disabled.clone())));

    let opening = subject.opening(NOON_MS).unwrap();
    assert_eq!(
        opening.environments.iter().map(|found| (found.id, found.name.as_str())).collect::<Vec<_>>(),
        [(environment, "live")]
    );
    assert_eq!(opening.applications, [first, last]);
    assert_eq!(opening.endpoints, [of_last, disabled]);
}

fn a_deleted_endpoint_stays_until_its_deliveries_are_canceled(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    for _ in 0..3 {
        let event = subject.accept(&application, &[endpoint.id]);
        subject.done(park(event, endpoint.id, NOON_MS));
    }
    let deleted = Endpoint { state: State::Deleted, revision: 2, ..endpoint.clone() };
    subject.done(set(Change::Endpoint(deleted.clone())));
    for _ in 0..3 {
        assert_eq!(subject.opening(NOON_MS).unwrap().endpoints, slice::from_ref(&deleted));
        assert_eq!(subject.opening(NOON_MS).unwrap().due, [(endpoint.id, NOON_MS)]);
        subject.done(Op::Cancel { endpoint: endpoint.id, count: 1 });
    }
    assert_eq!(subject.opening(NOON_MS).unwrap().endpoints, []);
    assert_eq!(subject.opening(NOON_MS).unwrap().due, []);
}

fn each_endpoint_that_waits_is_named_with_its_earliest_line(subject: &Subject) {
    let application = subject.make_application();
    let [one, idle, two] = [(), (), ()].map(|()| subject.make_endpoint(&application).id);
    for (endpoint, after_ms) in [(two, 9), (one, 5), (one, 3), (two, 7), (one, 4)] {
        let event = subject.accept(&application, &[endpoint]);
        subject.done(park(event, endpoint, NOON_MS + after_ms));
    }
    let delivered = subject.accept(&application, &[idle]);
    subject.attempted(delivered, idle, 200);
    assert_eq!(subject.opening(NOON_MS).unwrap().due, [(one, NOON_MS + 3), (two, NOON_MS + 7)]);
}

/// A new process hands out ids above it: none that exists may lie higher.
fn the_last_id_covers_whatever_was_handed_out(subject: &Subject) {
    let last_id = || subject.opening(NOON_MS).unwrap().last_id;
    let environment = subject.make_environment("test");
    assert!(last_id() >= environment.value());
    let application = subject.new_application(environment, None);
    subject.done(set(Change::Application(application.clone())));
    assert!(last_id() >= application.id.value());
    let endpoint = subject.make_endpoint(&application);
    assert!(last_id() >= endpoint.id.value());
    let key = subject.new_key(environment, Role::Admin);
    subject.done(set(Change::Key(key.clone())));
    assert!(last_id() >= key.id.value());
    let (mut source, own) = subject.new_source(environment, None);
    source.id = subject.id();
    subject.done(made(&source, &own));
    assert!(last_id() >= source.id.value());
    let event = subject.accept(&application, &[endpoint.id]);
    assert!(last_id() >= event.value());
    for status in [500, 500, 200] {
        let row = subject.attempted(event, endpoint.id, status);
        assert!(last_id() >= row.attempt.id.value(), "the attempt that ended with {status}");
    }
    subject.done(Op::Mark { mark: event, last_id: event.value() + 1_000 });
    assert_eq!((last_id(), subject.opening(NOON_MS).unwrap().mark), (event.value() + 1_000, event));
    subject.done(set(Change::Endpoint(Endpoint { state: State::Deleted, revision: 2, ..endpoint })));
    subject.done(set(Change::Application(Application { deleted: true, ..application })));
    assert_eq!(last_id(), event.value() + 1_000);
}

fn the_server_lived_when_it_last_said_so(subject: &Subject) {
    for at_ms in [NOON_MS, NOON_MS + 1, 7] {
        subject.done(Op::Alive(at_ms));
        assert_eq!(subject.opening(NOON_MS).unwrap().alive_ms, Some(at_ms));
    }
    subject.done(Op::Mark { mark: EventId::new(3), last_id: 4 });
    assert_eq!(subject.opening(NOON_MS).unwrap().alive_ms, Some(7));
}
