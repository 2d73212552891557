//! Whose a domain is: what the tables say now, held against what was proven before.
//!
//! Pure. A domain that nobody had is served for whoever is named first, and is proven for them by that. Named for somebody
//! else, be it months later, it serves nobody until it is proven again. What the config names is the operator's own word.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::state::domains::{Claim, Owner};
use crate::state::nominated::Nominee;
use crate::state::proof::{ProofKey, Waiting, WaitingFor};
use crate::types::HostName;

/// How long a domain that left is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Every domain that was ever named, and whose it was proven to be.
#[derive(Default)]
pub(super) struct Claims {
    all: HashMap<HostName, Kept>,
}

/// A claim without its host. Owners and texts are shared.
#[derive(Clone, Debug)]
struct Kept {
    owner: Arc<Owner>,
    brand: Arc<str>,
    proven: Option<(Arc<Owner>, Timestamp)>,
    left: Option<Timestamp>,
}

/// What names domains now.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// Domains of the config.
    pub(super) configured: &'a HashMap<HostName, Arc<Owner>>,
    /// Host names that no table may have, for the gateway uses them itself.
    pub(super) reserved: &'a HashSet<HostName>,
    /// Domains of tables, in the order of host names.
    pub(super) named: &'a [Nominee],
}

/// What there is to write.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) put: Vec<Claim>,
    pub(super) forget: Vec<HostName>,
}

/// What there is to serve, and who waits.
#[derive(Default)]
pub(super) struct Standing {
    /// In the order of host names.
    pub(super) served: Vec<Nominee>,
    pub(super) waiting: BTreeMap<HostName, Waiting>,
}

impl Claims {
    /// Takes what the store has kept.
    pub(super) fn new(kept: Vec<Claim>) -> Self {
        Self { all: kept.into_iter().map(Kept::of).collect() }
    }

    /// What is proven or waits to be, as the tables named it last: for as long as one of them cannot be read.
    pub(super) fn named_by_tables(&self) -> Vec<Claim> {
        // What the config named has no brand, and is the config's to name again.
        let named = self.all.iter().filter(|(_, kept)| kept.left.is_none() && !kept.brand.is_empty());
        named.map(|(host, kept)| claim(host, &kept.owner, &kept.brand, kept.proven.as_ref())).collect()
    }

    /// Lets go of texts that what is named has too.
    pub(super) fn share(&mut self, named: &[Nominee]) {
        for nominee in named {
            let Some((host, mut kept)) = self.all.remove_entry(&nominee.host) else { continue };
            drop(host);
            for owner in [Some(&mut kept.owner), kept.proven.as_mut().map(|(owner, _)| owner)].into_iter().flatten() {
                if **owner == *nominee.owner {
                    *owner = Arc::clone(&nominee.owner);
                }
            }
            if *kept.brand == *nominee.face.text {
                kept.brand = Arc::clone(&nominee.face.text);
            }
            self.all.insert(nominee.host.clone(), kept);
        }
    }

    /// What has to be written so that the claims are as the sources say now.
    pub(super) fn changes(&self, sources: Sources<'_>, now: Timestamp) -> Changes {
        let mut changes = Changes::default();
        let nothing: Arc<str> = "".into();
        let mut named: HashSet<&HostName> = HashSet::with_capacity(sources.named.len());
        for (host, owner) in sources.configured {
            named.insert(host);
            let old = self.all.get(host);
            let is_proven = old.is_some_and(|old| old.is_proven_for(owner));
            if !old.is_some_and(|old| old.is_as(owner, "") && is_proven) {
                let proven = old.and_then(|old| old.proven.clone()).filter(|_| is_proven);
                let proven = proven.unwrap_or_else(|| (Arc::clone(owner), now));
                changes.put.push(claim(host, owner, &nothing, Some(&proven)));
            }
        }
        for group in groups(sources) {
            let Some(first) = group.first() else { continue };
            named.insert(&first.host);
            let old = self.all.get(&first.host);
            let new = match (old, self.heir(group)) {
                (Some(old), Some(heir)) if old.is_as(&heir.owner, &heir.face.text) => continue,
                (Some(old), Some(heir)) => claim(&heir.host, &heir.owner, &heir.face.text, old.proven.as_ref()),
                (None, Some(heir)) => {
                    let proven = (Arc::clone(&heir.owner), now);
                    claim(&heir.host, &heir.owner, &heir.face.text, Some(&proven))
                }
                // Nobody's for now. Whose it was stays known, and that it is named again.
                (Some(old), None) if old.left.is_some() => {
                    claim(&first.host, &old.owner, &old.brand, old.proven.as_ref())
                }
                (_, None) => continue,
            };
            changes.put.push(new);
        }
        for (host, old) in self.all.iter().filter(|(host, _)| !named.contains(host)) {
            match old.left {
                None => {
                    let left = claim(host, &old.owner, &old.brand, old.proven.as_ref());
                    changes.put.push(Claim { left: Some(now), ..left });
                }
                Some(left) if now.duration_since(left) > REMEMBERED => changes.forget.push(host.clone()),
                Some(_) => {}
            }
        }
        changes
    }

