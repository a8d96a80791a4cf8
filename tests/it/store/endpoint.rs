//! Endpoints: what reads back, whose change counts, and what the engine may change by itself.

use std::slice;

use posthaste::application::Application;
use posthaste::endpoint::{Endpoint, Health, State};
use posthaste::provider::Provider;
use posthaste::secret::{Secret, SecretSlot};
use posthaste::store::{Change, Op, Reach, Refused};

use super::subject::{NOON_MS, Subject, set};

ask! {
    a_change_counts_if_it_saw_the_one_before,
    a_deleted_endpoint_is_gone_and_its_uid_free,
    a_full_application_takes_no_more,
    a_uid_is_taken_in_its_application_while_its_endpoint_lives,
    an_applications_endpoints_are_counted_by_kind,
    an_endpoint_is_found_in_its_own_application_alone,
    an_endpoint_has_its_applications_provider,
    an_endpoint_reads_back_whole,
    health_is_the_engines_to_change_until_a_person_enables,
    the_engine_disables_what_is_enabled_and_nothing_else,
}

const FAILING: Health = Health { failing_since_ms: Some(NOON_MS), clock_runs: true };

fn put(subject: &Subject, endpoint: &Endpoint) -> Option<Refused> {
    subject.refusal(set(Change::Endpoint(endpoint.clone())))
}

fn by_id(subject: &Subject, endpoint: &Endpoint) -> Option<Endpoint> {
    subject.endpoint(endpoint.application, endpoint.id).unwrap()
}

/// The endpoint one change later.
fn next(endpoint: &Endpoint) -> Endpoint {
    Endpoint { revision: endpoint.revision + 1, ..endpoint.clone() }
}

fn an_endpoint_reads_back_whole(subject: &Subject) {
    let application = subject.make_application();
    let first = subject.new_endpoint(&application, Some("ledger"));
    assert_eq!(put(subject, &first), None);
    assert_eq!(by_id(subject, &first).as_ref(), Some(&first));
    assert_eq!(subject.endpoint_by_uid(application.id, "ledger").unwrap().as_ref(), Some(&first));
    assert_eq!(subject.opening(NOON_MS).unwrap().endpoints, slice::from_ref(&first));

    let second = Endpoint {
        uid: Some("ledger-2".to_owned()),
        url: "http://other.example".to_owned(),
        description: String::new(),
        state: State::Disabled,
        event_types: Vec::new(),
        channels: Vec::new(),
        headers: [].into(),
        metadata: [].into(),
        secrets: vec![SecretSlot::since(Secret::verbatim("whsec_größe"), NOON_MS)],
        updated_ms: NOON_MS + 1,
        ..next(&first)
    };
    assert_eq!(put(subject, &second), None);
    assert_eq!(by_id(subject, &first).as_ref(), Some(&second));
    assert_eq!(subject.endpoint_by_uid(application.id, "ledger").unwrap(), None);
    assert_eq!(subject.endpoint_by_uid(application.id, "ledger-2").unwrap().as_ref(), Some(&second));
    assert_eq!(subject.opening(NOON_MS).unwrap().endpoints, [second]);
}

fn a_uid_is_taken_in_its_application_while_its_endpoint_lives(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    subject.done(set(Change::Application(other.clone())));
    let first = subject.new_endpoint(&application, Some("ledger"));
    let second = subject.new_endpoint(&application, Some("mail"));
    for (endpoint, refused) in [
        (first.clone(), None),
        (second.clone(), None),
        (next(&first), None),
        (subject.new_endpoint(&application, Some("ledger")), Some(Refused::Taken)),
        (Endpoint { uid: first.uid.clone(), ..next(&second) }, Some(Refused::Taken)),
        (subject.new_endpoint(&other, Some("ledger")), None),
        (subject.new_endpoint(&application, None), None),
        (subject.new_endpoint(&application, None), None),
    ] {
        assert_eq!(put(subject, &endpoint), refused, "{endpoint:?}");
        assert_eq!(by_id(subject, &endpoint).as_ref() == Some(&endpoint), refused.is_none());
    }
    assert_eq!(by_id(subject, &second), Some(second));
}

