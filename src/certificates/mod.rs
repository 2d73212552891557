//! Certificates on disk and the local CA; published to `state::certificates`.
