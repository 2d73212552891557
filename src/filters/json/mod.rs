//! JSON: members are hidden or set and rows are dropped while the answer streams through.
//!
//! The reader is a strict one of RFC 8259, and goes byte by byte: a piece may end within a name, an escape, a character or a
//! number, and what leaves is the same however the answer is cut. Bytes that pass are copied in whole runs, as they came. What
//! is not JSON ends the answer where it stops being so, for whoever reads it next may be less strict and find a member there.
//!
//! What is decided here, where the standard leaves it open:
//! - A byte order mark at the start is read over and dropped (section 8.1 allows the one; the other is for stricter readers).
//! - A document of which both could be said, that it is a row and that it holds some, is refused unless `at` says which: it has
//!   an array, and outside of all arrays a member that the condition asks of rows.
//! - Members that stand twice are all hidden or set. In a row they make it one that cannot be judged, so it is dropped.
//! - Half of a surrogate pair passes; a name with one is none that a rule could mean.
//! - An answer without a single byte is nothing, and passes.
//! - With lines, an empty one passes, `\r\n` ends one too, and the last may lack its end.
//!
//! Held back are: a member's name with the comma and the white space before it, until it is known whether the member passes;
//! with `rows`, one row. Both are at most [`Work::most_row_bytes`] long. An answer that may turn out to be one row itself is held
//! until its first array shows that it is not.

mod frame;
mod held;
mod members;
mod tokens;

use frame::{Frame, Item};
use held::{Held, Row};
use members::{Action, Members, Place};
use tokens::{Number, Text, unescape};

use super::{Judge, MOST_DEPTH, Unfilterable, Work};
use crate::policy::{Element, RowsAt};

/// How documents stand in an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Documents {
    /// The whole answer is one: JSON.
    One,
    /// Each line is one, and a row: NDJSON.
    EachLine,
}

/// Filters one answer of JSON.
#[derive(Debug)]
pub struct JsonFilter {
    work: Work,
    judge: Judge,
    documents: Documents,
    members: Members,
    rows: Rows,

    state: State,
    text: Text,
    /// The arrays and objects that the reader is in.
    stack: Vec<Frame>,
    /// The place of the value that comes next.
    place: Place,
    /// The constant that takes the place of the value that comes next.
    constant: Option<u32>,
    /// What is dropped ends with the value that ends this deep; otherwise [`NOWHERE`].
    drop_ends: usize,
    is_line_dropped: bool,
    /// Whether the held document has an array that is not dropped.
    has_array: bool,
    /// The members that the condition asks of a row, and whether one stands outside of all rows.
    asked: Vec<Vec<u8>>,
    has_asked: bool,
    /// Whether there were rows, if only an empty list of them.
    has_rows: bool,
    held: Held,

    /// Up to here the piece at hand was sent or dropped.
    sent: usize,
    /// The member or element of which it is not yet known whether it passes.
    item: Option<Item>,
    /// What earlier pieces had of that item.
    pending: Vec<u8>,
    /// A name without its escapes.
    name: Vec<u8>,
    /// How many bytes the earlier pieces had.
    read: u64,
    failure: Option<Unfilterable>,
}

const NOWHERE: usize = usize::MAX;
const NO_VALUE: &str = "no value where one must be";
const ROW_OF_ROWS: Unfilterable =
    Unfilterable::Kind("it holds rows and seems to be one itself; `at` has to say which it is");

