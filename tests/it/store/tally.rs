//! What a source's requests came to: sums, silences, outages, and the quarantine.

use posthaste::id::{EndpointId, EventId};
use posthaste::inbound::Refusal;
use posthaste::quarantine::Quarantined;
use posthaste::source::{Source, SourceStats};
use posthaste::store::{Change, Op, Page, QUARANTINED_MAX, Turned};

use super::receiving::moved;
use super::replay::slice;
use super::subject::{DAY_MS, HOUR_MS, NOON_MS, Subject, park, set};

ask! {
    a_full_quarantine_keeps_no_more_and_counts_on,
    a_poller_that_commits_has_processed_what_lies_between,
    a_source_that_never_heard_anything_has_no_stats,
    an_event_is_processed_once_whoever_takes_it,
    an_event_is_processed_when_an_endpoint_of_its_source_takes_it,
    an_event_that_is_replayed_is_processed_once,
    an_outage_takes_the_place_of_the_one_before,
    pings_and_refusals_add_up,
    quarantine_is_shown_page_by_page,
    quarantine_keeps_a_body_once,
    the_usual_silence_is_the_longest_of_two_weeks,
}

fn a_source(subject: &Subject) -> Source {
    subject.make_source(subject.make_environment("test")).0
}

fn a_source_that_never_heard_anything_has_no_stats(subject: &Subject) {
    assert_eq!(subject.stats(&a_source(subject)), SourceStats::default());
    assert_eq!(subject.source_stats(subject.id()).unwrap(), SourceStats::default());
}

fn pings_and_refusals_add_up(subject: &Subject) {
    let source = a_source(subject);
    let other = subject.make_source(source.environment).0;
    let turned = |pings, refused: &[(Refusal, u64)]| {
        Op::Turned(Turned { source: source.id, pings, refused: refused.to_vec(), last: Vec::new() })
    };
    let all: Vec<_> = Refusal::ALL.into_iter().zip(1..).collect();
    subject.commit(vec![turned(2, &[]), turned(0, &[(Refusal::Stale, 3), (Refusal::BadSignature, 1)])]);
    subject.commit(vec![turned(1, &[(Refusal::Stale, 4)]), turned(0, &[])]);
    let refused = [(Refusal::Stale, 7), (Refusal::BadSignature, 1)].into();
    let expected = SourceStats { pings: 3, refused, ..SourceStats::default() };
    assert_eq!(subject.stats(&source), expected);
    subject.done(turned(0, &all));
    assert_eq!(subject.stats(&source).refused.len(), Refusal::ALL.len());
    assert_eq!(subject.stats(&source).refused[&Refusal::MalformedBody], 10);
    assert_eq!(subject.stats(&other), SourceStats::default());
}

fn an_outage_takes_the_place_of_the_one_before(subject: &Subject) {
    let source = a_source(subject);
    let outage = |since_ms, until_ms| Op::Outage { source: source.id, since_ms, until_ms };
    for (since_ms, until_ms) in [(NOON_MS, NOON_MS + 9), (7, 8)] {
        subject.done(outage(since_ms, until_ms));
        assert_eq!(subject.stats(&source).outage, Some((since_ms, until_ms)));
        subject.arrive(&source, &since_ms.to_string(), "{}").unwrap();
        assert_eq!(subject.stats(&source).outage, Some((since_ms, until_ms)));
    }
}

/// Hours since the beginning of a week.
fn the_usual_silence_is_the_longest_of_two_weeks(subject: &Subject) {
    let environment = subject.make_environment("test");
    let week_ms = 7 * DAY_MS;
    let monday_ms = NOON_MS.div_euclid(week_ms) * week_ms;
    for (hours, usual_hours) in [
        (&[5][..], None),
        (&[5, 5], Some(0)),
        (&[0, 30, 31, 40], Some(30)),
        (&[0, 30, 168], Some(138)),
        (&[0, 100, 168, 170, 300, 336], Some(130)),
        (&[0, 1, 400, 401], Some(399)),
        (&[0, 10, 5, 12], Some(10)),
    ] {
        let source = subject.make_source(environment).0;
        for (number, hour) in hours.iter().enumerate() {
            subject.set_clock(monday_ms + hour * HOUR_MS);
            subject.arrive(&source, &number.to_string(), "{}").unwrap();
            // what is no new event ends no silence
            subject.set_clock(monday_ms + hour * HOUR_MS + 1);
            subject.arrive(&source, &number.to_string(), "{}").unwrap_err();
            subject.done(Op::Turned(Turned { source: source.id, pings: 1, refused: Vec::new(), last: Vec::new() }));
        }
        let stats = subject.stats(&source);
        assert_eq!(stats.usual_silence_ms, usual_hours.map(|hours: i64| hours * HOUR_MS), "{hours:?}");
        assert_eq!(stats.last_ms, hours.iter().max().map(|hour| monday_ms + hour * HOUR_MS));
    }
}

