//! A customer table in CSV text (RFC 4180): parsed once, then asked by email.
//!
//! The text itself is kept, with the place of every record and an index of the addresses; a row is made only for the
//! person who is asked for. So a million customers take little more memory than their file: 16 bytes a row, and 8 more for
//! each further column with addresses. While a new text is read, the old one is still there.

use std::collections::BTreeSet;
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder};

use super::index::Index;
use crate::policy::{Row, Value};
use crate::types::{ColumnName, Email};

/// The largest text taken. It has to stay below what 32 bits can count.
pub(super) const MOST_BYTES: u64 = 512 * 1024 * 1024;
/// The most rows taken.
pub(super) const MOST_ROWS: usize = 4_000_000;
/// The most bad rows that are kept with their lines; all are counted.
const MOST_BAD_ROWS: usize = 10_000;

/// Which columns the customer lists need of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Needed {
    /// Columns with an address to look people up by.
    pub(super) emails: BTreeSet<ColumnName>,
    /// All columns that a list names.
    pub(super) columns: BTreeSet<ColumnName>,
}

/// A table in memory.
pub(super) struct Table {
    text: Vec<u8>,
    delimiter: u8,
    headers: Vec<String>,
    places: Vec<Place>,
    index: Index,
    /// Needed columns that it does not have.
    pub(super) missing: Vec<ColumnName>,
    /// Rows that could not be read, the first ones.
    pub(super) bad_rows: Vec<BadRow>,
    /// How many could not be read.
    pub(super) bad_count: u64,
}

/// Where a record begins.
#[derive(Clone, Copy)]
struct Place {
    offset: u32,
    line: u32,
}

/// A row that could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct BadRow {
    /// Its line in the file, counted from 1.
    pub(super) line: u64,
    /// What is wrong.
    pub(super) what: String,
}

/// What makes a whole file unreadable.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the file is UTF-16 text; save it as UTF-8")]
    Utf16,
    #[error("the file holds a NUL byte at line {0}, as a half-written file does")]
    Nul(u64),
    #[error("the file has no header row")]
    NoHeader,
    #[error("the header row is not UTF-8 text; save the file as UTF-8")]
    HeaderNotUtf8,
    #[error("column {0} has no name in the header row")]
    EmptyHeader(usize),
    #[error("the header row names the column `{0}` twice")]
    DuplicateHeader(String),
    #[error("a quote that opens at line {0} is never closed")]
    OpenQuote(u64),
    #[error("the file has more than {MOST_ROWS} rows")]
    TooManyRows,
    #[error("the file has more than {} MiB", MOST_BYTES >> 20)]
    TooLong,
}

