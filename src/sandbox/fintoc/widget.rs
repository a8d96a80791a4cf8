//! What a person does at the widget: connects a bank, and types the credentials anew.

use serde_json::{Value, json};

use crate::providers::written_moment;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::link::{LINK, SCRIPT, is_deleted};
use crate::sandbox::fintoc::{account, id, refresh};
use crate::sandbox::world::{To, World};

/// How many accounts a link may have, and has.
const ACCOUNTS_MAX: i64 = 50;
const ACCOUNTS: i64 = 3;
/// The longest webhookUrl, in characters.
const URL_CHARS_MAX: usize = 2_048;
/// The longest wait between two recurrent updates: 30 days, in seconds.
const RECURRENT_SECS_MAX: i64 = 30 * 86_400;

/// POST `/sandbox/links`: what a person at the widget would do. Gives the link with its token and its accounts.
pub(super) fn connect(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
    let fiscal = ask.flag("fiscal")?.unwrap_or(false);
    let count = ask.number("accounts", 0..=ACCOUNTS_MAX)?.unwrap_or(if fiscal { 0 } else { ACCOUNTS });
    let outcomes = refresh::outcomes(ask)?;
    let new_movements = account::new_movements(ask)?;
    let url = ask.text("webhookUrl", URL_CHARS_MAX)?;
    let recurrent = ask.number("recurrentSeconds", 1..=RECURRENT_SECS_MAX)?;
    let (on_demand, removed) = (ask.flag("onDemand")?, ask.flag("movementsRemoved")?);
    let purpose = ask.purpose();
    let mut link = world.make(LINK, "link", &purpose);
    let link_id = link["id"].as_str().unwrap_or_default().to_owned();
    let token = format!("{link_id}_token_{}", id("", &mut world.draw(&format!("{link_id}/token"))));
    let accounts: Vec<Value> = (0..count)
        .map(|nth| {
            let at = usize::try_from(nth).unwrap_or_default();
            let own = outcomes.as_ref().and_then(|all| all.get(at).or(all.last()));
            account::make(world, &link, nth, own, new_movements)
        })
        .collect();
    link["accounts"] = accounts.into();
    link["created_at"] = written_moment(world.now_ms).into();
    let own_outcomes = outcomes.filter(|_| count == 0);
    let script = json!({
        "token": token, "fiscal": fiscal, "on_demand": on_demand, "movements_removed": removed,
        "recurrent_secs": recurrent, "outcomes": own_outcomes, "url": url, "visits": 0,
        "rejected_ms": [], "locked": false, "deleted": false,
    });
    world.put(LINK, &link_id, link.clone());
    world.put(SCRIPT, &link_id, script);
    link["link_token"] = token.into();
    if let Some(url) = url {
        world.tell("link.created", &link, &link_id, To::Url(&url));
    }
    if let Some(secs) = recurrent {
        refresh::set_recurrence(world, &link_id, secs);
    }
    Ok(Reply::created(link))
}

/// POST `/sandbox/links/{id}/reconnect`: its owner types the credentials anew at the widget. What was scripted to be
/// rejected succeeds from now on.
pub(super) fn reconnect(world: &mut World, link: &str) -> Result<Reply, Problem> {
    if is_deleted(world, link) {
        return Err(Problem::not_found("link", link));
    }
    world.change(SCRIPT, link, |script| {
        script["rejected_ms"] = json!([]);
        script["locked"] = false.into();
        refresh::forgive(script);
    });
    for account in account::of_link(world, link) {
        world.change(account::SCRIPT, &account, refresh::forgive);
    }
    world.change(LINK, link, |link| {
        link["status"] = "active".into();
        link["refresh_status"] = "refreshed".into();
    });
    world.get(LINK, link).cloned().map(Reply::ok).ok_or_else(Problem::unavailable)
}
