//! A log that is missing, another, or too short is told at start; a torn tail that was never noted is not.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;

use super::refused;
use crate::load::Line;
use crate::world::{Receiver, World, eventually};

/// How many bytes of log are noted at the latest, and a frame's header and page.
const NOTED_BYTES: u64 = 4 * 1_024 * 1_024;
const FRAME_BYTES: u64 = 24 + 8_192;

fn log(world: &World) -> PathBuf {
    world.database().with_extension("db-wal")
}

/// The notes beside the database.
fn noted(world: &World) -> Vec<u8> {
    std::fs::read(world.database().with_extension("db-owner")).unwrap().split_off(512)
}

/// Publishes so many events of 20 kB.
fn publish(world: &World, app: &str, count: usize) {
    let mut line = Line::default();
    let body = json!({"eventType": "a", "payload": {"filler": "x".repeat(20_000)}}).to_string();
    for _ in 0..count {
        let answer = line.call(&world.url, ("POST", &format!("/api/v1/app/{app}/msg")), &[], &body);
        answer.expect("an answer").expect(202);
    }
}

/// A server with several megabytes in its log, killed.
fn killed() -> World {
    let receiver = Receiver::good();
    let mut world = World::start();
    let (app, _) = world.subscribe(&receiver.url);
    publish(&world, &app, 600);
    let before = noted(&world);
    while noted(&world) == before {
        publish(&world, &app, 1);
    }
    publish(&world, &app, 40); // no note covers these
    world.kill();
    assert!(std::fs::metadata(log(&world)).unwrap().len() > 2 * NOTED_BYTES);
    world
}

/// The database as it stands, with all that is beside it, in a folder of its own.
fn copy(from: &World) -> World {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from.dir.path()).unwrap().flatten() {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let mut world = World::start();
    world.kill();
    world.dir = folder;
    world
}

#[track_caller]
fn check_told(world: &mut World, why: &str) {
    let before = std::fs::read(world.database()).unwrap();
    let (code, said) = refused(&mut world.command());
    for word in ["lacks what was acknowledged", why, "--accept-loss", "POSTHASTE_ACCEPT_LOSS"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(code, 1, "{said}");
    assert_eq!(std::fs::read(world.database()).unwrap(), before, "it was left alone");
    let log = std::fs::File::create(world.dir.path().join("log")).unwrap();
    let mut command = world.command();
    let mut child = command.arg("--accept-loss").stdout(std::process::Stdio::piped()).stderr(log).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().starts_with("listening")), "it goes on");
    world.server = child;
    assert!(world.log().contains("going on without what is missing"), "{}", world.log());
    world.kill();
    world.restart(); // it is told once
    world.kill();
}

fn cut(path: &Path, bytes: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

#[test]
fn a_missing_log_is_told_at_start() {
    let mut world = killed();
    std::fs::remove_file(log(&world)).unwrap();
    check_told(&mut world, "posthaste.db-wal is missing");
}

#[test]
fn an_empty_log_and_one_that_is_too_short_are_told_at_start() {
    let killed = killed();
    for (bytes, why) in [(0, "posthaste.db-wal is empty"), (32 + 60 * FRAME_BYTES + 100, "is shorter than it was")] {
        let mut world = copy(&killed);
        cut(&log(&world), bytes);
        check_told(&mut world, why);
    }
}

#[test]
fn a_missing_database_with_a_note_beside_it_is_told_at_start() {
    let mut world = killed();
    std::fs::remove_file(world.database()).unwrap();
    let (code, said) = refused(&mut world.command());
    assert!(code == 1 && said.contains("lacks what was acknowledged"), "{said}");
    std::fs::remove_file(world.database().with_extension("db-owner")).unwrap();
    std::fs::remove_file(log(&world)).unwrap();
    world.restart();
}

/// A log from before the file took in what stood in it, and one from another database.
#[test]
fn a_log_of_another_generation_is_told_at_start_and_set_aside() {
    let receiver = Receiver::good();
    let mut world = World::start();
    let (app, _) = world.subscribe(&receiver.url);
    publish(&world, &app, 50);
    let old = copy(&world); // while it runs: only the log is used
    let database = Connection::open(world.database()).unwrap();
    for _ in 0..2 {
        let busy: bool = database.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get(0)).unwrap();
        assert!(!busy);
        publish(&world, &app, 250);
    }
    drop(database);
    world.kill();
    for other in [old, killed()] {
        let mut world = copy(&world);
        std::fs::copy(log(&other), log(&world)).unwrap();
        check_told(&mut world, "is of another generation, or of another database");
        assert!(world.database().with_extension("db-wal-aside").exists());
    }
}

/// Somebody brings back an older copy of the file, and leaves the log of the newer one beside it.
#[test]
fn an_older_copy_of_the_file_beside_a_newer_log_is_told_at_start() {
    let receiver = Receiver::good();
    let mut world = World::start();
    let (app, _) = world.subscribe(&receiver.url);
    publish(&world, &app, 50);
    world.terminate();
    let older = std::fs::read(world.database()).unwrap();
    world.restart();
    publish(&world, &app, 50);
    let database = Connection::open(world.database()).unwrap();
    let truncate = || database.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get::<_, bool>(0)).unwrap();
    for _ in 0..2 {
        assert!(!truncate());
        publish(&world, &app, 50);
    }
    drop(database);
    world.kill();
    std::fs::write(world.database(), older).unwrap();
    check_told(&mut world, "is of another generation, or of another database");
}

#[test]
fn a_torn_tail_is_no_loss() {
    let killed = killed();
    let length = std::fs::metadata(log(&killed)).unwrap().len();
    let bytes = std::fs::read(log(&killed)).unwrap();
    for (back, flips) in [(1, false), (FRAME_BYTES / 2, false), (20 * FRAME_BYTES, false), (20 * FRAME_BYTES, true)] {
        let mut world = copy(&killed);
        cut(&log(&world), length - back);
        if flips {
            let mut torn = bytes.clone();
            let from = usize::try_from(length - back).unwrap();
            torn[from..].iter_mut().step_by(512).for_each(|byte| *byte ^= 0x55);
            std::fs::write(log(&world), torn).unwrap();
        }
        world.restart();
        world.kill();
    }
}

/// Somebody looked into what a kill left, and SQLite took the log into the file.
#[test]
fn a_log_that_another_program_took_into_the_file_is_no_loss() {
    let killed = killed();
    let mut world = copy(&killed);
    drop(Connection::open(world.database()).unwrap().query_row("select count(*) from event", (), |_| Ok(())));
    assert!(!log(&world).exists());
    world.restart();
    world.kill();
    let mut world = copy(&killed);
    world.key("viewer", "test");
    assert!(!log(&world).exists());
    world.restart();
}

/// Whoever only trickles is noted too: after ten seconds, without another commit.
#[test]
fn what_an_idle_server_made_durable_is_noted_after_ten_seconds() {
    let mut world = World::start();
    let database = Connection::open(world.database()).unwrap();
    let truncate = || database.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get::<_, bool>(0)).unwrap();
    assert!(!truncate());
    world.call("POST", "/api/v1/app", json!({"name": "acme"})).expect(201);
    let before = noted(&world);
    eventually(|| (noted(&world) != before).then_some(()));
    drop(database);
    world.kill();
    std::fs::remove_file(log(&world)).unwrap();
    check_told(&mut world, "is missing");
}
