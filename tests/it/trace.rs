//! The order of the disk and the answer, as the system saw it: synced first, acknowledged second.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::load::{Line, show, soak};
use crate::world::{Receiver, World, eventually};

/// How many publishes are traced; each carries a mark that is found in the log's pages and in its answer.
const EVENTS: u64 = 1_000;
const PUBLISHERS: u64 = 8;
const MARK: &str = "mark-";
const MARK_CHARS: usize = MARK.len() + 8;
/// Where SQLite's frames go before they go anywhere else.
const LOG: &str = "posthaste.db-wal>";

/// What a trace says of one acknowledged event.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The sync that covers it had returned before the answer was written.
    Synced,
    /// It had not.
    Early,
    /// The answer was written, and the log never held the event.
    Unwritten,
}

/// Judges each 202 of a trace; by the event's mark.
///
/// A call that another thread's interrupted stands in two lines: it begins in the first (`<unfinished ...>`) and has
/// returned in the second (`<... fdatasync resumed>`). Its arguments are all in the first.
fn judge(trace: &str) -> BTreeMap<String, Verdict> {
    let mut judge = Judge::default();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        judge.see(thread, call.trim_start());
    }
    judge.verdicts
}

#[derive(Default)]
struct Judge<'a> {
    /// Events whose pages are in the log, and no sync has begun since.
    written: BTreeSet<&'a str>,
    /// Those that a sync covers which has begun, by the thread that waits for it.
    syncing: BTreeMap<&'a str, BTreeSet<&'a str>>,
    synced: BTreeSet<&'a str>,
    /// Pages on their way, by thread: they count once their write has returned.
    writing: BTreeMap<&'a str, BTreeSet<&'a str>>,
    verdicts: BTreeMap<String, Verdict>,
}