/// Where the rows are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rows {
    /// Nobody asks.
    None,
    /// Each line.
    Lines,
    /// As [`RowsAt`] says.
    Found,
    Top,
    Path,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes of a byte order mark were there.
    Mark(u8),
    Value,
    /// A value, or the end of an array.
    FirstElement,
    /// A name, or the end of an object.
    FirstName,
    NextName,
    Name,
    Colon,
    Text,
    Number(Number),
    Literal(&'static [u8]),
    AfterValue,
    /// A document is over.
    End,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl JsonFilter {
    /// Starts with an answer.
    ///
    /// # Errors
    /// None as yet; the other filters' constructors have some.
    pub fn new(work: &Work, documents: Documents) -> Result<Self, Unfilterable> {
        let rows = match (work.filters().rows.as_ref().map(|rows| &rows.at), documents) {
            (None, _) => Rows::None,
            (Some(_), Documents::EachLine) => Rows::Lines,
            (Some(RowsAt::Found), Documents::One) => Rows::Found,
            (Some(RowsAt::Top), Documents::One) => Rows::Top,
            (Some(RowsAt::Path(_)), Documents::One) => Rows::Path,
        };
        Ok(Self {
            work: work.clone(),
            judge: work.judge(),
            documents,
            members: Members::new(work.filters()),
            rows,
            state: State::Mark(0),
            text: Text::START,
            stack: Vec::new(),
            place: Place::TOP,
            constant: None,
            drop_ends: NOWHERE,
            is_line_dropped: false,
            has_array: false,
            asked: match &work.filters().rows {
                Some(found) if rows == Rows::Found => found.keep.row_members().map(String::into_bytes).collect(),
                _ => Vec::new(),
            },
            has_asked: false,
            has_rows: false,
            held: Held::new(work.most_row_bytes),
            sent: 0,
            item: None,
            pending: Vec::new(),
            name: Vec::new(),
            read: 0,
            failure: None,
        })
    }

    /// Takes the next piece and appends what may pass.
    ///
    /// # Errors
    /// [`Unfilterable`]; nothing more may be sent then.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.sent = 0;
        let done = self.read(chunk, out).and_then(|()| self.carry(chunk, out));
        self.read += chunk.len() as u64;
        done.inspect_err(|error| self.fail(error, out))
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// [`Unfilterable`], also when the document is cut off.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.sent = 0;
        self.end(out).inspect_err(|error| self.fail(error, out))
    }

    /// What is held back stays so.
    fn fail(&mut self, error: &Unfilterable, out: &mut Vec<u8>) {
        self.held.drop(out);
        self.failure = Some(error.clone());
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if let State::Number(number) = self.state
            && number.is_whole()
            && self.stack.is_empty()
        {
            self.value_ends(&[], 0, out)?;
        }
        match self.state {
            State::End => Ok(()),
            State::Value if self.stack.is_empty() && self.documents == Documents::EachLine => Ok(()),
            State::Mark(0) => Ok(()),
            _ => Err(self.malformed(0, "it ends too early")),
        }
    }

    fn malformed(&self, at: usize, what: &'static str) -> Unfilterable {
        let byte = self.read + at as u64;
        Unfilterable::Malformed { format: "JSON", what: format!("{what}, at byte {byte}") }
    }

    fn read(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            at = match self.state {
                State::Text => self.text(chunk, at, out)?,
                State::Name => self.name(chunk, at, out)?,
                State::Number(number) => self.number(chunk, at, number, out)?,
                State::Literal(rest) => match rest.split_first() {
                    Some((&expected, rest)) if expected == byte => {
                        self.state = State::Literal(rest);
                        if rest.is_empty() { self.value_ends(chunk, at + 1, out)? } else { at + 1 }
                    }
                    _ => return Err(self.malformed(at, "an unknown word")),
                },
                State::Mark(seen) => match BYTE_ORDER_MARK.get(usize::from(seen)) {
                    Some(&expected) if expected == byte => {
                        self.sent = at + 1;
                        let seen = seen + 1;
                        let is_whole = usize::from(seen) == BYTE_ORDER_MARK.len();
                        self.state = if is_whole { State::Value } else { State::Mark(seen) };
                        at + 1
                    }
                    _ if seen == 0 => {
                        self.state = State::Value;
                        at
                    }
                    _ => return Err(self.malformed(at, "half a byte order mark")),
                },
                State::Value
                | State::FirstElement
                | State::FirstName
                | State::NextName
                | State::Colon
                | State::AfterValue
                | State::End => {
                    if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                        self.space(chunk, at)?
                    } else {
                        self.sign(chunk, at, byte, out)?
                    }
                }
            };
        }
        Ok(())
    }

    /// White space between tokens; answers the first place behind it.
    fn space(&mut self, chunk: &[u8], from: usize) -> Result<usize, Unfilterable> {
        let mut at = from;
        while let Some(&byte) = chunk.get(at) {
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'\n' if self.documents == Documents::One => {}
                b'\n' => match self.state {
                    State::End => {
                        self.state = State::Value;
                        if std::mem::take(&mut self.is_line_dropped) {
                            self.sent = at + 1;
                        }
                    }
                    State::Value if self.stack.is_empty() => {}
                    _ => return Err(self.malformed(at, "a line ends within its document")),
                },
                _ => break,
            }
            at += 1;
        }
        Ok(at)
    }

    /// A byte between tokens that is no white space, and what can be read together with it: each look at [`State`] costs as much
    /// as ten bytes. Answers the first place that is not yet read.
    #[inline]
    fn sign(&mut self, chunk: &[u8], at: usize, byte: u8, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        match (self.state, byte) {
            (State::AfterValue, b',') => {
                let Some(frame) = self.stack.last() else { return Err(self.malformed(at, "a comma at the top")) };
                self.state = if frame.is_array { State::Value } else { State::NextName };
                if frame.may_drop() && !self.is_dropping() {
                    self.item = Some(Item { start: at, has_comma: true, name: 0 });
                }
                match chunk.get(at + 1) {
                    Some(b'"') if matches!(self.state, State::NextName) => self.name_starts(chunk, at + 1, out),
                    _ => Ok(at + 1),
                }
            }
            (State::FirstName | State::NextName, b'"') => self.name_starts(chunk, at, out),
            (State::Colon, b':') => self.colon(chunk, at, out),
            (State::FirstName, b'}') | (State::FirstElement, b']') => {
                if self.item.take().is_some() {
                    self.held.emit(&self.pending, out);
                    self.pending.clear();
                }
                self.closes(chunk, at, out)
            }
            (State::Value | State::FirstElement, _) => self.value(chunk, at, byte, out),
            (State::AfterValue, b'}' | b']') => {
                if self.stack.last().is_none_or(|frame| frame.is_array != (byte == b']')) {
                    return Err(self.malformed(at, "an array or object ends that did not begin"));
                }
                self.closes(chunk, at, out)
            }
            (State::End, _) => Err(self.malformed(at, "something behind its end")),
            (State::Colon, _) => Err(self.malformed(at, "no colon behind a name")),
            (State::AfterValue, _) => Err(self.malformed(at, "no comma between two values")),
            _ => Err(self.malformed(at, "no name where one must be")),
        }
    }

    fn name_starts(&mut self, chunk: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        if let Some(item) = &mut self.item {
            item.name = self.pending.len() + (at + 1 - item.start);
        }
        self.text = Text::START;
        self.state = State::Name;
        self.name(chunk, at + 1, out)
    }

    #[inline]
    fn name(&mut self, chunk: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        match self.text.read(chunk, at) {
            Ok(Some(end)) => {
                self.name_ends(chunk, end, out)?;
                if chunk.get(end) == Some(&b':') { self.colon(chunk, end, out) } else { Ok(end) }
            }
            Ok(None) => Ok(chunk.len()),
            Err(what) => Err(self.malformed(at, what)),
        }
    }

    #[inline]
    fn colon(&mut self, chunk: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        self.state = State::Value;
        let next = at + 1 + usize::from(chunk.get(at + 1) == Some(&b' '));
        match chunk.get(next) {
            Some(&byte) if byte > b' ' => self.value(chunk, next, byte, out),
            _ => Ok(next),
        }
    }

    #[inline]
    fn value(&mut self, chunk: &[u8], at: usize, byte: u8, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        self.value_starts(chunk, at, byte, out)?;
        match byte {
            b'"' => {
                self.text = Text::START;
                self.state = State::Text;
                return self.text(chunk, at + 1, out);
            }
            b'{' | b'[' => self.opens(chunk, at, byte == b'[', out)?,
            b't' => self.state = State::Literal(b"rue"),
            b'f' => self.state = State::Literal(b"alse"),
            b'n' => self.state = State::Literal(b"ull"),
            _ => match Number::start(byte) {
                Some(number) => return self.number(chunk, at + 1, number, out),
                None => return Err(self.malformed(at, NO_VALUE)),
            },
        }
        Ok(at + 1)
    }

    #[inline]
    fn text(&mut self, chunk: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        match self.text.read(chunk, at) {
            Ok(Some(end)) => self.value_ends(chunk, end, out),
            Ok(None) => Ok(chunk.len()),
            Err(what) => Err(self.malformed(at, what)),
        }
    }

    #[inline]
    fn number(&mut self, chunk: &[u8], at: usize, start: Number, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        let mut number = start;
        let end = number.read(chunk, at);
        if end >= chunk.len() {
            self.state = State::Number(number);
            Ok(end)
        } else if number.is_whole() {
            self.value_ends(chunk, end, out)
        } else {
            Err(self.malformed(end, "a number is cut short"))
        }
    }

    #[inline]
    fn is_dropping(&self) -> bool {
        self.drop_ends != NOWHERE
    }

    #[inline]
    fn name_ends(&mut self, chunk: &[u8], end: usize, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.state = State::Colon;
        let Some(mut item) = self.item.take() else { return Ok(()) };
        let depth = self.stack.len();
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        if self.pending.len() + (end - item.start) > self.work.most_row_bytes {
            return Err(Unfilterable::RowTooLarge);
        }
        let mut action = Action::Keep;
        self.place = Place::OFF;
        let may_be_asked = !self.asked.is_empty() && self.held.row() != Some(Row::Element);
        if may_be_asked || self.members.looks_at_names(frame.place) {
            if !self.pending.is_empty() {
                self.pending.extend_from_slice(chunk.get(..end).unwrap_or_default());
                self.sent = end;
                item.start = end;
            }
            let raw = if self.pending.is_empty() {
                chunk.get(item.start + item.name..end - 1)
            } else {
                self.pending.get(item.name..self.pending.len() - 1)
            };
            let mut name = raw.unwrap_or_default();
            if self.text.has_escapes {
                unescape(name, &mut self.name);
                name = &self.name;
            }
            (action, self.place) = self.members.member(frame.place, name);
            if may_be_asked && self.asked.iter().any(|asked| asked.eq_ignore_ascii_case(name)) {
                self.has_asked = true;
                if self.has_rows && !self.work.is_error {
                    return Err(ROW_OF_ROWS);
                }
            }
        }
        if action == Action::Hide {
            self.leave_out(item, chunk, out);
            self.drop_ends = depth;
        } else {
            let needs_comma = std::mem::replace(&mut frame.has_items, true);
            self.take_in(item, needs_comma, chunk, out);
            self.constant = match action {
                Action::Set(number) => Some(number),
                _ => None,
            };
        }
        Ok(())
    }

    /// The item at hand leaves: what was held of it goes, without its comma where nothing stands before it.
    #[inline]
    fn take_in(&mut self, item: Item, needs_comma: bool, chunk: &[u8], out: &mut Vec<u8>) {
        let skipped = usize::from(item.has_comma && !needs_comma);
        if !self.pending.is_empty() {
            self.held.emit(self.pending.get(skipped..).unwrap_or_default(), out);
            self.pending.clear();
        } else if skipped > 0 {
            self.send(item.start, chunk, out);
            self.sent = item.start + 1;
        }
    }

    /// The item at hand does not leave.
    fn leave_out(&mut self, item: Item, chunk: &[u8], out: &mut Vec<u8>) {
        if self.pending.is_empty() {
            self.send(item.start, chunk, out);
        } else {
            self.pending.clear();
        }
    }

    /// Sends what passes up to a place.
    fn send(&mut self, end: usize, chunk: &[u8], out: &mut Vec<u8>) {
        self.held.emit(chunk.get(self.sent..end).unwrap_or_default(), out);
        self.sent = end;
    }

    #[inline]
    fn value_starts(&mut self, chunk: &[u8], at: usize, byte: u8, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if self.is_dropping() {
            return Ok(());
        }
        match self.stack.last().copied() {
            None => {
                self.place = Place::TOP;
                self.document_starts(at, byte, out, chunk);
            }
            Some(frame) if frame.is_array => {
                self.place = frame.each;
                self.element_starts(frame, chunk, at, byte, out)?;
            }
            Some(_) => {}
        }
        if let Some(number) = self.constant.take() {
            self.send(at, chunk, out);
            self.held.emit(self.members.constant(number), out);
            self.drop_ends = self.stack.len();
        }
        // An error answer may have `null` there; an array has to be filtered all the same.
        if self.rows == Rows::Path
            && byte != b'['
            && self.members.is_rows(self.place)
            && !self.is_dropping()
            && !self.work.is_error
        {
            return Err(self.rows_elsewhere());
        }
        Ok(())
    }

    fn document_starts(&mut self, at: usize, byte: u8, out: &mut Vec<u8>, chunk: &[u8]) {
        let row = match self.rows {
            Rows::Lines => Row::Line,
            Rows::Found if !self.work.is_error && byte != b'[' => Row::Document,
            Rows::Top if byte != b'[' => Row::Document,
            Rows::None | Rows::Found | Rows::Top | Rows::Path => return,
        };
        self.send(at, chunk, out);
        self.held.begin(row, 0, at, out);
    }

    fn element_starts(
        &mut self,
        frame: Frame,
        chunk: &[u8],
        at: usize,
        byte: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfilterable> {
        if frame.is_elsewhere && frame.action == Action::Keep && matches!(byte, b'{' | b'[') {
            return Err(self.rows_elsewhere());
        }
        if let Action::Set(number) = frame.action {
            self.constant = Some(number);
        }
        let Some(item) = self.item.take() else { return Ok(()) };
        if self.pending.len() + (at - item.start) > self.work.most_row_bytes {
            return Err(Unfilterable::RowTooLarge);
        }
        if frame.action == Action::Hide {
            self.leave_out(item, chunk, out);
            self.drop_ends = self.stack.len();
            return Ok(());
        }
        if self.pending.is_empty() {
            self.send(item.start, chunk, out);
        }
        self.held.begin(Row::Element, self.stack.len(), at, out);
        self.take_in(item, frame.has_items, chunk, out);
        Ok(())
    }

    fn opens(&mut self, chunk: &[u8], at: usize, is_array: bool, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if self.stack.len() >= MOST_DEPTH {
            return Err(Unfilterable::TooDeep);
        }
        self.state = if is_array { State::FirstElement } else { State::FirstName };
        let mut frame = Frame {
            is_array,
            has_items: false,
            are_rows: false,
            is_elsewhere: false,
            place: self.place,
            each: Place::OFF,
            action: Action::Keep,
        };
        if !self.is_dropping() {
            if is_array {
                frame.each = self.members.each(self.place);
                frame.action = self.members.action(frame.each);
                self.array_starts(&mut frame, chunk.get(..at).unwrap_or_default(), out)?;
            }
            if frame.may_drop() {
                self.item = Some(Item { start: at + 1, has_comma: false, name: 0 });
            }
        }
        self.stack.push(frame);
        Ok(())
    }

    /// Whether an array's elements are rows.
    fn array_starts(&mut self, frame: &mut Frame, before: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        match (self.rows, self.held.row()) {
            (Rows::Found, held @ (None | Some(Row::Document))) => {
                // An order with its lines: what is kept of it by the lines alone would be another's order.
                if self.has_asked && !self.work.is_error {
                    return Err(ROW_OF_ROWS);
                }
                frame.are_rows = true;
                self.has_rows = true;
                if held.is_some() {
                    // So it is no row after all.
                    self.held.end(before, before.len() - self.sent, out)?;
                    self.held.release(out);
                }
            }
            (Rows::Top, None) => frame.are_rows = self.stack.is_empty(),
            (Rows::Top, Some(_)) => self.has_array = true,
            (Rows::Path, None) => {
                frame.are_rows = self.members.is_rows(self.place);
                frame.is_elsewhere = !frame.are_rows && !self.members.leads_to_rows(self.place);
                self.has_rows |= !frame.is_elsewhere;
            }
            _ => {}
        }
        Ok(())
    }

    fn rows_elsewhere(&self) -> Unfilterable {
        let path = match self.work.filters().rows.as_ref().map(|rows| &rows.at) {
            Some(RowsAt::Path(path)) => path.to_string(),
            _ => String::new(),
        };
        Unfilterable::RowsElsewhere(path)
    }

    fn closes(&mut self, chunk: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        self.stack.pop();
        self.value_ends(chunk, at + 1, out)
    }

    /// A value ends before this place; answers the place.
    #[inline]
    fn value_ends(&mut self, chunk: &[u8], end: usize, out: &mut Vec<u8>) -> Result<usize, Unfilterable> {
        let depth = self.stack.len();
        self.state = if depth == 0 { State::End } else { State::AfterValue };
        if depth == 0 && self.rows == Rows::Path && !self.has_rows && !self.work.is_error {
            // It may be one row, as a page for one order is, and nobody has judged it.
            return Err(self.rows_elsewhere());
        }
        if self.drop_ends == depth {
            self.drop_ends = NOWHERE;
            self.sent = end;
        }
        if self.held.ends_at(depth) {
            self.row_ends(chunk, end, out)?;
        }
        Ok(end)
    }

    fn row_ends(&mut self, chunk: &[u8], end: usize, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let (Some(row), Some(part)) = (self.held.row(), chunk.get(..end)) else { return Ok(()) };
        self.held.end(part, end - self.sent, out)?;
        // An error answer without arrays says what went wrong.
        let is_judged = row != Row::Document || !self.work.is_error || self.has_array;
        if !is_judged || Element::from_json(self.held.raw(part)).is_ok_and(|row| self.judge.keeps(row)) {
            self.send(end, chunk, out);
            self.held.release(out);
            if row == Row::Element
                && let Some(frame) = self.stack.last_mut()
            {
                frame.has_items = true;
            }
            return Ok(());
        }
        self.held.drop(out);
        self.sent = end;
        match row {
            Row::Element => Ok(()),
            Row::Line => {
                self.is_line_dropped = true;
                Ok(())
            }
            Row::Document => Err(Unfilterable::NotTheirRow),
        }
    }

    /// The piece is over: what passes leaves, and what is not yet decided is kept.
    fn carry(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        if let Some(item) = &mut self.item {
            let start = std::mem::take(&mut item.start);
            self.send(start, chunk, out);
            self.pending.extend_from_slice(chunk.get(start..).unwrap_or_default());
            if self.pending.len() > self.work.most_row_bytes {
                return Err(Unfilterable::RowTooLarge);
            }
        } else if !self.is_dropping() && !self.is_line_dropped {
            self.send(chunk.len(), chunk, out);
        }
        self.held.carry(chunk, out)
    }
}

#[cfg(test)]
mod tests;
