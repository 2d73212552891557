//! Under which name a path is counted: `/orders/1042` and `/orders/1043` are one page, `/orders/*`.
//!
//! What names one thing among many becomes `*`: numbers, keys, addresses. So a table of pages stays short, and what it holds
//! can be shown to everybody who may see it.

/// The longest name of a page, in bytes.
pub const MOST_PAGE_BYTES: usize = 120;
/// How many segments of a path tell pages apart.
const MOST_SEGMENTS: usize = 6;
/// A segment longer than this is somebody's key, not somebody's word.
const MOST_SEGMENT_BYTES: usize = 40;
/// A run of letters and digits as long as this is a key where it has a digit.
const KEY_BYTES: usize = 16;
/// Hexadecimal digits, as many as this with a number among them, are a key.
const HEX_BYTES: usize = 8;

/// The name of a page, held in place: counting a request allocates nothing.
#[derive(Clone, Copy)]
pub struct Page {
    bytes: [u8; MOST_PAGE_BYTES],
    length: usize,
}

impl Page {
    /// The page that a path belongs to.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let mut page = Self { bytes: [0; MOST_PAGE_BYTES], length: 0 };
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut rest = path.as_bytes();
        for _ in 0..MOST_SEGMENTS {
            let segment = Segment::first_of(rest);
            let shown = if segment.is_key() { b"*" } else { segment.bytes };
            if !page.push(b"/") || !page.push(shown) {
                return page.cut();
            }
            match rest.get(segment.bytes.len() + 1..) {
                Some(further) => rest = further,
                None => return page,
            }
        }
        page.cut()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only whole segments of a text are ever put in.
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("/")
    }

    fn push(&mut self, text: &[u8]) -> bool {
        // Room for what says that more follows.
        let end = self.length + text.len();
        match self.bytes.get_mut(self.length..end) {
            Some(place) if end <= MOST_PAGE_BYTES - MORE.len() => {
                place.copy_from_slice(text);
                self.length = end;
                true
            }
            _ => false,
        }
    }

    /// Says that the path went on.
    fn cut(mut self) -> Self {
        let ends_with_slash = self.length.checked_sub(1).and_then(|last| self.bytes.get(last)) == Some(&b'/');
        let whole = self.length - usize::from(ends_with_slash);
        if let Some(place) = self.bytes.get_mut(whole..whole + MORE.len()) {
            place.copy_from_slice(MORE.as_bytes());
            self.length = whole + MORE.len();
        }
        self
    }
}

const MORE: &str = "/…";

impl std::fmt::Debug for Page {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(formatter)
    }
}

/// One segment of a path, and what it is made of.
struct Segment<'a> {
    bytes: &'a [u8],
    digits: usize,
    hex: usize,
    alphanumeric: usize,
    separators: usize,
    /// It holds what nobody names a page by: an address, or what had to be escaped.
    is_odd: bool,
}

impl<'a> Segment<'a> {
    /// The first one; looked at byte by byte, once.
    fn first_of(path: &'a [u8]) -> Self {
        let mut found = Segment { bytes: path, digits: 0, hex: 0, alphanumeric: 0, separators: 0, is_odd: false };
        for (at, byte) in path.iter().enumerate() {
            match byte {
                b'/' => {
                    found.bytes = path.get(..at).unwrap_or_default();
                    break;
                }
                b'0'..=b'9' => found.digits += 1,
                b'a'..=b'f' | b'A'..=b'F' => found.hex += 1,
                b'g'..=b'z' | b'G'..=b'Z' => found.alphanumeric += 1,
                b'-' | b'_' | b'.' | b':' => found.separators += 1,
                b'@' | b'%' => found.is_odd = true,
                _ => {}
            }
        }
        found.hex += found.digits;
        found.alphanumeric += found.hex;
        found
    }

    /// Whether it names one thing among many.
    const fn is_key(&self) -> bool {
        let length = self.bytes.len();
        if self.is_odd || length > MOST_SEGMENT_BYTES {
            return true;
        }
        if self.digits == 0 {
            return false;
        }
        let is_number = self.digits + self.separators == length;
        let is_mostly_number = length >= 3 && self.digits * 2 >= length;
        let is_hex = self.hex >= HEX_BYTES && self.hex + self.separators == length;
        let is_token = self.alphanumeric >= KEY_BYTES && self.alphanumeric == length;
        is_number || is_mostly_number || is_hex || is_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_one_thing_among_many_becomes_a_star() {
        for (path, page) in [
            ("/", "/"),
            ("/orders", "/orders"),
            ("/orders/", "/orders/"),
            ("/orders/1042", "/orders/*"),
            ("/orders/1042/items/3", "/orders/*/items/*"),
            ("/orders/ORD-1042", "/orders/*"),
            ("/day/2026-03-01", "/day/*"),
            ("/reports/report-2024", "/reports/report-2024"),
            ("/api/v2/orders", "/api/v2/orders"),
            ("/people/ann@example.com", "/people/*"),
            ("/people/ann%40example.com", "/people/*"),
            ("/o/7b3f9c2e-1d2a-4b5c-8d9e-0f1a2b3c4d5e", "/o/*"),
            ("/o/deadbeef", "/o/deadbeef"),
            ("/o/deadbee4", "/o/*"),
            ("/o/01HF7YAT00ABCDEFGHJKMNPQRS", "/o/*"),
            ("/a/b/c/d/e/f/g", "/a/b/c/d/e/f/…"),
            ("/é/straße", "/é/straße"),
            ("", "/"),
        ] {
            assert_eq!(Page::of(path).as_str(), page, "{path}");
        }
        let long = format!("/{}", "word-".repeat(8));
        assert_eq!(Page::of(&long.repeat(4)).as_str(), format!("{}/…", long.repeat(2)));
    }

    proptest::proptest! {
        #[test]
        fn any_path_has_a_short_name(path in "\\PC{0,300}") {
            let page = Page::of(&path);
            proptest::prop_assert!(page.as_str().starts_with('/') && page.as_str().len() <= MOST_PAGE_BYTES);
            let again = Page::of(page.as_str());
            proptest::prop_assert_eq!(again.as_str(), page.as_str());
        }
    }
}
