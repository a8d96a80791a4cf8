//! What a run leaves behind: a hash of all that happened, the last of it in words, and what was wrong.

use std::collections::VecDeque;
use std::fmt;

/// The outcome of one seed.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which.
    pub seed: u64,
    /// How many inputs the core took.
    pub steps: u64,
    /// How often the process died.
    pub crashes: u64,
    /// Equal for equal runs.
    pub hash: u64,
    /// The happenings that were kept, oldest first.
    pub lines: Vec<String>,
    /// What the ledger found wrong, if anything.
    pub failure: Option<Failure>,
}

/// What the ledger found wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed's options.
    pub options: String,
    /// The rule that was broken, and by what.
    pub wrong: String,
}

impl fmt::Display for Verdict {
    /// The line of a failure: enough to see it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={} steps={} crashes={} hash={:016x}", self.seed, self.steps, self.crashes, self.hash)?;
        match &self.failure {
            Some(failure) => write!(f, " opts={} wrong: {}", failure.options, failure.wrong),
            None => Ok(()),
        }
    }
}

/// One happening: when, what, and two numbers that tell it from its like.
struct Line {
    at_ms: i64,
    word: &'static str,
    numbers: (i64, i64),
}

/// The run as it goes: always hashed, kept in words only when asked for.
pub(super) struct Trace {
    hash: u64,
    lines: VecDeque<Line>,
    lines_max: usize,
}

impl Trace {
    pub(super) fn new(lines_max: usize) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), lines_max }
    }

    pub(super) fn note(&mut self, at_ms: i64, word: &'static str, numbers: (i64, i64)) {
        for part in [at_ms, i64::from(word.as_bytes()[0]), numbers.0, numbers.1] {
            self.hash = (self.hash ^ part.cast_unsigned()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        if self.lines_max == 0 {
            return;
        }
        if self.lines.len() == self.lines_max {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at_ms, word, numbers });
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        let text = |line: Line| format!("{:>14} ms  {} {} {}", line.at_ms, line.word, line.numbers.0, line.numbers.1);
        self.lines.into_iter().map(text).collect()
    }
}
