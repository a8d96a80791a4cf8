//! `posthaste verify`: whether a request that somebody kept is genuine, and if not, why.

use std::process::ExitCode;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use clap::builder::BoolishValueParser;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::FAILURE;
use super::proof::ProofArgs;
use super::say::{say, tell};
use crate::inbound::{Credentials, Inbound, Received, Refusal, Terms};
use crate::provider::Provider;
use crate::providers;
use crate::secret::{Secret, check_text};

/// Tells whether a request is genuine: exit code 0 when it is, 1 when not, 2 for a wrong command line.
///
/// It needs the body's very bytes and the headers that came with it. Without --at, the signed time is held against
/// the clock; give the moment at which it came in, or `--tolerance none`.
#[derive(Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    proof: ProofArgs,
    /// A header as it came, `Name: value`; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", env = "POSTHASTE_HEADER", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How many seconds the signed time may be away from now, both ways; `none` for any number.
    #[arg(long, value_name = "SECONDS|none", env = "POSTHASTE_TOLERANCE", default_value = "300", value_parser = tolerance)]
    tolerance: Tolerance,
    /// What `Authorization: Basic` must say.
    #[arg(long, value_name = "NAME:PASSWORD", env = "POSTHASTE_BASIC", hide_env_values = true, conflicts_with = "bearer", value_parser = basic)]
    basic: Option<Credentials>,
    /// What `Authorization: Bearer` must say.
    #[arg(long, value_name = "TOKEN", env = "POSTHASTE_BEARER", hide_env_values = true, value_parser = bearer)]
    bearer: Option<Credentials>,
    /// Prints {valid, reason, type, id, dedupKey}.
    #[arg(long, env = "POSTHASTE_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// In seconds; `None` for any distance.
#[derive(Clone, Copy)]
struct Tolerance(Option<i64>);

/// What a request came to: understood, genuine but without an event, or refused with a reason in words.
enum Verdict {
    Event(Box<Received>),
    Ping,
    Refused(Refusal, String),
}

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    valid: bool,
    reason: Option<&'static str>,
    #[serde(rename = "type")]
    event_type: Option<&'a String>,
    id: Option<&'a String>,
    dedup_key: Option<&'a String>,
}

pub(super) fn run(args: VerifyArgs) -> Result<ExitCode> {
    let (as_json, body) = (args.json, args.proof.body()?);
    let verdict = judge(args, &body.into());
    if as_json {
        say!("{}", in_json(&verdict));
    } else {
        in_words(&verdict);
    }
    Ok(if matches!(verdict, Verdict::Refused(..)) { FAILURE.into() } else { ExitCode::SUCCESS })
}

fn judge(args: VerifyArgs, body: &Bytes) -> Verdict {
    let provider = args.proof.provider;
    let secrets = args.proof.secrets.iter().map(|text| providers::parse_secret(provider, text));
    let secrets = match secrets.collect() {
        Ok(secrets) => secrets,
        Err(error) => return Verdict::Refused(Refusal::BadSecret, format!("a secret {error}")),
    };
    let terms = Terms {
        secrets,
        tolerance_secs: args.tolerance.0,
        credentials: args.basic.or(args.bearer).unwrap_or_default(),
        requires_signature: true,
        form: args.proof.form(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in args.headers {
        headers.append(name, value);
    }
    let inbound = Inbound { headers: &headers, body };
    let verified = match providers::verify(provider, &terms, inbound, args.proof.at_secs()) {
        Ok(verified) => verified,
        Err(refusal) => return Verdict::Refused(refusal, why(refusal, provider)),
    };
    if providers::is_ping(provider, body) {
        return Verdict::Ping;
    }
    match providers::read(&terms, verified) {
        Ok(received) => Verdict::Event(Box::new(received)),
        Err(wrong) => Verdict::Refused(Refusal::MalformedBody, format!("it is genuine, but {}", wrong.detail)),
    }
}

fn in_json(verdict: &Verdict) -> String {
    let (event, reason) = match verdict {
        Verdict::Event(event) => (Some(event), None),
        Verdict::Ping => (None, None),
        Verdict::Refused(refusal, _) => (None, Some(refusal.code())),
    };
    let told = Told {
        valid: reason.is_none(),
        reason,
        event_type: event.map(|event| &event.event_type),
        id: event.and_then(|event| event.id.as_ref()),
        dedup_key: event.and_then(|event| event.dedup_key.as_ref()),
    };
    serde_json::to_string(&told).expect("texts and a flag are JSON")
}

/// What a sender chose is shown escaped: a terminal obeys some characters.
fn in_words(verdict: &Verdict) {
    match verdict {
        Verdict::Event(event) => {
            let escaped =
                |text: &Option<String>| text.as_ref().map_or("none".to_owned(), |id| id.escape_debug().to_string());
            say!("valid\ntype       {}", event.event_type);
            say!("id         {}\ndedup key  {}", escaped(&event.id), escaped(&event.dedup_key));
        }
        Verdict::Ping => say!("valid\nan empty request, by which Finix asks whether anybody is there"),
        Verdict::Refused(refusal, why) => tell!("not valid: {}: {why}", refusal.code()),
    }
}

fn why(refusal: Refusal, provider: Provider) -> String {
    let said = match refusal {
        Refusal::MissingHeader => "a header that proves it is not there; give all with --header",
        Refusal::MalformedHeader => "the header that proves it cannot be read, or is there twice",
        Refusal::UnknownScheme => "the header holds no signature of a scheme that counts",
        Refusal::BadSignature => "no secret made that signature of these bytes; compare the body byte for byte",
        Refusal::Stale => "it is genuine, but was signed too long ago; see --at and --tolerance",
        Refusal::Future => "it is genuine, but was signed too far in the future; see --at and --tolerance",
        Refusal::BadCredentials => "its Authorization header is not what was agreed",
        Refusal::BadSecret => "there is no secret to verify with",
        Refusal::BadAddress => "it came from a strange address",
        Refusal::MalformedBody => "it is genuine, but its body cannot be understood",
    };
    format!("{said} ({})", provider.name())
}

/// A header as it stands in a request.
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let read = || {
        let (name, value) = text.split_once(':')?;
        Some((name.parse().ok()?, value.trim_matches([' ', '\t']).parse().ok()?))
    };
    read().ok_or_else(|| "use `Name: value`, as the request had it".to_owned())
}

fn tolerance(text: &str) -> Result<Tolerance, String> {
    if text == "none" {
        return Ok(Tolerance(None));
    }
    let secs = text.parse().ok().filter(|secs: &i64| *secs >= 0);
    secs.map(|secs| Tolerance(Some(secs))).ok_or_else(|| "use a number of seconds, or none".to_owned())
}

fn basic(text: &str) -> Result<Credentials, String> {
    let (username, password) = text.split_once(':').ok_or("use NAME:PASSWORD")?;
    check_text(password).map_err(|why| format!("the password {why}"))?;
    Ok(Credentials::Basic { username: username.to_owned(), password: Secret::verbatim(password) })
}

fn bearer(text: &str) -> Result<Credentials, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    check_text(text).map_err(|why| format!("the token {why}"))?;
    Ok(Credentials::Bearer { token: Secret::verbatim(text) })
}
