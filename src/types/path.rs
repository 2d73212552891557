//! The request path: normalised once, or refused.
//!
//! Rules decide on the very text that goes upstream, so a path may have only one reading. Harmless differences of
//! spelling are folded (RFC 3986, section 6.2.2: hexadecimal case, escapes of unreserved characters); whatever two
//! readers could take for two paths is refused, unless the app's config allows it by name.

use std::fmt;

/// What makes a path ambiguous.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Ambiguity {
    /// Does not begin with `/`, or holds a raw control, space, non-ASCII or other byte that no path may hold.
    Malformed,
    /// `%` without two hexadecimal digits behind it, or an escape that is no UTF-8.
    BadEscape,
    /// An escaped control character, NUL among them.
    ControlCharacter,
    /// `.` or `..` as a segment, escaped or not.
    DotSegment,
    /// `//`.
    EmptySegment,
    /// `%2F`.
    EncodedSlash,
    /// `\` or `%5C`.
    Backslash,
    /// `;` or `%3B`.
    Semicolon,
    /// `%25`: an escape within an escape.
    EncodedPercent,
    /// `%23` or `%3F`: an escaped `#` or `?`.
    EncodedDelimiter,
    /// Longer than [`RequestPath::MOST_BYTES`].
    TooLong,
}

impl Ambiguity {
    /// The ambiguities that an app's `path_allow` may name.
    pub const ALLOWABLE: [Self; 6] = [
        Self::EncodedSlash,
        Self::EmptySegment,
        Self::Backslash,
        Self::Semicolon,
        Self::EncodedPercent,
        Self::EncodedDelimiter,
    ];

    /// The name in config and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadEscape => "bad-escape",
            Self::ControlCharacter => "control-character",
            Self::DotSegment => "dot-segment",
            Self::EmptySegment => "empty-segments",
            Self::EncodedSlash => "encoded-slash",
            Self::Backslash => "backslash",
            Self::Semicolon => "semicolon",
            Self::EncodedPercent => "encoded-percent",
            Self::EncodedDelimiter => "encoded-delimiter",
            Self::TooLong => "too-long",
        }
    }
}

/// A path that was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ambiguous path: {}", .0.name())]
pub struct AmbiguousPath(pub Ambiguity);

/// The ambiguities that an app says it needs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PathAllowances(Vec<Ambiguity>);

impl PathAllowances {
    /// Allows these; what may never be allowed is left out.
    pub fn new(allowed: impl IntoIterator<Item = Ambiguity>) -> Self {
        Self(allowed.into_iter().filter(|kind| Ambiguity::ALLOWABLE.contains(kind)).collect())
    }

    fn check(&self, kind: Ambiguity) -> Result<(), AmbiguousPath> {
        if self.0.contains(&kind) { Ok(()) } else { Err(AmbiguousPath(kind)) }
    }
}

/// A request's path in its one spelling: what rules see and the upstream gets.
#[derive(Clone, Eq, PartialEq)]
pub struct RequestPath {
    text: String,
    /// How a reader that takes every separator for one would read it, where an app allows such paths and that differs.
    other_reading: Option<String>,
    is_without_escapes: bool,
}

impl RequestPath {
    /// The longest path taken, in bytes.
    pub const MOST_BYTES: usize = 8192;

