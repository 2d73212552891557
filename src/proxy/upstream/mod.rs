//! Station 7: a permit becomes a peer.
//!
//! [`Upstreams`] knows the origin servers of every app, in long-lived [`Pool`]s: a reload that leaves a server as it is leaves what is
//! known of it. `balance` chooses a server, `health` says which may be chosen, `resolve` finds its addresses, `peer` makes the
//! connection, `attempt` is one request's way through all of these, and `queue` lets it begin.

mod attempt;
mod balance;
mod check;
mod connect;
mod health;
mod kept;
mod peer;
mod plain;
mod proxy_protocol_out;
mod queue;
mod resolve;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use pingora::{Error, ErrorType};
use prometheus::IntCounter;
use tokio::sync::watch;

pub(super) use self::attempt::{Attempts, Sent};
use self::balance::{Set, Wheel};
use self::health::Health;
use self::kept::Kept;
pub use self::peer::InvalidTlsFile;
pub(super) use self::peer::UseAs;
use self::peer::Wiring;
pub(super) use self::proxy_protocol_out::Client;
use self::queue::Gate;
use self::resolve::Addresses;
use crate::config::{App, AppKind, UpstreamProtocol, UpstreamServer};
use crate::state::health::{ServerState, UpstreamHealth};
use crate::state::metrics::Metrics;
use crate::types::AppName;

type Pools = HashMap<AppName, Arc<Pool>>;

/// The upstreams of all apps.
#[derive(Debug)]
pub struct Upstreams {
    pools: ArcSwap<Pools>,
    /// Pools from before the last reload: requests that had begun find those of their own config here.
    former: ArcSwap<Pools>,
    metrics: Arc<Metrics>,
    changes: watch::Sender<u64>,
}

/// Upstreams that are ready to take over; see [`Upstreams::prepare`].
#[derive(Debug)]
pub struct PreparedUpstreams(Pools);

/// The servers of one app.
#[derive(Debug)]
pub(super) struct Pool {
    app: Arc<App>,
    wiring: Wiring,
    servers: Box<[Arc<Server>]>,
    /// Connections to each of them. They go with the pool: what was connected to under one config serves no request of another.
    kept: Box<[Kept]>,
    /// Whether all are spoken to in the clear, over HTTP/1.1 from the first byte.
    is_plain: bool,
    wheel: Wheel,
    gate: Option<Arc<Gate>>,
    retries: IntCounter,
}

/// One origin server and what is known of it.
#[derive(Debug)]
struct Server {
    config: UpstreamServer,
    url: String,
    addresses: Addresses,
    health: Health,
    /// Requests under way.
    busy: AtomicUsize,
    answered: IntCounter,
    failed: IntCounter,
}

impl Upstreams {
    /// Of no app yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let changes = watch::Sender::new(0);
        Self { pools: ArcSwap::default(), former: ArcSwap::default(), metrics, changes }
    }

    /// Reads all that these apps' upstreams need. What is in force stays in force.
    ///
    /// # Errors
    /// When a file that the config names cannot be used.
    pub fn prepare(&self, apps: &[Arc<App>]) -> Result<PreparedUpstreams, InvalidTlsFile> {
        let old = self.pools.load();
        // The console has no servers, and so no pool: should a request of it come here all the same, it goes nowhere.
        let proxied = apps.iter().filter(|app| app.kind == AppKind::Proxied);
        let pools = proxied.map(|app| {
            let pool = Pool::new(app, old.get(&app.name).map(|pool| &**pool), &self.metrics)?;
            Ok((app.name.clone(), Arc::new(pool)))
        });
        Ok(PreparedUpstreams(pools.collect::<Result<_, _>>()?))
    }

    /// Puts what was prepared in force. Do so before a snapshot with new apps is, so that no request finds its app without.
    pub fn apply(&self, prepared: PreparedUpstreams) {
        for pool in prepared.0.values() {
            if let (Some(gate), Some(limit)) = (&pool.gate, pool.app.upstream.limit) {
                gate.set_most(limit.requests);
            }
            if pool.app.upstream.health.is_none() {
                pool.servers.iter().for_each(|server| server.health.forget_checks());
            }
        }
        let old = self.pools.swap(Arc::new(prepared.0));
        self.former.store(old);
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// How all servers are.
    #[must_use]
    pub fn health(&self) -> Vec<UpstreamHealth> {
        let pools = self.pools.load();
        let of = |pool: &Arc<Pool>| UpstreamHealth {
            app: pool.app.name.clone(),
            servers: pool.servers.iter().map(|server| (server.url.clone(), server.state())).collect(),
            waiting: pool.gate.as_ref().map(|gate| gate.waiting()),
        };
        let mut all: Vec<_> = pools.values().map(of).collect();
        all.sort_by(|one, other| one.app.cmp(&other.app));
        all
    }

    /// The servers of an app, as its config has them by which the request was decided: what an old config let pass is not for the
    /// servers that a new one names, perhaps with other rules.
    pub(super) fn pool(&self, app: &Arc<App>) -> pingora::Result<Arc<Pool>> {
        let of = |pools: &ArcSwap<Pools>| pools.load().get(&app.name).map(Arc::clone);
        let (now, before) = (of(&self.pools), of(&self.former));
        let is_its_own = |pool: &&Arc<Pool>| Arc::ptr_eq(&pool.app, app);
        let own = [&now, &before].into_iter().flatten().find(is_its_own).map(Arc::clone);
        let pool = own.or(now).or(before);
        pool.ok_or_else(|| Error::explain(ErrorType::HTTPStatus(503), "the app is gone"))
    }
}

