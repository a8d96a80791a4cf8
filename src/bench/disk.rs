//! What the disk under the database does without a database: a bare write and sync, again and again.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::latency::{Histogram, now};

/// Bytes written before each sync.
const WRITE_BYTES: usize = 1024;
/// The file system type of a disk that is memory, where a sync costs nothing.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// Appends 1 KiB to a new file and syncs it, `times` times, and records how long each took.
///
/// # Errors
/// When the file cannot be made, written or synced.
pub fn probe(directory: &Path, times: usize, syncs: &mut Histogram) -> io::Result<()> {
    let path = directory.join("probe");
    let mut file = File::create(&path)?;
    for _ in 0..times {
        let start = now();
        file.write_all(&[b'p'; WRITE_BYTES])?;
        file.sync_data()?;
        syncs.record(start.elapsed());
    }
    std::fs::remove_file(path)
}

/// Whether files there live in memory, so that nothing measured says anything of durability.
///
/// # Errors
/// When the directory cannot be asked.
pub fn is_memory(directory: &Path) -> io::Result<bool> {
    let file_system = rustix::fs::statfs(directory)?;
    Ok(file_system.f_type == TMPFS_MAGIC)
}
