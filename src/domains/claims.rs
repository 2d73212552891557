//! Puts the domains of tables in force, each only for whom it was proven, and has the others prove themselves.
//!
//! What is to be served is written into the store first: a domain that was ever served for somebody is remembered as theirs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::settle::{Changes, Claims, Sources};
use super::txt::Txt;
use crate::config::Domain;
use crate::state::clock::Clock;
use crate::state::domains::{Claim, DomainStore, Owner};
use crate::state::nominated::{Named, Nominations, Nominee};
use crate::state::ports::StoreError;
use crate::state::proof::{Proof, ProofKey, Waiting, WaitingFor, WaitingRoom};
use crate::state::snapshot::{Current, Site, Snapshot};
use crate::types::HostName;

/// How often it is looked whether an operator has approved something, and whose turn it is to be asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A store that failed is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long after the first question to DNS the second comes; then twice as long each time, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(1800);
/// Questions to DNS at a time.
const MOST_QUESTIONS: usize = 16;
/// What left long ago is looked for so often.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What the room works with.
pub struct ClaimsRoom {
    /// Where what may be served is put.
    pub current: Arc<Current>,
    /// What the tables say.
    pub nominations: Arc<Nominations>,
    /// Where claims are kept.
    pub store: Arc<dyn DomainStore>,
    /// Who waits, for others to tell.
    pub waiting: Arc<WaitingRoom>,
    /// Makes the values of proofs.
    pub key: ProofKey,
    /// The clock.
    pub clock: Clock,
}

/// The room at work.
pub struct ClaimsKeeper {
    room: ClaimsRoom,
    claims: Claims,
    /// What the config names, as it was when it was looked at last.
    config: Option<(Arc<Snapshot>, Configured)>,
    /// What was put in force last; nothing, where that may be another by now.
    served: Option<Vec<Nominee>>,
    questions: JoinSet<(HostName, Owner, bool)>,
    asked: HashMap<HostName, Asked>,
    slots: Arc<Semaphore>,
    dns: Option<Arc<Txt>>,
    /// Whether something is still to be written.
    is_behind: bool,
}

/// What the config names, and what it keeps for itself.
#[derive(Default)]
struct Configured {
    domains: HashMap<HostName, Arc<Owner>>,
    reserved: HashSet<HostName>,
}

/// How far the questions for a proof are.
struct Asked {
    proof: Proof,
    next: Timestamp,
    pause: Duration,
    is_under_way: bool,
}

impl ClaimsKeeper {
    /// Reads the claims that the store has kept.
    ///
    /// # Errors
    /// When the store fails. What it does not tell would be anybody's for the asking, so nothing is served then.
    pub async fn open(room: ClaimsRoom) -> Result<Self, StoreError> {
        let claims = Claims::new(room.store.claims().await?);
        Ok(Self {
            room,
            claims,
            config: None,
            served: None,
            questions: JoinSet::new(),
            asked: HashMap::new(),
            slots: Arc::new(Semaphore::new(MOST_QUESTIONS)),
            dns: None,
            is_behind: false,
        })
    }

    /// What the tables named when they were read last, be it before a restart.
    #[must_use]
    pub fn known(&self) -> Vec<Claim> {
        self.claims.named_by_tables()
    }

    /// Puts in force what the tables say now.
    pub async fn settle(&mut self) {
        let Some(named) = self.room.nominations.latest() else { return };
        self.look_at_config();
        let now = self.room.clock.now();
        let changes = self.claims.changes(self.sources(&named), now);
        self.is_behind = !self.write(changes).await;
        self.claims.share(&named.nominees);
        let before = self.room.waiting.all();
        let standing = self.claims.standing(self.sources(&named), &self.room.key, &before, now);
        tell_waiting(&before, &standing.waiting);
        self.queue(&standing.waiting, now);
        self.room.waiting.publish(standing.waiting);
        if self.served.as_ref() != Some(&standing.served) {
            self.put_in_force(&standing.served);
            let mut served = standing.served;
            served.shrink_to_fit();
            self.served = Some(served);
        }
    }

