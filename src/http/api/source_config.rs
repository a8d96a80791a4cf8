//! A source's `config`: how its requests prove themselves, and what becomes of them. Secrets only go in.

use serde::{Deserialize, Serialize};

use crate::conflict::OnConflict;
use crate::endpoint::is_taken_header;
use crate::error::{Error, Result};
use crate::http::call::present;
use crate::inbound::{Algorithm, Credentials, DedupBy, Encoding, Form, Terms};
use crate::network::Network;
use crate::provider::Provider;
use crate::providers;
use crate::secret::{Secret, check_text};
use crate::source::{Config, DEDUP_DAYS, DeliverAs};

/// How far a signed time may be from now unless told otherwise, and at most, in seconds.
const TOLERANCE_SECS: i64 = 300;
const TOLERANCE_SECS_MAX: i64 = 86_400;
/// The longest header name, prefix or JSON pointer of a generic sender, in bytes.
const FORM_BYTES_MAX: usize = 256;
/// How many headers of a request a generic sender's events hand on.
const KEPT_HEADERS_MAX: usize = 10;
/// The longest user name, password or bearer token, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 1_024;
/// The shortest secret, password or token that may open a door, in bytes: three printable characters are guessed in a
/// quarter of an hour by whoever tries a thousand a second.
const PROOF_BYTES_MIN: usize = 4;

/// Each key that is given sets; `secret` is a list of one.
#[derive(Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigIn {
    secrets: Option<Vec<String>>,
    secret: Option<String>,
    tolerance_seconds: Option<i64>,
    deliver_as: Option<DeliverAs>,
    dedup_days: Option<u32>,
    allow_ips: Option<Vec<String>>,
    authentication: Option<AuthenticationIn>,
    require_signature: Option<bool>,
    header: Option<String>,
    algorithm: Option<Algorithm>,
    encoding: Option<Encoding>,
    prefix: Option<String>,
    #[serde(default, deserialize_with = "present")]
    type_path: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    id_path: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    type_header: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    id_header: Option<Option<String>>,
    keep_headers: Option<Vec<String>>,
    dedup: Option<DedupBy>,
    on_conflict: Option<OnConflict>,
}

#[derive(Clone, Copy, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum AuthenticationType {
    None,
    Basic,
    Bearer,
}

#[derive(Clone, Deserialize, PartialEq)]
struct AuthenticationIn {
    #[serde(rename = "type")]
    kind: AuthenticationType,
    basic: Option<BasicIn>,
    bearer: Option<BearerIn>,
}

#[derive(Clone, Deserialize, PartialEq)]
struct BasicIn {
    username: String,
    /// Left out, as it is where it is shown: the one that there is stays.
    password: Option<String>,
}

#[derive(Clone, Deserialize, PartialEq)]
struct BearerIn {
    token: String,
}

/// What holds unless told otherwise: no secret yet, so that nothing gets in. What contradicts an event is held back where
/// ids are known to tell events apart: Finix's own pages show one id on several.
pub(super) fn default(provider: Provider) -> Config {
    let on_conflict = match provider {
        Provider::Fintoc | Provider::Standard | Provider::Svix => OnConflict::Hold,
        Provider::Bridge | Provider::Finix | Provider::Generic => OnConflict::Deliver,
    };
    Config {
        terms: Terms {
            secrets: Vec::new(),
            tolerance_secs: Some(TOLERANCE_SECS),
            credentials: Credentials::None,
            requires_signature: true,
            form: Form::default(),
        },
        deliver_as: DeliverAs::Original,
        dedup_days: DEDUP_DAYS,
        on_conflict,
        allow_ips: Vec::new(),
    }
}

/// The same with the secrets and credentials of `config`, and with what it does with conflicts: what becomes of money
/// changes only when somebody says so.
pub(super) fn keeping_secrets(provider: Provider, config: &Config) -> Config {
    let mut fresh = Config { on_conflict: config.on_conflict, ..default(provider) };
    fresh.terms.secrets.clone_from(&config.terms.secrets);
    fresh.terms.credentials = config.terms.credentials.clone();
    fresh
}

fn wrong(field: &str, message: impl Into<String>) -> Error {
    Error::at(&["body", "config", field], message)
}

/// Reads a secret that is to open a door. Error: its form, or that anybody guesses it.
fn secret(provider: Provider, text: &str) -> Result<Secret> {
    let secret = providers::parse_secret(provider, text).map_err(|error| wrong("secrets", error.detail))?;
    if text.len() < PROOF_BYTES_MIN {
        return Err(wrong(
            "secrets",
            format!("must have at least {PROOF_BYTES_MIN} bytes; a shorter one is soon guessed"),
        ));
    }
    Ok(secret)
}

