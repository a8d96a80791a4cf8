//! `posthaste vacuum`: gives the space that nobody uses back to the disk, while no server runs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::backup::mib;
use super::database::file_of;
use super::say::say;
use crate::store::sqlite;

/// Gives space that the database no longer uses back to the disk, while no server runs.
///
/// It is rarely needed: what is erased is used again by what comes next. The file is written anew as one change, which
/// takes as long as copying it; a server beside it could accept nothing meanwhile, so this refuses to begin.
#[derive(Args)]
pub(super) struct VacuumArgs {
    /// The database: sqlite:FILE.
    #[arg(long, env = "POSTHASTE_DATABASE", default_value = "sqlite:posthaste.db", value_name = "URL")]
    database: String,
}

pub(super) fn run(args: &VacuumArgs) -> Result<ExitCode> {
    let path = file_of(&args.database)?;
    let (before, after) = sqlite::vacuum(&path)?;
    say!("{}: {} before, {} now", path.display(), mib(before), mib(after));
    Ok(ExitCode::SUCCESS)
}
