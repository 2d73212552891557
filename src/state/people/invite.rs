//! Inviting somebody, adding somebody, sending an invitation again, and withdrawing it.

use jiff::Timestamp;

use super::commit::{Ready, Told};
use super::known::is_within;
use super::letters::Invitation;
use super::mailings::{Enough, PAUSE};
use super::team::{Standing, Strength};
use super::{Details, Hand, People, Refused, Right, Welcome, Whom};
use crate::config::App;
use crate::policy::{CustomerList, DaysBack, NotAllowed, PortalRight, TeamPlan};
use crate::session::Token;
use crate::state::audit::Deed;
use crate::state::members::{Basis, Entry, Organisation, Record, RecordState, Step};
use crate::state::ports::OutgoingMail;
use crate::types::{DisplayName, RoleName};

/// Where an app has no `[team]`, staff invite on these terms.
const STANDARD: TeamPlan = TeamPlan {
    max_role: None,
    invitation_lifetime: std::time::Duration::from_secs(7 * 86_400),
    owner_role: None,
    max_members: 1000,
};
/// So many of a customer's people are looked at for the customer's name.
const ENOUGH_FOR_A_NAME: usize = 20;
/// Whether something is done, or only tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Do,
    Try,
}

impl People {
    /// Gives somebody a record: invites them or, where that is for nobody to accept, adds them. Answers what it says.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn invite(
        &self,
        hand: Hand<'_>,
        whom: Whom<'_>,
        details: &Details,
        welcome: Welcome,
    ) -> Result<Record, Refused> {
        let record = self.invite_or_try(hand, whom, details, welcome, Mode::Do).await?;
        record.ok_or(Refused::Stale)
    }

    /// The same, or only finding out whether it would be done.
    pub(super) async fn invite_or_try(
        &self,
        hand: Hand<'_>,
        whom: Whom<'_>,
        details: &Details,
        welcome: Welcome,
        mode: Mode,
    ) -> Result<Option<Record>, Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        standing.has(PortalRight::Invite)?;
        standing.may_give(&details.role)?;
        let days_back = standing.days_given(&details.role, details.days_back);
        standing.may_give_days(&details.role, days_back)?;
        if welcome == Welcome::Nothing && !matches!(standing.right, Strength::Staff) {
            return Err(NotAllowed::NoRight.into());
        }
        let subject = self.subject(&app, whom).await?;
        if let Some(named) = &subject.named {
            return Err(Refused::Named { list: named.list.clone(), adjustable: named.adjustable });
        }
        // Perhaps a list that cannot be asked names them, and then there is nothing to invite them to.
        if let Some(missing) = subject.missing.clone() {
            return Err(missing.into());
        }
        if subject.record.as_ref().is_some_and(Record::is_own) {
            return Err(Refused::Known);
        }
        if mode == Mode::Try {
            return Ok(None);
        }
        let entry = Entry { days_back, ..details.entry(whom, Basis::Own) };
        let plan = app.policy.team.as_ref().unwrap_or(&STANDARD);
        let mut ready = Ready { rests_on: standing.rests_on(), ..Ready::default() };
        let detail = Some(terms_of(&entry));
        let state = match welcome {
            Welcome::Nothing => {
                ready.told.push(Told::of(Deed::Made, whom, detail));
                RecordState::Active
            }
            Welcome::Invitation => {
                ready.told.push(Told::of(Deed::Invited, whom, detail));
                let (state, mail) = self.letter(&app, hand, &standing, &entry, Occasion::First).await?;
                ready.mails.push(mail);
                state
            }
        };
        let name = self.customers_name(&app, &standing, whom).await.map(|name| Organisation {
            app: app.name.clone(),
            id: whom.customer.clone(),
            name,
            founder: None,
        });
        ready.steps.extend(name.map(Step::Name));
        // One that changed what a list gave, and no list names the person any more.
        let old = subject.record.as_ref().map(|old| Step::Remove { id: old.id, version: old.version });
        ready.steps.extend(old);
        ready.steps.push(Step::Add { entry: Box::new(entry), state, by: hand.maker(), most: plan.max_members });
        self.send(&app, hand, whom, &ready).await.map(Some)
    }

    /// Sends an invitation again: with a new link, and the whole time to accept it. The one before shows nothing any more.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn resend(&self, hand: Hand<'_>, whom: Whom<'_>) -> Result<Record, Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        standing.has(PortalRight::Invite)?;
        let record = self.invitation_of(whom).await?;
        // Whoever sends it again answers for it from now on, and so must be able to give what it gives.
        standing.may_give(&record.entry.role)?;
        standing.may_give_days(&record.entry.role, record.entry.days_back)?;
        if self.subject(&app, whom).await?.named.is_some_and(|named| !named.adjustable) {
            return Err(Refused::NoSuchPerson);
        }
        let (state, mail) = self.letter(&app, hand, &standing, &record.entry, Occasion::Again(&record)).await?;
        let step = Step::Set {
            id: record.id,
            version: record.version,
            entry: Box::new(record.entry.clone()),
            state,
            by: Some(hand.maker()),
        };
        // One that ran out takes a place again.
        let is_over = matches!(record.state, RecordState::Invited { expires, .. } if expires <= hand.scene.now);
        let most = app.policy.team.as_ref().unwrap_or(&STANDARD).max_members;
        let room = Step::Room { app: whom.app.clone(), customer: whom.customer.clone(), most };
        let ready = Ready {
            steps: is_over.then_some(room).into_iter().chain([step]).collect(),
            rests_on: standing.rests_on(),
            mails: vec![mail],
            told: vec![Told::of(Deed::Resent, whom, None)],
            ..Ready::default()
        };
        self.send(&app, hand, whom, &ready).await
    }

    /// Withdraws an invitation: its link shows nothing any more, and nobody can accept it.
    ///
    /// # Errors
    /// [`Refused`], and nothing was done.
    pub async fn withdraw(&self, hand: Hand<'_>, whom: Whom<'_>) -> Result<(), Refused> {
        let app = self.app(whom.app)?;
        let standing = self.standing(&app, hand, whom.customer).await?;
        standing.has(PortalRight::Invite)?;
        let record = self.invitation_of(whom).await?;
        standing.may_touch_lightly(&record.entry.role)?;
        let ready = Ready {
            steps: vec![Step::Remove { id: record.id, version: record.version }],
            rests_on: standing.rests_on(),
            told: vec![Told::of(Deed::Withdrawn, whom, None)],
            ..Ready::default()
        };
        self.commit(&app.name, hand, &ready).await.map(drop)
    }

    /// The customer's name, to be kept for those who are in no table: as whoever invites has it or, of staff, who have none, as any list of
    /// the app names it.
    async fn customers_name(&self, app: &App, standing: &Standing<'_>, whom: Whom<'_>) -> Option<DisplayName> {
        match &standing.right {
            Strength::Colleague { customer_name, .. } => customer_name.clone(),
            Strength::Staff => {
                let named = self.tables.of_customer(&app.name, whom.customer, ENOUGH_FOR_A_NAME).await;
                named.people.into_iter().find_map(|grant| grant.customer.and_then(|customer| customer.name))
            }
        }
    }

    async fn invitation_of(&self, whom: Whom<'_>) -> Result<Record, Refused> {
        let record = self.record_of(whom).await?;
        let record = record.filter(|record| matches!(record.state, RecordState::Invited { .. }));
        record.ok_or(Refused::NoSuchPerson)
    }

    /// A new link, the state that it puts a record into, and the mail that brings it.
    async fn letter(
        &self,
        app: &App,
        hand: Hand<'_>,
        standing: &Standing<'_>,
        entry: &Entry,
        occasion: Occasion<'_>,
    ) -> Result<(RecordState, (OutgoingMail, Timestamp)), Refused> {
        let now = hand.scene.now;
        let plan = app.policy.team.as_ref().unwrap_or(&STANDARD);
        let expires = now.checked_add(plan.invitation_lifetime).unwrap_or(Timestamp::MAX);
        let kept = self.store.organisation(&app.name, &entry.customer).await?.map(|organisation| organisation.name);
        let whom = Whom { app: &app.name, customer: &entry.customer, email: &entry.email };
        let told = self.customers_name(app, standing, whom).await;
        let customer = told.or(kept).map_or_else(|| entry.customer.to_string(), |name| name.to_string());
        let inviter = match &standing.right {
            Strength::Colleague { name, email, .. } => {
                Some(name.as_ref().map_or_else(|| email.to_string(), ToString::to_string))
            }
            Strength::Staff => None,
        };
        let token = Token::generate();
        let invitation = Invitation {
            entry,
            token: &token,
            expires,
            is_reminder: matches!(occasion, Occasion::Again(_)),
            customer: &customer,
            inviter: inviter.as_deref(),
        };
        let mail = self.write_invitation(app, hand, &invitation)?;
        // Also after a restart, which forgets what went out.
        if let Occasion::Again(Record { state: RecordState::Invited { sent, .. }, .. }) = occasion
            && now < sent.checked_add(PAUSE).unwrap_or(Timestamp::MAX)
        {
            return Err(Refused::TooSoon);
        }
        if matches!(standing.right, Strength::Colleague { .. }) {
            let is_again = matches!(occasion, Occasion::Again(_));
            let taken = self.mailings.take(&app.name, &entry.customer, &entry.email, plan.max_members, is_again);
            taken.map_err(|enough| match enough {
                Enough::ForThem => Refused::TooSoon,
                Enough::ForToday => Refused::TooMany,
            })?;
        }
        Ok((RecordState::Invited { expires, link: token.hash(), sent: now }, (mail, expires)))
    }

    /// Puts an invitation into the store. One that was not sent does not count as sent.
    async fn send(&self, app: &App, hand: Hand<'_>, whom: Whom<'_>, ready: &Ready) -> Result<Record, Refused> {
        let done = self.commit(&app.name, hand, ready).await;
        if done.is_err() && !ready.mails.is_empty() && matches!(hand.right, Right::Colleague(_)) {
            self.mailings.give_back(&app.name, whom.customer, whom.email);
        }
        done?.into_iter().next().ok_or(Refused::Stale)
    }
}

