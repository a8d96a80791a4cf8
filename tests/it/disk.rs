//! A full disk: publishers are told to come back, all else goes on, and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use posthaste::provider::Provider;
use serde_json::json;

use crate::idle::cpu_used;
use crate::load::{Line, show};
use crate::receive::{Door, fintoc};
use crate::world::{Behaviour, Received, Receiver, World, eventually, now};

/// A refusal comes within the second that answers may be delayed, the commit that failed, and a busy machine.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);
/// Once there is space again, publishing works after this long.
const MENDED_WITHIN: Duration = Duration::from_secs(5);

/// A folder on a file system of a few megabytes, seen by whoever enters the name space of its holder.
struct SmallDisk {
    holder: Child,
    enter: Vec<String>,
}

impl SmallDisk {
    /// Mounts it over this folder.
    fn over(dir: &std::path::Path) -> Self {
        let mut command = Command::new("unshare");
        let script = r#"mount -t tmpfs -o size=16m none "$0" && echo mounted && exec cat"#;
        command.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(dir);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux is installed");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "this machine lets no one mount a tmpfs");
        let pid = holder.id().to_string();
        let enter = ["nsenter", "--target", &pid, "--user", "--mount", "--preserve-credentials", "--"];
        Self { enter: enter.map(str::to_owned).into(), holder }
    }

    fn start(dir: tempfile::TempDir) -> (Self, World) {
        let disk = Self::over(dir.path());
        let wrapper: Vec<_> = disk.enter.iter().map(String::as_str).collect();
        let world = World::start_under(&wrapper, dir, &["--allow-network", "127.0.0.0/8"]);
        (disk, world)
    }

