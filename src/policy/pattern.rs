//! Path patterns: literal segments, `*` for one, `**` for any number, `{customer.id}` and the like for a grant's values.
//!
//! A pattern is held against the segments of a normalised path, decoded, so that one character has one meaning however it
//! was escaped. It never sees query or fragment. A slash at the end makes no difference, for few upstreams tell `/a/` from
//! `/a`, and a denial that a slash undoes is none.

use super::{Effect, FieldValues, InvalidTemplate, Template};
use crate::types::RequestPath;

/// A pattern as configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathPattern {
    source: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    Text(Template),
    One,
    Any,
}

/// A pattern that is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidPattern {
    /// It does not begin with a slash.
    #[error("a path pattern begins with /")]
    NoSlash,
    /// `a*` or the like.
    #[error("`*` and `**` stand for whole segments, as in /a/*/b or /a/**")]
    PartWildcard,
    /// Query or fragment in it.
    #[error("a path pattern has no query and no fragment; a rule's `when` may look at the query")]
    Query,
    /// `//`, or a dot segment.
    #[error("a path pattern has no empty and no dot segments, for no request path may have them")]
    Segment,
    /// A broken escape.
    #[error("`%` in a path pattern needs two hexadecimal digits of UTF-8 text behind it")]
    Escape,
    /// A field it may not name.
    #[error(transparent)]
    Field(#[from] InvalidTemplate),
}

/// A pattern with one grant's values filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CompiledPattern {
    segments: Vec<CompiledSegment>,
    /// How every path begins that it covers and that has no escapes: of many rules, most are told apart by that alone.
    beginning: Box<[u8]>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum CompiledSegment {
    Text(Box<[u8]>),
    One,
    Any,
    Never,
}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`InvalidPattern`] says what it may not hold.
    pub fn parse(source: &str) -> Result<Self, InvalidPattern> {
        let path = source.strip_prefix('/').ok_or(InvalidPattern::NoSlash)?;
        if path.contains(['?', '#']) {
            return Err(InvalidPattern::Query);
        }
        if path == "/" {
            return Err(InvalidPattern::Segment);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments =
            if path.is_empty() { Vec::new() } else { path.split('/').map(Segment::parse).collect::<Result<_, _>>()? };
        Ok(Self { source: source.to_owned(), segments })
    }

    /// The pattern as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The attributes it names, which the customer lists have to bring.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(|segment| {
            match segment {
                Segment::Text(template) => Some(template.attributes()),
                Segment::One | Segment::Any => None,
            }
            .into_iter()
            .flatten()
        })
    }

    /// Fills in one grant's values. A value that the grant does not have makes an allow match nothing and a deny match any
    /// segment in its place: either way nobody gains by it.
    pub(super) fn compile(&self, values: FieldValues<'_>, effect: Effect) -> CompiledPattern {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::One => CompiledSegment::One,
            Segment::Any => CompiledSegment::Any,
            Segment::Text(template) => match (template.fill(values), effect) {
                (Some(text), _) => CompiledSegment::Text(text.into_bytes().into_boxed_slice()),
                (None, Effect::Allow) => CompiledSegment::Never,
                (None, Effect::Deny) => CompiledSegment::One,
            },
        });
        CompiledPattern::new(segments.collect())
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        match text {
            "" | "." | ".." => Err(InvalidPattern::Segment),
            "*" => Ok(Self::One),
            "**" => Ok(Self::Any),
            _ if text.contains('*') => Err(InvalidPattern::PartWildcard),
            _ => Template::parse(text)?.map_text(decode).map(Self::Text),
        }
    }
}

/// A literal as people write it, escaped or not, in the form segments are compared in.
fn decode(text: &str) -> Result<String, InvalidPattern> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = rest.get(at + 3..).unwrap_or_default(),
            _ => return Err(InvalidPattern::Escape),
        }
    }
    percent_encoding::percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| InvalidPattern::Escape)
}

impl CompiledPattern {
    fn new(segments: Vec<CompiledSegment>) -> Self {
        let mut beginning = Vec::new();
        for segment in &segments {
            let CompiledSegment::Text(text) = segment else { break };
            beginning.push(b'/');
            beginning.extend_from_slice(text);
        }
        Self { segments, beginning: beginning.into() }
    }

