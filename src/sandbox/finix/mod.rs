//! A small Finix: webhooks, and the resources of the flows that are played (docs.finix.com, developers.finix.com).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::digest::sha256;
use crate::provider::Provider;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::house::{House, Shared};
use crate::sandbox::world::World;
use crate::signature::hex;

mod authentication;
mod enabled_events;
mod flow;
mod page;
mod webhook;

/// How long a user's name may be, in bytes.
const USER_BYTES_MAX: usize = 256;
/// How the names of Core customers begin: they alone see platforms, their profiles and balance transfers.
const CORE: &str = "core_";
/// The versions of the API; the first one holds where none is named (docs.finix.com, versioning).
const VERSIONS: [&str; 2] = ["2018-01-01", "2022-02-01"];

/// Answers a request.
pub(super) async fn answer(house: &Arc<House>, ask: Ask) -> Result<Reply, Problem> {
    routed(house, &ask).await.map_err(|problem| match problem.code {
        // a field that is wrong is a 422 here
        "invalid_parameter" | "missing_parameter" => Problem { status: 422, ..problem },
        _ => problem,
    })
}

async fn routed(house: &Arc<House>, ask: &Ask) -> Result<Reply, Problem> {
    let user = user(ask)?;
    version(ask)?;
    let world = &world(house, &user)?;
    let path: Vec<_> = ask.path.iter().map(String::as_str).collect();
    match (&ask.method, &path[..]) {
        (&Method::GET, ["webhooks"]) => webhook::list(house, world, ask).await,
        (&Method::POST, ["webhooks"]) => webhook::create(house, world, ask).await,
        (&Method::GET, ["webhooks", id]) => webhook::read(house, world, ask, id).await,
        (&Method::PUT, ["webhooks", id]) => webhook::update(house, world, ask, id).await,
        (&Method::POST, ["sandbox", "flows", name]) => flow::begin(house, world, name, user.starts_with(CORE)).await,
        (&Method::POST, ["sandbox", "reset"]) => reset(house, world).await,
        (&Method::GET, [collection]) if flow::is_collection(collection) => {
            flow::list(house, world, ask, collection).await
        }
        (&Method::GET, [collection, id]) if flow::is_collection(collection) => {
            flow::read(house, world, collection, id).await
        }
        (_, ["webhooks"] | ["webhooks", _] | ["sandbox", "flows", _] | ["sandbox", "reset"]) => Err(no_method(ask)),
        (_, [collection] | [collection, _]) if flow::is_collection(collection) => Err(no_method(ask)),
        _ => Err(Problem::no_route()),
    }
}

fn no_method(ask: &Ask) -> Problem {
    let message = format!("{} is not supported by {}", ask.method, ask.path.join("/"));
    Problem::refused(405, "method_not_allowed", message)
}

/// The name of the user, any; the password may be anything. Error: 401.
fn user(ask: &Ask) -> Result<String, Problem> {
    let read = |header: &str| {
        let (scheme, credentials) = header.split_once(' ')?;
        let decoded = STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let name = String::from_utf8(decoded).ok()?.split_once(':')?.0.to_owned();
        (!name.is_empty() && name.len() <= USER_BYTES_MAX).then_some(name)
    };
    ask.header("authorization").and_then(read).ok_or_else(|| {
        let message = "send a user name and a password by Basic authentication; any will do here";
        Problem::refused(401, "unauthorized", message)
    })
}

fn version(ask: &Ask) -> Result<(), Problem> {
    let asked = ask.header("finix-version").unwrap_or(VERSIONS[0]);
    let message = || format!("there is no such Finix-Version; send one of {}", VERSIONS.join(", "));
    if VERSIONS.contains(&asked) { Ok(()) } else { Err(Problem::refused(406, "version", message())) }
}

/// The world of a user: the name decides which.
fn world(house: &House, user: &str) -> Result<Shared, Problem> {
    let name = format!("finix_{}", &hex(&sha256(user.as_bytes()))[..24]);
    house.world(&name, Provider::Finix, false)
}

/// Begins anew: without webhooks, without resources, and nothing that was still to come.
async fn reset(house: &House, world: &Shared) -> Result<Reply, Problem> {
    webhook::remove_all(house, world).await?;
    house
        .turn(world, |world| {
            world.reset();
            Ok(Reply::nothing())
        })
        .await
}

/// An error in Finix's shape; its codes follow from the status (docs.finix.com, error codes).
pub(super) fn problem(problem: &Problem) -> Value {
    let code = match problem.status {
        401 => "UNKNOWN",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        406 => "NOT_ACCEPTABLE",
        409 => "CONFLICT",
        422 => "INVALID_FIELD",
        429 => "TOO_MANY_REQUESTS",
        500.. => "SERVER_ERROR",
        _ => "BAD_REQUEST",
    };
    let reference = &hex(&sha256(problem.message.as_bytes()))[..16];
    let mut error = json!({ "logref": reference, "message": problem.message, "code": code });
    if let Some(param) = problem.param.as_ref().filter(|_| problem.status == 422) {
        error["field"] = json!(param);
    }
    json!({ "total": 1, "_embedded": { "errors": [error] } })
}

/// What an alarm lets happen: the next event of a flow.
pub(super) fn ring(world: &mut World, what: &Value) {
    flow::happen(world, what);
}
