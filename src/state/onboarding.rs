//! How domains stand, as people and programs are told: the same from the command line, the API and metrics.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::certificates::CertificateName;
use super::domains::{Phase, Progress};
use super::issuance::Times;
use super::proof::Waiting;
use crate::types::{AppName, CustomerId, HostName};

/// What is left of a certificate's life when it ends soon.
const SOON: SignedDuration = SignedDuration::from_hours(72);

/// One domain.
#[derive(Clone, Debug)]
pub struct DomainRow {
    /// The domain.
    pub host: HostName,
    /// The app it reaches; the hub reaches none.
    pub app: Option<AppName>,
    /// The customer it is pinned to.
    pub customer: Option<CustomerId>,
    /// Who names it.
    pub named_by: NamedBy,
    /// The name of the certificate that was ordered for it, which may be a wildcard.
    pub certificate: Option<String>,
    /// How it stands.
    pub state: Standing,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When its certificate ends.
    pub until: Option<Timestamp>,
    /// From when on that is soon. Left out, it is three days before.
    pub ends_soon_from: Option<Timestamp>,
    /// When something happens next.
    pub next_try: Option<Timestamp>,
    /// Orders that failed since the last that did not.
    pub failures: u32,
    /// What is wrong, by name.
    pub problem: Option<String>,
    /// What whoever keeps its DNS has to do.
    pub sentence: Option<String>,
}

/// Who names a domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NamedBy {
    /// The config.
    Config,
    /// A table.
    Table,
    /// The config, as the hub of the log-in.
    Hub,
}

impl NamedBy {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Table => "table",
            Self::Hub => "hub",
        }
    }
}

/// How a domain stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// On its way to a certificate that we order, or with it.
    Phase(Phase),
    /// Nothing is ordered for it: it has a certificate from the folder, or of the local CA.
    Provided,
    /// Nothing is ordered for it, and it has no certificate.
    Uncertified,
}

impl Standing {
    /// All of them, for metrics.
    pub const ALL: [Self; 8] = [
        Self::Phase(Phase::Pending),
        Self::Phase(Phase::Missing),
        Self::Phase(Phase::Issued),
        Self::Phase(Phase::Renewing),
        Self::Phase(Phase::Failing),
        Self::Phase(Phase::BackingOff),
        Self::Provided,
        Self::Uncertified,
    ];

    /// The name in metrics, the API and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Phase(phase) => phase.name(),
            Self::Provided => "provided",
            Self::Uncertified => "uncertified",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl DomainRow {
    /// A domain of which nothing is known yet but that it is there.
    #[must_use]
    pub const fn new(host: HostName, app: Option<AppName>, customer: Option<CustomerId>, named_by: NamedBy) -> Self {
        Self {
            host,
            app,
            customer,
            named_by,
            certificate: None,
            state: Standing::Uncertified,
            since: None,
            until: None,
            ends_soon_from: None,
            next_try: None,
            failures: 0,
            problem: None,
            sentence: None,
        }
    }

    /// With how far the name is that its certificate has.
    #[must_use]
    pub fn on_its_way(self, name: &CertificateName, progress: Option<Progress>, times: Option<&Times>) -> Self {
        let certificate = times.map(|_| name.to_string());
        let until = times.map(|times| times.not_after);
        // One of six days is renewed when two thirds of them are over, and nothing is wrong with it until then.
        let ends_soon_from = times.map(|times| {
            let quarter = times.not_after.duration_since(times.not_before) / 4;
            times.not_after.saturating_sub(quarter.min(SOON)).unwrap_or(times.not_after)
        });
        let Some(progress) = progress else {
            let phase = if times.is_some() { Phase::Issued } else { Phase::Pending };
            return Self { certificate, until, ends_soon_from, state: Standing::Phase(phase), ..self };
        };
        Self {
            certificate,
            until,
            ends_soon_from,
            state: Standing::Phase(progress.phase),
            since: Some(progress.since),
            next_try: progress.next_try,
            failures: progress.failures,
            problem: progress.problem,
            sentence: progress.sentence,
            ..self
        }
    }

    /// As the API and the command line write it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let time = |at: Option<Timestamp>| at.map(|at| format!("{at:.0}"));
        json!({
            "host": self.host.as_str(),
            "app": self.app.as_ref().map(AppName::as_str),
            "customer": self.customer.as_ref().map(CustomerId::as_str),
            "named_by": self.named_by.name(),
            "certificate": self.certificate,
            "state": self.state.name(),
            "since": time(self.since),
            "until": time(self.until),
            "next_try": time(self.next_try),
            "failures": self.failures,
            "problem": self.problem,
            "sentence": self.sentence,
        })
    }

    /// Whether somebody has to do something about it: something is wrong, or its certificate has ended or ends soon.
    #[must_use]
    pub fn is_in_trouble(&self, now: Timestamp) -> bool {
        match self.state {
            Standing::Phase(Phase::Missing | Phase::Failing | Phase::BackingOff) | Standing::Uncertified => true,
            Standing::Phase(Phase::Pending | Phase::Issued | Phase::Renewing) | Standing::Provided => {
                self.ends_soon(now)
            }
        }
    }

