//! Holds two configs, and who may enter under each, against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::super::diff::unified;
use super::facts::{AppImpact, AppState, Change, FORMAT, Impact, Kind, MemberFacts, RoleChange, SideName, Unreadable};
use crate::config::{App, Config};
use crate::directory::{Census, Member};
use crate::policy::{AppPolicy, Roles};
use crate::types::{AppName, CustomerId, Email, HostName, RoleName};

/// A config, and who may enter its apps.
pub(super) struct Side<'a> {
    pub(super) config: &'a Config,
    pub(super) counts: BTreeMap<AppName, Census>,
}

/// What the new config changes.
pub(super) fn impact(old: &Side<'_>, new: &Side<'_>) -> Impact {
    let names: BTreeSet<&AppName> = old.config.apps.iter().chain(&new.config.apps).map(|app| &app.name).collect();
    let apps = names.into_iter().map(|name| {
        let (old, new) = (AppSide::of(old, name), AppSide::of(new, name));
        Comparison { old, new, roles: BTreeMap::new(), changes: Vec::new(), problems: Vec::new() }.finish(name)
    });
    Impact { format: FORMAT, config: String::new(), against: String::new(), apps: apps.collect() }
}

/// One app under one config; nothing where the config does not have it.
#[derive(Clone, Copy, Default)]
struct AppSide<'a> {
    app: Option<&'a App>,
    census: Option<&'a Census>,
}

type Who<'a> = (Option<&'a CustomerId>, &'a Member);

impl<'a> AppSide<'a> {
    fn of(side: &'a Side<'_>, name: &AppName) -> Self {
        Self { app: side.config.app(name.as_str()).map(AsRef::as_ref), census: side.counts.get(name) }
    }

    fn people(self) -> impl Iterator<Item = (&'a Email, Who<'a>)> {
        let people = self.census.map(|census| &census.people).into_iter().flatten();
        people.map(|((email, customer), member)| (email, (customer.as_ref(), member)))
    }

    fn is_unread(self) -> bool {
        self.census.is_some_and(|census| !census.unread.is_empty())
    }

    fn policy(self) -> Option<&'a AppPolicy> {
        self.app.map(|app| &app.policy)
    }

    fn roles(self) -> Option<&'a Roles> {
        self.policy().map(|policy| &policy.roles)
    }
}

struct Comparison<'a> {
    old: AppSide<'a>,
    new: AppSide<'a>,
    /// Roles that both configs have, once they were compared.
    roles: BTreeMap<&'a RoleName, ComparedRole>,
    changes: Vec<Change>,
    problems: Vec<String>,
}

struct ComparedRole {
    is_ruled_otherwise: bool,
    is_filtered_otherwise: bool,
    /// Who has it, for one customer or another.
    holders: usize,
}

impl<'a> Comparison<'a> {
    fn finish(mut self, name: &AppName) -> AppImpact {
        let mut people: BTreeMap<&Email, (Vec<Who<'a>>, Vec<Who<'a>>)> = BTreeMap::new();
        for (email, who) in self.old.people() {
            people.entry(email).or_default().0.push(who);
        }
        for (email, who) in self.new.people() {
            people.entry(email).or_default().1.push(who);
        }
        let people_before = people.values().filter(|(before, _)| !before.is_empty()).count();
        let people_after = people.values().filter(|(_, after)| !after.is_empty()).count();
        for (email, (before, after)) in people {
            self.person(email, &before, &after);
        }
        let mut counts = BTreeMap::new();
        for kind in self.changes.iter().flat_map(|change| &change.kinds) {
            *counts.entry(*kind).or_default() += 1;
        }
        let unread = self.unread();
        let lists = unread.iter().map(|unread| {
            let side = if unread.side == SideName::Old { "old" } else { "new" };
            format!("the table of list `{}` of the {side} config cannot be read: {}", unread.list, unread.why)
        });
        self.problems.extend(lists);
        AppImpact {
            app: name.to_string(),
            state: match (self.old.app, self.new.app) {
                (None, _) => AppState::Added,
                (_, None) => AppState::Removed,
                _ => AppState::Kept,
            },
            people_before,
            people_after,
            counts,
            notes: self.notes(),
            roles: self.role_changes(),
            problems: self.problems,
            unread,
            changes: self.changes,
        }
    }

