//! The sandbox: small providers on real sockets, and a real receiver that verifies what they send.

use serde_json::Value;

use crate::world::{Received, Receiver, World, eventually};

mod bridge;
mod finix;
mod fintoc;
mod ladder;

/// A sandbox in which waits pass so many times faster.
fn at_speed(speed: &str) -> World {
    World::sandbox(&["--speed", speed])
}

/// What a receiver got, as JSON, in the order of arrival, once there are `count`; what is empty does not count.
fn bodies(receiver: &Receiver, count: usize) -> Vec<Value> {
    deliveries(receiver, count).iter().map(|each| serde_json::from_slice(&each.body).unwrap()).collect()
}

/// The requests that a receiver got, once there are `count`; what is empty does not count.
fn deliveries(receiver: &Receiver, count: usize) -> Vec<Received> {
    eventually(|| {
        let got: Vec<_> = receiver.received().into_iter().filter(|each| !each.body.is_empty()).collect();
        (got.len() >= count).then_some(got)
    })
}
