//! From an address to the rows of a table in memory that have it, in eight bytes a row.
//!
//! Only a hash of each address is kept, so what is found here may be another's: whoever asks looks at the row itself.

use std::hash::{BuildHasher as _, RandomState};

use crate::types::{ColumnName, Email};

/// The columns with addresses, each with its rows by the address's hash.
pub(super) struct Index {
    columns: Vec<(ColumnName, Vec<Entry>)>,
    /// Its key is secret and of this table alone: nobody can choose addresses that all fall together.
    hasher: RandomState,
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    hash: u32,
    row: u32,
}

impl Index {
    /// An empty one over these columns.
    pub(super) fn new(columns: impl IntoIterator<Item = ColumnName>) -> Self {
        let columns = columns.into_iter().map(|column| (column, Vec::new())).collect();
        Self { columns, hasher: RandomState::new() }
    }

    /// Notes what the column of this number, as they came to [`Self::new`], has in a row; what is no address cannot be found.
    pub(super) fn add(&mut self, column: usize, text: &str, row: u32) {
        let Ok(email) = Email::parse(text) else { return };
        let hash = self.hash(&email);
        if let Some((_, entries)) = self.columns.get_mut(column) {
            entries.push(Entry { hash, row });
        }
    }

    /// Makes it ready to be asked; to be called once after the last row.
    pub(super) fn finish(&mut self) {
        for (_, entries) in &mut self.columns {
            entries.sort_unstable();
            entries.shrink_to_fit();
        }
    }

    /// The rows that may have an address in a column, in order.
    pub(super) fn rows(&self, column: &ColumnName, email: &Email) -> impl Iterator<Item = u32> {
        let hash = self.hash(email);
        let entries = self.columns.iter().find(|(name, _)| name == column);
        let entries = entries.map(|(_, entries)| entries.as_slice()).unwrap_or_default();
        let from = entries.partition_point(|entry| entry.hash < hash);
        entries.iter().skip(from).take_while(move |entry| entry.hash == hash).map(|entry| entry.row)
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(|(_, entries)| entries.capacity() * size_of::<Entry>()).sum()
    }

    fn hash(&self, email: &Email) -> u32 {
        let hash = self.hasher.hash_one(email).to_le_bytes();
        u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
    }
}
