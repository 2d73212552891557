//! Vestibule: the entrance hall in front of an app that knows nothing of customers.
//!
//! A request walks one straight corridor ([`proxy`]); whatever feeds it lives in a room of its own. Modules are listed in
//! reading order, and each may use only those above it:
//!
//! - core, values and functions without clock or I/O: [`types`], [`policy`], [`session`], [`filters`];
//! - our own pages, and the config that brands them: [`pages`], [`config`];
//! - where the planes meet: [`state`];
//! - the data plane: [`proxy`], with its side doors [`login`] and [`portal`];
//! - the control plane, rooms that run beside it: [`certificates`], [`directory`], [`store`], [`mail`], [`console`], [`reload`], [`telemetry`];
//! - everything together: [`server`], [`cli`], [`demo`].
//!
//! `ARCHITECTURE.md` says why, and `tests/tidy.rs` holds the arrows.

pub mod types;
pub mod policy;
pub mod session;
pub mod filters;
pub mod pages;
pub mod config;

pub mod state;

pub mod login;
pub mod portal;
pub mod proxy;

pub mod certificates;
pub mod directory;
pub mod domains;
pub mod store;
pub mod mail;
pub mod console;
pub mod reload;
pub mod telemetry;

pub mod cli;
pub mod demo;
pub mod server;
