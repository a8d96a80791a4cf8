//! Accounts and their movements: what the bank knows, and what of it a refresh has brought.

use http::Method;
use serde_json::{Value, json};

use crate::providers::{read_moment, written_moment};
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::{link, list};
use crate::sandbox::world::World;

pub(super) const ACCOUNT: &str = "account";
pub(super) const SCRIPT: &str = "account_script";
/// How many movements an account has when it is connected, and how far they reach back: 30 days.
const HISTORY: i64 = 12;
const HISTORY_MS: i64 = 30 * 86_400_000;
/// How many movements a refresh brings, and at most.
const NEW_MOVEMENTS: i64 = 5;
pub(super) const NEW_MOVEMENTS_MAX: i64 = 1_000;

pub(super) fn answer(world: &mut World, ask: &Ask, rest: &[&str]) -> Result<Reply, Problem> {
    let link = link::asked_for(world, ask)?;
    let own = |account: &&str| world.get(SCRIPT, account).is_some_and(|script| script["link"] == link.as_str());
    match (&ask.method, rest) {
        (&Method::GET, []) => {
            let accounts = of_link(world, &link);
            let shown: Vec<_> = accounts.iter().filter_map(|account| world.get(ACCOUNT, account)).collect();
            list::page(ask, &shown)
        }
        (&Method::GET, [account]) if own(account) => {
            Ok(Reply::ok(world.get(ACCOUNT, account).cloned().unwrap_or_default()))
        }
        (&Method::GET, [account, "movements"]) if own(account) => movements(world, ask, account),
        (&Method::GET, [account, "movements", id]) if own(account) => {
            let movement = world.get(&kind(account), id).cloned();
            movement.map(Reply::ok).ok_or_else(|| Problem::not_found("movement", id))
        }
        (&Method::GET, [account, ..]) => Err(Problem::not_found("account", account)),
        _ => Err(Problem::no_route()),
    }
}

/// The kind under which an account's movements are kept.
fn kind(account: &str) -> String {
    format!("movement of {account}")
}

/// The newest first, between two days when the query names them.
fn movements(world: &World, ask: &Ask, account: &str) -> Result<Reply, Problem> {
    let day = |name: &str| {
        let wrong = || Problem::field(name, format!("`{name}` must be a day or a moment, such as 2026-11-25"));
        let read = |text: &str| {
            let text = if text.len() == "2026-11-25".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
            read_moment(&text).ok_or_else(wrong)
        };
        ask.query(name).map(read).transpose()
    };
    let (since, until) = (day("since")?, day("until")?);
    let posted = |movement: &Value| movement["post_date"].as_str().and_then(read_moment).unwrap_or_default();
    let within = |movement: &&Value| {
        since.is_none_or(|since| posted(movement) >= since) && until.is_none_or(|until| posted(movement) <= until)
    };
    list::page(ask, &world.list(&kind(account)).into_iter().filter(within).collect::<Vec<_>>())
}

/// The accounts of a link, in its order.
pub(super) fn of_link(world: &World, link: &str) -> Vec<String> {
    let accounts = world.get(link::LINK, link).and_then(|link| link["accounts"].as_array().cloned());
    let ids = accounts.into_iter().flatten().filter_map(|account| account["id"].as_str().map(str::to_owned));
    ids.collect()
}

/// How many movements each refresh brings. Error: out of range.
pub(super) fn new_movements(ask: &Ask) -> Result<i64, Problem> {
    Ok(ask.number("newMovements", 0..=NEW_MOVEMENTS_MAX)?.unwrap_or(NEW_MOVEMENTS))
}

/// The nth account of a new link, with a history.
pub(super) fn make(world: &mut World, link: &Value, nth: i64, outcome: Option<&String>, new_movements: i64) -> Value {
    let link_id = link["id"].as_str().unwrap_or_default();
    let mut account = world.make(ACCOUNT, "account", &format!("{link_id}/{nth}"));
    account["holder_id"] = link["holder_id"].clone();
    account["holder_name"] = link["holder_name"].clone();
    let id = account["id"].as_str().unwrap_or_default().to_owned();
    let outcomes = outcome.map(|outcome| vec![outcome]);
    world.put(ACCOUNT, &id, account.clone());
    world.put(
        SCRIPT,
        &id,
        json!({
            "link": link_id, "outcomes": outcomes, "visits": 0, "new_movements": new_movements, "remove": 0, "made": 0
        }),
    );
    for back in (0..HISTORY).rev() {
        let at_ms = world.now_ms - HISTORY_MS * (back + 1) / HISTORY;
        add_movement(world, &id, at_ms);
    }
    account
}

/// The bank has one more movement, and a refresh brings it.
fn add_movement(world: &mut World, account: &str, at_ms: i64) {
    let made = world.get(SCRIPT, account).and_then(|script| script["made"].as_i64()).unwrap_or_default();
    let mut movement = world.make(&kind(account), "movement", &format!("{account}/movement/{made}"));
    movement["post_date"] = written_moment(at_ms).into();
    movement["transaction_date"] = written_moment(at_ms - 3_600_000).into();
    let id = movement["id"].as_str().unwrap_or_default().to_owned();
    world.put(&kind(account), &id, movement);
    world.change(SCRIPT, account, |script| script["made"] = (made + 1).into());
}

/// Brings an account up to date with its bank; gives how many movements came and how many went.
pub(super) fn update(world: &mut World, account: &str) -> (i64, usize) {
    let Some(script) = world.get(SCRIPT, account).cloned() else {
        return (0, 0);
    };
    let number = |name: &str| script[name].as_i64().unwrap_or_default();
    let gone: Vec<String> = world
        .list(&kind(account))
        .iter()
        .take(usize::try_from(number("remove")).unwrap_or_default())
        .filter_map(|movement| movement["id"].as_str().map(str::to_owned))
        .collect();
    for id in &gone {
        world.remove(&kind(account), id);
    }
    for _ in 0..number("new_movements") {
        add_movement(world, account, world.now_ms);
    }
    world.change(SCRIPT, account, |script| script["remove"] = 0.into());
    let now = written_moment(world.now_ms);
    world.change(ACCOUNT, account, |account| account["refreshed_at"] = now.into());
    (number("new_movements"), gone.len())
}