fn an_endpoint_is_found_in_its_own_application_alone(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    subject.done(set(Change::Application(other.clone())));
    let endpoint = subject.new_endpoint(&application, Some("ledger"));
    put(subject, &endpoint);
    assert_eq!(subject.endpoint(other.id, endpoint.id).unwrap(), None);
    assert_eq!(subject.endpoint_by_uid(other.id, "ledger").unwrap(), None);
    assert_eq!(subject.endpoint(application.id, subject.id()).unwrap(), None);
}

fn a_change_counts_if_it_saw_the_one_before(subject: &Subject) {
    let application = subject.make_application();
    let first = subject.make_endpoint(&application);
    let second = Endpoint { description: "second".to_owned(), ..next(&first) };
    assert_eq!(put(subject, &second), None);
    let blind =
        [second.clone(), Endpoint { revision: 4, ..first.clone() }, next(&subject.new_endpoint(&application, None))];
    for endpoint in blind {
        assert_eq!(put(subject, &endpoint), Some(Refused::Stale));
    }
    assert_eq!(by_id(subject, &first).as_ref(), Some(&second));
    assert_eq!(put(subject, &Endpoint { revision: 3, ..first.clone() }), None);
    assert_eq!(by_id(subject, &first), Some(Endpoint { revision: 3, ..first }));
}

fn a_deleted_endpoint_is_gone_and_its_uid_free(subject: &Subject) {
    let application = subject.make_application();
    for _ in 0..3 {
        let endpoint = subject.new_endpoint(&application, Some("ledger"));
        assert_eq!(put(subject, &endpoint), None);
        let deleted = Endpoint { state: State::Deleted, ..next(&endpoint) };
        assert_eq!(put(subject, &deleted), None);
        assert_eq!(by_id(subject, &endpoint), None);
        assert_eq!(subject.endpoint_by_uid(application.id, "ledger").unwrap(), None);
        assert_eq!(put(subject, &next(&endpoint)), Some(Refused::Stale));
    }
    assert!(subject.opening(NOON_MS).unwrap().endpoints.is_empty());
}

fn health_is_the_engines_to_change_until_a_person_enables(subject: &Subject) {
    let application = subject.make_application();
    let first = subject.make_endpoint(&application);
    subject.done(Op::Health { endpoint: first.id, health: FAILING, state: None });
    let failing = Endpoint { health: FAILING, ..first.clone() };
    assert_eq!(by_id(subject, &first).as_ref(), Some(&failing));

    assert_eq!(put(subject, &next(&first)), None);
    assert_eq!(by_id(subject, &first), Some(next(&failing)), "a person's change leaves the health alone");
    let disabled = Endpoint { state: State::Disabled, ..next(&next(&failing)) };
    assert_eq!(put(subject, &disabled), None);
    assert_eq!(by_id(subject, &first).as_ref(), Some(&disabled));
    let enabled = Endpoint { state: State::Enabled, ..next(&disabled) };
    assert_eq!(put(subject, &enabled), None);
    assert_eq!(by_id(subject, &first), Some(Endpoint { health: Health::default(), ..enabled }));

    subject.done(Op::Health { endpoint: first.id, health: FAILING, state: None });
    subject.done(Op::Health { endpoint: first.id, health: Health::default(), state: None });
    assert_eq!(by_id(subject, &first).unwrap().health, Health::default());
    subject.done(Op::Health { endpoint: subject.id(), health: FAILING, state: Some(State::Gone) });
}

/// The engine decides on what it saw; a person's change may have reached the disk meanwhile.
fn the_engine_disables_what_is_enabled_and_nothing_else(subject: &Subject) {
    let application = subject.make_application();
    for (found, disabled, left) in [
        (State::Enabled, State::Gone, State::Gone),
        (State::Enabled, State::Failing, State::Failing),
        (State::Disabled, State::Gone, State::Disabled),
        (State::Gone, State::Failing, State::Gone),
    ] {
        let endpoint = Endpoint { state: found, ..subject.new_endpoint(&application, None) };
        assert_eq!(put(subject, &endpoint), None);
        subject.done(Op::Health { endpoint: endpoint.id, health: FAILING, state: Some(disabled) });
        let revision = if found == left { 1 } else { 2 };
        assert_eq!(by_id(subject, &endpoint), Some(Endpoint { state: left, health: FAILING, revision, ..endpoint }));
    }
    let endpoint = subject.new_endpoint(&application, Some("ledger"));
    put(subject, &endpoint);
    put(subject, &Endpoint { state: State::Deleted, ..next(&endpoint) });
    assert_eq!(put(subject, &subject.new_endpoint(&application, Some("ledger"))), None);
    subject.done(Op::Health { endpoint: endpoint.id, health: FAILING, state: Some(State::Gone) });
    assert_eq!(by_id(subject, &endpoint), None);
}

