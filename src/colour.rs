//! A colour, and how to keep a text in it legible.

use std::fmt;

use crate::error::{Error, Result};

/// The least contrast of a text with its ground (WCAG 2.2, 1.4.3).
const CONTRAST_MIN: f64 = 4.5;
/// In how many steps a colour goes to black or white.
const STEPS: u8 = 20;

/// A colour of a screen: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// Reads `#rrggbb`. Error: the form.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let wrong = || Error::field(field, "must be # and six hexadecimal digits, such as #0a7d5a");
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or_else(wrong)?;
        let bytes = crate::signature::from_hex(digits).ok_or_else(wrong)?;
        bytes.try_into().map(Self).map_err(|_| wrong())
    }

    /// The colour itself where a text in it can be read on this ground; otherwise the nearest that can, on its way to
    /// black on a light ground, to white on a dark one.
    pub fn legible_on(self, ground: Self) -> Self {
        let goal = if ground.luminance() > 0.5 { Self::BLACK } else { Self::WHITE };
        let way = (0..=STEPS).map(|step| self.towards(goal, step));
        way.into_iter().find(|colour| colour.contrast(ground) >= CONTRAST_MIN).unwrap_or(goal)
    }

    /// How much a text in one stands out on the other, from 1 to 21 (WCAG 2.2, contrast ratio).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// How bright it is, from 0 to 1 (WCAG 2.2, relative luminance).
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn towards(self, goal: Self, step: u8) -> Self {
        let part = |place: usize| {
            let (from, to) = (u16::from(self.0[place]), u16::from(goal.0[place]));
            let mixed = (from * u16::from(STEPS - step) + to * u16::from(step)) / u16::from(STEPS);
            u8::try_from(mixed).expect("a mean of two bytes is one")
        };
        Self([part(0), part(1), part(2)])
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_a_colour_and_nothing_else_is() {
        assert_eq!(Colour::parse("colour", "#0a7D5a").map(|colour| colour.to_string()).as_deref(), Ok("#0a7d5a"));
        for wrong in ["", "#", "0a7d5a", "#0a7d5", "#0a7d5a0", "#0a7d5g", "red", "#éab1", "#0a7d5a;"] {
            assert!(Colour::parse("colour", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn contrasts_are_those_of_the_standard() {
        let grey = Colour([0x76; 3]); // the lightest grey that passes on white
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 1e-9);
        assert!((grey.contrast(Colour::WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_colour_becomes_legible_on_any_light_or_dark_ground_and_a_legible_one_stays() {
        let grounds = [Colour::WHITE, Colour([0xec, 0xee, 0xf1]), Colour([0x20, 0x23, 0x27]), Colour::BLACK];
        let parts = [0_u8, 51, 128, 204, 255];
        for ground in grounds {
            for red in parts {
                for (green, blue) in parts.into_iter().flat_map(|green| parts.map(|blue| (green, blue))) {
                    let colour = Colour([red, green, blue]);
                    let legible = colour.legible_on(ground);
                    assert!(legible.contrast(ground) >= CONTRAST_MIN, "{colour} on {ground}: {legible}");
                    assert!(colour == legible || colour.contrast(ground) < CONTRAST_MIN, "{colour} on {ground}");
                }
            }
        }
    }
}