    /// Writes ballast until nothing more fits.
    fn take_space(&self, world: &World) {
        self.run(r#"! cat /dev/zero 2>/dev/null >"$0"/ballast"#, world);
    }

    /// Deletes the ballast.
    fn give_space(&self, world: &World) {
        self.run(r#"rm "$0"/ballast"#, world);
    }

    fn run(&self, script: &str, world: &World) {
        let mut command = Command::new(&self.enter[0]);
        command.args(&self.enter[1..]).args(["sh", "-c", script]).arg(world.dir.path());
        assert!(command.status().unwrap().success(), "{script}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill(); // the mount goes with it
        let _ = self.holder.wait();
    }
}

#[test]
fn readiness_tells_of_a_full_disk_although_nobody_publishes() {
    let (disk, world) = SmallDisk::start(tempfile::tempdir().unwrap());
    let ready = || world.call("GET", "/api/v1/health/ready", "");
    ready().expect(200);
    disk.take_space(&world);
    let full = eventually(|| Some(ready()).filter(|answer| answer.status == 503));
    assert!(full.body.contains("nothing can be written") && full.body.contains("full"), "{full:?}");
    assert_eq!(world.call("GET", "/api/v1/health/ping", "").status, 204);
    disk.give_space(&world);
    eventually(|| Some(ready()).filter(|answer| answer.status == 200));
}

/// Publishes; gives the id, or `None` when the server said 503 and to come back. Anything else fails the story.
fn try_publish(line: &mut Line, world: &World, app: &str) -> Option<String> {
    let body = format!(r#"{{"eventType":"a","payload":{{"filler":"{}"}}}}"#, "x".repeat(8_000));
    let begun = now();
    let path = format!("/api/v1/app/{app}/msg?with_content=false");
    let answer = line.call(&world.url, ("POST", &path), &[], &body).expect("an answer");
    if answer.status == 503 {
        assert!(answer.head.to_lowercase().contains("retry-after: 1"), "{answer:?}");
        assert!(begun.elapsed() <= REFUSED_WITHIN, "the refusal took {:?}", begun.elapsed());
        return None;
    }
    Some(answer.expect(202)["id"].as_str().unwrap().to_owned())
}

/// Publishes more than one commit holds together with others like it: none of them may be left behind it.
fn refuse_batch(world: &World, app: &str) {
    let messages = vec![r#"{"eventType":"a","payload":{}}"#; 1_000].join(",");
    let begun = now();
    let path = format!("/api/v1/app/{app}/msg/batch");
    let answer = Line::default().call(&world.url, ("POST", &path), &[], &format!(r#"{{"messages":[{messages}]}}"#));
    let answer = answer.expect("an answer");
    assert!(!answer.body.contains(r#""status":202"#), "{answer:?}");
    assert!(begun.elapsed() <= REFUSED_WITHIN, "the refusal took {:?}", begun.elapsed());
}

/// Publishes while there is space, then until there is none; gives what was acknowledged.
fn fill(disk: &SmallDisk, line: &mut Line, world: &World, app: &str) -> BTreeSet<String> {
    let mut acknowledged: BTreeSet<_> = (0..40).map(|_| try_publish(line, world, app).expect("space")).collect();
    disk.take_space(world);
    acknowledged.extend(std::iter::from_fn(|| try_publish(line, world, app)));
    acknowledged
}

/// Gives its answers late, so that outcomes are still to come when the disk is full.
fn late() -> Receiver {
    Receiver::start(|_, _| {
        std::thread::sleep(Duration::from_millis(500));
        Behaviour::Status(200)
    })
}

fn listed(world: &World, app: &str) -> BTreeSet<String> {
    let (mut ids, mut query) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/api/v1/app/{app}/msg?limit=250&with_content=false{query}");
        let page = world.call("GET", &path, "").expect(200);
        ids.extend(page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        if page["done"] == true {
            return ids;
        }
        query = format!("&iterator={}", page["iterator"].as_str().unwrap());
    }
}

fn ids(received: &[Received]) -> BTreeSet<String> {
    received.iter().map(|received| received.id().to_owned()).collect()
}

#[test]
fn on_a_full_disk_publishers_are_told_to_come_back_and_reads_and_deliveries_go_on() {
    let (disk, mut world) = SmallDisk::start(tempfile::tempdir().unwrap());
    let flaky = Receiver::start(|count, _| Behaviour::Status(if count == 0 { 500 } else { 200 }));
    let good = late();
    let (retried, _) = world.subscribe(&flaky.url);
    let event = world.publish(&retried, r#"{"retried":true}"#);
    world.attempts(&retried, &event, 1);
    let (app, _) = world.subscribe(&good.url);
    let mut line = Line::default();
    let mut acknowledged = fill(&disk, &mut line, &world, &app);
    assert_eq!(flaky.count(), 1, "the disk was full before the retry");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let refused = (0..3).all(|_| try_publish(&mut Line::default(), &world, &app).is_none());
                assert!(refused, "the disk has space again");
            });
            scope.spawn(|| refuse_batch(&world, &app));
        }
    });
    assert_eq!(world.call("POST", "/api/v1/app", json!({"name": "late"})).status, 503);
    assert_eq!(flaky.wait_for(2)[1].id(), event, "the retry was due while the disk was full");
    eventually(|| (ids(&good.received()) == acknowledged).then_some(()));
    assert_eq!(listed(&world, &app), acknowledged, "what was refused is not there");
    let cpu = cpu_used(&world.server, Duration::from_secs(2));
    assert!(cpu < Duration::from_millis(500), "the server burns {cpu:?} of 2 s while it waits for space");

    disk.give_space(&world);
    let begun = now();
    acknowledged.insert(eventually(|| try_publish(&mut line, &world, &app)));
    show(&format!("accepting again after {:?}", begun.elapsed()));
    assert!(begun.elapsed() <= MENDED_WITHIN, "accepting began {:?} after there was space", begun.elapsed());
    eventually(|| (ids(&good.received()) == acknowledged).then_some(()));
    assert_eq!(good.count(), acknowledged.len(), "nothing came twice");
    world.attempts(&retried, &event, 2);
    world.kill_and_restart();
    assert_eq!(listed(&world, &app), acknowledged);
    assert_eq!(world.attempts(&retried, &event, 2)[0]["status"], 0, "the outcome was kept until it could be written");
}

#[test]
fn a_server_with_a_full_disk_ends_when_asked_to_and_says_that_it_could_not_write() {
    let (disk, mut world) = SmallDisk::start(tempfile::tempdir().unwrap());
    let receiver = late();
    let (app, _) = world.subscribe(&receiver.url);
    let acknowledged = fill(&disk, &mut Line::default(), &world, &app);
    let begun = now();
    assert_eq!(world.terminate().code(), Some(1), "outcomes are in no one's hands");
    assert!(begun.elapsed() < Duration::from_secs(10), "the end took {:?}", begun.elapsed());
    disk.give_space(&world);
    world.restart();
    eventually(|| (ids(&receiver.received()) == acknowledged).then_some(()));
    assert_eq!(world.terminate().code(), Some(0));
}

#[test]
fn a_door_on_a_full_disk_asks_to_come_again_and_what_comes_again_is_one_event() {
    let (disk, world) = SmallDisk::start(tempfile::tempdir().unwrap());
    let door = Door::open_in(world, Provider::Fintoc, json!({}));
    let event = |number: u32| fintoc(&format!("evt_{number:08}"), number);
    assert_eq!(door.send(event(0)).status, 200);
    disk.take_space(&door.world);
    let mut number = 0;
    let refused = std::iter::repeat_with(|| {
        number += 1;
        door.send(event(number))
    });
    let refused = refused.take(10_000).find(|answer| answer.status != 200).expect("the disk is full");
    assert!(refused.status == 503 && refused.head.to_lowercase().contains("retry-after: 1"), "{refused:?}");
    assert_eq!(door.send("{").status, 503, "what cannot be kept in quarantine is not told to be lost");
    assert_eq!(door.post(b"forged", &[]).status, 401);
    let kept = listed(&door.world, &door.source).len();
    assert_eq!(kept, usize::try_from(number).unwrap(), "what was refused is not there");
    disk.give_space(&door.world);
    eventually(|| (door.send(event(number)).status == 200).then_some(()));
    assert_eq!(door.send(event(number)).status, 200);
    assert_eq!(listed(&door.world, &door.source).len(), kept + 1);
    assert_eq!(door.send("{").status, 400);
}

/// What its sender had been told was not kept was kept all the same, and counted again when it was sent again.
#[test]
fn a_body_that_quarantine_had_no_space_for_is_counted_once_when_it_comes_again() {
    let (disk, world) = SmallDisk::start(tempfile::tempdir().unwrap());
    let door = Door::open_in(world, Provider::Fintoc, json!({}));
    disk.take_space(&door.world);
    let mut bodies = (0..1_000).map(|number| format!("{{{number}"));
    let refused = bodies.find(|body| door.send(body).status == 503).expect("the disk is full");
    assert_eq!(door.send(&refused).status, 503);
    disk.give_space(&door.world);
    eventually(|| (door.send(&refused).status == 400).then_some(()));
    let list = door.get("/quarantine");
    let kept = list["data"].as_array().unwrap().iter().find(|kept| kept["body"] == json!(refused)).unwrap();
    assert_eq!(kept["count"], 1, "{kept}");
}