fn an_endpoint_has_its_applications_provider(subject: &Subject) {
    let environment = subject.make_environment("test");
    for provider in Provider::DELIVERED {
        let application = Application { provider, ..subject.new_application(environment, None) };
        subject.done(set(Change::Application(application.clone())));
        let wrong = Provider::DELIVERED.into_iter().find(|other| *other != provider).unwrap();
        let endpoint = Endpoint { provider: wrong, ..subject.new_endpoint(&application, None) };
        assert_eq!(put(subject, &endpoint), Some(Refused::Stale));
        let endpoint = Endpoint { direct: true, ..subject.new_endpoint(&application, None) };
        assert_eq!(put(subject, &endpoint), None);
        assert_eq!(by_id(subject, &endpoint).as_ref(), Some(&endpoint));
        // both stay as they were made
        assert_eq!(put(subject, &Endpoint { provider: wrong, direct: false, ..next(&endpoint) }), None);
        assert_eq!(by_id(subject, &endpoint), Some(next(&endpoint)));
    }
}

/// Ten for Bridge; those that only named events go to do not count.
fn a_full_application_takes_no_more(subject: &Subject) {
    let environment = subject.make_environment("test");
    let bridge = Application { provider: Provider::Bridge, ..subject.new_application(environment, None) };
    let other = Application { id: subject.id(), ..bridge.clone() };
    for application in [&bridge, &other] {
        subject.done(set(Change::Application(application.clone())));
    }
    let new = |direct| Endpoint { direct, ..subject.new_endpoint(&bridge, None) };
    let living: Vec<_> = (0..10).map(|_| new(false)).collect();
    for endpoint in &living {
        assert_eq!(put(subject, &new(true)), None);
        assert_eq!(put(subject, endpoint), None);
    }
    for _ in 0..2 {
        assert_eq!(put(subject, &new(false)), Some(Refused::Full(10)));
        assert_eq!(put(subject, &new(true)), None);
    }
    subject.make_endpoint(&other);
    assert_eq!(put(subject, &Endpoint { state: State::Disabled, ..next(&living[0]) }), None);
    assert_eq!(put(subject, &new(false)), Some(Refused::Full(10)));
    assert_eq!(put(subject, &Endpoint { state: State::Deleted, ..next(&living[1]) }), None);
    let both = subject.commit([new(false), new(false)].map(|row| set(Change::Endpoint(row))).into());
    assert_eq!(both, [(1, Refused::Full(10))]);
}

fn an_applications_endpoints_are_counted_by_kind(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    subject.done(set(Change::Application(other.clone())));
    assert_eq!(subject.reach(application.id).unwrap(), Reach::default());
    for (state, url, direct) in [
        (State::Enabled, "https://a.example/", false),
        (State::Disabled, "https://play.svix.com/in/e_x/", false),
        (State::Enabled, "https://play.svix.com.example/", true),
        (State::Deleted, "https://b.example/", false),
    ] {
        let endpoint =
            Endpoint { state: State::Enabled, url: url.to_owned(), direct, ..subject.new_endpoint(&application, None) };
        assert_eq!(put(subject, &endpoint), None);
        if state != State::Enabled {
            assert_eq!(put(subject, &Endpoint { state, ..next(&endpoint) }), None);
        }
    }
    assert_eq!(subject.reach(application.id).unwrap(), Reach { all: 3, enabled: 2, lasting: 2 });
    assert_eq!(subject.reach(other.id).unwrap(), Reach::default());
}
