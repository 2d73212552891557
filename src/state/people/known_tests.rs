//! Records weighed against tables.
