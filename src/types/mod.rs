//! Names become types: parse or refuse.