    /// How every path begins that it covers and that has no escapes: with these whole segments.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// Whether the pattern covers a path. With a path that has two readings, a deny need cover but one of them and an allow
    /// must cover both, for we cannot know which one the upstream takes.
    pub(super) fn matches(&self, path: &RequestPath, effect: Effect) -> bool {
        if path.is_without_escapes() && !path.as_str().as_bytes().starts_with(&self.beginning) {
            return false;
        }
        let covers = self.covers(path.as_str());
        match (path.other_reading(), effect) {
            (None, _) => covers,
            (Some(other), Effect::Allow) => covers && self.covers(other),
            (Some(other), Effect::Deny) => covers || self.covers(other),
        }
    }

    /// Allocates nothing; at worst it takes the product of both lengths.
    fn covers(&self, text: &str) -> bool {
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let mut rest = if text.is_empty() { None } else { Some(text) };
        let mut pattern = self.segments.as_slice();
        // After a `**`, where to go on when a later segment does not fit: only the last one need be remembered.
        let mut resume: Option<(&[CompiledSegment], Option<&str>)> = None;
        loop {
            match (pattern.split_first(), rest) {
                (Some((CompiledSegment::Any, tail)), _) => {
                    resume = Some((tail, rest));
                    pattern = tail;
                    continue;
                }
                (Some((segment, tail)), Some(path)) => {
                    let (first, remaining) = split_segment(path);
                    if segment.covers(first) {
                        pattern = tail;
                        rest = remaining;
                        continue;
                    }
                }
                (None, None) => return true,
                (None, Some(_)) | (Some(_), None) => {}
            }
            // No fit here: let the last `**` take one segment more.
            match resume {
                Some((tail, Some(path))) => {
                    let (_, remaining) = split_segment(path);
                    resume = Some((tail, remaining));
                    pattern = tail;
                    rest = remaining;
                }
                _ => return false,
            }
        }
    }
}

fn split_segment(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    }
}

impl CompiledSegment {
    fn covers(&self, segment: &str) -> bool {
        match self {
            Self::Text(text) => percent_encoding::percent_decode_str(segment).eq(text.iter().copied()),
            Self::One => !segment.is_empty(),
            Self::Any | Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::grant;
    use crate::types::PathAllowances;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let grant = grant("ann@example.com", "a b");
        let values = FieldValues { grant: &grant, since: None, level: None };
        let allowed = PathAllowances::new(crate::types::Ambiguity::ALLOWABLE);
        let path = RequestPath::parse(path.as_bytes(), &allowed).expect("a path");
        PathPattern::parse(pattern).expect("a pattern").compile(values, Effect::Allow).matches(&path, Effect::Allow)
    }

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for path in yes {
            assert!(matches(pattern, path), "{pattern} should match {path}");
        }
        for path in no {
            assert!(!matches(pattern, path), "{pattern} should not match {path}");
        }
    }

    #[test]
    fn patterns_match_whole_segments() {
        check("/", &["/"], &["/a"]);
        check("/a/b", &["/a/b", "/a/b/", "/%61/b"], &["/a", "/a/bc", "/a/b/c", "/A/b"]);
        check("/a/*", &["/a/b", "/a/b/"], &["/a", "/a/", "/a/b/c"]);
        check("/a/**", &["/a", "/a/", "/a/b", "/a/b/c/d"], &["/", "/ab", "/b/a"]);
        check("/**", &["/", "/a", "/a/b"], &[]);
        check("/**/b/*/c", &["/b/x/c", "/a/b/x/c", "/b/b/x/c", "/b/x/y/b/z/c"], &["/b/c", "/b/x/c/d"]);
        check("/a:b", &["/a:b", "/a%3Ab"], &["/a%3A"]);
        check("/caf%C3%A9", &["/caf%c3%a9"], &["/cafe"]);
    }

    #[test]
    fn a_grants_values_stand_for_themselves_alone() {
        check("/c/{customer.id}/**", &["/c/a%20b/x"], &["/c/a%20c/x", "/c/*/x", "/c//x", "/c/x"]);
        check("/u-{email}", &["/u-ann@example.com", "/u-ann%40example.com"], &["/u-bob@example.com"]);
    }

