//! Where the planes meet: the running snapshot, caches, certificates, the clock and the ports.

pub mod certificates;
pub mod clock;
pub mod counters;
pub mod ports;
