//! The running snapshot: which host name reaches which app, as the last good config says.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;

use crate::config::{App, Config, Domain, Limits, Login};
use crate::session::SessionLimits;
use crate::types::{AppName, HostName};

/// What requests need of a config. A request loads one and keeps it to its end.
#[derive(Debug)]
pub struct Snapshot {
    sites: HashMap<HostName, Arc<Site>>,
    apps: HashMap<AppName, Arc<App>>,
    /// Whose `X-Forwarded-*` count.
    pub trusted_proxies: Vec<IpNet>,
    /// The named limits.
    pub limits: Limits,
    /// How logging in goes.
    pub login: Login,
    /// How long sessions last.
    pub session: SessionLimits,
}

/// A domain and the app it reaches.
#[derive(Debug)]
pub struct Site {
    /// The app.
    pub app: Arc<App>,
    /// The domain.
    pub domain: Domain,
}

/// The place where the current snapshot lies.
pub type Current = ArcSwap<Snapshot>;

impl Snapshot {
    /// Takes what requests need of a config.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut sites = HashMap::new();
        for app in &config.apps {
            for domain in &app.domains {
                let site = Site { app: Arc::clone(app), domain: domain.clone() };
                sites.insert(domain.host.clone(), Arc::new(site));
            }
        }
        Self {
            sites,
            apps: config.apps.iter().map(|app| (app.name.clone(), Arc::clone(app))).collect(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            limits: config.server.limits,
            login: config.login.clone(),
            session: config.session,
        }
    }

    /// The domain and app of a host name.
    #[must_use]
    pub fn site(&self, host: &HostName) -> Option<&Arc<Site>> {
        self.sites.get(host)
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
