//! `posthaste backup`: a whole copy of the database, beside the running server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::database::file_of;
use super::say::say;
use crate::error;
use crate::store::sqlite::{self, Step};

/// Copies the database to a new file, also beside a running server: whole, or not there.
///
/// The copy is of the moment at which this begins, and is read through before it gets its name. What is sealed stays
/// sealed: keep the seal key elsewhere. Nothing that exists is overwritten.
#[derive(Args)]
pub(super) struct BackupArgs {
    /// The file to be made.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is copied: sqlite:FILE.
    #[arg(long, env = "POSTHASTE_DATABASE", default_value = "sqlite:posthaste.db", value_name = "URL")]
    database: String,
}

pub(super) fn run(args: &BackupArgs) -> Result<ExitCode> {
    let bytes = copy(&file_of(&args.database)?, &args.file)?;
    say!("{}: {}, read through; `posthaste check {0}` looks closer", args.file.display(), mib(bytes));
    Ok(ExitCode::SUCCESS)
}

/// Copies a database with a bar on the terminal; gives how many bytes.
pub(super) fn copy(from: &Path, to: &Path) -> error::Result<u64> {
    let bar = ProgressBar::new(0).with_style(style("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg}"));
    let copied = sqlite::copy(from, to, &mut |step| match step {
        Step::Copying(done, of) => {
            bar.set_length(of);
            bar.set_position(done);
        }
        Step::Verifying => bar.set_message("reading it through"),
    });
    bar.finish_and_clear();
    copied
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of ours")
}

pub(super) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1_024.0)
}
