//! Limits on logging in: how often a network, an address, and everybody together may try.
//!
//! Each [`Kind`] counts by itself, so that a flood of one leaves the others open. What one network or one address may use up
//! comes back bit by bit, and of what all share no single network can take all. A lock is never a way to lock somebody else out:
//! a browser that has logged in before ([`super::known_browsers`]) counts by itself alone, and nobody else's tries can refuse it.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::audit::{Event, Journal, Scene};
use super::known_browsers::{Known, KnownBrowsers, Newness};
use super::metrics::Metrics;
use super::network::Network;
use super::shares::{Shares, Size, Stopwatch};
use super::visit::Visit;
use crate::config::Login;
use crate::session::Asker;
use crate::types::{AppName, Email};

/// How many shares of `tries_per_client` all hosts of a site have together.
const SITE_SHARES: u32 = 8;
/// How many shares of one network an address has for all networks together. A site's networks get half of them at most.
const ADDRESS_SHARES: u32 = 4;
const ADDRESS_SHARES_OF_A_SITE: u32 = 2;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// What is tried.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Asking for a mail.
    Ask,
    /// The code of a mail.
    Code,
    /// The link of a mail. Nobody guesses one, so nothing counts by address here: whoever is kept from trying codes still has it.
    Link,
    /// Log-in at a provider: its begin, on domain and hub, its callback, its ticket.
    Callback,
    /// A passkey: begin and finish.
    Passkey,
    /// A log-out token that is not believed. Those that are believed do not count: a provider has much to say at once when a
    /// company goes home, and people whose log-out we refused to hear would stay.
    Backchannel,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Ask, Self::Code, Self::Link, Self::Callback, Self::Passkey, Self::Backchannel];

    /// The name in metrics and the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Code => "code",
            Self::Link => "link",
            Self::Callback => "callback",
            Self::Passkey => "passkey",
            Self::Backchannel => "backchannel",
        }
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitReached {
    /// Which limit, by its key in the config.
    pub limit: &'static str,
    /// In how many minutes to try again.
    pub minutes: u32,
}

/// Counts tries, each kind by itself.
#[derive(Debug)]
pub struct RateLimits {
    known: KnownBrowsers,
    metrics: Arc<Metrics>,
    journal: Arc<Journal>,
    #[cfg(test)]
    stopwatch: Stopwatch,
    hosts: Shares,
    sites: Shares,
    total: Shares,
    mails: AddressShares,
    tries: AddressShares,
    known_browsers: Shares,
    mails_of_app: Shares,
    lines: Shares,
    all_lines: Shares,
}

/// What may be tried for one address.
#[derive(Debug)]
struct AddressShares {
    limit: &'static str,
    from_host: Shares,
    from_site: Shares,
    from_all: Shares,
    from_known_browser: Shares,
    from_all_known: Shares,
}

impl RateLimits {
    /// Limits as configured.
    #[must_use]
    pub fn new(login: &Login, known: KnownBrowsers, metrics: Arc<Metrics>, journal: Arc<Journal>) -> Self {
        let stopwatch = Stopwatch::start();
        let sizes = Sizes::of(login);
        let a_minute = |burst: u32| Shares::new(Size { burst, refills_in: MINUTE }, &stopwatch);
        let limits = Self {
            hosts: Shares::new(sizes.hosts, &stopwatch),
            sites: Shares::new(sizes.sites, &stopwatch),
            total: Shares::new(sizes.total, &stopwatch),
            mails: AddressShares::new("mails_per_address", login.mails_per_address, HOUR, &stopwatch),
            tries: AddressShares::new("tries_per_address", login.tries_per_address, DAY, &stopwatch),
            known_browsers: Shares::new(sizes.known_browsers, &stopwatch),
            mails_of_app: Shares::new(sizes.mails_of_app, &stopwatch),
            lines: a_minute(1),
            all_lines: a_minute(60),
            known,
            metrics,
            journal,
            #[cfg(test)]
            stopwatch,
        };
        for (limit, kind) in limits.all() {
            limits.metrics.limit_reached(limit, kind, 0);
        }
        limits
    }

    /// Takes up other limits. What was counted goes on where the limit is the same, and begins anew where it is another.
    pub fn apply(&self, login: &Login) {
        let sizes = Sizes::of(login);
        self.hosts.resize(sizes.hosts);
        self.sites.resize(sizes.sites);
        self.total.resize(sizes.total);
        self.known_browsers.resize(sizes.known_browsers);
        self.mails_of_app.resize(sizes.mails_of_app);
        self.mails.resize(login.mails_per_address, HOUR);
        self.tries.resize(login.tries_per_address, DAY);
    }