    /// Everything of one person: before and after, customer by customer.
    fn person(&mut self, email: &Email, before: &[Who<'a>], after: &[Who<'a>]) {
        let missing_in = |who: &Who<'a>, others: &[Who<'a>]| !others.iter().any(|other| other.0 == who.0);
        let gone: Vec<_> = before.iter().filter(|who| missing_in(who, after)).collect();
        let come: Vec<_> = after.iter().filter(|who| missing_in(who, before)).collect();
        for old in before {
            if let Some(new) = after.iter().find(|new| new.0 == old.0) {
                self.compare(email, *old, *new, Vec::new());
            }
        }
        match (gone.as_slice(), come.as_slice()) {
            ([old], [new]) if !self.old.is_unread() && !self.new.is_unread() => {
                self.compare(email, **old, **new, vec![Kind::Customer]);
            }
            _ => {
                for old in gone {
                    let kind = if self.new.is_unread() { Kind::Unknown } else { Kind::Loses };
                    if kind == Kind::Loses {
                        self.guard(email, *old, None);
                    }
                    self.change(email, vec![kind], Some(*old), None);
                }
                for new in come {
                    let kind = if self.old.is_unread() { Kind::Unknown } else { Kind::Gains };
                    self.change(email, vec![kind], None, Some(*new));
                }
            }
        }
    }

    fn compare(&mut self, email: &Email, old: Who<'a>, new: Who<'a>, mut kinds: Vec<Kind>) {
        if old.1.role != new.1.role {
            kinds.push(Kind::Role);
        } else if let Some(role) = self.role(&old.1.role) {
            kinds.extend(role.is_ruled_otherwise.then_some(Kind::Rules));
            kinds.extend(role.is_filtered_otherwise.then_some(Kind::Filters));
        }
        if old.1.days_back != new.1.days_back {
            kinds.push(Kind::DaysBack);
        }
        self.guard(email, old, Some(new));
        if !kinds.is_empty() {
            kinds.sort_unstable();
            self.change(email, kinds, Some(old), Some(new));
        }
    }

    fn change(&mut self, email: &Email, kinds: Vec<Kind>, before: Option<Who<'_>>, after: Option<Who<'_>>) {
        self.changes.push(Change {
            email: email.to_string(),
            kinds,
            before: before.map(member_facts),
            after: after.map(member_facts),
        });
    }

    /// Tells of a role that nobody may take away, where the new config does.
    fn guard(&mut self, email: &Email, old: Who<'a>, new: Option<Who<'a>>) {
        let Some(roles) = self.old.roles() else { return };
        let is_kept = |role: &RoleName| {
            let new = new.filter(|new| new.0 == old.0);
            new.zip(self.new.roles()).is_some_and(|(new, roles)| roles.holds(&new.1.role, role))
        };
        let irrevocable = roles.0.iter().filter(|(_, role)| role.irrevocable).map(|(name, _)| name);
        let lost: Vec<_> = irrevocable
            .filter(|name| roles.holds(&old.1.role, name) && !is_kept(name))
            .map(ToString::to_string)
            .collect();
        for role in lost {
            let customer = old.0.map_or_else(String::new, |customer| format!(" for customer `{customer}`"));
            self.problems.push(format!("{email} would lose the role `{role}`{customer}, which is irrevocable"));
        }
    }

    /// What becomes of a role that both configs have; and one more who has it.
    fn role(&mut self, name: &'a RoleName) -> Option<&ComparedRole> {
        let (old, new) = (self.old.roles()?, self.new.roles()?);
        let compared = self.roles.entry(name).or_insert_with(|| {
            let (old, new) = (old.effective(name), new.effective(name));
            let rules = |rules: &[(&RoleName, &crate::policy::Rule)]| {
                rules.iter().map(|(_, rule)| rule.to_string()).collect::<Vec<_>>()
            };
            let is_ruled_otherwise = rules(&old) != rules(&new);
            // Of rules that are other ones, the filters are too, but that says nothing more.
            let is_filtered_otherwise =
                !is_ruled_otherwise && old.iter().zip(&new).any(|((_, old), (_, new))| old.filters != new.filters);
            ComparedRole { is_ruled_otherwise, is_filtered_otherwise, holders: 0 }
        });
        compared.holders += 1;
        Some(compared)
    }

    fn role_changes(&self) -> Vec<RoleChange> {
        let (Some(old), Some(new)) = (self.old.roles(), self.new.roles()) else { return Vec::new() };
        let changed = old.0.keys().filter(|name| new.0.contains_key(*name)).filter_map(|name| {
            let difference = unified(&own_text(old, name), &own_text(new, name));
            let people = self.roles.iter().filter(|(holder, role)| {
                (role.is_ruled_otherwise || role.is_filtered_otherwise)
                    && (old.holds(holder, name) || new.holds(holder, name))
            });
            (!difference.is_empty()).then(|| RoleChange {
                role: name.to_string(),
                people: people.map(|(_, role)| role.holders).sum(),
                difference,
            })
        });
        changed.collect()
    }

    fn unread(&self) -> Vec<Unreadable> {
        let of = |side: AppSide<'a>, name: SideName| {
            let unread = side.census.map(|census| &census.unread).into_iter().flatten();
            unread.map(move |unread| Unreadable { side: name, list: unread.list.clone(), why: unread.why.clone() })
        };
        of(self.old, SideName::Old).chain(of(self.new, SideName::New)).collect()
    }

    /// What changes for everybody, or cannot be counted.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let (Some(old), Some(new)) = (self.old.app, self.new.app) else { return notes };
        match (old.enabled, new.enabled) {
            (true, false) => notes.push("the app is switched off: nobody enters".to_owned()),
            (false, true) => notes.push("the app is switched on: nobody could enter before".to_owned()),
            _ => {}
        }
        domain_notes(old, new, &mut notes);
        if old.policy.workspace_groups != new.policy.workspace_groups {
            notes.push("staff by groups changes; who is in a group only the provider knows".to_owned());
        }
        for (name, role) in &new.policy.roles.0 {
            let before = old.policy.roles.role(name);
            if before.is_some_and(|before| before.require != role.require) {
                notes.push(format!("role `{name}` asks for other ways of logging in"));
            }
            if before.is_some_and(|before| before.irrevocable && !role.irrevocable) {
                notes.push(format!("role `{name}` is no longer irrevocable"));
            }
        }
        notes
    }
}

