//! The demo's providers: a sandbox that sends what happens at Fintoc, Finix and Bridge into sources of the demo's own.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::receiver::Receiver;
use crate::bench::target::{Calls, resolve};
use crate::cli::serve::{ServeArgs, Server};
use crate::egress::probe::{Manner as Sent, Prober, Request};
use crate::key::KeyText;
use crate::provider::Provider;
use crate::sandbox::Manner;
use crate::secret::Secret;

/// Waits pass so many times faster: a refresh of two minutes takes half a second.
const SPEED: u32 = 240;
/// The key at the small Fintoc, and the user at the small Finix.
const FINTOC_KEY: &str = "sk_test_demo";
const FINIX_USER: &str = "USdemo:demo";
/// What happens at Finix, in turn.
const FLOWS: [&str; 4] = ["cnp-authorization-capture", "dispute-won", "ach-debit", "instant-payout"];

/// A sandbox whose webhooks are doors of the demo's server.
pub(super) struct Providers {
    server: Server,
    prober: Prober,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    id: String,
    ingest_url: String,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
struct Shown {
    key: String,
}

impl Providers {
    /// Starts the sandbox, makes a source for each provider, and registers its door there.
    pub(super) async fn start(
        calls: &mut Calls<'_>,
        receiver: &Receiver,
        folder: &Path,
        key: &KeyText,
        seed: u64,
    ) -> Result<Self> {
        let manner = Manner { seed, speed: SPEED, as_documented: false };
        let args = ServeArgs { sandbox: Some(manner), ..ServeArgs::here(&folder.join("sandbox.db"), key) };
        let server = Server::start(&args).await?;
        let prober = Prober::new().map_err(|error| anyhow::anyhow!(error.0))?;
        let providers = Self { server, prober };
        for provider in [Provider::Fintoc, Provider::Finix, Provider::Bridge] {
            let source = source(calls, receiver, provider).await?;
            let secret = providers.register(provider, &source.ingest_url, key).await?;
            let config = json!({ "config": { "secrets": [secret] } });
            calls.patch(&format!("/ingest/api/v1/source/{}", source.id), &config.to_string()).await?;
        }
        Ok(providers)
    }

    /// Where the sandbox listens.
    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// Registers a door; gives the secret that what comes there is signed with.
    async fn register(&self, provider: Provider, door: &str, key: &KeyText) -> Result<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned).context("the sandbox showed no secret");
        match provider {
            Provider::Fintoc => {
                let types: Vec<_> = crate::providers::catalogue(provider)
                    .iter()
                    .filter(|row| !row.to_url)
                    .map(|row| &row.event_type)
                    .collect();
                let endpoint = json!({ "url": door, "enabled_events": types });
                text(&self.ask("/fintoc/v1/webhook_endpoints", FINTOC_KEY, &endpoint).await?["secret"])
            }
            Provider::Finix => {
                let made = self.ask("/finix/webhooks", &finix(), &json!({ "url": door })).await?;
                text(&made["secret_signing_key"])
            }
            _ => {
                let target = resolve(&self.server.url, key.reveal())?;
                let mut calls = Calls::open(&target).await?;
                let path = "/api/v1/app/bridge/endpoint";
                let made: Created = calls.post(path, &json!({ "url": door }).to_string()).await?;
                let shown: Shown = calls.get(&format!("{path}/{}/secret", made.id)).await?;
                Ok(shown.key)
            }
        }
    }

    /// Lets something happen at one of the providers, each in its turn.
    pub(super) async fn play(&self, nth: usize) -> Result<()> {
        match nth % 3 {
            0 => {
                let link = self.ask("/fintoc/sandbox/links", FINTOC_KEY, &json!({ "accounts": 2 })).await?;
                let refresh = json!({ "link_token": link["link_token"] });
                self.ask("/fintoc/v1/refresh_intents", FINTOC_KEY, &refresh).await?;
            }
            1 => {
                let flow = FLOWS[nth / 3 % FLOWS.len()];
                self.ask(&format!("/finix/sandbox/flows/{flow}"), &finix(), &json!({})).await?;
            }
            _ => {
                self.ask("/bridge/sandbox/items", "", &json!({ "accounts": 1 })).await?;
            }
        }
        Ok(())
    }

    /// One POST to the sandbox. Error: any answer but 2xx, with its text.
    async fn ask(&self, path: &str, authorization: &str, body: &Value) -> Result<Value> {
        let (url, body) = (format!("{}{path}", self.server.url), body.to_string());
        let headers = [("authorization".to_owned(), authorization.to_owned())];
        let request = Request { url: &url, headers: &headers, body: body.as_bytes(), manner: Sent::Whole };
        let answer = self.prober.send(&request).await.map_err(|error| anyhow::anyhow!(error.0))?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.status.is_some_and(|status| status < 300),
            "POST {path} was answered with {:?}: {text}",
            answer.status
        );
        Ok(serde_json::from_str(&text)?)
    }

    /// Ends the sandbox.
    pub(super) async fn stop(self) -> Result<()> {
        Ok(self.server.stop().await?)
    }
}

fn finix() -> String {
    format!("Basic {}", BASE64.encode(FINIX_USER))
}

/// A source that hands on to the demo's receiver.
async fn source(calls: &mut Calls<'_>, receiver: &Receiver, provider: Provider) -> Result<Source> {
    let name = provider.name();
    let source: Source =
        calls.post("/ingest/api/v1/source", &json!({ "name": name, "type": name }).to_string()).await?;
    let endpoints = format!("/ingest/api/v1/source/{}/endpoint", source.id);
    let endpoint = json!({ "url": format!("{}/{name}", receiver.url) });
    let endpoint: Created = calls.post(&endpoints, &endpoint.to_string()).await?;
    let shown: Shown = calls.get(&format!("{endpoints}/{}/secret", endpoint.id)).await?;
    receiver.trust(Secret::parse(&shown.key).context("an endpoint's secret")?);
    Ok(source)
}
