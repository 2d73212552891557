//! What a rule narrows: the query that goes to the app, and what comes back.
//!
//! Names and conditions only; `crate::filters` does the work on the bytes.

use std::sync::Arc;

use super::{Condition, FieldValues, Template};

/// The filters of one rule, as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// Parameters that are set, whatever the client sends under these names.
    pub query: Vec<(String, Template)>,
    /// The only parameters of the client's own that go on; all, when left out.
    pub query_only: Option<Vec<String>>,
    /// Parameters whose value names members, such as `sort`: a hidden member there is refused.
    pub field_params: Vec<String>,
    /// Members that are removed.
    pub hide: Vec<MemberPath>,
    /// Members whose value is replaced.
    pub set: Vec<(MemberPath, serde_json::Value)>,
    /// Which elements of an array are kept.
    pub rows: Option<RowFilter>,
    /// CSS selectors of elements that are removed.
    pub remove: Vec<String>,
    /// Content types that are let through as they are.
    pub pass: Vec<MediaRange>,
}

/// Which elements of an array, or lines of a table, are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFilter {
    /// Which array.
    pub at: RowsAt,
    /// Kept where this is true.
    pub keep: Condition,
}

/// Where the rows of an answer stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RowsAt {
    /// The answer itself if it is an array, else every outermost array in it; an answer without any is one row.
    Found,
    /// The answer itself is one row; if it is an array, its elements are.
    Top,
    /// The array there.
    Path(MemberPath),
}

/// A member of JSON: a name at any depth, or a way from the top. CSV's columns are members too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MemberPath {
    /// The name, wherever it stands.
    Anywhere(String),
    /// The steps from the top.
    From(Vec<Step>),
}

/// One step into JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// To the member of this name.
    Name(String),
    /// To every element of an array: `[]`.
    Each,
}

/// A text that names no member.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidMemberPath {
    /// Nothing there.
    #[error("the name is empty")]
    Empty,
    /// Brackets that are not `[]` right behind a name.
    #[error("`[]` stands right behind a name, as in rows[].price; an index in it has no meaning")]
    Brackets,
    /// A dot at an end, or two together.
    #[error("a part between dots is empty")]
    EmptyPart,
    /// A quote that is not closed.
    #[error("a quote is not closed")]
    Quote,
    /// Deeper than answers are read.
    #[error("it is deeper than {MOST_STEPS} steps")]
    TooDeep,
}

const MOST_STEPS: usize = 32;

impl MemberPath {
    /// Parses `price` (anywhere), `rows[].price`, `$.price` (only at the top), `[].price` (in an array at the top), or
    /// `rows[]."unit.price"`.
    ///
    /// # Errors
    /// [`InvalidMemberPath`]
    pub fn parse(text: &str) -> Result<Self, InvalidMemberPath> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidMemberPath::Empty);
        }
        let (mut rest, is_anchored) = match text.strip_prefix("$.").or_else(|| text.strip_prefix('$')) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let mut steps = Vec::new();
        let mut after_name = false;
        while !rest.is_empty() {
            if steps.len() >= MOST_STEPS {
                return Err(InvalidMemberPath::TooDeep);
            }
            if let Some(tail) = rest.strip_prefix("[]") {
                steps.push(Step::Each);
                rest = tail;
                after_name = true;
            } else if let Some(tail) = rest.strip_prefix('.').filter(|_| after_name) {
                if tail.is_empty() || tail.starts_with(['.', '[']) {
                    return Err(InvalidMemberPath::EmptyPart);
                }
                rest = tail;
                after_name = false;
            } else if after_name || rest.starts_with(['[', ']']) {
                return Err(InvalidMemberPath::Brackets);
            } else if let Some(quoted) = rest.strip_prefix('"') {
                let (name, tail) = quoted.split_once('"').ok_or(InvalidMemberPath::Quote)?;
                steps.push(Step::Name(name.to_owned()));
                rest = tail;
                after_name = true;
            } else {
                let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
                let (name, tail) = rest.split_at(end);
                if name.is_empty() {
                    return Err(InvalidMemberPath::EmptyPart);
                }
                steps.push(Step::Name(name.to_owned()));
                rest = tail;
                after_name = true;
            }
        }
        match (steps.as_slice(), is_anchored) {
            ([], _) => Err(InvalidMemberPath::Empty),
            ([Step::Name(name)], false) => Ok(Self::Anywhere(name.clone())),
            _ => Ok(Self::From(steps)),
        }
    }

    /// The last name of the way, by which a query would speak of the member.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Anywhere(name) => Some(name),
            Self::From(steps) => steps.iter().rev().find_map(|step| match step {
                Step::Name(name) => Some(name.as_str()),
                Step::Each => None,
            }),
        }
    }
}

