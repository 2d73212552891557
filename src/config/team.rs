//! `[app.NAME.team]` and `portal` of roles: what customers may do for their own people.

use std::time::Duration;

use super::builder::Builder;
use super::file::{TeamFile, Text};
use super::nearest::did_you_mean;
use crate::policy::{PortalRight, Roles, TeamPlan};
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

/// The plan of a team.
pub(super) fn plan(
    builder: &mut Builder<'_>,
    file: &TeamFile,
    roles: &Roles,
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
    let can_found = roles.0.values().any(|role| role.portal.contains(&PortalRight::Independent));
    if can_found && owner_role.is_none() {
        // The role has no place of its own here; any key of the team stands for it.
        let what = "some role has the right `independent`, and there is no `owner_role`";
        let help = "add `owner_role = \"ROLE\"`: what somebody is who becomes an organisation of their own";
        let place = [&file.max_role, &file.invitation_lifetime].into_iter().flatten().next();
        let span = place.map_or(0..0, |text| text.span.clone());
        builder.problem(&span, what, help);
        return None;
    }
    Some(TeamPlan { max_role, invitation_lifetime, owner_role, max_members: file.max_members.unwrap_or(MOST_MEMBERS) })
}
