//! The pages where a customer's own people look after each other's access, what an invitation's link shows.

mod doors;
mod field;
mod independent;
mod invitation;
mod invite;
mod list;
mod member;
mod notices;
#[cfg(test)]
pub(super) mod tests;

pub(super) use doors::Doors;

pub use doors::DoorsView;
pub use field::{FieldName, FieldProblem, RoleView, Typed, field_of_column};
pub use independent::{FollowerView, IndependentView, ask_independent, independent, independent_done, independent_not};
pub use invitation::{InvitationEnd, InvitationView, Reader, invitation, invitation_ended};
pub use invite::{
    InviteView, InvitedView, LineView, ListProblem, ManyView, Outcome, ReportView, invite, invite_many, invite_report,
    invited,
};
pub use list::{Done, OriginView, PersonView, StateView, TeamView, WhyNot, team};
pub use member::{MayView, MemberView, RemoveView, ask_remove, member};
pub use notices::{RefusedView, ask_leave, left, team_refused};
