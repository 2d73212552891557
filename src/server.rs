//! Composition root: Config to state to rooms to listeners.
