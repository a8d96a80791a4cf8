//! What a file is: a server's or a sandbox's, of which schema, and who wrote it.

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use super::{opens, refused};
use crate::world::{KEY, Receiver, World};

/// Ends it, and takes its mark away: as a database from before there were marks.
fn unmark(world: &mut World) {
    assert_eq!(world.terminate().code(), Some(0));
    Connection::open(world.database()).unwrap().execute("update engine set purpose = null", ()).unwrap();
}

fn mark(world: &World) -> Option<i64> {
    Connection::open(world.database()).unwrap().query_row("select purpose from engine", (), |row| row.get(0)).unwrap()
}

#[track_caller]
fn check_refused(world: &World, wants: &str, is: &str) {
    let before = std::fs::read(world.database()).unwrap();
    let (code, said) = refused(&mut opens(wants, &world.database()));
    assert_eq!(code, 2, "{said}");
    for word in [&format!("is a database of `posthaste {is}`"), "--database", "POSTHASTE_DATABASE"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(std::fs::read(world.database()).unwrap(), before, "nothing was written");
    assert!(!world.database().with_extension("db-owner").exists(), "and nothing was left beside it");
}

#[test]
fn a_sandbox_refuses_the_database_of_a_server_marked_or_not() {
    let mut world = World::start();
    world.subscribe("http://127.0.0.1:1/");
    world.terminate();
    check_refused(&world, "sandbox", "serve");
    world.restart();
    unmark(&mut world);
    check_refused(&world, "sandbox", "serve");
    world.restart();
    world.terminate();
    assert_eq!(mark(&world), Some(0), "it is marked now");
}

#[test]
fn a_server_refuses_the_database_of_a_sandbox_marked_or_not() {
    let mut world = World::sandbox(&[]);
    let receiver = Receiver::good();
    let body = json!({"url": receiver.url, "enabled_events": ["account.refresh_intent.succeeded"]}).to_string();
    let headers = [("authorization", KEY), ("content-type", "application/json")];
    world.call_as("", "POST", "/fintoc/v1/webhook_endpoints", &headers, &body).expect(201);
    world.terminate();
    check_refused(&world, "serve", "sandbox");
    world.restart();
    unmark(&mut world);
    check_refused(&world, "serve", "sandbox");
    world.restart();
    world.terminate();
    assert_eq!(mark(&world), Some(1), "it is marked now");
}

#[test]
fn a_database_with_nothing_but_keys_in_it_becomes_what_opens_it_first() {
    let mut world = World::start();
    unmark(&mut world);
    let (database, key) = (format!("sqlite:{}", world.database().display()), ["key", "create", "--role", "admin"]);
    let made = crate::world::program().args(key).args(["--database", &database]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    assert_eq!(mark(&world), None, "a command beside a server marks nothing");
    world.restart();
    world.terminate();
    check_refused(&world, "sandbox", "serve");
}

/// What a newer build left, also in the log of a server that was killed.
#[test]
fn an_older_binary_writes_nothing_to_a_newer_file_and_says_who_wrote_it() {
    let mut world = World::start();
    let newer = |path: &Path| {
        let database = Connection::open(path).unwrap();
        let version: String = database.query_row("select written_by from engine", (), |row| row.get(0)).unwrap();
        assert_eq!(version, env!("CARGO_PKG_VERSION"), "every writer says who it is");
        database.execute_batch("update engine set written_by = '9.8.7'; pragma user_version = 99").unwrap();
    };
    newer(&world.database());
    world.kill();
    check_newer(&world, true);
    world.dir = clean_copy(&world);
    check_newer(&world, false);
}

/// The same database, with everything in the file itself.
fn clean_copy(world: &World) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["", "-wal"] {
        let name = format!("posthaste.db{ending}");
        std::fs::copy(world.dir.path().join(&name), folder.path().join(&name)).unwrap();
    }
    drop(
        Connection::open(folder.path().join("posthaste.db")).unwrap().execute_batch("pragma wal_checkpoint(truncate)"),
    );
    folder
}

fn check_newer(world: &World, with_log: bool) {
    let log = world.database().with_extension("db-wal");
    assert_eq!(log.exists(), with_log);
    let files = || [&world.database(), &log].map(|path| std::fs::read(path).ok());
    let before = files();
    let database = format!("sqlite:{}", world.database().display());
    let mut list = crate::world::program();
    list.args(["key", "list", "--database", &database]);
    for (code, said) in [
        refused(&mut opens("serve", &world.database())),
        refused(&mut opens("sandbox", &world.database())),
        refused(&mut list),
    ] {
        for word in ["has schema 99", "knows 17", "posthaste 9.8.7 wrote it last", "start that version or a newer one"]
        {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!(code, 2, "{said}");
        assert!(files() == before, "something was written: {said}");
    }
}

#[test]
fn a_server_logs_at_its_start_which_file_it_has_opened() {
    for (flags, sealed) in [(&[][..], "sealed=false"), (&["--seal-key", SEAL_KEY][..], "sealed=true")] {
        let world = World::start_logged(&[&["--log", "info"], flags].concat());
        let file = std::fs::canonicalize(world.database()).unwrap();
        let log = world.log();
        let line = log.lines().find(|line| line.contains("the database is open")).expect("such a line");
        let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
        for word in [&format!("file={}", file.display()), "schema=17", sealed, &version, "purpose=\"serve\""] {
            assert!(line.contains(word), "{word}: {line}");
        }
    }
}

const SEAL_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