impl std::fmt::Display for MemberPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |name: &str| if name.contains(['.', '[', ']']) { format!("\"{name}\"") } else { name.to_owned() };
        match self {
            Self::Anywhere(text) => formatter.write_str(&name(text)),
            Self::From(steps) => {
                if matches!(steps.as_slice(), [Step::Name(_)]) {
                    formatter.write_str("$.")?;
                }
                for (number, step) in steps.iter().enumerate() {
                    match step {
                        Step::Each => formatter.write_str("[]")?,
                        Step::Name(text) if number == 0 => formatter.write_str(&name(text))?,
                        Step::Name(text) => write!(formatter, ".{}", name(text))?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// A content type, or a family of them: `image/*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaRange(String);

impl MediaRange {
    /// Parses `type/subtype`, `type/*` or `*/*` (RFC 9110, section 12.5.1), without parameters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (kind, subtype) = text.split_once('/')?;
        let is_token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
        };
        let is_whole = is_token(kind) && (is_token(subtype) || subtype == "*");
        (is_whole || text == "*/*").then_some(Self(text))
    }

    /// Whether a content type, without its parameters and in lower case, is one of them.
    #[must_use]
    pub fn covers(&self, essence: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some("*/") => true,
            Some(family) => essence.starts_with(family),
            None => self.0 == essence,
        }
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Filters {
    /// Whether an answer has to be looked at: what only names the query leaves answers alone.
    #[must_use]
    pub fn touches_answers(&self) -> bool {
        self.touches_data() || !self.remove.is_empty()
    }

    /// Whether JSON and CSV are filtered.
    #[must_use]
    pub fn touches_data(&self) -> bool {
        !self.hide.is_empty() || !self.set.is_empty() || self.rows.is_some()
    }

    /// Whether the client's query may not go on as it is.
    #[must_use]
    pub fn touches_query(&self) -> bool {
        !self.query.is_empty() || self.query_only.is_some() || !self.hide.is_empty() || !self.set.is_empty()
    }

    /// Fills in one person's values; `None` where a forced parameter has none, for then nothing is safe to ask.
    pub(super) fn compile(self: &Arc<Self>, values: FieldValues<'_>) -> Option<CompiledFilters> {
        let fill = |(name, template): &(String, Template)| Some((name.clone(), template.fill(values)?));
        let query = self.query.iter().map(fill).collect::<Option<_>>()?;
        Some(CompiledFilters { filters: Arc::clone(self), query })
    }
}

/// A rule's filters with one person's values filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct CompiledFilters {
    filters: Arc<Filters>,
    query: Vec<(String, String)>,
}

impl CompiledFilters {
    /// As configured.
    #[must_use]
    pub fn filters(&self) -> &Arc<Filters> {
        &self.filters
    }

    /// Whether a query sorts, selects or searches by a hidden member: `price__gt=5`, `filter[price]=5`, or `price` in the value of
    /// a parameter that names members.
    pub(super) fn asks_for_hidden(&self, query: Option<&str>) -> bool {
        query.is_some_and(|query| super::hidden::asks(&self.filters, query))
    }

    /// The parameters that are set, with their values.
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }
}

impl std::fmt::Display for Filters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        let list = |items: Vec<String>| items.join(", ");
        if !self.query.is_empty() {
            let pairs = self.query.iter().map(|(name, value)| format!("{name}={}", value.source())).collect();
            parts.push(format!("query {}", list(pairs)));
        }
        if let Some(only) = &self.query_only {
            parts.push(if only.is_empty() {
                "no query of the client's".to_owned()
            } else {
                format!("query only {}", list(only.clone()))
            });
        }
        if !self.hide.is_empty() {
            parts.push(format!("hide {}", list(self.hide.iter().map(ToString::to_string).collect())));
        }
        if !self.set.is_empty() {
            let pairs = self.set.iter().map(|(path, value)| format!("{path} = {value}")).collect();
            parts.push(format!("set {}", list(pairs)));
        }
        if let Some(rows) = &self.rows {
            let at = match &rows.at {
                RowsAt::Found => String::new(),
                RowsAt::Top => " at $".to_owned(),
                RowsAt::Path(path) => format!(" at {path}"),
            };
            parts.push(format!("rows{at} where {}", rows.keep.source()));
        }
        if !self.remove.is_empty() {
            parts.push(format!("remove {}", list(self.remove.clone())));
        }
        if !self.pass.is_empty() {
            parts.push(format!("pass {}", list(self.pass.iter().map(|range| range.0.clone()).collect())));
        }
        formatter.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_anywhere_and_a_way_begins_at_the_top() {
        for (text, expected) in [
            ("price", Ok("price")),
            ("$.price", Ok("$.price")),
            ("rows[].price", Ok("rows[].price")),
            ("[].price", Ok("[].price")),
            ("$[].price", Ok("[].price")),
            ("a[][].b", Ok("a[][].b")),
            ("rows[].\"unit.price\"", Ok("rows[].\"unit.price\"")),
            ("data.rows", Ok("data.rows")),
            ("", Err(InvalidMemberPath::Empty)),
            ("$", Err(InvalidMemberPath::Empty)),
            ("a..b", Err(InvalidMemberPath::EmptyPart)),
            ("a.", Err(InvalidMemberPath::EmptyPart)),
            (".a", Err(InvalidMemberPath::EmptyPart)),
            ("a[0]", Err(InvalidMemberPath::Brackets)),
            ("a[]b", Err(InvalidMemberPath::Brackets)),
            ("\"a", Err(InvalidMemberPath::Quote)),
        ] {
            let shown = MemberPath::parse(text).map(|path| path.to_string());
            assert_eq!(shown.as_deref(), expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn media_ranges_cover_families() {
        let covers = |range: &str, essence: &str| MediaRange::parse(range).map(|range| range.covers(essence));
        assert_eq!(covers("image/*", "image/png"), Some(true));
        assert_eq!(covers("image/*", "imagery/png"), Some(false));
        assert_eq!(covers("text/css", "text/css"), Some(true));
        assert_eq!(covers("*/*", "text/css"), Some(true));
        assert_eq!((covers("image", ""), covers("*/png", ""), covers("a/b;c=d", "")), (None, None, None));
    }
}
