//! The pages where a customer's own people look after each other's access, what an invitation's link shows, and the mails from there.

mod mails;

pub use mails::{IndependenceNews, InvitationNews, founded_letter, invitation_letter, parted_letter};