/// When an invitation is written.
#[derive(Clone, Copy)]
enum Occasion<'a> {
    First,
    Again(&'a Record),
}

impl Standing<'_> {
    /// The days back that an invitation gives: where they are left to the role, no more than whoever invites sees themselves.
    fn days_given(&self, role: &RoleName, days: Option<DaysBack>) -> Option<DaysBack> {
        match &self.right {
            Strength::Colleague { days_back: own @ Some(limit), .. }
                if days.is_none() && !is_within(self.roles.days_back(role), *own) =>
            {
                Some(DaysBack::Days(*limit))
            }
            _ => days,
        }
    }

    /// Whether so many days back may be given with a role.
    pub(super) fn may_give_days(&self, role: &RoleName, days: Option<DaysBack>) -> Result<(), Refused> {
        if matches!(days, Some(DaysBack::Days(days)) if days > CustomerList::MOST_DAYS_BACK) {
            return Err(Refused::BadDaysBack);
        }
        let days = days.map_or_else(|| self.roles.days_back(role), DaysBack::limit);
        match &self.right {
            Strength::Colleague { days_back, .. } if !is_within(days, *days_back) => {
                Err(NotAllowed::DaysAboveOwn.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether what takes nothing from somebody may be done to them, though their role is irrevocable: an invitation that gives nothing
    /// yet may be withdrawn, a name mended.
    pub(super) fn may_touch_lightly(&self, role: &RoleName) -> Result<(), NotAllowed> {
        match self.may_touch(role) {
            Err(NotAllowed::Irrevocable) => match &self.right {
                Strength::Colleague { role: own, .. } if !self.roles.holds(own, role) => {
                    Err(NotAllowed::ColleagueAbove)
                }
                _ => Ok(()),
            },
            other => other,
        }
    }
}

/// What an entry gives, for the audit log.
pub(super) fn terms_of(entry: &Entry) -> String {
    match entry.days_back {
        None => format!("role {}", entry.role),
        Some(days) => format!("role {}, {}", entry.role, days_of(Some(days))),
    }
}

/// Days back, for the audit log.
pub(super) fn days_of(days: Option<DaysBack>) -> String {
    match days {
        None => "days back as the role has them".to_owned(),
        Some(DaysBack::Unlimited) => "all days back".to_owned(),
        Some(DaysBack::Days(days)) => format!("{days} days back"),
    }
}