    /// A domain of a table that may not serve yet: nothing is ordered for it either.
    #[must_use]
    pub fn waiting(host: &HostName, waiting: &Waiting) -> Self {
        let owner = waiting.owner.clone();
        Self {
            state: Standing::Phase(Phase::Missing),
            since: Some(waiting.since),
            problem: Some(waiting.cause.name().to_owned()),
            sentence: Some(waiting.sentence.clone()),
            ..Self::new(host.clone(), Some(owner.app), owner.customer, NamedBy::Table)
        }
    }

    /// Whether its certificate has ended, or ends within three days; with one of few days, within a quarter of its life.
    #[must_use]
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        match (self.until, self.ends_soon_from) {
            (None, _) => false,
            (Some(_), Some(from)) => now > from,
            (Some(until), None) => until.duration_since(now) < SOON,
        }
    }

    /// Where it stands in a list that shows trouble first.
    #[must_use]
    pub fn rank(&self, now: Timestamp) -> u8 {
        match self.state {
            Standing::Phase(Phase::Failing) => 0,
            Standing::Phase(Phase::BackingOff) => 1,
            Standing::Phase(Phase::Missing) => 2,
            Standing::Uncertified => 3,
            _ if self.ends_soon(now) => 4,
            Standing::Phase(Phase::Pending) => 5,
            Standing::Phase(Phase::Renewing) => 6,
            Standing::Phase(Phase::Issued) => 7,
            Standing::Provided => 8,
        }
    }
}

/// How things stand, in numbers.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Domains by app and state; the hub's app is none.
    pub domains: BTreeMap<(Option<AppName>, &'static str), u64>,
    /// When the first certificate ends that we ordered and that is still wanted.
    pub ends_first: Option<Timestamp>,
    /// How many orders the hour still has.
    pub orders_left: Option<u64>,
    /// Whether the authority can be used, as far as we know; none without one.
    pub authority_up: Option<bool>,
}

/// Who can tell how domains stand while the gateway runs.
#[async_trait]
pub trait Domains: Send + Sync {
    /// The domains after one, in the order of their names, at most so many; of one state, if that is asked for.
    async fn page(&self, after: Option<&HostName>, limit: usize, state: Option<Standing>) -> Vec<DomainRow>;
    /// One domain.
    async fn one(&self, host: &HostName) -> Option<DomainRow>;
    /// How things stand, in numbers.
    async fn numbers(&self) -> Numbers;
    /// Why the authority cannot be used, and until when nothing is asked of it; `None` while it can.
    fn authority_trouble(&self) -> Option<String>;
}

/// What somebody beside the gateway wants of it for a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wish {
    /// To look at it and say what it sees.
    Look,
    /// To look at it, and to order if nothing is missing.
    Retry,
}

impl Wish {
    /// The name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Retry => "retry",
        }
    }

    /// The wish of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Look, Self::Retry].into_iter().find(|wish| wish.name() == name)
    }
}

/// What the gateway sees of a domain, for who asked it to look.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Sight {
    /// The domain's addresses.
    pub addresses: Vec<std::net::IpAddr>,
    /// The names it is an alias of.
    pub aliases: Vec<String>,
    /// What answers at each address: `here`, `other`, `redirect`, `refused`, `timeout`, `no-route`.
    pub visits: Vec<(std::net::IpAddr, String)>,
    /// What is missing, by name.
    pub problem: Option<String>,
    /// What whoever keeps its DNS has to do.
    pub sentence: Option<String>,
    /// Why no orders go out at all now, whatever the domain looks like.
    #[serde(default)]
    pub orders_wait: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(life: SignedDuration) -> DomainRow {
        let host = HostName::parse("shop.example.com").expect("a host");
        let name = CertificateName::Exact(host.clone());
        let times = Times {
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH + life,
            renew_at: Timestamp::UNIX_EPOCH + life / 3 * 2,
            ask_again: Timestamp::UNIX_EPOCH,
        };
        DomainRow::new(host, None, None, NamedBy::Config).on_its_way(&name, None, Some(&times))
    }

    #[test]
    fn a_certificate_of_few_days_is_fine_until_it_should_have_been_renewed() {
        for life in
            [SignedDuration::from_mins(10), SignedDuration::from_hours(160), SignedDuration::from_hours(90 * 24)]
        {
            let row = issued(life);
            assert!(!row.is_in_trouble(Timestamp::UNIX_EPOCH), "{life:#}");
            assert!(!row.is_in_trouble(Timestamp::UNIX_EPOCH + life / 10 * 7), "{life:#}");
            assert!(row.is_in_trouble(Timestamp::UNIX_EPOCH + life / 50 * 49), "{life:#}");
            assert!(row.is_in_trouble(Timestamp::UNIX_EPOCH + life + life), "{life:#}");
        }
    }

    #[test]
    fn a_row_names_its_certificate_once_there_is_one() {
        let row = issued(SignedDuration::from_hours(24));
        assert_eq!(row.certificate.as_deref(), Some("shop.example.com"));
        let name = CertificateName::Exact(row.host.clone());
        let row = DomainRow::new(row.host, None, None, NamedBy::Config).on_its_way(&name, None, None);
        assert_eq!(row.certificate, None);
    }
}
