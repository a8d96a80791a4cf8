//! Users and sessions: one address is one user's, and a session lasts until it is ended, with its user or in time; and
//! the brand that customers see.

use posthaste::brand::{Brand, Logo};
use posthaste::colour::Colour;
use posthaste::id::{EndpointId, Id, KeyId};
use posthaste::key::Role;
use posthaste::store::{Change, Op, PeopleChange, Refused};
use posthaste::user::{Holder, SESSION_MS, Session, Test, User, Way};

use super::subject::{NOON_MS, Subject, set};

ask! {
    an_address_is_one_users,
    a_session_ends_with_its_user_and_when_the_user_changes,
    a_session_of_nobody_is_refused,
    sessions_past_their_time_are_forgotten,
    the_last_test_of_an_endpoint_counts,
    a_brand_is_its_environments_and_replaces_the_one_before,
}

/// A change of people.
pub fn people(change: PeopleChange) -> Op {
    set(Change::People(change))
}

/// A user with this address.
pub fn user(subject: &Subject, email: &str) -> User {
    let password = Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned());
    User { id: subject.id(), email: email.to_owned(), role: Role::Viewer, password, updated_ms: NOON_MS }
}

/// A session that begins at noon.
pub fn session(holder: Holder, text: &str) -> Session {
    Session { hash: Session::hash(text), holder, expires_ms: NOON_MS + SESSION_MS }
}

fn an_address_is_one_users(subject: &Subject) {
    let (ana, rival) = (user(subject, "ana@example.com"), user(subject, "ana@example.com"));
    subject.done(people(PeopleChange::User(ana.clone())));
    assert_eq!(subject.refusal(people(PeopleChange::User(rival.clone()))), Some(Refused::Taken));
    let changed = User { role: Role::Admin, email: "ana@example.org".to_owned(), ..ana };
    subject.done(people(PeopleChange::User(changed.clone())));
    subject.done(people(PeopleChange::User(rival.clone())));
    assert_eq!(
        subject.refusal(people(PeopleChange::User(User { email: rival.email.clone(), ..changed.clone() }))),
        Some(Refused::Taken)
    );
    assert_eq!(subject.users().unwrap(), [changed.clone(), rival.clone()]);
    assert_eq!(subject.user(changed.id).unwrap(), Some(changed.clone()));
    assert_eq!(subject.user_by_email(&rival.email).unwrap(), Some(rival.clone()));
    assert_eq!(subject.user_by_email("nobody@example.com").unwrap(), None);
    subject.done(people(PeopleChange::UserGone(changed.id)));
    assert_eq!(subject.refusal(people(PeopleChange::UserGone(changed.id))), Some(Refused::Stale));
    assert_eq!(subject.user(changed.id).unwrap(), None);
    assert_eq!(subject.users().unwrap(), std::slice::from_ref(&rival));
    let bare = User { password: None, ..rival };
    subject.done(people(PeopleChange::User(bare.clone())));
    assert_eq!(subject.user(bare.id).unwrap(), Some(bare));
}

fn a_session_ends_with_its_user_and_when_the_user_changes(subject: &Subject) {
    let ana = user(subject, "ana@example.com");
    subject.done(people(PeopleChange::User(ana.clone())));
    let opened = session(Holder::User(ana.id), "one");
    let open = || subject.done(people(PeopleChange::Session(opened.clone(), Way::Password)));
    open();
    assert_eq!(subject.refusal(people(PeopleChange::Session(opened.clone(), Way::Password))), Some(Refused::Taken));
    assert_eq!(subject.session(&opened.hash).unwrap(), Some(opened.clone()));
    for end in [PeopleChange::SessionGone(opened.hash), PeopleChange::User(ana.clone()), PeopleChange::UserGone(ana.id)]
    {
        assert!(subject.session(&opened.hash).unwrap().is_some());
        subject.done(people(end.clone()));
        assert_eq!(subject.session(&opened.hash).unwrap(), None, "{end:?}");
        subject.done(people(PeopleChange::User(ana.clone())));
        open();
    }
    subject.done(people(PeopleChange::SessionGone(Session::hash("another"))));
}

fn a_session_of_nobody_is_refused(subject: &Subject) {
    let (gone, key) =
        (user(subject, "gone@example.com").id, subject.new_key(subject.make_environment("test"), Role::Viewer));
    for holder in [Holder::User(gone), Holder::Key(KeyId::new(1)), Holder::Key(key.id)] {
        assert_eq!(
            subject.refusal(people(PeopleChange::Session(session(holder, "one"), Way::Password))),
            Some(Refused::Stale),
            "{holder:?}"
        );
    }
    subject.done(set(Change::Key(key.clone())));
    subject.done(people(PeopleChange::Session(session(Holder::Key(key.id), "one"), Way::Key)));
}

fn sessions_past_their_time_are_forgotten(subject: &Subject) {
    let ana = user(subject, "ana@example.com");
    subject.done(people(PeopleChange::User(ana.clone())));
    let [old, new] = [0, 1].map(|later_ms| {
        let opened = session(Holder::User(ana.id), &later_ms.to_string());
        Session { expires_ms: opened.expires_ms + later_ms, ..opened }
    });
    for opened in [&old, &new] {
        subject.done(people(PeopleChange::Session(opened.clone(), Way::Password)));
    }
    subject.set_clock(old.expires_ms);
    subject.done(Op::Forget);
    assert_eq!(subject.session(&old.hash).unwrap(), None);
    assert_eq!(subject.session(&new.hash).unwrap(), Some(new));
}

fn the_last_test_of_an_endpoint_counts(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    for revision in [1, 2] {
        let test = Test { endpoint: endpoint.id, event: subject.accept(&application, &[endpoint.id]), revision };
        subject.done(people(PeopleChange::Test(test)));
        assert_eq!(subject.test(endpoint.id).unwrap(), Some(test));
        assert_eq!(test.is_of(&endpoint), revision == 1);
    }
    assert_eq!(subject.test(EndpointId::new(1)).unwrap(), None);
}

/// A brand with everything.
pub fn brand() -> Brand {
    let logo = Logo::new(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec()).unwrap();
    Brand { name: Some("Acme".to_owned()), colour: Some(Colour([10, 125, 90])), logo: Some(logo) }
}

fn a_brand_is_its_environments_and_replaces_the_one_before(subject: &Subject) {
    let [one, other] = ["test", "live"].map(|name| subject.make_environment(name));
    assert_eq!(subject.brand(one).unwrap(), Brand::default());
    for brand in [brand(), Brand { logo: None, ..brand() }, Brand { colour: Some(Colour::WHITE), ..Brand::default() }] {
        subject.done(people(PeopleChange::Brand(one, brand.clone())));
        assert_eq!((subject.brand(one).unwrap(), subject.brand(other).unwrap()), (brand, Brand::default()));
    }
}
