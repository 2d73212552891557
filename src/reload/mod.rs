//! What becomes of a config that changes while the gateway runs: finds out that it did, and tells what changed.
//!
//! The server takes it up ([`crate::server`]): that is where all parts are known.

mod diff;
pub mod watch;

pub use diff::{Side, changes};
