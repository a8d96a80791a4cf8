//! The server under test: a child process of this same binary on a temporary database.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::BenchError;
use super::latency::now;
use super::proc::{Memory, cpu_of, memory_of};
use super::random;
use super::request::Target;
use super::target;

const READY_SECS_MAX: u64 = 10;
/// Attempts in flight may take their 15 s before the server ends.
const STOP_SECS_MAX: u64 = 30;
const STOP_POLL: Duration = Duration::from_millis(5);
const READY_LINE: &str = "listening on ";
const KEY_CHARS: usize = 40;
/// What an error shows of the server's log.
const LOG_EXCERPT_BYTES: usize = 2000;

/// A running server; dropping it kills it, and its database goes with it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    target: Target,
    directory: TempDir,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started, or does not say within 10 s that it listens.
    pub fn start() -> Result<Self, BenchError> {
        let failed = |error: io::Error| BenchError::new(format!("the server did not start: {error}"));
        let directory = tempfile::Builder::new().prefix("posthaste-bench-").tempdir().map_err(failed)?;
        let key = format!("sk_test_{}", Alphanumeric.sample_string(&mut random(), KEY_CHARS));
        let mut child = command(directory.path(), &key).and_then(|mut command| command.spawn()).map_err(failed)?;
        let stdout = child.stdout.take().expect("the server's output is a pipe");
        let Some(url) = ready(stdout) else {
            // It may have ended by itself, which is as good.
            let _ = child.kill();
            let _ = child.wait();
            let log = log_excerpt(directory.path());
            return Err(BenchError::new(format!("the server did not get ready: {log}")));
        };
        let target = target::resolve(&url, &key)?;
        Ok(Self { child, target, directory })
    }

    /// Where it listens, and its admin key.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where its database is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The CPU time it has used.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu(&self) -> Result<Duration, BenchError> {
        cpu_of(self.child.id()).map_err(|error| self.gone(&error))
    }

    /// The memory it has and had.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> Result<Memory, BenchError> {
        memory_of(self.child.id()).map_err(|error| self.gone(&error))
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not end within 30 s, or not well.
    pub fn stop(mut self) -> Result<(), BenchError> {
        let failed = |error: io::Error| BenchError::new(format!("the server did not stop: {error}"));
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM).map_err(|error| failed(error.into()))?;
        let asked = now();
        while asked.elapsed() < Duration::from_secs(STOP_SECS_MAX) {
            match self.child.try_wait().map_err(failed)? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let log = log_excerpt(self.directory());
                    return Err(BenchError::new(format!("the server ended with {status}: {log}")));
                }
                None => thread::sleep(STOP_POLL),
            }
        }
        Err(failed(io::ErrorKind::TimedOut.into()))
    }

    fn gone(&self, error: &io::Error) -> BenchError {
        let log = log_excerpt(self.directory());
        BenchError::new(format!("the server is gone ({error}): {log}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has been stopped and waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(directory: &Path, key: &str) -> io::Result<Command> {
    let mut database = std::ffi::OsString::from("sqlite:");
    database.push(directory.join("bench.db"));
    let mut command = Command::new(std::env::current_exe()?);
    // The benchmark's own flags may stand in the environment; the server must not trip over them.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POSTHASTE_") {
            command.env_remove(name);
        }
    }
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--allow-network", "127.0.0.0/8", "--database"])
        .arg(database)
        .env("POSTHASTE_BOOTSTRAP_KEY", key)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log(directory))?);
    Ok(command)
}

/// The URL that the server prints when it is ready; the rest of its output is read and dropped.
fn ready(stdout: ChildStdout) -> Option<String> {
    let (found, url) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stdout).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(url) = line.strip_prefix(READY_LINE) {
                // Nobody waits when this came too late.
                let _ = found.send(url.trim().to_owned());
            }
        }
    });
    url.recv_timeout(Duration::from_secs(READY_SECS_MAX)).ok()
}

fn log(directory: &Path) -> PathBuf {
    directory.join("server.log")
}

fn log_excerpt(directory: &Path) -> String {
    let log = fs::read(log(directory)).unwrap_or_default();
    let end = &log[log.len().saturating_sub(LOG_EXCERPT_BYTES)..];
    match end {
        [] => "it logged nothing".to_owned(),
        _ => format!("its log ends in\n{}", String::from_utf8_lossy(end).trim_end()),
    }
}
