//! `[app.NAME.team]` and `portal` of roles: what customers may do for their own people.

use std::time::Duration;

use super::builder::Builder;
use super::file::{TeamFile, Text};
use super::nearest::did_you_mean;
use crate::policy::{PortalRight, TeamPlan};
use crate::types::RoleName;

const INVITATION_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
const LONGEST_LIFETIME: Duration = Duration::from_secs(90 * 86_400);
const MOST_MEMBERS: u32 = 1000;

/// One of a role's rights.
pub(super) fn right(builder: &mut Builder<'_>, text: &Text) -> Option<PortalRight> {
    let found = PortalRight::ALL.iter().find(|(name, _)| *name == text.value).map(|(_, right)| *right);
    if found.is_none() {
        let names = PortalRight::ALL.iter().map(|(name, _)| *name);
        let all = names.clone().collect::<Vec<_>>().join(", ");
        let help = did_you_mean(&text.value, names, &format!("the rights are {all}"));
        builder.problem(&text.span, format!("`{}` is no right on the team page", text.value), help);
    }
    found
}

/// Rights over colleagues do nothing where customers do not look after their own people.
pub(super) fn check_rights(builder: &mut Builder<'_>, portal: &[Text], app: &str) {
    let over_people = |text: &&Text| {
        let right = PortalRight::ALL.iter().find(|(name, _)| *name == text.value).map(|(_, right)| *right);
        right.is_some_and(|right| right != PortalRight::Dashboard)
    };
    if let Some(text) = portal.iter().find(over_people) {
        let what = format!("`{}` lets nobody do anything, for app `{app}` has no `team`", text.value);
        builder.problem(&text.span, what, format!("add `[app.{app}.team]`, or leave the right out"));
    }
}

/// The plan of a team. `independent` is the right of a role to become an organisation, where one has it.
pub(super) fn plan(
    builder: &mut Builder<'_>,
    file: &TeamFile,
    independent: Option<&Text>,
    max_role: Option<RoleName>,
    owner_role: Option<RoleName>,
) -> Option<TeamPlan> {
    let invitation_lifetime = builder.duration(file.invitation_lifetime.as_ref(), INVITATION_LIFETIME);
    if let Some(text) = &file.invitation_lifetime
        && !(Duration::from_secs(60)..=LONGEST_LIFETIME).contains(&invitation_lifetime)
    {
        let help = "write a duration such as \"7d\"";
        builder.problem(&text.span, "an invitation may be accepted for a minute to 90 days", help);
    }
    if let (Some(text), None) = (independent, &owner_role) {
        let what = "this lets people become organisations of their own, and there is no `owner_role`";
        let help = "add `owner_role = \"ROLE\"` to the app's `team`: what they are there";
        builder.problem(&text.span, what, help);
        return None;
    }
    Some(TeamPlan { max_role, invitation_lifetime, owner_role, max_members: file.max_members.unwrap_or(MOST_MEMBERS) })
}
