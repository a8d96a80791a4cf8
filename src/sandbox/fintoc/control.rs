//! Controls: what people, banks and time would do, on demand.

use http::Method;
use serde_json::json;

use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::{account, link, payment, refresh, webhook, widget};
use crate::sandbox::house::{House, Shared};
use crate::sandbox::world::World;

pub(super) fn answer(world: &mut World, ask: &Ask, rest: &[&str]) -> Result<Reply, Problem> {
    match (&ask.method, rest) {
        (&Method::POST, ["links"]) => widget::connect(world, ask),
        (&Method::POST, ["links", id, "reconnect"]) => widget::reconnect(world, id),
        (&Method::PATCH, ["accounts", id]) => direct(world, ask, id),
        (&Method::PATCH, ["organization"]) => organize(world, ask),
        (&Method::POST, [kinds, rest @ ..]) => payment::control(world, ask, kinds, rest),
        _ => Err(Problem::no_route()),
    }
}

/// PATCH `/organization`: what is switched on for all links that do not say otherwise.
fn organize(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    let before = world.get(link::ORGANIZATION, link::ORGANIZATION).cloned();
    let mut organization = before.unwrap_or_else(|| json!({ "movements_removed": false, "on_demand": true }));
    for (given, kept) in [("movementsRemoved", "movements_removed"), ("onDemand", "on_demand")] {
        if let Some(on) = ask.flag(given)? {
            organization[kept] = on.into();
        }
    }
    let shown = json!({ "movementsRemoved": organization["movements_removed"], "onDemand": organization["on_demand"] });
    world.put(link::ORGANIZATION, link::ORGANIZATION, organization);
    Ok(Reply::ok(shown))
}

/// POST `/reset`: the key is as if nobody had used it, but for ids, which never come again.
pub(super) async fn reset(house: &House, world: &Shared) -> Result<Reply, Problem> {
    webhook::remove_all(house, world).await?;
    let begin_anew = |world: &mut World| {
        world.reset();
        Ok(Reply::nothing())
    };
    house.turn(world, begin_anew).await
}

/// PATCH `/sandbox/accounts/{id}`: what the bank will do from now on.
fn direct(world: &mut World, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    let outcomes = refresh::outcomes(ask)?;
    let new = ask.number("newMovements", 0..=account::NEW_MOVEMENTS_MAX)?;
    let remove = ask.number("removeMovements", 0..=account::NEW_MOVEMENTS_MAX)?;
    let changed = world.change(account::SCRIPT, id, |script| {
        if let Some(outcomes) = outcomes {
            script["outcomes"] = outcomes.into();
            script["visits"] = 0.into();
        }
        if let Some(new) = new {
            script["new_movements"] = new.into();
        }
        if let Some(remove) = remove {
            script["remove"] = remove.into();
        }
    });
    changed.ok_or_else(|| Problem::not_found("account", id))?;
    world.get(account::ACCOUNT, id).cloned().map(Reply::ok).ok_or_else(Problem::unavailable)
}
