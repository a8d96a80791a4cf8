//! Replays: one at a time for each endpoint, slice by slice, and none of what waits already.

use posthaste::application::{Application, ApplicationRef};
use posthaste::delivery::{BLOCKED_MS, Standing, Status};
use posthaste::endpoint::{Endpoint, State as EndpointState};
use posthaste::id::{EndpointId, EnvironmentId, EventId, Id};
use posthaste::ordering::OrderKey;
use posthaste::replay::{Kind, Replay, State, Wanted};
use posthaste::store::{Change, Op, Page, Refused, Replayed};

use super::subject::{NOON_MS, Subject, park, set, unkeyed, with_type};

ask! {
    a_deleted_applications_replay_is_called_off,
    a_deleted_endpoints_replay_is_called_off,
    a_slice_of_a_replay_makes_its_deliveries_due_with_their_whole_ladder,
    all_that_fit_are_found_but_for_what_waits,
    one_replay_runs_at_an_endpoint_at_a_time,
    those_that_wait_for_a_retry_are_made_at_once_when_they_are_asked_for,
    those_that_were_never_made_are_found,
    what_waits_for_a_retry_is_found_and_due_sooner,
    what_waits_for_others_of_its_key_or_was_never_tried_stays_as_it_is,
}

/// A slice of a replay, due at noon.
pub fn slice(replay: &Replay, events: &[EventId], done: bool) -> Op {
    let position = events.last().map_or(replay.last, |last| EventId::new(last.value() + 1));
    Op::Replay(Box::new(Replayed {
        replay: replay.id,
        endpoint: replay.endpoint,
        kind: replay.kind,
        events: unkeyed(events),
        position,
        done,
        due_ms: NOON_MS,
        spares_delivered: replay.spares_delivered(),
    }))
}

/// An application's endpoint with a delivery in each state: failed twice, delivered, waiting.
fn lived(subject: &Subject) -> (EnvironmentId, Endpoint, [EventId; 4]) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let events = [0; 4].map(|_| subject.accept(&application, &[endpoint.id]));
    for _ in 0..10 {
        subject.attempted(events[0], endpoint.id, 500);
        subject.attempted(events[1], endpoint.id, 404);
    }
    subject.attempted(events[2], endpoint.id, 200);
    subject.done(park(events[3], endpoint.id, NOON_MS));
    (application.environment, endpoint, events)
}

fn delivery(subject: &Subject, event: EventId, endpoint: EndpointId) -> posthaste::delivery::Delivery {
    let all = subject.deliveries(event).unwrap();
    all.into_iter().find(|(at, _)| *at == endpoint).unwrap().1
}

fn a_slice_of_a_replay_makes_its_deliveries_due_with_their_whole_ladder(subject: &Subject) {
    let (environment, endpoint, events) = lived(subject);
    let replay = subject.new_replay(&endpoint, environment);
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    let found = subject.replayable(&replay, 1).unwrap();
    assert_eq!((found.events, found.done), (unkeyed(&events[..1]), false));
    let rest = Replay { position: found.position, ..replay.clone() };
    let found = subject.replayable(&rest, 10).unwrap();
    assert_eq!((found.events, found.done), (unkeyed(&events[1..2]), true));
    assert_eq!(subject.replay_count(&replay).unwrap().all, 2);

    subject.done(slice(&replay, &events[..1], false));
    let again = delivery(subject, events[0], endpoint.id);
    assert_eq!((again.status, again.step, again.attempts, again.due_ms), (Status::Pending, 0, 10, Some(NOON_MS)));
    let due = subject.due(endpoint.id, NOON_MS, 10).unwrap().due;
    assert!(due.iter().any(|line| line.event == events[0]));
    let shown = subject.replay(environment, replay.id).unwrap().unwrap();
    assert_eq!((shown.state, shown.done, shown.position.value()), (State::Running, 1, events[0].value() + 1));
    subject.done(slice(&replay, &events[1..2], true));
    assert_eq!(subject.replay(environment, replay.id).unwrap().unwrap().state, State::Finished);
    subject.done(slice(&replay, &events[2..3], true));
    assert_eq!(delivery(subject, events[2], endpoint.id).status, Status::Success, "it had ended");
    assert!(subject.opening(NOON_MS).unwrap().replays.is_empty());
}

fn one_replay_runs_at_an_endpoint_at_a_time(subject: &Subject) {
    let (environment, endpoint, _) = lived(subject);
    let other = subject.make_environment("live");
    let [first, second] = [0; 2].map(|_| subject.new_replay(&endpoint, environment));
    subject.done(set(Change::Replay(Box::new(first.clone()))));
    assert_eq!(subject.refusal(set(Change::Replay(Box::new(second.clone())))), Some(Refused::Taken));
    assert_eq!(subject.opening(NOON_MS).unwrap().replays, std::slice::from_ref(&first));
    let canceled = Replay { state: State::Canceled, ..first.clone() };
    subject.done(set(Change::Replay(Box::new(canceled.clone()))));
    assert_eq!(subject.refusal(set(Change::Replay(Box::new(canceled.clone())))), Some(Refused::Taken), "it has ended");
    subject.done(set(Change::Replay(Box::new(second.clone()))));
    let page = Page { after: None, descending: true, limit: 10 };
    assert_eq!(subject.replays(environment, page).unwrap().rows, [second, canceled]);
    assert_eq!(subject.replay(other, first.id).unwrap(), None);
}

