//! Attempts: the first of a delivery and the later ones are kept apart and read as one list.

use std::slice;

use posthaste::application::Application;
use posthaste::id::{EndpointId, EventId, Id};
use posthaste::store::{AttemptRow, AttemptsOf, Filter, Listed, Op, Page};

use super::subject::{NOON_MS, Subject, park, resend, with_type};

ask! {
    an_untried_delivery_has_no_attempts,
    attempts_are_narrowed_by_what_came_of_them,
    attempts_are_narrowed_by_what_they_delivered,
    the_first_attempt_and_the_later_ones_are_one_list,
}

/// Two endpoints, two events for both, and their attempts as they happened.
struct Story {
    endpoints: [EndpointId; 2],
    events: [EventId; 2],
    attempts: Vec<AttemptRow>,
}

fn story(subject: &Subject) -> Story {
    let application = subject.make_application();
    let endpoints = [(), ()].map(|()| subject.make_endpoint(&application).id);
    let events = [("paid", "eu"), ("failed", "us")]
        .map(|(event_type, channel)| published(subject, &application, &endpoints, event_type, channel));
    let tries = [
        (0, 0, 500),
        (0, 1, 302),
        (1, 0, 0),
        (0, 0, 404),
        (1, 0, 599),
        (1, 1, 204),
        (0, 0, 200),
        (1, 0, 429),
        (0, 1, 299),
    ];
    let attempts = tries.map(|(event, endpoint, status): (usize, usize, u16)| {
        subject.attempted(events[event], endpoints[endpoint], status)
    });
    Story { endpoints, events, attempts: attempts.into() }
}

fn published(
    subject: &Subject,
    application: &Application,
    endpoints: &[EndpointId],
    event_type: &str,
    channel: &str,
) -> EventId {
    let row = with_type(subject.new_event(application, endpoints), event_type, &[channel]);
    let id = row.event.id;
    subject.done(Op::Event(row));
    id
}

/// Pages of every size, both ways, must show those attempts that `belongs` says.
fn check(subject: &Subject, story: &Story, of: AttemptsOf, filter: &Filter, belongs: impl Fn(&AttemptRow) -> bool) {
    let mut expected: Vec<AttemptRow> = story.attempts.iter().filter(|row| belongs(row)).cloned().collect();
    for descending in [false, true] {
        for limit in 1..=expected.len() + 2 {
            let mut shown = Vec::new();
            let mut after = None;
            loop {
                let page: Listed<AttemptRow> = subject.attempts(of, Page { after, descending, limit }, filter).unwrap();
                assert!(page.rows.len() == limit || page.done, "{limit} at a time, {filter:?}");
                after = page.rows.last().map(|row| row.attempt.id);
                shown.extend(page.rows);
                assert!(shown.len() <= expected.len(), "{limit} at a time, {filter:?}");
                if page.done {
                    break;
                }
            }
            assert_eq!(shown, expected, "{limit} at a time, {filter:?}");
        }
        expected.reverse();
    }
}

/// The same, asked of each event and each endpoint.
fn check_all(subject: &Subject, story: &Story, filter: &Filter, belongs: impl Fn(&AttemptRow) -> bool) {
    for event in story.events {
        check(subject, story, AttemptsOf::Event(event), filter, |row| row.event == event && belongs(row));
    }
    for endpoint in story.endpoints {
        check(subject, story, AttemptsOf::Endpoint(endpoint), filter, |row| row.endpoint == endpoint && belongs(row));
    }
}

fn the_first_attempt_and_the_later_ones_are_one_list(subject: &Subject) {
    let story = story(subject);
    check_all(subject, &story, &Filter::default(), |_| true);
    check(subject, &story, AttemptsOf::Event(subject.id()), &Filter::default(), |_| false);
    check(subject, &story, AttemptsOf::Endpoint(subject.id()), &Filter::default(), |_| false);
}

fn an_untried_delivery_has_no_attempts(subject: &Subject) {
    let application = subject.make_application();
    let [parked, resent] = [(), ()].map(|()| subject.make_endpoint(&application).id);
    let event = subject.accept(&application, &[parked, resent]);
    subject.done(park(event, parked, NOON_MS));
    subject.done(resend(event, resent, NOON_MS));
    let list =
        |of| subject.attempts(of, Page { after: None, descending: false, limit: 10 }, &Filter::default()).unwrap();
    assert_eq!((list(AttemptsOf::Event(event)).rows, list(AttemptsOf::Event(event)).done), (Vec::new(), true));
    assert_eq!(list(AttemptsOf::Endpoint(parked)).rows, []);
    let row = subject.attempted(event, resent, 200);
    assert_eq!(list(AttemptsOf::Event(event)).rows, slice::from_ref(&row));
    assert_eq!(list(AttemptsOf::Endpoint(resent)).rows, [row]);
}

fn attempts_are_narrowed_by_what_came_of_them(subject: &Subject) {
    let story = story(subject);
    for succeeded in [true, false] {
        let filter = Filter { succeeded: Some(succeeded), ..Filter::default() };
        check_all(subject, &story, &filter, |row| (200..300).contains(&row.attempt.status_code) == succeeded);
    }
    for class in [0, 100, 200, 300, 400, 500] {
        let filter = Filter { status_class: Some(class), ..Filter::default() };
        check_all(subject, &story, &filter, |row| (class..class + 100).contains(&row.attempt.status_code));
        let both = Filter { succeeded: Some(false), ..filter };
        check_all(subject, &story, &both, |row| {
            class != 200 && (class..class + 100).contains(&row.attempt.status_code)
        });
    }
}

fn attempts_are_narrowed_by_what_they_delivered(subject: &Subject) {
    let story = story(subject);
    let [paid, failed] = story.events;
    for endpoint in story.endpoints {
        let filter = Filter { endpoint: Some(endpoint), ..Filter::default() };
        check_all(subject, &story, &filter, |row| row.endpoint == endpoint);
    }
    for (event_type, event) in [("paid", paid), ("failed", failed)] {
        let filter = Filter { event_types: vec![event_type.to_owned()], ..Filter::default() };
        check_all(subject, &story, &filter, |row| row.event == event);
    }
    let filter = Filter { channel: Some("us".to_owned()), ..Filter::default() };
    check_all(subject, &story, &filter, |row| row.event == failed);
    let filter = Filter { event_types: vec!["paid".to_owned()], channel: Some("us".to_owned()), ..Filter::default() };
    check_all(subject, &story, &filter, |_| false);

    let (low, high) = (story.attempts[2].attempt.id, story.attempts[6].attempt.id);
    let filter = Filter { above: Some(low.value()), below: Some(high.value()), ..Filter::default() };
    check_all(subject, &story, &filter, |row| row.attempt.id > low && row.attempt.id < high);
    let filter = Filter { succeeded: Some(false), ..filter };
    check_all(subject, &story, &filter, |row| {
        row.attempt.id > low && row.attempt.id < high && row.attempt.status_code != 204
    });
}
