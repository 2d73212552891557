//! Previews of sessions: a member of staff goes on with a customer's access, and comes back to their own.
//!
//! Each step gives the session another token and id, so that nothing of the one goes on in the other, and none lasts longer than the
//! session would have. What may be looked at is asked each time that the session is compiled: the staff's right and role by the config,
//! the customer's grants by the directory. When any of it is gone, or the time is over, the session has no access at all until its person
//! asks for their own again: nobody believes to look through a customer's eyes who does not.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Compiled, Live, Sessions, Trouble};
use crate::policy::{Access, Actor, AppPolicy, Choice, Grant, PreviewEnd, PreviewRefusal, Standing, choose};
use crate::session::{Preview, SessionRecord, Token};
use crate::state::audit::{self, Event, Scene};
use crate::state::ports::{Opening, Previewed, Replaces, StoreError};
use crate::state::snapshot::Site;
use crate::types::{CustomerId, DisplayName, Email};

/// How long names of people who were previewed before are waited for: they are a kindness.
const NAMES_WITHIN: Duration = Duration::from_millis(500);

/// Somebody who was previewed before, as people know them.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Who, and for which customer.
    pub who: Previewed,
    /// The person's name, where a table has one.
    pub name: Option<DisplayName>,
    /// The customer's name, where a table has one.
    pub customer_name: Option<DisplayName>,
}

/// A session that has become a preview, or another one.
#[derive(Debug)]
pub struct Begun {
    /// Its new token.
    pub token: Token,
    /// What the customer's person has.
    pub grant: Arc<Grant>,
    /// When it ends.
    pub until: Timestamp,
}

impl Sessions {
    /// Lets a member of staff see the app as somebody does; `None` when the session has ended or become another meanwhile.
    ///
    /// # Errors
    /// [`Trouble`] where it cannot be found out; [`PreviewRefusal`] where it may not be.
    pub async fn start_preview(
        &self,
        live: &Live,
        site: &Site,
        whom: &Previewed,
        now: Timestamp,
    ) -> Result<Result<Option<Begun>, PreviewRefusal>, Trouble> {
        if live.is_preview {
            return Ok(Err(PreviewRefusal::Nested));
        }
        self.begin(live, site, whom, now).await
    }

    /// The same for who looks through somebody's eyes already, or did.
    ///
    /// # Errors
    /// [`Trouble`] where it cannot be found out; [`PreviewRefusal`] where it may not be.
    pub async fn switch_preview(
        &self,
        live: &Live,
        site: &Site,
        whom: &Previewed,
        now: Timestamp,
    ) -> Result<Result<Option<Begun>, PreviewRefusal>, Trouble> {
        if !live.is_preview {
            return Ok(Err(PreviewRefusal::NotAllowed));
        }
        self.begin(live, site, whom, now).await
    }

    async fn begin(
        &self,
        live: &Live,
        site: &Site,
        whom: &Previewed,
        now: Timestamp,
    ) -> Result<Result<Option<Begun>, PreviewRefusal>, Trouble> {
        if whom.email == live.record.email {
            return Ok(Err(PreviewRefusal::Oneself));
        }
        if staff_who_may_preview(&site.app.policy, &live.record).is_none() {
            return Ok(Err(PreviewRefusal::NotAllowed));
        }
        let grant = match self.subject(site, &whom.email, whom.customer.as_ref()).await? {
            Ok((grant, _)) => grant,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let until = now.checked_add(self.current.load().session.preview).unwrap_or(now);
        // With the customer that it is now, so that it never becomes another's by a row that comes or goes.
        let preview = Preview { email: whom.email.clone(), customer: grant.customer_id().cloned(), until };
        let token = self.turn(live, Some(preview), now).await?;
        Ok(Ok(token.map(|token| Begun { token, grant, until })))
    }

    /// Gives a member of staff their own access back, which is what it would be by now; `None` when the session has ended or become
    /// another meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_preview(&self, live: &Live, now: Timestamp) -> Result<Option<Token>, StoreError> {
        self.turn(live, None, now).await
    }

    async fn turn(&self, live: &Live, preview: Option<Preview>, now: Timestamp) -> Result<Option<Token>, StoreError> {
        let token = Token::generate();
        let session = SessionRecord { id: token.hash(), preview, last_used: now, ..(*live.record).clone() };
        let opening = Opening { session, replaces: Replaces::Only(live.record.id), tokens: None };
        let is_open = self.store.open_session(&opening).await?;
        self.forget(live.record.id).await;
        Ok(is_open.then_some(token))
    }

    /// Whether the person of a session may preview the app of a domain now.
    #[must_use]
    pub fn may_preview(&self, site: &Site, record: &SessionRecord) -> bool {
        staff_who_may_preview(&site.app.policy, record).is_some()
    }

    /// The same, by whichever way the person came.
    #[must_use]
    pub fn has_preview_right(&self, site: &Site, record: &SessionRecord) -> bool {
        staff_with_preview(&site.app.policy, record).is_some()
    }

