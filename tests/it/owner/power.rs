//! A power cut at any moment: whatever part of what was not synced has reached the disk, the server starts and misses
//! nothing that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rusqlite::Connection;

use crate::load::{Line, show, soak};
use crate::world::{World, eventually};

/// How many images are made of one trace, and what decides which.
const IMAGES: u64 = 24;
const SEED: u64 = 1;
/// How often the log is filled and emptied, and with how many events.
const ROUNDS: usize = 4;
const EVENTS: usize = 25;
/// What a disk writes whole, in bytes.
const SECTOR: usize = 512;

/// What a process did to a file.
enum Act {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// One act, in the order in which they were begun.
struct Done {
    file: String,
    act: Act,
    /// Which line of the trace tells that it is on disk; none does when the process ended before.
    synced: Option<usize>,
    line: usize,
}

/// The acts of a trace, and the marks that were acknowledged, each with its line.
#[derive(Default)]
struct Traced {
    acts: Vec<Done>,
    acknowledged: Vec<(usize, String)>,
    lines: usize,
}

impl Traced {
    fn read(trace: &str) -> Self {
        let (mut traced, mut syncing) = (Self::default(), BTreeMap::<&str, (String, usize)>::new());
        for (number, line) in trace.lines().enumerate() {
            traced.lines = number;
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let call = call.trim_start();
            let returns = !call.ends_with("<unfinished ...>");
            if call.contains("HTTP/1.1 202") {
                let mark = call.split("mark-").nth(1).expect("each has one");
                traced.acknowledged.push((number, mark[..8].to_owned()));
            } else if let Some(file) = file(call).filter(|_| call.starts_with('f') && call.contains("sync(")) {
                syncing.insert(thread, (file, traced.acts.len()));
            } else if let Some((file, act)) = file(call).zip(act(call)) {
                traced.acts.push(Done { file, act, synced: None, line: number });
            }
            let synced = call.contains("sync") && returns && call.trim_end().ends_with("= 0");
            if let Some((file, before)) = synced.then(|| syncing.remove(thread)).flatten() {
                let covered =
                    traced.acts[..before].iter_mut().filter(|done| done.file == file && done.synced.is_none());
                covered.for_each(|done| done.synced = Some(number));
            }
        }
        traced
    }

    /// Writes what a power cut before this line could leave, over what was there at first.
    fn image(&self, cut: usize, rng: &mut SmallRng, from: &Path, to: &Path) {
        std::fs::copy(from, to.join("posthaste.db")).unwrap();
        let keep = [0.0, 0.3, 0.9, 1.0][rng.random_range(0..4)];
        for done in self.acts.iter().take_while(|done| done.line < cut) {
            let durable = done.synced.is_some_and(|line| line < cut);
            let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(to.join(&done.file));
            let file = file.unwrap();
            match &done.act {
                Act::Truncate(bytes) if durable || rng.random_bool(keep) => file.set_len(*bytes).unwrap(),
                Act::Truncate(_) => {}
                Act::Write(at, bytes) => {
                    for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                        if durable || rng.random_bool(keep) {
                            let at = at + u64::try_from(number * SECTOR).unwrap();
                            std::os::unix::fs::FileExt::write_all_at(&file, sector, at).unwrap();
                        }
                    }
                }
            }
        }
    }
}

/// The file of ours that a call is about; none for the index, which is made anew.
fn file(call: &str) -> Option<String> {
    let path = call.split_once('<')?.1.split_once('>')?.0;
    let name = path.rsplit('/').next()?;
    (name.starts_with("posthaste.db") && !name.ends_with("-shm")).then(|| name.to_owned())
}

fn act(call: &str) -> Option<Act> {
    if call.starts_with("ftruncate(") {
        let (_, rest) = call.split_once('>')?;
        return Some(Act::Truncate(numbers(rest).next().expect("a length")));
    }
    let rest = call.strip_prefix("pwrite64(")?.split_once('"')?.1;
    let (bytes, rest) = unescaped(rest);
    let mut numbers = numbers(rest);
    let (length, at) = (numbers.next().expect("a length"), numbers.next().expect("a place"));
    assert_eq!(Some(bytes.len()), usize::try_from(length).ok(), "the trace has all of it");
    Some(Act::Write(at, bytes))
}

/// The arguments behind the first one; the last may be followed by the call's end or by `<unfinished ...>`.
fn numbers(arguments: &str) -> impl Iterator<Item = u64> {
    let words = arguments.split([',', ')', '<']).skip(1);
    words.map_while(|word| word.trim().parse().ok())
}

