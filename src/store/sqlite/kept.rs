//! What stands under the seal, as JSON: an endpoint's secrets and headers, a source's proof and tokens.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::conflict::OnConflict;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::id::Id as _;
use crate::inbound::{Credentials, Form, Terms};
use crate::network::Network;
use crate::secret::{Sealer, Secret, SecretSlot};
use crate::source::{Config, DeliverAs, Source, TokenSlot};

/// A secret's text, and how to read it.
#[derive(Serialize, Deserialize)]
struct KeptSecret {
    text: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    verbatim: bool,
}

impl KeptSecret {
    fn new(secret: &Secret) -> Self {
        Self { text: secret.text(), verbatim: secret.is_verbatim() }
    }

    fn read(&self) -> Result<Secret> {
        if self.verbatim { Ok(Secret::verbatim(&self.text)) } else { Secret::parse(&self.text) }
    }
}

#[derive(Serialize, Deserialize)]
struct KeptSlot {
    #[serde(flatten)]
    secret: KeptSecret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since_ms: Option<i64>,
    expires_ms: Option<i64>,
}

impl KeptSlot {
    fn new(slot: &SecretSlot) -> Self {
        let SecretSlot { secret, since_ms, expires_ms } = slot;
        Self { secret: KeptSecret::new(secret), since_ms: *since_ms, expires_ms: *expires_ms }
    }

    fn read(self) -> Result<SecretSlot> {
        let Self { secret, since_ms, expires_ms } = self;
        Ok(SecretSlot { secret: secret.read()?, since_ms, expires_ms })
    }
}

#[derive(Serialize, Deserialize)]
struct KeptToken {
    token: String,
    expires_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct KeptConfig {
    secrets: Vec<KeptSecret>,
    tolerance_secs: Option<i64>,
    credentials: KeptCredentials,
    requires_signature: bool,
    form: Form,
    deliver_as: DeliverAs,
    /// What was kept before there was a choice is delivered.
    #[serde(default)]
    on_conflict: OnConflict,
    #[serde(serialize_with = "write_networks", deserialize_with = "read_networks")]
    allow_ips: Vec<Network>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptCredentials {
    None,
    Basic { username: String, password: KeptSecret },
    Bearer { token: KeptSecret },
}

fn write_networks<S: serde::Serializer>(networks: &[Network], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(networks.iter().map(ToString::to_string))
}

fn read_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| Network::of_senders(text).map_err(D::Error::custom)).collect()
}

/// A list or map as JSON.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings always serialise")
}

/// Opens what its owner's row holds. Error: another key, another owner, or damage.
fn open<T: DeserializeOwned>(sealer: &Sealer, owner: i64, sealed: &[u8]) -> Result<T> {
    serde_json::from_slice(&sealer.open(owner, sealed)?).map_err(Error::internal)
}

pub(super) fn seal_secrets(sealer: &Sealer, endpoint: &Endpoint) -> Vec<u8> {
    let slots: Vec<_> = endpoint.secrets.iter().map(KeptSlot::new).collect();
    sealer.seal(endpoint.id.value(), json(&slots).as_bytes())
}

pub(super) fn open_secrets(sealer: &Sealer, owner: i64, sealed: &[u8]) -> Result<Vec<SecretSlot>> {
    let slots: Vec<KeptSlot> = open(sealer, owner, sealed)?;
    slots.into_iter().map(KeptSlot::read).collect()
}

pub(super) fn seal_headers(sealer: &Sealer, endpoint: &Endpoint) -> Vec<u8> {
    sealer.seal(endpoint.id.value(), json(&endpoint.headers).as_bytes())
}

pub(super) fn open_headers(
    sealer: &Sealer,
    owner: i64,
    sealed: &[u8],
) -> Result<std::collections::BTreeMap<String, String>> {
    open(sealer, owner, sealed)
}

pub(super) fn seal_config(sealer: &Sealer, source: &Source) -> Vec<u8> {
    let Config { terms, deliver_as, on_conflict, allow_ips, .. } = &source.config;
    let kept = KeptConfig {
        secrets: terms.secrets.iter().map(KeptSecret::new).collect(),
        tolerance_secs: terms.tolerance_secs,
        credentials: match &terms.credentials {
            Credentials::None => KeptCredentials::None,
            Credentials::Basic { username, password } => {
                KeptCredentials::Basic { username: username.clone(), password: KeptSecret::new(password) }
            }
            Credentials::Bearer { token } => KeptCredentials::Bearer { token: KeptSecret::new(token) },
        },
        requires_signature: terms.requires_signature,
        form: terms.form.clone(),
        deliver_as: *deliver_as,
        on_conflict: *on_conflict,
        allow_ips: allow_ips.clone(),
    };
    sealer.seal(source.id.value(), json(&kept).as_bytes())
}

/// The number of days stands in a column of its own: forgetting asks for it.
pub(super) fn open_config(sealer: &Sealer, owner: i64, sealed: &[u8], dedup_days: u32) -> Result<Config> {
    let kept: KeptConfig = open(sealer, owner, sealed)?;
    let terms = Terms {
        secrets: kept.secrets.iter().map(KeptSecret::read).collect::<Result<_>>()?,
        tolerance_secs: kept.tolerance_secs,
        credentials: match kept.credentials {
            KeptCredentials::None => Credentials::None,
            KeptCredentials::Basic { username, password } => {
                Credentials::Basic { username, password: password.read()? }
            }
            KeptCredentials::Bearer { token } => Credentials::Bearer { token: token.read()? },
        },
        requires_signature: kept.requires_signature,
        form: kept.form,
    };
    let KeptConfig { deliver_as, on_conflict, allow_ips, .. } = kept;
    Ok(Config { terms, deliver_as, dedup_days, on_conflict, allow_ips })
}

pub(super) fn seal_tokens(sealer: &Sealer, source: &Source) -> Vec<u8> {
    let tokens = source.tokens.iter().map(|slot| KeptToken { token: slot.token.clone(), expires_ms: slot.expires_ms });
    sealer.seal(source.id.value(), json(&tokens.collect::<Vec<_>>()).as_bytes())
}

pub(super) fn open_tokens(sealer: &Sealer, owner: i64, sealed: &[u8]) -> Result<Vec<TokenSlot>> {
    let tokens: Vec<KeptToken> = open(sealer, owner, sealed)?;
    Ok(tokens.into_iter().map(|kept| TokenSlot { token: kept.token, expires_ms: kept.expires_ms }).collect())
}