/// Error: what is wrong with a credential, in words that tell nothing of it.
fn check_credential(name: &str, text: &str, bytes_min: usize) -> Result<()> {
    check_text(text).map_err(|why| wrong("authentication", format!("the {name} {why}")))?;
    if (bytes_min..=CREDENTIAL_BYTES_MAX).contains(&text.len()) {
        return Ok(());
    }
    Err(wrong("authentication", format!("the {name} must have {bytes_min} to {CREDENTIAL_BYTES_MAX} bytes")))
}

impl ConfigIn {
    /// Sets what is given. Error: the key that breaks a rule, or is another provider's.
    pub(super) fn apply(&self, provider: Provider, config: &mut Config) -> Result<()> {
        self.check_keys(provider)?;
        if let Some(texts) = self.secrets.clone().or_else(|| self.secret.clone().map(|secret| vec![secret])) {
            config.terms.secrets = texts.iter().map(|text| secret(provider, text)).collect::<Result<_>>()?;
        }
        if let Some(secs) = self.tolerance_seconds {
            if !(0..=TOLERANCE_SECS_MAX).contains(&secs) {
                return Err(wrong("toleranceSeconds", format!("must be 0 to {TOLERANCE_SECS_MAX} (a day)")));
            }
            config.terms.tolerance_secs = Some(secs);
        }
        if let Some(deliver_as) = self.deliver_as {
            config.deliver_as = deliver_as;
        }
        if let Some(days) = self.dedup_days {
            config.dedup_days = days;
        }
        if let Some(on_conflict) = self.on_conflict {
            config.on_conflict = on_conflict;
        }
        if let Some(texts) = &self.allow_ips {
            let parse = |text: &String| Network::of_senders(text).map_err(|error| wrong("allowIps", error.to_string()));
            config.allow_ips = texts.iter().map(parse).collect::<Result<_>>()?;
        }
        if let Some(authentication) = &self.authentication {
            config.terms.credentials = authentication.read(&config.terms.credentials)?;
        }
        if let Some(required) = self.require_signature {
            config.terms.requires_signature = required;
        }
        self.apply_form(&mut config.terms.form)
    }

    fn check_keys(&self, provider: Provider) -> Result<()> {
        let of_finix =
            [("authentication", self.authentication.is_some()), ("requireSignature", self.require_signature.is_some())];
        let of_generic = [
            ("header", self.header.is_some()),
            ("algorithm", self.algorithm.is_some()),
            ("encoding", self.encoding.is_some()),
            ("prefix", self.prefix.is_some()),
            ("typePath", self.type_path.is_some()),
            ("idPath", self.id_path.is_some()),
            ("typeHeader", self.type_header.is_some()),
            ("idHeader", self.id_header.is_some()),
            ("keepHeaders", self.keep_headers.is_some()),
            ("dedup", self.dedup.is_some()),
        ];
        let owned = [(Provider::Finix, "finix", &of_finix[..]), (Provider::Generic, "generic-webhook", &of_generic)];
        for (owner, name, keys) in owned {
            if let Some((key, _)) = keys.iter().find(|(_, given)| *given && owner != provider) {
                return Err(wrong(key, format!("is for sources of type {name} only; leave it out")));
            }
        }
        if self.secret.is_some() && self.secrets.is_some() {
            return Err(wrong("secret", "is given beside `secrets`; give one of them"));
        }
        Ok(())
    }

