//! Ladders: a receiver that never takes an event sees each attempt of the provider at its time, then silence.

use std::time::Duration;

use posthaste::provider::Provider;
use posthaste::providers;
use serde_json::json;

use crate::load::{show, soak, strict};
use crate::world::{Behaviour, Receiver, World, now};

/// Gaps below this are too short to be told from the work around them.
const GAP_MIN: Duration = Duration::from_millis(500);

/// Sends one event to a receiver that answers 500; gives the gaps between its attempts.
fn gaps(world: &World, provider: Provider, patience: Duration) -> Vec<Duration> {
    let begun = now();
    let receiver = Receiver::start(|_, _| Behaviour::Status(500));
    let app = json!({ "name": "a", "uid": "a", "provider": provider.name() });
    world.call("POST", "/api/v1/app", app).expect(201);
    world.endpoint("a", &json!({ "url": receiver.url }));
    let row = providers::catalogue(provider).iter().find(|row| row.needs.is_none() && !row.to_url).unwrap();
    let event = json!({ "eventType": row.event_type, "payload": { "id": "x" } });
    world.call("POST", "/api/v1/app/a/msg", event).expect(202);
    let attempts = providers::ladder(provider, &posthaste::retry::STANDARD).waits_secs.len() + 1;
    let received = loop {
        let received = receiver.received();
        if received.len() >= attempts {
            break received;
        }
        assert!(begun.elapsed() < patience, "{} attempts of {attempts}", received.len());
        std::thread::sleep(Duration::from_millis(20));
    };
    let gaps: Vec<_> = received.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    std::thread::sleep(*gaps.last().unwrap());
    assert_eq!(receiver.received().len(), attempts, "silence after the last");
    gaps
}

/// Holds the gaps of a provider's attempts against its ladder, so many times as fast.
fn check(provider: Provider, speed: u32) {
    let world = World::sandbox(&["--speed", &format!("{speed}x")]);
    let waits = providers::ladder(provider, &posthaste::retry::STANDARD).waits_secs.to_vec();
    let patience = Duration::from_secs(u64::from(waits.iter().sum::<u32>() / speed) + 30);
    for (gap, wait_secs) in gaps(&world, provider, patience).into_iter().zip(waits) {
        let wait = Duration::from_secs(wait_secs.into()) / speed;
        show(&format!("{} {wait_secs:>6} s: {gap:?} for {wait:?}", provider.name()));
        assert!(gap + Duration::from_millis(2) >= wait, "{gap:?} instead of {wait:?}: too early");
        let late = if strict() { wait / 10 } else { wait + Duration::from_secs(2) };
        assert!(wait < GAP_MIN || gap <= wait + late, "{gap:?} instead of {wait:?}: too late");
    }
}

#[test]
fn each_provider_tries_again_as_often_and_as_late_as_its_ladder_says() {
    std::thread::scope(|scope| {
        for (provider, usual) in [(Provider::Fintoc, 80_000), (Provider::Bridge, 25_000), (Provider::Finix, 250)] {
            let name = format!("SOAK_SPEED_{}", provider.name().to_ascii_uppercase());
            let speed = u32::try_from(soak(&name, usual)).unwrap();
            scope.spawn(move || check(provider, speed));
        }
    });
}
