//! Sources and customer lists: email to grants.
