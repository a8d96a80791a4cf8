//! Links: the connections to a bank that a widget would make, each with its accounts, its token and its script.

use http::Method;
use serde_json::{Value, json};

use crate::providers::written_moment;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::{account, id, list, refresh};
use crate::sandbox::world::{To, World};

/// The link as the API shows it, without its token; and what only the sandbox knows of it.
pub(super) const LINK: &str = "link";
pub(super) const SCRIPT: &str = "link_script";
/// The kind of what the key decided for all its links.
pub(super) const ORGANIZATION: &str = "organization";
/// How many accounts a link may have, and has.
const ACCOUNTS_MAX: i64 = 50;
const ACCOUNTS: i64 = 3;
/// The longest webhookUrl, in characters.
const URL_CHARS_MAX: usize = 2_048;
/// The longest wait between two recurrent updates: 30 days, in seconds.
const RECURRENT_SECS_MAX: i64 = 30 * 86_400;

pub(super) fn answer(world: &mut World, ask: &Ask, rest: &[&str]) -> Result<Reply, Problem> {
    match (&ask.method, rest) {
        (&Method::GET, []) => {
            let shown: Vec<_> = living(world).into_iter().cloned().collect();
            list::page(ask, &shown.iter().collect::<Vec<_>>())
        }
        (&Method::GET, [token]) => {
            let link = of_token(world, token)?;
            world.get(LINK, &link).cloned().map(Reply::ok).ok_or_else(Problem::unavailable)
        }
        (&Method::PATCH | &Method::PUT, [token]) => {
            let (link, active) = (of_token(world, token)?, ask.flag("active")?);
            let active = active.ok_or_else(|| Problem::missing("active"))?;
            world.change(LINK, &link, |link| link["active"] = active.into());
            world.get(LINK, &link).cloned().map(Reply::ok).ok_or_else(Problem::unavailable)
        }
        (&Method::DELETE, [token]) => {
            let link = of_token(world, token)?;
            world.change(SCRIPT, &link, |script| script["deleted"] = true.into());
            Ok(Reply::nothing())
        }
        _ => Err(Problem::no_route()),
    }
}

/// Links that were not deleted, the newest first.
fn living(world: &World) -> Vec<&Value> {
    let lives = |link: &&Value| link["id"].as_str().is_some_and(|id| !is_deleted(world, id));
    world.list(LINK).into_iter().filter(lives).collect()
}

pub(super) fn is_deleted(world: &World, link: &str) -> bool {
    world.get(SCRIPT, link).is_none_or(|script| script["deleted"] == true)
}

/// The id of the link that this token opens. Error: 404.
pub(super) fn of_token(world: &World, token: &str) -> Result<String, Problem> {
    let link = token.split_once("_token_").map_or("", |(link, _)| link);
    let opens = world.get(SCRIPT, link).is_some_and(|script| script["token"] == token && script["deleted"] != true);
    if opens {
        return Ok(link.to_owned());
    }
    let problem = Problem::refused(404, "missing_resource", "no link of this key has that link_token");
    Err(Problem { param: Some("link_token".to_owned()), ..problem })
}

/// The link whose token stands in the query or the body. Error: none, or no such link.
pub(super) fn asked_for(world: &World, ask: &Ask) -> Result<String, Problem> {
    let in_body = ask.text("link_token", URL_CHARS_MAX)?;
    let token = in_body.as_deref().or(ask.query("link_token")).ok_or_else(|| Problem::missing("link_token"))?;
    of_token(world, token)
}

/// POST `/sandbox/links`: what a person at the widget would do. Gives the link with its token and its accounts.
pub(super) fn make(world: &mut World, ask: &Ask) -> Result<Reply, Problem> {
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

/// Whether something is switched on for this link: by itself, else by its organization, else by default.
pub(super) fn switched_on(world: &World, link: &str, name: &str, default: bool) -> bool {
    let of = |value: Option<&Value>| value.and_then(|value| value[name].as_bool());
    of(world.get(SCRIPT, link)).or_else(|| of(world.get(ORGANIZATION, ORGANIZATION))).unwrap_or(default)
}
