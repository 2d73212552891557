//! Where the planes meet: the running snapshot, sessions and their cache, certificates, the clock and the ports.

pub mod assertion;
pub mod audit;
pub mod certificates;
pub mod challenges;
pub mod clock;
pub mod counters;
pub mod domains;
pub mod health;
pub mod issuance;
pub mod known_browsers;
pub mod mail_counters;
pub mod metrics;
pub mod network;
pub mod onboarding;
pub mod open_requests;
pub mod ports;
pub mod rate_limits;
mod recheck;
pub mod reloads;
pub mod sessions;
mod sharing;
mod shares;
pub mod snapshot;
pub mod trust;
pub mod visit;
