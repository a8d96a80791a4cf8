//! Killing: whatever was acknowledged before a kill is delivered after it, once, byte for byte.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use posthaste::digest::sha256;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::value::RawValue;

use crate::load::{Line, show, soak};
use crate::world::{Behaviour, Received, Receiver, World, eventually, now};

/// How many kills the story has; `scripts/soak kill` wants more, in rounds of so many.
const KILLS: u64 = 25;
const SEED: u64 = 7;
const PUBLISHERS: u64 = 4;
/// Between two kills, in ms.
const KILL_AFTER_MS: std::ops::Range<u64> = 50..600;
/// A restarted server has delivered something after this long.
const FIRST_DELIVERY_MAX: Duration = Duration::from_secs(2);
/// An outcome that the receiver gave this long before a kill may be lost with it: the linger, and a slow disk.
const UNWRITTEN_MAX: Duration = Duration::from_secs(2);
/// A busy receiver reads what was on the wire at a kill this long after it; no restarted server sends so soon.
const ON_THE_WIRE_MAX: Duration = Duration::from_millis(20);

/// What makes the retry of a request the same request.
#[derive(Clone, Copy)]
enum By {
    OwnKey,
    SdkKey,
    EventId,
    BatchKey,
}

/// One request of a publisher; its payloads are like no other's.
struct Ask {
    by: By,
    name: String,
    payloads: Vec<String>,
}

