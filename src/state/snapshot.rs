//! The running snapshot: which host name reaches which app, as the last good config and the tables of domains say.
//!
//! Two hands write it: a reload puts a new config in force, and the tables of domains come and go. Each replaces its own half
//! ([`Current::update`]), so neither undoes what the other just did.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use ipnet::IpNet;
use tokio::sync::watch;

use crate::config::{App, AppKind, Audit, Config, Domain, Limits, Login};
use crate::session::SessionLimits;
use crate::types::{AppName, HostName};

/// What requests need of a config. A request loads one and keeps it to its end.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Domains that the config names.
    configured: Arc<HashMap<HostName, Arc<Site>>>,
    /// Domains that tables name, app by app. What the config names comes first.
    from_tables: Arc<HashMap<HostName, Arc<Site>>>,
    apps: Arc<HashMap<AppName, Arc<App>>>,
    /// The console at the admin listener.
    door: Option<Arc<Site>>,
    /// Whose `X-Forwarded-*` count.
    pub trusted_proxies: Arc<[IpNet]>,
    /// The named limits.
    pub limits: Limits,
    /// Who is asked what the world sees in DNS; the system's resolvers, when empty.
    pub resolvers: Arc<[SocketAddr]>,
    /// How logging in goes.
    pub login: Arc<Login>,
    /// How long sessions last.
    pub session: SessionLimits,
    /// How long the audit log is kept.
    pub audit: Audit,
    /// Notifications to one person, a day; none where there is no mail.
    pub notifications_per_person: u32,
}

/// A domain and the app it reaches.
#[derive(Debug)]
pub struct Site {
    /// The app.
    pub app: Arc<App>,
    /// The domain.
    pub domain: Domain,
}

/// The name that sessions at the admin listener are bound to, by whatever address it is asked.
const DOOR: &str = "localhost";

impl Snapshot {
    /// Takes what requests need of a config.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut configured = HashMap::new();
        for app in &config.apps {
            for domain in &app.domains {
                let site = Site { app: Arc::clone(app), domain: domain.clone() };
                configured.insert(domain.host.clone(), Arc::new(site));
            }
        }
        Self {
            configured: Arc::new(configured),
            from_tables: Arc::default(),
            apps: Arc::new(config.apps.iter().map(|app| (app.name.clone(), Arc::clone(app))).collect()),
            door: config.apps.iter().find_map(door),
            trusted_proxies: config.server.trusted_proxies.clone().into(),
            limits: config.server.limits,
            resolvers: config.acme.as_ref().map(|acme| acme.resolvers.clone()).unwrap_or_default().into(),
            login: Arc::new(config.login.clone()),
            session: config.session,
            audit: config.audit,
            notifications_per_person: config.mail.as_ref().map_or(0, |mail| mail.notifications_per_person),
        }
    }

    /// The same tables of domains under another config. Domains of an app that is gone go with it.
    #[must_use]
    pub fn with_config(&self, config: &Config) -> Self {
        let new = Self::new(config);
        let kept = self.from_tables.values().filter_map(|site| {
            let app = Arc::clone(new.apps.get(&site.app.name)?);
            let is_same = Arc::ptr_eq(&app, &site.app);
            let kept = if is_same { Arc::clone(site) } else { Arc::new(Site { app, domain: site.domain.clone() }) };
            Some((site.domain.host.clone(), kept))
        });
        Self { from_tables: Arc::new(kept.collect()), ..new }
    }

    /// The same config with other domains from tables. Those of apps that the config does not have are left out.
    #[must_use]
    pub fn with_domains<'a>(&self, domains: impl IntoIterator<Item = (&'a AppName, Domain)>) -> Self {
        let sites = domains.into_iter().filter_map(|(app, domain)| {
            let app = Arc::clone(self.apps.get(app)?);
            Some((domain.host.clone(), Arc::new(Site { app, domain })))
        });
        Self { from_tables: Arc::new(sites.collect()), ..self.clone() }
    }

    /// Whether the other one is of the same config: only the domains of tables may differ.
    #[must_use]
    pub fn has_same_config(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.configured, &other.configured)
    }

    /// The domain and app of a host name.
    #[must_use]
    pub fn site(&self, host: &HostName) -> Option<&Arc<Site>> {
        self.configured.get(host).or_else(|| self.from_tables.get(host))
    }

    /// The console at the admin listener. It is no domain: no other listener knows it by that name.
    #[must_use]
    pub const fn door(&self) -> Option<&Arc<Site>> {
        self.door.as_ref()
    }

    /// Where something that is kept belongs, such as an attempt to log in: a domain of its app, or the console at the admin listener.
    #[must_use]
    pub fn place(&self, app: &AppName, host: &HostName) -> Option<&Arc<Site>> {
        let is_it = |site: &&Arc<Site>| site.app.name == *app && site.domain.host == *host;
        self.site(host).filter(is_it).or_else(|| self.door().filter(is_it))
    }

    /// Whether a host name is one of ours: a domain, or the hub.
    #[must_use]
    pub fn serves(&self, host: &HostName) -> bool {
        self.site(host).is_some() || self.login.hub.as_ref() == Some(host)
    }

    /// The domains that the config names.
    pub fn configured(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.configured.values()
    }

    /// The domains that tables name and the config does not.
    pub fn from_tables(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.from_tables.values().filter(|site| !self.configured.contains_key(&site.domain.host))
    }

    /// Whether the config names a domain.
    #[must_use]
    pub fn is_configured(&self, host: &HostName) -> bool {
        self.configured.contains_key(host)
    }

    /// An app by name.
    #[must_use]
    pub fn app(&self, name: &AppName) -> Option<&Arc<App>> {
        self.apps.get(name)
    }

    /// All apps.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.values()
    }
}

