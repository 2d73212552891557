//! The directory as a whole: tables in, grants out.