    /// Normalises the path of a request target, without its query.
    ///
    /// # Errors
    /// [`AmbiguousPath`] names what could be read in two ways.
    pub fn parse(raw: &[u8], allowed: &PathAllowances) -> Result<Self, AmbiguousPath> {
        if raw.len() > Self::MOST_BYTES {
            return Err(AmbiguousPath(Ambiguity::TooLong));
        }
        if raw.first() != Some(&b'/') {
            return Err(AmbiguousPath(Ambiguity::Malformed));
        }
        let text = fold_escapes(raw, allowed)?;
        let mut segments = text.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            if hides_dot_segment(segment) {
                return Err(AmbiguousPath(Ambiguity::DotSegment));
            }
            match segment {
                // The last segment of `/a/` is empty, and of `/` too: that is no ambiguity.
                "" if segments.peek().is_some() => allowed.check(Ambiguity::EmptySegment)?,
                _ => {}
            }
        }
        let other_reading = other_reading(&text)?;
        let is_without_escapes = other_reading.is_none() && !text.as_bytes().contains(&b'%');
        Ok(Self { text, other_reading, is_without_escapes })
    }

    /// The path as it goes upstream.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether each character of it stands for itself, for every reader.
    #[must_use]
    pub fn is_without_escapes(&self) -> bool {
        self.is_without_escapes
    }

    /// The path as a reader would take it that decodes again and again, splits at `%2F` and `%5C`, drops `;` parameters, folds
    /// empty segments and ends at `%3F` and `%23`. There is one only for a path that the app's `path_allow` let pass, and then
    /// rules must hold for both.
    #[must_use]
    pub fn other_reading(&self) -> Option<&str> {
        self.other_reading.as_deref()
    }
}

/// Whether some reader could see `.` or `..` as a segment: also between the separators that an app may have allowed, and
/// before parameters (`/..;/`, which servlet containers take for `/../`).
fn hides_dot_segment(segment: &str) -> bool {
    if !segment.bytes().any(|byte| matches!(byte, b'%' | b';')) {
        return matches!(segment, "." | "..");
    }
    segment.split("%2F").flat_map(|part| part.split("%5C")).any(|part| {
        let name = part.split(';').next().unwrap_or_default();
        matches!(name.split("%3B").next(), Some("." | ".."))
    })
}

/// See [`RequestPath::other_reading`].
fn other_reading(text: &str) -> Result<Option<String>, AmbiguousPath> {
    /// Nobody who means well escapes so often; each layer costs a walk over the path.
    const MOST_LAYERS: usize = 4;
    const SECOND_MEANINGS: [&str; 8] = ["%2F", "%5C", "%3B", ";", "//", "%25", "%23", "%3F"];
    // Nearly every path has none of their letters.
    if !text.bytes().any(|byte| matches!(byte, b'%' | b';')) && !text.contains("//") {
        return Ok(None);
    }
    if !SECOND_MEANINGS.iter().any(|part| text.contains(part)) {
        return Ok(None);
    }
    let mut plain = text.to_owned();
    for layer in 0.. {
        let decoded = percent_encoding::percent_decode_str(&plain).decode_utf8_lossy().into_owned();
        if decoded == plain {
            break;
        }
        if layer == MOST_LAYERS {
            return Err(AmbiguousPath(Ambiguity::EncodedPercent));
        }
        plain = decoded;
    }
    if plain.contains(char::is_control) {
        return Err(AmbiguousPath(Ambiguity::ControlCharacter));
    }
    let path = plain.split(['?', '#']).next().unwrap_or_default();
    let names = path.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(AmbiguousPath(Ambiguity::DotSegment));
    }
    Ok(Some(format!("/{}", names.join("/"))))
}

