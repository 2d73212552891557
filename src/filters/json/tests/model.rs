//! What the filter does, written plainly for a whole document in memory, and the check that holds the streaming one against it.
//!
//! The fuzz targets take this file in as well.

use super::sample;
use crate::filters::json::{Documents, JsonFilter};
use crate::filters::{MOST_DEPTH, Unfilterable, Work};
use crate::policy::{Condition, Element, Filters, MemberPath, RowFilter, RowsAt, Scope, Step};

/// `hide price, rows[].total | set note="x" | at rows | rows row.customer == 42`, each part at most once.
pub(crate) fn rule(text: &str) -> Work {
    let mut filters = Filters::default();
    let mut at = RowsAt::Found;
    let path = |text: &str| MemberPath::parse(text).expect("a member");
    let mut is_error = false;
    for part in text.split('|').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once(' ').unwrap_or((part, "")) {
            ("hide", names) => filters.hide = names.split(',').map(path).collect(),
            ("set", pairs) => {
                let pairs = pairs.split(',').map(|pair| pair.split_once('=').expect("a pair"));
                filters.set =
                    pairs.map(|(name, value)| (path(name), serde_json::from_str(value).expect("JSON"))).collect();
            }
            ("at", "$") => at = RowsAt::Top,
            ("at", text) => {
                at = RowsAt::Path(path(&if text.starts_with('[') { text.to_owned() } else { format!("$.{text}") }))
            }
            ("rows", keep) => {
                let keep = Condition::compile(keep, Scope::Answer).expect("a condition");
                filters.rows = Some(RowFilter { at: at.clone(), keep });
            }
            ("error", _) => is_error = true,
            other => panic!("{other:?}"),
        }
    }
    Work { is_error, most_row_bytes: 1 << 20, ..sample::work(filters) }
}

/// What the filter makes of a text that comes in pieces of these sizes, over and over; with no sizes, in one piece.
pub(crate) fn streamed(
    work: &Work,
    documents: Documents,
    text: &[u8],
    sizes: &[usize],
) -> (Vec<u8>, Result<(), Unfilterable>) {
    let mut out = Vec::new();
    let done = (|| {
        let mut filter = JsonFilter::new(work, documents)?;
        let mut rest = text;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            let (piece, tail) = rest.split_at(size);
            // As the proxy does it, with an own buffer each time.
            let mut part = Vec::new();
            let done = filter.push(piece, &mut part);
            out.append(&mut part);
            done?;
            rest = tail;
        }
        filter.finish(&mut out)
    })();
    (out, done)
}

/// Holds the streaming filter against the model; answers what left.
pub(crate) fn check(work: &Work, documents: Documents, text: &[u8], sizes: &[usize]) -> Option<Vec<u8>> {
    let (out, done) = streamed(work, documents, text, sizes);
    let shown = || String::from_utf8_lossy(text).into_owned();
    let expected = match documents {
        Documents::One => parse(text).and_then(|tree| filtered(work, tree.as_ref(), false)).map(Vec::from_iter),
        Documents::EachLine => lines(work, text),
    };
    match (&expected, &done) {
        (Ok(expected), Ok(())) => {
            let parts = match documents {
                Documents::One => vec![out.as_slice()],
                Documents::EachLine => out.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).collect(),
            };
            let left: Result<Vec<Option<Tree>>, _> = parts.into_iter().map(parse).collect();
            let left: Vec<Tree> =
                left.unwrap_or_else(|_| panic!("no JSON left: {out:?}")).into_iter().flatten().collect();
            assert_eq!(&left, expected, "{}", shown());
        }
        (Err(_), Err(_)) => {}
        // The model has no limits on bytes.
        (Ok(_), Err(Unfilterable::RowTooLarge)) => return None,
        _ => panic!("{}: expected {expected:?}, and it was {done:?} with {}", shown(), String::from_utf8_lossy(&out)),
    }
    let (in_one, done_in_one) = streamed(work, documents, text, &[]);
    assert_eq!(done.is_ok(), done_in_one.is_ok(), "{}", shown());
    if done.is_ok() {
        assert_eq!(out, in_one, "however it is cut, the same leaves");
    }
    done.is_ok().then_some(out)
}

/// JSON, with strings and numbers as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Scalar(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Why a whole document is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    Malformed,
    TooDeep,
    RowsElsewhere,
    NotKept,
}

/// Reads a document; nothing, if there is nothing at all.
fn parse(text: &[u8]) -> Result<Option<Tree>, Refused> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).filter(|rest| !rest.is_empty()).unwrap_or(text);
    if text.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(text).map_err(|_| Refused::Malformed)?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| Refused::Malformed)?;
    let mut depth = 0;
    let mut reader = Reader { rest: text };
    while let Some(token) = reader.token() {
        match token {
            "{" | "[" => depth += 1,
            "}" | "]" => depth -= 1,
            _ => {}
        }
        if depth > MOST_DEPTH {
            return Err(Refused::TooDeep);
        }
    }
    Ok(Some(Reader { rest: text }.value()))
}

