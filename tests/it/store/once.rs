//! Idempotency keys: how long one is remembered, and when it goes.

use posthaste::audit::By;
use posthaste::endpoint::Endpoint;
use posthaste::environment::Environment;
use posthaste::event::Once;
use posthaste::id::EventId;
use posthaste::key::Role;
use posthaste::source::Source;
use posthaste::store::{Answer, BRIEF_KEY_MS, Change, Consumer, FORGET_ROWS_MAX, KEY_MS, Op, Refused, Setting};

use super::subject::{HOUR_MS, MIDNIGHT_MS, MINUTE_MS, NOON_MS, Subject, brief, once, with_key};

ask! {
    a_brief_key_is_the_engines_to_remember,
    a_key_is_remembered_for_24_hours,
    a_key_past_its_time_belongs_to_its_next_event,
    a_refused_setting_leaves_its_key_free,
    an_answer_is_kept_with_every_kind_of_change,
    an_answer_is_remembered_as_long_as_its_key,
    forgetting_goes_on_in_slices_and_spares_what_counts,
    recent_keys_come_back_oldest_first_for_a_quarter_of_an_hour,
}

/// When a key was used, when again, and whether it is still known: across a midnight, and back over it.
const MOMENTS: [(i64, i64, bool); 7] = [
    (NOON_MS, NOON_MS, true),
    (NOON_MS, NOON_MS + KEY_MS - 1, true),
    (NOON_MS, NOON_MS + KEY_MS, false),
    (MIDNIGHT_MS - 1, MIDNIGHT_MS, true),
    (MIDNIGHT_MS, MIDNIGHT_MS + KEY_MS - 1, true),
    (MIDNIGHT_MS, MIDNIGHT_MS + KEY_MS, false),
    (MIDNIGHT_MS + 500, MIDNIGHT_MS - 500, true),
];

fn publish(subject: &Subject, once: Once) -> (EventId, Option<Refused>) {
    let environment = subject.id();
    let row = with_key(subject.new_event(&subject.new_application(environment, None), &[]), once);
    (row.event.id, subject.refusal(Op::Event(row)))
}

fn a_key_is_remembered_for_24_hours(subject: &Subject) {
    for (position, (used_ms, again_ms, known)) in MOMENTS.into_iter().enumerate() {
        let key = format!("key {position}");
        subject.set_clock(used_ms);
        let (first, accepted) = publish(subject, once(&key, "body"));
        assert_eq!(accepted, None);
        subject.set_clock(again_ms);
        if known {
            assert_eq!(publish(subject, once(&key, "other")).1, Some(Refused::KeyReused), "{key}");
        }
        assert_eq!(publish(subject, once(&key, "body")).1, known.then_some(Refused::Repeated(first)), "{key}");
    }
}

fn a_key_past_its_time_belongs_to_its_next_event(subject: &Subject) {
    publish(subject, once("k", "body"));
    subject.set_clock(NOON_MS + KEY_MS);
    let (second, accepted) = publish(subject, once("k", "another body"));
    assert_eq!(accepted, None);
    assert_eq!(publish(subject, once("k", "another body")).1, Some(Refused::Repeated(second)));
    assert_eq!(publish(subject, once("k", "body")).1, Some(Refused::KeyReused));
}

fn a_brief_key_is_the_engines_to_remember(subject: &Subject) {
    let (first, accepted) = publish(subject, brief("auto_k", "body"));
    let (second, again) = publish(subject, brief("auto_k", "other"));
    assert_eq!((accepted, again), (None, None));
    let expected = [(first, brief("auto_k", "body")), (second, brief("auto_k", "other"))];
    assert_eq!(subject.opening(subject.wall_ms()).unwrap().recent_keys, expected);
}

fn recent_keys_come_back_oldest_first_for_a_quarter_of_an_hour(subject: &Subject) {
    let used = [0, 5, 10].map(|minutes| {
        subject.set_clock(NOON_MS + minutes * MINUTE_MS);
        let once = brief(&format!("auto_{minutes}"), "body");
        (publish(subject, once).0, once)
    });
    publish(subject, once("a caller's own", "body"));
    for (at_minutes, first) in [(10, 0), (15, 0), (16, 1), (20, 1), (21, 2), (26, 3)] {
        let opening = subject.opening(NOON_MS + at_minutes * MINUTE_MS).unwrap();
        assert_eq!(opening.recent_keys, used[first..], "after {at_minutes} minutes");
    }
}

/// Makes an environment under a key.
fn make(subject: &Subject, name: &str, once: Once) -> (Answer, Option<Refused>) {
    let environment = Environment { id: subject.id(), name: name.to_owned() };
    let change = Change::Environment(environment);
    let answer = Answer { once, status: 201, body: b"{\"id\":1}".as_slice().into() };
    let setting = Setting { by: By::server(), change, answer: Some(answer.clone()) };
    (answer, subject.refusal(Op::Setting(Box::new(setting))))
}