/// Makes every escape upper-case hexadecimal, or the character itself where that is unreserved.
fn fold_escapes(raw: &[u8], allowed: &PathAllowances) -> Result<String, AmbiguousPath> {
    // Most paths have nothing to fold.
    let is_plain = |byte: &u8| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'%' | b'\\' | b';' | b'#' | b'?');
    if let (true, Ok(text)) = (raw.iter().all(is_plain), std::str::from_utf8(raw)) {
        return Ok(text.to_owned());
    }
    let mut text = String::with_capacity(raw.len());
    let mut decoded = Vec::new();
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let value = match (bytes.next().and_then(hex_value), bytes.next().and_then(hex_value)) {
                    (Some(high), Some(low)) => high * 16 + low,
                    _ => return Err(AmbiguousPath(Ambiguity::BadEscape)),
                };
                decoded.push(value);
                match value {
                    0x00..=0x1f | 0x7f => return Err(AmbiguousPath(Ambiguity::ControlCharacter)),
                    b'/' => allowed.check(Ambiguity::EncodedSlash)?,
                    b'\\' => allowed.check(Ambiguity::Backslash)?,
                    b';' => allowed.check(Ambiguity::Semicolon)?,
                    b'%' => allowed.check(Ambiguity::EncodedPercent)?,
                    b'#' | b'?' => allowed.check(Ambiguity::EncodedDelimiter)?,
                    _ => {}
                }
                if is_unreserved(value) {
                    text.push(char::from(value));
                } else {
                    push_escape(&mut text, value);
                }
            }
            b'\\' => {
                allowed.check(Ambiguity::Backslash)?;
                push_escape(&mut text, byte);
            }
            b';' => {
                allowed.check(Ambiguity::Semicolon)?;
                text.push(';');
            }
            b'#' | b'?' => return Err(AmbiguousPath(Ambiguity::Malformed)),
            0x21..=0x7e => text.push(char::from(byte)),
            _ => return Err(AmbiguousPath(Ambiguity::Malformed)),
        }
        if byte != b'%' {
            decoded.push(byte);
        }
    }
    // Readers turn bytes that are no UTF-8 into different characters each; C1 controls hide in UTF-8 too.
    match std::str::from_utf8(&decoded) {
        Ok(characters) if characters.chars().any(char::is_control) => Err(AmbiguousPath(Ambiguity::ControlCharacter)),
        Ok(_) => Ok(text),
        Err(_) => Err(AmbiguousPath(Ambiguity::BadEscape)),
    }
}

/// RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.push('%');
    for digit in [byte >> 4, byte & 0x0f] {
        text.push(DIGITS.get(usize::from(digit)).copied().unwrap_or('0'));
    }
}

