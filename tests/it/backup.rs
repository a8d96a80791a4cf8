//! Copies of a database: taken beside a server, checked, put back; and what a check finds.

use std::path::{Path, PathBuf};
use std::process::Output;

use posthaste::secret::Sealer;
use posthaste::store::Store as _;
use posthaste::store::sqlite::Sqlite;
use rusqlite::Connection;
use serde_json::json;

use crate::world::{Behaviour, Receiver, World, program};

mod killed;
mod large;

/// Runs a command line on this database.
fn run(words: &[&str], database: &Path) -> Output {
    program().args(words).args(["--database", &format!("sqlite:{}", database.display())]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// It ends well; gives what it says.
#[track_caller]
fn does(words: &[&str], database: &Path) -> String {
    let output = run(words, database);
    assert!(output.status.success(), "{words:?}: {output:?}");
    text(&output.stdout)
}

/// It ends with this code and says these words; gives all that it says.
#[track_caller]
fn refuses(words: &[&str], database: &Path, code: i32, expected: &[&str]) -> String {
    let output = run(words, database);
    let said = text(&output.stderr);
    let told = expected.iter().all(|word| said.contains(word));
    assert!(output.status.code() == Some(code) && told, "{words:?} {expected:?}: {output:?}");
    said
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Names in a folder that hold this word.
fn names(folder: &Path, word: &str) -> Vec<String> {
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains(word)).collect();
    names.sort();
    names
}

/// A server that had some of everything, stopped: events delivered, failed, waiting, in order and in none.
fn a_past() -> (World, String) {
    let mut world = World::start();
    let fails = Receiver::start(|_, _| Behaviour::Status(500));
    let good = Receiver::good();
    let (app, _) = world.subscribe(&good.url);
    world.endpoint(&app, &json!({ "url": fails.url }));
    world.endpoint(&app, &json!({ "url": fails.url, "ordering": "key", "orderingKey": "/order" }));
    for number in 0..9 {
        world.publish(&app, &format!(r#"{{"order":"{}","number":{number}}}"#, number % 3));
    }
    good.wait_for(9);
    fails.wait_for(12);
    assert!(world.terminate().success());
    let db = Connection::open(world.database()).unwrap();
    db.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())).unwrap(); // all is in the one file
    (world, app)
}

fn change(database: &Path, sql: &str) {
    let db = Connection::open(database).unwrap();
    db.execute_batch("pragma foreign_keys = off").unwrap();
    assert!(db.execute(sql, ()).unwrap() > 0, "{sql}");
}

#[test]
fn a_backup_beside_a_server_is_of_one_moment_and_starts() {
    let mut world = World::start();
    let good = Receiver::good();
    let (app, _) = world.subscribe(&good.url);
    let event = world.publish(&app, r#"{"before":true}"#);
    let file = world.dir.path().join("copy.db");
    let said = does(&["backup", path(&file)], &world.database());
    assert!(said.starts_with(path(&file)) && said.contains("MiB"), "{said}");
    let later = world.publish(&app, r#"{"before":false}"#);
    assert_eq!(names(world.dir.path(), "copy"), ["copy.db"], "nothing is left beside it");
    refuses(&["backup", path(&file)], &world.database(), 2, &["copy.db exists and is not overwritten"]);
    assert!(does(&["check", path(&file)], &world.database()).contains("1 events, 1 deliveries, 0 faults"));
    assert_eq!(names(world.dir.path(), "copy"), ["copy.db"], "nor by a check");
    world.kill();
    std::fs::remove_file(world.database()).unwrap();
    for log in names(world.dir.path(), "posthaste.db-") {
        std::fs::remove_file(world.dir.path().join(log)).unwrap();
    }
    does(&["restore", path(&file)], &world.database());
    world.restart();
    let found = |id: &str| world.call("GET", &format!("/api/v1/app/{app}/msg/{id}"), "").status;
    assert_eq!((found(&event), found(&later)), (200, 404));
}

#[test]
fn a_copy_of_a_sealed_database_stays_sealed() {
    let seal = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let world = World::start_with(&["--allow-network", "127.0.0.0/8", "--seal-key", seal]);
    let (app, endpoint) = world.subscribe("http://127.0.0.1:9/");
    let secret = world.call("GET", &format!("/api/v1/app/{app}/endpoint/{endpoint}/secret"), "").expect(200);
    let file = world.dir.path().join("copy.db");
    does(&["backup", path(&file)], &world.database());
    does(&["check", path(&file)], &world.database());
    let bytes = std::fs::read(&file).unwrap();
    let secret = secret["key"].as_str().unwrap().strip_prefix("whsec_").unwrap();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "the secret stands there plainly");
    refuses(&["key", "list"], &file, 2, &["seal"]);
}

#[test]
fn what_is_no_database_of_ours_is_neither_copied_nor_checked() {
    let folder = tempfile::tempdir().unwrap();
    let [missing, empty, other, copy] =
        ["missing.db", "empty.db", "other.db", "copy.db"].map(|n| folder.path().join(n));
    std::fs::write(&empty, "").unwrap();
    Connection::open(&other).unwrap().execute_batch("create table book (title text)").unwrap();
    for (database, words) in
        [(&missing, "is not there"), (&empty, "no database of posthaste"), (&other, "another program's")]
    {
        for command in [&["backup", path(&copy)][..], &["check"]] {
            refuses(command, database, 2, &[words, path(database)]);
        }
    }
    let nowhere = folder.path().join("no/such/copy.db");
    let (world, _) = a_past();
    refuses(&["backup", path(&nowhere)], &world.database(), 1, &["no/such", "No such file"]);
    assert_eq!(names(folder.path(), ""), ["empty.db", "other.db"]);
}

#[test]
fn a_check_of_what_is_whole_finds_nothing_and_changes_nothing() {
    let (mut world, _) = a_past();
    let (before, files) = (std::fs::read(world.database()).unwrap(), names(world.dir.path(), ""));
    assert!(does(&["check"], &world.database()).contains("9 events, 27 deliveries, 0 faults"));
    assert_eq!(std::fs::read(world.database()).unwrap(), before);
    assert_eq!(names(world.dir.path(), ""), files);
    world.restart();
    assert!(does(&["check"], &world.database()).contains("0 faults"), "beside a server too");
}

#[test]
fn each_fault_is_told_with_its_place() {
    let (world, _) = a_past();
    let id = "(select min(id) from event)";
    for (sql, words) in [
        (format!("update event set payload = x'00' where id = {id}"), "its payload is not what its SHA-256 says"),
        ("update endpoint_hour set succeeded = succeeded + 1".to_owned(), "succeeded 10, there are 9"),
        ("delete from due where due_ms < 4611686018427387903".to_owned(), "has no line in the due index"),
        ("delete from delivery where due_ms is not null".to_owned(), "no delivery that is due then"),
        (
            "update delivery set due_ms = 5 where due_ms = 4611686018427387903".to_owned(),
            "it is the turn of 3 deliveries",
        ),
        ("update application set environment = 77".to_owned(), "table application row"),
    ] {
        let file = world.dir.path().join("changed.db");
        std::fs::copy(world.database(), &file).unwrap();
        change(&file, &sql);
        let said = refuses(&["check", path(&file)], &world.database(), 1, &["fault: ", words]);
        assert!(said.ends_with("what it cannot read\n"), "{said}");
    }
}

#[test]
fn a_damaged_page_is_found_and_neither_copied_nor_restored() {
    let (world, _) = a_past();
    let db = Connection::open(world.database()).unwrap();
    db.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())).unwrap();
    let page: u64 =
        db.query_row("select rootpage from sqlite_schema where name = 'due'", (), |row| row.get(0)).unwrap();
    drop(db);
    std::fs::remove_file(log_of(&world.database())).ok();
    let mut bytes = std::fs::read(world.database()).unwrap();
    let at = usize::try_from((page - 1) * 8_192).unwrap();
    bytes[at..at + 64].fill(0xff);
    std::fs::write(world.database(), bytes).unwrap();
    let copy = world.dir.path().join("copy.db");
    refuses(&["check"], &world.database(), 1, &["fault: table due: "]);
    refuses(&["backup", path(&copy)], &world.database(), 1, &["the database is damaged", "posthaste check"]);
    refuses(&["restore", path(&world.database())], &copy, 1, &["is not restored; use an older backup"]);
    assert_eq!(names(world.dir.path(), "copy"), [""; 0]);
}

#[test]
fn a_restore_says_what_is_sent_again_and_overwrites_nothing() {
    let (world, app) = a_past();
    let [file, to] = ["copy.db", "restored.db"].map(|name| world.dir.path().join(name));
    does(&["backup", path(&file)], &world.database());
    refuses(&["restore", path(&file)], &world.database(), 2, &["posthaste.db exists and is not overwritten"]);
    std::fs::write(log_of(&to), "what another database left").unwrap();
    refuses(&["restore", path(&file)], &to, 2, &["restored.db-wal exists and is not overwritten"]);
    std::fs::remove_file(log_of(&to)).unwrap();
    let said = does(&["restore", path(&file)], &to);
    assert!(said.contains("9 events") && said.contains("18 deliveries wait, the oldest since 20"), "{said}");
    assert!(said.contains("is sent again, under the same webhook-id"), "{said}");
    assert!(does(&["check"], &to).contains("9 events, 27 deliveries, 0 faults"));
    assert!(!app.is_empty());
}

/// The databases that older builds left, in tests/it/schema.
#[test]
fn a_backup_of_an_older_posthaste_is_restored_and_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let [old, copy, to] = ["old.db", "copy.db", "posthaste.db"].map(|name| folder.path().join(name));
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schema/0003.db");
    std::fs::copy(kept, &old).unwrap();
    assert!(does(&["check"], &old).contains("of an older posthaste, pages and references alone: 0 faults"));
    does(&["backup", path(&copy)], &old);
    assert!(does(&["restore", path(&copy)], &to).contains("of an older posthaste"));
    let sealer = Sealer::with_key("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    let opening = Sqlite::open(&to, sealer).unwrap().opening(0).unwrap();
    assert!(!opening.applications.is_empty());
}

fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

#[test]
fn space_is_given_back_while_no_server_runs() {
    let (mut world, app) = a_past();
    change(&world.database(), "update event set payload = zeroblob(1000000)");
    change(&world.database(), "update event set payload = x''");
    let large = std::fs::metadata(world.database()).unwrap().len();
    world.restart();
    let said = refuses(&["vacuum"], &world.database(), 1, &["is open in another program", "stop the server"]);
    assert!(said.contains("posthaste.db"), "{said}");
    world.publish(&app, "{}");
    assert!(world.terminate().success());
    assert!(does(&["vacuum"], &world.database()).contains("MiB now"));
    let small = std::fs::metadata(world.database()).unwrap().len();
    assert!(large > 8_000_000 && small < 1_000_000, "{large} {small}");
    world.restart();
    world.call("GET", &format!("/api/v1/app/{app}/msg"), "").expect(200);
}
