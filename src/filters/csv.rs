//! CSV and TSV: columns are hidden or set, lines dropped, while the table streams through.
//!
//! Read strictly as RFC 4180 has it, for readers differ on what is not: a quote inside a field that is not quoted, text behind a
//! closing quote, a carriage return alone, a line with more or fewer fields than the header row. Such a table is refused, since
//! what we took for one column might be another one to whoever reads it. What is kept is kept byte for byte, quotes and line
//! ends included, so nothing has to be quoted anew but the values of `set`.
//!
//! The first line is the header row. A column is hidden if its name, or a part of it between dots, slashes, brackets or `__`, is
//! the member's: where `price` is hidden, so are `order.price` and `items[0].price`, as tools write nested JSON into tables.
//! Reports often begin with a title. So a table is refused where a hidden column's name stands in one of the first lines below the
//! first one, or where the first line has one field and a line below looks like several.
//! A table of which every column is hidden is refused, for what would be left are empty lines that count its rows.

use std::ops::Range;

use serde_json::Value;

use super::{Judge, Unfilterable, Work};
use crate::policy::{Element, MemberPath};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// So many lines may be a title, and a header row stand below it.
const MOST_TITLE_LINES: u64 = 20;

/// Filters a table piece by piece.
#[derive(Debug)]
pub struct CsvFilter {
    work: Work,
    judge: Judge,
    /// What divides the columns, once it is known.
    delimiter: Option<u8>,
    /// Whether the content type said so.
    is_told: bool,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// Whether a quote is open at the end of `line`.
    in_quotes: bool,
    /// Lines so far, for messages.
    number: u64,
    header: Option<Header>,
    /// Where the fields of the line at hand are.
    fields: Vec<Range<usize>>,
}

#[derive(Debug)]
struct Header {
    names: Vec<String>,
    columns: Vec<Column>,
    /// No column is hidden or set.
    is_untouched: bool,
    /// The only column that is left, where an empty field would make an empty line.
    is_single: bool,
}

#[derive(Clone, Debug)]
enum Column {
    Kept,
    Hidden,
    /// Every value of it is this text, quoted where it must be.
    Set(Vec<u8>),
}

impl CsvFilter {
    /// For one answer. Without a delimiter the header row tells it: a comma, or a semicolon or tab where it has no comma.
    ///
    /// # Errors
    /// None; the shape is one that all engines share.
    pub fn new(work: &Work, delimiter: Option<u8>) -> Result<Self, Unfilterable> {
        Ok(Self {
            work: work.clone(),
            judge: work.judge(),
            delimiter,
            is_told: delimiter.is_some(),
            line: Vec::new(),
            in_quotes: false,
            number: 0,
            header: None,
            fields: Vec::new(),
        })
    }