/// The console as it is at the admin listener, of the app that it is.
fn door(app: &Arc<App>) -> Option<Arc<Site>> {
    let host = HostName::parse(DOOR).ok()?;
    let domain = Domain { host, customer: None, brand: Arc::clone(&app.brand) };
    (app.kind == AppKind::Console).then(|| Arc::new(Site { app: Arc::clone(app), domain }))
}

/// The place where the current snapshot lies.
#[derive(Debug)]
pub struct Current {
    snapshot: ArcSwap<Snapshot>,
    changes: watch::Sender<u64>,
}

impl Current {
    /// Puts the first snapshot in force.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot), changes: watch::Sender::new(0) }
    }

    /// The snapshot in force, for a look.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The snapshot in force, to keep.
    #[must_use]
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts another snapshot in force, made from the one that is. It may be made again where somebody else was quicker.
    pub fn update(&self, change: impl Fn(&Snapshot) -> Snapshot) {
        self.snapshot.rcu(|old| change(old));
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Tells of each change after this call.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn config(text: &str) -> Config {
        let text = format!(
            "[server]\nhttps = '127.0.0.1:0'\ndata = 'd'\n[tls]\nlocal_ca = true\n[mail]\nsmtp = 'smtp://127.0.0.1:25'\nfrom = 'a@b.test'\n{text}"
        );
        config::parse(std::path::Path::new("t.toml"), &text, &|_| None).expect("a config")
    }

    const APP: &str = "upstream = 'http://127.0.0.1:1'\nlogin = ['email']\n[[app.a.customers]]\nsource = 's'\nemail = 'email'\n[source.s]\nurl = 'csv:s.csv'\n";

    fn host(text: &str) -> HostName {
        HostName::parse(text).expect("a host")
    }

    fn shop(config: &Config, name: &str) -> Domain {
        let domain = config.apps.first().and_then(|app| app.domains.first()).expect("a domain");
        Domain { host: host(name), customer: None, ..domain.clone() }
    }

    #[test]
    fn the_door_is_a_place_of_the_console_and_of_no_other_listener() {
        let console = "[console]\n[[workspace.user]]\nemail = 'ann@b.test'\nroles = { console = 'admin' }\n";
        let snapshot = Snapshot::new(&config(&format!("{console}[app.a]\ndomains = ['a.test']\n{APP}")));
        let name = |text: &str| AppName::parse(text).expect("a name");
        let (door, localhost) = (snapshot.door().expect("a door"), host("localhost"));
        assert!(Arc::ptr_eq(door, snapshot.place(&name("console"), &localhost).expect("a place")));
        assert!(snapshot.place(&name("a"), &localhost).is_none() && snapshot.site(&localhost).is_none());
        assert!(!snapshot.serves(&localhost));
        assert!(snapshot.place(&name("a"), &host("a.test")).is_some());
        assert!(snapshot.place(&name("console"), &host("a.test")).is_none());
        let without = Snapshot::new(&config(&format!("[app.a]\ndomains = ['a.test']\n{APP}")));
        assert!(without.door().is_none());
    }

    #[test]
    fn a_reload_keeps_the_domains_of_tables_and_a_table_keeps_the_config() {
        let first = config(&format!("[app.a]\ndomains = ['a.test']\n{APP}"));
        let current = Current::new(Snapshot::new(&first));
        let mut changes = current.changes();
        let name = first.apps.first().expect("an app").name.clone();
        current.update(|old| old.with_domains([(&name, shop(&first, "shop.test")), (&name, shop(&first, "a.test"))]));
        assert!(changes.has_changed().expect("open"));
        changes.mark_unchanged();
        assert_eq!(current.load().from_tables().count(), 1, "what the config names is the config's");
        let second = config(&format!("[app.a]\ndomains = ['b.test']\n{APP}"));
        current.update(|old| old.with_config(&second));
        let snapshot = current.load_full();
        assert!(snapshot.serves(&host("b.test")) && snapshot.serves(&host("shop.test")));
        let site = snapshot.site(&host("shop.test")).expect("a site");
        assert!(Arc::ptr_eq(&site.app, snapshot.app(&name).expect("the app")), "it goes to the app as it is now");
        current.update(|old| old.with_domains([]));
        assert!(!current.load().serves(&host("shop.test")) && current.load().serves(&host("b.test")));
    }
}
