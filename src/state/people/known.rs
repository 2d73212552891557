//! What somebody has: the tables' word and the records', weighed against each other.
//!
//! Where no list names a person for a customer, a record lets them in. Where an adjustable list does, the record changes role and
//! days back, or keeps them out. Where another list does, the table wins. What is ambiguous stays refused, and what a list that cannot
//! be asked might decide is not decided by a record: it might give more than the table does.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::People;
use crate::config::{App, AppKind};
use crate::policy::{AppPolicy, Customer, DaysBack, Grant, Origin, PortalRight, Refusal, Row};
use crate::state::members::{Basis, Entry, Maker, Record, RecordState};
use crate::state::ports::{Directory, Known, Pigeonhole, StoreError, Unavailable};
use crate::types::{AppName, DisplayName, Email};

/// A record, and what it comes to.
#[derive(Clone, Debug)]
pub struct Weighed {
    /// The record.
    pub record: Record,
    /// What it comes to.
    pub weight: Weight,
}

/// What a record comes to beside the tables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Weight {
    /// It lets the person in.
    LetsIn,
    /// It changes what this list gives.
    Changes(String),
    /// It takes away what this list gives.
    KeepsOut(String),
    /// This list names the person and is not adjustable.
    TableWins(String),
    /// It changes what a list gives, and none does any more.
    NothingToChange,
    /// It is suspended.
    Suspended,
    /// The person was invited and has not come yet.
    Invited,
    /// The tables contradict each other.
    Ambiguous,
    /// This list cannot be asked, and might say something else.
    Unasked(String),
    /// The role is not the app's any more, or not for this person.
    Role(Refusal),
    /// The person is one of the workspace's own.
    Staff,
}

/// A person's grants, and what each of their records came to.
#[derive(Clone, Debug, Default)]
pub struct Combined {
    /// The grants.
    pub grants: Vec<Arc<Grant>>,
    /// The records.
    pub weighed: Vec<Weighed>,
}

/// Puts a person's records beside what the tables say.
#[must_use]
pub fn combine(policy: &AppPolicy, told: &Known, records: Vec<Record>, now: Timestamp) -> Combined {
    let mut combined = Combined { grants: told.grants.clone(), weighed: Vec::with_capacity(records.len()) };
    for record in records {
        let weight = combined.add(policy, told, &record, now);
        combined.weighed.push(Weighed { record, weight });
    }
    combined
}

impl Combined {
    fn add(&mut self, policy: &AppPolicy, told: &Known, record: &Record, now: Timestamp) -> Weight {
        let entry = &record.entry;
        if policy.workspace.contains_key(&entry.email) || told.grants.iter().any(|grant| grant.customer.is_none()) {
            return Weight::Staff;
        }
        if told.ambiguous.contains(&entry.customer) {
            return Weight::Ambiguous;
        }
        let of_table = self.grants.iter().position(|grant| grant.customer_id() == Some(&entry.customer));
        let Some(place) = of_table else {
            // A list that no record changes might name the person as less than the record says.
            return match told.unasked.iter().find(|list| !is_adjustable(policy, list)) {
                Some(list) => Weight::Unasked(list.clone()),
                None => self.add_own(policy, record, now),
            };
        };
        let Some(named) = self.grants.get(place).cloned() else { return Weight::NothingToChange };
        let Origin::List(list) = &named.origin else { return Weight::NothingToChange };
        if !is_adjustable(policy, list) {
            return Weight::TableWins(list.clone());
        }
        match record.state {
            RecordState::Invited { .. } => Weight::Invited,
            RecordState::Suspended => {
                self.grants.remove(place);
                Weight::KeepsOut(list.clone())
            }
            RecordState::Active => match policy.admits(&entry.role, &named.row, named.customer.as_ref(), now) {
                Ok(()) => {
                    if let Some(grant) = self.grants.get_mut(place) {
                        *grant = Arc::new(adjusted(&named, entry));
                    }
                    Weight::Changes(list.clone())
                }
                Err(refusal) => {
                    // Whoever made it meant this role and no other: what the list gives may be more.
                    self.grants.remove(place);
                    Weight::Role(refusal)
                }
            },
        }
    }

