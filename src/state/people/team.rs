//! A customer's people: those whom lists name and those with a record, and what may be done to each.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::known::{Weight, combine};
use super::{Hand, People, Refused, Right};
use crate::config::App;
use crate::policy::{Grant, NotAllowed, Origin, PortalRight, Roles, TeamPlan};
use crate::state::members::{Basis, KeepOwner, Maker, Named, Record, RecordFilter, RecordState};
use crate::state::ports::{Directory, Known};
use crate::types::{AppName, CustomerId, DisplayName, Email, Language, RoleName};

/// So many people of a customer are looked at, by tables and by records each.
const MOST: usize = 2000;

/// A customer's people.
#[derive(Clone, Debug)]
pub struct Team {
    /// The people, by address.
    pub members: Vec<Member>,
    /// Lists that cannot be asked, by name, and why: whom they name is missing, or shown as their record has them.
    pub unasked: Vec<(String, String)>,
    /// Whether there are more than are shown.
    pub is_cut: bool,
    /// The roles that whoever looks may give.
    pub givable: Vec<RoleName>,
    /// Whether whoever looks may invite somebody.
    pub may_invite: bool,
}

/// One person of a customer.
#[derive(Clone, Debug)]
pub struct Member {
    /// The address.
    pub email: Email,
    /// The name.
    pub name: Option<DisplayName>,
    /// As what; where they have nothing, what their record says.
    pub role: RoleName,
    /// How many days back; `None` is without limit.
    pub days_back: Option<u32>,
    /// The person's language.
    pub language: Option<Language>,
    /// Where it comes from.
    pub source: Source,
    /// How it stands.
    pub state: MemberState,
    /// Their record, where they have one.
    pub record: Option<Record>,
    /// What whoever looks may do to it.
    pub may: Abilities,
}

/// Where somebody's access comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A list.
    List {
        /// Its name.
        name: String,
        /// Whether a record may change what it gives.
        adjustable: bool,
    },
    /// A record.
    Record,
}

/// How somebody's access stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MemberState {
    /// They have it.
    Active,
    /// They were invited, and may accept until then.
    Invited(Timestamp),
    /// They were invited, and can accept no more: too late, or whoever invited them may not any more.
    Lapsed(Timestamp),
    /// They have nothing for now.
    Suspended,
    /// They have nothing, for their role is not there any more or not for them, or a list that decides cannot be asked.
    Without,
}

/// What may be done to somebody's access.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Abilities {
    /// Change role, days back, names, notes and language.
    pub change: bool,
    /// Suspend it and let it count again.
    pub suspend: bool,
    /// Take it away, or withdraw the invitation.
    pub remove: bool,
    /// Send the invitation again.
    pub resend: bool,
    /// It is one's own, and one may leave (unless one is the last owner).
    pub leave: bool,
}

/// What lets somebody look after a customer's people.
#[derive(Clone, Debug)]
pub(super) struct Standing<'a> {
    pub(super) roles: &'a Roles,
    pub(super) right: Strength,
}

/// How far that goes.
#[derive(Clone, Debug)]
pub(super) enum Strength {
    /// As far as config does.
    Staff,
    /// As far as one's own role and the app's ceiling.
    Colleague {
        plan: TeamPlan,
        email: Email,
        role: RoleName,
        days_back: Option<u32>,
        customer_name: Option<DisplayName>,
        name: Option<DisplayName>,
        language: Option<Language>,
        /// The record it rests on, with its version.
        record: Option<(i64, i64)>,
    },
}

