//! Deliveries: the row that the first outcome writes, and how each operation moves it.

use posthaste::attempt::Trigger;
use posthaste::delivery::{Delivery, Status};
use posthaste::endpoint::{Endpoint, State};
use posthaste::id::{EndpointId, EventId};
use posthaste::retry;
use posthaste::store::{Change, Op, Tried};

use super::subject::{DAY_MS, MINUTE_MS, NOON_MS, Subject, park, resend, set};

ask! {
    a_canceled_delivery_that_was_in_flight_keeps_its_last_attempt,
    a_delivery_goes_down_the_ladder,
    a_parked_delivery_waits_untried,
    parking_spares_a_delivery_that_has_a_row,
    a_resend_makes_a_delivery_due_whatever_its_state,
    a_resent_delivery_keeps_its_final_state,
    canceling_ends_what_waits_slice_by_slice,
    deliveries_are_listed_by_endpoint_and_only_with_rows,
}

/// An application with one endpoint, and an event for it.
fn story(subject: &Subject) -> (Endpoint, EventId) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let event = subject.accept(&application, &[endpoint.id]);
    (endpoint, event)
}

/// When a delivery is due, by its row and by its line in the index; both must agree.
fn due_ms(subject: &Subject, event: EventId, endpoint: EndpointId) -> Option<i64> {
    let row = subject.delivery(event, endpoint).and_then(|delivery| delivery.due_ms);
    let lines = subject.due(endpoint, i64::MAX, 100).unwrap().due;
    let mut lines = lines.into_iter().filter(|due| due.event == event);
    let line = lines.next().map(|due| {
        assert_eq!(Some(due.delivery), subject.delivery(event, endpoint));
        due.delivery.due_ms.unwrap()
    });
    assert_eq!((row, lines.next()), (line, None));
    line
}

fn a_delivery_goes_down_the_ladder(subject: &Subject) {
    let (endpoint, event) = story(subject);
    for attempts in 1..=10 {
        let tried = subject.tried(event, endpoint.id, 500);
        subject.done(Op::Tried(Box::new(tried.clone())));
        let delivery = subject.delivery(event, endpoint.id).unwrap();
        assert_eq!((delivery, delivery.attempts), (tried.delivery, attempts));
        let wait_secs = retry::STANDARD.waits_secs.get(usize::try_from(attempts).unwrap() - 1);
        let expected = wait_secs.map(|&secs| subject.wall_ms() + i64::from(secs) * 1_000);
        assert_eq!(due_ms(subject, event, endpoint.id), expected);
        subject.set_clock(expected.unwrap_or(NOON_MS));
    }
    assert_eq!(subject.delivery(event, endpoint.id).unwrap().status, Status::Failed);
    assert_eq!(subject.backlog().unwrap().waiting, 0);
}

fn a_parked_delivery_waits_untried(subject: &Subject) {
    let (endpoint, event) = story(subject);
    subject.done(park(event, endpoint.id, NOON_MS + 5));
    assert_eq!(subject.delivery(event, endpoint.id), Some(Delivery::fresh(NOON_MS + 5)));
    assert_eq!(due_ms(subject, event, endpoint.id), Some(NOON_MS + 5));
    subject.attempted(event, endpoint.id, 204);
    let delivered =
        Delivery { status: Status::Success, attempts: 1, step: 1, due_ms: None, trigger: Trigger::Scheduled };
    assert_eq!(subject.delivery(event, endpoint.id), Some(delivered));
    assert_eq!(due_ms(subject, event, endpoint.id), None);
}

fn parking_spares_a_delivery_that_has_a_row(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    for status in STATES.into_iter().flatten().map(Some) {
        let event = subject.accept(&application, &[endpoint.id]);
        brought_to(subject, &endpoint, event, status);
        let (before, due_before_ms) = (subject.delivery(event, endpoint.id), due_ms(subject, event, endpoint.id));
        subject.done(park(event, endpoint.id, NOON_MS + 1));
        assert_eq!(subject.delivery(event, endpoint.id), before);
        assert_eq!(due_ms(subject, event, endpoint.id), due_before_ms);
    }
}

/// Brings a new delivery into a state; `None` is one without a row.
fn brought_to(subject: &Subject, endpoint: &Endpoint, event: EventId, status: Option<Status>) {
    match status {
        None => {}
        Some(Status::Pending) => drop(subject.attempted(event, endpoint.id, 500)),
        Some(Status::Success) => drop(subject.attempted(event, endpoint.id, 200)),
        Some(Status::Failed) => (0..10).for_each(|_| drop(subject.attempted(event, endpoint.id, 500))),
        Some(Status::Canceled) => {
            subject.attempted(event, endpoint.id, 500);
            subject.done(Op::Cancel { endpoint: endpoint.id, count: 99 });
        }
    }
    assert_eq!(subject.delivery(event, endpoint.id).map(|delivery| delivery.status), status);
}

const STATES: [Option<Status>; 5] =
    [None, Some(Status::Pending), Some(Status::Success), Some(Status::Failed), Some(Status::Canceled)];