    fn add_own(&mut self, policy: &AppPolicy, record: &Record, now: Timestamp) -> Weight {
        match (&record.state, record.entry.basis) {
            (RecordState::Invited { .. }, _) => Weight::Invited,
            (RecordState::Suspended, _) => Weight::Suspended,
            (RecordState::Active, Basis::Adjusts) => Weight::NothingToChange,
            (RecordState::Active, Basis::Own) => match own(policy, record, now) {
                Ok(grant) => {
                    self.grants.push(Arc::new(grant));
                    Weight::LetsIn
                }
                Err(refusal) => Weight::Role(refusal),
            },
        }
    }
}

fn is_adjustable(policy: &AppPolicy, list: &str) -> bool {
    policy.list(list).is_some_and(|list| list.adjustable)
}

/// What a record gives by itself.
fn own(policy: &AppPolicy, record: &Record, now: Timestamp) -> Result<Grant, Refusal> {
    let entry = &record.entry;
    let customer = Customer { id: entry.customer.clone(), name: record.customer_name.clone() };
    let row = Arc::new(Row::default());
    policy.admits(&entry.role, &row, Some(&customer), now)?;
    Ok(Grant {
        app: entry.app.clone(),
        email: entry.email.clone(),
        name: entry.name(),
        customer: Some(customer),
        days_back: match entry.days_back {
            Some(days) => days.limit(),
            None => policy.roles.days_back(&entry.role),
        },
        role: entry.role.clone(),
        language: entry.language.and_then(|language| DisplayName::new(language.code())),
        notes: entry.notes.clone(),
        attributes: std::collections::BTreeMap::new(),
        origin: Origin::Record,
        row,
    })
}

/// What a list gives, as a record changes it.
fn adjusted(named: &Grant, entry: &Entry) -> Grant {
    let mut grant = named.clone();
    grant.role = entry.role.clone();
    if let Some(days) = entry.days_back {
        grant.days_back = days.limit();
    }
    grant.name = entry.name().or(grant.name);
    grant.language = entry.language.and_then(|language| DisplayName::new(language.code())).or(grant.language);
    grant.notes = entry.notes.clone().or(grant.notes);
    grant
}

impl Entry {
    /// The person's whole name.
    #[must_use]
    pub fn name(&self) -> Option<DisplayName> {
        let parts = [&self.first_name, &self.last_name].into_iter().flatten().map(DisplayName::as_str);
        DisplayName::new(&parts.collect::<Vec<_>>().join(" "))
    }
}

impl People {
    /// What a person has in an app, with what each of their records came to; for those who explain it.
    ///
    /// # Errors
    /// When store or tables cannot be asked.
    pub async fn weighed(&self, app: &App, email: &Email, now: Timestamp) -> Result<Combined, Unavailable> {
        let records = self.records_of(&app.name, email).await?;
        let told = self.tables.told(&app.name, email, !records.is_empty()).await?;
        Ok(combine(&app.policy, &told, records, now))
    }

    pub(super) async fn records_of(&self, app: &AppName, email: &Email) -> Result<Vec<Record>, Unavailable> {
        // However one came into the store, nobody is staff by a record.
        if self.current.load().app(app).is_some_and(|app| app.kind == AppKind::Console) {
            return Ok(Vec::new());
        }
        self.store.records_of(app, email).await.map_err(unavailable)
    }

