//! Roles: named sets of rules that may include other roles.

use std::collections::BTreeMap;

use super::{Condition, Rule};
use crate::types::RoleName;

/// One role of an app.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// The roles whose rules come after its own.
    pub includes: Vec<RoleName>,
    /// Holders enter only where this is true.
    pub when: Option<Condition>,
    /// Its own rules, in order.
    pub rules: Vec<Rule>,
}

/// The roles of an app. Every included role exists and no role includes itself: `config` sees to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roles(pub BTreeMap<RoleName, Role>);

impl Roles {
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

    /// The rules that hold for a role: its own in order, then those of each role it includes, depth first, each role once.
    /// With every rule comes the role it is from.
    #[must_use]
    pub fn effective(&self, name: &RoleName) -> Vec<(&RoleName, &Rule)> {
        let mut seen = Vec::new();
        let mut rules = Vec::new();
        self.collect(name, &mut seen, &mut rules);
        rules
    }

    fn collect<'a>(&'a self, name: &RoleName, seen: &mut Vec<&'a RoleName>, rules: &mut Vec<(&'a RoleName, &'a Rule)>) {
        let Some((name, role)) = self.0.get_key_value(name) else { return };
        if seen.contains(&name) {
            return;
        }
        seen.push(name);
        rules.extend(role.rules.iter().map(|rule| (name, rule)));
        for included in &role.includes {
            self.collect(included, seen, rules);
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
