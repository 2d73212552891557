//! Who may look after whose access: portal rights, ceilings and the roles that stay.
//!
//! Pure: what a person may do to a colleague's record follows from the roles of the two and the app's plan. Nobody gives what
//! they do not have, nobody gives more than the operator lets customers give, and an irrevocable role is taken from nobody.

use std::time::Duration;

use super::Roles;
use crate::types::RoleName;

/// Something that a role lets its holders do on the team page, for their own customer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PortalRight {
    /// See who has access.
    Members,
    /// Invite people, send an invitation again, withdraw it.
    Invite,
    /// Change roles and days back.
    Roles,
    /// Take people's access away.
    Remove,
    /// See the dashboard.
    Dashboard,
    /// Become an organisation of one's own.
    Independent,
}

impl PortalRight {
    /// All of them with their names in config.
    pub const ALL: [(&str, Self); 6] = [
        ("members", Self::Members),
        ("invite", Self::Invite),
        ("roles", Self::Roles),
        ("remove", Self::Remove),
        ("dashboard", Self::Dashboard),
        ("independent", Self::Independent),
    ];

    /// The name in config.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, right)| *right == self).map_or("", |(name, _)| name)
    }
}

/// `[app.NAME.team]`: customers look after their own people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TeamPlan {
    /// No customer gives a role that this one does not hold; without it, only their own role bounds what they give.
    pub max_role: Option<RoleName>,
    /// How long an invitation may be accepted.
    pub invitation_lifetime: Duration,
    /// The role of somebody who becomes an organisation of their own.
    pub owner_role: Option<RoleName>,
    /// How many people a customer may have by records, invitations among them.
    pub max_members: u32,
}

/// Why somebody may not change a colleague's access.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAllowed {
    /// Their role does not let them.
    #[error("the role lacks the right")]
    NoRight,
    /// The role asked for is above their own.
    #[error("the role is above one's own")]
    AboveOwn,
    /// The role asked for is above what customers may give.
    #[error("the role is above what customers may give")]
    AboveCeiling,
    /// There is no such role.
    #[error("there is no such role")]
    UnknownRole,
    /// The colleague has a role above theirs.
    #[error("the colleague's role is above one's own")]
    ColleagueAbove,
    /// The colleague's role is taken from nobody.
    #[error("the role is irrevocable")]
    Irrevocable,
    /// They are the last owner.
    #[error("the last owner stays")]
    LastOwner,
    /// More days back than they see themselves.
    #[error("more days back than one's own")]
    DaysAboveOwn,
}

impl NotAllowed {
    /// The name in answers, reports and lines. These do not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRight => "no-right",
            Self::AboveOwn => "above-own-role",
            Self::AboveCeiling => "above-ceiling",
            Self::UnknownRole => "unknown-role",
            Self::ColleagueAbove => "colleague-above",
            Self::Irrevocable => "irrevocable",
            Self::LastOwner => "last-owner",
            Self::DaysAboveOwn => "more-days-than-own",
        }
    }
}

impl Roles {
    /// Whether a role gives a right: its own, or that of a role it includes.
    #[must_use]
    pub fn gives(&self, name: &RoleName, right: PortalRight) -> bool {
        self.held(name).any(|(_, role)| role.portal.contains(&right))
    }

    /// Whether a holder of `actor` may give somebody `role`.
    ///
    /// # Errors
    /// [`NotAllowed`] says why not.
    pub fn may_give(&self, plan: &TeamPlan, actor: &RoleName, role: &RoleName) -> Result<(), NotAllowed> {
        if self.role(role).is_none() {
            return Err(NotAllowed::UnknownRole);
        }
        if !self.holds(actor, role) {
            return Err(NotAllowed::AboveOwn);
        }
        match &plan.max_role {
            Some(ceiling) if !self.holds(ceiling, role) => Err(NotAllowed::AboveCeiling),
            _ => Ok(()),
        }
    }

    /// Whether a holder of `actor` may change or end the access of a colleague who holds `role`.
    ///
    /// # Errors
    /// [`NotAllowed`] says why not.
    pub fn may_touch(&self, actor: &RoleName, role: &RoleName) -> Result<(), NotAllowed> {
        if self.is_irrevocable(role) {
            return Err(NotAllowed::Irrevocable);
        }
        // A role that config no longer has gives nobody anything, so whoever looks after people may clear it away.
        match self.role(role).is_none() || self.holds(actor, role) {
            true => Ok(()),
            false => Err(NotAllowed::ColleagueAbove),
        }
    }

