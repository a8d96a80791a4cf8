//! `posthaste key`: API keys on the database, beside a running server; it obeys within a second.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use rand::SeedableRng as _;

use super::database::DatabaseArgs;
use super::first_start::{create_key, write};
use super::say::{say, tell};
use crate::application::Application;
use crate::audit::By;
use crate::clock::{Clock as _, SystemClock};
use crate::environment;
use crate::error::{Error, Kind};
use crate::id::{ApplicationId, IdText, KeyId};
use crate::key::{Grant, KEY_DAYS_MAX, Key, KeyText, Role, check_key_name, ends_after};
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
        /// The one application that it is for, by id or uid: it may do there what its role may, and nothing elsewhere.
        #[arg(long, env = "POSTHASTE_APP", value_name = "ID")]
        app: Option<String>,
        /// How many requests a second it may make; more are answered 429. Unless given: as many as the server says.
        #[arg(long, env = "POSTHASTE_PER_SECOND", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        per_second: Option<u32>,
        /// What people call it.
        #[arg(long, env = "POSTHASTE_NAME", default_value = "", hide_default_value = true)]
        name: String,
        /// After how many days it ends by itself. Unless given: when it is revoked.
        #[arg(long, env = "POSTHASTE_DAYS", value_name = "COUNT", value_parser = clap::value_parser!(i64).range(1..=KEY_DAYS_MAX))]
        days: Option<i64>,
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
        KeyCommand::Create { database, role, environment, app, per_second, name, days } => {
            check_key_name(&name)?;
            let store = database.open_existing()?;
            let application = app.map(|app| find(&*store, &environment, &app, now_ms)).transpose()?;
            let expires_ms = days.map(|days| ends_after(days, now_ms)).transpose()?;
            let grant = Grant { name, role, application, rate: per_second, expires_ms };
            let text = KeyText::generate(&environment, &mut rand::rngs::StdRng::from_os_rng());
            let key = create_key(&*store, By::command(), &text, grant, now_ms)?;
            tell!(
                "{} ({}, {environment}); the key is shown this once:",
                id_text(&*store, now_ms)?.of(key.id),
                role.name()
            );
            say!("{}", text.reveal());
        }
        KeyCommand::List { database } => {
            let store = database.open_existing()?;
            let ids = id_text(&*store, now_ms)?;
            for key in store.keys()? {
                say!("{}", line(&key, &ids, now_ms));
            }
        }
        KeyCommand::Revoke { database, id } => {
            let store = database.open_existing()?;
            let wrong =
                || Error::new(Kind::Invalid, "key", format!("`{id}` is no key's id; `posthaste key list` shows them"));
            let key: KeyId = id_text(&*store, now_ms)?.parse(&id).ok_or_else(wrong)?;
            write(&*store, By::command(), vec![Change::Revoke { key, at_ms: now_ms }], now_ms)?;
            tell!("{id} is revoked; running servers obey within a second");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A key in one line.
fn line(key: &Key, ids: &IdText, now_ms: i64) -> String {
    let moment = |at_ms| jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    let used = key.used_ms.map_or_else(|| "never used".to_owned(), |at| format!("used {}", moment(at)));
    let app = key.grant.application.map_or_else(|| "all".to_owned(), |id| ids.of(id));
    let state = match (key.revoked_ms, key.grant.expires_ms) {
        (Some(at_ms), _) => format!("revoked {}", moment(at_ms)),
        (None, Some(at_ms)) if key.works(now_ms) => format!("ends {}", moment(at_ms)),
        (None, Some(at_ms)) => format!("ended {}", moment(at_ms)),
        (None, None) => "works".to_owned(),
    };
    let (id, environment, role) = (ids.of(key.id), environment::name_of(key.environment), key.grant.role.name());
    let line = format!("{id}  {environment}  {role:<9}  {:<14} {state}  {app}  {used}  {}", key.hint, key.grant.name);
    line.trim_end().to_owned()
}

/// The application that a key is to be for. Error: there is none.
fn find(store: &dyn Store, environment: &str, app: &str, now_ms: i64) -> Result<ApplicationId> {
    let opening = store.opening(now_ms)?;
    let ids = IdText::new(opening.id_key);
    let named = opening.environments.iter().find(|known| known.name == environment).map(|known| known.id);
    let is_it = |known: &&Application| {
        Some(known.environment) == named && (ids.of(known.id) == app || known.uid.as_deref() == Some(app))
    };
    let wrong = || Error::new(Kind::Invalid, "app", format!("there is no application `{app}` in {environment}"));
    Ok(opening.applications.iter().find(is_it).ok_or_else(wrong)?.id)
}

fn id_text(store: &dyn Store, now_ms: i64) -> Result<IdText> {
    Ok(IdText::new(store.opening(now_ms)?.id_key))
}
