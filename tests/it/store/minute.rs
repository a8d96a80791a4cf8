//! Minutes: what an environment lately did, and how long its deliveries took, is known without going through them.

use posthaste::application::Application;
use posthaste::count::{Minute, minute};
use posthaste::event::{Event, Extra};
use posthaste::id::{EndpointId, EnvironmentId, Id};
use posthaste::replay::{Kind, Replay};
use posthaste::store::{COUNT_MINUTES, Change, NewRow, Op};

use super::replay::slice;
use super::subject::{MINUTE_MS, NOON_MS, Subject, park, resend, set};

ask! {
    deliveries_of_many_environments_in_one_commit_are_counted_apart,
    minutes_are_those_of_the_event_and_of_the_attempt,
    minutes_go_after_three_hours,
    what_is_canceled_or_made_again_changes_what_waits,
    what_somebody_replayed_or_resent_says_nothing_of_how_long_deliveries_take,
    what_was_to_be_delivered_later_took_its_time_from_then,
}

/// What came to pass in this minute after noon.
fn at(subject: &Subject, environment: EnvironmentId, minutes: i64) -> Minute {
    let minute = minute(NOON_MS) + minutes;
    let rows = subject.minutes(environment, (minute, minute)).unwrap();
    assert!(rows.iter().all(|(at, _)| *at == minute));
    rows.into_iter().next().map(|(_, counts)| counts).unwrap_or_default()
}

/// The same in the figures that are asked about mostly.
fn figures(subject: &Subject, environment: EnvironmentId, minutes: i64) -> [i64; 4] {
    let Minute { accepted, delivered, failed, waiting, .. } = at(subject, environment, minutes);
    [accepted, delivered, failed, waiting]
}

fn pass(subject: &Subject, ms: i64) {
    subject.set_clock(subject.wall_ms() + ms);
}

fn minutes_are_those_of_the_event_and_of_the_attempt(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let [quick, late, lost] = [0; 3].map(|_| subject.accept(&application, &[endpoint]));
    let here = application.environment;
    assert_eq!(figures(subject, here, 0), [3, 0, 0, 3]);
    pass(subject, 12);
    subject.attempted(quick, endpoint, 200);
    subject.attempted(late, endpoint, 500);
    pass(subject, 5 * MINUTE_MS);
    subject.attempted(late, endpoint, 200);
    for _ in 0..10 {
        subject.attempted(lost, endpoint, 500);
    }
    assert_eq!((figures(subject, here, 0), figures(subject, here, 5)), ([3, 1, 0, 0], [0, 1, 1, 0]));
    assert_eq!(at(subject, here, 0).took.quantile(500), Some(12));
    let took = at(subject, here, 5).took;
    assert_eq!(took.count(), 1);
    assert!(took.quantile(500).unwrap().abs_diff(300_012) <= 300_012 / 16);
    let all = subject.minutes(here, (0, minute(NOON_MS) + 9)).unwrap();
    assert_eq!(all.iter().map(|(at, _)| at - minute(NOON_MS)).collect::<Vec<_>>(), [0, 5]);
}

fn what_is_canceled_or_made_again_changes_what_waits(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let [canceled, erased, again] = [0; 3].map(|_| subject.accept(&application, &[endpoint.id]));
    let here = application.environment;
    subject.attempted(again, endpoint.id, 200);
    subject.attempted(erased, endpoint.id, 500);
    subject.done(park(canceled, endpoint.id, NOON_MS));
    assert_eq!(figures(subject, here, 0), [3, 1, 0, 2]);
    subject.done(set(Change::Expunge(application.id, vec![erased])));
    assert_eq!(figures(subject, here, 0), [3, 1, 0, 1]);
    subject.done(Op::Cancel { endpoint: endpoint.id, count: 9 });
    assert_eq!(figures(subject, here, 0), [3, 1, 0, 0]);
    pass(subject, MINUTE_MS);
    let replay = Replay { kind: Kind::Bulk, ..subject.new_replay(&endpoint, here) };
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    subject.done(slice(&replay, &[again], true));
    assert_eq!((figures(subject, here, 0), figures(subject, here, 1)), ([3, 1, 0, 1], [0; 4]));
    subject.attempted(again, endpoint.id, 200);
    assert_eq!((figures(subject, here, 0), figures(subject, here, 1)), ([3, 1, 0, 0], [0, 1, 0, 0]));
}