    /// Whom the person of a session previewed last, as people know them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recent_previews(&self, record: &SessionRecord) -> Result<Vec<Recent>, StoreError> {
        let previewed = self.store.previews_of(&record.app, &record.email).await?;
        let known = join_all(previewed.into_iter().map(async |who| {
            let asked = tokio::time::timeout(NAMES_WITHIN, self.directory.known(&record.app, &who.email)).await;
            let known = asked.ok().and_then(Result::ok);
            let grants = known.iter().flat_map(|known| &known.grants);
            let grant = grants.into_iter().find(|grant| grant.customer_id() == who.customer.as_ref());
            let customer = grant.and_then(|grant| grant.customer.as_ref());
            Recent {
                name: grant.and_then(|grant| grant.name.clone()),
                customer_name: customer.and_then(|customer| customer.name.clone()),
                who,
            }
        }));
        Ok(known.await)
    }

    /// Tells the audit log that a preview is over by itself, when that is first seen.
    pub(super) fn tell_of_preview_end(&self, old: Option<&Live>, new: &Live, now: Timestamp) {
        let record = &new.record;
        let was_on = old.is_some_and(|old| old.access().is_some());
        if let (true, Standing::PreviewOver(end), Some(preview)) = (was_on, &new.standing, &record.preview) {
            let background = Scene::background(&record.app, &record.host, now);
            let scene = Scene { actor: audit::Actor::Staff(&record.email), ..background };
            let event = Event::PreviewEnded { email: &preview.email, session: record.id, reason: end.name() };
            self.journal.write(scene, &event);
        }
    }

    /// What a customer's person has on a domain, if it may be seen through, and until when that is known.
    async fn subject(
        &self,
        site: &Site,
        email: &Email,
        customer: Option<&CustomerId>,
    ) -> Result<Result<(Arc<Grant>, Timestamp), PreviewRefusal>, Trouble> {
        let known = self.directory.known(&site.app.name, email).await?;
        // Whoever is invited and has not come yet is seen with what the invitation gives.
        let invited = self.directory.invited(&site.app.name, email).await?;
        let grants = [known.grants.as_slice(), invited.as_slice()].concat();
        let refusal = match choose(&grants, site.domain.customer.as_ref(), customer) {
            // On a domain that pins a customer, `choose` does not look at the one that was named.
            Choice::One(grant) if customer.is_some_and(|customer| grant.customer_id() != Some(customer)) => {
                PreviewRefusal::NoGrant
            }
            Choice::One(grant) => {
                return Ok(site.app.policy.check_preview(&grant).map(|()| (grant, known.fresh_until)));
            }
            Choice::Several => match customer {
                Some(_) => PreviewRefusal::NoGrant,
                None => PreviewRefusal::NoCustomer,
            },
            Choice::None(_) => PreviewRefusal::NoGrant,
        };
        match &known.missing {
            // Perhaps the list that cannot be asked has them.
            Some(missing) => Err(missing.clone().into()),
            None => Ok(Err(refusal)),
        }
    }

    /// What a session may do in its preview. Its person goes on being spoken to in their own language.
    pub(super) async fn compile_preview(
        &self,
        record: &SessionRecord,
        preview: &Preview,
        site: &Site,
        now: Timestamp,
    ) -> Result<Compiled, Trouble> {
        let app = &site.app;
        let over = |end| (Standing::PreviewOver(end), Timestamp::MAX);
        let (standing, fresh_until) = if preview.until <= now {
            over(PreviewEnd::Time)
        } else if staff_who_may_preview(&app.policy, record).is_none() {
            over(PreviewEnd::Actor)
        } else {
            match self.subject(site, &preview.email, preview.customer.as_ref()).await? {
                Ok((grant, fresh_until)) => {
                    let actor = Actor { email: record.email.clone(), may_write: app.policy.preview.writes };
                    let access = Access::compile(&app.policy, &app.identity, grant, now).acted_by(actor, &app.identity);
                    (Standing::Access(Arc::new(access)), fresh_until.min(preview.until))
                }
                Err(_) => (Standing::PreviewOver(PreviewEnd::Subject), now),
            }
        };
        let recent = self.recent_previews(record).await?;
        let is_now = |recent: &Recent| recent.who.email == preview.email && recent.who.customer == preview.customer;
        let recent = recent.into_iter().filter(|recent| !is_now(recent)).collect();
        Ok(Compiled { standing, can_switch: false, granted_language: None, recent, fresh_until })
    }
}

/// The staff's own grant of a session's person, if it lets them preview and they came by what its role asks for.
fn staff_who_may_preview(policy: &AppPolicy, record: &SessionRecord) -> Option<Grant> {
    let ways = || record.proofs.iter().map(|proof| &proof.way);
    staff_with_preview(policy, record).filter(|grant| policy.roles.unmet(&grant.role, ways()).is_none())
}

fn staff_with_preview(policy: &AppPolicy, record: &SessionRecord) -> Option<Grant> {
    let in_config = policy.workspace_grant(&record.email);
    match in_config {
        Some(grant) => policy.may_preview(&record.email).then_some(grant),
        None => record.links.iter().find_map(|link| {
            let grant = policy.group_grant(&record.email, &link.provider, &link.groups)?;
            policy.group_may_preview(&link.provider, &link.groups).then_some(grant)
        }),
    }
}
