//! Asks providers whether people are still there, by their sessions' refresh tokens (OpenID Connect Core, section 12).
//!
//! Many requests of a session ask at once, and a refresh token is often good for one use. So each link is asked about by one
//! task at a time, which goes on when the request that began it goes away: the token that comes back must be stored. Should the answer
//! be lost on its way, the provider has used the token up and we do not have the next: the session ends at the next try.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::claims::{Claims, after, due, peek};
use super::contact::Contact;
use super::discovery::Known;
use super::exchange::{self, NoTokens, NoUserInfo, Tokens};
use super::id_token::{Believed, Expected, believe};
use crate::config::WhenDown;
use crate::session::{Link, SessionId, TokenHash};
use crate::state::clock::Clock;
use crate::state::ports::{LinkTokens, Rechecked, Store, StoreError};

use crate::types::Secret;

/// What a flight is about: a refresh token. Not a session, which may be given a new id while the token is under way.
type Key = TokenHash;
/// What came of a flight, and for which session it went.
type Answer = watch::Receiver<Option<(SessionId, Rechecked)>>;

/// The links that are being asked about.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<Key, Answer>>,
    tasks: TaskTracker,
}

impl Flights {
    /// Waits for those under way; no new ones are expected.
    pub(super) async fn land(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Answer>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight off the list when its task ends, however that comes.
struct Landing {
    flights: Arc<Flights>,
    keys: Vec<Key>,
    answer: Answer,
}

impl Landing {
    /// The flight goes by another key too.
    fn also(&mut self, key: Key) {
        self.flights.lock().insert(key, self.answer.clone());
        self.keys.push(key);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut under_way = self.flights.lock();
        for key in &self.keys {
            under_way.remove(key);
        }
    }
}

fn key_of(provider: &str, refresh_token: &Secret) -> Key {
    TokenHash::of(&["refresh", provider, refresh_token.expose()])
}

/// Asks about a link, or waits for whoever asks already.
pub(super) async fn recheck(
    flights: &Arc<Flights>,
    contact: &Arc<Contact>,
    store: &Arc<dyn Store>,
    clock: Clock,
    session: SessionId,
) -> Rechecked {
    loop {
        let name = &contact.provider.name;
        let key = match store.link_tokens(session, name).await {
            Ok(tokens) => tokens.and_then(|tokens| tokens.refresh_token),
            Err(error) => return Rechecked::Unavailable(error.to_string()),
        };
        let key = key.map_or(session, |token| key_of(name.as_str(), &token));
        let mut answer = fly(flights, key, contact, store, clock, session);
        let told = answer.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        match told {
            // Another session's end: that of this session's old id, most likely, which is gone.
            Some((asked, Rechecked::Ended)) if asked != session => {}
            Some((_, said)) => return said,
            None => return Rechecked::Unavailable("the re-check failed".to_owned()),
        }
    }
}

fn fly(
    flights: &Arc<Flights>,
    key: Key,
    contact: &Arc<Contact>,
    store: &Arc<dyn Store>,
    clock: Clock,
    session: SessionId,
) -> Answer {
    let mut under_way = flights.lock();
    if let Some(answer) = under_way.get(&key) {
        return answer.clone();
    }
    let (tell, answer) = watch::channel(None);
    under_way.insert(key, answer.clone());
    let mut landing = Landing { flights: Arc::clone(flights), keys: vec![key], answer: answer.clone() };
    let (contact, store) = (Arc::clone(contact), Arc::clone(store));
    flights.tasks.spawn(async move {
        let rechecked = ask(&contact, &*store, session, clock, &mut landing).await;
        // First off the list: whoever comes now finds what was stored.
        drop(landing);
        tell.send_replace(Some((session, rechecked)));
    });
    answer
}

async fn ask(
    contact: &Arc<Contact>,
    store: &dyn Store,
    session: SessionId,
    clock: Clock,
    landing: &mut Landing,
) -> Rechecked {
    match renew(contact, store, session, clock, landing).await {
        Ok(rechecked) => rechecked,
        Err(error) => Rechecked::Unavailable(error.to_string()),
    }
}

async fn renew(
    contact: &Arc<Contact>,
    store: &dyn Store,
    session: SessionId,
    clock: Clock,
    landing: &mut Landing,
) -> Result<Rechecked, StoreError> {
    let provider = &contact.provider;
    // As it is now: whoever asked may have read it before another had it renewed.
    let record = store.session(session).await?;
    let link = record.and_then(|record| record.links.into_iter().find(|link| link.provider == provider.name));
    let Some(link) = link else { return Ok(Rechecked::Ended) };
    if link.next_check.is_none_or(|next_check| next_check > clock.now()) {
        return Ok(Rechecked::Good(link));
    }
    // The config has another provider by this name now, which knows nothing of this person.
    if link.issuer != provider.issuer {
        return Ok(Rechecked::Ended);
    }
    // Nobody asks any more: the link stays for the provider's log-out.
    let Some(every) = provider.recheck else { return Ok(Rechecked::Good(Link { next_check: None, ..link })) };
    let Some(mut tokens) = store.link_tokens(session, &provider.name).await? else { return Ok(Rechecked::Ended) };
    let Some(refresh_token) = tokens.refresh_token.clone() else { return Ok(Rechecked::Ended) };
    if let Some(cause) = contact.refreshes_rest() {
        return Ok(when_down(contact, cause, clock));
    }
    let known = match contact.known().await {
        Ok(known) => known,
        Err(cause) => return Ok(when_down(contact, cause, clock)),
    };
    let name = provider.name.as_str();
    let fresh = match exchange::refresh(contact, &known, &refresh_token).await {
        Ok(fresh) => fresh,
        // The audit log tells of it.
        Err(NoTokens::Grant) => return Ok(Rechecked::Ended),
        Err(NoTokens::Unavailable(cause)) => {
            contact.rest_refreshes(&cause);
            return Ok(when_down(contact, cause, clock));
        }
        // Said of us, not of the person: nobody is logged out for it.
        Err(refusal) => {
            let cause = refusal.to_string();
            tracing::error!(provider = name, cause, "sessions cannot be re-checked; mend the client at the provider");
            contact.rest_refreshes(&cause);
            return Ok(when_down(contact, cause, clock));
        }
    };
    // Before anything else can fail: the old one may be used up.
    if let Some(rotated) = fresh.refresh().filter(|rotated| *rotated != refresh_token) {
        // Whoever finds the new token before its link is renewed waits for the same answer.
        landing.also(key_of(name, &rotated));
        tokens.refresh_token = Some(rotated);
        if !store.renew_link(session, &link, &tokens).await? {
            return Ok(Rechecked::Ended);
        }
    }
    let now = clock.now();
    let link = match learn(contact, &known, &link, &mut tokens, &fresh, now).await {
        Ok(link) => Link { next_check: Some(due(now, every)), ..link },
        Err(Trouble::Another) => {
            tracing::warn!(provider = name, session = session.public(), "the provider answered for somebody else");
            return Ok(Rechecked::Ended);
        }
        Err(Trouble::Cause(cause)) => return Ok(when_down(contact, cause, clock)),
    };
    let is_there = store.renew_link(session, &link, &tokens).await?;
    Ok(if is_there { Rechecked::Good(link) } else { Rechecked::Ended })
}

/// Why a refresh that brought tokens proves nothing.
enum Trouble {
    /// They are somebody else's.
    Another,
    /// They are not to be believed, or more cannot be asked.
    Cause(String),
}

/// What the new tokens say of the person.
async fn learn(
    contact: &Arc<Contact>,
    known: &Arc<Known>,
    link: &Link,
    tokens: &mut LinkTokens,
    fresh: &Tokens,
    now: Timestamp,
) -> Result<Link, Trouble> {
    let mut link = link.clone();
    let mut said: Option<Claims> = None;
    if let Some(token) = fresh.id_token() {
        let first = peek(tokens.id_token.expose());
        let nonce = first.as_ref().and_then(|first| first.claims.text("nonce"));
        let believed = believe(contact, known, &token, fresh.access(), Expected::NonceIfAny(nonce), now).await;
        let Believed { subject, sid, claims } =
            believed.map_err(|reason| Trouble::Cause(format!("its new ID token is not believed: {reason}")))?;
        if subject != link.subject {
            return Err(Trouble::Another);
        }
        link.sid = sid.or(link.sid);
        tokens.id_token = token;
        said = Some(claims);
    }
    if contact.provider.groups_claim.is_some() {
        let mut groups = said.as_ref().and_then(|claims| claims.groups(&contact.provider));
        if groups.is_none() && known.has_userinfo {
            let told = exchange::user_info(contact, known, fresh.access(), &link.subject).await;
            let told = told.map_err(|error| match error {
                NoUserInfo::NotBelieved("userinfo-sub") => Trouble::Another,
                NoUserInfo::NotBelieved(reason) => Trouble::Cause(format!("its userinfo is not believed: {reason}")),
                NoUserInfo::Unavailable(cause) => Trouble::Cause(cause),
            })?;
            groups = Some(told.groups(&contact.provider).unwrap_or_default());
        }
        // Neither place says anything of groups. A new token without any means that there are none.
        link.groups = groups.unwrap_or_else(|| if said.is_some() { Vec::new() } else { link.groups });
    }
    Ok(link)
}

fn when_down(contact: &Contact, cause: String, clock: Clock) -> Rechecked {
    let name = contact.provider.name.as_str();
    match contact.provider.recheck_when_down {
        WhenDown::Allow => {
            tracing::debug!(provider = name, cause, "a session goes on without its re-check");
            Rechecked::Later(after(clock.now(), contact.timing.later))
        }
        WhenDown::Deny => Rechecked::Unavailable(format!("provider `{name}`: {cause}")),
    }
}