/// Reads what is known to be JSON.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn token(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches([' ', '\t', '\r', '\n', ',', ':']);
        let first = text.chars().next()?;
        let end = match first {
            '{' | '}' | '[' | ']' => 1,
            '"' => {
                let mut is_escaped = false;
                let closing = text.bytes().skip(1).position(|byte| {
                    let closes = byte == b'"' && !is_escaped;
                    is_escaped = byte == b'\\' && !is_escaped;
                    closes
                });
                closing.expect("a closing quote") + 2
            }
            _ => text.find([' ', '\t', '\r', '\n', ',', ']', '}']).unwrap_or(text.len()),
        };
        let (token, rest) = text.split_at(end);
        self.rest = rest;
        Some(token)
    }

    fn value(&mut self) -> Tree {
        let token = self.token().expect("a value");
        self.value_from(token)
    }

    fn value_from(&mut self, token: &str) -> Tree {
        match token {
            "[" => {
                let mut items = Vec::new();
                loop {
                    match self.token().expect("an element or the end") {
                        "]" => return Tree::Array(items),
                        token => items.push(self.value_from(token)),
                    }
                }
            }
            "{" => {
                let mut members = Vec::new();
                loop {
                    match self.token().expect("a member or the end") {
                        "}" => return Tree::Object(members),
                        name => members.push((name.to_owned(), self.value())),
                    }
                }
            }
            scalar => Tree::Scalar(scalar.to_owned()),
        }
    }
}

impl Tree {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(items) => format!("[{}]", items.iter().map(Self::text).collect::<Vec<_>>().join(",")),
            Self::Object(members) => {
                let members = members.iter().map(|(name, value)| format!("{name}:{}", value.text()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn lines(work: &Work, text: &[u8]) -> Result<Vec<Tree>, Refused> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut left = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        if is_blank(line) {
            continue;
        }
        if line.starts_with("\u{feff}".as_bytes()) {
            return Err(Refused::Malformed);
        }
        left.extend(filtered(work, parse(line)?.as_ref(), true)?);
    }
    Ok(left)
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| b" \t\r".contains(byte))
}

fn filtered(work: &Work, tree: Option<&Tree>, is_line: bool) -> Result<Option<Tree>, Refused> {
    let Some(tree) = tree else { return Ok(None) };
    let model = Model { work, filters: work.filters() };
    let at = model.filters.rows.as_ref().map(|rows| &rows.at);
    let is_row = match at {
        None => false,
        Some(_) if is_line => true,
        Some(RowsAt::Path(_)) => false,
        Some(_) if matches!(tree, Tree::Array(_)) => false,
        Some(RowsAt::Found) => !work.is_error && !model.has_array(tree, &mut Vec::new()),
        Some(RowsAt::Top) => !work.is_error || model.has_array(tree, &mut Vec::new()),
    };
    if is_row && !model.keeps(tree) {
        return if is_line { Ok(None) } else { Err(Refused::NotKept) };
    }
    if at == Some(&RowsAt::Found) && !is_line && !work.is_error && model.is_row_of_rows(tree) {
        return Err(Refused::NotKept);
    }
    if matches!(at, Some(RowsAt::Path(_))) && !is_line && !work.is_error && !model.has_rows(tree, &mut Vec::new()) {
        return Err(Refused::RowsElsewhere);
    }
    // Nothing in a line is a row of its own, nor in a document that is one, whether it was asked or not.
    let is_inside = is_row || (at == Some(&RowsAt::Top) && !matches!(tree, Tree::Array(_)));
    model.value(tree, &mut Vec::new(), is_inside)
}

struct Model<'a> {
    work: &'a Work,
    filters: &'a Filters,
}

