//! Moments as providers write them, and as we write them for them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The longest text that is read as a moment, in bytes.
const TEXT_BYTES_MAX: usize = 64;
/// How many digits of a second's fraction count; further ones are below a nanosecond.
const FRACTION_DIGITS_MAX: usize = 9;
/// Numbers from here on are milliseconds, below it seconds: 5138 in seconds, 1973 in milliseconds.
const MILLISECONDS_MIN: f64 = 100_000_000_000.0;

/// Reads an ISO 8601 moment in ms since 1970: UTC when it names no zone, any number of fraction digits, stray spaces
/// (Finix's own pages have `2020-04-26T22:58 :30.584`). `None` for anything else.
pub fn read(text: &str) -> Option<i64> {
    if text.len() > TEXT_BYTES_MAX || !text.is_ascii() {
        return None;
    }
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let text = without_excess_digits(&text);
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        let zoneless = text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?;
        Some(zoneless.timestamp())
    })?;
    Some(moment.as_millisecond())
}

/// Reads a number, whole or not, as a count since 1970 in seconds or milliseconds, told apart by its magnitude; gives
/// milliseconds. `None` for anything else, and for what no calendar holds.
pub(super) fn from_number(text: &str) -> Option<i64> {
    let is_number = text.len() <= TEXT_BYTES_MAX && text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let count = text.parse().ok().filter(|count: &f64| is_number && count.is_finite())?;
    let ms = if count.abs() >= MILLISECONDS_MIN { count } else { count * 1_000.0 };
    #[expect(clippy::cast_possible_truncation, reason = "what is too large becomes the largest, and is no moment")]
    let whole_ms = ms.round() as i64;
    Timestamp::from_millisecond(whole_ms).ok().map(Timestamp::as_millisecond)
}

/// Writes `2021-12-07T21:43:54.343Z`.
pub fn written(at_ms: i64) -> String {
    moment(at_ms).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Writes `2020-04-26T23:00:23.46`: no zone, no zeros at the end of the fraction, no fraction of zero.
pub(super) fn written_zoneless(at_ms: i64) -> String {
    moment(at_ms).strftime("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

fn moment(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or_default()
}

fn without_excess_digits(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else {
        return text.to_owned();
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    format!("{whole}.{}{}", &rest[..digits.min(FRACTION_DIGITS_MAX)], &rest[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_really_come() {
        for (text, ms) in [
            ("2021-12-07T21:43:54.343Z", Some(1_638_913_434_343)),
            ("2025-04-05T21:57:17Z", Some(1_743_890_237_000)),
            ("2020-04-26T23:00:23.467", Some(1_587_942_023_467)),
            ("2020-04-26T22:58 :30.584", Some(1_587_941_910_584)),
            ("2020-04-29T20:32:40.5", Some(1_588_192_360_500)),
            ("2020-04-29T20:32:40", Some(1_588_192_360_000)),
            ("2025-01-27T22:08:58.270890776", Some(1_738_015_738_270)),
            ("2025-01-27T22:08:58.2708907761234", Some(1_738_015_738_270)),
            ("2025-01-27T23:08:58.27+01:00", Some(1_738_015_738_270)),
            ("2023-02-16T22:19:57.64Z", Some(1_676_585_997_640)),
            ("2020-04-26", Some(1_587_859_200_000)),
            ("yesterday", None),
            ("2020-13-26T22:58:30", None),
            ("", None),
        ] {
            assert_eq!(read(text), ms, "{text}");
        }
        assert_eq!(read(&"2".repeat(10_000)), None);
    }

    #[test]
    fn counts_are_told_apart_by_their_magnitude() {
        for (count, ms) in [
            ("1611681789", Some(1_611_681_789_000)),
            ("1612782588323", Some(1_612_782_588_323)),
            ("1611681789.5", Some(1_611_681_789_500)),
            ("1611681789.123", Some(1_611_681_789_123)),
            ("1.611681789e9", Some(1_611_681_789_000)),
            ("1611681789123.0", Some(1_611_681_789_123)),
            ("1611681789123.7", Some(1_611_681_789_124)),
            ("1.611681789123E+12", Some(1_611_681_789_123)),
            ("99999999999", Some(99_999_999_999_000)),
            ("100000000000", Some(100_000_000_000)),
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("-1.5", Some(-1_500)),
            ("253402207200000", Some(253_402_207_200_000)),
            ("253402207201000", None),
            ("-99999999999", Some(-99_999_999_999_000)),
            ("-999999999999999", None),
            ("9223372036854775807", None),
            ("-9223372036854775808", None),
            ("99999999999999999999", None),
            ("1e300", None),
            ("1e400", None),
            ("-1e400", None),
            ("1e-400", Some(0)),
            ("", None),
            ("x", None),
            ("-", None),
            ("nan", None),
            ("-nan", None),
            ("inf", None),
            ("-inf", None),
            ("-infinity", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1_000", None),
            ("0x1", None),
            ("null", None),
        ] {
            assert_eq!(from_number(count), ms, "{count}");
        }
        assert_eq!(from_number(&"1".repeat(10_000)), None);
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(written(1_638_913_434_343), "2021-12-07T21:43:54.343Z");
        assert_eq!(written(1_638_913_434_000), "2021-12-07T21:43:54.000Z");
        assert_eq!(written_zoneless(1_587_942_023_460), "2020-04-26T23:00:23.46");
        assert_eq!(written_zoneless(1_587_942_023_000), "2020-04-26T23:00:23");
        assert_eq!(read(&written_zoneless(1_587_942_023_460)), Some(1_587_942_023_460));
        assert_eq!(written(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
