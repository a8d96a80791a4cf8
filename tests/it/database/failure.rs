//! When the file fails: a foreign lock, a full disk, a refused statement, damaged rows.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use posthaste::environment::Environment;
use posthaste::id::{EventId, Id};
use posthaste::secret::Sealer;
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{Batch, Change, CommitFailed, Op, Refused, Store};
use rusqlite::Connection;

use super::{a_folder, open};
use crate::store::subject::{NOON_MS, set, with_type};

/// How long the test looks on while a commit must not succeed.
const LOOK_ON: Duration = Duration::from_millis(100);

fn new_environment(name: &str) -> Op {
    set(Change::Environment(Environment { id: Id::new(1), name: name.to_owned() }))
}

#[test]
fn a_foreign_lock_delays_a_commit_and_no_read() {
    let (_folder, path) = a_folder();
    let store = Sqlite::open(&path, Sealer::plain()).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate; update engine set last_id = 5").unwrap();
    let batch = Batch { wall_ms: NOON_MS, steady_ms: NOON_MS, ops: vec![new_environment("test")] };
    thread::scope(|scope| {
        let (say, hear) = mpsc::channel();
        let (store, batch) = (&store, &batch);
        scope.spawn(move || {
            say.send("begins").unwrap();
            assert!(store.commit(batch).unwrap().get().refused.is_empty());
            say.send("is done").unwrap();
        });
        assert_eq!(hear.recv(), Ok("begins"));
        assert_eq!(hear.recv_timeout(LOOK_ON), Err(mpsc::RecvTimeoutError::Timeout));
        let opening = store.opening(NOON_MS).unwrap();
        assert_eq!((opening.last_id, opening.environments.len()), (0, 0));
        other.execute_batch("commit").unwrap();
        assert_eq!(hear.recv(), Ok("is done"));
    });
    let opening = store.opening(NOON_MS).unwrap();
    assert_eq!((opening.last_id, opening.environments.len()), (5, 1));
}

/// A trigger on `environment` stands for what may happen to any statement.
fn with_trigger(trigger: &str, check: impl FnOnce(&CommitFailed)) {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch(trigger).unwrap();
    let row = subject.new_event(&subject.new_application(subject.id(), None), &[]);
    let batch = Batch { wall_ms: NOON_MS, steady_ms: NOON_MS, ops: vec![Op::Event(row), new_environment("test")] };
    check(&subject.commit_result(&batch).unwrap_err());
    assert_eq!(subject.opening(NOON_MS).unwrap().last_id, 0, "nothing of it stands");
    other.execute_batch("drop trigger fails").unwrap();
    assert_eq!(subject.commit_result(&batch), Ok(Vec::new()), "and the next commit is as good as any");
}

/// SQLite says "full" of a disk and of a counter alike; a used-up counter is the one that a test can make.
#[test]
fn a_commit_on_a_full_disk_leaves_nothing_and_may_be_tried_again() {
    let full = "create table counter (id integer primary key autoincrement);
        insert into counter values (9223372036854775807);
        create trigger fails before insert on environment begin insert into counter values (null); end";
    with_trigger(full, |failed| {
        assert_eq!(*failed, CommitFailed::NotDone("sqlite: database or disk is full".to_owned()));
    });
}

/// Where nothing stands before the commit statement, only what fails at it may.
#[test]
fn a_commit_statement_that_fails_leaves_nothing_and_says_that_it_does_not_know() {
    let trigger = "create table kept (of integer references environment (id) deferrable initially deferred);
        create trigger fails before insert on environment begin insert into kept values (-1); end";
    with_trigger(trigger, |failed| {
        assert!(matches!(failed, CommitFailed::Unknown(detail) if detail.contains("FOREIGN KEY")), "{failed:?}");
    });
}

