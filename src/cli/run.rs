//! A server from its first line to its last: what it says at start, which signals it obeys, how long its end may take.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use super::process;
use super::say::{say, start_log};
use super::serve::{ServeArgs, Server};

/// How long reads that still run may keep a process from ending whose work is on disk.
const LAST_READS_MAX: Duration = Duration::from_secs(1);
/// What a shell adds to the number of the signal that ended a process.
const BY_SIGNAL: u8 = 128;

/// How a server came to its end.
enum End {
    /// All that was begun has ended, and is on disk.
    Whole,
    /// Something was cut off: what was in flight is sent again after the next start.
    Cut(ExitCode),
}

/// Runs until a signal.
pub(super) fn run(args: &ServeArgs) -> Result<ExitCode> {
    start_log(&args.log)?;
    process::take_descriptors();
    let runtime = super::runtime()?;
    match runtime.block_on(live(args))? {
        End::Whole => {
            runtime.shutdown_timeout(LAST_READS_MAX);
            Ok(ExitCode::SUCCESS)
        }
        End::Cut(code) => {
            runtime.shutdown_background();
            Ok(code)
        }
    }
}

async fn live(args: &ServeArgs) -> Result<End> {
    let mut signals = Signals::listen()?;
    let mut server = Server::start(args).await?;
    if let Some(key) = &server.admin_key {
        say!("admin key: {}", key.reveal());
    }
    if let Some(code) = server.setup_code.as_ref().filter(|_| args.sandbox.is_none()) {
        say!("setup code: {code}");
    }
    say!("listening on {}", server.url);
    process::shares().tell();
    tracing::info!(url = server.url, public_url = args.public_url.as_ref().map(url::Url::as_str), "ready");
    tokio::select! {
        _ = signals.next() => {}
        error = server.failed() => return Err(error.into()),
    }
    let drain_seconds = args.drain_seconds;
    tracing::info!(drain_seconds, "stopping: attempts in flight may end; a second signal ends it at once");
    tokio::select! {
        stopped = timeout(Duration::from_secs(drain_seconds.into()), server.stop()) => {
            if let Ok(stopped) = stopped {
                return stopped.map(|()| End::Whole).map_err(Into::into);
            }
            tracing::warn!(drain_seconds, "not all that was in flight has ended: it is sent again after the next start");
            Ok(End::Cut(ExitCode::SUCCESS))
        }
        number = signals.next() => {
            tracing::warn!("a second signal: what is in flight is cut off, and sent again after the next start");
            Ok(End::Cut(ExitCode::from(BY_SIGNAL + number)))
        }
    }
}

/// The signals that a server takes.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Taken so that it does nothing: there is no terminal to lose, and no file to read anew.
    _hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one that asks for the end; gives its number.
    async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }
}
