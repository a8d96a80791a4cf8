//! What cannot be written, and is its own fault, is left out: the rest of its batch stands.

use rusqlite::ffi::{
    Error, ErrorCode, SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA, SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ,
};

use super::Writer;
use super::commit::{At, Failure, attempt};
use super::damage::{self, Damage};
use super::fault::is_damage;
use crate::id::Id as _;
use crate::secret::Sealer;
use crate::store::{Batch, CommitFailed, Op, Receipt};

/// Failures of the disk that are one page's.
const AT_ONE_PAGE: [i32; 4] = [SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_DATA, SQLITE_IOERR_CORRUPTFS];
/// How many operations of a batch may be left out, as many as have their places on one damaged page; where there are more,
/// the database is at fault and not they.
const LEFT_OUT_MAX: usize = 512;
/// How many of them may be found by halving, which takes a dozen trials each.
const HALVINGS_MAX: usize = 32;

/// Writes the batch but for what cannot be written; after `Ok` it has reached the disk.
pub(super) fn commit(
    writer: &mut Writer,
    (sealer, damage): (&Sealer, &Damage),
    batch: &Batch,
) -> Result<Receipt, CommitFailed> {
    let (mut left_out, mut halvings) = (Vec::new(), 0);
    loop {
        let count = batch.ops.len();
        let Failure { error, at } = match attempt(writer, sealer, batch, (count, &left_out, false)) {
            Ok(receipt) => return Ok(receipt),
            Err(failure) => failure,
        };
        let detail = format!("sqlite: {error}");
        let position = match at {
            At::Commit if leaves_nothing(&error) => return Err(CommitFailed::NotDone(detail)),
            At::Commit => return Err(CommitFailed::Unknown(detail)),
            At::Begin => None,
            _ if is_of_all(&error) || left_out.len() == LEFT_OUT_MAX => None,
            At::Op(position) => Some(position),
            At::Sums if halvings == HALVINGS_MAX => None,
            At::Sums => {
                halvings += 1;
                culprit(writer, sealer, batch, &left_out)
            }
        };
        match position {
            // one that is left out already cannot fail
            Some(position) if left_out.iter().all(|(out, _)| *out != position) => {
                if is_damage(&error) {
                    damage.note(place(&batch.ops[position]), &error);
                }
                left_out.push((position, detail));
            }
            _ => return Err(CommitFailed::NotDone(detail)),
        }
    }
}

/// Which operation makes the sums fail, found by halving: the last of the smallest beginning of the batch that fails.
/// `None` when they fail without any, or for another reason meanwhile.
fn culprit(writer: &mut Writer, sealer: &Sealer, batch: &Batch, left_out: &[(usize, String)]) -> Option<usize> {
    let mut fails = |count: usize| attempt(writer, sealer, batch, (count, left_out, true)).is_err();
    if fails(0) {
        return None;
    }
    let (mut well, mut ill) = (0, batch.ops.len());
    while ill - well > 1 {
        let middle = usize::midpoint(well, ill);
        if fails(middle) {
            ill = middle;
        } else {
            well = middle;
        }
    }
    Some(well)
}

/// What an operation is about.
fn place(op: &Op) -> String {
    match op {
        Op::Tried(tried) => damage::delivery(tried.event.value(), tried.endpoint),
        Op::Park(due) => damage::delivery(due.event.value(), due.endpoint),
        Op::Cancel { endpoint, .. } => format!("what waits for endpoint {}", endpoint.value()),
        op => op.name().to_owned(),
    }
}

/// Whether an error at the commit statement leaves nothing behind; after any other the batch may stand.
fn leaves_nothing(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether an error before the commit statement would meet any operation, so that leaving one out is of no use.
fn is_of_all(error: &rusqlite::Error) -> bool {
    let Some(&Error { code, extended_code }) = error.sqlite_error() else {
        return false;
    };
    match code {
        ErrorCode::SystemIoFailure => !AT_ONE_PAGE.contains(&extended_code),
        ErrorCode::OutOfMemory
        | ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::OperationInterrupted => true,
        _ => leaves_nothing(error),
    }
}