    /// Counts a try by its client's network. A caller that is refused is told nothing but when to come again.
    ///
    /// # Errors
    /// When a limit was reached; it is counted and written to the audit log by then.
    pub fn admit<'a>(&self, kind: Kind, scene: impl Into<Scene<'a>>, headers: &HeaderMap) -> Result<(), LimitReached> {
        let scene = scene.into();
        let known = scene.host.and_then(|host| self.known.read(host, headers, scene.now));
        self.of_client(kind, &scene, known.as_ref()).map_err(|refusal| self.tell(kind, &scene, &refusal))
    }

    /// Counts a try by its client's network, as [`Self::admit`] does, and then by the address that it is for, whether or not
    /// anybody has that address.
    ///
    /// # Errors
    /// When a limit was reached; it is counted and written to the audit log by then.
    pub fn admit_for(
        &self,
        kind: Kind,
        visit: &Visit,
        headers: &HeaderMap,
        email: &Email,
    ) -> Result<Asker, LimitReached> {
        let (scene, app) = (Scene::from(visit), &visit.site.app.name);
        let known = scene.host.and_then(|host| self.known.read(host, headers, scene.now));
        self.of_client(kind, &scene, known.as_ref())
            .and_then(|()| self.of_address(kind, &scene, known.as_ref(), app, email))
            .map_err(|refusal| self.tell(kind, &scene, &refusal))?;
        let is_known = known.is_some_and(|known| known.is_for(app, email));
        Ok(if is_known { Asker::Known } else { Asker::Stranger })
    }

    /// Counts a mail that is about to go out for an app. Strangers' mails do not use up what known browsers have.
    ///
    /// # Errors
    /// How long until there may be one again. The audit log and the metric hear of it once a minute at most.
    pub fn mail(&self, scene: Scene<'_>, app: &AppName, asker: Asker) -> Result<(), Duration> {
        let limit = "mails_per_app";
        self.mails_of_app.take(&(app, asker)).inspect_err(|_| {
            if self.lines.take(&(limit, app, asker)).is_ok() {
                self.metrics.limit_reached(limit, Kind::Ask.name(), 1);
                let event = Event::LimitReached { limit, kind: Kind::Ask.name(), network: None };
                self.journal.write(scene, &event);
            }
        })
    }

    /// Somebody has logged in with the browser of a request: the cookie by which it is known from now on.
    pub fn remember(&self, visit: &Visit, headers: &HeaderMap, email: &Email) -> Option<HeaderValue> {
        let (scene, app) = (Scene::from(visit), &visit.site.app.name);
        let (cookie, newness) = self.known.remember(&visit.site.domain.host, headers, app, email, scene.now)?;
        if newness == Newness::New {
            self.journal.write(scene, &Event::BrowserKnown(email));
        }
        Some(cookie)
    }

    /// Forgets keys whose share is whole again.
    pub fn sweep(&self) {
        let own = [&self.hosts, &self.sites, &self.total, &self.known_browsers, &self.mails_of_app];
        own.into_iter().chain([&self.lines, &self.all_lines]).for_each(Shares::sweep);
        self.mails.sweep();
        self.tries.sweep();
    }

    fn of_client(&self, kind: Kind, scene: &Scene<'_>, known: Option<&Known>) -> Result<(), Refusal> {
        let limit = "tries_per_client";
        let Some(client) = scene.client else { return Ok(()) };
        // What it has used up itself makes a known browser like any other.
        if known.is_some_and(|known| self.known_browsers.take(&(kind, known.id)).is_ok()) {
            return Ok(());
        }
        // The narrow ones come first: what is refused there uses up nothing of what is shared.
        let (host, site) = (Network::of_host(client), Network::of_site(client));
        take(limit, &self.hosts, &(kind, host), Some(host))?;
        take(limit, &self.sites, &(kind, site), Some(site))?;
        // The hub has no sum. Nobody is known there who could be spared it, and what passes there was counted on its domain.
        match scene.app {
            Some(_) => take("tries_in_total", &self.total, &kind, None),
            None => Ok(()),
        }
    }

    fn of_address(
        &self,
        kind: Kind,
        scene: &Scene<'_>,
        known: Option<&Known>,
        app: &AppName,
        email: &Email,
    ) -> Result<(), Refusal> {
        let shares = match kind {
            Kind::Ask => &self.mails,
            _ => &self.tries,
        };
        let address = (kind, app, email);
        if let Some(known) = known.filter(|known| known.is_for(app, email))
            && shares.take_as_known(known, &address)
        {
            return Ok(());
        }
        scene.client.map_or(Ok(()), |client| shares.take_as_stranger(client, &address))
    }

    /// Counts a refusal and, unless that was said a moment ago, says so.
    fn tell(&self, kind: Kind, scene: &Scene<'_>, refusal: &Refusal) -> LimitReached {
        let Refusal { limit, network, wait } = *refusal;
        self.metrics.limit_reached(limit, kind.name(), 1);
        let is_news = self.lines.take(&(limit, kind, network)).is_ok();
        if is_news && self.all_lines.take(&limit).is_ok() {
            self.journal.write(*scene, &Event::LimitReached { limit, kind: kind.name(), network });
        }
        LimitReached { limit, minutes: u32::try_from(wait.as_secs() / 60 + 1).unwrap_or(u32::MAX) }
    }

    /// Every limit and kind that there is, for metrics to show at zero.
    fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let kinds = Kind::ALL.map(Kind::name);
        let of_addresses =
            [(self.mails.limit, Kind::Ask), (self.tries.limit, Kind::Code), ("mails_per_app", Kind::Ask)];
        kinds
            .into_iter()
            .map(|kind| ("tries_per_client", kind))
            .chain(kinds.into_iter().map(|kind| ("tries_in_total", kind)))
            .chain(of_addresses.map(|(limit, kind)| (limit, kind.name())))
    }

    /// Lets time pass for all limits.
    #[cfg(test)]
    pub(crate) fn turn(&self, by: Duration) {
        self.stopwatch.turn(by);
    }
}

