//! `posthaste reseal`: another key for what is sealed in the database.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::database::{DatabaseArgs, sealer};
use super::say::say;
use crate::store::sqlite::Sqlite;

/// Seals the secrets in the database under another key; the server must be stopped.
///
/// --seal-key is the key until now (none where they stand plainly), --new-key the one from now on. It happens in one
/// step: cut off at any moment it leaves everything under the key before, and can be run again.
#[derive(Args)]
pub(super) struct ResealArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The key from now on: the base64 of 32 random bytes; `openssl rand -base64 32` makes one.
    #[arg(long, env = "POSTHASTE_NEW_KEY", hide_env_values = true, value_name = "BASE64")]
    new_key: String,
}

pub(super) fn run(args: &ResealArgs) -> Result<ExitCode> {
    let before = args.database.sealer()?;
    let after = sealer(&args.new_key, "--new-key (POSTHASTE_NEW_KEY)")?;
    let path = args.database.existing()?;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("sealing {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    let sealed = Sqlite::reseal(&path, &before, &after, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    say!(
        "{sealed} values are sealed under the new key: give it as --seal-key from now on, the one before opens nothing"
    );
    Ok(ExitCode::SUCCESS)
}
