//! Whether an order for a name can succeed, before the authority is asked: it costs that nothing, and tells people what is missing.
//!
//! That the name is ours needs no look: only names in the snapshot come here, and those of tables stand there once they are
//! proven. What is looked at is what the authority will look at: addresses, the way here by each of them, and CAA records.

mod caa;
mod dns;
mod reach;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub(super) use self::caa::Issuer;
pub(super) use self::dns::Dns;
pub use self::dns::NoResolver;
use self::dns::{Addresses, NoAnswer};
pub(super) use self::reach::Door;
use super::trouble::{Here, Trouble, Visit};
use crate::config::{Acme, Challenge};
use crate::state::certificates::CertificateName;
use crate::state::challenges::Challenges;
use crate::types::HostName;

/// Looks at names.
pub(super) struct Preflight {
    dns: Dns,
    challenges: Arc<Challenges>,
    target: Option<HostName>,
    /// By which door we come to ourselves; none where the way here is not looked at.
    door: Option<Door>,
    /// Whether a name has to have an address at all: not where it is proven by DNS alone.
    needs_address: bool,
    /// Who would issue.
    issuer: ArcSwap<Issuer>,
    /// Where a domain that works is reached.
    reached: Mutex<Vec<IpAddr>>,
}

/// The ports at which the world comes to us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    /// Of plain HTTP, if we listen for it.
    pub(super) http: Option<u16>,
    /// Of TLS.
    pub(super) https: u16,
}

/// What a look found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Report {
    /// The name's addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// The names it is an alias of.
    pub(super) aliases: Vec<String>,
    /// What answered where.
    pub(super) visits: Vec<(IpAddr, Visit)>,
    /// What is missing.
    pub(super) trouble: Option<Trouble>,
}

impl Preflight {
    pub(super) fn new(acme: &Acme, ports: Ports, challenges: Arc<Challenges>) -> Result<Self, NoResolver> {
        let door = acme.challenges.iter().find_map(|challenge| match challenge {
            Challenge::Http01 => ports.http.map(Door::Http),
            Challenge::TlsAlpn01 => Some(Door::Tls(ports.https)),
            Challenge::Dns01 => None,
        });
        Ok(Self {
            dns: Dns::new(&acme.resolvers)?,
            challenges,
            target: acme.target.clone(),
            needs_address: door.is_some(),
            door: door.filter(|_| acme.check_reach),
            issuer: ArcSwap::from_pointee(Issuer { methods: acme.challenges.clone(), ..Issuer::default() }),
            reached: Mutex::default(),
        })
    }

    /// Says by which names CAA records mean the authority.
    pub(super) fn set_issuer(&self, names: Vec<String>, account: Option<String>) {
        let methods = self.issuer.load().methods.clone();
        self.issuer.store(Arc::new(Issuer { names, account, methods }));
    }

    /// Looks at a name.
    pub(super) async fn look(&self, name: &CertificateName) -> Report {
        match name {
            CertificateName::Exact(host) => self.look_at_host(host).await,
            // A wildcard is proven by DNS, and leads nowhere by itself.
            CertificateName::Wildcard(parent) => {
                let trouble = caa::check(&self.dns, parent.as_str(), true, &self.issuer.load()).await;
                Report { trouble, ..Report::default() }
            }
        }
    }

    async fn look_at_host(&self, host: &HostName) -> Report {
        let Addresses { all: addresses, aliases } = match self.dns.addresses(host).await {
            Ok(addresses) => addresses,
            Err(NoAnswer(cause)) => {
                let trouble = Some(Trouble::dns_fails(host, &cause));
                return Report { trouble, ..Report::default() };
            }
        };
        let mut report = Report { addresses, aliases, ..Report::default() };
        if self.needs_address && report.addresses.is_empty() {
            let alias = report.aliases.last().map(String::as_str);
            report.trouble = Some(Trouble::does_not_resolve(host, alias, &self.here().await));
            return report;
        }
        if let Some(door) = self.door {
            report.visits = reach::visit(&self.challenges, host, &report.addresses, door).await;
            let comes_here = |(_, visit): &&(IpAddr, Visit)| *visit == Visit::Here;
            let here: Vec<_> = report.visits.iter().filter(comes_here).map(|(address, _)| *address).collect();
            // That one machine has no IPv6, or no IPv4, says nothing about the address.
            let astray = report.visits.iter().any(|(_, visit)| !matches!(visit, Visit::Here | Visit::NoRoute));
            let alias = report.aliases.last().map(String::as_str);
            if here.is_empty() {
                report.trouble = Some(Trouble::elsewhere(host, alias, &report.visits, &self.here().await));
                return report;
            }
            if astray {
                let owner = alias.unwrap_or(host.as_str());
                report.trouble = Some(Trouble::partly_elsewhere(host, owner, &report.visits));
                return report;
            }
            *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = here;
        }
        report.trouble = caa::check(&self.dns, host.as_str(), false, &self.issuer.load()).await;
        report
    }

    /// Where names have to point.
    async fn here(&self) -> Here {
        let of_target = match &self.target {
            Some(target) => self.dns.addresses(target).await.map(|found| found.all).unwrap_or_default(),
            None => Vec::new(),
        };
        let addresses = match of_target.is_empty() {
            true => self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            false => of_target,
        };
        Here { target: self.target.clone(), addresses }
    }
}

#[cfg(test)]
mod tests;