impl Table {
    /// Reads a table.
    pub(super) fn parse(text: Vec<u8>, needed: &Needed) -> Result<Self, Unreadable> {
        if text.len() as u64 > MOST_BYTES {
            return Err(Unreadable::TooLong);
        }
        if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
            return Err(Unreadable::Utf16);
        }
        if let Some(at) = text.iter().position(|byte| *byte == 0) {
            return Err(Unreadable::Nul(line_at(&text, at)));
        }
        let delimiter = delimiter(&text);
        if let Some(line) = open_quote(&text, delimiter) {
            return Err(Unreadable::OpenQuote(line));
        }
        let mut table = Self {
            headers: Vec::new(),
            places: Vec::new(),
            index: Index::new([]),
            missing: Vec::new(),
            bad_rows: Vec::new(),
            bad_count: 0,
            delimiter,
            text,
        };
        table.read(needed)?;
        Ok(table)
    }

    fn read(&mut self, needed: &Needed) -> Result<(), Unreadable> {
        let mut records = Records::new(&self.text, self.delimiter);
        records.advance().ok_or(Unreadable::NoHeader)?;
        let headers = read_headers(&records.record)?;
        let position = |column: &ColumnName| headers.iter().position(|header| header == column.as_str());
        let missing = needed.columns.iter().filter(|column| position(column).is_none()).cloned().collect();
        let emails: Vec<(&ColumnName, usize)> =
            needed.emails.iter().filter_map(|column| Some((column, position(column)?))).collect();
        let mut index = Index::new(emails.iter().map(|(column, _)| (*column).clone()));
        let mut places = Vec::new();
        let mut bad_rows = Vec::new();
        let mut bad_count = 0;
        while let Some(place) = records.advance() {
            let record = &records.record;
            match row_fault(record, headers.len()) {
                Some(Fault::Blank) => continue,
                Some(Fault::Bad(what)) => {
                    bad_count += 1;
                    if bad_rows.len() < MOST_BAD_ROWS {
                        bad_rows.push(BadRow { line: u64::from(place.line), what });
                    }
                    continue;
                }
                None => {}
            }
            let row = u32::try_from(places.len()).ok().filter(|_| places.len() < MOST_ROWS);
            let row = row.ok_or(Unreadable::TooManyRows)?;
            for (number, (_, column)) in emails.iter().enumerate() {
                if let Some(address) = record.get(*column).and_then(|field| std::str::from_utf8(field).ok()) {
                    index.add(number, address, row);
                }
            }
            places.push(place);
        }
        index.finish();
        places.shrink_to_fit();
        (self.headers, self.places, self.index) = (headers, places, index);
        (self.missing, self.bad_rows, self.bad_count) = (missing, bad_rows, bad_count);
        Ok(())
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The names of its columns, in order.
    pub(super) fn headers(&self) -> &[String] {
        &self.headers
    }

    /// The rows, with their lines, whose address in a column is this one; at most `most`.
    pub(super) fn find(&self, column: &ColumnName, email: &Email, most: usize) -> Vec<(u64, Arc<Row>)> {
        let rows = self.index.rows(column, email).filter_map(|row| {
            let place = *self.places.get(usize::try_from(row).ok()?)?;
            let row = self.row_at(place)?;
            // Two addresses may share a hash.
            let is_theirs = row.text(column.as_str()).and_then(|text| Email::parse(&text).ok()).as_ref() == Some(email);
            is_theirs.then(|| (u64::from(place.line), Arc::new(row)))
        });
        rows.take(most).collect()
    }

    /// How many bytes it takes, its text among them.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.places.capacity() * size_of::<Place>() + self.index.bytes()
    }

    /// All rows with their lines.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u64, Row)> {
        Records::new(&self.text, self.delimiter)
            .skip(1)
            .filter(|(_, record)| row_fault(record, self.headers.len()).is_none())
            .map(|(place, record)| (u64::from(place.line), self.row(&record)))
    }

    fn row_at(&self, place: Place) -> Option<Row> {
        let text = self.text.get(usize::try_from(place.offset).ok()?..)?;
        let mut reader = ReaderBuilder::new().has_headers(false).delimiter(self.delimiter).from_reader(text);
        let mut record = ByteRecord::new();
        let is_read = reader.read_byte_record(&mut record).unwrap_or(false);
        is_read.then(|| self.row(&record))
    }

    fn row(&self, record: &ByteRecord) -> Row {
        let value = |field: &[u8]| Value::Text(String::from_utf8_lossy(field).into_owned());
        Row(self.headers.iter().cloned().zip(record.iter().map(value)).collect())
    }
}

/// The records of a text, the header row among them.
struct Records<'a> {
    text: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    /// The one read last.
    record: ByteRecord,
    start: usize,
    counted: usize,
    line: u32,
}

impl<'a> Records<'a> {
    fn new(text: &'a [u8], delimiter: u8) -> Self {
        let start = if text.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(text.get(start..).unwrap_or_default());
        Self { text, reader, record: ByteRecord::new(), start, counted: 0, line: 1 }
    }

    /// Reads the next record, over the one before: a million of them need no million allocations.
    fn advance(&mut self) -> Option<Place> {
        // Reading bytes from memory into records of any length has no way to fail.
        if !self.reader.read_byte_record(&mut self.record).ok()? {
            return None;
        }
        let position = self.record.position().map_or(0, csv::Position::byte);
        self.place(usize::try_from(position).ok()?)
    }

    /// Where a record truly begins: the reader's own position may lie before the blank lines that it skipped.
    fn place(&mut self, position: usize) -> Option<Place> {
        let mut offset = self.start + position;
        while matches!(self.text.get(offset), Some(b'\r' | b'\n')) {
            offset += 1;
        }
        let passed = self.text.get(self.counted..offset).unwrap_or_default();
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        self.counted = offset;
        // A text has fewer lines than bytes, and those fit.
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        Some(Place { offset: u32::try_from(offset).ok()?, line: self.line })
    }
}

