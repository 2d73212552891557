//! Where the planes meet: the running snapshot, caches, certificates, the clock and the ports.

pub mod clock;
pub mod health;
pub mod ports;
