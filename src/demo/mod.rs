//! The built-in demo: sample app, sample customers, mailbox.
