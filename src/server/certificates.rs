//! Puts the certificates of the folder and of the local CA in force, and looks after them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ServerError;
use crate::certificates::folder;
use crate::certificates::local_ca::LocalCa;
use crate::config::Config;
use crate::state::certificates::{Certificate, CertificateSet, Certificates};
use crate::state::clock::Clock;

/// What to do for a domain without a certificate.
pub(crate) const NO_CERTIFICATE: &str =
    "put one for it into the folder `tls.certs`, or set `tls.local_ca = true` for trials and private networks";

/// Looks after certificates in the background.
pub(super) struct Keeper {
    pub(super) config: Config,
    pub(super) certificates: Arc<Certificates>,
    pub(super) local_ca: Option<LocalCa>,
    pub(super) clock: Clock,
}

impl Keeper {
    /// Reads the folder again now and then, and issues local certificates anew long before they end.
    pub(super) async fn run(self, halt: CancellationToken) {
        const EVERY: Duration = Duration::from_secs(12 * 3600);
        while halt.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Err(error) = load(&self.config, self.local_ca.as_ref(), &self.certificates, self.clock) {
                tracing::error!(%error, "certificates could not be renewed; the old ones go on");
            }
        }
    }
}

/// Certificates from the folder, then local ones for the domains that have none.
pub(super) fn load(
    config: &Config,
    local_ca: Option<&LocalCa>,
    certificates: &Certificates,
    clock: Clock,
) -> Result<(), ServerError> {
    let now = clock.now();
    let mut all: Vec<Certificate> = Vec::new();
    if let Some(path) = &config.tls.certs {
        let found = folder::load(path, now);
        for problem in &found.problems {
            let (file, help) = (problem.file.display(), problem.problem.help());
            tracing::warn!(%file, problem = %problem.problem, help, "a certificate file is of no use");
        }
        all.extend(found.certificates);
    }
    for host in config.apps.iter().flat_map(|app| &app.domains).map(|domain| &domain.host).chain(&config.login.hub) {
        if all.iter().any(|certificate| certificate.covers(host) && certificate.is_valid(now)) {
            continue;
        }
        match local_ca {
            Some(ca) => all.push(ca.issue(host, now)?),
            None => {
                tracing::warn!(%host, help = NO_CERTIFICATE, "the domain has no certificate, so nobody can reach it")
            }
        }
    }
    certificates.publish(CertificateSet::new(all));
    Ok(())
}
