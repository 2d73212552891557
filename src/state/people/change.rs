//! Changing somebody's access, taking it away, and leaving.

use super::commit::{Listed, Ready, Subject, Told};
use super::invite::days_of;
use super::team::{Standing, Strength};
use super::{Edit, Edits, Hand, People, Refused, Whom};
use crate::config::App;
use crate::policy::{DaysBack, NotAllowed, PortalRight};
use crate::state::audit::Deed;
use crate::state::members::{Basis, Entry, Record, RecordState, Step};
use crate::types::{Language, RoleName};

/// So often a change is tried that somebody else's got before.
const TRIES: u32 = 4;

impl People {
    /// Changes what somebody's record says. Of a person whom an adjustable list names, one is made.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn change(&self, hand: Hand<'_>, whom: Whom<'_>, edits: &Edits) -> Result<Record, Refused> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.change_once(hand, whom, edits).await {
                Err(Refused::Stale) if edits.version.is_none() && tries < TRIES => {}
                done => return done,
            }
        }
    }

    async fn change_once(&self, hand: Hand<'_>, whom: Whom<'_>, edits: &Edits) -> Result<Record, Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        let subject = self.subject(&app, whom).await?;
        if let Some(Listed { list, adjustable: false, .. }) = &subject.named {
            return Err(Refused::TableWins(list.clone()));
        }
        let (before, state) = subject.entry(whom).ok_or(Refused::NoSuchPerson)?;
        let version = subject.record.as_ref().map_or(0, |record| record.version);
        if edits.version.is_some_and(|seen| seen != version) {
            return Err(Refused::Stale);
        }
        let entry = edits.applied_to(&before);
        let new_state = match (&edits.suspended, &state) {
            (Edit::Keep, _) => state.clone(),
            // There is nothing yet that could be suspended: an invitation is withdrawn.
            (Edit::Set(_), RecordState::Invited { .. }) => return Err(Refused::NoSuchPerson),
            (Edit::Set(true), _) => RecordState::Suspended,
            (Edit::Set(false), _) => RecordState::Active,
        };
        self.may_edit(&standing, &subject, (&before, &state), (&entry, &new_state))?;
        // Whoever changes what an invitation gives answers for it from then on, as whoever sends it again.
        let answers = matches!(state, RecordState::Invited { .. }) && gives_otherwise(&before, &entry);
        let step = match &subject.record {
            Some(record) => Step::Set {
                id: record.id,
                version: record.version,
                entry: Box::new(entry.clone()),
                state: new_state.clone(),
                by: answers.then(|| hand.maker()),
            },
            None => {
                Step::Add { entry: Box::new(entry.clone()), state: new_state.clone(), by: hand.maker(), most: u32::MAX }
            }
        };
        let detail = difference((&before, &state), (&entry, &new_state));
        let ready = Ready {
            steps: vec![step],
            rests_on: standing.rests_on().filter(|_| !standing.is(whom.email)),
            told: vec![Told::of(Deed::Changed, whom, Some(detail))],
            ..Ready::default()
        };
        self.commit(&app.name, hand, &ready).await?.into_iter().next().ok_or(Refused::Stale)
    }

    fn may_edit(
        &self,
        standing: &Standing<'_>,
        subject: &Subject,
        (before, state): (&Entry, &RecordState),
        (after, new_state): (&Entry, &RecordState),
    ) -> Result<(), Refused> {
        let gives_otherwise = gives_otherwise(before, after);
        let is_suspended_otherwise = state != new_state;
        let right = if is_suspended_otherwise && !gives_otherwise { PortalRight::Remove } else { PortalRight::Roles };
        standing.has(right)?;
        if is_suspended_otherwise {
            standing.has(PortalRight::Remove)?;
        }
        // Both what the record says and what the list would give without it: neither may be above whoever acts.
        let of_list = subject.named.as_ref().map(|named| &named.grant.role);
        let roles = [Some(&before.role), of_list].into_iter().flatten();
        for role in roles {
            // A name is no right, and who has nothing now and gets it back loses nothing.
            let takes_nothing = !gives_otherwise && (!is_suspended_otherwise || *new_state == RecordState::Active);
            match takes_nothing {
                true => standing.may_touch_lightly(role)?,
                false => standing.may_touch(role)?,
            }
        }
        let is_given = gives_otherwise || (is_suspended_otherwise && *new_state == RecordState::Active);
        if is_given {
            standing.may_give(&after.role)?;
            standing.may_give_days(&after.role, after.days_back)?;
        }
        Ok(())
    }

    /// Takes somebody's access away. Whom an adjustable list names stands in it still, and so is suspended.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn remove(&self, hand: Hand<'_>, whom: Whom<'_>, version: Option<i64>) -> Result<(), Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        if standing.is(whom.email) {
            return self.leave(hand, whom).await;
        }
        let subject = self.subject(&app, whom).await?;
        if subject.record.as_ref().is_some_and(|record| matches!(record.state, RecordState::Invited { .. })) {
            return self.withdraw(hand, whom).await;
        }
        standing.has(PortalRight::Remove)?;
        if version.is_some_and(|seen| subject.record.as_ref().map_or(0, |record| record.version) != seen) {
            return Err(Refused::Stale);
        }
        let record = subject.record.as_ref().map(|record| &record.entry.role);
        let of_list = subject.named.as_ref().map(|named| &named.grant.role);
        for role in [record, of_list].into_iter().flatten() {
            standing.may_touch(role)?;
        }
        let ready = Ready {
            steps: vec![subject.end(hand, whom)?],
            rests_on: standing.rests_on(),
            told: vec![Told::of(Deed::Removed, whom, None)],
            ..Ready::default()
        };
        self.commit(&app.name, hand, &ready).await.map(drop)
    }

    /// Removes the record that changes what an adjustable list gives: what the table says counts again.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn reset(&self, hand: Hand<'_>, whom: Whom<'_>) -> Result<(), Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        standing.has(PortalRight::Roles)?;
        let subject = self.subject(&app, whom).await?;
        let (Some(named), Some(record)) = (&subject.named, &subject.record) else { return Err(Refused::NoSuchPerson) };
        if record.state == RecordState::Suspended {
            // It lets them in again.
            standing.has(PortalRight::Remove)?;
        }
        standing.may_touch(&record.entry.role)?;
        standing.may_give(&named.grant.role)?;
        standing.may_give_days(&named.grant.role, Some(limited(named.grant.days_back)))?;
        let ready = Ready {
            steps: vec![Step::Remove { id: record.id, version: record.version }],
            rests_on: standing.rests_on(),
            told: vec![Told::of(Deed::Changed, whom, Some("as the table has it".to_owned()))],
            ..Ready::default()
        };
        self.commit(&app.name, hand, &ready).await.map(drop)
    }

    /// Ends one's own access for a customer. It takes no right, but the last owner stays.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn leave(&self, hand: Hand<'_>, whom: Whom<'_>) -> Result<(), Refused> {
        let app = self.app(whom.app)?;
        let mut ready = self.ending(&app, hand, whom).await?;
        ready.told.push(Told::of(Deed::Left, whom, None));
        self.commit(&app.name, hand, &ready).await.map(drop)
    }

    /// The end of one's own access, ready but for what is told of it.
    pub(super) async fn ending(&self, app: &App, hand: Hand<'_>, whom: Whom<'_>) -> Result<Ready, Refused> {
        let standing = self.standing(app, hand, whom.customer).await?;
        let Strength::Colleague { role, .. } = &standing.right else { return Err(NotAllowed::NoRight.into()) };
        if !standing.is(whom.email) {
            return Err(NotAllowed::NoRight.into());
        }
        let subject = self.subject(app, whom).await?;
        let owners = match app.policy.roles.is_irrevocable(role) {
            true => Some(self.keep_owner(app, whom.customer).await),
            false => None,
        };
        Ok(Ready { steps: vec![subject.end(hand, whom)?], owners, ..Ready::default() })
    }
}

