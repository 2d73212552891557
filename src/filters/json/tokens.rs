//! Strings, numbers and literals of RFC 8259, byte by byte: each may be cut anywhere by the end of a piece.

/// Where the reader stands within a string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    state: TextState,
    /// Whether there was a backslash, so that the bytes are not yet the text.
    pub(super) has_escapes: bool,
}

#[derive(Clone, Copy, Debug)]
enum TextState {
    Plain,
    Escape,
    /// So many hexadecimal digits of an escape such as `\u00e9` are still to come.
    Hex(u8),
    /// So many bytes of a character are still to come; the next one is in this range (RFC 3629, section 4).
    Character {
        left: u8,
        low: u8,
        high: u8,
    },
}

impl Text {
    /// The reader right behind the opening quote.
    pub(super) const START: Self = Self { state: TextState::Plain, has_escapes: false };

    /// Reads on from a place; answers the place behind the closing quote, or nothing when the piece ends before.
    #[inline]
    pub(super) fn read(&mut self, chunk: &[u8], from: usize) -> Result<Option<usize>, &'static str> {
        if matches!(self.state, TextState::Plain) {
            let end = from + plain(chunk.get(from..).unwrap_or_default());
            if chunk.get(end) == Some(&b'"') {
                return Ok(Some(end + 1));
            }
            return self.read_on(chunk, end);
        }
        self.read_on(chunk, from)
    }

    fn read_on(&mut self, chunk: &[u8], from: usize) -> Result<Option<usize>, &'static str> {
        let mut at = from;
        while let Some(&byte) = chunk.get(at) {
            at += 1;
            self.state = match self.state {
                TextState::Plain => match byte {
                    b'"' => return Ok(Some(at)),
                    b'\\' => {
                        self.has_escapes = true;
                        TextState::Escape
                    }
                    0..0x20 => return Err("a control character in a string"),
                    0x20..0x80 => {
                        at += plain(chunk.get(at..).unwrap_or_default());
                        TextState::Plain
                    }
                    0x80.. => first_of_character(byte)?,
                },
                TextState::Escape => match byte {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => TextState::Plain,
                    b'u' => TextState::Hex(4),
                    _ => return Err("an unknown escape in a string"),
                },
                TextState::Hex(left) if byte.is_ascii_hexdigit() => match left {
                    0 | 1 => TextState::Plain,
                    _ => TextState::Hex(left - 1),
                },
                TextState::Hex(_) => return Err("`\\u` without four hexadecimal digits"),
                TextState::Character { left, low, high } if (low..=high).contains(&byte) => match left {
                    0 | 1 => TextState::Plain,
                    _ => TextState::Character { left: left - 1, low: 0x80, high: 0xbf },
                },
                TextState::Character { .. } => return Err(NOT_UTF_8),
            };
        }
        Ok(None)
    }
}

const NOT_UTF_8: &str = "a string is not UTF-8";

const fn first_of_character(byte: u8) -> Result<TextState, &'static str> {
    let (left, low, high) = match byte {
        0xc2..=0xdf => (1, 0x80, 0xbf),
        0xe0 => (2, 0xa0, 0xbf),
        0xed => (2, 0x80, 0x9f), // no surrogates
        0xe1..=0xef => (2, 0x80, 0xbf),
        0xf0 => (3, 0x90, 0xbf),
        0xf1..=0xf3 => (3, 0x80, 0xbf),
        0xf4 => (3, 0x80, 0x8f), // nothing behind U+10FFFF
        _ => return Err(NOT_UTF_8),
    };
    Ok(TextState::Character { left, low, high })
}

/// How many bytes from the start on are plain: ASCII, no quote, no backslash, no control character. Eight at a time.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES * 0x80;
    let mut done = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        // A byte's top bit gets set where the byte is zero, or smaller. Borrows can set bits falsely, but only above a true one,
        // and the lowest is the one that counts.
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word)
            | word;
        let found = found & TOPS;
        if found != 0 {
            return done + (found.trailing_zeros() / 8) as usize;
        }
        done += 8;
    }
    let is_plain = |byte: &u8| matches!(byte, 0x20..0x80) && *byte != b'"' && *byte != b'\\';
    done + words.remainder().iter().take_while(|byte| is_plain(byte)).count()
}

