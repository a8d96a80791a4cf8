//! When a failed delivery is tried again: the ladder, its jitter, and what `Retry-After` may change.

use std::borrow::Cow;

use jiff::civil::DateTime;

/// The waits before each attempt after the first, each counted from the end of the one before; none when there is no
/// second attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// In seconds.
    pub waits_secs: Cow<'static, [u32]>,
    /// Whether a wait is stretched by a random share, so that many do not come at once.
    pub jitter: bool,
}

impl Ladder {
    /// Of waits that somebody chose.
    pub fn of(waits_secs: Vec<u32>) -> Self {
        Self { waits_secs: Cow::Owned(waits_secs), jitter: true }
    }

    /// The longest that each of its waits can be, in ms.
    pub fn longest_ms(&self) -> impl Iterator<Item = i64> {
        let jitter = if self.jitter { 1.0 } else { 0.0 };
        self.waits_secs.iter().map(move |&secs| stretched_ms(i64::from(secs), jitter))
    }
}

/// Ten attempts over three days.
pub static STANDARD: Ladder =
    Ladder { waits_secs: Cow::Borrowed(&[5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]), jitter: true };
/// A ladder that somebody chooses: how many waits, each of so many seconds, all of them together: 8 days.
const WAITS_MAX: usize = 30;
const WAIT_SECS_MAX: u32 = 86_400;
const WAITS_SECS_MAX: u64 = 8 * 86_400;
/// A wait is stretched by up to this share, never shortened.
const JITTER_SHARE_MAX: f64 = 0.2;
/// The longest wait a receiver may ask for: 24 h.
pub const RETRY_AFTER_SECS_MAX: i64 = 86_400;
/// The longest that such a wait can be with its jitter, in ms.
pub const ASKED_MS_MAX: i64 = RETRY_AFTER_SECS_MAX * 1_200;
/// The longest `Retry-After` that is read at all, in bytes.
const RETRY_AFTER_BYTES_MAX: usize = 64;
/// The three ways in which HTTP writes a date (RFC 9110 §5.6.7), all in UTC.
const DATE_FORMATS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// The waits of a ladder that begins with `first_secs` and doubles with every step.
pub const fn doubling<const STEPS: usize>(first_secs: u32) -> [u32; STEPS] {
    let mut waits_secs = [first_secs; STEPS];
    let mut step = 1;
    while step < STEPS {
        waits_secs[step] = waits_secs[step - 1] * 2;
        step += 1;
    }
    waits_secs
}

/// Checks the waits that somebody chooses. Error: the limits.
pub fn check(waits_secs: &[u32]) -> Result<(), String> {
    let sum: u64 = waits_secs.iter().copied().map(u64::from).sum();
    let fits = |secs: &u32| (1..=WAIT_SECS_MAX).contains(secs);
    if waits_secs.len() <= WAITS_MAX && waits_secs.iter().all(fits) && sum <= WAITS_SECS_MAX {
        return Ok(());
    }
    Err(format!(
        "must be at most {WAITS_MAX} waits of 1 to {WAIT_SECS_MAX} seconds, {WAITS_SECS_MAX} seconds together at most; none of them for no second attempt"
    ))
}

/// When the next attempt is due, in ms; `None` when the ladder is used up.
///
/// `attempts` of the ladder have been made; the last one ended at `ended_ms`; `asked_secs` is the receiver's own wish;
/// `jitter` is random in 0..1.
pub fn next_due(ladder: &Ladder, attempts: u32, ended_ms: i64, asked_secs: Option<i64>, jitter: f64) -> Option<i64> {
    let wait_secs = i64::from(*ladder.waits_secs.get(usize::try_from(attempts.checked_sub(1)?).ok()?)?);
    let asked_secs = asked_secs.map_or(wait_secs, |secs| secs.clamp(wait_secs, RETRY_AFTER_SECS_MAX.max(wait_secs)));
    Some(ended_ms + stretched_ms(asked_secs, if ladder.jitter { jitter.clamp(0.0, 1.0) } else { 0.0 }))
}

/// A wait with its share of jitter, in ms.
fn stretched_ms(wait_secs: i64, jitter: f64) -> i64 {
    let wait_ms = wait_secs * 1_000;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a day in ms times at most 0.2 is far below 2^52"
    )]
    let stretch_ms = (wait_ms as f64 * JITTER_SHARE_MAX * jitter) as i64;
    wait_ms + stretch_ms
}

/// Reads a `Retry-After` header: whole seconds, or an HTTP date; anything else is no wish. Gives seconds from now.
pub fn parse_retry_after(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text.len() > RETRY_AFTER_BYTES_MAX {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(RETRY_AFTER_SECS_MAX).min(RETRY_AFTER_SECS_MAX));
    }
    let at = DATE_FORMATS.iter().find_map(|format| DateTime::strptime(format, text).ok())?;
    let at_secs = at.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs();
    Some((at_secs - now_ms.div_euclid(1_000)).clamp(0, RETRY_AFTER_SECS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_over_three_days_never_early_and_at_most_a_fifth_late() {
        let waits: Vec<_> = (1..=10).map(|attempts| next_due(&STANDARD, attempts, 0, None, 0.0)).collect();
        assert_eq!(waits[0], Some(5_000));
        assert_eq!(waits[8], Some(86_400_000));
        assert_eq!(waits[9], None);
        let total: i64 = waits.iter().flatten().sum();
        assert!((3 * 86_400_000..4 * 86_400_000).contains(&total));
        assert_eq!(next_due(&STANDARD, 2, 1_000, None, 1.0), Some(361_000));
        assert_eq!(next_due(&STANDARD, 0, 0, None, 0.5), None);
    }

    #[test]
    fn the_receivers_wish_counts_between_the_schedule_and_a_day() {
        for (asked, due) in [(1, 5_000), (60, 60_000), (1_000_000, 86_400_000), (-5, 5_000)] {
            assert_eq!(next_due(&STANDARD, 1, 0, Some(asked), 0.0), Some(due), "{asked}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nothing_else() {
        let now_ms = 1_445_412_480_000;
        for (text, secs) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(86_400)),
            ("Wed, 21 Oct 2015 07:29:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("Wednesday, 21-Oct-15 07:29:00 GMT", Some(60)),
            ("Wed Oct 21 07:29:00 2015", Some(60)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("120.6", None),
            ("-5", None),
            ("1e17", None),
            ("inf", None),
            ("nan", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(parse_retry_after(text, now_ms), secs, "{text}");
        }
        assert_eq!(parse_retry_after(&"1".repeat(10_240), now_ms), None);
    }
}