impl Ask {
    fn new(publisher: u64, number: u64, rng: &mut SmallRng) -> Self {
        let by = [By::OwnKey, By::SdkKey, By::EventId, By::BatchKey][rng.random_range(0..4)];
        let name = format!("{}{publisher}-{number}", if matches!(by, By::SdkKey) { "auto_" } else { "k-" });
        let count = if matches!(by, By::BatchKey) { 3 } else { 1 };
        let payload = |part| {
            let filler = "x\\u00e9 ".repeat(rng.random_range(1..200));
            format!(r#"{{ "ask":"{name}/{part}", "amount" : 1.10,"filler":"{filler}" }}"#)
        };
        let payloads = (0..count).map(payload).collect();
        Self { by, name, payloads }
    }

    /// Sends it until the answer is clear; gives the ids of its events.
    fn until_acknowledged(&self, line: &mut Line, stage: &Stage) -> Vec<String> {
        for tries in 0_u32.. {
            let url = stage.url.lock().unwrap().clone();
            match self.send(line, &url, &stage.app) {
                Some((202, ids)) => return ids,
                Some((409, ids)) if tries > 0 && matches!(self.by, By::EventId) => return ids,
                Some((503, _)) | None => std::thread::sleep(Duration::from_millis(5)),
                Some((status, ids)) => panic!("{} was answered {status} {ids:?}", self.name),
            }
        }
        unreachable!("it is tried for ever")
    }

    /// Sends it once; `None` when no answer came.
    fn send(&self, line: &mut Line, url: &str, app: &str) -> Option<(u16, Vec<String>)> {
        let message = |payload: &String| format!(r#"{{"eventType":"a.b","payload":{payload}}}"#);
        let (path, body) = match self.by {
            By::BatchKey => {
                let messages: Vec<_> = self.payloads.iter().map(message).collect();
                ("/batch", format!(r#"{{"messages":[{}]}}"#, messages.join(",")))
            }
            By::EventId => {
                let body = format!(r#"{{"eventType":"a.b","eventId":"{}","payload":{}}}"#, self.name, self.payloads[0]);
                ("", body)
            }
            By::OwnKey | By::SdkKey => ("", message(&self.payloads[0])),
        };
        let keyed = [("idempotency-key", self.name.as_str())];
        let headers = if matches!(self.by, By::EventId) { &[][..] } else { &keyed };
        let path = format!("/api/v1/app/{app}/msg{path}");
        let mut answer = line.call(url, ("POST", &path), headers, &body)?;
        let status = answer.status;
        if status == 409 && matches!(self.by, By::EventId) {
            answer = line.call(url, ("GET", &format!("{path}/{}", self.name)), &[], "")?;
            assert_eq!(answer.status, 200, "a conflict with an event that is not there: {answer:?}");
        }
        let text = serde_json::from_str::<serde_json::Value>(&answer.body).expect("JSON");
        let parts = text["data"].as_array().cloned().unwrap_or_else(|| vec![text]);
        if parts.iter().any(|part| part["status"] == 503) {
            return Some((503, Vec::new()));
        }
        Some((status, parts.iter().map(|part| part["id"].as_str().unwrap_or_default().to_owned()).collect()))
    }
}

/// What the publishers see of the world.
struct Stage {
    url: Mutex<String>,
    app: String,
    over: AtomicBool,
    acknowledged: Mutex<Vec<(Ask, Vec<String>)>>,
}

impl Stage {
    fn publish(&self, publisher: u64, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed ^ (publisher << 32));
        let mut line = Line::default();
        for number in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let ask = Ask::new(publisher, number, &mut rng);
            let ids = ask.until_acknowledged(&mut line, self);
            self.acknowledged.lock().unwrap().push((ask, ids));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One receiver of each temper.
struct Receivers {
    ok: Receiver,
    flaky: Receiver,
    slow: Receiver,
}

impl Receivers {
    fn start() -> Self {
        let seen = Mutex::new(HashSet::new());
        let flaky = Receiver::start(move |count, received| {
            let first = seen.lock().unwrap().insert(received.id().to_owned());
            match count % 2 {
                _ if !first || !fails_first(received.id()) => Behaviour::Status(200),
                0 => Behaviour::Close,
                _ => Behaviour::Status(500),
            }
        });
        let slow = Receiver::start(|_, _| {
            std::thread::sleep(Duration::from_millis(20));
            Behaviour::Status(200)
        });
        Self { ok: Receiver::good(), flaky, slow }
    }
}

/// The flaky receiver fails the first attempt of every third event.
fn fails_first(id: &str) -> bool {
    sha256(id.as_bytes())[0].is_multiple_of(3)
}

#[test]
fn kills_at_any_moment_lose_nothing_change_nothing_and_repeat_only_what_was_in_flight() {
    let mut kills = soak("SOAK_KILLS", KILLS);
    for round in 0.. {
        survive(kills.min(KILLS), soak("SOAK_SEED", SEED) + round);
        kills = kills.saturating_sub(KILLS);
        if kills == 0 {
            return;
        }
    }
}

fn survive(kills: u64, seed: u64) {
    let (mut world, receivers) = (World::start(), Receivers::start());
    let (app, ok) = world.subscribe(&receivers.ok.url);
    let flaky = world.endpoint(&app, &serde_json::json!({"url": receivers.flaky.url}));
    let slow = world.endpoint(&app, &serde_json::json!({"url": receivers.slow.url}));
    let secrets = [&ok, &flaky, &slow].map(|endpoint| {
        let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/secret");
        world.call("GET", &path, "").expect(200)["key"].as_str().unwrap().to_owned()
    });
    let stage =
        Stage { url: Mutex::new(world.url.clone()), app, over: AtomicBool::new(false), acknowledged: Mutex::default() };
    let killed = std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let stage = &stage;
            scope.spawn(move || stage.publish(publisher, seed));
        }
        let killed = kill_again_and_again(&mut world, &receivers.ok, &stage, (kills, seed));
        stage.over.store(true, Ordering::Relaxed);
        killed
    });
    let ledger = Ledger::new(stage.acknowledged.into_inner().unwrap());
    let tempers = [(&receivers.ok, false), (&receivers.flaky, true), (&receivers.slow, false)];
    let mut repeats = Vec::new();
    for ((receiver, flaky), secret) in tempers.into_iter().zip(&secrets) {
        let received = eventually(|| Some(receiver.received()).filter(|received| ledger.delivered(received, flaky)));
        ledger.check_received(&received, secret);
        repeats.push(check_repeats(&received, flaky, &killed));
    }
    ledger.check_api(&world, &stage.app);
    ledger.check_attempts(&world, &stage.app, [&receivers.ok, &receivers.flaky, &receivers.slow]);
    ledger.check_retries(&world, &stage.app);
    show(&format!(
        "seed {seed}: {kills} kills, {} events, 0 lost, repeats (ok, flaky, slow): {repeats:?}",
        ledger.bodies.len()
    ));
    assert_eq!(world.terminate().code(), Some(0));
    check_database(&world.database());
}

/// Kills and restarts under load; gives when each kill was.
fn kill_again_and_again(world: &mut World, ok: &Receiver, stage: &Stage, plan: (u64, u64)) -> Vec<Instant> {
    let (kills, seed) = plan;
    let mut rng = SmallRng::seed_from_u64(seed);
    let (mut killed, mut restarts) = (Vec::new(), Vec::new());
    while killed.len() < usize::try_from(kills).unwrap() {
        std::thread::sleep(Duration::from_millis(rng.random_range(KILL_AFTER_MS)));
        world.kill();
        killed.push(now());
        if killed.len().is_multiple_of(5) {
            check_copy(world);
            start_and_kill(world, Duration::from_millis(rng.random_range(0..100)));
            killed.push(now());
        }
        let begun = now();
        world.restart();
        stage.url.lock().unwrap().clone_from(&world.url);
        let took = ok.wait_since(begun) - begun;
        assert!(took <= FIRST_DELIVERY_MAX, "the first delivery came {took:?} after restart {}", killed.len());
        restarts.push(took.as_millis());
    }
    show(&format!("restart to first delivery, in ms: {restarts:?}"));
    killed
}

/// Kills a server so soon after its start that it may not be ready yet.
fn start_and_kill(world: &mut World, after: Duration) {
    world.server = world.command().stdout(Stdio::piped()).spawn().expect("the program starts");
    std::thread::sleep(after);
    world.kill();
}

/// Looks into a copy of what a kill left, so that the server still finds it as it was.
fn check_copy(world: &World) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["posthaste.db", "posthaste.db-wal"] {
        std::fs::copy(world.dir.path().join(name), copy.path().join(name)).unwrap();
    }
    check_database(&copy.path().join("posthaste.db"));
}

fn check_database(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    let verdict: String = database.query_row("pragma integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    assert!(!database.prepare("pragma foreign_key_check").unwrap().exists(()).unwrap(), "a foreign key leads nowhere");
}

/// Every second request for a delivered event lies behind a kill that may have taken the outcome of the one before.
fn check_repeats(received: &[Received], flaky: bool, killed: &[Instant]) -> usize {
    let mut delivered: BTreeMap<&str, Option<Instant>> = BTreeMap::new();
    let mut repeats = 0;
    for request in received {
        let failed = flaky && fails_first(request.id()) && !delivered.contains_key(request.id());
        let before = delivered.insert(request.id(), (!failed).then_some(request.at)).flatten();
        let Some(before) = before else {
            continue;
        };
        repeats += 1;
        let excuses = |kill: Instant| {
            let answered = kill.saturating_duration_since(before) <= UNWRITTEN_MAX;
            before <= kill + ON_THE_WIRE_MAX && kill <= request.at && answered
        };
        let excused = killed.iter().any(|&kill| excuses(kill));
        let last = killed.iter().rev().find(|&&kill| kill <= before).map(|&kill| before - kill);
        assert!(
            excused,
            "{} came again {:?} later, and no kill excuses it; the last one was {last:?} before",
            request.id(),
            request.at - before
        );
    }
    repeats
}

/// What was acknowledged, kept outside the product.
struct Ledger {
    asks: Vec<(Ask, Vec<String>)>,
    /// The hash of the body, by the event's id.
    bodies: BTreeMap<String, [u8; 32]>,
}

impl Ledger {
    fn new(asks: Vec<(Ask, Vec<String>)>) -> Self {
        let pairs = asks.iter().flat_map(|(ask, ids)| ids.iter().zip(&ask.payloads));
        let bodies = pairs.map(|(id, payload)| (id.clone(), sha256(payload.as_bytes()))).collect::<BTreeMap<_, _>>();
        assert_eq!(bodies.len(), asks.iter().map(|(ask, _)| ask.payloads.len()).sum::<usize>(), "ids are unique");
        Self { asks, bodies }
    }

    /// Whether each event has come, and once more where the first attempt was failed on purpose.
    fn delivered(&self, received: &[Received], flaky: bool) -> bool {
        let mut counts = HashMap::new();
        for request in received {
            *counts.entry(request.id()).or_insert(0) += 1;
        }
        self.bodies.keys().all(|id| counts.get(id.as_str()) >= Some(&if flaky && fails_first(id) { 2 } else { 1 }))
    }

    /// Nothing is missing, nothing is another event's, every body and signature is right.
    fn check_received(&self, received: &[Received], secret: &str) {
        for request in received {
            let body = self.bodies.get(request.id());
            assert_eq!(body, Some(&sha256(&request.body)), "{} carries other bytes, or nobody knows it", request.id());
            assert!(request.signed_by(secret), "{} is badly signed", request.id());
        }
        let arrived: BTreeSet<_> = received.iter().map(Received::id).collect();
        assert!(self.bodies.keys().map(String::as_str).eq(arrived), "lost or made up");
    }

    /// The API lists what was acknowledged, one event a key, and nothing else.
    fn check_api(&self, world: &World, app: &str) {
        let (mut line, mut listed, mut query) = (Line::default(), BTreeMap::new(), String::new());
        loop {
            let path = format!("/api/v1/app/{app}/msg?limit=250{query}");
            let page = line.call(&world.url, ("GET", &path), &[], "").expect("an answer");
            let page: Listed = serde_json::from_str(&page.body).expect("a page");
            listed.extend(page.data.into_iter().map(|event| (event.id, sha256(event.payload.get().as_bytes()))));
            if page.done {
                break;
            }
            query = format!("&iterator={}", page.iterator.expect("a page that is not the last"));
        }
        assert!(listed == self.bodies, "{} events are listed, {} were acknowledged", listed.len(), self.bodies.len());
    }

    /// Attempts are written down: one success at least for each endpoint, and no more than the receivers saw.
    fn check_attempts(&self, world: &World, app: &str, receivers: [&Receiver; 3]) {
        let mut line = Line::default();
        let mut rows = Vec::new();
        for id in self.bodies.keys().step_by(37) {
            let path = format!("/api/v1/app/{app}/attempt/msg/{id}?limit=250");
            let page = eventually(|| {
                let page = line.call(&world.url, ("GET", &path), &[], "")?.expect(200);
                let delivered = page["data"].as_array()?.iter().filter(|attempt| attempt["status"] == 0);
                let endpoints: BTreeSet<_> = delivered.map(|attempt| attempt["endpointId"].to_string()).collect();
                (endpoints.len() == receivers.len()).then_some(page)
            });
            rows.push((id, page["data"].as_array().unwrap().len()));
        }
        let received = receivers.map(Receiver::received);
        for (id, rows) in rows {
            let seen = received.iter().flatten().filter(|request| request.id() == id).count();
            assert!(rows <= seen, "{id} has {rows} attempts, {seen} requests were seen");
        }
    }

    /// The same request again is the same event again, as long after as one likes.
    fn check_retries(&self, world: &World, app: &str) {
        let mut line = Line::default();
        for (ask, ids) in self.asks.iter().step_by(7) {
            let status = if matches!(ask.by, By::EventId) { 409 } else { 202 };
            assert_eq!(ask.send(&mut line, &world.url, app), Some((status, ids.clone())), "{}", ask.name);
        }
    }
}

#[derive(serde::Deserialize)]
struct Listed {
    data: Vec<ListedEvent>,
    done: bool,
    iterator: Option<String>,
}

#[derive(serde::Deserialize)]
struct ListedEvent {
    id: String,
    payload: Box<RawValue>,
}
