//! zlib for `flate2`, from `libz-sys`.
//!
//! Pingora asks `flate2` for zlib-ng, a C library that builds with cmake. A fresh machine has a C compiler beside Rust,
//! but seldom cmake, and the gateway compresses nothing itself. Both crates offer the same functions, so this one takes
//! the place of zlib-ng with stock zlib (`[patch.crates-io]` in the gateway's `Cargo.toml`).

pub use libz_sys::*;
