//! Webhook endpoints: each is an endpoint of the world's own application, and nothing else.

use http::Method;
use serde_json::{Map, Value, json};

use crate::endpoint::{Endpoint, State};
use crate::id::Id as _;
use crate::provider::Provider;
use crate::providers::{self, written_moment};
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::fintoc::{event, id, list, once};
use crate::sandbox::house::{House, Shared};
use crate::sandbox::post::problem;
use crate::sandbox::world::{To, World};
use crate::store::Change;

/// How an endpoint's id begins.
const PREFIX: &str = "we_";
/// The kind under which ids are kept that were given out, so that none comes twice.
const RESERVED: &str = "webhook_endpoint";
/// The longest URL and description, in characters, and how many endpoints a key may have.
const URL_CHARS_MAX: usize = 2_048;
const DESCRIPTION_CHARS_MAX: usize = 1_000;
const ENDPOINTS_MAX: usize = 250;
/// How many types one endpoint may name.
const TYPES_MAX: usize = 100;

/// What a request says of an endpoint.
#[derive(Default)]
struct Wish {
    url: Option<String>,
    types: Option<Vec<String>>,
    description: Option<String>,
    disabled: Option<bool>,
}

pub(super) async fn answer(house: &House, world: &Shared, ask: &Ask, rest: &[&str]) -> Result<Reply, Problem> {
    let live = world.lock().await.live;
    match (&ask.method, rest) {
        (&Method::GET, []) => {
            let endpoints = house.webhooks(world).await?;
            let shown: Vec<_> = endpoints.iter().map(|endpoint| out(endpoint, live, false)).collect();
            list::page(ask, &shown.iter().collect::<Vec<_>>())
        }
        (&Method::POST, []) => create(house, world, ask).await,
        (&Method::GET, [id]) => Ok(Reply::ok(out(&house.webhook(world, id).await?, live, false))),
        (&Method::PATCH | &Method::PUT, [id]) => {
            let wish = wish(house, ask).await?;
            let endpoint = house.change_webhook(world, id, |endpoint| wish.grant(endpoint)).await?;
            Ok(Reply::ok(out(&endpoint, live, false)))
        }
        (&Method::DELETE, [id]) => {
            house.change_webhook(world, id, |endpoint| endpoint.state = State::Deleted).await?;
            Ok(Reply::nothing())
        }
        (&Method::POST, [id, "test"]) => {
            let endpoint = house.webhook(world, id).await?;
            house.turn(world, |world| test(world, ask, &endpoint)).await
        }
        _ => Err(Problem::no_route()),
    }
}

/// Takes every endpoint of a key away.
pub(super) async fn remove_all(house: &House, world: &Shared) -> Result<(), Problem> {
    for endpoint in house.webhooks(world).await? {
        let uid = endpoint.uid.unwrap_or_default();
        house.change_webhook(world, &uid, |endpoint| endpoint.state = State::Deleted).await?;
    }
    Ok(())
}

async fn create(house: &House, world: &Shared, ask: &Ask) -> Result<Reply, Problem> {
    let wish = wish(house, ask).await?;
    let (Some(url), Some(_)) = (&wish.url, &wish.types) else {
        return Err(Problem::missing(if wish.url.is_none() { "url" } else { "enabled_events" }));
    };
    if house.webhooks(world).await?.len() >= ENDPOINTS_MAX {
        let message = format!("there are {ENDPOINTS_MAX} webhook endpoints already, the most a key has here");
        return Err(Problem::refused(400, "limit_reached", message));
    }
    let purpose = ask.purpose();
    let reserve = |world: &mut World| {
        let reserved = once::answer(world, ask, |world| {
            let uid = world.new_id(RESERVED, &purpose, |rng| id(PREFIX, rng));
            world.put(RESERVED, &uid, Value::Null);
            Ok(Reply::created(uid.into()))
        })?;
        let uid = reserved.body.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let secret = providers::generate_secret(Provider::Fintoc, &mut world.draw(&format!("{uid}/secret")));
        Ok((uid, secret, world.live))
    };
    let (uid, secret, live) = house.turn(world, reserve).await?;
    let application = house.application_of(world).await?;
    let now_ms = house.parts.clock.now().wall_ms;
    if let Some(made) = house.endpoint(&application, &uid).await.map_err(|error| problem(&error))? {
        return Ok(Reply::created(out(&made, live, true))); // the same request came before
    }
    let endpoint = Endpoint::new(house.parts.engine.ids().next(now_ms), &application, url, secret, now_ms);
    let mut endpoint = Endpoint { uid: Some(uid), ..endpoint };
    wish.grant(&mut endpoint);
    let reply = Reply::created(out(&endpoint, live, true));
    house.set(Change::Endpoint(endpoint)).await.map_err(|error| problem(&error))?;
    Ok(reply)
}

