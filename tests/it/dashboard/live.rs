//! Following events live: what it costs, in runs with and without somebody who looks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::{ADMIN, Person, world};
use crate::idle::cpu_used;
use crate::load::{Line, knock, median, show, soak, strict};
use crate::world::{Receiver, World};

/// Connections that events come over.
const LINES: usize = 16;
/// How much CPU time a viewer may cost each delivery.
const COST_MAX: Duration = Duration::from_micros(2);
/// How often a viewer's browser reads.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many look at one time: what one costs is less than two runs of the same server differ by.
const VIEWERS: u64 = 2;

/// The CPU time that the server uses for each event of a run; gives how often somebody looked too.
fn run(world: &World, app: &str, viewers: &[Person<'_>]) -> (Duration, u32) {
    let rate = u32::try_from(soak("SOAK_RATE", 100)).unwrap();
    let long = Duration::from_millis(soak("SOAK_ROUND_MS", 2_500));
    let (ended, looks) = (AtomicBool::new(false), AtomicU32::new(0));
    let cpu = std::thread::scope(|scope| {
        scope.spawn(|| {
            knock(LINES, rate, long, |line: &mut Line, _| {
                line.publish(&world.url, app, r#"{"amount":4990}"#);
            });
        });
        for viewer in viewers {
            let (ended, looks) = (&ended, &looks);
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    let page = viewer.get("/test/event?live");
                    assert!(page.body.contains("data-again=\"2\""), "{page:?}");
                    looks.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(LOOK_EVERY);
                }
            });
        }
        let cpu = cpu_used(&world.server, long);
        ended.store(true, Ordering::Relaxed);
        cpu
    });
    (cpu / u32::try_from(u128::from(rate) * long.as_millis() / 1_000).unwrap(), looks.into_inner())
}

#[test]
fn somebody_who_looks_live_costs_deliveries_nearly_nothing() {
    let world = world();
    let (app, _) = world.subscribe(&Receiver::good().url);
    let viewers: Vec<_> = (0..soak("SOAK_VIEWERS", VIEWERS)).map(|_| Person::login(&world, ADMIN)).collect();
    run(&world, &app, &[]);
    let (mut alone, mut seen, mut looks) = (Vec::new(), Vec::new(), 0);
    for _ in 0..soak("SOAK_ROUNDS", 1) {
        alone.push(run(&world, &app, &[]).0);
        let (cpu, looked) = run(&world, &app, &viewers);
        seen.push(cpu);
        looks += looked;
    }
    let (alone, seen, count) = (median(&mut alone), median(&mut seen), u32::try_from(viewers.len()).unwrap());
    let cost = seen.saturating_sub(alone) / count;
    show(&format!(
        "CPU for each delivery: {alone:?}, {seen:?} while {count} look ({looks} times): {cost:?} more for each of them"
    ));
    assert!(looks >= 2 * count);
    assert!(!strict() || cost <= COST_MAX, "a viewer costs each delivery {cost:?}");
}
