//! The audit log: each change is told with whoever made it, in its own transaction; what was refused is not.

use std::net::IpAddr;

use posthaste::application::Application;
use posthaste::audit::{Actor, By, Deed, Entry, KEPT_MS, Wanted};
use posthaste::endpoint::{Endpoint, Health, State};
use posthaste::environment::Validation;
use posthaste::handling::Handling;
use posthaste::id::EntryId;
use posthaste::key::{Grant, Key, Role};
use posthaste::store::{Change, Listed, Op, Page, PeopleChange, Refused, Setting, Store};
use posthaste::user::{Holder, Session, Test, User, Way};

use super::subject::{NOON_MS, Subject, set};
use super::user::{people, session, user};

ask! {
    what_changes_is_told_with_what_it_was,
    people_and_keys_are_told_by_the_names_that_they_had,
    what_is_refused_is_not_told,
    deliveries_made_again_and_endpoints_given_up_are_told,
    entries_are_listed_by_page_and_filter,
    entries_past_their_time_are_forgotten,
}

/// All entries, the oldest first.
pub fn all(store: &dyn Store) -> Vec<Entry> {
    let page = Page { after: None, descending: false, limit: 10_000 };
    store.audit(page, &Wanted::default()).unwrap().rows
}

/// The entries since a number, in words.
fn told(subject: &Subject, since: usize) -> Vec<String> {
    let line = |entry: &Entry| {
        let Deed { what, name, detail, .. } = &entry.deed;
        format!("{what}|{name}|{detail}")
    };
    all(&**subject)[since..].iter().map(line).collect()
}

/// A change by somebody.
fn by(actor: Actor, change: Change) -> Op {
    let by = By::at_the_door(actor, IpAddr::from([192, 0, 2, 1]));
    Op::Setting(Box::new(Setting { by, change, answer: None }))
}

fn what_changes_is_told_with_what_it_was(subject: &Subject) {
    let application = subject.make_application();
    let since = all(&**subject).len();
    let mut endpoint =
        Endpoint { url: "https://a.example/hook?token=secret".to_owned(), ..subject.new_endpoint(&application, None) };
    subject.done(set(Change::Endpoint(endpoint.clone())));
    let mut change = |edit: &dyn Fn(&mut Endpoint)| {
        edit(&mut endpoint);
        endpoint.revision += 1;
        subject.done(set(Change::Endpoint(endpoint.clone())));
    };
    change(&|row| row.description.push('x'));
    change(&|row| (row.url, row.channels) = ("https://b.example/".to_owned(), vec!["us".to_owned()]));
    change(&|row| row.secrets = row.secrets.iter().take(1).cloned().collect());
    change(&|row| *row.handling = Handling { paused: true, ..Handling::default() });
    change(&|row| *row.handling = Handling::default());
    change(&|row| row.state = State::Disabled);
    change(&|row| row.state = State::Enabled);
    change(&|row| row.state = State::Deleted);
    subject.done(set(Change::Validation(application.environment, Validation::Warn)));
    subject.done(set(Change::Application(Application { name: "Acme & Co".to_owned(), ..application.clone() })));
    subject.done(set(Change::Application(Application { deleted: true, ..application.clone() })));
    subject.done(set(Change::Answered));
    assert_eq!(
        told(subject, since),
        [
            "endpoint.created|https://a.example|",
            "endpoint.changed|https://a.example|description",
            "endpoint.changed|https://b.example|URL, channels",
            "endpoint.rotated|https://b.example|",
            "endpoint.paused|https://b.example|",
            "endpoint.resumed|https://b.example|",
            "endpoint.disabled|https://b.example|",
            "endpoint.enabled|https://b.example|",
            "endpoint.deleted|https://b.example|",
            "environment.changed||schema validation: warn",
            "application.changed|Acme & Co|name",
            "application.deleted|Acme|",
        ]
    );
    let made = &all(&**subject)[since];
    assert_eq!((made.at_ms, made.by.actor, made.who.as_str()), (NOON_MS, Actor::Server, ""));
    assert_eq!(made.deed.environment, Some(application.environment), "the application's");
    assert_eq!(made.deed.application, Some(application.id));
}

