//! The process and its surroundings: what it says, which signals it obeys, which files it makes, how many it may open.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Behaviour, KEY, PATIENCE, Receiver, World, connect, eventually, exchange, now, program};

mod clock;
mod seal;
mod way_in;

/// What may stand in a mode beside the user's own read and write.
const OTHERS: u32 = 0o177;

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe's end for writing that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn dropped(world: &World) -> u64 {
    let metrics = world.call("GET", "/metrics", "").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("posthaste_log_lines_dropped_total ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing_and_is_counted() {
    for log in [full().into(), closed()] {
        let dir = tempfile::tempdir().unwrap();
        let world = World::start_telling(dir, log, &["--log", "info", "--allow-network", "127.0.0.0/8"]);
        let receiver = Receiver::good();
        let (app, _) = world.subscribe(&receiver.url);
        world.publish(&app, "{}");
        receiver.wait_for(1);
        assert!(dropped(&world) > 0);
    }
}

/// Whoever reads no more is no fault of ours; a disk that takes nothing fails the command, in words.
#[test]
fn no_command_panics_where_its_words_find_no_room() {
    let world = World::start();
    let database = format!("sqlite:{}", world.database().display());
    let list = ["key", "list", "--database", &database];
    let runs =
        [&list[..], &["key", "revoke", "key_nobody", "--database", &database], &["serve", "--listen", "nowhere"]];
    for arguments in runs {
        let full = program().args(arguments).stdout(full()).stderr(full()).status().unwrap();
        let closed = program().args(arguments).stdout(closed()).stderr(closed()).status().unwrap();
        for status in [full, closed] {
            assert!(matches!(status.code(), Some(1 | 2)), "{arguments:?} {status}");
        }
    }
    let told = program().args(list).stdout(full()).output().unwrap();
    let words = String::from_utf8(told.stderr).unwrap();
    assert!(told.status.code() == Some(1) && words.contains("could not be written to stdout"), "{words}");
}

#[test]
fn a_server_whose_first_lines_find_no_room_serves() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let database = format!("sqlite:{}", dir.path().join("posthaste.db").display());
    let mut command = program();
    command.args(["serve", "--listen", &address, "--database", &database]).env("POSTHASTE_BOOTSTRAP_KEY", KEY);
    let mut server = command.stdout(full()).stderr(full()).spawn().unwrap();
    eventually(|| std::net::TcpListener::bind(&address).is_err().then_some(()));
    let ready = "GET /api/v1/health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(&format!("http://{address}"), ready.as_bytes()).status, 200);
    signal(server.id(), Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn sighup_ends_neither_server_nor_sandbox() {
    for mut world in [World::start(), World::sandbox(&[])] {
        signal(world.server.id(), Signal::HUP);
        std::thread::sleep(Duration::from_millis(200)); // what must not happen has no condition to wait on
        assert_eq!(world.server.try_wait().unwrap(), None);
        world.call("GET", "/api/v1/health/ready", "").expect(200);
        assert_eq!(world.terminate().code(), Some(0));
    }
}

/// A server with an attempt in flight that never ends, by itself at least.
fn hanging(flags: &[&str]) -> (World, Receiver) {
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let world = World::start_with(&[&["--allow-network", "127.0.0.0/8"], flags].concat());
    let (app, _) = world.subscribe(&receiver.url);
    world.publish(&app, "{}");
    receiver.wait_for(1);
    (world, receiver)
}

#[test]
fn a_stop_takes_no_longer_than_its_seconds_and_what_was_cut_off_is_sent_again() {
    let (mut world, receiver) = hanging(&["--drain-seconds", "1"]);
    let begun = now();
    assert_eq!(world.terminate().code(), Some(0));
    let took = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&took), "{took:?}");
    world.restart();
    receiver.wait_for(2);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (mut world, _receiver) = hanging(&["--drain-seconds", "60"]);
        signal(world.server.id(), Signal::TERM);
        let head = "GET /api/v1/health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        eventually(|| (exchange(&world.url, head.as_bytes()).status == 503).then_some(()));
        assert_eq!(world.server.try_wait().unwrap(), None, "the first lets the attempt end");
        let begun = now();
        signal(world.server.id(), second);
        assert_eq!(world.server.wait().unwrap().code(), Some(code));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_server_that_ends_says_so_to_whoever_comes() {
    let (mut world, _receiver) = hanging(&["--drain-seconds", "5"]);
    signal(world.server.id(), Signal::TERM);
    let ending = eventually(|| {
        let ready = world.call("GET", "/api/v1/health/ready", "");
        (ready.status == 503).then_some(ready)
    });
    assert!(ending.body.contains("the server is ending"), "{ending:?}");
    let refused = world.call("POST", "/api/v1/app", r#"{"name":"late"}"#);
    assert!(refused.status == 503 && refused.header("retry-after") == "1", "{refused:?}");
    assert_eq!(world.call("GET", "/api/v1/health/ping", "").status, 204);
    assert_eq!(world.server.wait().unwrap().code(), Some(0));
}

#[test]
fn its_memory_is_dumped_nowhere() {
    let world = World::start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", world.server.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    // files of a process that may not be dumped belong to root; as root nothing of that is to be seen
    let status = fs::metadata(format!("/proc/{}/environ", world.server.id())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&status), 0);
}

