//! The config file: its text, what it means, and what is wrong with it.
