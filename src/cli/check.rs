//! `posthaste check`: whether all in a database fits together, also beside the running server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;

use super::backup::style;
use super::database::file_of;
use super::say::{say, tell};
use crate::error;
use crate::store::sqlite::{self, Found, Said};

/// Checks a database, also beside a running server, and changes nothing: pages and indexes, references, payloads against
/// their SHA-256, counts against deliveries, the due index and whose turn it is.
///
/// Ends with 0 when all is well. Otherwise each fault is a line on stderr, with its place, and it ends with 1.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// A copy to be checked. Unless given: the database.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// What is checked: sqlite:FILE.
    #[arg(long, env = "POSTHASTE_DATABASE", default_value = "sqlite:posthaste.db", value_name = "URL")]
    database: String,
}

pub(super) fn run(args: &CheckArgs) -> Result<ExitCode> {
    let path = match &args.file {
        Some(file) => file.clone(),
        None => file_of(&args.database)?,
    };
    let found = check(&path)?;
    let Found { events, deliveries, faults, older } = found;
    if older {
        say!("{}: of an older posthaste, pages and references alone: {faults} faults", path.display());
    } else {
        say!("{}: {events} events, {deliveries} deliveries, {faults} faults", path.display());
    }
    if faults == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    tell!("error: restore a backup, or ask for help with this list; the server goes around what it cannot read");
    Ok(ExitCode::from(super::FAILURE))
}

/// Checks a database with a bar on the terminal; faults go to stderr, a line each.
pub(super) fn check(path: &Path) -> error::Result<Found> {
    let bar = ProgressBar::new(0).with_style(style("{bar:40} {msg} {human_pos}/{human_len}"));
    let found = sqlite::check(path, &mut |said| match said {
        Said::Begins(part) => {
            bar.set_position(0);
            bar.set_message(part.name());
        }
        Said::Events(seen, of) => {
            bar.set_length(of.max(seen));
            bar.set_position(seen);
        }
        Said::Fault(fault) => bar.suspend(|| tell!("fault: {fault}")),
    });
    bar.finish_and_clear();
    found
}