fn a_deleted_applications_replay_is_called_off(subject: &Subject) {
    let (environment, endpoint, _) = lived(subject);
    let replay = subject.new_replay(&endpoint, environment);
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    let named = ApplicationRef::Id(endpoint.application);
    let application = subject.application(environment, &named).unwrap().unwrap();
    subject.done(set(Change::Application(Application { deleted: true, updated_ms: 9, ..application })));
    let shown = subject.replay(environment, replay.id).unwrap().unwrap();
    assert_eq!((shown.state, shown.updated_ms), (State::Canceled, 9));
}

fn a_deleted_endpoints_replay_is_called_off(subject: &Subject) {
    let (environment, endpoint, _) = lived(subject);
    let replay = subject.new_replay(&endpoint, environment);
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    let deleted = Endpoint { state: EndpointState::Deleted, revision: endpoint.revision + 1, ..endpoint };
    subject.done(set(Change::Endpoint(deleted)));
    assert_eq!(subject.replay(environment, replay.id).unwrap().unwrap().state, State::Canceled);
}

fn all_that_fit_are_found_but_for_what_waits(subject: &Subject) {
    let (environment, endpoint, events) = lived(subject);
    let found = |wanted: Wanted| {
        let replay = Replay { kind: Kind::Bulk, wanted, ..subject.new_replay(&endpoint, environment) };
        subject.replayable(&replay, 10).unwrap().events
    };
    let application = ApplicationRef::Id(endpoint.application);
    let application = subject.application(environment, &application).unwrap().unwrap();
    let retried = subject.accept(&application, &[endpoint.id]);
    subject.attempted(retried, endpoint.id, 503);
    let [first, second, third, _] = events;
    assert_eq!(found(Wanted::default()), unkeyed(&[first, second, third, retried]));
    assert_eq!(found(Wanted { status: Some(3), ..Wanted::default() }), unkeyed(&[retried]));
    assert_eq!(found(Wanted { status: Some(2), ..Wanted::default() }), unkeyed(&[first, second, retried]));
    assert_eq!(found(Wanted { status: Some(0), ..Wanted::default() }), unkeyed(&events[2..3]));
    assert_eq!(found(Wanted { status_class: Some(400), ..Wanted::default() }), unkeyed(&events[1..2]));
    assert_eq!(found(Wanted { event_types: vec!["other".to_owned()], ..Wanted::default() }), []);
}

fn those_that_wait_for_a_retry_are_made_at_once_when_they_are_asked_for(subject: &Subject) {
    let (environment, endpoint, events) = lived(subject);
    let named = ApplicationRef::Id(endpoint.application);
    let application = subject.application(environment, &named).unwrap().unwrap();
    let retried = subject.accept(&application, &[endpoint.id]);
    subject.attempted(retried, endpoint.id, 500);
    let wanted = Wanted { status: Some(Standing::Sending as u8), ..Wanted::default() };
    let replay = Replay { kind: Kind::Bulk, wanted, ..subject.new_replay(&endpoint, environment) };
    assert_eq!(subject.replayable(&replay, 10).unwrap().events, unkeyed(&[retried]));
    assert_eq!(subject.replay_count(&replay).unwrap().all, 1);
    let untried = Wanted { status: Some(Standing::Pending as u8), ..Wanted::default() };
    assert_eq!(subject.replay_count(&Replay { wanted: untried, ..replay.clone() }).unwrap().all, 0, "it is on its way");
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    let before = events.map(|event| delivery(subject, event, endpoint.id));
    // what was delivered meanwhile, or was never tried, stays as it is
    subject.done(slice(&replay, &[events[2], events[3], retried], true));
    assert_eq!(events.map(|event| delivery(subject, event, endpoint.id)), before);
    let again = delivery(subject, retried, endpoint.id);
    assert_eq!((again.standing(), again.attempts, again.step), (Standing::Sending, 1, 0));
    let due = subject.due(endpoint.id, NOON_MS, 10).unwrap().due;
    assert_eq!(due.iter().filter(|line| line.event == retried).count(), 1, "its line was moved");
    assert_eq!(subject.due(endpoint.id, i64::MAX / 4, 10).unwrap().due.len(), due.len(), "and no other is left");
}

