//! A key that is given later, and another one: what stood there plainly is sealed, and cut off at any moment all of it
//! is under one key.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;

use crate::world::{World, eventually, program};

const SECRET: &str = "whsec_c2VjcmV0LWNhbmFyeS1vZi0zMC1ieXRlcy1sb25n";
const OLD: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
/// So many endpoints that sealing them takes long enough to be cut off.
const ENDPOINTS: i64 = 20_000;
const KILLS: u64 = 6;

/// A world that has stopped, with a secret and as many copies of its endpoint.
fn stopped(copies: i64) -> World {
    let mut world = World::start();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"a"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    let settings =
        serde_json::json!({ "url": "http://1.1.1.1/", "uid": "e", "secret": SECRET, "headers": { "x-a": SECRET } });
    world.endpoint(&app, &settings);
    world.terminate();
    let db = Connection::open(world.database()).unwrap();
    db.execute_batch("create temp table copy as select * from endpoint; begin").unwrap();
    for id in 1..=copies {
        db.execute("update copy set id = ?1, uid = null", (id,)).unwrap();
        db.execute("insert into endpoint select * from copy", ()).unwrap();
    }
    db.execute_batch("commit; pragma wal_checkpoint(truncate)").unwrap();
    world
}

/// Whether the secret can be read in any file beside the database.
fn is_plain(world: &World) -> bool {
    let files = fs::read_dir(world.dir.path()).unwrap().flatten();
    let shows = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(SECRET.len() - 6).any(|window| window == &SECRET.as_bytes()[6..])
    };
    files.map(|entry| entry.path()).any(|path| shows(&path))
}

/// Which values of the file are plain: `(plain, all)`.
fn values(world: &World) -> (i64, i64) {
    let db = Connection::open(world.database()).unwrap();
    let sql = "select sum(substr(secrets, 1, 1) = x'00') + sum(substr(headers, 1, 1) = x'00')
               + (select substr(token_key, 1, 1) = x'00' from engine), 2 * count(*) + 1 from endpoint";
    db.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn serve(world: &World, key: Option<&str>) -> Command {
    let mut command = world.command();
    command.envs(key.map(|key| ("POSTHASTE_SEAL_KEY", key))).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// It does not start with this key, and says whose key is wrong.
#[track_caller]
fn refuses(world: &World, key: Option<&str>) {
    let output = serve(world, key).stderr(Stdio::piped()).stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for word in ["--seal-key", "POSTHASTE_SEAL_KEY", "posthaste.db"] {
        assert!(said.contains(word) && output.status.code() == Some(2), "{word}: {said}");
    }
}

/// Starts a server with this key, waits until it serves, and ends it.
fn serves(world: &mut World, key: &str) {
    let out = world.dir.path().join("out");
    world.server = serve(world, Some(key)).stdout(fs::File::create(&out).unwrap()).spawn().unwrap();
    eventually(|| {
        assert_eq!(world.server.try_wait().unwrap(), None, "it ended");
        fs::read_to_string(&out).unwrap().contains("listening on ").then_some(())
    });
    assert!(!is_plain(world), "no file shows it, also while it runs");
    assert!(world.terminate().success());
}

fn reseal(world: &World, before: &str, after: &str) -> Command {
    let mut command = program();
    command.args(["reseal", "--database", &format!("sqlite:{}", world.database().display())]);
    command.envs([("POSTHASTE_SEAL_KEY", before), ("POSTHASTE_NEW_KEY", after)]);
    command
}

/// Kills it after a time that is another in each round.
fn kill_in_time(mut child: Child, round: u64) {
    std::thread::sleep(Duration::from_millis(20 + 40 * round));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_key_given_later_seals_what_is_there_and_is_needed_from_then_on() {
    let mut world = stopped(10);
    assert!(is_plain(&world));
    serves(&mut world, OLD);
    let (plain, all) = values(&world);
    assert!(plain == 0 && all == 23, "{plain} of {all}");
    refuses(&world, None);
    refuses(&world, Some(NEW));
    let list =
        program().args(["key", "list", "--database", &format!("sqlite:{}", world.database().display())]).output();
    assert!(!list.unwrap().status.success());
    serves(&mut world, OLD);
}

#[test]
fn sealing_that_is_killed_leaves_all_of_it_or_nothing_and_is_done_at_the_next_start() {
    let mut world = stopped(ENDPOINTS);
    for round in 0..KILLS {
        kill_in_time(serve(&world, Some(OLD)).spawn().unwrap(), round);
        let (plain, all) = values(&world);
        assert!(plain == 0 || plain == all, "{plain} of {all} are plain");
    }
    serves(&mut world, OLD);
    assert_eq!(values(&world).0, 0);
    refuses(&world, None);
}

#[test]
fn another_key_opens_all_of_it_and_the_one_before_nothing_also_after_kills() {
    let mut world = stopped(ENDPOINTS);
    serves(&mut world, OLD);
    let wrong = reseal(&world, NEW, OLD).output().unwrap();
    assert!(wrong.status.code() == Some(2), "{wrong:?}");
    for round in 0..KILLS {
        kill_in_time(reseal(&world, OLD, NEW).stderr(Stdio::null()).spawn().unwrap(), round);
    }
    let first = reseal(&world, OLD, NEW).output().unwrap();
    let said = String::from_utf8([first.stdout, first.stderr].concat()).unwrap();
    // one that was killed last may have been through
    assert!(first.status.success() && said.contains("under the new key") || said.contains("--seal-key"), "{said}");
    refuses(&world, Some(OLD));
    refuses(&world, None);
    serves(&mut world, NEW);
}

#[test]
fn a_key_is_not_changed_beside_a_running_server() {
    let world = World::start();
    let mut command = reseal(&world, "", NEW);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("stop the server"), "{said}");
    world.call("GET", "/api/v1/app", "").expect(200);
}