    fn apply_form(&self, form: &mut Form) -> Result<()> {
        let short = |field: &str, text: &String| {
            if text.len() > FORM_BYTES_MAX || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                return Err(wrong(field, format!("must be at most {FORM_BYTES_MAX} printable ASCII characters")));
            }
            Ok(text.clone())
        };
        let pointer = |field: &str, text: &Option<String>| match text {
            Some(text) if !text.starts_with('/') => {
                Err(wrong(field, "must be a JSON pointer such as /data/id, or null"))
            }
            Some(text) => short(field, text).map(Some),
            None => Ok(None),
        };
        if let Some(header) = &self.header {
            let name = http::HeaderName::try_from(header.as_str());
            let name = name.map_err(|_| wrong("header", "must be the name of a header, such as X-Signature"))?;
            if is_taken_header(name.as_str()) || name == http::header::AUTHORIZATION {
                return Err(wrong("header", "is one that means something else; senders sign in a header of their own"));
            }
            form.header = short("header", &name.as_str().to_owned())?;
        }
        if let Some(algorithm) = self.algorithm {
            form.algorithm = algorithm;
        }
        if let Some(encoding) = self.encoding {
            form.encoding = encoding;
        }
        if let Some(prefix) = &self.prefix {
            form.prefix = short("prefix", prefix)?;
        }
        if let Some(path) = &self.type_path {
            form.type_path = pointer("typePath", path)?;
        }
        if let Some(path) = &self.id_path {
            form.id_path = pointer("idPath", path)?;
        }
        self.apply_headers(form)
    }

    fn apply_headers(&self, form: &mut Form) -> Result<()> {
        let named = |field: &str, name: &Option<String>| name.as_ref().map(|name| header_name(field, name)).transpose();
        if let Some(name) = &self.type_header {
            form.type_header = named("typeHeader", name)?;
        }
        if let Some(name) = &self.id_header {
            form.id_header = named("idHeader", name)?;
        }
        if let Some(names) = &self.keep_headers {
            if names.len() > KEPT_HEADERS_MAX {
                let message = format!("names {} headers; at most {KEPT_HEADERS_MAX} are handed on", names.len());
                return Err(wrong("keepHeaders", message));
            }
            let names = names.iter().map(|name| header_name("keepHeaders", name));
            form.keep_headers = names.collect::<Result<_>>()?;
            if let Some(name) = form.keep_headers.iter().find(|name| is_taken_header(name) || is_ours(name)) {
                return Err(wrong("keepHeaders", format!("`{name}` is ours to set, or opens doors; leave it out")));
            }
        }
        if let Some(dedup) = self.dedup {
            form.dedup = dedup;
        }
        Ok(())
    }
}

/// A header's name in lower case. Error: it is none, or too long.
fn header_name(field: &str, name: &str) -> Result<String> {
    let parsed = http::HeaderName::try_from(name).ok().filter(|_| name.len() <= FORM_BYTES_MAX);
    let parsed = parsed.ok_or_else(|| wrong(field, format!("`{name}` is no name of a header, such as X-Event-Id")))?;
    Ok(parsed.as_str().to_owned())
}

/// Headers by which our own deliveries are known, and what opens doors.
fn is_ours(name: &str) -> bool {
    let doors = [http::header::AUTHORIZATION, http::header::PROXY_AUTHORIZATION, http::header::COOKIE];
    doors.iter().any(|door| door == name)
        || ["webhook-", "svix-", "posthaste-"].iter().any(|prefix| name.starts_with(prefix))
}

impl AuthenticationIn {
    /// What is given; as it is shown, without a secret, it is what there is. Error: neither.
    fn read(&self, before: &Credentials) -> Result<Credentials> {
        match (self.kind, &self.basic, &self.bearer) {
            (AuthenticationType::None, None, None) => Ok(Credentials::None),
            (AuthenticationType::Bearer, None, None) if matches!(before, Credentials::Bearer { .. }) => {
                Ok(before.clone())
            }
            (AuthenticationType::Basic, Some(BasicIn { username, password: None }), None) if matches!(before, Credentials::Basic { username: known, .. } if known == username) => {
                Ok(before.clone())
            }
            (AuthenticationType::Basic, Some(BasicIn { username, password: Some(password) }), None)
                if !username.contains(':') =>
            {
                check_credential("username", username, 0)?;
                check_credential("password", password, PROOF_BYTES_MIN)?;
                Ok(Credentials::Basic { username: username.clone(), password: Secret::verbatim(password) })
            }
            (AuthenticationType::Bearer, None, Some(bearer)) => {
                check_credential("token", &bearer.token, PROOF_BYTES_MIN)?;
                Ok(Credentials::Bearer { token: Secret::verbatim(&bearer.token) })
            }
            _ => Err(wrong(
                "authentication",
                "must be {\"type\":\"NONE\"}, {\"type\":\"BASIC\",\"basic\":{\"username\",\"password\"}} (no colon in \
                 the username) or {\"type\":\"BEARER\",\"bearer\":{\"token\"}}",
            )),
        }
    }
}

/// Checks what only holds of all keys together: without a signature something else must tell friend from foe.
pub(super) fn check(provider: Provider, config: &Config) -> Result<()> {
    let Terms { credentials, requires_signature, form, .. } = &config.terms;
    if form.dedup != DedupBy::Id && (form.id_path.is_some() || form.id_header.is_some()) {
        return Err(wrong(
            "dedup",
            "must be `id` while `idPath` or `idHeader` says where ids stand; set those to null",
        ));
    }
    if provider == Provider::Finix && !requires_signature && *credentials == Credentials::None {
        return Err(wrong("requireSignature", "may be false only with an `authentication` of type BASIC or BEARER"));
    }
    Ok(())
}