/// What the request wants. Error: the field that breaks a rule.
async fn wish(house: &House, ask: &Ask) -> Result<Wish, Problem> {
    let wish = Wish {
        url: ask.text("url", URL_CHARS_MAX)?,
        types: ask.texts("enabled_events", TYPES_MAX)?,
        description: ask.text("description", DESCRIPTION_CHARS_MAX)?,
        disabled: ask.flag("disabled")?,
    };
    if let Some(url) = &wish.url {
        if house.parts.manner.as_documented && !url.starts_with("https://") {
            return Err(Problem::field("url", "must be https, with a certificate that holds"));
        }
        let judged = (house.parts.judge_url)(url.clone()).await;
        judged.map_err(|error| Problem::field("url", error.detail))?;
    }
    for name in wish.types.iter().flatten() {
        let row = providers::catalogue(Provider::Fintoc).iter().find(|row| row.event_type == *name);
        let why = match row {
            Some(row) if !row.to_url => continue,
            Some(_) => "is sent to the webhookUrl of a link alone",
            None => "is no event type",
        };
        return Err(Problem::field("enabled_events", format!("`{name}` {why}; leave it out")));
    }
    if wish.types.as_ref().is_some_and(Vec::is_empty) {
        return Err(Problem::field("enabled_events", "must name at least one event type; there is no word for all"));
    }
    Ok(wish)
}

impl Wish {
    fn grant(&self, endpoint: &mut Endpoint) {
        if let Some(url) = &self.url {
            endpoint.url.clone_from(url);
        }
        if let Some(types) = &self.types {
            endpoint.event_types.clone_from(types);
        }
        if let Some(description) = &self.description {
            endpoint.description.clone_from(description);
        }
        match self.disabled {
            Some(true) => endpoint.state = State::Disabled,
            Some(false) => endpoint.state = State::Enabled,
            None => {}
        }
    }
}

/// The object (docs.fintoc.com, the webhook endpoint); its secret in the answer to its creation alone.
fn out(endpoint: &Endpoint, live: bool, with_secret: bool) -> Value {
    let secret = endpoint.secrets.first().filter(|_| with_secret).map(|slot| slot.secret.text().clone());
    json!({
        "id": endpoint.uid,
        "object": "webhook_endpoint",
        "created_at": written_moment(endpoint.id.time_ms()),
        "description": Some(&endpoint.description).filter(|text| !text.is_empty()),
        "enabled_events": endpoint.event_types,
        "mode": if live { "live" } else { "test" },
        "secret": secret,
        "status": if endpoint.state == State::Enabled { "enabled" } else { "disabled" },
        "url": endpoint.url,
    })
}

/// Sends a made-up event of a type to this endpoint alone.
fn test(world: &mut World, ask: &Ask, endpoint: &Endpoint) -> Result<Reply, Problem> {
    event::in_test_mode(world)?;
    let name = event::needed_type(ask)?;
    if endpoint.state != State::Enabled {
        return Err(Problem::refused(400, "webhook_endpoint_disabled", "the endpoint is disabled; enable it first"));
    }
    if providers::goes_to_a_url(Provider::Fintoc, &name) {
        return Err(Problem::field("type", format!("`{name}` goes to the webhookUrl of a link alone")));
    }
    let to = To::Endpoint(endpoint.uid.as_deref().unwrap_or_default());
    event::make_up(world, ask, &name, &Map::new(), to).map(Reply::ok)
}
