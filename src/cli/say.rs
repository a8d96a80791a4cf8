//! What the program says: lines on stdout and stderr, and the log. A line that cannot be written ends nothing.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Kind};

/// How many lines found no room: a full disk, a pipe that nobody reads any more.
static DROPPED: Dropped = Dropped { stdout: AtomicU64::new(0), stderr: AtomicU64::new(0) };

struct Dropped {
    stdout: AtomicU64,
    stderr: AtomicU64,
}

/// Says a line on stdout.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::say::on_stdout(format_args!($($words)*)) };
}

/// Tells a line on stderr.
macro_rules! tell {
    ($($words:tt)*) => { $crate::cli::say::on_stderr(format_args!($($words)*)) };
}

pub(super) use {say, tell};

/// Writes a line to stdout, or counts it.
pub(super) fn on_stdout(line: Arguments<'_>) {
    count(&DROPPED.stdout, writeln!(io::stdout().lock(), "{line}").is_ok());
}

/// Writes a line to stderr, or counts it.
pub(super) fn on_stderr(line: Arguments<'_>) {
    count(&DROPPED.stderr, writeln!(io::stderr().lock(), "{line}").is_ok());
}

fn count(dropped: &AtomicU64, written: bool) {
    if !written {
        dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many lines could not be written to stdout so far.
pub(super) fn unsaid() -> u64 {
    DROPPED.stdout.load(Ordering::Relaxed)
}

/// How many lines could not be written so far, to stdout and to the log together.
pub(super) fn dropped() -> u64 {
    unsaid() + DROPPED.stderr.load(Ordering::Relaxed)
}

/// The log's way to stderr; it takes every line.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        count(&DROPPED.stderr, io::stderr().lock().write_all(line).is_ok());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins the log on stderr. Error: a filter that says nothing.
pub(super) fn start_log(filter: &str) -> Result<(), Error> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::new(
            Kind::Invalid,
            "log",
            format!("--log {filter}: {error}; use error, warn, info, debug, or a filter such as posthaste=debug"),
        )
    };
    // a filter of one word may name a module, so that a misspelt level would silence all others
    if !filter.contains('=') && filter.parse::<tracing_subscriber::filter::LevelFilter>().is_err() {
        return Err(wrong(&"this is no level"));
    }
    let filter = tracing_subscriber::EnvFilter::builder().parse(filter).map_err(|error| wrong(&error))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    log.with_writer(|| LogWriter).init();
    Ok(())
}
