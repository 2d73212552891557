//! Looks after domains: whose each is, whether the world finds it here, and its certificate.

pub mod acme;
