//! SQLite's errors as ours: damage, a read that took too long, and whatever else it says.

use std::time::Duration;

use rusqlite::ErrorCode;

use crate::error::{Error, Kind};
use crate::store::damaged;

/// How long a read that somebody waits for may take: 30 s. While it goes on the log cannot begin anew, and grows.
pub(super) const READ_MAX: Duration = Duration::from_secs(30);

fn too_slow() -> Error {
    let detail = format!(
        "reading this took longer than {} s and was broken off; ask for less: a shorter time, one application, fewer at once",
        READ_MAX.as_secs()
    );
    Error::new(Kind::Overloaded, "read_too_long", detail)
}

/// Whether SQLite found a page that does not hold what it should.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            error if is_damage(&error) => damaged(&error.to_string()),
            error if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => too_slow(),
            // our own words about a value (a seal that does not open) say more than the column's number
            rusqlite::Error::FromSqlConversionFailure(column, kind, cause) => match cause.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(cause) => Self::internal(format!(
                    "sqlite: {}",
                    rusqlite::Error::FromSqlConversionFailure(column, kind, cause)
                )),
            },
            error => Self::internal(format!("sqlite: {error}")),
        }
    }
}
