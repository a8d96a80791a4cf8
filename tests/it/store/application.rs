//! Applications: their names, their changes, and what their deletion closes.

use posthaste::application::{Application, ApplicationRef};
use posthaste::endpoint::{Endpoint, State};
use posthaste::id::EnvironmentId;
use posthaste::provider::Provider;
use posthaste::store::{Change, Filter, Op, Page, Refused};

use super::subject::{Subject, set, with_uid};

ask! {
    a_change_replaces_the_application,
    a_deleted_application_stays_deleted,
    a_uid_is_taken_while_its_application_lives,
    an_application_in_use_keeps_its_provider,
    an_application_is_found_in_its_own_environment_alone,
    deletion_closes_the_endpoints_and_keeps_the_events,
    deletion_gives_the_names_free,
    what_was_deleted_is_found_for_a_while,
}

fn put(subject: &Subject, application: &Application) -> Option<Refused> {
    subject.refusal(set(Change::Application(application.clone())))
}

fn by_id(subject: &Subject, application: &Application) -> Option<Application> {
    subject.application(application.environment, &ApplicationRef::Id(application.id)).unwrap()
}

fn by_uid(subject: &Subject, environment: EnvironmentId, uid: &str) -> Option<Application> {
    subject.application(environment, &ApplicationRef::Uid(uid.to_owned())).unwrap()
}

fn deleted(application: &Application) -> Application {
    Application { deleted: true, ..application.clone() }
}

fn a_change_replaces_the_application(subject: &Subject) {
    let environment = subject.make_environment("test");
    let first = subject.new_application(environment, Some("acme"));
    assert_eq!(put(subject, &first), None);
    assert_eq!(by_id(subject, &first).as_ref(), Some(&first));
    assert_eq!(by_uid(subject, environment, "acme").as_ref(), Some(&first));

    let changed = Application {
        uid: Some("acme-2".to_owned()),
        name: "Acme 2".to_owned(),
        metadata: [].into(),
        updated_ms: 7,
        ..first.clone()
    };
    assert_eq!(put(subject, &changed), None);
    assert_eq!(by_id(subject, &first).as_ref(), Some(&changed));
    assert_eq!(by_uid(subject, environment, "acme"), None);

    let unnamed = Application { uid: None, ..changed };
    assert_eq!(put(subject, &unnamed), None);
    assert_eq!(by_id(subject, &first), Some(unnamed));
}

fn a_uid_is_taken_while_its_application_lives(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let first = subject.new_application(environment, Some("acme"));
    let second = subject.new_application(environment, Some("zenith"));
    for (application, refused) in [
        (first.clone(), None),
        (first.clone(), None),
        (second.clone(), None),
        (subject.new_application(environment, Some("acme")), Some(Refused::Taken)),
        (Application { uid: first.uid.clone(), ..second.clone() }, Some(Refused::Taken)),
        (subject.new_application(other, Some("acme")), None),
        (subject.new_application(environment, None), None),
        (subject.new_application(environment, None), None),
    ] {
        assert_eq!(put(subject, &application), refused, "{application:?}");
        assert_eq!(by_id(subject, &application).as_ref() == Some(&application), refused.is_none());
    }
    assert_eq!(by_uid(subject, environment, "acme"), Some(first));
    assert_eq!(by_uid(subject, environment, "zenith"), Some(second));
}

fn an_application_is_found_in_its_own_environment_alone(subject: &Subject) {
    let (environment, other) = (subject.make_environment("test"), subject.make_environment("live"));
    let application = subject.new_application(environment, Some("acme"));
    put(subject, &application);
    assert_eq!(subject.application(other, &ApplicationRef::Id(application.id)).unwrap(), None);
    assert_eq!(by_uid(subject, other, "acme"), None);
    assert_eq!(by_uid(subject, environment, "Acme"), None);
    assert_eq!(subject.application(environment, &ApplicationRef::Id(subject.id())).unwrap(), None);
}

fn deletion_closes_the_endpoints_and_keeps_the_events(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    put(subject, &other);
    let endpoint = subject.new_endpoint(&application, Some("ledger"));
    subject.done(set(Change::Endpoint(endpoint.clone())));
    let bystander = subject.make_endpoint(&other);
    let row = with_uid(subject.new_event(&application, &[endpoint.id]), "invoice-1");
    let event = row.event.clone();
    subject.done(Op::Event(row));

    assert_eq!(put(subject, &deleted(&application)), None);
    assert_eq!(by_id(subject, &application), None);
    assert_eq!(subject.endpoint(application.id, endpoint.id).unwrap(), None);
    assert_eq!(subject.endpoint_by_uid(application.id, "ledger").unwrap(), None);
    let page = Page { after: None, descending: false, limit: 10 };
    assert!(subject.endpoints(application.id, page).unwrap().rows.is_empty());
    assert_eq!(subject.event(application.id, event.id).unwrap().as_ref(), Some(&event));
    assert_eq!(subject.event_by_uid(application.id, "invoice-1").unwrap(), Some(event));
    let page = Page { after: None, descending: false, limit: 10 };
    assert_eq!(subject.events(application.id, page, &Filter::default(), false).unwrap().rows.len(), 1);
    assert_eq!(subject.endpoint(other.id, bystander.id).unwrap().as_ref(), Some(&bystander));
    let next = Endpoint { revision: 2, ..endpoint };
    assert_eq!(subject.refusal(set(Change::Endpoint(next))), Some(Refused::Stale));
}

