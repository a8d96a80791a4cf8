//! Environments, event types and keys: what is new, what is taken, what comes back.

use posthaste::environment::Environment;
use posthaste::event_type::EventType;
use posthaste::key::{Key, Role};
use posthaste::store::{Change, Refused};

use super::subject::{NOON_MS, Subject, set};

ask! {
    a_catalogue_brings_what_is_missing_and_touches_nothing_else,
    a_key_is_revoked_once,
    a_living_event_type_is_taken_and_an_archived_one_comes_back,
    all_keys_are_listed,
    an_environments_name_is_taken_for_good,
    an_event_type_lives_in_one_environment,
}

fn an_environments_name_is_taken_for_good(subject: &Subject) {
    let (test, live) = (subject.make_environment("test"), subject.make_environment("live"));
    for name in ["test", "live"] {
        let again = Environment { id: subject.id(), name: name.to_owned() };
        assert_eq!(subject.refusal(set(Change::Environment(again))), Some(Refused::Taken));
    }
    let expected =
        [Environment { id: test, name: "test".to_owned() }, Environment { id: live, name: "live".to_owned() }];
    assert_eq!(subject.opening(NOON_MS).unwrap().environments, expected);
}

fn put(subject: &Subject, event_type: &EventType) -> Option<Refused> {
    subject.refusal(set(Change::EventType(event_type.clone())))
}

fn a_living_event_type_is_taken_and_an_archived_one_comes_back(subject: &Subject) {
    let environment = subject.make_environment("test");
    let read = |name: &str| subject.event_type(environment, name).unwrap();
    let first = subject.new_event_type(environment, "payment.succeeded");
    assert_eq!(put(subject, &first), None);
    assert_eq!(read("payment.succeeded").as_ref(), Some(&first));
    assert_eq!(put(subject, &EventType { description: "other".to_owned(), ..first.clone() }), Some(Refused::Taken));
    assert_eq!(read("payment.succeeded"), Some(first));

    let archived = EventType { archived: true, ..subject.new_event_type(environment, "payment.failed") };
    assert_eq!(put(subject, &archived), None);
    assert_eq!(read("payment.failed").as_ref(), Some(&archived));
    let back = EventType {
        archived: false,
        deprecated: false,
        schemas: None,
        description: "back".to_owned(),
        updated_ms: NOON_MS + 9,
        ..archived
    };
    assert_eq!(put(subject, &EventType { created_ms: NOON_MS + 9, ..back.clone() }), None);
    assert_eq!(read("payment.failed").as_ref(), Some(&back), "it keeps the time it was first created");
    assert_eq!(put(subject, &back), Some(Refused::Taken));
}

fn a_catalogue_brings_what_is_missing_and_touches_nothing_else(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let named = |name: &str| subject.new_event_type(environment, name);
    let archived = EventType { archived: true, ..named("archived") };
    for known in [&named("known"), &archived] {
        assert_eq!(put(subject, known), None);
    }
    let from_catalogue = |name: &str| EventType {
        description: "from the catalogue".to_owned(),
        schemas: None,
        deprecated: false,
        updated_ms: NOON_MS + 9,
        ..named(name)
    };
    let catalogue = ["known", "archived", "new", "newer", "new"].map(from_catalogue);
    for _ in 0..2 {
        subject.done(set(Change::Catalogue(catalogue.clone().into())));
        let read = |name: &str| subject.event_type(environment, name).unwrap();
        assert_eq!(read("known"), Some(named("known")));
        assert_eq!(read("archived").as_ref(), Some(&archived));
        assert_eq!(read("new"), Some(from_catalogue("new")));
        assert_eq!(read("newer"), Some(from_catalogue("newer")));
        assert_eq!(subject.event_type(other, "new").unwrap(), None);
    }
    subject.done(set(Change::Catalogue(Vec::new())));
}

fn an_event_type_lives_in_one_environment(subject: &Subject) {
    let (test, live) = (subject.make_environment("test"), subject.make_environment("live"));
    let in_test = subject.new_event_type(test, "payment.succeeded");
    assert_eq!(put(subject, &in_test), None);
    assert_eq!(subject.event_type(live, "payment.succeeded").unwrap(), None);
    assert_eq!(subject.event_type(test, "Payment.succeeded").unwrap(), None);
    let in_live = EventType { environment: live, description: "the real one".to_owned(), ..in_test.clone() };
    assert_eq!(put(subject, &in_live), None);
    assert_eq!(subject.event_type(test, "payment.succeeded").unwrap(), Some(in_test));
    assert_eq!(subject.event_type(live, "payment.succeeded").unwrap(), Some(in_live));
}

fn all_keys_are_listed(subject: &Subject) {
    assert_eq!(subject.keys().unwrap(), []);
    let (test, live) = (subject.make_environment("test"), subject.make_environment("live"));
    let keys = [(test, Role::Admin), (live, Role::Publisher), (test, Role::Viewer)]
        .map(|(environment, role)| subject.new_key(environment, role));
    for key in &keys {
        subject.done(set(Change::Key(key.clone())));
    }
    let same_text = Key { hash: keys[0].hash, ..subject.new_key(live, Role::Admin) };
    assert_eq!(subject.refusal(set(Change::Key(same_text))), Some(Refused::Taken));
    assert_eq!(subject.keys().unwrap(), keys);
}

fn a_key_is_revoked_once(subject: &Subject) {
    let key = subject.new_key(subject.make_environment("test"), Role::Admin);
    subject.done(set(Change::Key(key.clone())));
    let revoke = |key, at_ms| subject.refusal(set(Change::Revoke { key, at_ms }));
    assert_eq!(revoke(key.id, NOON_MS), None);
    assert!(revoke(key.id, NOON_MS + 1).is_some());
    assert!(revoke(subject.id(), NOON_MS).is_some());
    assert_eq!(subject.keys().unwrap(), [Key { revoked_ms: Some(NOON_MS), ..key }]);
}