/// An inbound event for these endpoints.
fn arrive_for(subject: &Subject, source: &Source, key: &str, endpoints: &[EndpointId]) -> EventId {
    let row = subject.arriving(source, key, "{}", endpoints);
    let id = row.event.id;
    subject.done(Op::Event(row));
    id
}

fn an_event_is_processed_when_an_endpoint_of_its_source_takes_it(subject: &Subject) {
    let (source, own) = subject.make_source(subject.make_environment("test"));
    let [one, two] = [(), ()].map(|()| subject.make_endpoint(&own).id);
    let processed = || subject.stats(&source).processed;
    let event = arrive_for(subject, &source, "evt_1", &[one, two]);
    subject.attempted(event, one, 500);
    subject.done(park(event, two, NOON_MS));
    assert_eq!(processed(), 0);
    subject.attempted(event, one, 204);
    assert_eq!(processed(), 1);
    subject.attempted(event, two, 200);
    assert_eq!(processed(), 1, "once for an event, however many take it");
    subject.attempted(event, one, 200);
    assert_eq!(processed(), 1);

    // in one batch with the event
    let row = subject.arriving(&source, "evt_2", "{}", &[one]);
    let tried = subject.tried(row.event.id, one, 200);
    subject.commit(vec![Op::Event(row), Op::Tried(Box::new(tried))]);
    assert_eq!(processed(), 2);

    // what was published elsewhere counts nowhere
    let plain = subject.new_application(source.environment, None);
    subject.done(set(Change::Application(plain.clone())));
    let endpoint = subject.make_endpoint(&plain).id;
    let event = subject.accept(&plain, &[endpoint]);
    subject.attempted(event, endpoint, 200);
    assert_eq!(processed(), 2);
}

fn a_poller_that_commits_has_processed_what_lies_between(subject: &Subject) {
    let source = a_source(subject);
    let other = subject.make_source(source.environment).0;
    let events: Vec<_> = (0..6)
        .map(|number| {
            subject.arrive(&other, &number.to_string(), "{}").unwrap();
            subject.arrive(&source, &number.to_string(), "{}").unwrap()
        })
        .collect();
    let place = |name: &str| subject.consumer(source.application, "ledger", name).unwrap();
    for (name, to, commits, processed) in [
        ("one", 1, true, 2),
        ("one", 1, true, 2),
        ("one", 2, false, 2),
        ("one", 3, true, 3),
        ("two", 0, true, 3),
        ("one", 0, false, 3),
        ("one", 3, true, 4),
        ("two", 5, true, 6),
        ("one", 2, true, 6),
    ] {
        subject.done(moved(&source, name, events[to], commits));
        assert_eq!(place(name), Some(events[to]));
        assert_eq!(subject.stats(&source).processed, processed, "{name} to {to}");
    }
    assert_eq!(subject.stats(&other).processed, 0);
    assert_eq!(place("three"), None);
    assert_eq!(subject.consumer(source.application, "another", "one").unwrap(), None);
    assert_eq!(subject.consumer(other.application, "ledger", "one").unwrap(), None);
}

fn an_event_is_processed_once_whoever_takes_it(subject: &Subject) {
    let (source, own) = subject.make_source(subject.make_environment("test"));
    let endpoint = subject.make_endpoint(&own).id;
    let [first, second] = ["evt_1", "evt_2"].map(|key| arrive_for(subject, &source, key, &[endpoint]));
    subject.attempted(first, endpoint, 200);
    subject.done(moved(&source, "one", second, true));
    assert_eq!(subject.stats(&source).processed, 2);
    subject.attempted(second, endpoint, 200);
    assert_eq!(subject.stats(&source).processed, 2);

    // what is sent once more, and fails, was taken all the same
    let resend = |event| subject.done(super::subject::resend(event, endpoint, NOON_MS));
    for status_code in [500, 200] {
        resend(first);
        subject.attempted(first, endpoint, status_code);
    }
    subject.done(moved(&source, "two", second, true));
    assert_eq!(subject.stats(&source).processed, 2);
}

