//! What `impact` has to say, as `--json` writes it. docs/explain.md describes it; whoever changes a name here changes `FORMAT`.

use std::collections::BTreeMap;

use serde::Serialize;

/// The number of this shape.
pub(super) const FORMAT: u32 = 1;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Impact {
    pub(super) format: u32,
    pub(super) config: String,
    pub(super) against: String,
    pub(super) apps: Vec<AppImpact>,
}

/// What becomes of one app.
#[derive(Debug, Serialize)]
pub(super) struct AppImpact {
    pub(super) app: String,
    pub(super) state: AppState,
    pub(super) people_before: usize,
    pub(super) people_after: usize,
    /// How many of each kind there are. Someone may be of several.
    pub(super) counts: BTreeMap<Kind, usize>,
    /// What has to be looked at before the new config may take its place.
    pub(super) problems: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) unread: Vec<Unreadable>,
    /// Roles whose own rules, filters or includes change.
    pub(super) roles: Vec<RoleChange>,
    pub(super) changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AppState {
    Kept,
    Added,
    Removed,
}

/// What changes for a person.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Gains,
    Loses,
    Role,
    Customer,
    DaysBack,
    Rules,
    Filters,
    /// A table of the other config could not be read, and the person may stand there.
    Unknown,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Gains,
        Self::Loses,
        Self::Role,
        Self::Customer,
        Self::DaysBack,
        Self::Rules,
        Self::Filters,
        Self::Unknown,
    ];
}

/// A table that could not be read to its end.
#[derive(Debug, Serialize)]
pub(super) struct Unreadable {
    pub(super) side: SideName,
    pub(super) list: String,
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SideName {
    Old,
    New,
}

/// A role whose own rules, filters or includes change: as a difference, line by line.
#[derive(Debug, Serialize)]
pub(super) struct RoleChange {
    pub(super) role: String,
    /// How many people have other rules or filters for it: those who have it, or one that includes it.
    pub(super) people: usize,
    pub(super) difference: String,
}

/// What changes for one person and customer.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) email: String,
    pub(super) kinds: Vec<Kind>,
    pub(super) before: Option<MemberFacts>,
    pub(super) after: Option<MemberFacts>,
}

/// One person, for one customer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct MemberFacts {
    /// `null` for one of the workspace's own people.
    pub(super) customer: Option<String>,
    pub(super) role: String,
    /// `null` is without limit.
    pub(super) days_back: Option<u32>,
}

impl Impact {
    pub(super) fn has_problems(&self) -> bool {
        self.apps.iter().any(|app| !app.problems.is_empty())
    }

    pub(super) fn has_changes(&self) -> bool {
        self.apps.iter().any(|app| {
            app.state != AppState::Kept || !app.changes.is_empty() || !app.roles.is_empty() || !app.notes.is_empty()
        })
    }
}
