//! Sessions as the corridor sees them: from a cookie's token to a [`Live`] session with its compiled access.
//!
//! On the warm path all is in the cache. On a miss the store tells whose session it is, the directory what the tables say
//! of the person, and the answer is compiled and kept until the tables may have changed.

mod log_out;
mod logged;
mod looks;
mod counting;
mod others;
mod preview;
mod uses;
mod spoken;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use moka::future::Cache;

use super::assertion::Assertion;
use super::audit::{Event, Journal, Scene};
use super::open_requests::{OpenRequest, OpenRequests};
use super::ports::{Directory, Farewell, Opening, Pigeonhole, Providers, Replaces, Store, StoreError, Unavailable};
use super::recheck::{Checked, Recheck};
use super::sharing::Sharing;
use super::snapshot::{Current, Site, Snapshot};
use super::usage::{Tally, Usage};
use crate::policy::{Access, Choice, Grant, Reason, Standing, choose};
use crate::session::{Link, SessionId, SessionRecord, Token};
use crate::types::{AppName, CustomerId, Email, HostName, Language, Requirement, Way};

pub use log_out::{LoggedOut, Reach};
pub use logged::Logged;
use looks::Looks;
use others::{Stored, holds_until};
pub use preview::{Begun, Recent};
pub use spoken::Entrance;

/// How many sessions are kept compiled.
const MOST_CACHED: u64 = 100_000;
/// Longer than any look-up takes.
const REMEMBER_ENDED: Duration = Duration::from_secs(120);

/// A session that is not over, and what it may do.
///
/// What each request looks at stands side by side, and what few want to know is behind `record`: where many sessions are in use, a request
/// waits for memory more than for anything that is computed.
#[derive(Debug)]
pub struct Live {
    /// Its record's id.
    pub id: SessionId,
    /// The session, for those few requests that want to know more of it.
    pub record: Box<SessionRecord>,
    /// Whether its person looks through somebody else's eyes.
    pub is_preview: bool,
    /// What its person may do on its domain.
    pub standing: Standing,
    /// Whether the person has several grants on this domain.
    pub can_switch: bool,
    /// Whom the person can switch to, in a preview.
    pub recent: Box<[Recent]>,
    /// The language that the person chose.
    pub chosen_language: ArcSwapOption<Language>,
    /// The language that the table says they speak.
    pub granted_language: Option<Language>,
    /// Where its requests count; nowhere for staff.
    pub tally: Option<Arc<Tally>>,
    /// What the lines of its requests say of it.
    pub logged: Logged,
    /// The assertion signed last.
    pub assertion: ArcSwapOption<Assertion>,
    /// What it was compiled from; with another config, or pinned to another customer, it is compiled anew.
    site: Arc<Site>,
    begun: Timestamp,
    fresh_until: Timestamp,
    /// When the store was asked for it.
    found: Timestamp,
    /// Where changes of what its person may do are counted.
    place: Pigeonhole,
    /// The epoch that it was compiled in.
    epoch: u64,
    last_used: AtomicI64,
    last_stored: AtomicI64,
}

/// A session cannot be looked up now.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tables cannot be asked.
    #[error(transparent)]
    Directory(#[from] Unavailable),
    /// The session has to be re-checked, and its provider cannot be asked.
    #[error("the session's provider cannot be asked: {0}")]
    Provider(String),
}

impl Trouble {
    /// The name in logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Store(_) => "store-failed",
            Self::Directory(_) => "source-unavailable",
            Self::Provider(_) => "provider-unavailable",
        }
    }
}

/// All sessions.
pub struct Sessions {
    current: Arc<Current>,
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    recheck: Recheck,
    journal: Arc<Journal>,
    cache: Cache<SessionId, Arc<Live>>,
    /// Sessions that ended just now: a look-up that began before must not bring one back.
    ended: moka::sync::Cache<SessionId, ()>,
    open: OpenRequests,
    sharing: Sharing,
    /// Goes up when others may have changed the store.
    others: AtomicU64,
    usage: Option<Arc<Usage>>,
}

impl Sessions {
    /// Puts store, directory and providers behind a cache.
    #[must_use]
    pub fn new(
        current: Arc<Current>,
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        providers: Arc<dyn Providers>,
        journal: Arc<Journal>,
    ) -> Self {
        let ended = moka::sync::Cache::builder().time_to_live(REMEMBER_ENDED).build();
        let cache = Cache::new(MOST_CACHED);
        let recheck = Recheck::new(providers);
        let (open, sharing) = (OpenRequests::default(), Sharing::default());
        Self {
            current,
            store,
            directory,
            recheck,
            journal,
            cache,
            ended,
            open,
            sharing,
            others: AtomicU64::new(0),
            usage: None,
        }
    }