    /// On what ground an invitation may be accepted, where it may: in time, and while whoever made it still may give what it gives.
    pub(super) async fn ground(
        &self,
        app: &App,
        record: &Record,
        now: Timestamp,
    ) -> Result<Option<Ground>, Unavailable> {
        let RecordState::Invited { expires, .. } = record.state else { return Ok(None) };
        if expires <= now || app.policy.roles.role(&record.entry.role).is_none() {
            return Ok(None);
        }
        let inviter = match &record.made_by {
            Maker::Staff(_) => return Ok(Some(Ground(None))),
            // Nobody answers for it any more.
            Maker::Erased => return Ok(None),
            Maker::Colleague(inviter) => inviter,
        };
        let Some(plan) = &app.policy.team else { return Ok(None) };
        let customer = &record.entry.customer;
        // Read first: a change of it after this makes what rests on it fail.
        let of_inviter = self.records_of(&app.name, inviter).await?;
        let known = self.known(&app.name, inviter).await?;
        let Some(grant) = known.grants.iter().find(|grant| grant.customer_id() == Some(customer)) else {
            return Ok(None);
        };
        let roles = &app.policy.roles;
        let days = record.entry.days_back.map_or_else(|| roles.days_back(&record.entry.role), DaysBack::limit);
        let may_invite = roles.gives(&grant.role, PortalRight::Invite)
            && roles.may_give(plan, &grant.role, &record.entry.role).is_ok()
            && is_within(days, grant.days_back);
        let rests_on = of_inviter.iter().find(|record| record.entry.customer == *customer && record.counts());
        Ok(may_invite.then(|| Ground(rests_on.map(|record| (record.id, record.version)))))
    }
}

/// On what an invitation rests: the record of whoever made it, with its version; nothing where a table or staff made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground(pub(super) Option<(i64, i64)>);

/// Whether somebody who sees so many days back may give so many.
pub(super) fn is_within(days: Option<u32>, own: Option<u32>) -> bool {
    match (days, own) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(days), Some(own)) => days <= own,
    }
}

/// A store that fails is a source that fails: nobody is told to have nothing.
pub(super) fn unavailable(error: StoreError) -> Unavailable {
    Unavailable { source_name: "records".to_owned(), cause: error.to_string() }
}

#[async_trait]
impl Directory for People {
    async fn known(&self, app: &AppName, email: &Email) -> Result<Arc<Known>, Unavailable> {
        let Some(app) = self.current.load().app(app).cloned() else { return self.tables.known(app, email).await };
        if app.policy.workspace.contains_key(email) {
            return self.tables.known(&app.name, email).await;
        }
        let records = self.records_of(&app.name, email).await?;
        if records.is_empty() {
            return self.tables.known(&app.name, email).await;
        }
        let told = self.tables.told(&app.name, email, true).await?;
        let combined = combine(&app.policy, &told, records, self.now());
        match &told.missing {
            // Perhaps the list that cannot be asked has them: that they have nothing is not known.
            Some(missing) if combined.grants.is_empty() => Err(missing.clone()),
            _ => Ok(Arc::new(Known { grants: combined.grants, ..Known::clone(&told) })),
        }
    }

    async fn invited(&self, app: &AppName, email: &Email) -> Result<Vec<Arc<Grant>>, Unavailable> {
        let Some(app) = self.current.load().app(app).cloned() else { return Ok(Vec::new()) };
        let now = self.now();
        let mut good = Vec::new();
        for record in self.records_of(&app.name, email).await? {
            if self.ground(&app, &record, now).await?.is_some() {
                good.push(Record { state: RecordState::Active, ..record });
            }
        }
        if good.is_empty() {
            return Ok(Vec::new());
        }
        let told = self.tables.told(&app.name, email, true).await?;
        let mut grants = combine(&app.policy, &told, good, now).grants;
        grants.retain(|grant| grant.origin == Origin::Record);
        match told.missing.clone() {
            Some(missing) if grants.is_empty() => Err(missing),
            _ => Ok(grants),
        }
    }

    fn epoch(&self, app: &AppName, place: Pigeonhole) -> u64 {
        // Either goes up by itself, so the sum is another one whenever one of them is.
        self.tables.epoch(app, place).wrapping_add(self.generations.of(place))
    }

    fn is_available(&self, app: &AppName) -> bool {
        self.tables.is_available(app)
    }
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
