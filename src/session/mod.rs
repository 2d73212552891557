//! Session and log-in records, their tokens, cookies and expiry; time and keys are arguments.
