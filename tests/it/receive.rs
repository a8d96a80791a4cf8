//! Receiving: what a provider sends is verified, kept once, acknowledged at once, and handed on.

use std::fmt::Write as _;
use std::time::Duration;

use posthaste::provider::Provider;
use posthaste::providers::{self, Signing};
use posthaste::secret::SecretSlot;
use serde_json::{Value, json};

use crate::world::{Answer, KEY, Receiver, World, eventually};

mod config;
mod crowd;
mod decided;
mod generic;
mod handed_on;
#[cfg(feature = "peers")]
mod handler;
mod import;
mod kept;
mod named;
mod poller;
mod refused;
mod same;
mod samples;

/// A secret of each provider's form.
pub const FINTOC: &str = "whsec_3o9rZ4xKbT1VcJzuDgpm4H";
pub const BRIDGE: &str = "644b2ac3-0797-4ec6-9537-cb5c0af9caf9";
pub const FINIX: &str = "3afb49c98ac08a67a58efa5580b24e5984bc36d7ebd404e875234f107deed108";
pub const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server with one source.
pub struct Door {
    pub world: World,
    pub source: String,
    /// The path of its ingestUrl.
    pub path: String,
    pub provider: Provider,
    pub secret: &'static str,
}

impl Door {
    /// Opens the door of a provider with its secret.
    pub fn open(provider: Provider) -> Self {
        Self::open_with(provider, json!({}))
    }

    /// Opens a door with more in its config.
    pub fn open_with(provider: Provider, config: Value) -> Self {
        Self::open_in(World::start(), provider, config)
    }

    /// Opens a door of a running server.
    pub fn open_in(world: World, provider: Provider, mut config: Value) -> Self {
        let (kind, secret) = match provider {
            Provider::Fintoc => ("fintoc", FINTOC),
            Provider::Bridge => ("bridge", BRIDGE),
            Provider::Finix => ("finix", FINIX),
            Provider::Standard => ("standard-webhooks", STANDARD),
            Provider::Svix => ("svix", STANDARD),
            Provider::Generic => ("generic-webhook", "a secret of any form"),
        };
        if config.get("secrets").is_none() {
            config["secrets"] = json!([secret]);
        }
        let made = world.call("POST", SOURCES, json!({"name": "in", "type": kind, "config": config})).expect(201);
        let (source, path) = (text(&made["id"]), path_of(&made));
        Self { world, source, path, provider, secret }
    }

    /// The headers by which the provider proves this body now.
    pub fn proof(&self, body: &[u8]) -> Vec<(String, String)> {
        self.proof_at(body, now_secs())
    }

    /// The headers by which the provider proved this body then.
    pub fn proof_at(&self, body: &[u8], at_secs: i64) -> Vec<(String, String)> {
        proof(self.provider, self.secret, body, at_secs)
    }

    /// Sends a signed body as the provider would.
    pub fn send(&self, body: impl AsRef<[u8]>) -> Answer {
        self.post(body.as_ref(), &self.proof(body.as_ref()))
    }

    /// Sends a body with these headers.
    pub fn post(&self, body: &[u8], headers: &[(String, String)]) -> Answer {
        self.world.raw(&request(&self.path, body, headers))
    }

    /// What lies below the source.
    pub fn get(&self, rest: &str) -> Value {
        self.world.call("GET", &format!("{SOURCES}/{}{rest}", self.source), "").expect(200)
    }

    /// Its events, the newest first.
    pub fn events(&self) -> Vec<Value> {
        let list = self.world.call("GET", &format!("/api/v1/app/{}/msg", self.source), "").expect(200);
        list["data"].as_array().unwrap().clone()
    }

    /// How many requests were refused for this reason.
    pub fn refusals(&self, reason: &str) -> u64 {
        self.get("/stats")["refused"][reason].as_u64().unwrap()
    }

    /// Lets its events go to a receiver.
    pub fn subscribe(&self, receiver: &Receiver) -> String {
        let answer =
            self.world.call("POST", &format!("{SOURCES}/{}/endpoint", self.source), json!({"url": receiver.url}));
        text(&answer.expect(201)["id"])
    }
}

pub const SOURCES: &str = "/ingest/api/v1/source";

/// The path of a source's ingestUrl.
pub fn path_of(source: &Value) -> String {
    let url = source["ingestUrl"].as_str().unwrap();
    url[url.find("/in/").unwrap()..].to_owned()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The headers by which a provider proves a body with this secret.
pub fn proof(provider: Provider, secret: &str, body: &[u8], at_secs: i64) -> Vec<(String, String)> {
    let secret = providers::parse_secret(provider, secret).unwrap();
    let slots = [SecretSlot::new(secret)];
    let id = format!("msg_{}", posthaste::digest::sha256(body)[0]);
    let headers = providers::sign(provider, &slots, Signing { id: &id, at_secs, body });
    let with_id = providers::id_header(provider).map(|name| (name, id.clone()));
    headers.into_iter().chain(with_id).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A whole request to a door.
pub fn request(path: &str, body: &[u8], headers: &[(String, String)]) -> Vec<u8> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// The machine's time in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a story signs at the real time")]
pub fn now_secs() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().cast_signed()
}

/// A Fintoc event with this id: a payment of its own has succeeded.
pub fn fintoc(id: &str, amount: u32) -> String {
    let payment = format!(
        r#"{{"id":"pi_{id}","object":"payment_intent","status":"succeeded","amount":{amount},"currency":"CLP","x":1.10}}"#
    );
    format!(
        r#"{{"id":"{id}","type":"payment_intent.succeeded","mode":"test","created_at":"2026-11-25T10:00:00.000Z","data":{payment},"object":"event"}}"#
    )
}

/// Long enough for what should not come to have come.
pub const A_WHILE: Duration = Duration::from_millis(300);