impl Subject {
    /// What their record says and how it stands; of somebody whom only an adjustable list names, what a record would say that
    /// changes nothing.
    fn entry(&self, whom: Whom<'_>) -> Option<(Entry, RecordState)> {
        match (&self.record, &self.named) {
            (Some(record), _) => Some((record.entry.clone(), record.state.clone())),
            (None, Some(named)) => Some((named.as_entry(whom), RecordState::Active)),
            (None, None) => None,
        }
    }

    /// The step that ends their access.
    fn end(&self, hand: Hand<'_>, whom: Whom<'_>) -> Result<Step, Refused> {
        match (&self.named, &self.record) {
            (Some(Listed { list, adjustable: false, .. }), None) => Err(Refused::TableWins(list.clone())),
            // What is left of it gives nothing; the list does, and that is not for records to say.
            (Some(Listed { list, adjustable: false, .. }), Some(_)) => Err(Refused::TableWins(list.clone())),
            (Some(_), Some(record)) => Ok(Step::Set {
                id: record.id,
                version: record.version,
                entry: Box::new(record.entry.clone()),
                state: RecordState::Suspended,
                by: None,
            }),
            (Some(named), None) => Ok(Step::Add {
                entry: Box::new(named.as_entry(whom)),
                state: RecordState::Suspended,
                by: hand.maker(),
                most: u32::MAX,
            }),
            (None, Some(record)) => Ok(Step::Remove { id: record.id, version: record.version }),
            (None, None) => Err(Refused::NoSuchPerson),
        }
    }
}

