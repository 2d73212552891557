//! Who is mailed when, and who waits without holding up others.
