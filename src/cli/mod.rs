//! The commands: one per file; `serve` joins the parts of the server, the others use it or stand beside it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::say::tell;
use crate::error::{Error, Kind};

mod backup;
mod bench;
mod check;
mod config;
pub mod database;
mod demo;
mod endpoints;
mod first_start;
mod key;
mod oidc;
mod process;
mod proof;
mod rehearse;
mod reseal;
mod restore;
mod run;
mod sandbox;
mod say;
pub mod serve;
mod sign;
#[cfg(feature = "sim")]
mod sim;
mod trigger;
mod vacuum;
mod verify;

/// The exit code of a failure, and of a wrong command line or configuration.
const FAILURE: u8 = 1;
const USAGE: u8 = 2;
/// How many reads of the store run at one time; each has a connection of its own.
const READERS_MAX: usize = 8;

/// Webhooks for money: one binary that sends them, receives them, and rehearses the providers that send them.
///
/// Every flag is also an environment variable (POSTHASTE_…, shown with the flag) and a key in the TOML file that
/// --config names (`listen = "0.0.0.0:8071"`). A flag wins over a variable, a variable over the file.
#[derive(Parser)]
#[command(name = "posthaste", version, max_term_width = 100)]
struct Cli {
    /// A TOML file with flags as keys.
    #[arg(long, global = true, env = "POSTHASTE_CONFIG", value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server: the API, the engine, the deliveries.
    Serve(Box<serve::ServeArgs>),
    Sandbox(sandbox::SandboxArgs),
    /// Makes, lists and revokes API keys, also beside a running server.
    Key(key::KeyArgs),
    Backup(backup::BackupArgs),
    Check(check::CheckArgs),
    Restore(restore::RestoreArgs),
    Vacuum(vacuum::VacuumArgs),
    Reseal(reseal::ResealArgs),
    Verify(Box<verify::VerifyArgs>),
    Sign(sign::SignArgs),
    Trigger(Box<trigger::TriggerArgs>),
    Rehearse(Box<rehearse::RehearseArgs>),
    /// Shows it all in seconds: a server, a receiver that misbehaves now and then, events, a live table.
    Demo(demo::DemoArgs),
    Bench(bench::BenchArgs),
    #[cfg(feature = "sim")]
    Sim(sim::SimArgs),
}

/// Runs one command line; errors go to stderr in words.
pub fn run(
    arguments: impl Iterator<Item = OsString>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> ExitCode {
    process::keep_files_private();
    process::forbid_dumps();
    let (tool, arguments) = match config::complete(Cli::command(), arguments.collect(), variables) {
        Ok(complete) => complete,
        Err(error) => return fail(&anyhow::Error::new(error)),
    };
    let cli = tool.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => error.exit(), // help and version too: clap knows where each goes
    };
    let done = match cli.command {
        // what they cannot say ends nothing; a command of one answer has failed without it
        Command::Serve(args) => return run::run(&args).unwrap_or_else(|error| fail(&error)),
        Command::Sandbox(args) => return sandbox::run(args).unwrap_or_else(|error| fail(&error)),
        Command::Key(args) => key::run(args),
        Command::Backup(args) => backup::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Vacuum(args) => vacuum::run(&args),
        Command::Reseal(args) => reseal::run(&args),
        Command::Verify(args) => verify::run(*args),
        Command::Sign(args) => sign::run(args),
        Command::Trigger(args) => trigger::run(&args),
        Command::Rehearse(args) => rehearse::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(args),
        #[cfg(feature = "sim")]
        Command::Sim(args) => sim::run(&args),
    };
    match done {
        Ok(_) if say::unsaid() > 0 => {
            tell!(
                "error: {} lines could not be written to stdout; give it a file or a pipe that takes them",
                say::unsaid()
            );
            ExitCode::from(FAILURE)
        }
        done => done.unwrap_or_else(|error| fail(&error)),
    }
}

/// One thread for everything but the writer and the reads: no hand-over between threads on the hot path.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(READERS_MAX).build()?)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    tell!("error: {error:#}");
    let usage = error.downcast_ref::<Error>().is_some_and(|error| error.kind == Kind::Invalid);
    ExitCode::from(if usage { USAGE } else { FAILURE })
}
