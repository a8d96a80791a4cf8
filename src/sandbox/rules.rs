//! Whose rules hold in a world: its provider's.

use std::sync::Arc;

use serde_json::Value;

use super::ask::{Ask, Problem, Reply};
use super::house::{House, Parts};
use super::world::World;
use super::{bridge, finix, fintoc};
use crate::error::Result;
use crate::provider::Provider;

/// Opens the sandbox, with what its store kept; its alarms ring from now on. Error: the store's.
pub async fn open(parts: Parts) -> Result<Arc<House>> {
    let house = House::open(parts, ring).await?;
    bridge::open(&house).await?;
    tokio::spawn(Arc::clone(&house).keep_time());
    Ok(house)
}

/// Answers a request as the provider does.
pub(super) async fn answer(house: &Arc<House>, provider: Provider, ask: Ask) -> Result<Reply, Problem> {
    match provider {
        Provider::Fintoc => fintoc::answer(house, ask).await,
        Provider::Finix => finix::answer(house, ask).await,
        _ => bridge::answer(house, ask).await,
    }
}

/// A refusal in the provider's shape.
pub(super) fn problem(provider: Provider, problem: &Problem) -> Value {
    match provider {
        Provider::Fintoc => fintoc::problem(problem),
        Provider::Finix => finix::problem(problem),
        _ => bridge::problem(problem),
    }
}

/// What an alarm lets happen.
fn ring(world: &mut World, what: &Value) {
    match world.provider {
        Provider::Fintoc => fintoc::ring(world, what),
        Provider::Finix => finix::ring(world, what),
        _ => bridge::ring(world, what),
    }
}