impl Standing<'_> {
    pub(super) fn has(&self, right: PortalRight) -> Result<(), NotAllowed> {
        match &self.right {
            Strength::Staff => Ok(()),
            Strength::Colleague { role, .. } if self.roles.gives(role, right) => Ok(()),
            Strength::Colleague { .. } => Err(NotAllowed::NoRight),
        }
    }

    pub(super) fn may_give(&self, role: &RoleName) -> Result<(), NotAllowed> {
        match &self.right {
            Strength::Staff if self.roles.role(role).is_none() => Err(NotAllowed::UnknownRole),
            Strength::Staff => Ok(()),
            Strength::Colleague { plan, role: own, .. } => self.roles.may_give(plan, own, role),
        }
    }

    /// Whether somebody who holds a role may be changed at all.
    pub(super) fn may_touch(&self, role: &RoleName) -> Result<(), NotAllowed> {
        match &self.right {
            Strength::Staff if self.roles.is_irrevocable(role) => Err(NotAllowed::Irrevocable),
            Strength::Staff => Ok(()),
            Strength::Colleague { role: own, .. } => self.roles.may_touch(own, role),
        }
    }

    pub(super) fn is(&self, email: &Email) -> bool {
        matches!(&self.right, Strength::Colleague { email: own, .. } if own == email)
    }

    pub(super) fn rests_on(&self) -> Option<(i64, i64)> {
        match &self.right {
            Strength::Staff => None,
            Strength::Colleague { record, .. } => *record,
        }
    }

    fn givable(&self) -> Vec<RoleName> {
        self.roles.0.keys().filter(|role| self.may_give(role).is_ok()).cloned().collect()
    }

    fn abilities(&self, member: &Member) -> Abilities {
        let touched = self.may_touch(&member.role).is_ok();
        let can = |right| self.has(right).is_ok() && touched;
        let is_fixed = matches!(member.source, Source::List { adjustable: false, .. });
        let is_invited = matches!(member.state, MemberState::Invited(_) | MemberState::Lapsed(_));
        let is_own = self.is(&member.email);
        Abilities {
            change: !is_fixed && can(PortalRight::Roles),
            suspend: !is_fixed && !is_invited && !is_own && can(PortalRight::Remove),
            remove: !is_fixed && !is_own && can(if is_invited { PortalRight::Invite } else { PortalRight::Remove }),
            resend: is_invited && can(PortalRight::Invite) && self.may_give(&member.role).is_ok(),
            leave: !is_fixed && is_own,
        }
    }
}

impl People {
    /// A customer's people, for somebody who may see them.
    ///
    /// # Errors
    /// [`Refused`] where they may not, or it cannot be found out.
    pub async fn team(&self, hand: Hand<'_>, app: &AppName, customer: &CustomerId) -> Result<Team, Refused> {
        let app = self.app(app)?;
        let standing = self.standing(&app, hand, customer).await?;
        standing.has(PortalRight::Members)?;
        let now = hand.scene.now;
        let named = self.tables.of_customer(&app.name, customer, MOST).await;
        let (records, is_cut) = self.all_records(&app.name, customer).await?;
        let mut rows: BTreeMap<Email, (Option<Grant>, Option<Record>)> = BTreeMap::new();
        for grant in named.people {
            let email = grant.email.clone();
            rows.entry(email).or_default().0 = Some(grant);
        }
        for record in records {
            let email = record.entry.email.clone();
            rows.entry(email).or_default().1 = Some(record);
        }
        let unasked: Vec<String> = named.unasked.iter().map(|(list, _)| list.clone()).collect();
        let mut members = Vec::with_capacity(rows.len());
        for (email, (grant, record)) in rows {
            if app.policy.workspace.contains_key(&email) {
                continue;
            }
            if let Some(mut member) = self.member(&app, email, grant, record, &unasked, now).await? {
                member.may = standing.abilities(&member);
                members.push(member);
            }
        }
        Ok(Team {
            members,
            unasked: named.unasked,
            is_cut: is_cut || named.is_cut,
            givable: standing.givable(),
            may_invite: standing.has(PortalRight::Invite).is_ok(),
        })
    }

    async fn member(
        &self,
        app: &App,
        email: Email,
        named: Option<Grant>,
        record: Option<Record>,
        unasked: &[String],
        now: Timestamp,
    ) -> Result<Option<Member>, Refused> {
        let told = Known {
            grants: named.iter().cloned().map(std::sync::Arc::new).collect(),
            fresh_until: now,
            missing: None,
            unasked: unasked.to_vec(),
            ambiguous: Vec::new(),
        };
        let combined = combine(&app.policy, &told, record.iter().cloned().collect(), now);
        let weight = combined.weighed.first().map(|weighed| &weighed.weight);
        let has = combined.grants.first();
        let source = match &named {
            Some(Grant { origin: Origin::List(name), .. }) => {
                let adjustable = app.policy.list(name).is_some_and(|list| list.adjustable);
                Source::List { name: name.clone(), adjustable }
            }
            _ => Source::Record,
        };
        let state = match (has, &record) {
            (Some(_), _) => MemberState::Active,
            (None, None) => return Ok(None),
            (None, Some(record)) => match (&record.state, weight) {
                // It changed what a list gave, and the list names the person no more.
                (_, Some(Weight::NothingToChange)) => return Ok(None),
                (RecordState::Invited { expires, .. }, _) => match self.ground(app, record, now).await? {
                    Some(_) => MemberState::Invited(*expires),
                    None => MemberState::Lapsed(*expires),
                },
                (RecordState::Suspended, _) => MemberState::Suspended,
                (RecordState::Active, _) => MemberState::Without,
            },
        };
        let entry = record.as_ref().map(|record| &record.entry);
        let roles = &app.policy.roles;
        let (role, days_back) = match (has, entry) {
            (Some(grant), _) => (grant.role.clone(), grant.days_back),
            (None, Some(entry)) => {
                let days = entry.days_back.map_or_else(|| roles.days_back(&entry.role), |days| days.limit());
                (entry.role.clone(), days)
            }
            (None, None) => return Ok(None),
        };
        let of_list = named.as_ref().and_then(|grant| Language::parse(grant.language.as_ref()?.as_str()));
        Ok(Some(Member {
            name: has
                .and_then(|grant| grant.name.clone())
                .or_else(|| entry.and_then(|entry| entry.name()))
                .or_else(|| named.as_ref().and_then(|grant| grant.name.clone())),
            language: entry.and_then(|entry| entry.language).or(of_list),
            email,
            role,
            days_back,
            source,
            state,
            record,
            may: Abilities::default(),
        }))
    }

