//! `/webhooks`: made once its URL answers an empty ping, listed, read, changed, never deleted.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::authentication::{self, Authorization};
use super::enabled_events::EnabledEvents;
use super::page;
use crate::egress::probe::{Answer, Manner, Request, Unreachable};
use crate::endpoint::{Endpoint, State};
use crate::id::Id as _;
use crate::provider::Provider;
use crate::providers;
use crate::sandbox::ask::{Ask, Problem, Reply};
use crate::sandbox::house::{House, Shared};
use crate::sandbox::post;
use crate::sandbox::world::World;
use crate::store::Change;

/// How long a URL may be (Finix's OpenAPI).
const URL_CHARS_MAX: usize = 120;
const NICKNAME_CHARS_MAX: usize = 255;
/// How long the validation ping waits for an answer, as deliveries do.
const PING_MAX: Duration = Duration::from_secs(10);
/// The kind under which ids of webhooks are set aside; all else about one is its endpoint.
const WEBHOOK: &str = "webhook";

/// What a request says about a webhook.
struct Given {
    url: Option<String>,
    enabled: Option<bool>,
    nickname: Option<String>,
    authorization: Option<Authorization>,
    enabled_events: Option<EnabledEvents>,
}

impl Given {
    async fn read(house: &House, ask: &Ask) -> Result<Self, Problem> {
        let given = Self {
            url: ask.text("url", URL_CHARS_MAX)?,
            enabled: ask.flag("enabled")?,
            nickname: ask.text("nickname", NICKNAME_CHARS_MAX)?,
            authorization: authentication::read(ask)?,
            enabled_events: EnabledEvents::read(ask)?,
        };
        if let Some(url) = &given.url {
            (house.parts.judge_url)(url.clone()).await.map_err(|error| post::problem(&error))?;
        }
        Ok(given)
    }

    fn set(&self, endpoint: &mut Endpoint) {
        if let Some(url) = &self.url {
            endpoint.url.clone_from(url);
        }
        if let Some(nickname) = &self.nickname {
            endpoint.description.clone_from(nickname);
        }
        if let Some(enabled) = self.enabled {
            endpoint.state = if enabled { State::Enabled } else { State::Disabled };
        }
        if let Some(authorization) = &self.authorization {
            authentication::set(&mut endpoint.headers, authorization);
        }
        if let Some(enabled_events) = &self.enabled_events {
            enabled_events.set(endpoint);
        }
    }
}

/// POST `/webhooks`: 201 with the `secret_signing_key`, which is never shown again.
pub(super) async fn create(house: &House, world: &Shared, ask: &Ask) -> Result<Reply, Problem> {
    let given = Given::read(house, ask).await?;
    let url = given.url.as_deref().filter(|url| !url.is_empty()).ok_or_else(|| Problem::missing("url"))?;
    ping(house, url, given.authorization.clone().flatten()).await?;
    let purpose = ask.purpose();
    let (id, secret) = house
        .turn(world, |world| {
            let id = world.new_id(WEBHOOK, &purpose, |rng| providers::id(Provider::Finix, "WH", rng));
            world.put(WEBHOOK, &id, json!({}));
            let secret = providers::generate_secret(Provider::Finix, &mut world.draw(&format!("{WEBHOOK}/{id}")));
            Ok((id, secret))
        })
        .await?;
    let application = house.application_of(world).await?;
    let now_ms = house.parts.clock.now().wall_ms;
    let number = house.parts.engine.ids().next(now_ms);
    let mut endpoint = Endpoint { uid: Some(id), ..Endpoint::new(number, &application, url, secret.clone(), now_ms) };
    given.set(&mut endpoint);
    endpoint.check().map_err(|error| post::problem(&error))?;
    house.set(Change::Endpoint(endpoint.clone())).await.map_err(|error| post::problem(&error))?;
    let mut shown = shown(&*world.lock().await, &ask.root, &endpoint);
    shown["secret_signing_key"] = json!(secret.text());
    Ok(Reply::created(shown))
}

