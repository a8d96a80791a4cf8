//! Fifty lines of Python behind Posthaste, fed by a sender that loses, doubles and reorders: every peso once.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

use super::crowd::try_exchange;
use super::*;
use crate::world::exchange;

mod odd;
mod played;

/// How many events there are, and how many senders.
const EVENTS: u32 = 10_000;
const SENDERS: u64 = 8;

/// A row of its books: the payment's id, its amount, its currency.
type Row = (String, i64, String);

/// The example, in a process of its own.
struct Handler {
    process: Child,
    folder: TempDir,
    url: String,
}

impl Handler {
    /// Starts it on empty books; its secret is [`STANDARD`].
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let handler = Self { process: Self::launch(folder.path(), &url), folder, url };
        handler.wait_until_it_listens();
        handler
    }

    fn launch(folder: &Path, url: &str) -> Child {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let said = File::options().create(true).append(true).open(folder.join("said")).unwrap();
        let mut python = Command::new(root.join("target/peers/venv/bin/python"));
        python.arg(root.join("examples/handler.py")).arg(STANDARD).arg(folder.join("books.db"));
        python.arg(url.rsplit(':').next().unwrap());
        python.stdin(Stdio::null()).stderr(said).spawn().expect("scripts/test installs it")
    }

    fn wait_until_it_listens(&self) {
        eventually(|| (try_exchange(&self.url, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") == 501).then_some(()));
    }

    /// Lets a source's events go to it.
    fn subscribe_to(&self, door: &Door, more: &Value) -> String {
        let mut endpoint = json!({"url": self.url, "secret": STANDARD});
        endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = door.world.call("POST", &format!("{SOURCES}/{}/endpoint", door.source), endpoint).expect(201);
        text(&made["id"])
    }

    /// Ends it with SIGKILL and starts it anew on the same books.
    fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::launch(self.folder.path(), &self.url);
    }

    /// Sends it bytes as they are.
    fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(&self.url, bytes)
    }

    /// Sends it a body, signed as Posthaste signs; gives the status of its answer.
    fn deliver(&self, body: impl AsRef<[u8]>) -> u16 {
        let (body, secret) = (body.as_ref(), STANDARD);
        self.raw(&request("/", body, &proof(Provider::Standard, secret, body, now_secs()))).status
    }

    /// What it has booked, in the order of ids.
    fn booked(&self) -> Vec<Row> {
        let books = self.books();
        let mut rows = books.prepare("select id, amount, currency from payment order by id").unwrap();
        let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// How much it has booked, and how often.
    fn sums(&self) -> (u64, u64) {
        let sums = "select count(*), coalesce(sum(amount), 0) from payment";
        self.books().query_row(sums, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    fn books(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("books.db")).unwrap()
    }

    /// It still runs, and met nothing that it was not written for.
    #[track_caller]
    fn is_well(&mut self) {
        assert_eq!(self.process.try_wait().unwrap(), None, "it ended");
        let said = std::fs::read_to_string(self.folder.path().join("said")).unwrap();
        assert!(!said.contains("Traceback") && !said.contains("Exception"), "{said}");
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended already
        let _ = self.process.wait();
    }
}

/// An event of a payment of so much.
fn event(number: u32) -> String {
    fintoc(&format!("evt_{number:08}"), number)
}

/// Sends an event as providers do: sometimes it gets lost, sometimes the answer does, sometimes it is sent twice.
fn send(path: &str, url: &RwLock<String>, number: u32, rng: &mut SmallRng) {
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
fn a_handler_of_fifty_lines_books_ten_thousand_payments_once_each() {
    let mut door = Door::open(Provider::Fintoc);
    let mut handler = Handler::start();
    handler.subscribe_to(&door, &json!({}));

    let (url, next) = (RwLock::new(door.world.url.clone()), AtomicUsize::new(0));
    let mut order: Vec<u32> = (1..=EVENTS).collect();
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
            eventually(|| (next.load(Ordering::Relaxed) > order.len() / 3).then_some(()));
            world.kill_and_restart();
            url.write().unwrap().clone_from(&world.url);
        });
    });

    let expected = (u64::from(EVENTS), (1..=u64::from(EVENTS)).sum());
    eventually(|| (handler.sums() == expected).then_some(()));
    let stats = door.get("/stats");
    assert_eq!((&stats["accepted"], &stats["conflicts"]), (&json!(EVENTS), &json!(0)), "{stats}");
    eventually(|| (door.get("/stats")["processed"] == json!(EVENTS)).then_some(()));
    assert!(stats["duplicates"].as_u64().unwrap() > 500, "{stats}");
    handler.is_well();
}

#[test]
fn a_handler_that_is_killed_loses_no_payment_and_books_none_twice() {
    const PAYMENTS: u32 = 600;
    let (door, mut handler) = (Door::open(Provider::Fintoc), Handler::start());
    let endpoint = handler.subscribe_to(&door, &json!({"retrySchedule": [1, 1, 1, 1, 1, 1, 1, 1]}));
    for number in 1..=PAYMENTS {
        assert_eq!(door.send(event(number)).status, 200);
        if number % 200 == 100 {
            handler.kill_and_restart();
        }
    }
    let expected = (u64::from(PAYMENTS), (1..=u64::from(PAYMENTS)).sum());
    eventually(|| (handler.sums() == expected).then_some(()));
    let path = format!("/api/v1/app/{}/endpoint/{endpoint}/attempt-stats", door.source);
    assert_ne!(door.world.call("GET", &path, "").expect(200)["fail"], 0, "it was missed");
    handler.is_well();
}
