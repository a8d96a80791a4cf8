//! Idling: a server that has nothing to do starts at once, takes little memory, and sleeps.

use std::process::Child;
use std::time::Duration;

use crate::load::{show, soak, strict};
use crate::world::{Receiver, World, now};

/// From the start of the process to the line that says it listens; only a release build can be judged strictly.
const READY_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 250 });
const READY_STRICT_MAX: Duration = Duration::from_millis(100);
/// Resident memory of an idle server: all of it in a release build. Of a debug build most is the unoptimised program
/// text itself, which grows with every route, so there only what the server has written counts.
const IDLE_BYTES_MAX: u64 = 30_000_000;
const IDLE_OWN_BYTES_MAX: u64 = 10_000_000;
/// CPU time of an idle server: 0.2 s a minute; in a few seconds a wake-up more or less counts.
const CPU_PER_MINUTE_MAX: Duration = Duration::from_millis(200);
const CPU_SLACK: Duration = Duration::from_millis(20);

/// The CPU time that a process uses while this story sleeps for so long.
pub fn cpu_used(process: &Child, long: Duration) -> Duration {
    let used = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).expect("it runs");
        let of_task = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        Duration::from_nanos(tasks.filter_map(of_task).sum())
    };
    let before = used();
    std::thread::sleep(long);
    used().saturating_sub(before)
}

/// A line of `/proc/PID/status`, in bytes: `VmRSS` now, `RssAnon` of it without files, `VmHWM` the most ever.
pub fn memory(process: &Child, line: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':')).expect("Linux shows it");
    value.trim().strip_suffix(" kB").expect("in kB").parse::<u64>().expect("a number") * 1_024
}

#[test]
fn a_server_is_ready_at_once_and_sleeps_while_there_is_nothing_to_do() {
    let (mut world, receiver) = (World::start(), Receiver::good());
    let (app, _) = world.subscribe(&receiver.url);
    world.publish(&app, "{}");
    receiver.wait_for(1);
    world.terminate();
    let mut starts: Vec<_> = (0..soak("SOAK_STARTS", 3))
        .map(|_| {
            let begun = now();
            world.restart();
            let took = begun.elapsed();
            world.terminate();
            took
        })
        .collect();
    let ready = crate::load::median(&mut starts);
    world.restart();
    for idle_after in ["its start", "an event"] {
        let long = Duration::from_secs(soak("SOAK_SECS", 2));
        let cpu = cpu_used(&world.server, long);
        let (bytes, own) = (memory(&world.server, "VmRSS"), memory(&world.server, "RssAnon"));
        let megabytes = format!("{:.1} MB, {:.1} MB of them its own", mb(bytes), mb(own));
        show(&format!("idle after {idle_after}: {cpu:?} CPU in {long:?}, {megabytes}, ready after {ready:?}"));
        let cpu_max = CPU_PER_MINUTE_MAX.mul_f64(long.as_secs_f64() / 60.0);
        let cpu_max = if strict() { cpu_max } else { cpu_max + CPU_SLACK };
        assert!(cpu <= cpu_max, "idle after {idle_after}, the server used {cpu:?} in {long:?}");
        assert!(own <= IDLE_OWN_BYTES_MAX, "idle after {idle_after}, the server holds {megabytes}");
        let release = !cfg!(debug_assertions);
        assert!(!release || bytes <= IDLE_BYTES_MAX, "idle after {idle_after}, the server holds {megabytes}");
        let event = world.publish(&app, "{}");
        world.attempts(&app, &event, 1);
        std::thread::sleep(Duration::from_secs(1)); // the last look at the lanes, a second after all is done
    }
    let ready_max = if strict() { READY_STRICT_MAX } else { READY_MAX };
    assert!(ready <= ready_max, "ready {ready:?} after the start");
}

/// Bytes as megabytes, for people.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
