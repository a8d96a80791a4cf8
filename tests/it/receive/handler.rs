//! Twenty lines of Python behind Posthaste, fed by a sender that loses, doubles and reorders: every peso once.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::crowd::try_exchange;
use super::*;

/// How many events there are, and how many senders.
const EVENTS: usize = 10_000;
const SENDERS: u64 = 8;

/// The example, in a process of its own.
struct Handler(Child);

impl Handler {
    fn start(secret: &str, books: &Path, port: u16) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut python = Command::new(root.join("target/peers/venv/bin/python"));
        python.arg(root.join("examples/handler.py")).arg(secret).arg(books).arg(port.to_string());
        Self(python.stderr(Stdio::null()).spawn().expect("scripts/test installs it"))
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended already
        let _ = self.0.wait();
    }
}

fn event(number: usize) -> String {
    fintoc(&format!("evt_{number:08}"), u32::try_from(number).unwrap())
}

/// Sends an event as providers do: sometimes it gets lost, sometimes the answer does, sometimes it is sent twice.
fn send(path: &str, url: &RwLock<String>, number: usize, rng: &mut SmallRng) {
    let body = event(number).into_bytes();
    loop {
        if rng.random_ratio(1, 20) {
            continue; // lost on the way there
        }
        let bytes = request(path, &body, &proof(Provider::Fintoc, FINTOC, &body, now_secs()));
        let status = try_exchange(&url.read().unwrap(), &bytes);
        assert!(matches!(status, 0 | 200 | 503), "{status}");
        if status == 200 && !rng.random_ratio(1, 10) {
            return;
        }
        // lost on the way back, or nobody there: as far as the sender knows nothing came
        if status != 200 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_handler_of_twenty_lines_books_ten_thousand_payments_once_each() {
    let mut door = Door::open(Provider::Fintoc);
    let folder = tempfile::tempdir().unwrap();
    let (books, port) =
        (folder.path().join("books.db"), TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let endpoint = json!({"url": format!("http://127.0.0.1:{port}/"), "secret": STANDARD});
    door.world.call("POST", &format!("{SOURCES}/{}/endpoint", door.source), endpoint).expect(201);
    let _handler = Handler::start(STANDARD, &books, port);

    let (url, next) = (RwLock::new(door.world.url.clone()), AtomicUsize::new(0));
    let mut order: Vec<usize> = (0..EVENTS).collect();
    order.shuffle(&mut SmallRng::seed_from_u64(1));
    let (path, world) = (door.path.as_str(), &mut door.world);
    std::thread::scope(|scope| {
        for seed in 0..SENDERS {
            let (order, next, url) = (&order, &next, &url);
            scope.spawn(move || {
                let mut rng = SmallRng::seed_from_u64(seed);
                while let Some(&number) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    send(path, url, number, &mut rng);
                }
            });
        }
        scope.spawn(|| {
            eventually(|| (next.load(Ordering::Relaxed) > EVENTS / 3).then_some(()));
            world.kill_and_restart();
            url.write().unwrap().clone_from(&world.url);
        });
    });

    let expected = (EVENTS as u64, (0..EVENTS as u64).sum::<u64>());
    let found = || {
        let books = rusqlite::Connection::open(&books).ok()?;
        books
            .query_row("select count(*), coalesce(sum(amount), 0) from payment", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .ok()
    };
    eventually(|| (found() == Some(expected)).then_some(()));
    let stats = door.get("/stats");
    assert_eq!((&stats["accepted"], &stats["conflicts"]), (&json!(EVENTS), &json!(0)), "{stats}");
    eventually(|| (door.get("/stats")["processed"] == json!(EVENTS)).then_some(()));
    assert!(stats["duplicates"].as_u64().unwrap() > 500, "{stats}");
}