impl Listed {
    /// A record that changes nothing yet.
    fn as_entry(&self, whom: Whom<'_>) -> Entry {
        Entry {
            app: whom.app.clone(),
            customer: whom.customer.clone(),
            email: whom.email.clone(),
            basis: Basis::Adjusts,
            first_name: None,
            last_name: None,
            role: self.grant.role.clone(),
            days_back: None,
            notes: None,
            language: None,
        }
    }
}

/// Days back as a list gives them.
fn limited(days: Option<u32>) -> DaysBack {
    days.map_or(DaysBack::Unlimited, DaysBack::Days)
}

impl Edits {
    fn applied_to(&self, before: &Entry) -> Entry {
        let mut entry = before.clone();
        self.first_name.apply_to(&mut entry.first_name);
        self.last_name.apply_to(&mut entry.last_name);
        self.role.apply_to(&mut entry.role);
        self.days_back.apply_to(&mut entry.days_back);
        self.notes.apply_to(&mut entry.notes);
        self.language.apply_to(&mut entry.language);
        entry
    }
}

/// Whether a record gives something else than before.
fn gives_otherwise(before: &Entry, after: &Entry) -> bool {
    before.role != after.role || before.days_back != after.days_back
}

/// What is other than before, for the audit log, which names no person.
fn difference((before, state): (&Entry, &RecordState), (after, new_state): (&Entry, &RecordState)) -> String {
    let mut parts = Vec::new();
    let mut role = |one: &RoleName, other: &RoleName| {
        if one != other {
            parts.push(format!("role {one} to {other}"));
        }
    };
    role(&before.role, &after.role);
    if before.days_back != after.days_back {
        parts.push(format!("{} to {}", days_of(before.days_back), days_of(after.days_back)));
    }
    if state.name() != new_state.name() {
        parts.push(format!("{} to {}", state.name(), new_state.name()));
    }
    if (&before.first_name, &before.last_name) != (&after.first_name, &after.last_name) {
        parts.push("name".to_owned());
    }
    if before.notes != after.notes {
        parts.push("notes".to_owned());
    }
    if before.language != after.language {
        parts.push(format!("language {}", after.language.map_or("none", Language::code)));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
