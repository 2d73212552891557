//! Side door: logging in by magic link or code.
