//! Where the planes meet: the running snapshot, sessions and their cache, certificates, the clock and the ports.

pub mod assertion;
pub mod certificates;
pub mod clock;
pub mod counters;
pub mod health;
pub mod mail_counters;
pub mod metrics;
pub mod open_requests;
pub mod ports;
pub mod rate_limits;
mod recheck;
pub mod sessions;
pub mod snapshot;
pub mod visit;