    /// Filters a piece.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`], [`Unfilterable::RowTooLarge`]
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let end = self.line_end(rest);
            let (piece, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            if self.line.len() + piece.len() > self.work.most_row_bytes {
                return Err(Unfilterable::RowTooLarge);
            }
            if end.is_none() {
                self.line.extend_from_slice(piece);
            } else if self.line.is_empty() {
                self.take(piece, out)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(piece);
                self.take(&line, out)?;
                // The allocation serves the next line that is cut.
                line.clear();
                self.line = line;
            }
            rest = tail;
        }
        Ok(())
    }

    /// The end of the answer. The last line may lack its line end.
    ///
    /// # Errors
    /// [`Unfilterable::Malformed`]
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if self.in_quotes {
            return Err(self.malformed("a quote is not closed"));
        }
        let line = std::mem::take(&mut self.line);
        if line.is_empty() { Ok(()) } else { self.take(&line, out) }
    }

    /// Where the line ends in a piece, behind its line feed. Quotes come in pairs wherever [`split`] takes the line.
    fn line_end(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, byte) in piece.iter().enumerate() {
            match byte {
                b'"' => self.in_quotes = !self.in_quotes,
                b'\n' if !self.in_quotes => return Some(at + 1),
                _ => {}
            }
        }
        None
    }

    /// Filters a whole line.
    fn take(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.number = self.number.saturating_add(1);
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.number == 1 => {
                out.extend_from_slice(BYTE_ORDER_MARK);
                rest
            }
            _ => line,
        };
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content.strip_suffix(b"\r").filter(|_| line.ends_with(b"\n")).unwrap_or(content);
        if content.is_empty() {
            // A blank line says nothing; in a table of one column it may be a row, which is somebody's.
            if self.work.filters().rows.is_none() || self.header.is_none() {
                out.extend_from_slice(line);
            }
            return Ok(());
        }
        let text = std::str::from_utf8(content).map_err(|_| self.malformed("it is not UTF-8 text"))?;
        if text.contains('\0') {
            return Err(self.malformed("it holds a NUL"));
        }
        let end = line.get(content.len()..).unwrap_or_default();
        let Some(header) = self.header.take() else {
            let header = self.read_header(text)?;
            header.write(text, &self.fields, self.delimiter.unwrap_or(b','), Part::Names, out);
            out.extend_from_slice(end);
            self.header = Some(header);
            return Ok(());
        };
        let delimiter = self.delimiter.unwrap_or(b',');
        let mut fields = std::mem::take(&mut self.fields);
        split(text, delimiter, &mut fields).map_err(|what| self.malformed(what))?;
        if fields.len() != header.columns.len() {
            return Err(self.malformed("it has more or fewer fields than the header row"));
        }
        self.look_for_header(&header, text, &fields)?;
        if self.keeps(&header, text, &fields) {
            header.write(text, &fields, delimiter, Part::Values, out);
            out.extend_from_slice(end);
        }
        self.fields = fields;
        self.header = Some(header);
        Ok(())
    }

    /// Refuses a table whose first line was a title rather than its header row.
    fn look_for_header(&self, header: &Header, text: &str, fields: &[Range<usize>]) -> Result<(), Unfilterable> {
        let is_undivided = header.columns.len() == 1 && !self.is_told;
        if is_undivided && !text.starts_with('"') && text.contains([';', '\t', '|']) {
            return Err(self.malformed("there is no telling what divides the columns, for the header row has one"));
        }
        if !header.is_untouched || self.number > MOST_TITLE_LINES {
            return Ok(());
        }
        let filters = self.work.filters();
        let is_hidden = |name: &str| {
            let paths = filters.hide.iter().chain(filters.set.iter().map(|(path, _)| path));
            paths.into_iter().any(|path| is_named(name, path))
        };
        let mut names = fields.iter().map(|field| unquoted(text.get(field.clone()).unwrap_or_default()));
        if names.any(|name| is_hidden(name.trim())) {
            return Err(self.malformed("a hidden column's name stands below the first line, so that was no header row"));
        }
        Ok(())
    }

    fn keeps(&self, header: &Header, text: &str, fields: &[Range<usize>]) -> bool {
        if self.work.filters().rows.is_none() {
            return true;
        }
        let values: Vec<String> =
            fields.iter().map(|field| unquoted(text.get(field.clone()).unwrap_or_default())).collect();
        let named = header.names.iter().zip(&values).filter(|(name, _)| !name.is_empty());
        self.judge.keeps(Element::from_fields(named.map(|(name, value)| (name.as_str(), value.as_str()))))
    }

    fn read_header(&mut self, text: &str) -> Result<Header, Unfilterable> {
        let delimiter = match self.delimiter {
            Some(delimiter) => delimiter,
            None => self.find_delimiter(text)?,
        };
        self.delimiter = Some(delimiter);
        let mut fields = std::mem::take(&mut self.fields);
        split(text, delimiter, &mut fields).map_err(|what| self.malformed(what))?;
        let name = |field: &Range<usize>| unquoted(text.get(field.clone()).unwrap_or_default()).trim().to_owned();
        let names: Vec<String> = fields.iter().map(name).collect();
        self.fields = fields;
        let mut seen = std::collections::HashSet::new();
        if !names.iter().filter(|name| !name.is_empty()).all(|name| seen.insert(name.to_ascii_lowercase())) {
            return Err(self.malformed("the header row names a column twice"));
        }
        let filters = self.work.filters();
        let columns: Vec<Column> = names
            .iter()
            .map(|name| {
                let set = filters.set.iter().find(|(path, _)| is_named(name, path));
                match set {
                    _ if filters.hide.iter().any(|path| is_named(name, path)) => Column::Hidden,
                    Some((_, value)) => Column::Set(quoted(&plain(value), delimiter)),
                    None => Column::Kept,
                }
            })
            .collect();
        let visible = columns.iter().filter(|column| !matches!(column, Column::Hidden)).count();
        if visible == 0 {
            return Err(Unfilterable::Kind("every column of the table is hidden"));
        }
        let is_untouched = columns.iter().all(|column| matches!(column, Column::Kept));
        Ok(Header { names, columns, is_untouched, is_single: visible == 1 })
    }

    /// A comma; or a semicolon or a tab where the header row has one and no comma, as spreadsheets write where the comma divides
    /// decimals. Where it has several of these, or something else that divides columns in the field, there is no telling.
    fn find_delimiter(&self, text: &str) -> Result<u8, Unfilterable> {
        // Excel's line before the header row.
        if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep=")) {
            return Err(self.malformed("it begins with a line that is no header row"));
        }
        let mut found = None;
        let mut in_quotes = false;
        for byte in text.bytes() {
            match byte {
                b'"' => in_quotes = !in_quotes,
                b',' | b';' | b'\t' | b'|' if !in_quotes && found.is_none_or(|found| found == byte) => {
                    found = Some(byte)
                }
                b',' | b';' | b'\t' | b'|' if !in_quotes => {
                    return Err(self.malformed("there is no telling what divides the columns of the header row"));
                }
                _ => {}
            }
        }
        match found {
            Some(b'|') => Err(self.malformed("the header row has no comma, semicolon or tab")),
            found => Ok(found.unwrap_or(b',')),
        }
    }

    fn malformed(&self, what: &str) -> Unfilterable {
        Unfilterable::Malformed { format: "CSV", what: format!("line {}: {what}", self.number.max(1)) }
    }
}

