//! Behind requests: payloads past their time are found and erased slice by slice; tasks are kept until they have ended.

use posthaste::application::Application;
use posthaste::delivery::Status;
use posthaste::event::Extra;
use posthaste::id::{ApplicationId, EventId, Id, floor_at};
use posthaste::replay::State;
use posthaste::store::{Change, Erased, Op, Page, Refused};
use posthaste::task::{RUNNING_MAX, Task, Work};

use super::subject::{DAY_MS, NOON_MS, Subject, park, set};

ask! {
    a_delivery_that_was_canceled_during_its_attempt_is_not_tried_again,
    a_task_erases_its_applications_payloads_and_no_others,
    a_task_is_kept_with_its_result_until_long_after_its_end,
    payloads_are_erased_at_their_own_time_or_with_those_of_their_days,
    so_many_tasks_run_at_one_time,
    what_was_called_off_erases_nothing_more,
}

fn accept(subject: &Subject, application: &Application, keep_until_ms: Option<i64>) -> EventId {
    let mut row = subject.new_event(application, &[]);
    row.event.extra = keep_until_ms.map(|_| Box::new(Extra { keep_until_ms, ..Extra::default() }));
    let id = row.event.id;
    subject.done(Op::Event(row));
    id
}

fn of(application: &Application, events: &[EventId]) -> Vec<(ApplicationId, EventId)> {
    events.iter().map(|&event| (application.id, event)).collect()
}

/// Whether the payload is gone, and the event not.
fn is_erased(subject: &Subject, application: &Application, event: EventId) -> bool {
    let event = subject.event(application.id, event).unwrap().unwrap();
    assert_eq!(event.is_expunged(), event.body.is_empty());
    event.is_expunged()
}

fn begin(subject: &Subject, application: &Application, below: EventId) -> Task {
    let work = Work::Erase { below: below.value() };
    let task = Task::begin(subject.id(), application.environment, Some(application.id), work, subject.wall_ms());
    subject.done(set(Change::Task(Box::new(task.clone()))));
    task
}

fn payloads_are_erased_at_their_own_time_or_with_those_of_their_days(subject: &Subject) {
    let application = subject.make_application();
    let plain = [0; 3].map(|_| accept(subject, &application, None));
    let [soon, late] = [DAY_MS, 9 * DAY_MS].map(|ms| accept(subject, &application, Some(NOON_MS + ms)));
    let below = |days: i64| EventId::new(floor_at(subject.wall_ms() - days * DAY_MS));
    assert_eq!(subject.expired(NOON_MS + DAY_MS - 1, below(5), 10).unwrap().events, []);
    subject.set_clock(NOON_MS + 2 * DAY_MS);
    let found = subject.expired(subject.wall_ms(), below(5), 10).unwrap();
    assert_eq!((found.events.clone(), found.done), (of(&application, &[soon]), true), "its own time has come");
    subject.done(set(Change::Erased(found)));
    subject.set_clock(NOON_MS + 6 * DAY_MS);
    let first = subject.expired(subject.wall_ms(), below(5), 2).unwrap();
    assert_eq!((first.events.clone(), first.done), (of(&application, &plain[..2]), false));
    subject.done(set(Change::Erased(first)));
    let rest = subject.expired(subject.wall_ms(), below(5), 10).unwrap();
    assert_eq!((rest.events.clone(), rest.done), (of(&application, &plain[2..]), true), "from there on");
    subject.done(set(Change::Erased(rest)));
    assert!(plain.iter().chain([&soon]).all(|&event| is_erased(subject, &application, event)));
    assert!(!is_erased(subject, &application, late), "what names a later time is kept until then");
    let last = subject.expired(NOON_MS + 9 * DAY_MS, below(5), 10).unwrap();
    assert_eq!(last.events, of(&application, &[late]));
}

