//! What is erased is in no file any more, and the room it took is used again.

use std::path::Path;

use posthaste::event::Extra;
use posthaste::id::{EventId, Id, floor_at};
use posthaste::store::{Change, Op};
use rusqlite::Connection;

use super::{a_folder, open};
use crate::store::subject::{DAY_MS, NOON_MS, Subject, set};

/// How many events there are, and how many are looked at in one commit.
const EVENTS: usize = 3_000;
const SLICE: usize = 100;

/// Which of so many numbered texts stand in the file or the log beside it.
fn standing(path: &Path) -> Vec<usize> {
    let files = ["state.db", "state.db-wal"].map(|name| std::fs::read(path.with_file_name(name)).unwrap_or_default());
    let all = files.concat();
    let marks = all.windows(7).filter(|bytes| bytes.starts_with(b"CANARY")).count();
    if marks == 0 {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&all).into_owned();
    let numbers = text.split("CANARY").skip(1).filter_map(|rest| rest.get(..6)?.parse().ok());
    numbers.collect::<std::collections::BTreeSet<usize>>().into_iter().collect()
}

/// Events with payloads of many lengths, each with its number in it; the last names a time of its own.
fn fill(subject: &Subject) {
    let application = subject.make_application();
    for number in 0..EVENTS {
        let mut row = subject.new_event(&application, &[]);
        let length = [20, 700, 3_000, 150, 9_000][number % 5] + number % 97;
        row.event.body = format!("CANARY{number:06}{}", ".".repeat(length)).into();
        if number == EVENTS - 1 {
            let keep_until_ms = Some(NOON_MS + 50 * DAY_MS);
            row.event.extra = Some(Box::new(Extra { keep_until_ms, ..Extra::default() }));
        }
        subject.done(Op::Event(row));
    }
}

/// Erases all whose time has come, and looks at nothing but whole slices.
fn expire(subject: &Subject, wall_ms: i64, days: i64) {
    loop {
        let below = EventId::new(floor_at(wall_ms - days * DAY_MS));
        let erased = subject.expired(wall_ms, below, SLICE).unwrap();
        let done = erased.done;
        subject.done(set(Change::Erased(erased)));
        if done {
            return;
        }
    }
}

#[test]
fn what_is_past_its_time_leaves_the_files_and_its_pages_are_used_again() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    fill(&subject);
    let pragma = |name: &str| {
        let other = Connection::open(&path).unwrap();
        other.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap()
    };
    let pages = pragma("page_count");
    expire(&subject, NOON_MS + 40 * DAY_MS, 30);
    assert!(subject.scrub().unwrap());
    assert_eq!(standing(&path), [EVENTS - 1], "what names a later time is kept");
    let freed = pragma("freelist_count");
    assert!(freed * 100 / pages >= 75, "{freed} of {pages} pages are free");
    expire(&subject, NOON_MS + 50 * DAY_MS, 30);
    assert!(subject.scrub().unwrap());
    assert_eq!(standing(&path), [0; 0]);
}

#[test]
fn a_reader_of_the_past_keeps_the_log_until_it_ends() {
    let (_folder, path) = a_folder();
    let subject = open(&path);
    fill(&subject);
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("begin; select count(*) from event").unwrap();
    expire(&subject, NOON_MS + 60 * DAY_MS, 30);
    assert!(!subject.scrub().unwrap(), "somebody still reads what was");
    subject.make_environment("live");
    reader.execute_batch("commit").unwrap();
    assert!(subject.scrub().unwrap());
    assert_eq!(standing(&path), [0; 0]);
    assert_eq!(std::fs::metadata(path.with_file_name("state.db-wal")).unwrap().len(), 0);
}
