//! Which database: opened beside a server, or owned by one and watched while it runs.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use clap::Args;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::secret::Sealer;
use crate::store::Store;
use crate::store::sqlite::{Claim, Sqlite};

/// How often an owned database is looked at: what takes it away is noticed within a second, four times over.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Which database, and how its secrets are sealed.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// Where everything is kept: sqlite:FILE.
    #[arg(long, env = "POSTHASTE_DATABASE", default_value = "sqlite:posthaste.db", value_name = "URL")]
    pub database: String,
    /// The base64 of 32 random bytes that seal secrets and headers in the database; without it they stand there plainly.
    #[arg(long, env = "POSTHASTE_SEAL_KEY", hide_env_values = true, value_name = "BASE64")]
    pub seal_key: Option<String>,
}

impl DatabaseArgs {
    /// Opens the database that a server has made, beside whoever serves it. Error: there is none, another scheme, another
    /// key, or why the file cannot be used.
    pub(super) fn open_existing(&self) -> Result<Arc<dyn Store>> {
        let (path, sealer) = (self.existing()?, self.sealer()?);
        Ok(Arc::new(Sqlite::open(&path, sealer).map_err(named)?))
    }

    /// Opens the database as the one process that serves it, makes it where there is none, seals what stands there plainly
    /// when there is a key now, and looks after it from then on. Error: as above, or who serves it already.
    pub(super) fn own(&self, claim: &Claim, clock: Arc<dyn Clock>) -> Result<Owned> {
        let (path, sealer) = (file_of(&self.database)?, self.sealer()?);
        let store = Sqlite::own(&path, sealer, claim).map_err(named)?;
        let sealed = store.seal(&mut |done, total| tracing::info!(done, total, "sealing what stood there plainly"))?;
        if sealed > 0 {
            tracing::warn!(sealed, "secrets are sealed now: from here on nothing starts without this key");
        }
        let store = Arc::new(store);
        let gone = watch(&store, clock)?;
        Ok(Owned { store, gone })
    }

    /// The database file. Error: there is none.
    pub(super) fn existing(&self) -> Result<PathBuf> {
        let path = file_of(&self.database)?;
        if path.exists() {
            return Ok(path);
        }
        let whole = std::path::absolute(&path).unwrap_or(path);
        let detail = format!(
            "there is no database at {}; `posthaste serve` makes it, or name another by --database sqlite:FILE or POSTHASTE_DATABASE",
            whole.display()
        );
        Err(Error::new(Kind::Invalid, "database", detail))
    }

    /// What opens and seals secrets. Error: no key.
    pub(super) fn sealer(&self) -> Result<Sealer> {
        let key = self.seal_key.as_deref();
        key.map_or_else(|| Ok(Sealer::plain()), |key| sealer(key, "--seal-key (POSTHASTE_SEAL_KEY)"))
    }
}

/// The sealer of a key that was given under this name. Error: says how to make one.
pub(super) fn sealer(key: &str, given: &str) -> Result<Sealer> {
    Sealer::with_key(key).map_err(|error| Error { detail: format!("{given} {}", error.detail), ..error })
}

/// An error about the file names what named it.
fn named(error: Error) -> Error {
    match error.code {
        "database" if !error.detail.contains("POSTHASTE_DATABASE") => {
            Error { detail: format!("{} (--database, POSTHASTE_DATABASE)", error.detail), ..error }
        }
        _ => error,
    }
}

/// The file that `--database` names. Error: another scheme, or no file.
pub(super) fn file_of(database: &str) -> Result<PathBuf> {
    let path = database
        .strip_prefix("sqlite:")
        .map(|path| path.strip_prefix("//").unwrap_or(path))
        .filter(|path| !path.is_empty());
    let wrong = || {
        let detail = format!(
            "--database {database} (POSTHASTE_DATABASE) is not served; use sqlite:FILE, such as sqlite:posthaste.db"
        );
        Error::new(Kind::Invalid, "database", detail)
    };
    path.map(PathBuf::from).ok_or_else(wrong)
}

/// A database for the life of a server.
pub(super) struct Owned {
    store: Arc<Sqlite>,
    gone: oneshot::Receiver<String>,
}

impl Owned {
    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// Says where it is served, for whoever is refused.
    pub(super) fn listens(&self, url: &str) -> Result<()> {
        self.store.listens(url)
    }

    /// Resolves when it is gone, and the process must end.
    pub(super) async fn gone(&mut self) -> Error {
        match (&mut self.gone).await {
            Ok(reason) => Error::internal(reason),
            Err(_) => std::future::pending().await, // the store was closed
        }
    }

    /// Closes it, as whole as it can be.
    pub(super) async fn end(self) -> Result<()> {
        tokio::task::spawn_blocking(move || self.store.end()).await.map_err(Error::internal)
    }
}

/// Looks after an owned database while it is open, on a thread that no slow read holds up; tells why the process must
/// end, when it must.
fn watch(store: &Arc<Sqlite>, clock: Arc<dyn Clock>) -> Result<oneshot::Receiver<String>> {
    let (say, hear) = oneshot::channel();
    let store: Weak<Sqlite> = Arc::downgrade(store);
    let look = move || {
        while let Some(store) = store.upgrade() {
            if let Some(reason) = store.watch(clock.now().steady_ms) {
                let _ = say.send(reason); // the process may be ending for another reason
                return;
            }
            drop(store);
            std::thread::sleep(WATCH_EVERY);
        }
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(look).map_err(Error::internal)?;
    Ok(hear)
}