fn a_task_erases_its_applications_payloads_and_no_others(subject: &Subject) {
    let application = subject.make_application();
    let other = subject.new_application(application.environment, None);
    subject.done(set(Change::Application(other.clone())));
    let mut own = [0; 3].map(|_| {
        accept(subject, &other, None);
        accept(subject, &application, None)
    });
    let foreign = accept(subject, &other, None);
    let mut task = begin(subject, &application, subject.id());
    let spared = accept(subject, &application, None);
    assert_eq!(subject.running_tasks().unwrap(), std::slice::from_ref(&task));
    let first = subject.erasable(&task, 2).unwrap();
    assert_eq!((first.events.clone(), first.done), (of(&application, &own[..2]), false));
    subject.done(set(Change::Erased(first)));
    task = subject.task(application.environment, task.id).unwrap().unwrap();
    assert_eq!((task.state, task.done, task.position), (State::Running, 2, own[1].value() + 1));
    let rest = subject.erasable(&task, 2).unwrap();
    assert_eq!((rest.events.clone(), rest.done), (of(&application, &own[2..]), true));
    subject.done(set(Change::Erased(rest)));
    let ended = subject.task(application.environment, task.id).unwrap().unwrap();
    assert_eq!((ended.state, ended.done), (State::Finished, 3));
    own.sort_unstable();
    assert!(own.iter().all(|&event| is_erased(subject, &application, event)));
    assert!(!is_erased(subject, &application, spared) && !is_erased(subject, &other, foreign));
    assert!(subject.running_tasks().unwrap().is_empty());
}

fn what_was_called_off_erases_nothing_more(subject: &Subject) {
    let application = subject.make_application();
    let event = accept(subject, &application, None);
    let task = begin(subject, &application, subject.id());
    let slice: Erased = subject.erasable(&task, 10).unwrap();
    let canceled = Task { state: State::Canceled, ..task.clone() };
    subject.done(set(Change::Task(Box::new(canceled.clone()))));
    subject.done(set(Change::Erased(slice)));
    assert!(!is_erased(subject, &application, event));
    assert_eq!(subject.refusal(set(Change::Task(Box::new(canceled)))), Some(Refused::Taken), "it has ended");
}

fn so_many_tasks_run_at_one_time(subject: &Subject) {
    let application = subject.make_application();
    let tasks: Vec<_> = (0..RUNNING_MAX).map(|_| begin(subject, &application, EventId::new(1))).collect();
    let more = Task { id: subject.id(), ..tasks[0].clone() };
    assert_eq!(subject.refusal(set(Change::Task(Box::new(more.clone())))), Some(Refused::Busy(RUNNING_MAX)));
    subject.done(set(Change::Task(Box::new(Task { state: State::Canceled, ..tasks[3].clone() }))));
    subject.done(set(Change::Task(Box::new(more))));
}

fn a_task_is_kept_with_its_result_until_long_after_its_end(subject: &Subject) {
    let application = subject.make_application();
    let environment = application.environment;
    let work = Work::Usage { hours: (1, 2), applications: Some(vec![application.id.value()]) };
    let task = Task::begin(subject.id(), environment, None, work, NOON_MS);
    subject.done(set(Change::Task(Box::new(task.clone()))));
    let result = Some(r#"{"appStats":[]}"#.to_owned());
    let ended = Task { state: State::Finished, result, ..task.clone() };
    subject.done(set(Change::Task(Box::new(ended.clone()))));
    assert_eq!(subject.task(environment, task.id).unwrap(), Some(ended.clone()));
    let page = Page { after: None, descending: true, limit: 10 };
    let listed = subject.tasks(environment, page).unwrap();
    assert_eq!(listed.rows, [Task { result: None, ..ended }], "lists leave results out");
    assert!(subject.opening(NOON_MS).unwrap().last_id >= task.id.value());
    for (days, kept) in [(29, true), (31, false)] {
        subject.set_clock(NOON_MS + days * DAY_MS);
        subject.done(Op::Forget);
        assert_eq!(subject.task(environment, task.id).unwrap().is_some(), kept, "after {days} days");
    }
}

fn a_delivery_that_was_canceled_during_its_attempt_is_not_tried_again(subject: &Subject) {
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application);
    let event = subject.accept(&application, &[endpoint.id]);
    subject.done(park(event, endpoint.id, NOON_MS));
    let failed = subject.tried(event, endpoint.id, 500);
    assert_eq!(failed.delivery.status, Status::Pending);
    subject.done(set(Change::Expunge(application.id, vec![event])));
    subject.done(Op::Tried(Box::new(failed)));
    let delivery = subject.delivery(event, endpoint.id).unwrap();
    assert_eq!((delivery.status, delivery.due_ms, delivery.attempts), (Status::Canceled, None, 1));
    assert!(subject.due(endpoint.id, i64::MAX, 10).unwrap().due.is_empty());
    let hour = NOON_MS / 3_600_000;
    let counts = subject.counts(endpoint.id, (hour, hour)).unwrap();
    assert_eq!((counts.canceled, counts.waiting(), counts.attempts_failed), (1, 0, 1));
}