impl Iterator for Records<'_> {
    type Item = (Place, ByteRecord);

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.advance()?;
        Some((place, self.record.clone()))
    }
}

enum Fault {
    Blank,
    Bad(String),
}

fn row_fault(record: &ByteRecord, columns: usize) -> Option<Fault> {
    // Spreadsheets leave rows of nothing but delimiters at the end.
    if record.iter().all(<[u8]>::is_empty) {
        return Some(Fault::Blank);
    }
    if record.len() != columns {
        return Some(Fault::Bad(format!("{} fields where the header row has {columns}", record.len())));
    }
    let wrong = record.iter().position(|field| std::str::from_utf8(field).is_err())?;
    Some(Fault::Bad(format!("field {} is not UTF-8 text", wrong + 1)))
}

fn read_headers(record: &ByteRecord) -> Result<Vec<String>, Unreadable> {
    let mut headers: Vec<String> = Vec::with_capacity(record.len());
    for (number, field) in record.iter().enumerate() {
        let name = std::str::from_utf8(field).map_err(|_| Unreadable::HeaderNotUtf8)?.trim();
        if name.is_empty() {
            return Err(Unreadable::EmptyHeader(number + 1));
        }
        if headers.iter().any(|header| header == name) {
            return Err(Unreadable::DuplicateHeader(name.to_owned()));
        }
        headers.push(name.to_owned());
    }
    Ok(headers)
}

/// The delimiter: a comma, but a semicolon or a tab where the header row has one and no comma. Spreadsheets write these in
/// countries where the comma divides decimals.
fn delimiter(text: &[u8]) -> u8 {
    let Some((_, header)) = Records::new(text, b',').next() else { return b',' };
    match (header.len(), header.get(0)) {
        (1, Some(field)) => [b';', b'\t'].into_iter().find(|byte| field.contains(byte)).unwrap_or(b','),
        _ => b',',
    }
}

