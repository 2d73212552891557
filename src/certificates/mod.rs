//! Certificates on disk, in the store and from the local CA; `state::certificates` serves them.

pub mod by_name;
pub mod folder;
pub mod local_ca;
mod pem;
pub mod stored;
