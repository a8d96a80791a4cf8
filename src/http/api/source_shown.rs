//! A source's `config` as it may be seen: without secrets.

use serde::Serialize;

use super::source_config::AuthenticationType;
use crate::conflict::OnConflict;
use crate::inbound::{Algorithm, Credentials, DedupBy, Encoding, Form};
use crate::provider::Provider;
use crate::source::{Config, DeliverAs};

/// What may be seen of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigOut {
    tolerance_seconds: Option<i64>,
    deliver_as: DeliverAs,
    dedup_days: u32,
    on_conflict: OnConflict,
    allow_ips: Vec<String>,
    #[serde(flatten)]
    finix: Option<FinixOut>,
    #[serde(flatten)]
    generic: Option<GenericOut>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FinixOut {
    authentication: AuthenticationOut,
    require_signature: bool,
}

#[derive(Serialize)]
struct AuthenticationOut {
    #[serde(rename = "type")]
    kind: AuthenticationType,
    #[serde(skip_serializing_if = "Option::is_none")]
    basic: Option<BasicOut>,
}

#[derive(Serialize)]
struct BasicOut {
    username: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenericOut {
    header: String,
    algorithm: Algorithm,
    encoding: Encoding,
    prefix: String,
    type_path: Option<String>,
    id_path: Option<String>,
    type_header: Option<String>,
    id_header: Option<String>,
    keep_headers: Vec<String>,
    dedup: DedupBy,
}

/// What may be seen.
pub(super) fn out(provider: Provider, config: &Config) -> ConfigOut {
    let terms = &config.terms;
    let finix = (provider == Provider::Finix).then(|| {
        let (kind, basic) = match &terms.credentials {
            Credentials::None => (AuthenticationType::None, None),
            Credentials::Basic { username, .. } => {
                (AuthenticationType::Basic, Some(BasicOut { username: username.clone() }))
            }
            Credentials::Bearer { .. } => (AuthenticationType::Bearer, None),
        };
        FinixOut { authentication: AuthenticationOut { kind, basic }, require_signature: terms.requires_signature }
    });
    ConfigOut {
        tolerance_seconds: terms.tolerance_secs,
        deliver_as: config.deliver_as,
        dedup_days: config.dedup_days,
        on_conflict: config.on_conflict,
        allow_ips: config.allow_ips.iter().map(ToString::to_string).collect(),
        finix,
        generic: (provider == Provider::Generic).then(|| generic_out(&terms.form)),
    }
}

fn generic_out(form: &Form) -> GenericOut {
    GenericOut {
        header: form.header.clone(),
        algorithm: form.algorithm,
        encoding: form.encoding,
        prefix: form.prefix.clone(),
        type_path: form.type_path.clone(),
        id_path: form.id_path.clone(),
        type_header: form.type_header.clone(),
        id_header: form.id_header.clone(),
        keep_headers: form.keep_headers.clone(),
        dedup: form.dedup,
    }
}
