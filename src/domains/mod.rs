//! Looks after domains: whose each is, whether the world finds it here, and its certificate.

mod backoff;
mod budget;
mod schedule;
mod trouble;