    /// Whether nobody may take a role away: it says so, or one that it includes does.
    #[must_use]
    pub fn is_irrevocable(&self, role: &RoleName) -> bool {
        self.held(role).any(|(_, role)| role.irrevocable)
    }

    /// The roles that nobody may take away: their holders are a customer's owners.
    pub fn of_owners(&self) -> impl Iterator<Item = &RoleName> {
        self.0.keys().filter(|name| self.is_irrevocable(name))
    }

    /// The roles that a holder of `actor` may give.
    pub fn givable<'a>(&'a self, plan: &'a TeamPlan, actor: &'a RoleName) -> impl Iterator<Item = &'a RoleName> {
        self.0.keys().filter(|role| self.may_give(plan, actor, role).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::policy::Role;

    fn name(text: &str) -> RoleName {
        RoleName::parse(text).expect("a name")
    }

    /// owner ⊃ admin ⊃ moderator ⊃ member.
    fn ladder() -> Roles {
        let role = |includes: &[&str], portal: &[PortalRight], irrevocable| Role {
            includes: includes.iter().map(|text| name(text)).collect(),
            portal: portal.iter().copied().collect::<BTreeSet<_>>(),
            irrevocable,
            ..Role::default()
        };
        Roles(
            [
                ("member", role(&[], &[], false)),
                ("moderator", role(&["member"], &[PortalRight::Members, PortalRight::Invite], false)),
                ("admin", role(&["moderator"], &[PortalRight::Roles, PortalRight::Remove], false)),
                ("owner", role(&["admin"], &[PortalRight::Independent], true)),
            ]
            .into_iter()
            .map(|(text, role)| (name(text), role))
            .collect(),
        )
    }

    fn plan(max_role: Option<&str>) -> TeamPlan {
        TeamPlan {
            max_role: max_role.map(name),
            invitation_lifetime: Duration::from_secs(600),
            owner_role: None,
            max_members: 100,
        }
    }

    #[test]
    fn nobody_gives_above_their_own_role_or_the_ceiling() {
        let check = |actor: &str, role: &str, ceiling: Option<&str>, expected: Result<(), NotAllowed>| {
            assert_eq!(ladder().may_give(&plan(ceiling), &name(actor), &name(role)), expected, "{actor} {role}");
        };
        check("moderator", "member", None, Ok(()));
        check("moderator", "moderator", None, Ok(()));
        check("moderator", "admin", None, Err(NotAllowed::AboveOwn));
        check("owner", "admin", Some("moderator"), Err(NotAllowed::AboveCeiling));
        check("owner", "moderator", Some("moderator"), Ok(()));
        check("owner", "king", None, Err(NotAllowed::UnknownRole));
    }

    #[test]
    fn attack_28_an_irrevocable_role_is_taken_from_nobody() {
        assert_eq!(ladder().may_touch(&name("admin"), &name("owner")), Err(NotAllowed::Irrevocable));
        assert_eq!(ladder().may_touch(&name("owner"), &name("owner")), Err(NotAllowed::Irrevocable));
        assert_eq!(ladder().may_touch(&name("moderator"), &name("admin")), Err(NotAllowed::ColleagueAbove));
        assert_eq!(ladder().may_touch(&name("admin"), &name("moderator")), Ok(()));
    }

    #[test]
    fn rights_come_with_the_roles_that_are_included() {
        assert!(ladder().gives(&name("owner"), PortalRight::Members));
        assert!(!ladder().gives(&name("member"), PortalRight::Members));
        assert!(!ladder().gives(&name("moderator"), PortalRight::Remove));
    }

    proptest! {
        #[test]
        fn a_ceiling_never_lets_more_be_given(
            actor in 0_usize..4, role in 0_usize..4, ceiling in 0_usize..4,
        ) {
            let names = ["member", "moderator", "admin", "owner"];
            let give = |ceiling| {
                ladder().may_give(&plan(ceiling), &name(names[actor]), &name(names[role])).is_ok()
            };
            prop_assert!(!give(Some(names[ceiling])) || give(None));
            prop_assert_eq!(give(None), role <= actor);
        }
    }
}