fn what_somebody_replayed_or_resent_says_nothing_of_how_long_deliveries_take(subject: &Subject) {
    let application = subject.make_application();
    let [endpoint, new] = [0; 2].map(|_| subject.make_endpoint(&application));
    let here = application.environment;
    let [replayed, resent, failed, hurried, missing] = [0; 5].map(|_| subject.accept(&application, &[endpoint.id]));
    for (event, statuses) in [(replayed, &[200][..]), (resent, &[200]), (failed, &[500; 10]), (hurried, &[500])] {
        for &status in statuses {
            subject.attempted(event, endpoint.id, status);
        }
    }
    let before = at(subject, here, 0);
    assert_eq!((before.delivered, before.took.count()), (2, 2));
    let replay = Replay { kind: Kind::Bulk, ..subject.new_replay(&endpoint, here) };
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    subject.done(slice(&replay, &[replayed, failed], true));
    let other = subject.new_replay(&new, here);
    subject.done(set(Change::Replay(Box::new(other.clone()))));
    subject.done(slice(&other, &[missing], true));
    for event in [resent, hurried] {
        subject.done(resend(event, endpoint.id, NOON_MS));
    }
    for event in [replayed, resent, failed, hurried] {
        subject.attempted(event, endpoint.id, 200);
    }
    subject.attempted(missing, new.id, 200);
    let after = at(subject, here, 0);
    assert_eq!((after.delivered, after.took), (6, before.took), "the resent one was delivered already");
    assert_eq!(after.waiting, 1, "the one that was missing elsewhere waits here");
}

fn what_was_to_be_delivered_later_took_its_time_from_then(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let later = |row: NewRow| {
        let extra = Extra { deliver_at_ms: Some(NOON_MS + 60 * MINUTE_MS), ..Extra::default() };
        NewRow { event: Event { extra: Some(Box::new(extra)), ..row.event }, ..row }
    };
    let row = later(subject.new_event(&application, &[endpoint]));
    let event = row.event.id;
    subject.done(Op::Event(row));
    pass(subject, 60 * MINUTE_MS + 7);
    subject.attempted(event, endpoint, 200);
    assert_eq!(at(subject, application.environment, 60).took.quantile(1000), Some(7));
}

/// An application of this environment with an endpoint.
fn neighbour(subject: &Subject, environment: EnvironmentId) -> (Application, EndpointId) {
    let application = subject.new_application(environment, None);
    subject.done(set(Change::Application(application.clone())));
    let endpoint = subject.make_endpoint(&application).id;
    (application, endpoint)
}

fn deliveries_of_many_environments_in_one_commit_are_counted_apart(subject: &Subject) {
    let homes: Vec<_> = (0..40).map(|nth| subject.make_environment(&format!("org_{nth}"))).collect();
    let rooms: Vec<_> = homes.iter().map(|home| [(); 2].map(|()| neighbour(subject, *home))).collect();
    let mut ops = Vec::new();
    for (nth, [one, other]) in rooms.iter().enumerate() {
        for (application, endpoint) in std::iter::repeat_n(one, nth + 1).chain([other]) {
            let row = subject.new_event(application, &[*endpoint]);
            let event = row.event.id;
            ops.push(Op::Event(row));
            ops.push(Op::Tried(Box::new(subject.tried(event, *endpoint, 200))));
        }
    }
    assert_eq!(subject.commit(ops), []);
    for (count, home) in (2..).zip(&homes) {
        assert_eq!(figures(subject, *home, 0), [count, count, 0, 0]);
        assert_eq!(at(subject, *home, 0).took.count(), count.unsigned_abs());
    }
}

fn minutes_go_after_three_hours(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let here = application.environment;
    let [first, second] = [0; 2].map(|_| subject.accept(&application, &[endpoint]));
    for (minutes, accepted) in [(COUNT_MINUTES - 1, 2), (COUNT_MINUTES, 0)] {
        subject.set_clock(NOON_MS + minutes * MINUTE_MS);
        subject.done(Op::Forget);
        assert_eq!(at(subject, here, 0).accepted, accepted, "after {minutes} minutes");
    }
    subject.attempted(first, endpoint, 200);
    assert_eq!((figures(subject, here, 0), figures(subject, here, COUNT_MINUTES)), ([0; 4], [0, 1, 0, 0]));
    assert_eq!(COUNT_MINUTES, 180);
    let other = subject.minutes(EnvironmentId::new(1), (0, minute(subject.wall_ms()))).unwrap();
    assert!(other.is_empty() && subject.delivery(second, endpoint).is_none());
}