#[test]
fn an_operation_that_cannot_be_written_is_refused_and_the_rest_of_its_batch_stands() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let application = subject.make_application();
    let endpoints = [(); 2].map(|()| subject.make_endpoint(&application));
    let trigger = "create trigger fails before insert on event when new.event_type = 'ill' begin
            select raise(abort, 'no');
        end";
    Connection::open(&path).unwrap().execute_batch(trigger).unwrap();
    let well = [(); 2].map(|()| subject.new_event(&application, &[endpoints[0].id]));
    let ill = [(); 2].map(|()| with_type(subject.new_event(&application, &[endpoints[0].id]), "ill", &[]));
    let names = [&well[0], &ill[0], &well[1], &ill[1]].map(|row| row.event.id);
    let mark = Op::Mark { mark: EventId::new(names[3].value() + 1), last_id: names[3].value() };
    let rows = [well[0].clone(), ill[0].clone(), well[1].clone(), ill[1].clone()];
    let ops = rows.into_iter().map(Op::Event).chain([mark]).collect();
    let why = "sqlite: no".to_owned();
    let refused = [(1, Refused::Unwritable(why.clone())), (3, Refused::Unwritable(why))];
    assert_eq!(subject.commit(ops), refused);
    let found = names.map(|event| subject.payloads(&[event]).unwrap()[0].is_some());
    assert_eq!(found, [true, false, true, false]);
    assert_eq!(subject.opening(NOON_MS).unwrap().mark, EventId::new(0), "recovery is to find what was left out");
}

/// What a batch adds up to is written at its end, and says not whose it is.
#[test]
fn who_spoils_the_sums_of_a_batch_is_found_by_halving() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let application = subject.make_application();
    let [well, ill] = [(); 2].map(|()| subject.make_endpoint(&application));
    let trigger = |when: &str| {
        format!(
            "create trigger fails{when} before insert on endpoint_hour when new.endpoint = {} begin
                select raise(abort, 'no');
            end",
            ill.id.value()
        )
    };
    Connection::open(&path).unwrap().execute_batch(&trigger("")).unwrap();
    let ops: Vec<Op> = (0..100)
        .map(|n| Op::Event(subject.new_event(&application, &[if n % 40 == 7 { ill.id } else { well.id }])))
        .collect();
    let places: Vec<usize> = subject.commit(ops).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [7, 47, 87]);
    assert_eq!(subject.counts(well.id, (0, i64::MAX)).unwrap().accepted, 97);

    // where too many are ill, the database is, and nothing of the batch stands
    let ops = (0..40).map(|_| Op::Event(subject.new_event(&application, &[ill.id]))).collect();
    let batch = Batch { wall_ms: NOON_MS, steady_ms: NOON_MS, ops };
    assert!(matches!(subject.commit_result(&batch), Err(CommitFailed::NotDone(_))));
}

#[test]
fn a_damaged_body_is_none_and_harms_no_other() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let application = subject.make_application();
    let [flipped, cut, hashed, whole] = [(), (), (), ()].map(|()| subject.accept(&application, &[]));
    let body = subject.payloads(&[whole]).unwrap();
    let damage =
        |sql: &str, event: EventId| assert_eq!(Connection::open(&path).unwrap().execute(sql, (event.value(),)), Ok(1));
    damage("update event set payload = zeroblob(length(payload)) where id = ?1", flipped);
    damage("update event set payload = substr(payload, 1, 5) where id = ?1", cut);
    damage("update event set sha256 = zeroblob(32) where id = ?1", hashed);
    assert_eq!(subject.payloads(&[flipped, cut, whole, hashed]).unwrap(), [None, None, body[0].clone(), None]);
}

#[test]
fn damage_that_the_schema_rules_out_is_told_as_such_and_gone_around() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let application = subject.make_application();
    let endpoint = subject.make_endpoint(&application).id;
    let [broken, whole] = [(), ()].map(|()| subject.accept(&application, &[endpoint]));
    let sql = "update event set fan_out = x'80' where id = ?1";
    Connection::open(&path).unwrap().execute(sql, (broken.value(),)).unwrap();
    for _ in 0..2 {
        let found = subject.unwritten(broken, 9).unwrap();
        assert_eq!(found.deliveries, [(whole, vec![(endpoint, None)])]);
        assert_eq!(subject.damages(), [format!("event {}", broken.value())], "it is told once");
    }
}