fn deletion_gives_the_names_free(subject: &Subject) {
    let environment = subject.make_environment("test");
    for _ in 0..3 {
        let application = subject.new_application(environment, Some("acme"));
        assert_eq!(put(subject, &application), None);
        let endpoint = subject.new_endpoint(&application, Some("ledger"));
        subject.done(set(Change::Endpoint(endpoint)));
        assert_eq!(put(subject, &deleted(&application)), None);
        assert_eq!(by_uid(subject, environment, "acme"), None);
    }
}

/// A change that was decided on before the deletion, and comes after it, finds that it is stale.
fn a_deleted_application_stays_deleted(subject: &Subject) {
    let application = subject.make_application();
    put(subject, &deleted(&application));
    assert_eq!(put(subject, &application), Some(Refused::Stale));
    assert_eq!(put(subject, &deleted(&application)), Some(Refused::Stale));
    assert_eq!(by_id(subject, &application), None);
    let endpoint = subject.new_endpoint(&application, None);
    assert_eq!(subject.refusal(set(Change::Endpoint(endpoint.clone()))), Some(Refused::Stale));
    assert_eq!(subject.endpoint(application.id, endpoint.id).unwrap(), None);
    assert!(subject.opening(subject.wall_ms()).unwrap().endpoints.is_empty());
}

fn an_application_in_use_keeps_its_provider(subject: &Subject) {
    let environment = subject.make_environment("test");
    let mut application = subject.new_application(environment, Some("acme"));
    let mut become_ = |provider, refused: Option<Refused>| {
        let changed = Application { provider, name: format!("{provider:?}"), ..application.clone() };
        assert_eq!(put(subject, &changed), refused, "{provider:?}");
        if refused.is_none() {
            application = changed;
        }
        assert_eq!(by_id(subject, &application).as_ref(), Some(&application));
        application.clone()
    };
    for provider in Provider::DELIVERED {
        become_(provider, None);
    }
    let own = become_(Provider::Fintoc, None);
    let endpoint = subject.make_endpoint(&own);
    become_(Provider::Bridge, Some(Refused::Fixed));
    become_(Provider::Fintoc, None);
    subject.done(set(Change::Endpoint(Endpoint { state: State::Deleted, revision: 2, ..endpoint })));
    let own = become_(Provider::Bridge, None);
    subject.accept(&own, &[]);
    become_(Provider::Standard, Some(Refused::Fixed));
    let own = become_(Provider::Bridge, None);
    assert_eq!(put(subject, &Application { provider: Provider::Finix, ..deleted(&own) }), Some(Refused::Fixed));
    assert_eq!(put(subject, &deleted(&own)), None);
    assert_eq!(put(subject, &Application { provider: Provider::Finix, ..own }), Some(Refused::Stale));
}

fn what_was_deleted_is_found_for_a_while(subject: &Subject) {
    let application = subject.make_application();
    let (first, second) = (subject.make_endpoint(&application), subject.make_endpoint(&application));
    let environment = application.environment;
    let lately = |ms| subject.application_lately(environment, application.id, ms).unwrap();
    let at = |endpoint: &Endpoint, ms| subject.endpoint_lately(application.id, endpoint.id, ms).unwrap();
    assert_eq!((lately(i64::MAX), at(&first, i64::MAX)), (Some(application.clone()), Some(first.clone())));
    let alone = Endpoint { state: State::Deleted, updated_ms: 5, revision: first.revision + 1, ..first.clone() };
    subject.done(set(Change::Endpoint(alone.clone())));
    assert_eq!((at(&first, 4), at(&first, 5)), (Some(alone), None));

    let gone = Application { updated_ms: 7, ..deleted(&application) };
    subject.done(set(Change::Application(gone.clone())));
    assert_eq!((lately(6), lately(7)), (Some(gone), None));
    let with_it = at(&second, 6).unwrap();
    assert_eq!((with_it.state, with_it.updated_ms, at(&second, 7)), (State::Deleted, 7, None));
    assert_eq!(at(&first, 5), None, "it was deleted before");
    let other = subject.new_application(environment, None).id;
    assert_eq!(subject.endpoint_lately(other, second.id, 0).unwrap(), None);
    let elsewhere = subject.make_environment("live");
    assert_eq!(subject.application_lately(elsewhere, application.id, 0).unwrap(), None);
}