    /// The session of a token on a domain; `None` when there is none, or it is over, or it began on another domain.
    ///
    /// # Errors
    /// [`Trouble`] when that cannot be found out.
    pub async fn live(&self, token: &Token, site: &Arc<Site>, now: Timestamp) -> Result<Option<Arc<Live>>, Trouble> {
        let id = token.hash();
        let limits = self.current.load().session;
        let mut live = self.cache.get(&id).await;
        if live.as_ref().is_some_and(|live| !is_of(&live.site.app.name, &live.site.domain.host, site)) {
            return Ok(None);
        }
        let is_old = |live: &Arc<Live>| !live.is_fresh(site, self.epoch_now(&site.app.name, live.place), now);
        // Whatever has to be waited for is apart, for it needs much more room than what is known.
        if live.as_ref().is_some_and(is_old) {
            live = Box::pin(self.refresh(id, site, now)).await?;
        } else if live.is_none() {
            live = Box::pin(self.fill(id, site, now, None)).await?;
        }
        if live.as_ref().is_some_and(|live| !live.is_for(site)) {
            // Somebody asked at the same time with the domain as it was a moment ago, and we got the same answer.
            live = Box::pin(self.refresh(id, site, now)).await?;
        }
        let Some(live) = live else { return Ok(None) };
        if !live.is_for(site) {
            let cause = "the domain is being changed".to_owned();
            return Err(Unavailable { source_name: site.app.name.to_string(), cause }.into());
        }
        if self.sharing.is_due(id) && !Box::pin(self.is_still_there(id)).await? {
            return Ok(None);
        }
        if self.ended.contains_key(&id) {
            Box::pin(self.cache.invalidate(&id)).await;
            return Ok(None);
        }
        // The store keeps it for the sweep: should only the clock be wrong, it is good again when the clock is mended.
        if limits.are_over(live.begun, live.last_used(), now) {
            return Ok(None);
        }
        live.last_used.store(now.as_second(), Ordering::Relaxed);
        Ok(Some(live))
    }

    /// From now on another process works on the same store and may end sessions there; or it does so no longer.
    pub fn share_store(&self, is_shared: bool) {
        self.sharing.set(is_shared);
    }

    /// Whether no other process has ended a session meanwhile.
    async fn is_still_there(&self, id: SessionId) -> Result<bool, StoreError> {
        let is_there = self.store.session(id).await?.is_some();
        match is_there {
            true => self.sharing.found(id),
            false => self.forget(id).await,
        }
        Ok(is_there)
    }

    /// Asks again what a session may do; its requests under way end if that has changed.
    async fn refresh(&self, id: SessionId, site: &Arc<Site>, now: Timestamp) -> Result<Option<Arc<Live>>, Trouble> {
        let old = self.cache.remove(&id).await;
        let new = self.fill(id, site, now, old.as_deref()).await?;
        self.open.keep(id, new.as_deref().and_then(Live::grant));
        Ok(new)
    }

    /// Looks a session up behind the cache; many requests of one session ask once.
    async fn fill(
        &self,
        id: SessionId,
        site: &Arc<Site>,
        now: Timestamp,
        old: Option<&Live>,
    ) -> Result<Option<Arc<Live>>, Trouble> {
        let last_used = old.map(Live::last_used);
        let look_up = async {
            let mut stored =
                self.find(id, site, now, old).await.map_err(|error| Some(Trouble::from(error)))?.ok_or(None)?;
            // Checked before anything is compiled: what one domain's policy says must never be kept for another.
            if !is_of(&stored.record.app, &stored.record.host, site) {
                return Err(None);
            }
            let asked_until = self.recheck_links(&mut stored.record, now).await?;
            let mut live = self.compile(stored, site, now, last_used).await.map_err(Some)?.ok_or(None)?;
            self.tell_of_preview_end(old, &live, now);
            live.fresh_until = live.fresh_until.min(asked_until).min(holds_until(live.found));
            Ok::<_, Option<Trouble>>(Arc::new(live))
        };
        match self.cache.try_get_with(id, look_up).await {
            // It was read before the session ended, and stored after: whoever looks next must not find it.
            Ok(_) if self.ended.contains_key(&id) => {
                self.cache.invalidate(&id).await;
                Ok(None)
            }
            Ok(live) => Ok(Some(live)),
            Err(error) => match &*error {
                None => Ok(None),
                Some(Trouble::Store(error)) => {
                    Err(Trouble::Store(StoreError { what: error.what, cause: error.cause.clone() }))
                }
                Some(Trouble::Directory(error)) => Err(Trouble::Directory(error.clone())),
                Some(Trouble::Provider(cause)) => Err(Trouble::Provider(cause.clone())),
            },
        }
    }

