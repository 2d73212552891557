//! The corridor: one request's way from socket to upstream and back.