/// Domains that come, go, or change their customer. Who is in a table of domains is not the config's to say.
fn domain_notes(old: &App, new: &App, notes: &mut Vec<String>) {
    const MOST_NAMED: usize = 20;
    let whose = |customer: Option<&CustomerId>| {
        customer.map_or_else(|| "all customers".to_owned(), |customer| format!("customer {customer} alone"))
    };
    let find = |app: &App, host: &HostName| {
        app.domains.iter().find(|domain| domain.host == *host).map(|domain| domain.customer.clone())
    };
    let hosts: BTreeSet<&HostName> = old.domains.iter().chain(&new.domains).map(|domain| &domain.host).collect();
    let changes = hosts.into_iter().filter_map(|host| match (find(old, host), find(new, host)) {
        (None, Some(_)) => Some(format!("the domain {host} comes")),
        (Some(_), None) => Some(format!("the domain {host} goes")),
        (Some(old), Some(new)) if old != new => Some(format!("the domain {host} is for {}", whose(new.as_ref()))),
        _ => None,
    });
    let mut changes: Vec<String> = changes.collect();
    if let Some(more) = changes.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        changes.truncate(MOST_NAMED);
        changes.push(format!("{more} more domains come, go or change"));
    }
    notes.append(&mut changes);
    if old.domain_tables != new.domain_tables {
        notes.push("its tables of domains change; `check --data` tells what they name".to_owned());
    }
}

/// A role's own includes, and its own rules with what they narrow, a line each.
fn own_text(roles: &Roles, name: &RoleName) -> String {
    let Some(role) = roles.role(name) else { return String::new() };
    let mut lines: Vec<String> = role.includes.iter().map(|included| format!("includes {included}")).collect();
    for rule in &role.rules {
        let mut line = rule.to_string();
        if let Some(filters) = &rule.filters {
            line.push_str(&format!("; {filters}"));
            if !filters.field_params.is_empty() {
                line.push_str(&format!("; field params {}", filters.field_params.join(", ")));
            }
        }
        lines.push(line);
    }
    lines.join("\n")
}

fn member_facts((customer, member): Who<'_>) -> MemberFacts {
    MemberFacts {
        customer: customer.map(ToString::to_string),
        role: member.role.to_string(),
        days_back: member.days_back,
    }
}