/// How large the shares of a config are, but for those of an address.
struct Sizes {
    hosts: Size,
    sites: Size,
    total: Size,
    known_browsers: Size,
    mails_of_app: Size,
}

impl Sizes {
    const fn of(login: &Login) -> Self {
        Self {
            hosts: Size::hourly(login.tries_per_client),
            sites: Size::hourly(login.tries_per_client.saturating_mul(SITE_SHARES)),
            total: Size { burst: login.tries_in_total, refills_in: MINUTE },
            known_browsers: Size::hourly(login.tries_per_address),
            mails_of_app: Size::hourly(login.mails_per_app),
        }
    }
}

impl AddressShares {
    fn new(limit: &'static str, share: u32, refills_in: Duration, stopwatch: &Stopwatch) -> Self {
        let [from_host, from_site, from_all, from_known_browser, from_all_known] =
            Self::sizes(share, refills_in).map(|size| Shares::new(size, stopwatch));
        Self { limit, from_host, from_site, from_all, from_known_browser, from_all_known }
    }

    /// The sizes of its shares, in their order. In the long run a day may be worth what an hour is for a start: a code has a million
    /// values, and somebody who guesses on for months must not come near them.
    fn sizes(share: u32, refills_in: Duration) -> [Size; 5] {
        let size = |times: u32, refills_in| Size { burst: share.saturating_mul(times), refills_in };
        [
            size(1, HOUR),
            size(ADDRESS_SHARES_OF_A_SITE, HOUR),
            size(ADDRESS_SHARES, refills_in),
            size(1, HOUR),
            size(ADDRESS_SHARES, refills_in),
        ]
    }

    fn resize(&self, share: u32, refills_in: Duration) {
        let all = [&self.from_host, &self.from_site, &self.from_all, &self.from_known_browser, &self.from_all_known];
        all.into_iter().zip(Self::sizes(share, refills_in)).for_each(|(shares, size)| shares.resize(size));
    }

    /// Whether a known browser has some of its own share left. All that are known for an address have a sum, too: somebody who
    /// once had the mailbox, and gathered cookies then, can do no more than that.
    fn take_as_known(&self, known: &Known, address: &impl Hash) -> bool {
        self.from_known_browser.take(&(known.id, address)).is_ok() && self.from_all_known.take(address).is_ok()
    }

    fn take_as_stranger(&self, client: IpAddr, address: &impl Hash) -> Result<(), Refusal> {
        let (host, site) = (Network::of_host(client), Network::of_site(client));
        take(self.limit, &self.from_host, &(host, address), Some(host))?;
        take(self.limit, &self.from_site, &(site, address), Some(site))?;
        take(self.limit, &self.from_all, address, None)
    }

    fn sweep(&self) {
        let all = [&self.from_host, &self.from_site, &self.from_all, &self.from_known_browser, &self.from_all_known];
        all.into_iter().for_each(Shares::sweep);
    }
}

/// A share that is used up.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    limit: &'static str,
    network: Option<Network>,
    wait: Duration,
}

fn take(limit: &'static str, shares: &Shares, key: &impl Hash, network: Option<Network>) -> Result<(), Refusal> {
    shares.take(key).map_err(|wait| Refusal { limit, network, wait })
}

#[cfg(test)]
#[path = "rate_limits_tests.rs"]
mod tests;
