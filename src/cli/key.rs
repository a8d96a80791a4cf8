//! `posthaste key`: API keys on the database, beside a running server; it obeys within a second.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use rand::SeedableRng as _;

use super::serve::{DatabaseArgs, create_key, write};
use crate::clock::{Clock as _, SystemClock};
use crate::environment;
use crate::error::{Error, Kind};
use crate::id::{Id as _, IdText, KeyId};
use crate::key::{KeyText, Role};
use crate::store::{Change, Store};

#[derive(Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Makes a key and prints it, this once.
    Create {
        #[command(flatten)]
        database: DatabaseArgs,
        /// What it may do: admin all, publisher create and read events and read the rest, viewer read.
        #[arg(long, env = "POSTHASTE_ROLE", value_parser = Role::parse)]
        role: Role,
        /// Where it is at home: test or live.
        #[arg(long, env = "POSTHASTE_ENVIRONMENT", default_value = environment::NAMES[0], value_parser = environment::NAMES)]
        environment: String,
    },
    /// Lists all keys, never their text.
    List {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Ends a key, by its id from `key list`.
    Revoke {
        #[command(flatten)]
        database: DatabaseArgs,
        /// The key's id: key_…
        id: String,
    },
}

pub(super) fn run(args: KeyArgs) -> Result<ExitCode> {
    let now_ms = SystemClock::start().now().wall_ms;
    match args.command {
        KeyCommand::Create { database, role, environment } => {
            let store = database.open()?;
            let text = KeyText::generate(&environment, &mut rand::rngs::StdRng::from_os_rng());
            let key = create_key(&*store, &text, role, now_ms)?;
            eprintln!(
                "{} ({}, {environment}); the key is shown this once:",
                id_text(&*store, now_ms)?.of(key.id),
                role.name()
            );
            println!("{}", text.reveal());
        }
        KeyCommand::List { database } => {
            let store = database.open()?;
            let ids = id_text(&*store, now_ms)?;
            for key in store.keys()? {
                let name = environment::NAMES[usize::try_from(key.environment.value() - 1).unwrap_or_default()];
                let state = key.revoked_ms.map_or_else(
                    || "works".to_owned(),
                    |at| format!("revoked {}", jiff::Timestamp::from_millisecond(at).unwrap_or_default()),
                );
                println!("{}  {name}  {:<9}  {:<14} {state}", ids.of(key.id), key.role.name(), key.hint);
            }
        }
        KeyCommand::Revoke { database, id } => {
            let store = database.open()?;
            let wrong =
                || Error::new(Kind::Invalid, "key", format!("`{id}` is no key's id; `posthaste key list` shows them"));
            let key: KeyId = id_text(&*store, now_ms)?.parse(&id).ok_or_else(wrong)?;
            write(&*store, vec![Change::Revoke { key, at_ms: now_ms }], now_ms)?;
            eprintln!("{id} is revoked; running servers obey within a second");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn id_text(store: &dyn Store, now_ms: i64) -> Result<IdText> {
    Ok(IdText::new(store.opening(now_ms)?.id_key))
}
