//! The due index: what is due when, in slices, and what waits in all.

use posthaste::delivery::{Ahead, Delivery};
use posthaste::id::{EndpointId, EventId};
use posthaste::store::{Backlog, Op, Tried};

use super::subject::{NOON_MS, Subject, park, resend};

ask! {
    a_clock_that_was_ahead_leaves_nothing_due_later_than_it_can_wait,
    a_slice_ends_at_its_time_or_at_its_limit,
    each_endpoint_has_its_own_lines,
    lines_of_one_moment_come_in_the_order_of_their_events,
    the_backlog_counts_lines_and_knows_the_oldest_event,
}

/// Parks new events, one for each time after noon, in this order.
fn parked(subject: &Subject, times: &[i64]) -> (EndpointId, Vec<EventId>) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let events = times.iter().map(|after_ms| {
        let event = subject.accept(&application, &[endpoint]);
        subject.done(park(event, endpoint, NOON_MS + after_ms));
        event
    });
    (endpoint, events.collect())
}

fn a_slice_ends_at_its_time_or_at_its_limit(subject: &Subject) {
    let (endpoint, events) = parked(subject, &[30, 10, 20, 20]);
    let order = [events[1], events[2], events[3], events[0]];
    let times = [10, 20, 20, 30];
    for (until_ms, limit, count, next_ms) in [
        (9, 10, 0, Some(10)),
        (10, 10, 1, Some(20)),
        (20, 10, 3, Some(30)),
        (20, 3, 3, Some(30)),
        (20, 2, 2, Some(20)),
        (30, 1, 1, Some(20)),
        (30, 4, 4, None),
        (30, 3, 3, Some(30)),
        (99, 10, 4, None),
        (99, 0, 0, Some(10)),
    ] {
        let slice = subject.due(endpoint, NOON_MS + until_ms, limit).unwrap();
        let found: Vec<_> = slice.due.iter().map(|due| (due.event, due.endpoint, due.delivery)).collect();
        let expected: Vec<_> =
            (0..count).map(|place| (order[place], endpoint, Delivery::fresh(NOON_MS + times[place]))).collect();
        assert_eq!(found, expected, "until {until_ms}, {limit} at most");
        assert_eq!(slice.next_ms, next_ms.map(|after_ms| NOON_MS + after_ms), "until {until_ms}, {limit} at most");
    }
}

/// More lines than one read looks at, each three days too late.
fn a_clock_that_was_ahead_leaves_nothing_due_later_than_it_can_wait(subject: &Subject) {
    const AHEAD_MS: i64 = 3 * 86_400_000;
    let late: Vec<_> = (0..1_100).map(|place| AHEAD_MS + place).collect();
    let (endpoint, events) = parked(subject, &late);
    let tried = subject.tried(events[0], endpoint, 500);
    let delivery = Delivery { due_ms: Some(NOON_MS + AHEAD_MS + 5_000), ..tried.delivery };
    subject.done(Op::Tried(Box::new(Tried { delivery, was_due_ms: Some(NOON_MS + late[0]), ..tried })));
    let ahead = Ahead { now_ms: NOON_MS, last_ms: NOON_MS + AHEAD_MS };
    let hasten = || Op::Hasten { endpoint, ahead, waits_ms: vec![6_000, 360_000] };
    for _ in 0..2 {
        subject.done(hasten());
        assert_eq!(subject.due(endpoint, NOON_MS, 9_999).unwrap().due.len(), late.len() - 1, "nobody tried these");
        assert_eq!(subject.due(endpoint, NOON_MS + 6_000, 9_999).unwrap().due.len(), late.len());
        let waits = subject.delivery(events[0], endpoint).unwrap();
        assert_eq!((waits.due_ms, waits.attempts), (Some(NOON_MS + 6_000), 1));
    }
}

fn lines_of_one_moment_come_in_the_order_of_their_events(subject: &Subject) {
    let (endpoint, mut events) = parked(subject, &[5, 0, 0, 0]);
    subject.done(resend(events[0], endpoint, NOON_MS));
    let due = subject.due(endpoint, NOON_MS, 10).unwrap().due;
    events.sort_unstable();
    assert_eq!(due.iter().map(|due| due.event).collect::<Vec<_>>(), events);
}

fn each_endpoint_has_its_own_lines(subject: &Subject) {
    let application = subject.make_application();
    let [one, two, idle] = [(), (), ()].map(|()| subject.make_endpoint(&application).id);
    let event = subject.accept(&application, &[one, two]);
    subject.done(park(event, one, NOON_MS + 1));
    subject.done(park(event, two, NOON_MS + 2));
    for (endpoint, due_ms) in [(one, Some(NOON_MS + 1)), (two, Some(NOON_MS + 2)), (idle, None)] {
        let slice = subject.due(endpoint, NOON_MS + 2, 10).unwrap();
        assert_eq!(slice.due.first().and_then(|due| due.delivery.due_ms), due_ms);
        assert_eq!((slice.due.len(), slice.next_ms), (usize::from(due_ms.is_some()), None));
    }
    subject.attempted(event, one, 200);
    assert_eq!(subject.due(one, NOON_MS + 9, 10).unwrap().due, []);
    assert_eq!(subject.due(two, NOON_MS + 9, 10).unwrap().due.len(), 1);
    assert_eq!(subject.opening(NOON_MS).unwrap().due, [(two, NOON_MS + 2)]);
}

fn the_backlog_counts_lines_and_knows_the_oldest_event(subject: &Subject) {
    assert_eq!(subject.backlog().unwrap(), Backlog::default());
    let (endpoint, events) = parked(subject, &[30, 10, 20]);
    assert_eq!(subject.backlog().unwrap(), Backlog { waiting: 3, oldest: Some(events[0]) });
    subject.attempted(events[0], endpoint, 200);
    assert_eq!(subject.backlog().unwrap(), Backlog { waiting: 2, oldest: Some(events[1]) });
    subject.attempted(events[1], endpoint, 500);
    assert_eq!(subject.backlog().unwrap(), Backlog { waiting: 2, oldest: Some(events[1]) });
    subject.done(Op::Cancel { endpoint, count: 9 });
    assert_eq!(subject.backlog().unwrap(), Backlog::default());
}
