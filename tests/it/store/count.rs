//! Counts: what deliveries and attempts came to is known without going through them.

use posthaste::count::{Counts, hour};
use posthaste::delivery::Status;
use posthaste::id::{EndpointId, Id};
use posthaste::store::{COUNT_HOURS, Change, Op};

use super::subject::{DAY_MS, HOUR_MS, NOON_MS, Subject, park, resend, set};

ask! {
    counts_are_of_the_hour_of_the_event_and_of_the_attempt,
    counts_follow_a_delivery_to_its_end,
    what_is_canceled_or_erased_no_longer_waits,
    what_is_sent_elsewhere_by_hand_counts_there,
    old_counts_go,
}

const EVER: (i64, i64) = (0, i64::MAX);

fn ever(subject: &Subject, endpoint: EndpointId) -> Counts {
    subject.counts(endpoint, EVER).unwrap()
}

fn counts_follow_a_delivery_to_its_end(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let [delivered, failing, waiting] = [0; 3].map(|_| subject.accept(&application, &[endpoint]));
    assert_eq!((ever(subject, endpoint).accepted, ever(subject, endpoint).waiting()), (3, 3));
    subject.attempted(delivered, endpoint, 500);
    assert_eq!((ever(subject, endpoint).waiting(), ever(subject, endpoint).retrying), (3, 1), "one was tried");
    subject.attempted(delivered, endpoint, 200);
    for _ in 0..10 {
        subject.attempted(failing, endpoint, 500);
    }
    subject.done(park(waiting, endpoint, NOON_MS));
    let counts = ever(subject, endpoint);
    let expected = Counts {
        accepted: 3,
        succeeded: 1,
        failed: 1,
        canceled: 0,
        retrying: 0,
        attempts_succeeded: 1,
        attempts_failed: 11,
    };
    assert_eq!((counts, counts.waiting()), (expected, 1));
    subject.done(resend(failing, endpoint, NOON_MS));
    let mut tried = subject.tried(failing, endpoint, 200);
    tried.delivery.status = Status::Success;
    subject.done(Op::Tried(Box::new(tried)));
    let counts = ever(subject, endpoint);
    assert_eq!((counts.succeeded, counts.failed, counts.waiting()), (2, 0, 1), "a failed one that arrived at last");
    assert_eq!(subject.attempt_count(application.id, EVER).unwrap(), 13);
}

fn counts_are_of_the_hour_of_the_event_and_of_the_attempt(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let event = subject.accept(&application, &[endpoint]);
    subject.set_clock(NOON_MS + 3 * HOUR_MS);
    subject.attempted(event, endpoint, 200);
    let at = |hours_later: i64| {
        let hour = hour(NOON_MS) + hours_later;
        subject.counts(endpoint, (hour, hour)).unwrap()
    };
    assert_eq!(at(0), Counts { accepted: 1, succeeded: 1, ..Counts::default() });
    assert_eq!(at(3), Counts { attempts_succeeded: 1, ..Counts::default() });
    assert_eq!((at(1), at(2)), Default::default());
}

fn what_is_canceled_or_erased_no_longer_waits(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let [canceled, erased, ended] = [0; 3].map(|_| subject.accept(&application, &[endpoint]));
    subject.done(park(canceled, endpoint, NOON_MS));
    subject.done(Op::Cancel { endpoint, count: 9 });
    subject.attempted(erased, endpoint, 500);
    subject.attempted(ended, endpoint, 200);
    subject.done(set(Change::Expunge(application.id, vec![erased, ended])));
    let counts = ever(subject, endpoint);
    assert_eq!((counts.canceled, counts.succeeded, counts.waiting()), (2, 1, 0));
    let delivery = subject.delivery(erased, endpoint).unwrap();
    assert_eq!((delivery.status, delivery.due_ms), (Status::Canceled, None));
    assert!(subject.due(endpoint, i64::MAX, 9).unwrap().due.is_empty());
    let event = subject.event(application.id, erased).unwrap().unwrap();
    assert!(event.is_expunged() && event.body.is_empty());
    assert_eq!(subject.payloads(&[erased]).unwrap(), [None]);
}

fn what_is_sent_elsewhere_by_hand_counts_there(subject: &Subject) {
    let application = subject.make_application();
    let [own, other] = [0; 2].map(|_| subject.make_endpoint(&application).id);
    let event = subject.accept(&application, &[own]);
    for endpoint in [own, other] {
        subject.done(resend(event, endpoint, NOON_MS));
    }
    assert_eq!((ever(subject, own).accepted, ever(subject, other).accepted), (1, 1));
    let destinations = subject.destinations(event).unwrap();
    assert_eq!(destinations.iter().map(|(endpoint, _)| *endpoint).collect::<Vec<_>>(), [own, other]);
}

fn old_counts_go(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    subject.accept(&application, &[endpoint]);
    for (days, accepted) in [(91, 1), (92, 0)] {
        subject.set_clock(NOON_MS + days * DAY_MS);
        subject.done(Op::Forget);
        assert_eq!(ever(subject, endpoint).accepted, accepted, "after {days} days");
    }
    assert_eq!(COUNT_HOURS, 91 * 24);
    assert_eq!(ever(subject, EndpointId::new(1)), Counts::default());
}