/// The bytes that strace quotes, and what follows them.
fn unescaped(text: &str) -> (Vec<u8>, &str) {
    let (mut bytes, all, mut at) = (Vec::new(), text.as_bytes(), 0);
    while all[at] != b'"' {
        if all[at] != b'\\' {
            bytes.push(all[at]);
            at += 1;
            continue;
        }
        let digits = all[at + 1..].iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        at += 1 + digits.max(1);
        bytes.push(match all[at - 1] {
            _ if digits > 0 => u8::from_str_radix(&text[at - digits..at], 8).expect("a byte in octal"),
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 0x0b,
            b'f' => 0x0c,
            other => other,
        });
    }
    (bytes, &text[at + 1..])
}

/// Publishes, and erases an event now and then: after that the server empties its log.
fn publish(world: &World, app: &str) {
    let (mut line, path) = (Line::default(), format!("/api/v1/app/{app}/msg"));
    let log = world.database().with_extension("db-wal");
    for round in 0..ROUNDS {
        let mut last = String::new();
        for number in 0..EVENTS {
            let (mark, filler) = (round * EVENTS + number, "x".repeat(number * 300));
            let body = format!(r#"{{"eventType":"a","payload":{{"n":"mark-{mark:08}","filler":"{filler}"}}}}"#);
            let answer = line.call(&world.url, ("POST", &path), &[], &body).expect("an answer").expect(202);
            answer["id"].as_str().unwrap().clone_into(&mut last);
        }
        let erase = line.call(&world.url, ("DELETE", &format!("{path}/{last}/content")), &[], "");
        assert_eq!(erase.expect("an answer").status, 204);
        eventually(|| (std::fs::metadata(&log).unwrap().len() == 0).then_some(()));
    }
}

fn marks(file: &Path) -> BTreeSet<String> {
    let database = Connection::open(file).unwrap();
    let verdict: String = database.query_row("pragma integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let mut sql = database.prepare("select substr(payload, instr(payload, 'mark-') + 5, 8) from event").unwrap();
    let rows = sql.query_map((), |row| row.get::<_, Option<Vec<u8>>>(0)).unwrap();
    rows.map(|bytes| String::from_utf8_lossy(&bytes.unwrap().unwrap_or_default()).into_owned()).collect()
}

#[test]
fn after_a_power_cut_at_any_moment_the_server_starts_and_has_what_it_acknowledged() {
    let mut world = World::start();
    let app = world.call("POST", "/api/v1/app", r#"{"name":"acme"}"#).expect(201)["id"].as_str().unwrap().to_owned();
    world.terminate();
    let (kept, trace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (before, trace) = (kept.path().join("before.db"), trace.path().join("trace"));
    std::fs::copy(world.database(), &before).unwrap();
    let calls = "trace=write,writev,sendto,pwrite64,ftruncate,fdatasync,fsync";
    let wrapper =
        ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-s", "9000", "-e", calls, "-o", trace.to_str().unwrap()];
    let home = std::mem::replace(&mut world.dir, tempfile::tempdir().unwrap());
    let mut traced = World::start_under(&wrapper, home, &[]);
    publish(&traced, &app);
    traced.terminate();
    let text = eventually(|| {
        let text = String::from_utf8_lossy(&std::fs::read(&trace).ok()?).into_owned();
        text.contains("+++ exited with 0 +++").then_some(text)
    });
    let traced = Traced::read(&text);
    assert_eq!(traced.acknowledged.len(), ROUNDS * EVENTS);
    let mut rng = SmallRng::seed_from_u64(soak("SOAK_SEED", SEED));
    let images = soak("SOAK_IMAGES", IMAGES);
    // as it ends the files go, which the trace does not show
    let last = traced.acknowledged.last().unwrap().0;
    for _ in 0..images {
        let cut = rng.random_range(0..=last + 1);
        world.dir = tempfile::tempdir().unwrap();
        traced.image(cut, &mut rng, &before, world.dir.path());
        world.restart(); // without --accept-loss
        world.kill();
        let there = marks(&world.database());
        let acknowledged = traced.acknowledged.iter().take_while(|(line, _)| *line < cut);
        // what was erased has no mark any more
        let erased = |mark: &str| (mark.parse::<usize>().unwrap() + 1).is_multiple_of(EVENTS);
        let missing: Vec<_> = acknowledged.filter(|(_, mark)| !there.contains(mark) && !erased(mark)).collect();
        assert!(missing.is_empty(), "cut before line {cut} of {}: {missing:?}", traced.lines);
    }
    show(&format!("{images} images of {} acts started, and had all that was acknowledged", traced.acts.len()));
}