impl fmt::Debug for RequestPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RequestPath({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(raw: &str, expected: Result<&str, Ambiguity>) {
        let parsed = RequestPath::parse(raw.as_bytes(), &PathAllowances::default());
        assert_eq!(parsed.as_ref().map(RequestPath::as_str).map_err(|error| error.0), expected, "{raw:?}");
    }

    #[test]
    fn spelling_is_folded() {
        check("/", Ok("/"));
        check("/a/b/", Ok("/a/b/"));
        check("/%7euser/%41%2d%62", Ok("/~user/A-b"));
        check("/caf%c3%a9", Ok("/caf%C3%A9"));
        check("/a%20b/c:d@e,f", Ok("/a%20b/c:d@e,f"));
    }

    #[test]
    fn attack_01_a_path_with_two_readings_is_refused() {
        use Ambiguity as A;
        for raw in ["/a/../b", "/a/%2e%2e/b", "/a/.%2E", "/./a", "/a/.", "/.."] {
            check(raw, Err(A::DotSegment));
        }
        for raw in ["//", "//a", "/a//b", "/a//"] {
            check(raw, Err(A::EmptySegment));
        }
        for raw in ["/a%2fb", "/a%2Fb", "/%2F"] {
            check(raw, Err(A::EncodedSlash));
        }
        for raw in ["/a\\b", "/a%5cb", "/a%5C..%5Cb"] {
            check(raw, Err(A::Backslash));
        }
        for raw in ["/a%00", "/a%0d%0aX:1", "/%7f", "/%c2%85"] {
            check(raw, Err(A::ControlCharacter));
        }
        for raw in ["/%", "/%2", "/%zz", "/%2gx", "/%ff", "/%c0%ae%c0%ae/", "/%u002e"] {
            check(raw, Err(A::BadEscape));
        }
        for raw in ["/%252e%252e/", "/a%25", "/%25252f"] {
            check(raw, Err(A::EncodedPercent));
        }
        for raw in ["/a;b", "/a%3bb", "/admin;/x", "/..;/admin"] {
            check(raw, Err(A::Semicolon));
        }
        for raw in ["/a%23b", "/a%3fb"] {
            check(raw, Err(A::EncodedDelimiter));
        }
        for raw in ["", "*", "a", "/a#b", "/a?b", "/a b", "/caf\u{e9}", "/\u{7f}"] {
            check(raw, Err(A::Malformed));
        }
        check(&format!("/{}", "a".repeat(9000)), Err(A::TooLong));
    }

    #[test]
    fn an_app_may_need_one_by_name() {
        let allowed = PathAllowances::new([Ambiguity::EncodedSlash, Ambiguity::Backslash, Ambiguity::DotSegment]);
        let parse = |raw: &str| RequestPath::parse(raw.as_bytes(), &allowed).map(|path| path.as_str().to_owned());
        assert_eq!(parse("/a%2fb"), Ok("/a%2Fb".to_owned()));
        assert_eq!(parse("/a\\b"), Ok("/a%5Cb".to_owned()));
        for raw in ["/a%2f..%2fb", "/a\\..\\b", "/..%5Cb"] {
            assert_eq!(parse(raw), Err(AmbiguousPath(Ambiguity::DotSegment)), "{raw}");
        }
        let semicolons = PathAllowances::new([Ambiguity::Semicolon]);
        for raw in ["/..;/admin", "/..%3bx/admin"] {
            assert!(RequestPath::parse(raw.as_bytes(), &semicolons).is_err(), "{raw}");
        }
        // A reader that decodes twice, or cuts after it has decoded, is a reader too.
        let all = PathAllowances::new(Ambiguity::ALLOWABLE);
        for raw in
            ["/a/%252e%252E/b", "/a/.%25252e", "/a/%2e%252e", "/a%252f..%252fb", "/a/..%3fx", "/a/%252e%23", "/..%253b"]
        {
            assert_eq!(RequestPath::parse(raw.as_bytes(), &all), Err(AmbiguousPath(Ambiguity::DotSegment)), "{raw}");
        }
        let other = |raw: &str| {
            let path = RequestPath::parse(raw.as_bytes(), &all).expect("allowed");
            path.other_reading().map(str::to_owned)
        };
        assert_eq!(other("/%2561dmin/x%2525y").as_deref(), Some("/admin/x%y"));
        assert_eq!(other("/a%252fb%255cc%253bd").as_deref(), Some("/a/b/c"));
        assert_eq!(other("/admin%3Fx/y").as_deref(), Some("/admin"));
        assert_eq!(other("/admin%23x").as_deref(), Some("/admin"));
        assert_eq!(other("/25%25").as_deref(), Some("/25%"));
        assert_eq!(
            RequestPath::parse(b"/a%2500", &all),
            Err(AmbiguousPath(Ambiguity::ControlCharacter)),
            "a reader that decodes twice may stop at it"
        );
        let layers = format!("/%{}61", "25".repeat(3000));
        assert_eq!(RequestPath::parse(layers.as_bytes(), &all), Err(AmbiguousPath(Ambiguity::EncodedPercent)));
        let path = RequestPath::parse(b"/a%2fb//c;d", &PathAllowances::new(Ambiguity::ALLOWABLE)).expect("allowed");
        assert_eq!((path.as_str(), path.other_reading()), ("/a%2Fb//c;d", Some("/a/b/c")));
        assert_eq!(parse("/a/../b"), Err(AmbiguousPath(Ambiguity::DotSegment)), "never allowed");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(raw in "/[ -~]{0,60}") {
            let allowed = PathAllowances::new(Ambiguity::ALLOWABLE);
            if let Ok(path) = RequestPath::parse(raw.as_bytes(), &allowed) {
                prop_assert_eq!(RequestPath::parse(path.as_str().as_bytes(), &allowed).expect("normal form parses"), path);
            }
        }

        #[test]
        fn a_path_has_no_dot_segment_however_it_is_decoded(raw in "/([./]|%2[eEfF]|%5[cC]|a){0,20}") {
            if let Ok(path) = RequestPath::parse(raw.as_bytes(), &PathAllowances::default()) {
                let decoded = percent_encoding::percent_decode_str(path.as_str()).decode_utf8_lossy().replace('\\', "/");
                prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."), "{}", decoded);
            }
        }

        #[test]
        fn any_bytes_are_answered(raw in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = RequestPath::parse(&raw, &PathAllowances::default());
        }
    }
}