#[track_caller]
fn check_private(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & OTHERS, 0, "{} {mode:o}", entry.path().display());
    }
}

#[test]
fn files_are_their_users_alone_and_old_ones_become_so() {
    let mut world = World::start_logged(&["--allow-network", "127.0.0.0/8"]);
    fs::set_permissions(world.dir.path().join("log"), fs::Permissions::from_mode(0o600)).unwrap(); // ours, not its
    let names = ["posthaste.db", "posthaste.db-wal", "posthaste.db-shm"].map(|name| world.dir.path().join(name));
    assert!(names.iter().all(|name| name.exists()));
    check_private(world.dir.path());
    world.kill();
    for name in &names {
        fs::set_permissions(name, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mut command = world.command();
    let (log, out) = (world.dir.path().join("second"), world.dir.path().join("out"));
    world.server = command.stderr(File::create(&log).unwrap()).stdout(File::create(&out).unwrap()).spawn().unwrap();
    eventually(|| fs::read_to_string(&out).unwrap().contains("listening on ").then_some(()));
    for name in &names {
        assert_eq!(fs::metadata(name).unwrap().permissions().mode() & 0o777, 0o600, "{}", name.display());
    }
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("others could read or write it") && told.contains("posthaste.db-wal"), "{told}");
}

#[test]
fn at_1024_descriptors_and_150_slow_endpoints_a_new_caller_is_served() {
    let receiver = Receiver::start(|_, _| Behaviour::Hang);
    let wrapper = ["sh", "-c", r#"ulimit -n 1024; exec "$@""#, "sh"];
    let dir = tempfile::tempdir().unwrap();
    let world = World::start_under(&wrapper, dir, &["--allow-network", "127.0.0.0/8"]);
    let app = world.call("POST", "/api/v1/app", r#"{"name":"slow"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    for _ in 0..150 {
        world.endpoint(&app, &serde_json::json!({ "url": receiver.url }));
    }
    for _ in 0..16 {
        world.publish(&app, "{}");
    }
    receiver.wait_for(150);
    let idle: Vec<_> = (0..100).map(|_| connect(&world.url)).collect();
    let begun = now();
    world.publish(&app, "{}");
    world.call("GET", "/api/v1/health/ready", "").expect(200);
    assert!(begun.elapsed() < PATIENCE / 10, "{:?}", begun.elapsed());
    let open = fs::read_dir(format!("/proc/{}/fd", world.server.id())).unwrap().count();
    assert!((250..1_000).contains(&open), "{open} are open beside {}", idle.len());
}

/// The answer comes within its time also while the disk takes nothing: the writer waits for whoever holds the lock.
#[test]
fn readiness_tells_of_a_disk_that_takes_nothing_within_100_ms() {
    let world = World::start();
    let ready = || {
        let begun = now();
        let answer = world.call("GET", "/api/v1/health/ready", "");
        (answer, begun.elapsed())
    };
    assert_eq!(ready().0.expect(200), serde_json::json!({ "ready": true, "damagedPlaces": 0 }));
    let holder = rusqlite::Connection::open(world.database()).unwrap();
    holder.execute_batch("begin immediate").unwrap();
    let mut slowest = Duration::ZERO;
    let stuck = eventually(|| {
        let (answer, took) = ready();
        slowest = slowest.max(took);
        (answer.status == 503).then_some(answer)
    });
    assert!(stuck.body.contains("has not taken a commit for 2"), "{stuck:?}");
    assert!(slowest < Duration::from_millis(300), "{slowest:?}"); // 100 ms, on a machine that builds beside it
    holder.execute_batch("rollback").unwrap();
    eventually(|| (ready().0.status == 200).then_some(()));
}