fn an_event_that_is_replayed_is_processed_once(subject: &Subject) {
    let environment = subject.make_environment("test");
    let (source, own) = subject.make_source(environment);
    let [one, two] = [(), ()].map(|()| subject.make_endpoint(&own));
    let event = arrive_for(subject, &source, "evt_1", &[one.id]);
    subject.attempted(event, one.id, 200);
    for endpoint in [&one, &two] {
        let replay = subject.new_replay(endpoint, environment);
        subject.done(set(Change::Replay(Box::new(replay.clone()))));
        subject.done(slice(&replay, &[event], true));
        subject.attempted(event, endpoint.id, 200);
        assert_eq!(subject.stats(&source).processed, 1);
    }
}

fn quarantined(subject: &Subject, source: &Source) -> Vec<Quarantined> {
    let page = Page { after: None, descending: false, limit: 2 * QUARANTINED_MAX };
    subject.quarantined(source.id, page).unwrap().rows.into_iter().map(|(_, row)| row).collect()
}

fn quarantine_keeps_a_body_once(subject: &Subject) {
    let source = a_source(subject);
    let other = subject.make_source(source.environment).0;
    let keep = |source: &Source, body: &str| {
        let quarantined = subject.not_understood(source, body);
        subject.done(Op::Quarantine(Box::new(quarantined.clone())));
        quarantined
    };
    let first = keep(&source, "[]");
    subject.set_clock(NOON_MS + DAY_MS);
    keep(&source, "[]");
    let second = keep(&source, "\0not even json");
    let of_other = keep(&other, "[]");
    let again = subject.not_understood(&source, "[]");
    subject.commit(vec![Op::Quarantine(Box::new(again.clone())), Op::Quarantine(Box::new(again))]);
    assert_eq!(quarantined(subject, &source), [Quarantined { count: 4, ..first }, second]);
    assert_eq!(quarantined(subject, &other), [of_other]);
    assert_eq!([&source, &other].map(|source| subject.stats(source).quarantined), [2, 1]);
    assert_eq!(subject.stats(&source).accepted, 0);
}

fn a_full_quarantine_keeps_no_more_and_counts_on(subject: &Subject) {
    let source = a_source(subject);
    let keep = |number: usize| Op::Quarantine(Box::new(subject.not_understood(&source, &number.to_string())));
    assert_eq!(subject.commit((0..QUARANTINED_MAX).map(keep).collect()), []);
    let full = quarantined(subject, &source);
    assert_eq!(full.len(), QUARANTINED_MAX);
    assert_eq!(subject.commit(vec![keep(QUARANTINED_MAX), keep(QUARANTINED_MAX), keep(0)]), []);
    let now = quarantined(subject, &source);
    assert_eq!((now[0].count, &now[1..]), (2, &full[1..]));
    assert_eq!(subject.stats(&source).quarantined, QUARANTINED_MAX as u64 + 2);
    let other = subject.make_source(source.environment).0;
    subject.done(Op::Quarantine(Box::new(subject.not_understood(&other, "[]"))));
    assert_eq!(quarantined(subject, &other).len(), 1);
}

fn quarantine_is_shown_page_by_page(subject: &Subject) {
    let source = a_source(subject);
    let other = subject.make_source(source.environment).0;
    for number in 0..5 {
        for source in [&source, &other] {
            subject.done(Op::Quarantine(Box::new(subject.not_understood(source, &number.to_string()))));
        }
    }
    let page = Page { after: None, descending: false, limit: 100 };
    let expected = subject.quarantined(source.id, page).unwrap().rows;
    assert_eq!(expected.iter().map(|(_, row)| &row.body[..]).collect::<Vec<_>>(), [b"0", b"1", b"2", b"3", b"4"]);
    super::lists::check(&expected, |row| row.0, |page| subject.quarantined(source.id, page).unwrap());
}