fn an_answer_is_remembered_as_long_as_its_key(subject: &Subject) {
    let (answer, done) = make(subject, "test", once("k", "body"));
    assert_eq!(done, None);
    assert_eq!(make(subject, "test", answer.once).1, Some(Refused::Answered(answer.clone())));
    assert_eq!(make(subject, "live", once("k", "other")).1, Some(Refused::KeyReused));
    let (short, done) = make(subject, "live", brief("auto_k", "body"));
    assert_eq!(done, None);
    for (answer, lives_ms) in [(answer, KEY_MS), (short, BRIEF_KEY_MS)] {
        let other_body = Once { request: [9; 16], ..answer.once };
        for asked in [answer.once, other_body] {
            let at = |age_ms: i64| subject.answer(&asked, NOON_MS + age_ms).unwrap();
            assert_eq!(at(0).as_ref(), Some(&answer));
            assert_eq!(at(lives_ms - 1).as_ref(), Some(&answer));
            assert_eq!(at(lives_ms), None);
        }
    }
    assert_eq!(subject.answer(&once("unknown", "body"), NOON_MS).unwrap(), None);
}

fn an_answer_is_kept_with_every_kind_of_change(subject: &Subject) {
    let environment = Environment { id: subject.id(), name: "test".to_owned() };
    let application = subject.new_application(environment.id, None);
    let endpoint = subject.new_endpoint(&application, None);
    let event_type = subject.new_event_type(environment.id, "payment.succeeded");
    let key = subject.new_key(environment.id, Role::Admin);
    let (source, own) = subject.new_source(environment.id, None);
    let consumer = Consumer {
        application: application.id,
        sink: "ledger".to_owned(),
        name: "one".to_owned(),
        place: subject.id(),
        commits: true,
    };
    let changes = [
        Change::Environment(environment),
        Change::Application(application.clone()),
        Change::Application(application),
        Change::Endpoint(endpoint.clone()),
        Change::Endpoint(Endpoint { revision: 2, ..endpoint }),
        Change::EventType(event_type.clone()),
        Change::Catalogue(vec![event_type]),
        Change::Source(Box::new(source.clone()), Some(Box::new(own))),
        Change::Source(Box::new(Source { revision: 2, ..source }), None),
        Change::Consumer(consumer),
        Change::Key(key.clone()),
        Change::Revoke { key: key.id, at_ms: NOON_MS },
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let answer = Answer { once: once(&place.to_string(), "body"), status: 200, body: place.to_string().into() };
        let op = Op::Setting(Box::new(Setting { by: By::server(), change, answer: Some(answer.clone()) }));
        assert_eq!(subject.refusal(op.clone()), None, "{op:?}");
        assert_eq!(subject.refusal(op), Some(Refused::Answered(answer)));
    }
}

fn a_refused_setting_leaves_its_key_free(subject: &Subject) {
    assert_eq!(make(subject, "test", once("first", "body")).1, None);
    assert_eq!(make(subject, "test", once("k", "body")).1, Some(Refused::Taken));
    assert_eq!(subject.answer(&once("k", "body"), NOON_MS).unwrap(), None);
    assert_eq!(make(subject, "live", once("k", "another body")).1, None);
}

fn forgetting_goes_on_in_slices_and_spares_what_counts(subject: &Subject) {
    let application = subject.new_application(subject.id(), None);
    let keyed = |once: Once| Op::Event(with_key(subject.new_event(&application, &[]), once));
    let count = FORGET_ROWS_MAX + 100;
    let name = |position: usize| format!("k{position}");
    subject.commit((0..count).map(|position| keyed(once(&name(position), "body"))).collect());
    subject.commit((0..count).map(|position| keyed(brief(&name(position), "body"))).collect());
    make(subject, "test", once("setting", "body"));

    let forget_at = |ms: i64| {
        subject.set_clock(ms);
        subject.done(Op::Forget);
        subject.set_clock(NOON_MS);
    };
    let known = || subject.commit((0..count).map(|position| keyed(once(&name(position), "other"))).collect()).len();
    let recent = || subject.opening(NOON_MS).unwrap().recent_keys.len();
    let answered = || subject.answer(&once("setting", "body"), NOON_MS).unwrap().is_some();

    forget_at(NOON_MS + BRIEF_KEY_MS - 1);
    assert_eq!((recent(), answered()), (count, true));
    forget_at(NOON_MS + KEY_MS - 1);
    assert_eq!((recent(), answered()), (100, true));
    forget_at(NOON_MS + 2 * KEY_MS + HOUR_MS);
    assert_eq!((recent(), answered()), (0, false));
    assert_eq!(known(), 100);
}
