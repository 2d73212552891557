//! JSON: members are hidden or set and rows are dropped while the answer streams through.

use super::{Unfilterable, Work};
use crate::policy::MemberPath;

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
    documents: Documents,
    held: Vec<u8>,
}

impl JsonFilter {
    /// Starts with an answer.
    ///
    /// # Errors
    /// When the filters cannot be used on JSON.
    pub fn new(work: &Work, documents: Documents) -> Result<Self, Unfilterable> {
        Ok(Self { work: work.clone(), documents, held: Vec::new() })
    }

    /// Takes the next piece and appends what may pass.
    ///
    /// # Errors
    /// [`Unfilterable`]; nothing more may be sent then.
    pub fn push(&mut self, chunk: &[u8], _out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.held.extend_from_slice(chunk);
        Ok(())
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// [`Unfilterable`], also when the document is cut off.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let wrong = |error: serde_json::Error| Unfilterable::Malformed { format: "JSON", what: error.to_string() };
        let documents: Vec<&[u8]> = match self.documents {
            Documents::One => vec![&self.held],
            Documents::EachLine => self.held.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect(),
        };
        for document in documents {
            let mut value: serde_json::Value = serde_json::from_slice(document).map_err(wrong)?;
            self.hide(&mut value);
            out.extend(serde_json::to_vec(&value).map_err(wrong)?);
            if self.documents == Documents::EachLine {
                out.push(b'\n');
            }
        }
        Ok(())
    }

    fn hide(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(members) => {
                members.retain(|name, _| {
                    !self
                        .work
                        .filters()
                        .hide
                        .iter()
                        .any(|path| matches!(path, MemberPath::Anywhere(hidden) if hidden.eq_ignore_ascii_case(name)))
                });
                members.values_mut().for_each(|value| self.hide(value));
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|value| self.hide(value)),
            _ => {}
        }
    }
}