impl Model<'_> {
    fn keeps(&self, row: &Tree) -> bool {
        Element::from_json(row.text().as_bytes()).is_ok_and(|row| self.work.judge().keeps(row))
    }

    /// What leaves of a value; nothing, if it is hidden.
    fn value(&self, tree: &Tree, way: &mut Vec<Step>, in_row: bool) -> Result<Option<Tree>, Refused> {
        if self.is_hidden(way) {
            return Ok(None);
        }
        if let Some(constant) = self.constant(way) {
            return Ok(parse(constant.as_bytes()).expect("JSON"));
        }
        let path = match self.filters.rows.as_ref().map(|rows| &rows.at) {
            Some(RowsAt::Path(path)) if !in_row => Some(steps(path)),
            _ => None,
        };
        let is_there = path.as_ref().is_some_and(|path| are_same(path, way));
        if is_there && !matches!(tree, Tree::Array(_)) && !self.work.is_error {
            return Err(Refused::RowsElsewhere);
        }
        match tree {
            Tree::Scalar(_) => Ok(Some(tree.clone())),
            Tree::Object(members) => {
                let mut left = Vec::new();
                for (name, value) in members {
                    way.push(Step::Name(name.clone()));
                    left.extend(self.value(value, way, in_row)?.map(|value| (name.clone(), value)));
                    way.pop();
                }
                Ok(Some(Tree::Object(left)))
            }
            Tree::Array(items) => {
                let are_rows = !in_row
                    && match self.filters.rows.as_ref().map(|rows| &rows.at) {
                        None => false,
                        Some(RowsAt::Found) => true,
                        Some(RowsAt::Top) => way.is_empty(),
                        Some(RowsAt::Path(_)) => is_there,
                    };
                let is_elsewhere = path.is_some_and(|path| {
                    let is_on_the_way =
                        path.len() > way.len() && are_same(&path[..way.len()], way) && path[way.len()] == Step::Each;
                    !is_there && !is_on_the_way
                });
                let mut left = Vec::new();
                for item in items {
                    way.push(Step::Each);
                    let is_replaced = self.is_hidden(way) || self.constant(way).is_some();
                    if is_elsewhere && !is_replaced && !matches!(item, Tree::Scalar(_)) {
                        return Err(Refused::RowsElsewhere);
                    }
                    if !are_rows || self.keeps(item) {
                        left.extend(self.value(item, way, in_row || are_rows)?);
                    }
                    way.pop();
                }
                Ok(Some(Tree::Array(left)))
            }
        }
    }

    /// Whether there is an array outside of what is hidden or replaced.
    fn has_array(&self, tree: &Tree, way: &mut Vec<Step>) -> bool {
        if self.is_hidden(way) || self.constant(way).is_some() {
            return false;
        }
        match tree {
            Tree::Scalar(_) => false,
            Tree::Array(_) => true,
            Tree::Object(members) => members.iter().any(|(name, value)| {
                way.push(Step::Name(name.clone()));
                let found = self.has_array(value, way);
                way.pop();
                found
            }),
        }
    }

    /// Whether a document holds rows and has, outside of them, a member that rows are asked for.
    fn is_row_of_rows(&self, tree: &Tree) -> bool {
        let asked: Vec<String> = self.filters.rows.iter().flat_map(|rows| rows.keep.row_members()).collect();
        self.has_array(tree, &mut Vec::new()) && self.has_member(tree, &asked, &mut Vec::new())
    }

    fn has_member(&self, tree: &Tree, names: &[String], way: &mut Vec<Step>) -> bool {
        let Tree::Object(members) = tree else { return false };
        let is_replaced = self.is_hidden(way) || self.constant(way).is_some();
        !is_replaced
            && members.iter().any(|(name, value)| {
                way.push(Step::Name(name.clone()));
                let is_named = |known: &String| is_same(&Step::Name(known.clone()), &Step::Name(name.clone()));
                let found = names.iter().any(is_named) || self.has_member(value, names, way);
                way.pop();
                found
            })
    }

    /// Whether an array of rows, or one on the way to them, is there and not hidden or replaced.
    fn has_rows(&self, tree: &Tree, way: &mut Vec<Step>) -> bool {
        if self.is_hidden(way) || self.constant(way).is_some() {
            return false;
        }
        match (tree, self.filters.rows.as_ref().map(|rows| &rows.at)) {
            (Tree::Array(_), Some(RowsAt::Path(path))) => {
                let path = steps(path);
                let is_on_the_way = path.len() > way.len() && path[way.len()] == Step::Each;
                are_same(&path, way) || (is_on_the_way && are_same(&path[..way.len()], way))
            }
            (Tree::Object(members), _) => members.iter().any(|(name, value)| {
                way.push(Step::Name(name.clone()));
                let found = self.has_rows(value, way);
                way.pop();
                found
            }),
            _ => false,
        }
    }

    fn is_hidden(&self, way: &[Step]) -> bool {
        self.filters.hide.iter().any(|path| means(path, way))
    }

    fn constant(&self, way: &[Step]) -> Option<String> {
        let is_exact = |path: &MemberPath| matches!(path, MemberPath::From(_));
        let found = |exact: bool| self.filters.set.iter().find(|(path, _)| is_exact(path) == exact && means(path, way));
        found(true).or_else(|| found(false)).map(|(_, value)| value.to_string())
    }
}

fn means(path: &MemberPath, way: &[Step]) -> bool {
    match path {
        MemberPath::Anywhere(name) => way.last().is_some_and(|last| is_same(&Step::Name(name.clone()), last)),
        MemberPath::From(steps) => are_same(steps, way),
    }
}

/// The way to the array of rows: `rows` and `rows[]` are the same.
fn steps(path: &MemberPath) -> Vec<Step> {
    match path {
        MemberPath::Anywhere(name) => vec![Step::Name(name.clone())],
        MemberPath::From(steps) => steps.strip_suffix(&[Step::Each]).unwrap_or(steps).to_vec(),
    }
}

fn are_same(path: &[Step], way: &[Step]) -> bool {
    path.len() == way.len() && path.iter().zip(way).all(|(step, at)| is_same(step, at))
}

/// Whether a configured step is a step of the document, whose names are as written there: in quotes, with escapes.
fn is_same(step: &Step, at: &Step) -> bool {
    match (step, at) {
        (Step::Each, Step::Each) => true,
        (Step::Name(name), Step::Name(written)) => {
            serde_json::from_str::<String>(written).is_ok_and(|written| written.eq_ignore_ascii_case(name))
        }
        _ => false,
    }
}
