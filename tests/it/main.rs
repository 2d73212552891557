//! The gateway as its users meet it: one binary, a user story a file.
