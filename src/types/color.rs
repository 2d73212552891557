//! A brand colour, as `#rrggbb`.

use std::fmt;

/// An sRGB colour written `#rrggbb` (CSS Color Module Level 4, section 5.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Color {
    text: String,
    rgb: (u8, u8, u8),
}

/// Text that is not a colour.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a colour such as #0b5fff")]
pub struct InvalidColor(String);

impl Color {
    /// Parses `#rrggbb`, in any case.
    ///
    /// # Errors
    /// When the text is not `#` and six hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidColor> {
        let invalid = || InvalidColor(text.to_owned());
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or_else(invalid)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| invalid())?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self { text: text.to_ascii_lowercase(), rgb: (red, green, blue) })
    }

    /// The colour as CSS text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Red, green and blue, each 0 to 255.
    #[must_use]
    pub const fn rgb(&self) -> (u8, u8, u8) {
        self.rgb
    }
}

impl Default for Color {
    fn default() -> Self {
        Self { text: "#2f5aae".to_owned(), rgb: (0x2f, 0x5a, 0xae) }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_a_hash_and_six_digits() {
        assert_eq!(Color::parse("#0B5fff").expect("a colour").rgb(), (0x0b, 0x5f, 0xff));
        for wrong in ["", "#", "#fff", "0b5fff", "#0b5ffg", "#+b5fff", "#0b5fff;", "#é5fff"] {
            assert!(Color::parse(wrong).is_err(), "{wrong}");
        }
    }
}
