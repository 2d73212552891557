//! What must survive: the SQLite store.
//!
//! One folder, one gateway, one writer. Every change is a transaction that is on disk (WAL, `synchronous=FULL`) before its
//! call returns. Tokens are kept as hashes only; mails and secrets are sealed with `seal.key`, so that a copy of the
//! database alone lets nobody in.

mod attempts;
mod audit;
mod certificates;
mod domains;
mod farewells;
mod languages;
mod links;
mod notifications;
mod once;
mod open;
mod outbox;
mod passkeys;
mod personal;
mod previews;
mod records;
mod seal;
mod secrets;
mod sessions;
mod sqlite;
mod tokens;
mod usage;
mod writer;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod suite_of_domains;
#[cfg(test)]
mod suite_of_ends;
#[cfg(test)]
mod suite_of_notifications;
#[cfg(test)]
mod suite_of_records;
#[cfg(test)]
mod tests;

pub use open::{OpenError, OpenProblem, open, open_after, open_beside, running};
pub use sqlite::SqliteStore;