fn a_resend_makes_a_delivery_due_whatever_its_state(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    for status in STATES {
        let event = subject.accept(&application, &[endpoint.id]);
        brought_to(subject, &endpoint, event, status);
        let before = subject.delivery(event, endpoint.id);
        for due_at_ms in [NOON_MS + 7, NOON_MS + 3] {
            subject.done(resend(event, endpoint.id, due_at_ms));
            assert_eq!(due_ms(subject, event, endpoint.id), Some(due_at_ms), "{status:?}");
            let expected = before.unwrap_or(Delivery::fresh(due_at_ms));
            let expected = Delivery { due_ms: Some(due_at_ms), trigger: Trigger::Manual, ..expected };
            assert_eq!(subject.delivery(event, endpoint.id), Some(expected), "{status:?}");
        }
        subject.attempted(event, endpoint.id, 200);
        let after = subject.delivery(event, endpoint.id).unwrap();
        assert_eq!(
            (after.status, after.due_ms, after.trigger),
            (Status::Success, None, Trigger::Scheduled),
            "{status:?}"
        );
        assert_eq!(due_ms(subject, event, endpoint.id), None);
    }
}

fn a_resent_delivery_keeps_its_final_state(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    for status in STATES {
        let event = subject.accept(&application, &[endpoint.id]);
        brought_to(subject, &endpoint, event, status);
        subject.done(resend(event, endpoint.id, NOON_MS));
        subject.attempted(event, endpoint.id, 500);
        let after = subject.delivery(event, endpoint.id).unwrap();
        assert_eq!(after.status, status.unwrap_or(Status::Pending));
        assert_eq!(due_ms(subject, event, endpoint.id).is_some(), after.status == Status::Pending, "{status:?}");
    }
}

fn canceling_ends_what_waits_slice_by_slice(subject: &Subject) {
    let application = subject.make_application();
    let (endpoint, other) = (subject.make_endpoint(&application), subject.make_endpoint(&application));
    let events: Vec<EventId> = (0..5).map(|_| subject.accept(&application, &[endpoint.id, other.id])).collect();
    subject.attempted(events[0], endpoint.id, 200);
    subject.done(resend(events[0], endpoint.id, NOON_MS + DAY_MS));
    for (position, &event) in events[1..].iter().enumerate() {
        let minutes = i64::try_from(4 - position).unwrap();
        subject.done(park(event, endpoint.id, NOON_MS + minutes * MINUTE_MS));
        subject.done(park(event, other.id, NOON_MS));
    }
    subject.done(set(Change::Endpoint(Endpoint { state: State::Deleted, revision: 2, ..endpoint.clone() })));
    // the earliest first; the sent one, resent, is due last
    for (count, canceled) in [(0, 0), (2, 2), (1, 3), (9, 4), (9, 4)] {
        subject.done(Op::Cancel { endpoint: endpoint.id, count });
        let statuses = events[1..].iter().map(|&event| subject.delivery(event, endpoint.id).unwrap().status);
        let expected: Vec<_> =
            (0..4).map(|position| if position >= 4 - canceled { Status::Canceled } else { Status::Pending }).collect();
        assert_eq!(statuses.collect::<Vec<_>>(), expected, "after {count} more");
    }
    let resent = subject.delivery(events[0], endpoint.id).unwrap();
    assert_eq!((resent.status, resent.due_ms, resent.attempts), (Status::Success, None, 1));
    assert_eq!(subject.due(endpoint.id, i64::MAX, 10).unwrap().due, []);
    assert_eq!(subject.due(other.id, i64::MAX, 10).unwrap().due.len(), 4);
    assert_eq!(subject.backlog().unwrap().waiting, 4);
}

fn a_canceled_delivery_that_was_in_flight_keeps_its_last_attempt(subject: &Subject) {
    let (endpoint, event) = story(subject);
    subject.done(park(event, endpoint.id, NOON_MS));
    let tried = subject.tried(event, endpoint.id, 500);
    subject.done(Op::Cancel { endpoint: endpoint.id, count: 1 });
    let delivery = Delivery { status: Status::Canceled, due_ms: None, ..tried.delivery };
    subject.done(Op::Tried(Box::new(Tried { delivery, ..tried })));
    assert_eq!(subject.delivery(event, endpoint.id), Some(delivery));
    assert_eq!(due_ms(subject, event, endpoint.id), None);
}

fn deliveries_are_listed_by_endpoint_and_only_with_rows(subject: &Subject) {
    let application = subject.make_application();
    let endpoints = [(), (), ()].map(|()| subject.make_endpoint(&application).id);
    let [event, other] = [(), ()].map(|()| subject.accept(&application, &endpoints));
    assert_eq!(subject.deliveries(event).unwrap(), []);
    subject.attempted(event, endpoints[2], 200);
    subject.done(park(event, endpoints[0], NOON_MS));
    subject.done(park(other, endpoints[1], NOON_MS));
    let listed: Vec<_> = subject.deliveries(event).unwrap().into_iter().map(|(endpoint, _)| endpoint).collect();
    assert_eq!(listed, [endpoints[0], endpoints[2]]);
    assert_eq!(subject.deliveries(subject.id()).unwrap(), []);
}
