//! A backup of a large database beside publishers: how long it takes, what it costs them, how long the log becomes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posthaste::clock::{Clock as _, SystemClock};

use super::{does, path};
use crate::generate::{Goal, backlog};
use crate::load::{Line, knock, show, soak, strict};
use crate::world::{Receiver, World, eventually, now};

/// How large the database is, in MiB; `scripts/soak backup` wants 2,048.
const MIB: u64 = 40;
/// How many events are published each second, and for how long alone.
const RATE: u64 = 100;
const SECS: u64 = 2;
/// Bytes of a payload that is written beforehand: two stand on a page.
const PAYLOAD_BYTES: usize = 3_700;
/// What holds on a machine of its own.
const TIME_MAX: Duration = Duration::from_mins(1);
const LOG_MIB_MAX: u64 = 512;

fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[test]
fn a_large_database_is_copied_beside_publishers() {
    let mut world = World::start();
    let good = Receiver::good();
    let (app, _) = world.subscribe(&good.url);
    let endpoint = world.endpoint(&app, &serde_json::json!({ "url": good.url, "disabled": true }));
    assert!(world.terminate().success());
    let goal = Goal { app: &app, endpoint: &endpoint, size: PAYLOAD_BYTES };
    let count = soak("SOAK_MIB", MIB) * 1_024 * 1_024 / (PAYLOAD_BYTES as u64 + 400);
    backlog(&world.database(), &goal, count, SystemClock::start().now().wall_ms);
    world.restart();
    let rate = u32::try_from(soak("SOAK_RATE", RATE)).unwrap();
    let publish = |line: &mut Line, number: usize| {
        line.publish(&world.url, &app, &format!(r#"{{"number":{number},"filler":"{}"}}"#, "y".repeat(1_000)));
    };
    let alone = p99(knock(16, rate, Duration::from_secs(soak("SOAK_SECS", SECS)), publish));
    let file = world.dir.path().join("copy.db");
    let log = super::log_of(&world.database());
    let (over, mut log_bytes) = (AtomicBool::new(false), 0);
    let (took, beside) = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut all = Vec::new();
            while !over.load(Ordering::Relaxed) {
                all.extend(knock(16, rate, Duration::from_secs(1), publish));
            }
            all
        });
        let backup = scope.spawn(|| {
            let begun = now();
            does(&["backup", path(&file)], &world.database());
            begun.elapsed()
        });
        while !backup.is_finished() {
            log_bytes = log_bytes.max(std::fs::metadata(&log).map_or(0, |log| log.len()));
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        (backup.join().unwrap(), p99(publishing.join().unwrap()))
    });
    let mib = |bytes: u64| bytes / 1_048_576;
    show(&format!(
        "{} MiB beside {rate} events/s: {took:?}; p99 {alone:?} alone, {beside:?} beside it; -wal {} MiB",
        mib(std::fs::metadata(&file).unwrap().len()),
        mib(log_bytes)
    ));
    let begun = now();
    assert!(does(&["check", path(&file)], &world.database()).contains(" 0 faults"));
    show(&format!("checked in {:?}", begun.elapsed()));
    assert!(mib(log_bytes) <= LOG_MIB_MAX);
    assert!(!strict() || (took <= TIME_MAX && beside <= alone * 3), "see the figures above");
}

/// Bytes of a payload that fills the log, and how many of them do.
const FILLER_BYTES: usize = 900_000;
const FILLERS: usize = 320;

#[test]
fn a_reader_that_keeps_the_log_is_told_until_it_is_gone() {
    let world = World::start_logged(&[]);
    let app = world.call("POST", "/api/v1/app", r#"{"name":"a"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let reader = rusqlite::Connection::open(world.database()).unwrap();
    reader.execute_batch("begin; select count(*) from event").unwrap();
    let payload = format!(r#"{{"filler":"{}"}}"#, "z".repeat(FILLER_BYTES));
    let mut line = Line::default();
    for _ in 0..FILLERS {
        line.publish(&world.url, &app, &payload);
    }
    let held = || world.call("GET", "/metrics", "").body.contains("\nposthaste_log_held 1\n");
    assert!(held());
    let told = "another program has been reading the database";
    eventually(|| world.log().contains(told).then_some(()));
    reader.execute_batch("commit").unwrap();
    eventually(|| {
        line.publish(&world.url, &app, "{}");
        (!held()).then_some(())
    });
    eventually(|| world.log().contains("nothing keeps the database's log").then_some(()));
    assert_eq!(world.log().matches(told).count(), 1);
}