    #[test]
    fn a_path_with_two_readings_is_denied_by_either_and_allowed_by_both() {
        let grant = grant("ann@example.com", "42");
        let values = FieldValues { grant: &grant, since: None, level: None };
        let allowed = PathAllowances::new(crate::types::Ambiguity::ALLOWABLE);
        let check = |effect, pattern: &str, path: &str| {
            let path = RequestPath::parse(path.as_bytes(), &allowed).expect("a path");
            PathPattern::parse(pattern).expect("a pattern").compile(values, effect).matches(&path, effect)
        };
        for path in [
            "/admin%2fusers",
            "//admin/users",
            "/admin;x/users",
            "/admin%5cusers",
            "/%2561dmin/users",
            "/%252561dmin/users",
            "/admin%252fusers",
        ] {
            assert!(check(Effect::Deny, "/admin/**", path), "{path}");
            assert!(!check(Effect::Allow, "/*", path), "{path}");
        }
        assert!(check(Effect::Allow, "/files/**", "/files/a%2fb"));
        assert!(check(Effect::Deny, "/admin", "/admin%3fusers") && check(Effect::Deny, "/admin", "/admin%23/users"));
        assert!(check(Effect::Allow, "/files/100%25", "/files/100%25"));
    }

    #[test]
    fn a_missing_value_admits_nobody() {
        let mut grant = grant("ann@example.com", "42");
        grant.customer = None;
        let values = FieldValues { grant: &grant, since: None, level: None };
        let path = RequestPath::parse(b"/c/42/x", &PathAllowances::default()).expect("a path");
        let pattern = PathPattern::parse("/c/{customer.id}/x").expect("a pattern");
        assert!(!pattern.compile(values, Effect::Allow).matches(&path, Effect::Allow));
        assert!(pattern.compile(values, Effect::Deny).matches(&path, Effect::Deny));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        use InvalidPattern as I;
        for (text, expected) in [
            ("a", I::NoSlash),
            ("/a*", I::PartWildcard),
            ("/***", I::PartWildcard),
            ("/a?b", I::Query),
            ("/a#b", I::Query),
            ("//", I::Segment),
            ("/a//b", I::Segment),
            ("/../b", I::Segment),
            ("/%zz", I::Escape),
            ("/%ff", I::Escape),
            ("/{customer", I::Field(InvalidTemplate::Brace)),
            ("/{nobody}", I::Field(InvalidTemplate::UnknownField("nobody".to_owned()))),
        ] {
            assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn how_a_path_begins_decides_no_other_way_than_all_of_it(
            pattern in "(/(a|ab|b|\\*|\\*\\*)){0,4}",
            path in "(/(a|ab|b|%61|a%62)){0,4}/?",
        ) {
            let grant = grant("ann@example.com", "a b");
            let values = FieldValues { grant: &grant, since: None, level: None };
            let compiled = PathPattern::parse(&format!("{pattern}/")).expect("a pattern").compile(values, Effect::Allow);
            let path = if path.is_empty() { "/" } else { &path };
            let path = RequestPath::parse(path.as_bytes(), &PathAllowances::default()).expect("a path");
            prop_assert_eq!(compiled.matches(&path, Effect::Allow), compiled.covers(path.as_str()));
        }

        #[test]
        fn attack_02_a_query_or_fragment_never_helps(path in "(/[a-c]{1,2}){0,4}", tail in "[?#][ -~]{0,20}", pattern in "(/([a-c]|\\*|\\*\\*)){1,4}") {
            // The corridor cuts query and fragment off before rules; a path that still holds one is refused.
            let whole = format!("/{}{tail}", path.trim_start_matches('/'));
            prop_assert!(RequestPath::parse(whole.as_bytes(), &PathAllowances::default()).is_err());
            let _ = matches(&pattern, &format!("/{}", path.trim_start_matches('/')));
        }

        #[test]
        fn matching_agrees_with_a_plain_definition(path in "(/[ab]){1,6}", pattern in "(/([ab]|\\*|\\*\\*)){1,5}") {
            fn plain(pattern: &[&str], path: &[&str]) -> bool {
                match pattern.split_first() {
                    None => path.is_empty(),
                    Some((&"**", tail)) => (0..=path.len()).any(|taken| plain(tail, &path[taken..])),
                    Some((&"*", tail)) => !path.is_empty() && plain(tail, &path[1..]),
                    Some((text, tail)) => path.first() == Some(text) && plain(tail, &path[1..]),
                }
            }
            let split = |text: &'static str| text.split('/').skip(1).collect::<Vec<_>>();
            let expected = plain(&split(pattern.clone().leak()), &split(path.clone().leak()));
            prop_assert_eq!(matches(&pattern, &path), expected, "{} {}", pattern, path);
        }
    }
}
