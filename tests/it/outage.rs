//! Outages of our own: what never left this machine was no attempt, and the world's silence is nobody's fault.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::load::{show, soak};
use crate::world::{Behaviour, Received, Receiver, World, eventually, now};

mod motion;

/// Names a process that lives in a network of its own.
const INSIDE: &str = "POSTHASTE_TEST_OWN_NETWORK";

/// Runs a story in a network and with a name server of its own: the story is this test once more, in a process whose routes
/// and name servers are not the machine's. Gives whether this is that process.
fn in_a_network_of_its_own(story: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        std::fs::write(&file, "nameserver 127.0.0.1\n").unwrap();
        run(&format!("ip link set lo up && mount --bind {} /etc/resolv.conf", file.display()));
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount"]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", story, "--nocapture"]).env(INSIDE, "yes").output().expect("util-linux");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "the story was told: {text}");
    text.lines().filter(|line| line.contains("the machine")).for_each(show);
    false
}

fn run(script: &str) {
    let output = Command::new("bash").args(["-c", script]).output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A name server that gives one address to every name, while it is there.
struct NameServer {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl NameServer {
    fn start(address: [u8; 4]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").expect("in a network of its own");
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 512];
            while !told.load(Ordering::SeqCst) {
                if let Ok((length, from)) = socket.recv_from(&mut packet) {
                    let _ = socket.send_to(&answered(&packet[..length], address), from);
                }
            }
        });
        Self { ends, thread }
    }

    fn stop(self) {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

/// The answer to a question of one name: an A record that lives for a second, and nothing else of any kind.
fn answered(question: &[u8], address: [u8; 4]) -> Vec<u8> {
    let mut name_end = 12;
    while question[name_end] != 0 {
        name_end += usize::from(question[name_end]) + 1;
    }
    let is_a = question[name_end + 1..name_end + 3] == [0, 1];
    let mut answer = question[..name_end + 5].to_vec();
    (answer[2], answer[3]) = (0x84, 0);
    answer[6..12].copy_from_slice(&[0, u8::from(is_a), 0, 0, 0, 0]);
    if is_a {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address);
    }
    answer
}

/// All addresses of this machine but 127.0.0.1, where the server is asked, lose their route.
const CUT: &str = "ip route del local 127.0.0.0/8 dev lo table local";
const MEND: &str = "ip route add local 127.0.0.0/8 dev lo proto kernel src 127.0.0.1 table local";

#[test]
fn a_machine_that_is_cut_off_spends_no_attempt_and_goes_on_when_it_is_back() {
    if !in_a_network_of_its_own("outage::a_machine_that_is_cut_off_spends_no_attempt_and_goes_on_when_it_is_back") {
        return;
    }
    let (secs, endpoints, events) = (soak("SOAK_CUT", 12), soak("SOAK_ENDPOINTS", 20), soak("SOAK_EVENTS", 200));
    let world = World::start_with(&["--allow-network", "127.0.0.0/8"]);
    let receiver = Receiver::start_at("127.0.0.2", |_, _| Behaviour::Status(200));
    let port = receiver.url.rsplit(':').next().unwrap().to_owned();
    let names = NameServer::start([127, 0, 0, 2]);
    let hearer = Receiver::good();
    let heard = world.call("POST", "/api/v1/operational-webhook/endpoint", json!({ "url": hearer.url })).expect(201);
    assert!(heard["id"].is_string());
    let apps: Vec<String> = (0..endpoints)
        .map(|nth| {
            // every other one by its name
            let host = if nth % 2 == 0 { format!("n{nth}.example") } else { "127.0.0.2".to_owned() };
            world.subscribe(&format!("http://{host}:{port}")).0
        })
        .collect();
    for app in &apps {
        world.publish(app, "{}");
    }
    receiver.wait_for(apps.len());

    run(CUT);
    names.stop();
    let begun = now();
    let ids: Vec<(&String, String)> = (0..events)
        .map(|nth| {
            let app = &apps[usize::try_from(nth).unwrap() % apps.len()];
            (app, world.publish(app, "{}"))
        })
        .collect();
    std::thread::sleep(Duration::from_secs(secs).saturating_sub(begun.elapsed()));
    assert_eq!(receiver.count(), apps.len(), "nothing left the machine");
    let figures = world.call("GET", "/metrics", "").body;
    assert!(
        figures.contains("\nposthaste_outage 1\n") && figures.contains("\nposthaste_failed_attempts_total 0\n"),
        "{figures}{:?}",
        failures(&world)
    );
    let told = eventually(|| hearer.received().into_iter().find(|event| says(event, "server.outage.began")));
    assert!(String::from_utf8_lossy(&told.body).contains("cause"), "{told:?}");

    let names = NameServer::start([127, 0, 0, 2]);
    run(MEND);
    let back = now();
    let all = apps.len() + ids.len();
    while receiver.count() < all {
        assert!(back.elapsed() < Duration::from_mins(1), "{} of {all} after a minute", receiver.count());
        std::thread::sleep(Duration::from_millis(20));
    }
    show(&format!(
        "the machine was away for {secs} s; {} events of {endpoints} endpoints were there {:?} later",
        ids.len(),
        back.elapsed()
    ));
    for (app, id) in ids.iter().step_by(ids.len() / 20) {
        let attempts = world.attempts(app, id, 1);
        assert_eq!((attempts.len(), &attempts[0]["status"]), (1, &json!(0)), "{attempts:?}");
    }
    eventually(|| hearer.received().into_iter().find(|event| says(event, "server.outage.ended")));
    eventually(|| world.call("GET", "/metrics", "").body.contains("\nposthaste_outage 0\n").then_some(()));
    names.stop();
}

/// What attempts that did not succeed were answered.
fn failures(world: &World) -> Vec<(u32, String)> {
    let database = Connection::open(world.database()).unwrap();
    let sql = "select count(*), cast(response as text) from delivery where status <> 0 and attempts > 0 group by 2";
    let mut sql = database.prepare(sql).unwrap();
    sql.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn says(event: &Received, event_type: &str) -> bool {
    serde_json::from_slice::<Value>(&event.body).is_ok_and(|body| body["type"] == event_type)
}

/// Bodies that cannot be read for a while keep their rung; every delivery of the slice was once tried with nothing, and failed.
#[test]
fn bodies_that_cannot_be_read_now_spend_no_attempt() {
    let world = World::start();
    let receiver = Receiver::start(|count, _| Behaviour::Status(if count < 5 { 500 } else { 200 }));
    let app = world.call("POST", "/api/v1/app", json!({ "name": "a" })).expect(201)["id"].as_str().unwrap().to_owned();
    world.endpoint(&app, &json!({ "url": receiver.url, "retrySchedule": [2, 600] }));
    let ids: Vec<String> = (0..5).map(|_| world.publish(&app, "{}")).collect();
    receiver.wait_for(5);
    let database = Connection::open(world.database()).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    eventually(|| {
        let failed: u32 = database.query_row("select count(*) from delivery", (), |row| row.get(0)).unwrap();
        (failed == 5).then_some(())
    });
    database.execute_batch("alter table event rename to event_away").unwrap();
    eventually(|| world.call("GET", "/metrics", "").body.contains("\nposthaste_outage 1\n").then_some(()));
    assert_eq!(receiver.count(), 5);
    database.execute_batch("alter table event_away rename to event").unwrap();
    receiver.wait_for(10);
    for id in ids {
        let attempts = world.attempts(&app, &id, 2);
        assert_eq!((attempts.len(), &attempts[0]["status"]), (2, &json!(0)), "{attempts:?}");
    }
}
