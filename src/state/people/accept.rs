//! Accepting an invitation: by coming.
//!
//! The link in the mail opens nothing. It shows a page that says what the invitation is, and leads to log-in; whoever then proves the
//! invited address, by any way of the app, has accepted. Somebody else's session changes nothing about that, and neither does a mail
//! that was forwarded.

use jiff::Timestamp;

use super::commit::{Ready, Told};
use super::known::{Weight, combine, unavailable};
use super::{People, Refused, Whom};
use crate::policy::Customer;
use crate::session::Token;
use crate::state::audit::{Deed, Scene};
use crate::state::members::{Maker, Record, RecordState, Step};
use crate::state::ports::Unavailable;
use crate::state::snapshot::Site;
use crate::types::{AppName, DisplayName, Email, Language, RoleName};

/// What the page of an invitation shows.
#[derive(Clone, Debug)]
pub struct InvitationShown {
    /// Who is invited.
    pub email: Email,
    /// The person's name, where one was given.
    pub name: Option<DisplayName>,
    /// To which customer.
    pub customer: Customer,
    /// As what.
    pub role: RoleName,
    /// Who invites, where it is a colleague.
    pub inviter: Option<Email>,
    /// Until when it may be accepted.
    pub expires: Timestamp,
    /// The language that the person is invited in, where one was chosen.
    pub language: Option<Language>,
    /// Whether it may be.
    pub standing: Standing,
}

/// Whether an invitation may be accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It may.
    Good,
    /// Its time is over.
    Expired,
    /// Whoever made it may not any more.
    Revoked,
}

impl People {
    /// What the link of an invitation shows; `None` where there is no such invitation: it was accepted, withdrawn or sent again.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn invitation(
        &self,
        app: &AppName,
        token: &Token,
        now: Timestamp,
    ) -> Result<Option<InvitationShown>, Unavailable> {
        let Some(app) = self.current.load().app(app).cloned() else { return Ok(None) };
        let record = self.store.record_by_link(&app.name, token.hash()).await.map_err(unavailable)?;
        let Some(record) = record else { return Ok(None) };
        let RecordState::Invited { expires, .. } = record.state else { return Ok(None) };
        let standing = match expires <= now {
            true => Standing::Expired,
            false if self.ground(&app, &record, now).await?.is_some() => Standing::Good,
            false => Standing::Revoked,
        };
        let inviter = match &record.made_by {
            Maker::Colleague(email) => Some(email.clone()),
            Maker::Staff(_) | Maker::Erased => None,
        };
        Ok(Some(InvitationShown {
            name: record.entry.name(),
            language: record.entry.language,
            customer: Customer { id: record.entry.customer.clone(), name: record.customer_name.clone() },
            email: record.entry.email,
            role: record.entry.role,
            inviter,
            expires,
            standing,
        }))
    }

    /// Accepts what somebody who has just proven their address was invited to on this domain: for its customer where it has one,
    /// else for all of the app's. Each counts only if it is good now.
    ///
    /// # Errors
    /// When that cannot be found out or stored; nothing is accepted then.
    pub async fn accept(&self, scene: impl Into<Scene<'_>>, site: &Site, email: &Email) -> Result<usize, Unavailable> {
        let scene: Scene<'_> = scene.into();
        let app = &site.app;
        let scene = Scene { app: Some(&app.name), ..scene };
        let records = self.records_of(&app.name, email).await?;
        let is_here = |record: &Record| {
            site.domain.customer.as_ref().is_none_or(|pinned| *pinned == record.entry.customer)
                && matches!(record.state, RecordState::Invited { .. })
        };
        let mut accepted = 0;
        for record in records.into_iter().filter(is_here) {
            let Some(ground) = self.ground(app, &record, scene.now).await? else { continue };
            let told = self.tables.told(&app.name, email, true).await?;
            let active = Record { state: RecordState::Active, ..record };
            let weight = combine(&app.policy, &told, vec![active.clone()], scene.now).weighed.pop();
            if !matches!(weight.map(|weighed| weighed.weight), Some(Weight::LetsIn)) {
                continue;
            }
            let whom = Whom { app: &app.name, customer: &active.entry.customer, email };
            let ready = Ready {
                told: vec![Told::of(Deed::Accepted, whom, None)],
                steps: vec![Step::Set {
                    id: active.id,
                    version: active.version,
                    entry: Box::new(active.entry.clone()),
                    state: RecordState::Active,
                    by: None,
                }],
                rests_on: ground.0,
                ..Ready::default()
            };
            match self.commit_in(scene, &ready).await {
                Ok(_) => accepted += 1,
                // It was withdrawn or changed just now; what it is now is for the next log-in.
                Err(Refused::Stale | Refused::NoSuchPerson) => {}
                Err(Refused::Store(error)) => return Err(unavailable(error)),
                Err(error) => tracing::warn!(%error, "an invitation was not accepted"),
            }
        }
        Ok(accepted)
    }
}