    /// Asks the providers that a session hangs on, where it is time to; answers until when that is good. A session whose
    /// provider says that its person is gone is over.
    async fn recheck_links(&self, record: &mut SessionRecord, now: Timestamp) -> Result<Timestamp, Option<Trouble>> {
        match self.recheck.check(record.id, &mut record.links, now).await {
            Checked::Until(moment) => Ok(moment),
            Checked::Unavailable(cause) => Err(Some(Trouble::Provider(cause))),
            Checked::Ended(provider) => {
                let scene = Scene::background(&record.app, &record.host, now);
                let event = Event::RecheckEnded { email: &record.email, session: record.id, provider: &provider };
                self.journal.write(scene, &event);
                // It is over here whether or not the store can be told now; the provider says the same when it is asked again.
                self.ended.insert(record.id, ());
                self.open.end(record.id);
                // One that has a new id by now is asked about under that.
                if self.store.session(record.id).await.map_err(Trouble::from)?.is_some() {
                    self.store.end_session(record.id).await.map_err(Trouble::from)?;
                }
                Err(None)
            }
        }
    }

    /// What a session may do; `None` when the app no longer lets anybody in by the ways that its person came.
    async fn compile(
        &self,
        Stored { mut record, language, found, others }: Stored,
        site: &Arc<Site>,
        now: Timestamp,
        last_used: Option<Timestamp>,
    ) -> Result<Option<Live>, Trouble> {
        let app = &site.app;
        // What a session rests on must be good by the config as it is now, not as it was when the person came.
        record.links.retain(|link| app.ways.knows(link));
        let is_linked = |way: &Way| match way {
            Way::Oidc(provider) => record.links.iter().any(|link| link.provider == *provider),
            Way::Email | Way::Passkey => true,
        };
        record.proofs.retain(|proof| app.ways.lets_in(&proof.way, &record.email) && is_linked(&proof.way));
        if record.proofs.is_empty() {
            return Ok(None);
        }
        let stored = record.last_used;
        let used = last_used.map_or(stored, |used| used.max(stored));
        // The same names, in the one place where all sessions have them.
        (record.app, record.host) = (app.name.clone(), site.domain.host.clone());
        let place = Pigeonhole::of(record.subject());
        // Read before the tables: a change that comes meanwhile makes this old at once.
        let epoch = self.epoch(&app.name, place, others);
        let compiled = match &record.preview {
            Some(preview) => self.compile_preview(&record, preview, site, now).await?,
            None => self.compile_own(&record, site, now).await?,
        };
        let Compiled { standing, can_switch, granted_language, recent, fresh_until } = compiled;
        // What staff see in a preview is not what the customer does.
        let tally = match (&self.usage, &standing, &record.preview) {
            (Some(usage), Standing::Access(access), None) => usage.tally(access.grant(), now),
            _ => None,
        };
        // What may be seen goes by days, and so does who is here.
        let is_dated = matches!(&standing, Standing::Access(access) if access.since().is_some()) || tally.is_some();
        let fresh_until = if is_dated { fresh_until.min(app.policy.next_midnight(now)) } else { fresh_until };
        let grant = match &standing {
            Standing::Access(access) => Some(access.grant()),
            _ => None,
        };
        Ok(Some(Live {
            id: record.id,
            is_preview: record.preview.is_some(),
            logged: Logged::of(&record, grant),
            chosen_language: ArcSwapOption::new(language),
            standing,
            can_switch,
            recent: recent.into(),
            tally,
            granted_language,
            assertion: ArcSwapOption::empty(),
            site: Arc::clone(site),
            begun: record.created,
            fresh_until,
            found,
            place,
            epoch,
            last_used: AtomicI64::new(used.as_second()),
            last_stored: AtomicI64::new(stored.as_second()),
            record: Box::new(record),
        }))
    }

