//! Outgoing mail: SMTP and the durable outbox.
//!
//! The store queues a mail in the same step that answers a log-in attempt; [`outbox`] takes it from there and hands it to a
//! [`Mailer`](crate::state::ports::Mailer), of which [`smtp`] is the real one. Every mail is sent at least once: it is
//! forgotten only after the next server took it over.

mod cause;
mod message;
pub mod outbox;
pub mod smtp;
mod wire;
