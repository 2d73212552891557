//! What must survive: the SQLite store.
