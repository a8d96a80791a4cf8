//! Moments as the blanks of a shape write them: with so many digits, with or without a zone, at a distance.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use super::tree::Tree;

/// Fills a blank that is a moment: its word, its digits with the distance from `at_ms`, and what the moment has below a
/// millisecond, in ns. `None` when it is no moment.
pub(super) fn blank(word: &str, rest: &str, at_ms: i64, below_ms: impl Fn(i64) -> u32) -> Option<Tree> {
    if !matches!(word, "time" | "zoneless" | "spaced" | "settles" | "seconds" | "day" | "month" | "year") {
        return None;
    }
    let (digits, distance) = rest.split_at(rest.find(['+', '-']).unwrap_or(rest.len()));
    let at_ms = at_ms + if distance.is_empty() { 0 } else { distance_ms(distance)? };
    let fraction =
        |digits: usize| format!("{:03}{:06}", at_ms.rem_euclid(1_000), below_ms(at_ms))[..digits.min(9)].to_owned();
    let whole = |zoned: &Zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let zoned = Timestamp::from_millisecond(at_ms).ok()?.to_zoned(TimeZone::UTC);
    let digits = digits.parse().unwrap_or(0);
    let zoneless =
        || format!("{}.{}", whole(&zoned), fraction(digits)).trim_end_matches('0').trim_end_matches('.').to_owned();
    Some(match word {
        "time" if digits == 0 => Tree::Text(whole(&zoned) + "Z"),
        "time" => Tree::Text(format!("{}.{}Z", whole(&zoned), fraction(digits))),
        "zoneless" => Tree::Text(zoneless()),
        "spaced" => {
            let text = zoneless();
            let (minutes, seconds) = text.rsplit_once(':')?;
            Tree::Text(format!("{minutes} :{seconds}"))
        }
        "settles" => Tree::Text(format!("{}.00Z", whole(&next_business_morning(zoned.date())?))),
        "seconds" => number(at_ms.div_euclid(1_000)),
        "day" => number(zoned.day().into()),
        "month" => number(zoned.month().into()),
        _ => number(zoned.year().into()),
    })
}

/// A whole number.
pub(super) fn number(value: i64) -> Tree {
    Tree::Word(value.to_string())
}

/// A distance such as `-300ms` or `+7d`, in ms.
fn distance_ms(text: &str) -> Option<i64> {
    let (count, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(count.parse::<i64>().ok()? * unit_ms)
}

/// When what was collected on a day is ready to settle: 04:00 UTC of the next business day, as Finix's pages show it.
fn next_business_morning(date: Date) -> Option<Zoned> {
    let mut next = date.checked_add(1.day()).ok()?;
    while matches!(next.weekday(), Weekday::Saturday | Weekday::Sunday) {
        next = next.checked_add(1.day()).ok()?;
    }
    next.to_datetime(Time::constant(4, 0, 0, 0)).to_zoned(TimeZone::UTC).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_the_blank_asks() {
        let friday = 1_738_360_800_250; // 2025-01-31T22:00:00.250Z
        for (word, rest, expected) in [
            ("time", "2", r#""2025-01-31T22:00:00.25Z""#),
            ("time", "0", r#""2025-01-31T22:00:00Z""#),
            ("time", "6+2h", r#""2025-02-01T00:00:00.250000Z""#),
            ("zoneless", "3", r#""2025-01-31T22:00:00.25""#),
            ("zoneless", "9-250ms", r#""2025-01-31T22:00:00.000000123""#),
            ("zoneless", "3-250ms", r#""2025-01-31T22:00:00""#),
            ("spaced", "3", r#""2025-01-31T22:00 :00.25""#),
            ("settles", "", r#""2025-02-03T04:00:00.00Z""#),
            ("seconds", "", "1738360800"),
            ("day", "+1d", "1"),
            ("month", "+1d", "2"),
            ("year", "", "2025"),
        ] {
            let below = |at_ms| if at_ms == friday - 250 { 123 } else { 0 };
            assert_eq!(blank(word, rest, friday, below).expect(word).written(), expected, "{word}:{rest}");
        }
        assert!(blank("uuid", "", friday, |_| 0).is_none() && blank("time", "2+7y", friday, |_| 0).is_none());
    }
}
