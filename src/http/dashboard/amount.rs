//! Amounts, as pages write them.

use std::fmt::Display;

/// A number and what it counts, whose name in the singular this is: 1 delivery, 2 deliveries.
pub(super) fn amount<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return format!("{count} {noun}");
    }
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_others_are_many() {
        for (count, noun, written) in [
            (0, "delivery", "0 deliveries"),
            (1, "delivery", "1 delivery"),
            (2, "failed attempt", "2 failed attempts"),
            (1, "time", "1 time"),
            (11, "day", "11 days"),
        ] {
            assert_eq!(amount(count, noun), written);
        }
    }
}