impl<'a> Judge<'a> {
    fn see(&mut self, thread: &'a str, call: &'a str) {
        let begins = !call.starts_with("<...");
        let returns = !call.ends_with("<unfinished ...>");
        let name = if begins { call.split('(').next() } else { call.split(' ').nth(1) };
        match name.unwrap_or_default() {
            "pwrite64" | "write" | "writev" | "sendto" if begins && !call.contains(LOG) => self.answer(call),
            "pwrite64" if begins => {
                self.writing.insert(thread, marks(call).collect());
                if returns {
                    self.wrote(thread);
                }
            }
            "pwrite64" if returns => self.wrote(thread),
            "fdatasync" | "fsync" => {
                if begins && call.contains(LOG) {
                    self.syncing.insert(thread, std::mem::take(&mut self.written));
                }
                if returns && call.trim_end().ends_with("= 0") {
                    self.synced.extend(self.syncing.remove(thread).unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn wrote(&mut self, thread: &str) {
        self.written.extend(self.writing.remove(thread).unwrap_or_default());
    }

    /// The moment an answer begins to be written is what counts.
    fn answer(&mut self, call: &'a str) {
        if !call.contains("HTTP/1.1 202") {
            return;
        }
        for mark in marks(call) {
            let in_log = || self.written.contains(mark) || self.syncing.values().any(|marks| marks.contains(mark));
            let verdict = match self.synced.contains(mark) {
                true => Verdict::Synced,
                false if in_log() => Verdict::Early,
                false => Verdict::Unwritten,
            };
            self.verdicts.insert(mark.to_owned(), verdict);
        }
    }
}

fn marks(call: &str) -> impl Iterator<Item = &str> {
    call.match_indices(MARK).filter_map(|(at, _)| call.get(at..at + MARK_CHARS))
}

#[test]
fn the_judge_of_traces_finds_what_is_planted() {
    let write = |mark: &str| format!(r#"7 pwrite64(5<D> /t/posthaste.db-wal>, "..{mark}..", 8192, 56) = 8192"#);
    let (sync, begun) =
        ("7 fdatasync(5</t/posthaste.db-wal>) = 0", "7 fdatasync(5</t/posthaste.db-wal> <unfinished ...>");
    let answer =
        |mark: &str| format!(r#"6 sendto(9<TCP:[a]>, "HTTP/1.1 202 Accepted\r\n..{mark}", 20, 0, NULL, 0) = 20"#);
    let (one, two) = ("mark-00000001", "mark-00000002");
    let resumed = "7 <... fdatasync resumed>) = 0";
    let failed = "7 <... fdatasync resumed>) = -1 EIO (Input/output error)";
    let cases: [(&[&str], &str, Verdict); 7] = [
        (&[&write(one), sync, &answer(one)], one, Verdict::Synced),
        (&[&write(one), begun, resumed, &answer(one)], one, Verdict::Synced),
        (&[&write(one), begun, &answer(one), resumed], one, Verdict::Early),
        (&[&write(one), &answer(one), sync], one, Verdict::Early),
        (&[&write(one), begun, failed, &answer(one)], one, Verdict::Early),
        (&[&write(one), begun, &write(two), resumed, &answer(two), sync], two, Verdict::Early),
        (&[sync, &answer(two)], two, Verdict::Unwritten),
    ];
    for (lines, mark, verdict) in cases {
        assert_eq!(judge(&lines.join("\n"))[mark], verdict, "{lines:?}");
    }
}

#[test]
fn every_event_is_synced_before_its_202_is_written() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::good());
    let file = dir.path().join("trace");
    let calls = "trace=write,writev,pwrite64,sendto,fdatasync,fsync";
    let wrapper =
        ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-s", "9000", "-e", calls, "-o", file.to_str().unwrap()];
    let home = tempfile::tempdir().unwrap();
    let mut world = World::start_under(&wrapper, home, &["--allow-network", "127.0.0.0/8"]);
    let (app, _) = world.subscribe(&receiver.url);
    let events = soak("SOAK_EVENTS", EVENTS);
    std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (world, app) = (&world, &app);
            scope.spawn(move || {
                let mut line = Line::default();
                for number in (publisher..events).step_by(usize::try_from(PUBLISHERS).unwrap()) {
                    let body = format!(r#"{{"eventType":"a","payload":{{"n":"{MARK}{number:08}"}}}}"#);
                    let answer = line.call(&world.url, ("POST", &format!("/api/v1/app/{app}/msg")), &[], &body);
                    assert!(answer.expect("an answer").expect(202)["payload"]["n"].is_string());
                }
            });
        }
    });
    world.terminate();
    let trace = whole_trace(&file);
    let verdicts = judge(&trace);
    assert_eq!(verdicts.len(), usize::try_from(events).unwrap(), "each 202 is in the trace");
    let violations: Vec<_> = verdicts.iter().filter(|(_, verdict)| **verdict != Verdict::Synced).collect();
    show(&format!("{} acknowledged, {} before their sync had returned", verdicts.len(), violations.len()));
    assert!(violations.is_empty(), "{violations:?}");

    let planted = judge(&without_one_sync(&trace));
    let found = planted.values().filter(|verdict| **verdict != Verdict::Synced).count();
    show(&format!("without one of its syncs the same trace has {found} violations"));
    assert!(found > 0, "a sync was taken out and nobody noticed");
}

/// The tracer ends a little after the server.
fn whole_trace(file: &Path) -> String {
    eventually(|| {
        let trace = String::from_utf8_lossy(&std::fs::read(file).ok()?).into_owned();
        trace.contains("+++ exited with 0 +++").then_some(trace)
    })
}

/// The trace with the first sync gone that a marked event stands before.
fn without_one_sync(trace: &str) -> String {
    let marked = trace.find(&format!("{MARK}0")).expect("a marked event");
    let is_sync = |line: &&str| line.contains(" fsync(") || line.contains(" fdatasync(");
    let sync = trace[marked..].lines().skip(1).find(is_sync).expect("a sync");
    [&trace[..marked], &trace[marked..].replacen(&format!("\n{sync}"), "", 1)].concat()
}