/// Asks the URL, with an empty body, whether it takes events (docs.finix.com, webhooks). Error: why it does not.
async fn ping(house: &House, url: &str, authorization: Authorization) -> Result<(), Problem> {
    let fields = [Some(("Content-Type", "application/json".to_owned())), authorization.map(|it| ("Authorization", it))];
    let headers: Vec<_> = fields.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect();
    let request = Request { url, headers: &headers, body: b"", manner: Manner::Whole };
    let why = match tokio::time::timeout(PING_MAX, house.parts.prober.send(&request)).await {
        Ok(Ok(Answer { status: Some(200..=299), .. })) => return Ok(()),
        Ok(Ok(Answer { status: Some(status), .. })) => format!("it answered {status}"),
        Ok(Ok(Answer { status: None, .. })) => "it closed the connection without an answer".to_owned(),
        Ok(Err(Unreachable(reason))) => reason,
        Err(_) => format!("it did not answer within {} s", PING_MAX.as_secs()),
    };
    let message = format!("the URL must answer an empty POST with 2xx before it can be a webhook: {why}");
    Err(Problem::field("url", message))
}

/// GET `/webhooks`
pub(super) async fn list(house: &House, world: &Shared, ask: &Ask) -> Result<Reply, Problem> {
    let endpoints = house.webhooks(world).await?;
    let world = world.lock().await;
    page::answer(ask, "webhooks", endpoints.iter().map(|endpoint| shown(&world, &ask.root, endpoint)).collect())
}

/// GET `/webhooks/{id}`
pub(super) async fn read(house: &House, world: &Shared, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    let endpoint = house.webhook(world, id).await?;
    Ok(Reply::ok(shown(&*world.lock().await, &ask.root, &endpoint)))
}

/// PUT `/webhooks/{id}`: what is named changes; switched on, one that failed for days takes events again.
pub(super) async fn update(house: &House, world: &Shared, ask: &Ask, id: &str) -> Result<Reply, Problem> {
    house.webhook(world, id).await?;
    let given = Given::read(house, ask).await?;
    let endpoint = house.change_webhook(world, id, |endpoint| given.set(endpoint)).await?;
    Ok(Reply::ok(shown(&*world.lock().await, &ask.root, &endpoint)))
}

/// Deletes all webhooks of a world.
pub(super) async fn remove_all(house: &House, world: &Shared) -> Result<(), Problem> {
    for endpoint in house.webhooks(world).await? {
        let id = endpoint.uid.unwrap_or_default();
        house.change_webhook(world, &id, |endpoint| endpoint.state = State::Deleted).await?;
    }
    Ok(())
}

/// A webhook as Finix shows it. Its credentials are told to nobody, its key to whoever makes it.
fn shown(world: &World, root: &str, endpoint: &Endpoint) -> Value {
    let id = endpoint.uid.as_deref().unwrap_or_default();
    let application = providers::id(Provider::Finix, "AP", &mut world.draw("application"));
    let previous_ms = endpoint.secrets.get(1).and_then(|slot| slot.expires_ms);
    json!({
        "id": id,
        "created_at": time(endpoint.id.time_ms()),
        "updated_at": time(endpoint.updated_ms),
        "application": application,
        "authentication": { "type": authentication::kind(&endpoint.headers) },
        "enabled": endpoint.state != State::Disabled,
        "enabled_events": EnabledEvents::of(endpoint).json(),
        "is_accepting_events": !matches!(endpoint.state, State::Failing | State::Gone),
        "nickname": Some(&endpoint.description).filter(|text| !text.is_empty()),
        "previous_secret_expires_at": previous_ms.map(time),
        "secret_signing_key": null,
        "url": endpoint.url,
        "_links": {
            "self": { "href": format!("{root}/webhooks/{id}") },
            "application": { "href": format!("{root}/applications/{application}") },
        },
    })
}

/// A time as Finix writes it: two digits of a second.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%2fZ").to_string()
}