    pub(super) async fn all_records(
        &self,
        app: &AppName,
        customer: &CustomerId,
    ) -> Result<(Vec<Record>, bool), Refused> {
        let most = u32::try_from(MOST).unwrap_or(u32::MAX);
        let filter = RecordFilter {
            app: Some(app),
            customer: Some(customer),
            most: most.saturating_add(1),
            ..Default::default()
        };
        let mut records = self.store.records(filter).await?;
        let is_cut = records.len() > MOST;
        records.truncate(MOST);
        Ok((records, is_cut))
    }

    /// What lets somebody look after a customer's people now: looked up anew, with the record that it rests on.
    pub(super) async fn standing<'a>(
        &self,
        app: &'a App,
        hand: Hand<'_>,
        customer: &CustomerId,
    ) -> Result<Standing<'a>, Refused> {
        let roles = &app.policy.roles;
        let Right::Colleague(grant) = hand.right else { return Ok(Standing { roles, right: Strength::Staff }) };
        let plan = app.policy.team.clone().ok_or(Refused::NoTeam)?;
        if grant.app != app.name || grant.customer_id() != Some(customer) {
            return Err(NotAllowed::NoRight.into());
        }
        // The record first: one that is changed after this makes the change that rests on it fail.
        let record = self.records_of(&app.name, &grant.email).await?;
        let record = record.iter().find(|record| record.entry.customer == *customer);
        let known = self.known(&app.name, &grant.email).await?;
        let now = known.grants.iter().find(|known| known.customer_id() == Some(customer));
        let Some(now) = now else { return Err(NotAllowed::NoRight.into()) };
        let right = Strength::Colleague {
            plan,
            email: grant.email.clone(),
            role: now.role.clone(),
            days_back: now.days_back,
            customer_name: now.customer.as_ref().and_then(|customer| customer.name.clone()),
            name: now.name.clone(),
            language: now.language.as_ref().and_then(|language| Language::parse(language.as_str())),
            record: record.filter(|record| record.counts()).map(|record| (record.id, record.version)),
        };
        Ok(Standing { roles, right })
    }

    /// That a customer keeps an owner, where a change takes one away.
    pub(super) async fn keep_owner(&self, app: &App, customer: &CustomerId) -> KeepOwner {
        let roles: Vec<RoleName> = app.policy.roles.of_owners().cloned().collect();
        // A list that cannot be asked names nobody: rather somebody stays than a customer is without an owner.
        let named: Named = self.tables.of_customer(&app.name, customer, MOST).await;
        let mut has_fixed = false;
        let mut adjustable = Vec::new();
        for grant in &named.people {
            let Origin::List(list) = &grant.origin else { continue };
            let is_owner = roles.contains(&grant.role);
            match app.policy.list(list).is_some_and(|list| list.adjustable) {
                true => adjustable.push((grant.email.clone(), is_owner)),
                false => has_fixed |= is_owner,
            }
        }
        KeepOwner { app: app.name.clone(), customer: customer.clone(), roles, has_fixed, adjustable }
    }
}

impl Record {
    /// Whether somebody made it: a colleague with this address.
    #[must_use]
    pub fn is_by(&self, email: &Email) -> bool {
        matches!(&self.made_by, Maker::Colleague(maker) if maker == email)
    }

    /// Whether it may give anything as it stands.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.state == RecordState::Active
    }

    /// Whether it lets its person in by itself.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.entry.basis == Basis::Own
    }
}
