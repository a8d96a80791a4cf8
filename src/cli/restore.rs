//! `posthaste restore`: a backup put where the database is to be.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;

use super::backup::{copy, mib};
use super::check::check;
use super::database::file_of;
use super::say::say;
use crate::error::{Error, Kind};
use crate::store::sqlite::{self, Waiting};

/// Puts a backup where the database is to be, after a check of it, and says what will be sent again.
///
/// A database that is there already is never overwritten: move it away first. The seal key is the one of the backup.
#[derive(Args)]
pub(super) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where it is put: sqlite:FILE.
    #[arg(long, env = "POSTHASTE_DATABASE", default_value = "sqlite:posthaste.db", value_name = "URL")]
    database: String,
}

pub(super) fn run(args: &RestoreArgs) -> Result<ExitCode> {
    let to = file_of(&args.database)?;
    sqlite::check_free(&to)?;
    let found = check(&args.file)?;
    if found.faults > 0 {
        let detail =
            format!("{} has {} faults and is not restored; use an older backup", args.file.display(), found.faults);
        return Err(Error::new(Kind::Internal, "backup", detail).into());
    }
    let waiting = sqlite::waiting(&args.file)?;
    sqlite::disown(&to)?;
    let bytes = copy(&args.file, &to)?;
    say!("{}: {}", to.display(), mib(bytes));
    match waiting {
        Some(waiting) => say!("{}", again(found.events, &waiting).trim_end()),
        None => {
            say!("It is of an older posthaste: the server brings it up to date when it starts, and sends what waits.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a server on it will send, and what of that was sent before.
fn again(events: u64, waiting: &Waiting) -> String {
    let since = waiting.oldest_ms.map_or_else(String::new, |ms| format!(", the oldest since {}", moment(ms)));
    format!(
        "{events} events, {} deliveries wait{since}: the server sends them when it starts.\n\
         What was delivered after {} is sent again, under the same webhook-id; what was accepted after it is not here.\n",
        waiting.deliveries,
        moment(waiting.last_ms)
    )
}

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms - ms.rem_euclid(1_000)).unwrap_or_default()
}
