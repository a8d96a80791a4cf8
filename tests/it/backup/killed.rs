//! Backups under load, killed and beside servers that are killed: what has the name is whole.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rusqlite::Connection;

use super::{does, names, path};
use crate::load::{Line, show, soak};
use crate::world::{Receiver, World, program};

/// How many backups are begun; `scripts/soak backup` wants more.
const BACKUPS: u64 = 8;
const SEED: u64 = 11;
/// When a kill comes after the backup began, in ms.
const KILL_AFTER_MS: std::ops::Range<u64> = 0..60;

/// What publishers see of the server, and what it acknowledged.
struct Stage {
    url: Mutex<String>,
    app: String,
    over: AtomicBool,
    acknowledged: Mutex<BTreeSet<String>>,
}

impl Stage {
    fn publish(&self, publisher: u64) {
        let mut line = Line::default();
        for number in 0_u64.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let url = self.url.lock().unwrap().clone();
            let id = format!("e{publisher}-{number}");
            let filler = "x".repeat(2_000);
            let body = format!(r#"{{"eventType":"a.b","eventId":"{id}","payload":{{"filler":"{filler}"}}}}"#);
            match line.call(&url, ("POST", &format!("/api/v1/app/{}/msg", self.app)), &[], &body) {
                Some(answer) if matches!(answer.status, 202 | 409) => {
                    self.acknowledged.lock().unwrap().insert(id);
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// Which events a copy has, by the ids that their publishers gave them.
fn events(file: &std::path::Path) -> BTreeSet<String> {
    let db = Connection::open(file).unwrap();
    let mut sql = db.prepare("select uid from event").unwrap();
    sql.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_backup_that_ended_is_whole_and_no_other_is_there() {
    let good = Receiver::good();
    let mut world = World::start();
    let (app, _) = world.subscribe(&good.url);
    let stage =
        Stage { url: Mutex::new(world.url.clone()), app, over: AtomicBool::new(false), acknowledged: Mutex::default() };
    let folder = tempfile::tempdir().unwrap();
    let (mut ended, mut killed) = (0, 0);
    std::thread::scope(|scope| {
        for publisher in 0..4 {
            let stage = &stage;
            scope.spawn(move || stage.publish(publisher));
        }
        let mut rng = SmallRng::seed_from_u64(SEED);
        for number in 0..soak("SOAK_BACKUPS", BACKUPS) {
            std::thread::sleep(Duration::from_millis(rng.random_range(50..200)));
            let file = folder.path().join(format!("{number}.db"));
            let before = stage.acknowledged.lock().unwrap().clone();
            let mut command = program();
            command.args(["backup", path(&file), "--database", &format!("sqlite:{}", world.database().display())]);
            let mut backup = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let after = Duration::from_millis(rng.random_range(KILL_AFTER_MS));
            match number % 4 {
                1 | 3 => {
                    std::thread::sleep(after);
                    backup.kill().unwrap();
                }
                2 => {
                    std::thread::sleep(after);
                    world.kill_and_restart();
                    stage.url.lock().unwrap().clone_from(&world.url);
                }
                _ => {}
            }
            let success = backup.wait().unwrap().success();
            assert!(success || number % 4 == 1 || number % 4 == 3, "backup {number} was not killed and failed");
            if !file.exists() {
                killed += 1;
                continue;
            }
            ended += 1;
            does(&["check", path(&file)], &world.database());
            assert!(before.is_subset(&events(&file)), "backup {number} lacks what was acknowledged before it began");
            if number % 4 == 0 {
                starts(&file, &stage.app);
            }
        }
        stage.over.store(true, Ordering::Relaxed);
    });
    show(&format!("{ended} backups are there, {killed} were killed before their end"));
    assert!(ended >= soak("SOAK_BACKUPS", BACKUPS) / 2);
    let last = folder.path().join("last.db");
    does(&["backup", path(&last)], &world.database());
    assert_eq!(names(folder.path(), "unfinished"), [""; 0], "what killed ones left is gone");
    does(&["check"], &world.database());
}

/// A server starts on a copy of the copy.
fn starts(file: &std::path::Path, app: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(file, dir.path().join("posthaste.db")).unwrap();
    let world = World::start_under(&[], dir, &[]);
    world.call("GET", &format!("/api/v1/app/{app}/msg?limit=1"), "").expect(200);
}