/// Turns the escapes of a string that was read to its end into what they stand for. Half of a surrogate pair stands for no
/// character, and becomes one that no configured name has.
pub(super) fn unescape(raw: &[u8], text: &mut Vec<u8>) {
    text.clear();
    let mut rest = raw;
    let mut high: Option<u32> = None;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let mut unit = None;
        let mut plain = byte;
        if byte == b'\\' {
            let Some((&kind, tail)) = rest.split_first() else { return };
            rest = tail;
            plain = match kind {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                other => other,
            };
            if kind == b'u' {
                let (digits, tail) = rest.split_at_checked(4).unwrap_or((rest, &[]));
                rest = tail;
                let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or_default();
                unit = Some(digits.iter().fold(0, |value, next| value * 16 + digit(next)));
            }
        }
        let mut push = |code| {
            let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        };
        match (high.take(), unit) {
            (Some(first), Some(second @ 0xdc00..=0xdfff)) => {
                push(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                continue;
            }
            (Some(alone), _) => push(alone),
            (None, _) => {}
        }
        match unit {
            Some(first @ 0xd800..=0xdbff) => high = Some(first),
            Some(code) => push(code),
            None => text.push(plain),
        }
    }
    if high.is_some() {
        text.extend_from_slice("\u{fffd}".as_bytes());
    }
}

/// Where the reader stands within a number: what it has read last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Number {
    Minus,
    /// A zero that no other digit may follow.
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Number {
    /// A number's first byte.
    pub(super) const fn start(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Whole),
            _ => None,
        }
    }

    /// Reads on from a place; answers the first place that is no longer in the number.
    #[inline]
    pub(super) fn read(&mut self, chunk: &[u8], from: usize) -> usize {
        let mut at = from;
        while let Some(&byte) = chunk.get(at) {
            *self = match (*self, byte) {
                (Self::Minus, b'0') => Self::Zero,
                (Self::Minus | Self::Whole, b'0'..=b'9') => Self::Whole,
                (Self::Zero | Self::Whole, b'.') => Self::Point,
                (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
                (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Exponent,
                (Self::Exponent, b'+' | b'-') => Self::Sign,
                (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Self::Power,
                _ => return at,
            };
            at += 1;
            if matches!(*self, Self::Whole | Self::Fraction | Self::Power) {
                // Most of a number is digits that change nothing.
                while matches!(chunk.get(at), Some(b'0'..=b'9')) {
                    at += 1;
                }
            }
        }
        at
    }

    /// Whether it may end here.
    pub(super) const fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_are_counted_up_to_the_first_special_one() {
        for special in (0..=0x1f).chain([b'"', b'\\']).chain(0x80..=0xff) {
            for length in 0..40 {
                let mut bytes = vec![b'a'; length];
                bytes.extend([special, b'"', 0x01, b'a', b'a', b'a', b'a', b'a', b'a', b'a', b'a']);
                assert_eq!(plain(&bytes), length, "{special:#x}");
            }
        }
        for allowed in (0x20..0x80).filter(|byte| !b"\"\\".contains(byte)) {
            assert_eq!(plain(&[allowed; 19]), 19, "{allowed:#x}");
        }
    }

    #[test]
    fn escapes_stand_for_what_the_standard_says() {
        let unescaped = |raw: &str| {
            let mut text = Vec::new();
            unescape(raw.as_bytes(), &mut text);
            String::from_utf8(text).expect("UTF-8")
        };
        assert_eq!(unescaped(r"\u0070ri\u0063e"), "price");
        assert_eq!(unescaped(r#"\"\\\/\b\f\n\r\t"#), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(unescaped(r"\ud83d\uDE00é"), "😀é");
        assert_eq!(unescaped(r"a\ud83d"), "a\u{fffd}");
        assert_eq!(unescaped(r"\ud83db\udc00\ud800\ud83d\ude00"), "\u{fffd}b\u{fffd}\u{fffd}😀");
    }
}
