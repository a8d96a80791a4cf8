//! Decimals: JSON numbers compared by their worth, digit by digit, however many they have.

use std::cmp::Ordering;

/// How many digits of an exponent count; so many always fit.
const EXPONENT_DIGITS_MAX: usize = 9;

/// A number as its digits; `0.1` and `1e-1` are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: Vec<u8>,
    /// Where the point stands, counted from before the first digit.
    point: i64,
}

impl Decimal {
    /// Reads a JSON number; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // an exponent that does not fit is beyond every other number
        let exponent = exponent.parse::<i32>().ok().or_else(|| {
            let digits = exponent.trim_start_matches(['-', '+']);
            let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            sound.then_some(if exponent.starts_with('-') { i32::MIN } else { i32::MAX })
        })?;
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        if end == 0 {
            return Some(Self { negative: false, digits: Vec::new(), point: 0 });
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + i64::from(exponent);
        Some(Self { negative, digits: digits[zeros..end].to_vec(), point })
    }

    /// A JSON number written by its worth: all ways to write it give the same text. `None` for anything else, and for
    /// an exponent of more than nine digits, whose worth is not told apart.
    pub fn canonical(text: &str) -> Option<String> {
        let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent.trim_start_matches(['-', '+']));
        if exponent.trim_start_matches('0').len() > EXPONENT_DIGITS_MAX {
            return None;
        }
        let Self { negative, digits, point } = Self::parse(text)?;
        if digits.is_empty() {
            return Some("0".to_owned());
        }
        let sign = if negative { "-" } else { "" };
        Some(format!("{sign}0.{}e{point}", String::from_utf8(digits).ok()?))
    }

    /// Below zero, zero, above.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sizes = || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        self.sign().cmp(&other.sign()).then_with(|| if self.negative { sizes().reverse() } else { sizes() })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_their_order() {
        let ascending = [
            "-1e400",
            "-12",
            "-1.2",
            "-1.19",
            "-1e-9",
            "0",
            "1e-999999999999",
            "0.001",
            "0.0999",
            "1E-1",
            "0.5",
            "9",
            "9.99999999999999999999",
            "10",
            "1.1e1",
            "12345678901234567890",
            "12345678901234567890.1",
            "1e400",
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (other_at, other) in ascending.iter().enumerate() {
                let order = Decimal::parse(one).expect(one).cmp(&Decimal::parse(other).expect(other));
                assert_eq!(order, at.cmp(&other_at), "{one} and {other}");
            }
        }
    }

    #[test]
    fn the_same_worth_is_the_same_number() {
        for (one, other) in [("0.1", "1e-1"), ("-0", "0.00"), ("100", "1e2"), ("1.50", "15E-1"), ("0e5", "0")] {
            assert_eq!(Decimal::parse(one), Decimal::parse(other), "{one} and {other}");
        }
        for text in ["", "-", "x", "1.x", "\"1\"", "true", "1e", "1ex", ".5"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn all_ways_to_write_a_number_give_one_text() {
        for (text, expected) in [
            ("4990", Some("0.499e4")),
            ("4990.00", Some("0.499e4")),
            ("499E+1", Some("0.499e4")),
            ("-0.00", Some("0")),
            ("-1e-9", Some("-0.1e-8")),
            ("1e0000000000001", Some("0.1e2")),
            ("1e1234567890", None),
            ("true", None),
        ] {
            assert_eq!(Decimal::canonical(text).as_deref(), expected, "{text}");
        }
    }
}