    /// An operator's word, or DNS, proves a domain for somebody; nothing, where it is not named for them.
    pub(super) fn proven(&self, host: &HostName, owner: &Owner, now: Timestamp) -> Option<Claim> {
        let kept = self.all.get(host).filter(|kept| *kept.owner == *owner && kept.left.is_none())?;
        Some(claim(host, &kept.owner, &kept.brand, Some(&(Arc::clone(&kept.owner), now))))
    }

    /// Takes what has been written.
    pub(super) fn apply(&mut self, changes: Changes) {
        for host in changes.forget {
            self.all.remove(&host);
        }
        self.all.extend(changes.put.into_iter().map(Kept::of));
    }

    /// What may be served by what has been written, and who waits. `before` tells since when.
    pub(super) fn standing(
        &self,
        sources: Sources<'_>,
        key: &ProofKey,
        before: &BTreeMap<HostName, Waiting>,
        now: Timestamp,
    ) -> Standing {
        let mut standing = Standing::default();
        for group in groups(sources) {
            let Some(first) = group.first() else { continue };
            let Some(heir) = self.heir(group) else {
                let (host, kept) = (&first.host, self.all.get(&first.host));
                let proven = kept.and_then(|kept| kept.proven.as_ref()).map(|(owner, _)| Owner::clone(owner));
                let sentence = format!("{host} is named by several rows, for different customers: remove all but one");
                let (owner, cause) = (Owner::clone(&first.owner), WaitingFor::OneOwner);
                let since = since(before, host, &cause, now);
                standing.waiting.insert(host.clone(), Waiting { owner, proven, cause, sentence, since });
                continue;
            };
            // What could not be written is not there after a restart, and so it does not count now.
            let Some(kept) = self.all.get(&heir.host) else { continue };
            if kept.is_proven_for(&heir.owner) {
                standing.served.push(heir.clone());
                continue;
            }
            let proof = key.proof(&heir.host, &heir.owner);
            let sentence = proof.sentence(&heir.host);
            let cause = WaitingFor::Proof(proof);
            let since = since(before, &heir.host, &cause, now);
            let proven = kept.proven.as_ref().map(|(owner, _)| Owner::clone(owner));
            let owner = Owner::clone(&heir.owner);
            standing.waiting.insert(heir.host.clone(), Waiting { owner, proven, cause, sentence, since });
        }
        standing
    }

    /// The one of several that a domain may be for: it must have been proven for them before.
    fn heir<'n>(&self, group: &'n [Nominee]) -> Option<&'n Nominee> {
        match group {
            [only] => Some(only),
            [first, ..] => {
                let kept = self.all.get(&first.host)?;
                group.iter().find(|nominee| kept.is_proven_for(&nominee.owner))
            }
            [] => None,
        }
    }
}

impl Kept {
    fn of(claim: Claim) -> (HostName, Self) {
        let Claim { host, owner, brand, proven, left } = claim;
        (host, Self { owner, brand, proven, left })
    }

    fn is_as(&self, owner: &Owner, brand: &str) -> bool {
        *self.owner == *owner && *self.brand == *brand && self.left.is_none()
    }

    fn is_proven_for(&self, owner: &Owner) -> bool {
        self.proven.as_ref().is_some_and(|(proven, _)| **proven == *owner)
    }
}

/// What tables say of each host that is theirs to name.
fn groups<'a>(sources: Sources<'a>) -> impl Iterator<Item = &'a [Nominee]> {
    let groups = sources.named.chunk_by(|one, other| one.host == other.host);
    groups.filter(move |group| {
        let host = group.first().map(|nominee| &nominee.host);
        host.is_some_and(|host| !sources.configured.contains_key(host) && !sources.reserved.contains(host))
    })
}

fn since(before: &BTreeMap<HostName, Waiting>, host: &HostName, cause: &WaitingFor, now: Timestamp) -> Timestamp {
    before.get(host).filter(|waiting| waiting.cause == *cause).map_or(now, |waiting| waiting.since)
}

fn claim(host: &HostName, owner: &Arc<Owner>, brand: &Arc<str>, proven: Option<&(Arc<Owner>, Timestamp)>) -> Claim {
    Claim {
        host: host.clone(),
        owner: Arc::clone(owner),
        brand: Arc::clone(brand),
        proven: proven.cloned(),
        left: None,
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