fn those_that_were_never_made_are_found(subject: &Subject) {
    let application = subject.make_application();
    let environment = application.environment;
    let [early, late] = [0; 2].map(|_| subject.make_endpoint(&application));
    let accept = |event_type: &str, endpoints: &[EndpointId]| {
        let row = with_type(subject.new_event(&application, endpoints), event_type, &["eu"]);
        let id = row.event.id;
        subject.done(Op::Event(row));
        id
    };
    let missed = accept("payment.succeeded", &[early.id]);
    accept("unwanted", &[early.id]);
    accept("payment.succeeded", &[early.id, late.id]);
    let replay = Replay { kind: Kind::Missing, ..subject.new_replay(&late, environment) };
    assert_eq!(subject.replayable(&replay, 10).unwrap().events, unkeyed(&[missed]));
    subject.done(set(Change::Replay(Box::new(replay.clone()))));
    subject.done(slice(&replay, &[missed], true));
    assert_eq!(delivery(subject, missed, late.id).due_ms, Some(NOON_MS));
    assert_eq!(subject.replay_count(&replay).unwrap().all, 0);
}

fn what_waits_for_a_retry_is_found_and_due_sooner(subject: &Subject) {
    let (environment, endpoint, events) = lived(subject);
    let named = ApplicationRef::Id(endpoint.application);
    let application = subject.application(environment, &named).unwrap().unwrap();
    let waits = [0; 2].map(|_| subject.accept(&application, &[endpoint.id]));
    for event in waits {
        subject.attempted(event, endpoint.id, 401);
        subject.attempted(event, endpoint.id, 401);
    }
    let before = delivery(subject, waits[0], endpoint.id);
    assert_eq!((before.status, before.step), (Status::Pending, 2));
    let found = |kind: Kind| {
        let replay = Replay { kind, ..subject.new_replay(&endpoint, environment) };
        (subject.replayable(&replay, 10).unwrap().events, subject.replay_count(&replay).unwrap().all)
    };
    assert_eq!(found(Kind::Waiting), (unkeyed(&waits), 2));
    assert_eq!(found(Kind::Recover), (unkeyed(&[events[0], events[1], waits[0], waits[1]]), 4));

    // sent now, and nothing of its ladder is given back
    let waiting = Replay { kind: Kind::Waiting, ..subject.new_replay(&endpoint, environment) };
    subject.done(set(Change::Replay(Box::new(waiting.clone()))));
    subject.done(slice(&waiting, &waits[..1], true));
    let now = delivery(subject, waits[0], endpoint.id);
    assert_eq!((now.status, now.step, now.attempts, now.due_ms), (Status::Pending, 2, 2, Some(NOON_MS)));
    // made again: from the beginning; one that had been delivered says so
    let again = Replay { kind: Kind::Bulk, ..subject.new_replay(&endpoint, environment) };
    subject.done(set(Change::Replay(Box::new(again.clone()))));
    subject.done(slice(&again, &[waits[1], events[2]], true));
    let now = delivery(subject, waits[1], endpoint.id);
    assert_eq!((now.status, now.step, now.attempts, now.due_ms), (Status::Pending, 0, 2, Some(NOON_MS)));
    let shown = subject.replay(environment, again.id).unwrap().unwrap();
    assert_eq!((shown.done, shown.delivered), (2, 1));
    let due = subject.due(endpoint.id, NOON_MS, 10).unwrap().due;
    for event in [waits[0], waits[1], events[2]] {
        assert_eq!(due.iter().filter(|line| line.event == event).count(), 1, "one line each");
    }
    assert_eq!(found(Kind::Recover).0, unkeyed(&[events[0], events[1], waits[0], waits[1]]), "a success is none");
}

fn what_waits_for_others_of_its_key_or_was_never_tried_stays_as_it_is(subject: &Subject) {
    let (environment, endpoint, events) = lived(subject);
    let untried = events[3];
    let waiting = Replay { kind: Kind::Waiting, ..subject.new_replay(&endpoint, environment) };
    assert_eq!(subject.replayable(&waiting, 10).unwrap().events, []);
    subject.done(set(Change::Replay(Box::new(waiting.clone()))));
    let before = delivery(subject, untried, endpoint.id);
    subject.done(slice(&waiting, &[untried], true));
    assert_eq!(delivery(subject, untried, endpoint.id), before);
    assert_eq!(subject.replay(environment, waiting.id).unwrap().unwrap().done, 0);

    // made again behind another of its key
    let key = Some(OrderKey::new(7));
    let recover = subject.new_replay(&endpoint, environment);
    subject.done(set(Change::Replay(Box::new(recover.clone()))));
    let events = [events[0], events[1]];
    let joined = Replayed {
        replay: recover.id,
        endpoint: endpoint.id,
        kind: Kind::Recover,
        events: events.map(|event| (event, key)).to_vec(),
        position: recover.last,
        done: true,
        due_ms: NOON_MS,
        spares_delivered: true,
    };
    subject.done(Op::Replay(Box::new(joined)));
    let found = subject.replayable(&Replay { id: subject.id(), ..waiting.clone() }, 10).unwrap().events;
    assert_eq!(found, unkeyed(&events[..1]), "whose turn it is");
    assert_eq!(delivery(subject, events[1], endpoint.id).due_ms, Some(BLOCKED_MS));
}
