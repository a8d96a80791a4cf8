//! The database file: how it is made, whose it must be, and that it holds every commit at every moment.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails its test")]

use std::path::{Path, PathBuf};
use std::slice;

use posthaste::audit::ENTRIES_MAX;
use posthaste::error::Kind;
use posthaste::key::Role;
use posthaste::secret::Sealer;
use posthaste::store::sqlite::Sqlite;
use posthaste::store::{Change, Op};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::store::answers::check_alike;
use crate::store::audit;
use crate::store::subject::{NOON_MS, Subject, set};

mod damage;
mod erased;
mod failure;
mod inbound;
mod schema;
mod seal;

/// A folder that goes with its test, and the path of a database in it.
fn a_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

fn open(path: &Path) -> Subject {
    Subject::new(Box::new(Sqlite::open(path, Sealer::plain()).unwrap()))
}

/// The names in a folder, sorted.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_new_database_has_a_log_large_pages_and_our_mark() {
    let (_folder, path) = a_folder();
    let _subject = open(&path);
    let other = Connection::open(&path).unwrap();
    let pragma = |name: &str| other.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    let mode: String = other.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), pragma("page_size"), pragma("user_version")), ("wal", 8_192, 17));
    assert_eq!(pragma("application_id").to_be_bytes()[4..], *b"post");
}

#[test]
fn a_closed_database_is_one_file() {
    let (folder, path) = a_folder();
    let subject = open(&path);
    subject.make_application();
    assert_eq!(subject.opening(NOON_MS).unwrap().applications.len(), 1);
    assert_eq!(names(&folder), ["state.db", "state.db-shm", "state.db-wal"]);
    drop(subject);
    assert_eq!(names(&folder), ["state.db"]);
    assert_eq!(open(&path).opening(NOON_MS).unwrap().applications.len(), 1);
}

#[test]
fn its_key_of_public_ids_stays_its_own() {
    let id_key = |path: &Path| open(path).opening(NOON_MS).unwrap().id_key;
    let ((_one, first), (_two, second)) = (a_folder(), a_folder());
    assert_eq!(id_key(&first), id_key(&first));
    assert_ne!(id_key(&first), id_key(&second));
}

#[test]
fn the_files_as_a_kill_leaves_them_hold_every_commit() {
    let ((folder, path), (other_folder, other_path)) = (a_folder(), a_folder());
    let subject = open(&path);
    let topics = schema::fill(&subject);
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(folder.path().join(name), other_folder.path().join(name)).unwrap();
    }
    let copied = open(&other_path);
    check_alike(&*copied, &*subject, &topics);
    assert_eq!(copied.opening(NOON_MS).unwrap().id_key, subject.opening(NOON_MS).unwrap().id_key);
}

#[test]
fn an_event_that_is_taken_after_a_start_is_processed_once() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    let (source, own) = subject.make_source(subject.make_environment("test"));
    let [one, two] = [(), ()].map(|()| subject.make_endpoint(&own).id);
    let row = subject.arriving(&source, "evt_1", "{}", &[one, two]);
    let event = row.event.id;
    subject.done(Op::Event(row));
    for endpoint in [one, two] {
        let subject = open(&path);
        subject.attempted(event, endpoint, 200);
        assert_eq!(subject.stats(&source).processed, 1);
    }
}

/// `posthaste key create` beside a server.
#[test]
fn what_another_process_commits_is_seen_at_once() {
    let (_folder, path) = a_folder();
    let (server, command) = (open(&path), open(&path));
    let environment = server.make_environment("test");
    let key = command.new_key(environment, Role::Admin);
    command.done(set(Change::Key(key.clone())));
    assert_eq!(server.keys().unwrap(), slice::from_ref(&key));
    server.done(set(Change::Revoke { key: key.id, at_ms: NOON_MS }));
    assert_eq!(command.keys().unwrap()[0].revoked_ms, Some(NOON_MS));
}

#[test]
fn the_audit_log_keeps_a_million_entries() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    for name in ["org_1", "org_2", "org_3"] {
        subject.make_environment(name);
    }
    // as if as many had been told in between as are kept
    let other = Connection::open(&path).unwrap();
    other.execute("update audit set id = id + ?1 - 2 where id = 3", (ENTRIES_MAX,)).unwrap();
    subject.done(Op::Forget);
    let left: Vec<String> = audit::all(&*subject).into_iter().map(|entry| entry.deed.name).collect();
    assert_eq!(left, ["org_2", "org_3"]);
}

/// Opening must fail with this sentence about the path, and leave what lies there as it is.
fn check_refused(path: &Path, sentence: &str) {
    let before = std::fs::read(path).ok();
    let error = Sqlite::open(path, Sealer::plain()).err().expect(sentence);
    assert_eq!((error.kind, error.code), (Kind::Invalid, "database"));
    assert_eq!(error.detail.replace(path.to_str().unwrap(), "FILE"), sentence);
    assert_eq!(std::fs::read(path).ok(), before);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    for make in [
        "create table book (title text)",
        "pragma journal_mode = wal; create table book (title text)",
        "pragma application_id = 7; create view v as select 1",
    ] {
        let (_folder, path) = a_folder();
        Connection::open(&path).unwrap().execute_batch(make).unwrap();
        check_refused(&path, "FILE is another program's database; choose another file");
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = a_folder();
    open(&path).make_application();
    Connection::open(&path)
        .unwrap()
        .execute_batch("pragma user_version = 18; update engine set written_by = '9.8.7'")
        .unwrap();
    let sentence = format!(
        "FILE has schema 18, this build ({}) knows 17; posthaste 9.8.7 wrote it last; start that version or a newer one",
        env!("CARGO_PKG_VERSION")
    );
    check_refused(&path, &sentence);
}

#[test]
fn a_place_where_no_database_can_be_is_refused() {
    let (folder, path) = a_folder();
    let cannot = |why: &str| format!("cannot open FILE: {why}; the folder must exist and be writable");
    check_refused(&folder.path().join("missing/state.db"), &cannot("unable to open database file: FILE"));
    check_refused(folder.path(), &cannot("unable to open database file: FILE"));
    // nobody can write there, not even root
    check_refused(Path::new("/proc/posthaste-state.db"), &cannot("unable to open database file: FILE"));
    std::fs::write(
        &path,
        "no database, but long enough to be taken for the header of one, which is a hundred bytes and begins otherwise",
    )
    .unwrap();
    check_refused(&path, &cannot("file is not a database"));
    assert_eq!(names(&folder), ["state.db"]);
}
