//! Looks after domains: whose each is, whether the world finds it here, and its certificate.

pub mod acme;
pub mod claims;
mod settle;
mod txt;
mod backoff;
mod budget;
pub mod onboarding;
mod overview;
mod preflight;
mod schedule;
mod trouble;
