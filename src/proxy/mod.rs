//! The corridor: one request's way from socket to upstream and back.

mod connection;
mod deadlines;
pub mod listener;
pub mod stream;
mod wire;
