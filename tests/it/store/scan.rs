//! The scan limit: a filtered list looks at 5,000 rows (1,000 when each costs a second look), says where it stopped, and goes on from there.

use posthaste::delivery::Standing;
use posthaste::event::Event;
use posthaste::id::{ApplicationId, EndpointId, EventId, Id};
use posthaste::store::{
    AttemptRow, AttemptsOf, DeliveryRow, Filter, LOOKED_UP_ROWS_MAX, Listed, Op, Page, SCAN_ROWS_MAX, Store,
};

use super::subject::{Subject, with_type};

ask! {
    a_filtered_list_stops_in_between_and_goes_on,
    a_short_list_is_never_cut,
}

/// How far beyond the limit a store may look, because it reads in slices.
const SLICE_ROWS_MAX: usize = 500;
const ROWS: usize = SCAN_ROWS_MAX + SLICE_ROWS_MAX + 100;

/// As many delivered events as `rows`; the first and the last are rare and failed.
fn filled(subject: &Subject, rows: usize) -> (ApplicationId, EndpointId, Vec<EventId>) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let (mut ops, mut events) = (Vec::new(), Vec::new());
    for place in 0..rows {
        let rare = place == 0 || place == rows - 1;
        let row = with_type(subject.new_event(&application, &[endpoint]), if rare { "rare" } else { "common" }, &[]);
        events.push(row.event.id);
        ops.push(Op::Event(row));
    }
    for (place, &event) in events.iter().enumerate() {
        let status = if place == 0 || place == rows - 1 { 500 } else { 200 };
        ops.push(Op::Tried(Box::new(subject.tried(event, endpoint, status))));
    }
    assert_eq!(subject.commit(ops), []);
    (application.id, endpoint, events)
}

/// A list of the first and the last of so many rows shows one, stops in between, and goes on to the other.
fn check<K: Id, T>(
    (limit, rows_max): (usize, usize),
    id: impl Fn(&T) -> i64,
    list: impl Fn(Page<K>) -> Listed<T>,
    ids: &[i64],
) {
    for descending in [false, true] {
        let place = |id: i64| {
            let place = ids.binary_search(&id).expect("a row");
            if descending { ids.len() - 1 - place } else { place }
        };
        let first = list(Page { after: None, descending, limit });
        let shown: Vec<usize> = first.rows.iter().map(|row| place(id(row))).collect();
        assert_eq!((shown, first.done), (vec![0], false), "descending: {descending}");
        let stopped_at = first.stopped_at.expect("it stopped in between");
        assert!((rows_max..rows_max + SLICE_ROWS_MAX).contains(&(place(stopped_at) + 1)), "{}", place(stopped_at));
        let mut rest = list(Page { after: Some(K::new(stopped_at)), descending, limit });
        while let (true, Some(stopped_at)) = (rest.rows.is_empty(), rest.stopped_at) {
            rest = list(Page { after: Some(K::new(stopped_at)), descending, limit });
        }
        let shown: Vec<usize> = rest.rows.iter().map(|row| place(id(row))).collect();
        assert_eq!((shown, rest.done, rest.stopped_at), (vec![ids.len() - 1], true, None), "descending: {descending}");
    }
}

fn a_filtered_list_stops_in_between_and_goes_on(subject: &Subject) {
    let (application, endpoint, events) = filled(subject, ROWS);
    let ids: Vec<i64> = events.iter().map(|event| event.value()).collect();
    let rare = Filter { event_types: vec!["rare".to_owned()], ..Filter::default() };
    for limit in [2, 250] {
        check(
            (limit, SCAN_ROWS_MAX),
            |event: &Event| event.id.value(),
            |page| subject.events(application, page, &rare, false).unwrap(),
            &ids,
        );
    }
    let page = Page { after: None, descending: false, limit: ROWS };
    let of = AttemptsOf::Endpoint(endpoint);
    let all = subject.attempts(of, page, &Filter::default()).unwrap();
    let mut ids: Vec<i64> = all.rows.iter().map(|row| row.attempt.id.value()).collect();
    let after = all.stopped_at.map(Id::new);
    ids.extend(
        subject
            .attempts(of, Page { after, ..page }, &Filter::default())
            .unwrap()
            .rows
            .iter()
            .map(|row| row.attempt.id.value()),
    );
    assert_eq!(ids.len(), ROWS);
    let failed = Filter { succeeded: Some(false), ..Filter::default() };
    for (filter, rows_max) in [(rare.clone(), LOOKED_UP_ROWS_MAX), (failed, SCAN_ROWS_MAX)] {
        check(
            (250, rows_max),
            |row: &AttemptRow| row.attempt.id.value(),
            |page| subject.attempts(of, page, &filter).unwrap(),
            &ids,
        );
    }
    let failed = Filter { standing: vec![Standing::Sending], ..Filter::default() };
    let store: &dyn Store = &**subject;
    let ids: Vec<i64> = events.iter().map(|event| event.value()).collect();
    for (filter, rows_max) in [(rare, LOOKED_UP_ROWS_MAX), (failed, SCAN_ROWS_MAX)] {
        check(
            (250, rows_max),
            |row: &DeliveryRow| row.event.id.value(),
            |page| store.attempted(endpoint, page, &filter, false).unwrap(),
            &ids,
        );
    }
}

/// A list that fits into one look ends at its end, also when its last page is full.
fn a_short_list_is_never_cut(subject: &Subject) {
    let (application, _, events) = filled(subject, 2_000);
    let list = |limit, event_types: &[&str]| {
        let filter =
            Filter { event_types: event_types.iter().map(|&name| name.to_owned()).collect(), ..Filter::default() };
        let found =
            subject.events(application, Page { after: None, descending: false, limit }, &filter, false).unwrap();
        (found.rows.len(), found.done, found.stopped_at)
    };
    assert_eq!(list(events.len(), &[]), (2_000, true, None));
    assert_eq!(list(1_999, &[]), (1_999, false, None));
    assert_eq!(list(1_998, &["common"]), (1_998, true, None));
    assert_eq!(list(2, &["rare"]), (2, true, None));
    assert_eq!(list(1, &["rare"]), (1, false, None));
}