    /// What a session's own person may do.
    async fn compile_own(&self, record: &SessionRecord, site: &Site, now: Timestamp) -> Result<Compiled, Trouble> {
        let app = &site.app;
        let Granted { grants, fresh_until, missing } = self.granted(site, &record.email, &record.links).await?;
        let pinned = site.domain.customer.as_ref();
        let choice = choose(&grants, pinned, record.customer.as_ref());
        if let Some(missing) = missing {
            // Whoever is somebody by a list that cannot be asked now is not told to be nobody, or to be another.
            let is_settled = match &choice {
                Choice::One(_) => true,
                Choice::Several => record.customer.is_none(),
                Choice::None(_) => false,
            };
            if !is_settled {
                return Err(missing.into());
            }
        }
        let granted_language = spoken::granted(&choice, &grants);
        let standing = match choice {
            Choice::One(grant) => {
                match app.policy.roles.unmet(&grant.role, record.proofs.iter().map(|proof| &proof.way)) {
                    Some(requirement) => Standing::Weak(requirement.clone()),
                    None => Standing::Access(Arc::new(Access::compile(&app.policy, &app.identity, grant, now))),
                }
            }
            Choice::Several => Standing::Undecided,
            Choice::None(reason) => Standing::Refused(reason),
        };
        let can_switch = pinned.is_none() && grants.len() > 1;
        Ok(Compiled { standing, can_switch, granted_language, recent: Vec::new(), fresh_until })
    }

    /// What a person has: as staff by a provider's groups, or else by the tables.
    async fn granted(&self, site: &Site, email: &Email, links: &[Link]) -> Result<Granted, Unavailable> {
        let app = &site.app;
        let in_config = app.policy.workspace_grant(email).is_some();
        let by_group = |link: &Link| app.policy.group_grant(email, &link.provider, &link.groups);
        if let Some(grant) = links.iter().find_map(by_group).filter(|_| !in_config) {
            // What a provider said holds until it is asked again; the caller sees to that.
            return Ok(Granted { grants: vec![Arc::new(grant)], fresh_until: Timestamp::MAX, missing: None });
        }
        let known = self.directory.known(&app.name, email).await?;
        let missing = known.missing.clone();
        Ok(Granted { grants: known.grants.clone(), fresh_until: known.fresh_until, missing })
    }

    /// What the tables and its providers grant a session's person in the app of a domain.
    ///
    /// # Errors
    /// When they cannot be asked.
    pub async fn grants(&self, site: &Site, record: &SessionRecord) -> Result<Vec<Arc<Grant>>, Unavailable> {
        Ok(self.granted(site, &record.email, &record.links).await?.grants)
    }

    /// What the roles that a session's person has here, for whichever customer, ask for and the session does not meet.
    ///
    /// # Errors
    /// When the tables cannot be asked.
    pub async fn unmet(&self, site: &Site, record: &SessionRecord) -> Result<Vec<Requirement>, Unavailable> {
        let roles = &site.app.policy.roles;
        let ways = record.proofs.iter().map(|proof| &proof.way);
        let grants = self.grants(site, record).await?;
        Ok(grants.iter().filter_map(|grant| roles.unmet(&grant.role, ways.clone())).cloned().collect())
    }

    /// Whether a person may enter a domain at all, coming with these links.
    ///
    /// # Errors
    /// When the tables cannot be asked.
    pub async fn may_enter(&self, site: &Site, email: &Email, links: &[Link]) -> Result<bool, Unavailable> {
        Ok(self.entrance(site, email, links).await?.is_some())
    }

    /// The same, with what the tables say of how to speak to whoever may enter.
    ///
    /// # Errors
    /// When the tables cannot be asked.
    pub async fn entrance(&self, site: &Site, email: &Email, links: &[Link]) -> Result<Option<Entrance>, Unavailable> {
        let pinned = site.domain.customer.as_ref();
        let entrance = |grants: &[Arc<Grant>]| match choose(grants, pinned, None) {
            Choice::None(_) => None,
            choice => Some(Entrance { language: spoken::granted(&choice, grants) }),
        };
        let granted = self.granted(site, email, links).await;
        if let Ok(granted) = &granted
            && let Some(entrance) = entrance(&granted.grants)
        {
            return Ok(Some(entrance));
        }
        // Whoever is invited comes to accept; `login` does that once they have proven who they are.
        if let Some(entrance) = entrance(&self.directory.invited(&site.app.name, email).await?) {
            return Ok(Some(entrance));
        }
        match granted {
            Ok(Granted { missing: Some(missing), .. }) | Err(missing) => Err(missing),
            Ok(_) => Ok(None),
        }
    }

