//! A clean stop leaves one file, whole or not claimed to be.

use rusqlite::Connection;

use crate::load::Line;
use crate::world::{Receiver, World};

fn names(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.dir.path()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Publishes some megabytes; gives how many events.
fn fill(world: &World, app: &str) -> i64 {
    let (mut line, events) = (Line::default(), 300);
    let body = format!(r#"{{"eventType":"a","payload":{{"filler":"{}"}}}}"#, "x".repeat(20_000));
    for _ in 0..events {
        let answer = line.call(&world.url, ("POST", &format!("/api/v1/app/{app}/msg")), &[], &body);
        answer.expect("an answer").expect(202);
    }
    events
}

fn events(file: &std::path::Path) -> i64 {
    let database = Connection::open(file).unwrap();
    let verdict: String = database.query_row("pragma integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    database.query_row("select count(*) from event", (), |row| row.get(0)).unwrap()
}

#[test]
fn after_a_clean_stop_the_file_alone_holds_everything() {
    let receiver = Receiver::good();
    let mut world = World::start_logged(&["--allow-network", "127.0.0.0/8", "--log", "info"]);
    let (app, _) = world.subscribe(&receiver.url);
    let published = fill(&world, &app);
    assert!(std::fs::metadata(world.database()).unwrap().len() < 6_000_000, "the log holds most of it");
    assert_eq!(world.terminate().code(), Some(0));
    assert_eq!(names(&world), ["log", "posthaste.db"]);
    assert!(world.log().contains("the database is closed, and whole by itself"), "{}", world.log());
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(world.database(), copy.path().join("copy.db")).unwrap();
    assert_eq!(events(&copy.path().join("copy.db")), published);
    world.restart();
}

#[test]
fn a_stop_beside_a_reader_does_not_claim_a_whole_file_and_loses_nothing() {
    let receiver = Receiver::good();
    let mut world = World::start_logged(&["--allow-network", "127.0.0.0/8", "--log", "info"]);
    let (app, _) = world.subscribe(&receiver.url);
    let reader = Connection::open(world.database()).unwrap();
    reader.execute_batch("begin; select * from engine").unwrap();
    let published = fill(&world, &app);
    assert_eq!(world.terminate().code(), Some(0));
    let log = world.log();
    assert!(log.contains("not whole without its -wal: somebody reads it") && !log.contains("whole by itself"), "{log}");
    assert!(names(&world).contains(&"posthaste.db-wal".to_owned()));
    drop(reader);
    world.restart();
    assert_eq!(world.terminate().code(), Some(0));
    assert_eq!(events(&world.database()), published);
}