/// Which of a table's lines.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    Names,
    Values,
}

impl Header {
    /// Writes a line without its hidden columns, and without a line end.
    fn write(&self, text: &str, fields: &[Range<usize>], delimiter: u8, part: Part, out: &mut Vec<u8>) {
        if self.is_untouched {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        let mut is_first = true;
        for (column, field) in self.columns.iter().zip(fields) {
            let value = match column {
                Column::Hidden => continue,
                Column::Set(value) if part == Part::Values => value,
                Column::Set(_) | Column::Kept => text.get(field.clone()).unwrap_or_default().as_bytes(),
            };
            if !is_first {
                out.push(delimiter);
            }
            is_first = false;
            // An empty line would be no row at all to many a reader.
            out.extend_from_slice(if value.is_empty() && self.is_single { b"\"\"" } else { value });
        }
    }
}

/// Divides a line into fields, their quotes included.
fn split(line: &str, delimiter: u8, fields: &mut Vec<Range<usize>>) -> Result<(), &'static str> {
    enum At {
        Start,
        Plain,
        Quoted,
        /// Behind a quote in a quoted field: its end, or the first of two.
        Quote,
    }
    fields.clear();
    let mut start = 0;
    let mut at = At::Start;
    for (place, byte) in line.bytes().enumerate() {
        at = match (at, byte) {
            (At::Start, b'"') | (At::Quote, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (At::Start | At::Plain | At::Quote, byte) if byte == delimiter => {
                fields.push(start..place);
                start = place + 1;
                At::Start
            }
            (At::Quote, _) => return Err("something stands behind a closing quote"),
            (At::Plain, b'"') => return Err("a quote stands in a field that is not quoted"),
            (At::Start | At::Plain, b'\r') => return Err("a carriage return stands alone"),
            (At::Start | At::Plain, _) => At::Plain,
        };
    }
    if matches!(at, At::Quoted) {
        return Err("a quote is not closed");
    }
    fields.push(start..line.len());
    Ok(())
}

/// A field's text.
fn unquoted(field: &str) -> String {
    match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => field.to_owned(),
    }
}

/// A text as a field.
fn quoted(text: &str, delimiter: u8) -> Vec<u8> {
    let must_be = |byte: u8| byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n');
    if text.bytes().any(must_be) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\"")).into_bytes()
    } else {
        text.as_bytes().to_vec()
    }
}

/// A constant of JSON as a table has it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a column is a member's: by its whole name or by a part of it. A way from the top counts by its last name alone.
fn is_named(column: &str, path: &MemberPath) -> bool {
    let Some(name) = path.name() else { return false };
    if column.eq_ignore_ascii_case(name) {
        return true;
    }
    let mut parts = column.split("__").flat_map(|part| part.split(['.', '/', '[', ']'])).map(str::trim);
    match path {
        MemberPath::Anywhere(_) => parts.any(|part| part.eq_ignore_ascii_case(name)),
        MemberPath::From(_) => {
            parts.filter(|part| !part.is_empty()).last().is_some_and(|part| part.eq_ignore_ascii_case(name))
        }
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