    /// Gives a session a new token and another customer, in one step; `None` when it has ended or was switched meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn switch(&self, live: &Live, customer: CustomerId, now: Timestamp) -> Result<Option<Token>, StoreError> {
        let token = Token::generate();
        let session = SessionRecord {
            id: token.hash(),
            customer: Some(customer.clone()),
            last_used: now,
            ..(*live.record).clone()
        };
        let opening = Opening { session, replaces: Replaces::Only(live.record.id), tokens: None };
        let is_open = self.store.open_session(&opening).await?;
        if let Some(usage) = &self.usage
            && is_open
            && matches!(live.standing, Standing::Undecided)
        {
            // Until now nobody knew whose log-in it was.
            usage.logged_in(&live.record.app, &customer);
        }
        self.forget(live.record.id).await;
        Ok(is_open.then_some(token))
    }

    /// One person's sessions in one app that are not over, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, app: &AppName, email: &Email, now: Timestamp) -> Result<Vec<SessionRecord>, StoreError> {
        let limits = self.current.load().session;
        let mut records = self.store.sessions_of(app, email).await?;
        for record in &mut records {
            if let Some(live) = self.cache.get(&record.id).await {
                record.last_used = record.last_used.max(live.last_used());
            }
        }
        records.retain(|record| !record.is_over(limits, now));
        Ok(records)
    }

    /// Ends a session: no request of it passes from now on, and those under way end.
    ///
    /// # Errors
    /// When the store fails; the session then goes on.
    pub async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        let ended = self.store.end_session(id).await?;
        self.forget(id).await;
        if let Some(renamed) = ended.filter(|ended| *ended != id) {
            self.forget(renamed).await;
        }
        Ok(())
    }

    /// Ends all sessions of a person, in every app and on every device; answers how many there were.
    ///
    /// # Errors
    /// When the store fails; none has ended then.
    pub async fn end_everywhere(&self, email: &Email) -> Result<usize, StoreError> {
        let ended = self.store.end_everywhere(email).await?;
        for id in &ended {
            self.forget(*id).await;
        }
        Ok(ended.len())
    }

    /// Ends the sessions that hang on somebody whom a provider has logged out; answers how many there were, or `None` when
    /// the log-out token was used before.
    ///
    /// # Errors
    /// When the store fails; none has ended then, and the token is as good as new.
    pub async fn end_linked(&self, farewell: &Farewell) -> Result<Option<usize>, StoreError> {
        let Some(ended) = self.store.end_linked(farewell).await? else { return Ok(None) };
        for id in &ended {
            self.forget(*id).await;
        }
        Ok(Some(ended.len()))
    }

    /// A session has ended in the store: takes it out of the cache and ends its requests.
    pub async fn forget(&self, id: SessionId) {
        self.ended.insert(id, ());
        self.cache.invalidate(&id).await;
        self.open.end(id);
    }

    /// Notes a request on its way upstream.
    #[must_use]
    pub fn enter(&self, live: &Live) -> OpenRequest {
        let id = live.id;
        let open = self.open.enter(id, live.grant());
        // The session may have ended since it was looked up, when there was nothing here yet to end.
        if self.ended.contains_key(&id) {
            self.open.end(id);
        }
        open
    }

    /// Runs in the background: ends requests of sessions that are over or may do less than before, stores when sessions were
    /// last used, and hears of what others change in the store.
    pub async fn run(self: Arc<Self>, clock: super::clock::Clock, stop: tokio_util::sync::CancellationToken) {
        tokio::join!(self.keep_looking(clock, &stop), self.hear(&stop));
    }

    async fn keep_looking(self: &Arc<Self>, clock: super::clock::Clock, stop: &tokio_util::sync::CancellationToken) {
        const LOOK: Duration = Duration::from_secs(1);
        const STORE_EVERY: u32 = 30;
        let mut ticks: u32 = 0;
        let mut every = tokio::time::interval(LOOK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let looks = Looks::default();
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            ticks = ticks.wrapping_add(1);
            self.look(clock.now(), &looks).await;
            if ticks.is_multiple_of(STORE_EVERY) {
                self.store_uses().await;
            }
        }
        self.store_uses().await;
    }

    /// Looks again at every session with a request under way. Whoever has to be asked for one of them, a table or a provider,
    /// keeps none of the others waiting.
    async fn look(self: &Arc<Self>, now: Timestamp, looks: &Looks) {
        let current = self.current.load_full();
        for id in self.open.sessions() {
            if self.goes_on(id, &current, now).await {
                continue;
            }
            let Some(look) = looks.begin(id) else { continue };
            let (this, current) = (Arc::clone(self), Arc::clone(&current));
            tokio::spawn(async move {
                this.look_again(id, &current, now).await;
                drop(look);
            });
        }
    }

    /// Whether a session with a request under way is known to be good, or to have ended with its requests; those of its requests end that were let in with another
    /// grant than it has now.
    async fn goes_on(&self, id: SessionId, current: &Snapshot, now: Timestamp) -> bool {
        match self.is_still_there(id).await {
            Ok(true) => {}
            Ok(false) => return true,
            Err(error) => tracing::warn!(%error, "open requests could not be checked"),
        }
        let Some(live) = self.cache.get(&id).await else { return false };
        // A request under way is a use: only its age ends such a session.
        live.last_used.store(now.as_second(), Ordering::Relaxed);
        let is_fresh = current
            .site(&live.site.domain.host)
            .is_some_and(|site| live.is_fresh(site, self.epoch_now(&site.app.name, live.place), now));
        if !is_fresh || current.session.are_over(live.begun, now, now) {
            return false;
        }
        self.open.keep(id, live.grant());
        true
    }

    async fn look_again(&self, id: SessionId, current: &Snapshot, now: Timestamp) {
        let record = match self.cache.get(&id).await {
            Some(live) => Some((*live.record).clone()),
            None => match self.store.session(id).await {
                Ok(record) => record,
                // A store that fails for a moment cuts nobody off: the session is still good.
                Err(error) => return tracing::warn!(%error, "open requests could not be checked"),
            },
        };
        let site = record.as_ref().and_then(|record| current.site(&record.host));
        let (Some(record), Some(site)) = (record, site) else { return self.open.end(id) };
        if !site.app.enabled || current.session.are_over(record.created, now, now) {
            return self.open.end(id);
        }
        match self.refresh(id, site, now).await {
            Ok(Some(live)) if matches!(live.standing, Standing::Access(_)) => {}
            Ok(_) => self.open.end(id),
            // Nobody can be asked, and what is known of the person is too old: nobody goes on.
            Err(Trouble::Directory(_) | Trouble::Provider(_)) => self.open.end(id),
            Err(Trouble::Store(error)) => tracing::warn!(%error, "open requests could not be checked"),
        }
    }
}

