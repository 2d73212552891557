//! The last step of every way in: somebody has proven who they are, and gets a session if the table lets them in.

use http::HeaderMap;

use super::{LoginRoom, device};
use crate::pages::Reply;
use crate::session::{AttemptId, CookieName, Link, Proof, SessionRecord, Token, setting};
use crate::state::audit::Event;
use crate::state::ports::{LinkTokens, Opening, Replaces, StoreError};
use crate::state::visit::Visit;
use crate::types::Email;

/// Somebody who has just proven who they are.
pub(super) struct Entrant {
    /// Who.
    pub(super) email: Email,
    /// By which way.
    pub(super) proof: Proof,
    /// The provider that said so, with its tokens.
    pub(super) link: Option<(Link, LinkTokens)>,
    /// Where to go on to: a path that [`Visit::return_path`] let pass.
    pub(super) to: String,
    /// The attempt that is used up by it.
    pub(super) attempt: Option<AttemptId>,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum Refused {
    /// The table has no such person for this domain, or the app lets nobody in by this way.
    NotAllowed,
    /// The tables cannot be asked.
    Unavailable,
    /// The attempt was used up meanwhile.
    Ended,
    /// The store failed.
    Store(StoreError),
}

impl LoginRoom {
    /// Opens a session with a new id, in place of the browser's old one. What the old one has proven of the same person goes
    /// on in the new one.
    pub(super) async fn enter(&self, visit: &Visit, headers: &HeaderMap, entrant: Entrant) -> Result<Reply, Refused> {
        let app = visit.site.app.name.as_str();
        let way = entrant.proof.way.clone();
        let token = Token::generate();
        let fresh = SessionRecord {
            id: token.hash(),
            app: visit.site.app.name.clone(),
            host: visit.site.domain.host.clone(),
            email: entrant.email.clone(),
            customer: None,
            created: visit.now,
            last_used: visit.now,
            device: device::describe(headers),
            proofs: vec![entrant.proof.clone()],
            links: entrant.link.iter().map(|(link, _)| link.clone()).collect(),
            preview: None,
        };
        let old = visit.live.as_ref().map(|live| &live.record);
        let stepped_up = old.and_then(|old| step_up(old, &fresh));
        let session = stepped_up.as_ref().unwrap_or(&fresh);
        let is_way_in = visit.site.app.ways.lets_in(&way, &entrant.email);
        // Whoever was invited accepts by having come. Before the session, so that there is none that could do nothing yet.
        if is_way_in && let Err(error) = self.people.accept(visit, &visit.site, &entrant.email).await {
            tracing::warn!(%app, %error, "whether somebody accepts an invitation could not be found out");
        }
        // With the links that it keeps: whoever is staff by a provider's word is so by no other way alone.
        let may_enter = is_way_in
            && self.sessions.may_enter(&visit.site, &entrant.email, &session.links).await.map_err(|error| {
                tracing::warn!(%app, %error, "a log-in could not be finished");
                Refused::Unavailable
            })?;
        if !may_enter {
            let event = Event::LoginRefused { email: &entrant.email, way: &way, reason: "no-grant" };
            self.journal.write(visit, &event);
            self.metrics.logins.with_label_values(&[app, "no-grant"]).inc();
            return Err(Refused::NotAllowed);
        }
        let tokens = entrant.link.as_ref().map(|(_, tokens)| tokens.clone());
        let to = self.by_way_of_offer(visit, headers, session, entrant.to).await;
        let mut opened = false;
        if let Some(session) = stepped_up {
            let replaces = old.map_or(Replaces::Nothing, |old| Replaces::Only(old.id));
            let opening = Opening { session, replaces, tokens: tokens.clone() };
            opened = self.open(entrant.attempt, &opening, visit).await.map_err(Refused::Store)?;
        }
        let has_stepped_up = opened;
        if !opened {
            // Without an old session, or when it has ended meanwhile: what it had proven goes with it.
            let replaces = old.map_or(Replaces::Nothing, |old| Replaces::IfThere(old.id));
            let opening = Opening { session: fresh, replaces, tokens };
            opened = self.open(entrant.attempt, &opening, visit).await.map_err(Refused::Store)?;
            if opened {
                self.sessions.count_login(&visit.site, &opening.session).await;
            }
        }
        if !opened {
            return Err(Refused::Ended);
        }
        if let Some(old) = old {
            self.sessions.forget(old.id).await;
        }
        let (email, session) = (&entrant.email, token.hash());
        let event = match has_stepped_up {
            true => Event::SteppedUp { email, session, way: &way },
            false => Event::LoggedIn { email, session, way: &way },
        };
        self.journal.write(visit, &event);
        self.metrics.logins.with_label_values(&[app, "entered"]).inc();
        let lifetime = self.current.load().session.absolute.as_secs();
        let reply = Reply::see_other(&to).with_cookie(setting(CookieName::Session, &token, lifetime));
        Ok(match self.limits.remember(visit, headers, email) {
            Some(known) => reply.with_cookie(known),
            None => reply,
        })
    }

    async fn open(&self, attempt: Option<AttemptId>, opening: &Opening, visit: &Visit) -> Result<bool, StoreError> {
        match attempt {
            Some(attempt) => self.store.redeem(attempt, opening, visit.now).await,
            None => self.store.open_session(opening).await,
        }
    }
}

/// The session that an old one becomes when its person proves themself once more, by a way that it did not have. It does not
/// last longer than the old one would have.
fn step_up(old: &SessionRecord, fresh: &SessionRecord) -> Option<SessionRecord> {
    let is_new = |proof: &Proof| old.proofs.iter().all(|known| known.way != proof.way);
    let is_same_person = (&old.email, &old.app, &old.host) == (&fresh.email, &fresh.app, &fresh.host);
    if !is_same_person || !fresh.proofs.iter().all(is_new) {
        return None;
    }
    let kept = old.links.iter().filter(|link| fresh.links.iter().all(|new| new.provider != link.provider));
    Some(SessionRecord {
        customer: old.customer.clone(),
        created: old.created,
        proofs: old.proofs.iter().chain(&fresh.proofs).cloned().collect(),
        links: kept.chain(&fresh.links).cloned().collect(),
        ..fresh.clone()
    })
}
