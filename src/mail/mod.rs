//! Outgoing mail: SMTP and the durable outbox.
