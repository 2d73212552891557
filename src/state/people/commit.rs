//! The last step of every change: into the store with its mails and audit entries, then told.

use jiff::Timestamp;

use super::known::unavailable;
use super::{Hand, People, Refused, Whom};
use crate::config::App;
use crate::policy::{Grant, NotAllowed, Origin};
use crate::state::audit::{Deed, Entry as AuditEntry, Event, Scene};
use crate::state::members::{Changed, KeepOwner, Record, Step, Terms};
use crate::state::ports::{OutgoingMail, Pigeonhole};
use crate::types::{AppName, CustomerId, Email};

/// What became of whom, for the audit log.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) deed: Deed,
    pub(super) email: Email,
    pub(super) customer: CustomerId,
    pub(super) detail: Option<String>,
}

impl Told {
    pub(super) fn of(deed: Deed, whom: Whom<'_>, detail: impl Into<Option<String>>) -> Self {
        Self { deed, email: whom.email.clone(), customer: whom.customer.clone(), detail: detail.into() }
    }

    fn event(&self) -> Event<'_> {
        Event::Record { deed: self.deed, email: &self.email, customer: &self.customer, detail: self.detail.as_deref() }
    }
}

/// A change that is ready.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) steps: Vec<Step>,
    pub(super) rests_on: Option<(i64, i64)>,
    pub(super) owners: Option<KeepOwner>,
    pub(super) mails: Vec<(OutgoingMail, Timestamp)>,
    pub(super) told: Vec<Told>,
}

/// What is known of somebody whose access is to be changed.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// Their record.
    pub(super) record: Option<Record>,
    /// What a list gives them, before any record.
    pub(super) named: Option<Listed>,
    /// Why that may not be all.
    pub(super) missing: Option<crate::state::ports::Unavailable>,
}

/// What a list gives somebody.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) grant: Grant,
    pub(super) list: String,
    pub(super) adjustable: bool,
}

impl People {
    /// Looks somebody up whose access is to be changed.
    pub(super) async fn subject(&self, app: &App, whom: Whom<'_>) -> Result<Subject, Refused> {
        if app.policy.workspace.contains_key(whom.email) {
            return Err(Refused::Staff);
        }
        let record = self.record_of(whom).await.map_err(unavailable)?;
        let told = self.tables.told(&app.name, whom.email, record.is_some()).await?;
        if told.ambiguous.contains(whom.customer) {
            return Err(Refused::Ambiguous);
        }
        let named = told.grants.iter().find(|grant| grant.customer_id() == Some(whom.customer));
        let named = named.and_then(|grant| {
            let Origin::List(list) = &grant.origin else { return None };
            let adjustable = app.policy.list(list).is_some_and(|list| list.adjustable);
            Some(Listed { grant: Grant::clone(grant), list: list.clone(), adjustable })
        });
        Ok(Subject { record, named, missing: told.missing.clone() })
    }

    /// Puts a change into the store; what it returns are the records that were added or changed.
    pub(super) async fn commit(&self, app: &AppName, hand: Hand<'_>, ready: &Ready) -> Result<Vec<Record>, Refused> {
        self.commit_in(Scene { app: Some(app), ..hand.scene }, ready).await
    }

    /// The same for what somebody does by coming.
    pub(super) async fn commit_in(&self, scene: Scene<'_>, ready: &Ready) -> Result<Vec<Record>, Refused> {
        let entries: Vec<AuditEntry> = ready.told.iter().map(|told| AuditEntry::of(scene, &told.event())).collect();
        let terms =
            Terms { rests_on: ready.rests_on, owners: ready.owners.as_ref(), mails: &ready.mails, entries: &entries };
        // Also where whoever waits for this goes away meanwhile.
        let _counts = Counts { people: self, told: &ready.told };
        let records = match self.store.change_records(&ready.steps, terms, scene.now).await? {
            Changed::Done { records, before, after } => {
                self.generations.own_change(before, after);
                records
            }
            Changed::Gone => return Err(Refused::NoSuchPerson),
            Changed::Stale | Changed::Unfounded => return Err(Refused::Stale),
            Changed::Known => return Err(Refused::Known),
            Changed::Full => {
                let most = ready.steps.iter().find_map(|step| match step {
                    Step::Add { most, .. } | Step::Room { most, .. } => Some(*most),
                    _ => None,
                });
                return Err(Refused::Full(most.unwrap_or_default()));
            }
            Changed::LastOwner => return Err(NotAllowed::LastOwner.into()),
        };
        for told in &ready.told {
            self.journal.tell(scene, &told.event());
        }
        if !ready.mails.is_empty() {
            self.mailed.notify_one();
        }
        Ok(records)
    }
}

/// Makes a change count when it is dropped.
struct Counts<'a> {
    people: &'a People,
    told: &'a [Told],
}

impl Drop for Counts<'_> {
    fn drop(&mut self) {
        for told in self.told {
            self.people.generations.changed(Pigeonhole::of(&told.email));
        }
    }
}
