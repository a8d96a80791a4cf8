//! What Linux says in `/proc` of the CPU time and memory of threads and processes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// `/proc/PID/stat` counts in units of 1/100 s on every Linux, whatever the kernel's own tick.
const STAT_TICK: Duration = Duration::from_millis(10);
/// Where user and system time stand after the command's closing parenthesis.
const STAT_USER_TICKS: usize = 11;
const STAT_SYSTEM_TICKS: usize = 12;

/// The CPU clock of one thread of this process.
#[derive(Debug)]
pub struct ThreadCpu {
    schedstat: PathBuf,
}

/// The resident memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Memory {
    /// The most it ever had (`VmHWM`).
    pub peak_mb: f64,
    /// What it has now (`VmRSS`).
    pub end_mb: f64,
}

impl ThreadCpu {
    /// The clock of the calling thread.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn of_this_thread() -> io::Result<Self> {
        let thread = fs::read_link("/proc/thread-self")?;
        let schedstat = PathBuf::from("/proc").join(thread).join("schedstat");
        Ok(Self { schedstat })
    }

    /// The CPU time that the thread has used, user and system.
    ///
    /// # Errors
    /// When the thread has ended, or the kernel keeps no such figure.
    pub fn used(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(&self.schedstat)?;
        let used_ns = text.split(' ').next().and_then(|first| first.parse().ok());
        used_ns.map(Duration::from_nanos).ok_or_else(|| unexpected("schedstat"))
    }
}

/// The CPU time of a whole process so far, ended threads included, in steps of 10 ms.
///
/// # Errors
/// When the process is gone, or there is no `/proc`.
pub fn cpu_of(process: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse_stat(&text).ok_or_else(|| unexpected("stat"))
}

/// The resident memory of a process.
///
/// # Errors
/// When the process is gone, or there is no `/proc`.
pub fn memory_of(process: u32) -> io::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse_status(&text).ok_or_else(|| unexpected("status"))
}

fn parse_stat(text: &str) -> Option<Duration> {
    // The command stands in parentheses and may itself hold spaces and parentheses.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(STAT_TICK * (ticks(STAT_USER_TICKS)? + ticks(STAT_SYSTEM_TICKS)?))
}

fn parse_status(text: &str) -> Option<Memory> {
    let mb = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u32 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(f64::from(kib) * 1024.0 / 1e6)
    };
    Some(Memory { peak_mb: mb("VmHWM:")?, end_mb: mb("VmRSS:")? })
}

fn unexpected(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc gives a {file} of unknown shape"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_may_look_like_fields() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 3 0 1 2 3";
        assert_eq!(parse_stat(text), Some(Duration::from_secs(3)));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[test]
    fn memory_is_given_in_megabytes() {
        let text = "Name:\tx\nVmHWM:\t  125000 kB\nVmRSS:\t   62500 kB\nThreads:\t3\n";
        let memory = Memory { peak_mb: 128.0, end_mb: 64.0 };
        assert_eq!(parse_status(text), Some(memory));
        assert_eq!(parse_status("Name:\tkthread\n"), None);
    }

    #[test]
    fn this_thread_is_found() {
        assert!(ThreadCpu::of_this_thread().unwrap().used().is_ok());
        assert!(memory_of(std::process::id()).unwrap().peak_mb > 0.0);
    }
}