/// What comes of a session, before it is live.
struct Compiled {
    standing: Standing,
    can_switch: bool,
    granted_language: Option<Language>,
    recent: Vec<Recent>,
    fresh_until: Timestamp,
}

/// What a person has, and how far that can be relied on.
struct Granted {
    grants: Vec<Arc<Grant>>,
    fresh_until: Timestamp,
    missing: Option<Unavailable>,
}

impl Live {
    /// Whether it may be used without asking anybody again.
    fn is_fresh(&self, site: &Site, epoch: u64, now: Timestamp) -> bool {
        self.is_for(site) && self.fresh_until > now && self.epoch == epoch
    }

    /// Whether it was compiled for the domain as it is now.
    fn is_for(&self, site: &Site) -> bool {
        Arc::ptr_eq(&self.site.app, &site.app) && self.site.domain.customer == site.domain.customer
    }

    fn last_used(&self) -> Timestamp {
        Timestamp::from_second(self.last_used.load(Ordering::Relaxed)).unwrap_or(self.record.last_used)
    }

    /// The access, where there is one.
    #[must_use]
    pub fn access(&self) -> Option<&Arc<Access>> {
        match &self.standing {
            Standing::Access(access) => Some(access),
            _ => None,
        }
    }

    fn grant(&self) -> Option<&Arc<Grant>> {
        self.access().map(|access| access.grant())
    }

    /// Why the person may not enter, where that is so.
    #[must_use]
    pub fn refusal(&self) -> Option<Reason> {
        match &self.standing {
            Standing::Refused(reason) => Some(*reason),
            _ => None,
        }
    }
}

/// Whether a session of an app and a host belongs to a domain. The cookie is bound to one host name, so a token that comes by another was
/// carried there.
fn is_of(app: &AppName, host: &HostName, site: &Site) -> bool {
    *app == site.app.name && *host == site.domain.host
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