impl Pool {
    /// The servers of an app. What `old` knows of a server, of the places and of the turns goes on.
    fn new(app: &Arc<App>, old: Option<&Self>, metrics: &Metrics) -> Result<Self, InvalidTlsFile> {
        let upstream = &app.upstream;
        let server = |config: &UpstreamServer| {
            let url = config.url();
            // Whoever stands there twice has two bits, but is one server.
            if let Some(known) = old.and_then(|old| old.servers.iter().find(|server| server.url == url)) {
                return Arc::clone(known);
            }
            let counter = |outcome| metrics.upstream_requests.with_label_values(&[app.name.as_str(), &url, outcome]);
            Arc::new(Server {
                config: config.clone(),
                addresses: Addresses::of(&config.place),
                health: Health::new(),
                busy: AtomicUsize::new(0),
                answered: counter("answered"),
                failed: counter("failed"),
                url,
            })
        };
        let servers: Box<[_]> = upstream.servers.iter().map(server).collect();
        let weights = upstream.servers.iter().map(|server| server.weight);
        let wheel = Wheel::new(servers.iter().map(|server| server.url.as_str()).zip(weights));
        let gate = upstream.limit.map(|limit| {
            let known = old.and_then(|old| old.gate.as_ref());
            known.map_or_else(|| Arc::new(Gate::new(limit.requests)), Arc::clone)
        });
        let is_plain = upstream.protocol == UpstreamProtocol::Http1
            && upstream.proxy_protocol.is_none()
            && upstream.servers.iter().all(|server| !server.tls);
        Ok(Self {
            wiring: Wiring::read(app)?,
            kept: servers.iter().map(|_| Kept::default()).collect(),
            is_plain,
            servers,
            wheel,
            gate,
            retries: metrics.upstream_retries.with_label_values(&[app.name.as_str()]),
            app: Arc::clone(app),
        })
    }

    /// The servers that may be chosen. One that failed its check is out; one that was ejected is out as long as there are others.
    fn usable(&self) -> Set {
        let (mut up, mut ejected) = (Set::default(), Set::default());
        for (index, server) in self.servers.iter().enumerate() {
            match server.state() {
                ServerState::Up => up.insert(index),
                ServerState::Ejected => ejected.insert(index),
                ServerState::Down => {}
            }
        }
        if up.is_empty() { ejected } else { up }
    }
}

impl Server {
    fn state(&self) -> ServerState {
        self.health.state(self.health.now())
    }

    fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }
}

/// Why an upstream failed, and what an operator can do about it, for the log. It never holds what the upstream sent: the head of an
/// answer may hold cookies.
pub(super) fn cause(error: &Error) -> String {
    let kind = error.etype.as_str();
    let is_of_connecting = matches!(
        error.etype,
        ErrorType::ConnectTimedout
            | ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::TLSHandshakeFailure
            | ErrorType::TLSHandshakeTimedout
            | ErrorType::InvalidCert
            | ErrorType::SocketError
    );
    if error.etype == ErrorType::H2Error {
        return format!("{kind} (does it speak HTTP/2, as `protocol` says?)");
    }
    if !is_of_connecting {
        return kind.to_owned();
    }
    // Pingora tells the whole way of an error, and its own address last; what happened stands in the innermost part.
    let way = error.to_string();
    let way = way.split(" cause: local address ").next().unwrap_or_default();
    let what = way.rsplit(" cause: ").next().unwrap_or_default();
    let what = what.rsplit(" context: ").next().unwrap_or_default();
    format!("{kind}: {what}{}", remedy(what))
}

fn remedy(text: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 5] = [
        ("UnknownIssuer", " (`upstream_ca`, or `ca` in the table `upstream`, names a private CA to trust)"),
        ("CaUsedAsEndEntity", " (the upstream shows a CA's certificate as its own: give it one with `CA:FALSE`)"),
        (
            "not valid for name",
            " (its certificate is for another name: write that name in `upstream`, or as its `sni`)",
        ),
        ("CertificateRequired", " (it wants to see a `client_certificate`)"),
        ("InvalidContentType", " (it does not speak TLS: `http://` instead of `https://`?)"),
    ];
    REMEDIES.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(upstream: &str) -> Vec<Arc<App>> {
        let text = format!(
            "[server]\nhttps = '127.0.0.1:0'\ndata = 'd'\n[tls]\nlocal_ca = true\n\
             [mail]\nsmtp = 'smtp+starttls://user:word@smtp.example.com:587'\nfrom = 'Example <login@example.com>'\n\
             [source.crm]\nurl = 'csv:people.csv'\n\
             [app.orders]\nupstream = '{upstream}'\ndomains = ['orders.example.com']\nroles_default = 'basic'\n\
             [[app.orders.customers]]\nsource = 'crm'\nemail = 'email'\n\
             [app.orders.role.basic]\nrules = [{{ allow = 'GET /**' }}]\n"
        );
        crate::config::parse(std::path::Path::new("t.toml"), &text, &|_| None)
            .unwrap_or_else(|errors| panic!("{errors}"))
            .apps
    }

    #[test]
    fn attack_23_what_an_old_config_let_pass_does_not_go_to_the_servers_of_a_new_one() {
        let upstreams = Upstreams::new(Arc::new(Metrics::new()));
        let (old, new) = (apps("http://127.0.0.1:1"), apps("http://127.0.0.1:2"));
        upstreams.apply(upstreams.prepare(&old).expect("usable"));
        upstreams.apply(upstreams.prepare(&new).expect("usable"));
        let goes_to = |app: &Arc<App>| {
            let pool = upstreams.pool(app).expect("it is there");
            pool.servers.iter().map(|server| server.url.clone()).collect::<Vec<_>>()
        };
        assert_eq!(goes_to(&old[0]), ["http://127.0.0.1:1"]);
        assert_eq!(goes_to(&new[0]), ["http://127.0.0.1:2"]);
    }
}