fn people_and_keys_are_told_by_the_names_that_they_had(subject: &Subject) {
    let environment = subject.make_environment("test");
    let (ana, vera) = (user(subject, "ana@example.com"), user(subject, "vera@example.com"));
    let grant = Grant { name: "Ledger".to_owned(), ..Grant::of(Role::Admin) };
    let key = Key { grant, ..subject.new_key(environment, Role::Admin) };
    let since = all(&**subject).len();
    for row in [&ana, &vera] {
        subject.done(people(PeopleChange::User(row.clone())));
    }
    let (as_ana, as_key) = (Actor::User(ana.id), Actor::Key(key.id));
    subject.done(by(as_ana, Change::Key(key.clone())));
    let opened = session(Holder::User(ana.id), "one");
    subject.done(by(as_ana, Change::People(PeopleChange::Session(opened.clone(), Way::Password))));
    subject.done(by(as_key, Change::People(PeopleChange::Session(session(Holder::Key(key.id), "two"), Way::Key))));
    let olga = User { password: None, ..user(subject, "olga@example.com") };
    subject.done(by(Actor::Stranger, Change::People(PeopleChange::User(olga.clone()))));
    let opened = session(Holder::User(olga.id), "three");
    subject.done(by(Actor::User(olga.id), Change::People(PeopleChange::Session(opened, Way::Oidc))));
    subject.done(by(as_ana, Change::People(PeopleChange::User(User { role: Role::Admin, ..vera.clone() }))));
    subject.done(by(as_ana, Change::People(PeopleChange::UserGone(vera.id))));
    subject.done(by(as_ana, Change::Revoke { key: key.id, at_ms: NOON_MS }));
    subject.done(by(as_ana, Change::People(PeopleChange::SessionGone(Session::hash("one")))));
    for locked_out in [false, true] {
        let email = "eve@example.com".to_owned();
        subject.done(by(Actor::Stranger, Change::People(PeopleChange::TurnedAway { email, locked_out })));
    }
    assert_eq!(
        told(subject, since),
        [
            "user.created|ana@example.com|viewer",
            "user.created|vera@example.com|viewer",
            "key.created|sk_test_abcd… Ledger|admin",
            "login.opened||by password",
            "login.opened||by key",
            "user.created|olga@example.com|viewer by OIDC",
            "login.opened||by OIDC",
            "user.changed|vera@example.com|role",
            "user.deleted|vera@example.com|",
            "key.revoked|sk_test_abcd… Ledger|",
            "login.closed||",
            "login.refused|eve@example.com|",
            "login.locked_out|eve@example.com|",
        ]
    );
    subject.done(people(PeopleChange::UserGone(ana.id)));
    let entries = &all(&**subject)[since..];
    let who: Vec<_> = entries.iter().map(|entry| entry.who.as_str()).collect();
    let (ana, key, olga) = ("ana@example.com", "sk_test_abcd… Ledger", "olga@example.com");
    assert_eq!(who, ["", "", ana, ana, key, "", olga, ana, ana, ana, ana, "", "", ""], "names outlive users");
    assert_eq!(entries[2].deed.environment, Some(environment));
    assert_eq!(entries[2].by.address, Some(IpAddr::from([192, 0, 2, 1])));
}

fn what_is_refused_is_not_told(subject: &Subject) {
    let environment = subject.make_environment("test");
    let application = subject.new_application(environment, Some("acme"));
    subject.done(set(Change::Application(application)));
    let since = all(&**subject).len();
    let rival = subject.new_application(environment, Some("acme"));
    assert_eq!(subject.refusal(set(Change::Application(rival))), Some(Refused::Taken));
    assert_eq!(told(subject, since), [""; 0]);
}

fn deliveries_made_again_and_endpoints_given_up_are_told(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let event = subject.accept(&application, &[endpoint.id]);
    let since = all(&**subject).len();
    let test = Test { endpoint: endpoint.id, event, revision: 1 };
    subject.done(people(PeopleChange::Test(test)));
    subject.done(super::subject::resend(event, endpoint.id, NOON_MS));
    for state in [State::Gone, State::Failing] {
        subject.done(Op::Health { endpoint: endpoint.id, health: Health::default(), state: Some(state) });
    }
    subject.done(Op::Health { endpoint: endpoint.id, health: Health::default(), state: None });
    let place = "https://receiver.example";
    assert_eq!(
        told(subject, since),
        [
            format!("endpoint.tested|{place}|"),
            format!("event.resent|{place}|"),
            format!("endpoint.disabled|{place}|it answered 410"),
            format!("endpoint.disabled|{place}|it failed for five days"),
        ]
    );
    for entry in &all(&**subject)[since..] {
        assert_eq!(
            (entry.deed.application, entry.deed.environment),
            (Some(application.id), Some(application.environment))
        );
    }
}

fn entries_are_listed_by_page_and_filter(subject: &Subject) {
    let (test, live) = (subject.make_environment("test"), subject.make_environment("live"));
    for environment in [test, live, test, live] {
        let application = subject.new_application(environment, None);
        subject.done(set(Change::Application(application)));
    }
    let list = |after: Option<i64>, descending, wanted: &Wanted| -> Listed<Entry> {
        let after = after.map(posthaste::id::Id::new);
        subject.audit(Page { after, descending, limit: 3 }, wanted).unwrap()
    };
    let numbers = |listed: &Listed<Entry>| -> Vec<i64> {
        listed.rows.iter().map(|entry| posthaste::id::Id::value(entry.id)).collect()
    };
    let everything = Wanted::default();
    let first = list(None, true, &everything);
    assert_eq!((numbers(&first), first.done), (vec![6, 5, 4], false));
    let rest = list(Some(4), true, &everything);
    assert_eq!((numbers(&rest), rest.done), (vec![3, 2, 1], true));
    let of_test = Wanted { environment: Some(test), what: "application".to_owned(), ..Wanted::default() };
    assert_eq!(numbers(&list(None, false, &of_test)), [3, 5]);
    let by_eve = Wanted { who: "eve".to_owned(), ..Wanted::default() };
    assert_eq!(numbers(&list(None, true, &by_eve)), [0; 0]);
}

fn entries_past_their_time_are_forgotten(subject: &Subject) {
    subject.make_environment("test");
    subject.set_clock(NOON_MS + 1);
    subject.make_environment("live");
    subject.set_clock(NOON_MS + KEPT_MS);
    subject.done(Op::Forget);
    assert_eq!(all(&**subject).len(), 2);
    subject.set_clock(NOON_MS + KEPT_MS + 1);
    subject.done(Op::Forget);
    let left = all(&**subject);
    assert_eq!(left.iter().map(|entry| entry.deed.name.as_str()).collect::<Vec<_>>(), ["live"]);
    assert_eq!(left[0].id, <EntryId as posthaste::id::Id>::new(2));
}