    /// Follows the tables and the config, takes up operators' approvals, and asks for proofs, until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tables = self.room.nominations.changes();
        let mut config = self.room.current.changes();
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut forget = tokio::time::interval(FORGET_EVERY);
        let mut retry = tokio::time::interval(RETRY_AFTER);
        retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.settle().await;
        // What was said while the gateway was away.
        self.take_up_approvals().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = tables.changed() => self.settle().await,
                Ok(()) = config.changed() => {
                    if self.is_other_config() {
                        self.settle().await;
                    }
                }
                Some(answer) = self.questions.join_next() => {
                    if let Ok((host, owner, is_there)) = answer {
                        self.answered(&host, &owner, is_there).await;
                    }
                }
                _ = every.tick() => {
                    if !self.asked.is_empty() {
                        self.take_up_approvals().await;
                        self.ask();
                    }
                }
                _ = retry.tick() => {
                    if self.is_behind {
                        self.settle().await;
                    }
                }
                _ = forget.tick() => self.settle().await,
            }
        }
    }

    fn sources<'a>(&'a self, named: &'a Named) -> Sources<'a> {
        static NOTHING: std::sync::LazyLock<Configured> = std::sync::LazyLock::new(Configured::default);
        let config = self.config.as_ref().map_or(&*NOTHING, |(_, config)| config);
        Sources { configured: &config.domains, reserved: &config.reserved, named: &named.nominees }
    }

    fn is_other_config(&self) -> bool {
        let current = self.room.current.load();
        self.config.as_ref().is_none_or(|(seen, _)| !seen.has_same_config(&current))
    }

    fn look_at_config(&mut self) {
        if !self.is_other_config() {
            return;
        }
        let current = self.room.current.load_full();
        self.dns = None;
        let mut owners: HashSet<Arc<Owner>> = HashSet::new();
        let mut owner = |site: &Site| {
            let owner = Owner { app: site.app.name.clone(), customer: site.domain.customer.clone() };
            if let Some(known) = owners.get(&owner) {
                return Arc::clone(known);
            }
            let owner = Arc::new(owner);
            owners.insert(Arc::clone(&owner));
            owner
        };
        let domains = current.configured().map(|site| (site.domain.host.clone(), owner(site))).collect();
        let reserved = current.login.hub.iter().cloned().collect();
        self.config = Some((current, Configured { domains, reserved }));
        // Domains of an app that was away have to be put in force again.
        self.served = None;
    }

    /// Writes what has changed; answers whether that is done.
    async fn write(&mut self, changes: Changes) -> bool {
        let store = &self.room.store;
        let written = async {
            if !changes.put.is_empty() {
                store.put_claims(&changes.put).await?;
            }
            if !changes.forget.is_empty() {
                store.forget_claims(&changes.forget).await?;
            }
            Ok::<_, StoreError>(())
        };
        match written.await {
            Ok(()) => {
                self.claims.apply(changes);
                true
            }
            Err(error) => {
                tracing::error!(%error, "new domains do not serve until the store can be written");
                false
            }
        }
    }

    fn put_in_force(&self, served: &[Nominee]) {
        let domain = |nominee: &Nominee| Domain {
            host: nominee.host.clone(),
            customer: nominee.owner.customer.clone(),
            brand: Arc::clone(&nominee.face.brand),
        };
        self.room
            .current
            .update(|old| old.with_domains(served.iter().map(|nominee| (&nominee.owner.app, domain(nominee)))));
        if !served.is_empty() || self.served.is_some() {
            tracing::info!(domains = served.len(), "domains of tables are in force");
        }
    }

    /// Sees to it that everybody who waits for a proof has a turn, and nobody else.
    fn queue(&mut self, waiting: &BTreeMap<HostName, Waiting>, now: Timestamp) {
        let proof_of = |host: &HostName| match &waiting.get(host)?.cause {
            WaitingFor::Proof(proof) => Some(proof),
            WaitingFor::OneOwner => None,
        };
        self.asked.retain(|host, asked| proof_of(host) == Some(&asked.proof));
        for host in waiting.keys() {
            if let (Some(proof), None) = (proof_of(host), self.asked.get(host)) {
                let asked = Asked { proof: proof.clone(), next: now, pause: FIRST_PAUSE, is_under_way: false };
                self.asked.insert(host.clone(), asked);
            }
        }
    }

    /// Asks DNS for those whose turn it is.
    fn ask(&mut self) {
        let now = self.room.clock.now();
        let waiting = self.room.waiting.all();
        for (host, asked) in self.asked.iter_mut().filter(|(_, asked)| asked.next <= now && !asked.is_under_way) {
            let Some(owner) = waiting.get(host).map(|waiting| waiting.owner.clone()) else { continue };
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return };
            let Some(dns) = dns(&mut self.dns, &self.room.current) else { return };
            asked.is_under_way = true;
            let (host, proof) = (host.clone(), asked.proof.clone());
            self.questions.spawn(async move {
                let is_there = dns.finds(&proof).await;
                drop(slot);
                (host, owner, is_there)
            });
        }
    }

    async fn answered(&mut self, host: &HostName, owner: &Owner, is_there: bool) {
        let now = self.room.clock.now();
        if let Some(asked) = self.asked.get_mut(host) {
            asked.is_under_way = false;
            asked.next = now.checked_add(asked.pause).unwrap_or(Timestamp::MAX);
            asked.pause = (asked.pause * 2).min(LAST_PAUSE);
        }
        if is_there && self.prove(host, owner, "a TXT record").await {
            self.settle().await;
        }
    }

    async fn take_up_approvals(&mut self) {
        let approvals = match self.room.store.approvals().await {
            Ok(approvals) => approvals,
            Err(error) => return tracing::warn!(%error, "approvals of domains cannot be read"),
        };
        let mut is_any = false;
        for (host, owner) in approvals {
            // Whoever does not wait for it now shall not find it there when they come months later.
            let is_done = !self.waits(&host, &owner) || self.prove(&host, &owner, "an operator").await;
            is_any |= is_done;
            if is_done && let Err(error) = self.room.store.forget_approval(&host, &owner).await {
                tracing::warn!(%host, %error, "an approval is taken up and cannot be forgotten");
            }
        }
        if is_any {
            self.settle().await;
        }
    }

    /// Whether a domain waits to be proven for somebody.
    fn waits(&self, host: &HostName, owner: &Owner) -> bool {
        let is_theirs = |waiting: &Waiting| waiting.owner == *owner && matches!(waiting.cause, WaitingFor::Proof(_));
        self.room.waiting.all().get(host).is_some_and(is_theirs)
    }

    /// Writes that a domain is proven for somebody, if it waits for that; answers whether it is so now.
    async fn prove(&mut self, host: &HostName, owner: &Owner, by: &'static str) -> bool {
        let now = self.room.clock.now();
        let Some(claim) = self.claims.proven(host, owner, now).filter(|_| self.waits(host, owner)) else {
            return false;
        };
        let changes = Changes { put: vec![claim], forget: Vec::new() };
        let is_written = self.write(changes).await;
        if is_written {
            let customer = owner.customer.as_ref().map_or("", |customer| customer.as_str());
            tracing::info!(%host, app = %owner.app, customer, by, "the domain is proven for another owner");
        }
        is_written
    }
}

fn dns(kept: &mut Option<Arc<Txt>>, current: &Current) -> Option<Arc<Txt>> {
    if kept.is_none() {
        match Txt::new(&current.load().resolvers) {
            Ok(dns) => *kept = Some(Arc::new(dns)),
            Err(error) => tracing::warn!(%error, "DNS cannot be asked for proofs of domains"),
        }
    }
    kept.clone()
}

fn tell_waiting(before: &BTreeMap<HostName, Waiting>, now: &BTreeMap<HostName, Waiting>) {
    const MOST_TOLD: usize = 20;
    let is_new =
        |(host, waiting): &(&HostName, &Waiting)| before.get(*host).is_none_or(|old| old.cause != waiting.cause);
    for (host, waiting) in now.iter().filter(is_new).take(MOST_TOLD) {
        let (app, cause, help) = (&waiting.owner.app, waiting.cause.name(), waiting.sentence.as_str());
        tracing::warn!(%host, %app, cause, help, "the domain does not serve yet");
    }
}
