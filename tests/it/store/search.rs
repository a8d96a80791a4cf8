//! Searches across an environment: by what an event is, holds and came to, in slices, and never in another environment.

use posthaste::application::Application;
use posthaste::delivery::Standing;
use posthaste::digest;
use posthaste::id::{EventId, Id as _};
use posthaste::store::{Change, Filter, Listed, Op, Page, SCAN_ROWS_MAX, SEARCHED_BYTES_MAX, Search};

use super::lists::check;
use super::subject::{Subject, set};

ask! {
    events_are_found_by_text_status_and_application,
    events_of_many_applications_are_found_among_all_others,
    a_search_stops_in_between_and_goes_on,
}

/// An event that holds this text and goes to an endpoint of its own; gives its row.
fn holding(subject: &Subject, application: &Application, text: &[u8]) -> EventId {
    let endpoint = subject.make_endpoint(application).id;
    let mut row = subject.new_event(application, &[endpoint]);
    row.event.body = text.to_vec().into();
    row.event.sha256 = digest::sha256(text);
    let event = row.event.id;
    subject.done(Op::Event(row));
    event
}

fn found(subject: &Subject, application: &Application, search: &Search) -> Vec<EventId> {
    let page = Page { after: None, descending: false, limit: 50 };
    let found = subject.search(application.environment, page, search).unwrap();
    assert!(found.listed.done && found.listed.rows.iter().all(|event| event.body.is_empty()));
    found.listed.rows.iter().map(|event| event.id).collect()
}

fn events_are_found_by_text_status_and_application(subject: &Subject) {
    let (here, other) = (subject.make_application(), subject.new_application(subject.make_environment("live"), None));
    subject.done(set(Change::Application(other.clone())));
    let neighbour = subject.new_application(here.environment, None);
    subject.done(set(Change::Application(neighbour.clone())));
    let [first, second, third] = [(&here, "a needle\u{e9}"), (&neighbour, "needle"), (&here, "hay")]
        .map(|(owner, text)| holding(subject, owner, text.as_bytes()));
    holding(subject, &other, b"needle");
    let endpoint = subject.destinations(first).unwrap()[0].0;
    subject.done(Op::Tried(Box::new(subject.tried(first, endpoint, 200))));
    let neighbours = subject.destinations(second).unwrap()[0].0;
    subject.done(Op::Tried(Box::new(subject.tried(second, neighbours, 500))));
    let all = Search::default();
    let text = |text: &str| Search { text: Some(text.as_bytes().to_vec()), ..all.clone() };
    let standing = |standing: &[Standing]| {
        let filter = Filter { standing: standing.to_vec(), ..Filter::default() };
        Search { filter, ..all.clone() }
    };
    let of = |owner: &Application| Search { application: Some(owner.id), ..all.clone() };
    for (search, expected) in [
        (all.clone(), vec![first, second, third]),
        (text("needle"), vec![first, second]),
        (text("e\u{e9}"), vec![first]),
        (text("Needle"), vec![]),
        (standing(&[Standing::Success]), vec![first]),
        (standing(&[Standing::Pending]), vec![third]),
        (standing(&[Standing::Sending]), vec![second]),
        (standing(&[Standing::Pending, Standing::Sending]), vec![second, third]),
        (standing(&[Standing::Failed]), vec![]),
        (of(&here), vec![first, third]),
        (of(&other), vec![]),
        (Search { text: text("needle").text, ..of(&here) }, vec![first]),
    ] {
        assert_eq!(found(subject, &here, &search), expected, "{search:?}");
        check(
            &expected,
            |id| *id,
            |page: Page<EventId>| {
                let listed = subject.search(here.environment, page, &search).unwrap().listed;
                Listed {
                    rows: listed.rows.iter().map(|event| event.id).collect(),
                    done: listed.done,
                    stopped_at: listed.stopped_at,
                }
            },
        );
    }
}

/// So many that their events are not merged one by one.
fn events_of_many_applications_are_found_among_all_others(subject: &Subject) {
    let here = subject.make_application();
    let many = (0..1_001).map(|_| set(Change::Application(subject.new_application(here.environment, None)))).collect();
    assert_eq!(subject.commit(many), []);
    let other = subject.new_application(subject.make_environment("live"), None);
    subject.done(set(Change::Application(other.clone())));
    let mut expected = Vec::new();
    for number in 0..1_200 {
        let owner = if number % 3 == 0 { &here } else { &other };
        let event = subject.accept(owner, &[]);
        expected.extend((number % 3 == 0).then_some(event));
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, descending: true, limit: 150 };
        let found = subject.search(here.environment, page, &Search::default()).unwrap();
        seen.extend(found.listed.rows.iter().map(|event| event.id));
        assert!(found.looked_at <= 151);
        if found.listed.done {
            break;
        }
        after = seen.last().copied();
    }
    expected.reverse();
    assert_eq!(seen, expected);
}

fn a_search_stops_in_between_and_goes_on(subject: &Subject) {
    let application = subject.make_application();
    let events: Vec<_> = (0..SCAN_ROWS_MAX + 100).map(|_| subject.new_event(&application, &[])).collect();
    let ids: Vec<_> = events.iter().map(|row| row.event.id).collect();
    assert_eq!(subject.commit(events.into_iter().map(Op::Event).collect()), []);
    let filter = Filter { standing: vec![Standing::Failed], ..Filter::default() };
    let failed = Search { filter, ..Search::default() };
    let slice = |after, search: &Search| {
        let page = Page { after, descending: true, limit: 50 };
        let found = subject.search(application.environment, page, search).unwrap();
        (found.listed.rows.len(), found.listed.done, found.listed.stopped_at, found.looked_at)
    };
    assert_eq!(slice(None, &failed), (0, false, Some(ids[100].value()), SCAN_ROWS_MAX));
    assert_eq!(slice(Some(ids[100]), &failed), (0, true, None, 100));
    // large payloads end a slice sooner
    let large = vec![b'x'; SEARCHED_BYTES_MAX / 4];
    let large: Vec<_> = (0..5).map(|_| holding(subject, &application, &large)).collect();
    let text = Search { text: Some(b"needle".to_vec()), ..Search::default() };
    assert_eq!(slice(None, &text), (0, false, Some(large[1].value()), 4));
    assert_eq!(slice(large.get(1).copied(), &text), (0, true, None, 1 + ids.len()));
}
