//! The last requests that a door turned away: so many and no more, as long as their source lives.

use std::net::IpAddr;

use posthaste::inbound::{Refusal, RefusedRequest};
use posthaste::source::Source;
use posthaste::store::{LAST_REFUSED_MAX, Op, Page, Turned};

use super::receiving::changed;
use super::subject::{NOON_MS, Subject};

ask! {
    a_closed_door_remembers_nobody,
    refusals_are_shown_page_by_page,
    the_last_refusals_of_each_door_are_remembered,
}

/// A request that was refused at this moment.
pub fn refused(at_ms: i64, reason: Refusal) -> RefusedRequest {
    let address = if at_ms % 2 == 0 { IpAddr::from([203, 0, 113, 7]) } else { "2001:db8::1".parse().unwrap() };
    RefusedRequest { at_ms, reason, address }
}

/// Requests that were refused in each ms, from this one to that.
fn several(from: i64, to: i64) -> Vec<RefusedRequest> {
    let reasons = Refusal::ALL.into_iter().cycle();
    (from..to).zip(reasons).map(|(number, reason)| refused(NOON_MS + number, reason)).collect()
}

/// The door turned these away.
pub fn turned(source: &Source, last: &[RefusedRequest]) -> Op {
    let counted = last.iter().map(|request| (request.reason, 1)).collect();
    Op::Turned(Turned { source: source.id, pings: 0, refused: counted, last: last.to_vec() })
}

fn remembered(subject: &Subject, source: &Source) -> Vec<RefusedRequest> {
    let page = Page { after: None, descending: false, limit: 2 * LAST_REFUSED_MAX };
    subject.refused(source.id, page).unwrap().rows.into_iter().map(|(_, request)| request).collect()
}

fn the_last_refusals_of_each_door_are_remembered(subject: &Subject) {
    let source = subject.make_source(subject.make_environment("test")).0;
    let other = subject.make_source(source.environment).0;
    assert_eq!(remembered(subject, &source), []);
    subject.done(turned(&source, &several(0, 3)));
    subject.commit(vec![turned(&other, &several(50, 51)), turned(&source, &several(3, 5)), turned(&source, &[])]);
    assert_eq!(
        remembered(subject, &source),
        several(0, 5)[..3].iter().chain(&several(3, 5)).copied().collect::<Vec<_>>()
    );
    for (from, to) in [(5, 25), (25, 26), (26, 45)] {
        subject.done(turned(&source, &several(from, to)));
    }
    let times = |source| remembered(subject, source).iter().map(|request| request.at_ms - NOON_MS).collect::<Vec<_>>();
    assert_eq!(times(&source), (25..45).collect::<Vec<_>>(), "the last 20");
    subject.done(turned(&source, &several(45, 95)));
    assert_eq!(times(&source), (75..95).collect::<Vec<_>>(), "more than that at once");
    assert_eq!(remembered(subject, &other), several(50, 51), "each door has its own");
    assert_eq!(subject.stats(&source).refused.values().sum::<u64>(), 95, "and all are counted");
}

fn refusals_are_shown_page_by_page(subject: &Subject) {
    let source = subject.make_source(subject.make_environment("test")).0;
    let other = subject.make_source(source.environment).0;
    for number in 0..5 {
        for source in [&source, &other] {
            subject.done(turned(source, &several(number, number + 1)));
        }
    }
    let page = Page { after: None, descending: false, limit: 100 };
    let expected = subject.refused(source.id, page).unwrap().rows;
    assert_eq!(expected.len(), 5);
    super::lists::check(&expected, |row| row.0, |page| subject.refused(source.id, page).unwrap());
}

fn a_closed_door_remembers_nobody(subject: &Subject) {
    let source = subject.make_source(subject.make_environment("test")).0;
    let other = subject.make_source(source.environment).0;
    for source in [&source, &other] {
        subject.done(turned(source, &several(0, 3)));
    }
    subject.done(changed(&Source { revision: 2, name: "Renamed".to_owned(), ..source.clone() }));
    assert_eq!(remembered(subject, &source), several(0, 3), "a change forgets nobody");
    subject.done(changed(&Source { revision: 3, deleted: true, ..source.clone() }));
    assert_eq!(remembered(subject, &source), []);
    subject.done(turned(&source, &several(3, 6)));
    assert_eq!(remembered(subject, &source), [], "nor those who came in its last second");
    assert_eq!(subject.stats(&source).refused.values().sum::<u64>(), 6, "they are counted");
    assert_eq!(remembered(subject, &other), several(0, 3));
}
