//! What becomes of records of people's access, for the log.

/// What became of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// It was made, and counts at once.
    Made,
    /// It was changed.
    Changed,
    /// It was removed, with the access that it gave.
    Removed,
    /// The person was invited.
    Invited,
    /// The invitation was sent again.
    Resent,
    /// The invitation was withdrawn.
    Withdrawn,
    /// The person accepted the invitation.
    Accepted,
    /// The person left.
    Left,
    /// The person left to be an organisation of their own.
    Parted,
    /// The person is the owner of a new organisation.
    Founded,
    /// It went over to the organisation that somebody founded.
    HandedOver,
}

impl Deed {
    /// The name of its event in lines and metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Made => "record_made",
            Self::Changed => "record_changed",
            Self::Removed => "record_removed",
            Self::Invited => "invited",
            Self::Resent => "invitation_resent",
            Self::Withdrawn => "invitation_withdrawn",
            Self::Accepted => "invitation_accepted",
            Self::Left => "member_left",
            Self::Parted => "member_parted",
            Self::Founded => "organisation_founded",
            Self::HandedOver => "record_handed_over",
        }
    }

    /// What a person reads.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Made => "access given by a record",
            Self::Changed => "a record of somebody's access was changed",
            Self::Removed => "access by a record was taken away",
            Self::Invited => "invited",
            Self::Resent => "invitation sent again",
            Self::Withdrawn => "invitation withdrawn",
            Self::Accepted => "invitation accepted",
            Self::Left => "left a customer",
            Self::Parted => "left a customer to be an organisation of their own",
            Self::Founded => "an organisation was founded",
            Self::HandedOver => "a record went over to a new organisation",
        }
    }
}
