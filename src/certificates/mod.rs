//! Certificates on disk and the local CA; published to `state::certificates`.

pub mod folder;
pub mod local_ca;
mod pem;
