//! Roles: named sets of rules that may include other roles.

use std::collections::{BTreeMap, BTreeSet};

use super::{Condition, PortalRight, Rule};
use crate::types::{DisplayName, Requirement, RoleName, Way};

/// One role of an app.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// What people call it; without one, its name.
    pub title: Option<DisplayName>,
    /// The roles whose rules come after its own.
    pub includes: Vec<RoleName>,
    /// Holders enter only where this is true.
    pub when: Option<Condition>,
    /// By which ways holders have to come.
    pub require: Requirement,
    /// Its own rules, in order.
    pub rules: Vec<Rule>,
    /// Its number on the ladder, for headers.
    pub level: Option<u32>,
    /// Whether nobody may take it away from who has it.
    pub irrevocable: bool,
    /// What its holders may do on the team page, for their own customer.
    pub portal: BTreeSet<PortalRight>,
    /// How many days back its holders may see, where neither row nor list says.
    pub days_back: Option<DaysBack>,
}

/// How many days back somebody may see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DaysBack {
    /// So many.
    Days(u32),
    /// Without limit, whatever an included role says.
    Unlimited,
}

impl DaysBack {
    /// As a limit: so many days, or none.
    #[must_use]
    pub const fn limit(self) -> Option<u32> {
        match self {
            Self::Days(days) => Some(days),
            Self::Unlimited => None,
        }
    }
}

/// The roles of an app. Every included role exists and no role includes itself: `config` sees to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roles(pub BTreeMap<RoleName, Role>);

impl Roles {
    /// The roles of an app that configures none and lets customers look after their own people. Each may do everything in the app,
    /// which tells them apart; they differ in what they may do to their colleagues' access.
    #[must_use]
    pub fn of_a_team() -> Self {
        const LADDER: [(&str, Option<&str>, &[PortalRight]); 3] = [
            ("member", None, &[]),
            ("moderator", Some("member"), &[PortalRight::Members, PortalRight::Invite]),
            ("administrator", Some("moderator"), &[PortalRight::Roles, PortalRight::Remove, PortalRight::Dashboard]),
        ];
        let role = |(name, includes, portal): &(&str, Option<&str>, &[PortalRight])| {
            let includes = includes.and_then(|name| RoleName::parse(name).ok()).into_iter().collect();
            let portal = portal.iter().copied().collect();
            Some((RoleName::parse(name).ok()?, Role { includes, portal, ..Role::default() }))
        };
        Self(LADDER.iter().filter_map(role).collect())
    }

    /// The two roles of an app that configures none: both may do everything, and the app tells them apart.
    #[must_use]
    pub fn standard() -> Self {
        let names = ["admin", "user"].into_iter().filter_map(|name| RoleName::parse(name).ok());
        Self(names.map(|name| (name, Role::default())).collect())
    }

    /// A role by name.
    #[must_use]
    pub fn role(&self, name: &RoleName) -> Option<&Role> {
        self.0.get(name)
    }

    /// What people call a role: its title, else its name.
    #[must_use]
    pub fn title<'a>(&'a self, name: &'a RoleName) -> &'a str {
        let title = self.role(name).and_then(|role| role.title.as_ref());
        title.map_or(name.as_str(), DisplayName::as_str)
    }

    /// A role for those who know the config: its title with its name, where it has one.
    #[must_use]
    pub fn called(&self, name: &RoleName) -> String {
        match self.title(name) {
            title if title == name.as_str() => title.to_owned(),
            title => format!("{title} ({name})"),
        }
    }

    /// The rules that hold for a role: its own in order, then those of each role it includes, depth first, each role once.
    /// With every rule comes the role it is from.
    #[must_use]
    pub fn effective(&self, name: &RoleName) -> Vec<(&RoleName, &Rule)> {
        let mut seen = Vec::new();
        self.walk(name, &mut seen);
        seen.into_iter().flat_map(|(name, role)| role.rules.iter().map(move |rule| (name, rule))).collect()
    }

    /// A requirement that the ways a person came by do not meet: the role's own, or that of a role it includes, for who has
    /// a role's rules must be as sure as that role asks for.
    #[must_use]
    pub fn unmet<'a>(&self, name: &RoleName, ways: impl Iterator<Item = &'a Way> + Clone) -> Option<&Requirement> {
        let mut seen = Vec::new();
        self.walk(name, &mut seen);
        seen.into_iter().map(|(_, role)| &role.require).find(|require| !require.is_met_by(ways.clone()))
    }

    /// How many days back holders of a role may see: as the role says, else the first that it includes and that says; so a role
    /// that is built on a limited one is limited too, unless it lifts that itself. `None` is without limit.
    #[must_use]
    pub fn days_back(&self, name: &RoleName) -> Option<u32> {
        match self.origin_of_days_back(name)?.1 {
            DaysBack::Days(days) => Some(days),
            DaysBack::Unlimited => None,
        }
    }

    /// The role that says how many days back holders of a role may see, and what it says.
    #[must_use]
    pub fn origin_of_days_back(&self, name: &RoleName) -> Option<(&RoleName, DaysBack)> {
        let mut seen = Vec::new();
        self.walk(name, &mut seen);
        seen.into_iter().find_map(|(name, role)| Some((name, role.days_back?)))
    }

    /// Whether holders of a role have all that another one gives: it is the same, or included by some way.
    #[must_use]
    pub fn holds(&self, name: &RoleName, other: &RoleName) -> bool {
        let mut seen = Vec::new();
        self.walk(name, &mut seen);
        seen.iter().any(|(name, _)| *name == other)
    }

    /// A role and all that it includes, depth first, each once.
    pub(super) fn held<'a>(&'a self, name: &RoleName) -> impl Iterator<Item = (&'a RoleName, &'a Role)> {
        let mut seen = Vec::new();
        self.walk(name, &mut seen);
        seen.into_iter()
    }

    fn walk<'a>(&'a self, name: &RoleName, seen: &mut Vec<(&'a RoleName, &'a Role)>) {
        let Some((name, role)) = self.0.get_key_value(name) else { return };
        if seen.iter().any(|(known, _)| *known == name) {
            return;
        }
        seen.push((name, role));
        for included in &role.includes {
            self.walk(included, seen);
        }
    }

    /// A role that includes itself by some way, with the way.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<&RoleName>> {
        self.0.keys().find_map(|start| {
            let mut way = vec![start];
            self.walks_back_to(start, start, &mut way).then_some(way)
        })
    }

    fn walks_back_to<'a>(&'a self, goal: &RoleName, from: &RoleName, way: &mut Vec<&'a RoleName>) -> bool {
        let Some(role) = self.0.get(from) else { return false };
        for next in &role.includes {
            if next == goal {
                return true;
            }
            if !way.contains(&next) {
                way.push(next);
                if self.walks_back_to(goal, next, way) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }
}
