//! Asks servers whether they are well.
//!
//! Each server with a health check has a task that asks it again and again; a reload begins them anew, and what they found stays.
//! The question takes the same way as a request: the same TLS, the same socket.

use std::sync::Arc;
use std::time::Duration;

use pingora::http::RequestHeader;
use pingora_core::connectors::http::Connector;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::health::Change;
use super::kept::{Kept, LOOK_EVERY};
use super::peer::UseAs;
use super::{Pool, Server, Upstreams, cause};
use crate::config::HealthCheck;

impl Upstreams {
    /// Asks all servers that are to be asked, and looks after kept connections, until `halt`.
    pub async fn run(self: Arc<Self>, halt: CancellationToken) {
        let connector = Arc::new(Connector::new(None));
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            // What the set holds ends when it is dropped.
            let mut checks = JoinSet::new();
            for pool in self.pools.load().values() {
                let Some(check) = pool.app.upstream.health.clone() else { continue };
                for server in &pool.servers {
                    let (connector, pool, server) = (Arc::clone(&connector), Arc::clone(pool), Arc::clone(server));
                    checks.spawn(watch(connector, pool, server, check.clone()));
                }
            }
            tokio::select! {
                () = halt.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
                () = self.look_around() => {}
            }
        }
    }
}

impl Upstreams {
    /// Closes kept connections that nobody takes.
    async fn look_around(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let pools = [self.pools.load_full(), self.former.load_full()];
            pools.iter().flat_map(|pools| pools.values()).flat_map(|pool| &pool.kept).for_each(Kept::look_around);
        }
    }
}

async fn watch(connector: Arc<Connector>, pool: Arc<Pool>, server: Arc<Server>, check: HealthCheck) {
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let told = tokio::time::timeout(check.timeout, ask(&connector, &pool, &server, &check)).await;
        let told = told.unwrap_or_else(|_| Err("it took too long".to_owned()));
        let (app, url) = (&pool.app.name, &server.url);
        match (server.health.asked(told.is_ok(), &check), told) {
            (Some(Change::Up), _) => tracing::info!(%app, server = url, "an upstream server is up"),
            (Some(Change::Down), Err(cause)) => tracing::warn!(%app, server = url, cause, "an upstream server is down"),
            _ => {}
        }
    }
}

/// Asks at one address after another, until one is well.
async fn ask(connector: &Connector, pool: &Pool, server: &Server, check: &HealthCheck) -> Result<(), String> {
    let mut told = Err("the name has no address".to_owned());
    let first = server.addresses.next(check.timeout).await.map_err(|error| error.to_string())?;
    let mut address = first;
    for _ in 0..server.addresses.count() {
        let peer = pool.wiring.peer(&server.config, &address, UseAs::Check, None).map_err(|error| cause(&error))?;
        told = match connector.get_http_session(&*peer).await {
            Ok((session, _)) => match &check.path {
                Some(path) => talk(session, path, server, check).await,
                None => Ok(()),
            },
            Err(error) => {
                server.addresses.failed(&address);
                Err(cause(&error))
            }
        };
        if told.is_ok() {
            break;
        }
        address = server.addresses.next(check.timeout).await.map_err(|error| error.to_string())?;
    }
    told
}

async fn talk(
    mut session: pingora_core::protocols::http::client::HttpSession,
    path: &str,
    server: &Server,
    check: &HealthCheck,
) -> Result<(), String> {
    let own = server.config.authority();
    let host = check.host.as_deref().unwrap_or(&own);
    let asking = async {
        let mut head = RequestHeader::build("GET", path.as_bytes(), None)?;
        head.insert_header(http::header::HOST, host)?;
        head.insert_header(http::header::USER_AGENT, "health-check")?;
        session.set_read_timeout(Some(check.timeout + Duration::from_secs(1)));
        session.write_request_header(Box::new(head)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let status = session.response_header().map(|head| head.status.as_u16());
        session.shutdown().await;
        Ok(status)
    };
    let status = asking.await.map_err(|error: Box<pingora::Error>| cause(&error))?;
    match status {
        Some(status) if check.status.contains(&status) => Ok(()),
        Some(status) => Err(format!("it answered {status}")),
        None => Err("it did not answer".to_owned()),
    }
}