/// The line of a quote that is never closed: the reader would take the rest of the file for one field.
fn open_quote(text: &[u8], delimiter: u8) -> Option<u64> {
    let start = if text.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    let mut opened = None;
    let mut at_field_start = true;
    let mut bytes = text.iter().copied().enumerate().skip(start).peekable();
    while let Some((at, byte)) = bytes.next() {
        match (opened, byte) {
            (Some(_), b'"') if bytes.next_if(|(_, next)| *next == b'"').is_some() => {}
            (Some(_), b'"') => opened = None,
            (Some(_), _) => {}
            (None, b'"') if at_field_start => opened = Some(at),
            (None, _) => {}
        }
        at_field_start = opened.is_none() && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    opened.map(|at| line_at(text, at))
}

fn line_at(text: &[u8], at: usize) -> u64 {
    let lines = text.iter().take(at).filter(|byte| **byte == b'\n').count();
    1 + u64::try_from(lines).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> ColumnName {
        ColumnName::parse(name).expect("a name")
    }

    fn needed() -> Needed {
        Needed { emails: [column("email")].into(), columns: [column("email"), column("role")].into() }
    }

    fn parse(text: impl AsRef<[u8]>) -> Result<Table, Unreadable> {
        Table::parse(text.as_ref().to_vec(), &needed())
    }

    /// The rows found for an address, as `line: column=value …`.
    fn found(table: &Table, email: &str) -> Vec<String> {
        let email = Email::parse(email).expect("an address");
        let show = |(line, row): (u64, Arc<Row>)| {
            let cells = row.0.iter().map(|(name, value)| match value {
                Value::Text(text) => format!("{name}={text}"),
                other => format!("{name}={other:?}"),
            });
            format!("{line}: {}", cells.collect::<Vec<_>>().join(" "))
        };
        table.find(&column("email"), &email, 200).into_iter().map(show).collect()
    }

    #[test]
    fn rows_are_found_by_address_however_it_is_written() {
        let table =
            parse("email,role\n Ann@Example.COM ,boss\nbob@example.com,\nann@example.com,user\n").expect("fine");
        assert_eq!(
            found(&table, "ann@example.com"),
            ["2: email= Ann@Example.COM  role=boss", "4: email=ann@example.com role=user"]
        );
        assert_eq!(found(&table, "bob@example.com"), ["3: email=bob@example.com role="]);
        assert!(found(&table, "eve@example.com").is_empty());
        assert_eq!((table.len(), table.bad_count), (3, 0));
    }

    #[test]
    fn a_byte_order_mark_quotes_and_line_breaks_in_fields_are_read() {
        let text =
            "\u{feff}email,\"role\"\r\n\r\n\"ann@example.com\",\"a \"\"b\"\",\r\nc\"\r\n\r\nbob@example.com,x\r\n";
        let table = parse(text).expect("fine");
        assert_eq!(found(&table, "ann@example.com"), ["3: email=ann@example.com role=a \"b\",\r\nc"]);
        assert_eq!(found(&table, "bob@example.com"), ["6: email=bob@example.com role=x"]);
        assert_eq!(table.rows().map(|(line, _)| line).collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn semicolons_and_tabs_divide_where_the_header_row_says_so() {
        for text in ["email;role\nann@example.com;a,b\n", "\u{feff}email\trole\nann@example.com\ta,b\n"] {
            let table = parse(text).expect("fine");
            assert_eq!(found(&table, "ann@example.com"), ["2: email=ann@example.com role=a,b"], "{text:?}");
        }
    }

    #[test]
    fn a_bad_row_is_skipped_with_its_line_and_the_rest_is_read() {
        let mut text = b"email,role\nann@example.com\nbob@example.com,x,y\n,\ncarl@example.com,\xff\n".to_vec();
        text.extend_from_slice(b"dora@example.com,ok\n");
        let table = parse(text).expect("fine");
        let bad: Vec<_> = table.bad_rows.iter().map(|row| (row.line, row.what.as_str())).collect();
        assert_eq!(
            bad,
            [
                (2, "1 fields where the header row has 2"),
                (3, "3 fields where the header row has 2"),
                (5, "field 2 is not UTF-8 text")
            ]
        );
        assert_eq!((table.len(), table.bad_count), (1, 3));
        assert_eq!(found(&table, "dora@example.com"), ["6: email=dora@example.com role=ok"]);
    }

    #[test]
    fn what_makes_a_table_unreadable_is_told() {
        use Unreadable as U;
        for (text, expected) in [
            (&b""[..], U::NoHeader),
            (b"\n\n", U::NoHeader),
            (b"email,,role\n", U::EmptyHeader(2)),
            (b"email,role, email\n", U::DuplicateHeader("email".to_owned())),
            (b"email,r\xf6le\n", U::HeaderNotUtf8),
            (b"\xff\xfee\0m\0", U::Utf16),
            (b"email,role\na@b.example,\0\n", U::Nul(2)),
            (b"email,role\na@b.example,\"x\nb@b.example,y\n", U::OpenQuote(2)),
        ] {
            assert_eq!(parse(text).err(), Some(expected), "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(parse("email\n").expect("fine").missing, [column("role")]);
    }

    #[test]
    fn too_many_rows_are_refused() {
        let text = "email\n".to_owned() + &"x\n".repeat(MOST_ROWS + 1);
        assert_eq!(parse(text).err(), Some(Unreadable::TooManyRows));
    }

    #[test]
    fn a_row_takes_sixteen_bytes_beside_its_own() {
        const ROWS: usize = 20_000;
        let line = |n: usize| {
            format!("person.{n}@company-{}.example.com,{}\n", n / 7, if n.is_multiple_of(2) { "boss" } else { "" })
        };
        let mut text = "email,role\n".to_owned();
        text.extend((0..ROWS).map(line));
        text.shrink_to_fit();
        let own = text.len();
        let table = parse(text).expect("fine");
        assert_eq!(table.len(), ROWS);
        assert_eq!(table.bytes(), own + 16 * ROWS);
        assert_eq!(found(&table, "person.19999@company-2857.example.com").len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_walking_agrees_with_finding(text in "(\\PC|[\"\r\n,;@a]){0,80}") {
            if let Ok(table) = parse(format!("email,role\n{text}")) {
                proptest::prop_assert_eq!(table.rows().count(), table.len());
                for (place, (line, row)) in table.places.iter().zip(table.rows()) {
                    proptest::prop_assert_eq!(u64::from(place.line), line);
                    proptest::prop_assert_eq!(table.row_at(*place), Some(row));
                }
            }
        }
    }
}
