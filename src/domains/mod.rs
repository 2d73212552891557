//! Looks after domains: whose each is, whether the world finds it here, and its certificate.

pub mod acme;
mod backoff;
mod budget;
pub mod onboarding;
mod overview;
mod preflight;
mod schedule;
mod trouble;
