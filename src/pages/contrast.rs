//! Colour arithmetic: how well one colour can be read on another, and the nearest shade that can.
//!
//! Any brand colour is welcome, white and black too, and every text must still be readable (WCAG 2.2, success criteria
//! 1.4.3 and 1.4.11). So shades are computed, never hoped for. Pure functions on sRGB triples.

use std::fmt;

/// Red, green and blue, each 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

pub(super) const BLACK: Rgb = Rgb(0, 0, 0);
pub(super) const WHITE: Rgb = Rgb(255, 255, 255);

/// What text needs against its ground, level AA.
pub(super) const TEXT: f64 = 4.5;
/// What the edge of a control needs against its ground, level AA.
pub(super) const EDGE: f64 = 3.0;

/// The contrast ratio of two colours, from 1 (the same) to 21 (black on white).
pub(super) fn ratio(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// White where white can be read, else black. One of them always reaches [`TEXT`]: the product of their ratios is 21.
pub(super) fn readable_on(ground: Rgb) -> Rgb {
    if ratio(WHITE, ground) >= TEXT { WHITE } else { BLACK }
}

/// `color` moved towards `pole` (black or white) just far enough to reach `wanted` against every one of `grounds`.
pub(super) fn reach(color: Rgb, pole: Rgb, grounds: &[Rgb], wanted: f64) -> Rgb {
    (0..=100)
        .map(|percent| mix(color, pole, percent))
        .find(|shade| grounds.iter().all(|ground| ratio(*shade, *ground) >= wanted))
        .unwrap_or(pole)
}

/// `percent` of the way from one colour to another.
pub(super) fn mix(from: Rgb, to: Rgb, percent: u16) -> Rgb {
    let channel = |from: u8, to: u8| {
        let percent = percent.min(100);
        let mixed = (u16::from(from) * (100 - percent) + u16::from(to) * percent + 50) / 100;
        u8::try_from(mixed).unwrap_or(u8::MAX)
    };
    Rgb(channel(from.0, to.0), channel(from.1, to.1), channel(from.2, to.2))
}

/// Relative luminance as WCAG 2.2 defines it.
fn luminance(Rgb(red, green, blue): Rgb) -> f64 {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

impl From<&crate::types::Color> for Rgb {
    fn from(color: &crate::types::Color) -> Self {
        let (red, green, blue) = color.rgb();
        Self(red, green, blue)
    }
}

/// As CSS reads it: `rgb()` and not `#rrggbb`, for six digits in a mail must be the code and nothing else, both for
/// people and for the phones that look for it.
impl fmt::Display for Rgb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rgb({}, {}, {})", self.0, self.1, self.2)
    }
}

#[cfg(test)]
pub(super) fn any_color() -> impl proptest::strategy::Strategy<Value = Rgb> {
    use proptest::prelude::*;
    any::<(u8, u8, u8)>().prop_map(|(red, green, blue)| Rgb(red, green, blue))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ratios_are_those_of_the_standard() {
        assert!((ratio(BLACK, WHITE) - 21.0).abs() < 1e-9);
        assert!((ratio(WHITE, WHITE) - 1.0).abs() < 1e-9);
        // #767676 is known as the lightest grey that passes on white.
        assert!(ratio(Rgb(0x76, 0x76, 0x76), WHITE) >= TEXT);
        assert!(ratio(Rgb(0x77, 0x77, 0x77), WHITE) < TEXT);
    }

    proptest! {
        #[test]
        fn either_black_or_white_can_be_read_on_any_colour(ground in any_color()) {
            prop_assert!(ratio(readable_on(ground), ground) >= TEXT);
        }

        #[test]
        fn order_does_not_matter(one in any_color(), other in any_color()) {
            prop_assert!((ratio(one, other) - ratio(other, one)).abs() < 1e-12);
            prop_assert!((1.0..=21.0 + 1e-9).contains(&ratio(one, other)));
        }

        #[test]
        fn a_colour_that_suffices_is_left_alone(color in any_color()) {
            prop_assume!(ratio(color, WHITE) >= TEXT);
            prop_assert_eq!(reach(color, BLACK, &[WHITE], TEXT), color);
        }

        #[test]
        fn a_mix_begins_and_ends_at_its_colours(from in any_color(), to in any_color()) {
            prop_assert_eq!(mix(from, to, 0), from);
            prop_assert_eq!(mix(from, to, 100), to);
        }
    }
}
