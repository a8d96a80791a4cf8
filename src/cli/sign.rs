//! `posthaste sign`: the headers with which a provider would have sent a body.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rand::distr::Alphanumeric;
use rand::{Rng as _, SeedableRng as _};

use super::proof::ProofArgs;
use super::say::say;
use crate::error::Error;
use crate::provider::Provider;
use crate::providers::{self, Signing};
use crate::secret::SecretSlot;

/// How long the random part of an id is that nobody gave.
const ID_CHARS: usize = 27;

/// Prints the headers with which a provider would have sent a body, a line each, as `verify --header` takes them.
#[derive(Args)]
pub(super) struct SignArgs {
    #[command(flatten)]
    proof: ProofArgs,
    /// The id that standard and svix sign; a random one unless given. The others sign none.
    #[arg(long, env = "POSTHASTE_ID", value_parser = id)]
    id: Option<String>,
}

pub(super) fn run(args: SignArgs) -> Result<ExitCode> {
    let provider = args.proof.provider;
    let wrong = |error: Error| Error { detail: format!("--secret {}", error.detail), ..error };
    let slot = SecretSlot::new;
    let read = |text: &String| providers::parse_secret(provider, text).map(slot).map_err(wrong);
    let slots: Vec<SecretSlot> = args.proof.secrets.iter().map(read).collect::<Result<_, Error>>()?;
    let body = args.proof.body()?;
    if provider == Provider::Generic {
        let value = providers::sign_generic(&args.proof.form(), &slots[0].secret, &body);
        say!("{}: {value}", args.proof.signature_header());
        return Ok(ExitCode::SUCCESS);
    }
    let id = args.id.unwrap_or_else(fresh_id);
    if let Some(name) = providers::id_header(provider) {
        say!("{name}: {id}");
    }
    let signing = Signing { id: &id, at_secs: args.proof.at_secs(), body: &body };
    for (name, value) in providers::sign(provider, &slots, signing) {
        say!("{}: {value}", providers::as_written(name));
    }
    Ok(ExitCode::SUCCESS)
}

fn fresh_id() -> String {
    let rng = rand::rngs::StdRng::from_os_rng();
    let random: String = rng.sample_iter(Alphanumeric).take(ID_CHARS).map(char::from).collect();
    format!("msg_{random}")
}

/// An id with a dot could be read as two, and no receiver takes one.
fn id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('.') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("use printable characters without a dot".to_owned());
    }
    Ok(text.to_owned())
}
