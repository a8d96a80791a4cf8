//! Links: the connections to a bank, each with its token and its script.

use http::Method;
use serde_json::Value;

use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::list;
use crate::sandbox::world::World;

/// The link as the API shows it, without its token; and what only the sandbox knows of it.
pub(super) const LINK: &str = "link";
pub(super) const SCRIPT: &str = "link_script";
/// The kind of what the key decided for all its links.
pub(super) const ORGANIZATION: &str = "organization";
/// The longest token, in characters.
const TOKEN_CHARS_MAX: usize = 2_048;

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
    let in_body = ask.text("link_token", TOKEN_CHARS_MAX)?;
    let token = in_body.as_deref().or(ask.query("link_token")).ok_or_else(|| Problem::missing("link_token"))?;
    of_token(world, token)
}

/// Whether something is switched on for this link: by itself, else by its organization, else by default.
pub(super) fn switched_on(world: &World, link: &str, name: &str, default: bool) -> bool {
    let of = |value: Option<&Value>| value.and_then(|value| value[name].as_bool());
    of(world.get(SCRIPT, link)).or_else(|| of(world.get(ORGANIZATION, ORGANIZATION))).unwrap_or(default)
}
