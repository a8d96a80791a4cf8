//! Recovery: deliveries without rows are found again, whatever the size of a slice.

use posthaste::fan_out::Keyed;
use posthaste::id::{EndpointId, EventId, Id};

use super::subject::{NOON_MS, Subject, park, resend};

ask! {
    a_delivery_with_a_row_is_not_found_again,
    slices_begin_at_the_mark_and_go_on_to_the_end,
}

type Deliveries = Vec<(EventId, Vec<EndpointId>)>;

/// All that has no row, in slices of `limit` events.
fn unwritten(subject: &Subject, from: EventId, limit: usize) -> Deliveries {
    let (mut found, mut next) = (Vec::new(), Some(from));
    while let Some(from) = next {
        let slice = subject.unwritten(from, limit).unwrap();
        assert!(slice.deliveries.len() <= limit && slice.next.is_none_or(|next| next > from));
        let ids = |keyed: Vec<Keyed>| keyed.into_iter().map(|(endpoint, _)| endpoint).collect();
        found.extend(slice.deliveries.into_iter().map(|(event, keyed)| (event, ids(keyed))));
        next = slice.next;
    }
    found
}

fn a_delivery_with_a_row_is_not_found_again(subject: &Subject) {
    let application = subject.make_application();
    let endpoints = [(), (), (), ()].map(|()| subject.make_endpoint(&application).id);
    let [one, two, three, four] = endpoints;
    let event = subject.accept(&application, &endpoints);
    let found = || unwritten(subject, EventId::new(0), 10);
    assert_eq!(found(), [(event, vec![one, two, three, four])]);
    subject.attempted(event, two, 500);
    assert_eq!(found(), [(event, vec![one, three, four])]);
    subject.done(park(event, one, NOON_MS));
    assert_eq!(found(), [(event, vec![three, four])]);
    subject.done(resend(event, four, NOON_MS));
    assert_eq!(found(), [(event, vec![three])]);
    subject.attempted(event, three, 200);
    assert_eq!(found(), []);
}

fn slices_begin_at_the_mark_and_go_on_to_the_end(subject: &Subject) {
    assert_eq!(unwritten(subject, EventId::new(0), 1), []);
    let application = subject.make_application();
    let [one, two] = [(), ()].map(|()| subject.make_endpoint(&application).id);
    // the fourth and the fifth get rows
    let fan_outs: [&[EndpointId]; 8] = [&[one], &[], &[one, two], &[one], &[two], &[], &[two], &[]];
    let events = fan_outs.map(|endpoints| subject.accept(&application, endpoints));
    subject.attempted(events[3], one, 200);
    subject.attempted(events[4], two, 500);
    let all: Deliveries = vec![(events[0], vec![one]), (events[2], vec![one, two]), (events[6], vec![two])];
    for limit in 1..=9 {
        assert_eq!(unwritten(subject, EventId::new(0), limit), all, "slices of {limit}");
        assert_eq!(unwritten(subject, events[0], limit), all, "slices of {limit}");
        assert_eq!(unwritten(subject, events[1], limit), all[1..], "slices of {limit}");
        assert_eq!(unwritten(subject, events[6], limit), all[2..], "slices of {limit}");
        assert_eq!(unwritten(subject, subject.id(), limit), [], "slices of {limit}");
    }
}
