//! Side door: choose a customer, account, log-out.
