//! Inbound events are remembered whatever happens between their commit and the index of their keys.

use std::ops::Range;
use std::path::Path;

use posthaste::environment::Environment;
use posthaste::id::Id;
use posthaste::source::Source;
use posthaste::store::{Batch, Change, NewRow, Op, Refused};
use rusqlite::Connection;

use super::{a_folder, open};
use crate::store::subject::{NOON_MS, Subject, set};

/// More than this is not read back at a start.
const WAITING_MAX: i64 = 16_383;

fn reopened(path: &Path, subject: Subject) -> Subject {
    let wall_ms = subject.wall_ms();
    drop(subject);
    let subject = open(path);
    subject.set_clock(wall_ms + 1_000);
    subject
}

/// The same as a kill leaves it: the files are copied while they are open.
fn killed(path: &Path, subject: &Subject) -> (tempfile::TempDir, Subject) {
    let (folder, copy) = a_folder();
    for end in ["", "-wal"] {
        let named = |path: &Path| format!("{}{end}", path.to_str().unwrap());
        std::fs::copy(named(path), named(&copy)).unwrap();
    }
    let killed = open(&copy);
    killed.set_clock(subject.wall_ms() + 1_000);
    (folder, killed)
}

fn arriving(subject: &Subject, source: &Source, number: usize) -> NewRow {
    subject.arriving(source, &format!("evt_{number}"), "{}", &[])
}

/// Lets events in, in one commit; gives how many of them came before.
fn known(subject: &Subject, source: &Source, numbers: Range<usize>) -> usize {
    let refused = subject.commit(numbers.map(|number| Op::Event(arriving(subject, source, number))).collect());
    assert!(refused.iter().all(|(_, refused)| matches!(refused, Refused::Duplicate(_))), "{refused:?}");
    refused.len()
}

/// How many arrivals a start would read back.
pub fn waiting(path: &Path) -> i64 {
    let database = Connection::open(path).unwrap();
    let sql = "select count(*) from arrival where event > (select indexed from engine)";
    database.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn a_restart_and_a_kill_forget_no_event_and_read_few_back() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let source = subject.make_source(subject.make_environment("test")).0;
    for (first, last, waits) in
        [(0, 9_000, 9_000), (9_000, 18_000, 0), (18_000, 27_000, 9_000), (27_000, 27_900, 9_900)]
    {
        assert_eq!(known(&subject, &source, first..last), 0);
        assert_eq!(waiting(&path), waits);
    }
    let (_other, killed) = killed(&path, &subject);
    let subject = reopened(&path, subject);
    for subject in [killed, subject] {
        assert_eq!([0, 9_000, 18_000].map(|first| known(&subject, &source, first..first + 9_000)), [9_000; 3]);
        assert_eq!(known(&subject, &source, 27_000..28_000), 900);
        assert_eq!(known(&subject, &source, 27_000..28_000), 1_000);
    }
}

#[test]
fn events_without_a_key_are_not_read_back_for_ever() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let source = subject.make_source(subject.make_environment("test")).0;
    for _ in 0..5 {
        let row = || Op::Event(NewRow { dedup: None, ..arriving(&subject, &source, 1) });
        assert_eq!(subject.commit((0..4_000).map(|_| row()).collect()), []);
        assert!(waiting(&path) <= WAITING_MAX);
    }
    assert_eq!(known(&subject, &source, 1..2), 0);
}

/// A trigger on `environment` stands for what may happen to any statement. The commit that fails would have filled
/// the index: what waited for it must go on waiting.
#[test]
fn a_commit_that_fails_remembers_nothing_and_forgets_nothing() {
    for waiting in [0, 1, 16_382, 16_383] {
        let (_folder, path) = a_folder();
        let subject = open(&path);
        let source = subject.make_source(subject.make_environment("live")).0;
        assert_eq!(known(&subject, &source, 1..waiting + 1), 0);
        let trigger = "create table counter (id integer primary key autoincrement);
            insert into counter values (9223372036854775807);
            create trigger fails before insert on environment begin insert into counter values (null); end";
        Connection::open(&path).unwrap().execute_batch(trigger).unwrap();
        let environment = Environment { id: Id::new(1), name: "test".to_owned() };
        for ops in [vec![], vec![Op::Forget]] {
            let event = || Op::Event(arriving(&subject, &source, 0));
            let ops = [vec![event()], ops, vec![event(), set(Change::Environment(environment.clone()))]].concat();
            assert!(subject.commit_result(&Batch { wall_ms: NOON_MS, steady_ms: NOON_MS, ops }).is_err());
        }
        assert_eq!(subject.stats(&source).accepted, u64::try_from(waiting).unwrap());
        let (_other, killed) = killed(&path, &subject);
        for subject in [killed, subject] {
            assert_eq!(known(&subject, &source, 0..waiting + 1), waiting, "the first is new, and all others known");
            assert_eq!(known(&subject, &source, 0..waiting + 1), waiting + 1);
        }
    }
}

/// The engine hands ids out in the order of commits. Should it ever not, nothing is lost by that.
#[test]
fn an_event_with_an_older_id_than_those_before_it_is_remembered_too() {
    for commits in [
        &[&["1"][..], &["forget"], &["0"]][..],
        &[&["1"], &["0"], &["forget"]],
        &[&["1", "forget", "0"]],
        &[&["1", "0"]],
    ] {
        let (_folder, path) = a_folder();
        let subject = open(&path);
        let source = subject.make_source(subject.make_environment("test")).0;
        let rows = [0, 1].map(|number| arriving(&subject, &source, number));
        let op = |name: &&str| name.parse().map_or(Op::Forget, |number: usize| Op::Event(rows[number].clone()));
        for names in commits {
            assert_eq!(subject.commit(names.iter().map(op).collect()), []);
        }
        assert_eq!(known(&subject, &source, 0..2), 2);
        let subject = reopened(&path, subject);
        assert_eq!(known(&subject, &source, 0..2), 2, "{commits:?}");
    }
}
