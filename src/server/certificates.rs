//! Says where certificates come from: the folder, the store, the local CA; and reads the folder again now and then.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ServerError;
use crate::certificates::by_name::ByName;
use crate::certificates::folder::{self, Folder};
use crate::certificates::local_ca::{self, OnDemand};
use crate::certificates::stored::Stored;
use crate::config::Config;
use crate::state::certificates::{CertificateName, CertificateSet, CertificateSource, Certificates, Sources};
use crate::state::clock::Clock;
use crate::state::issuance::CertificateStore;
use crate::types::HostName;

/// What to do for a domain without a certificate.
pub(crate) const NO_CERTIFICATE: &str =
    "put one for it into the folder `tls.certs`, or set `tls.local_ca = true` for trials and private networks";

/// Domains without a certificate that are told one by one; of more, their number.
const MOST_TOLD: usize = 20;

/// Looks after certificates in the background.
pub(super) struct Keeper {
    pub(super) config: Config,
    pub(super) certificates: Arc<Certificates>,
    pub(super) store: Arc<dyn CertificateStore>,
    pub(super) clock: Clock,
}

impl Keeper {
    /// Reads the folder again now and then.
    pub(super) async fn run(self, halt: CancellationToken) {
        const EVERY: Duration = Duration::from_secs(12 * 3600);
        while halt.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Err(error) = load(&self.config, &self.store, &self.certificates, self.clock).await {
                tracing::error!(%error, "certificates could not be read again; the old ones go on");
            }
        }
    }
}

/// Puts the certificates of a config in force: the folder's, and the places that others are fetched from.
pub(super) async fn load(
    config: &Config,
    store: &Arc<dyn CertificateStore>,
    certificates: &Certificates,
    clock: Clock,
) -> Result<(), ServerError> {
    let mut sources = Sources { store: Some(Arc::new(Stored::new(Arc::clone(store)))), ..Sources::default() };
    if config.tls.local_ca {
        let authority = local_ca::open_or_create(&config.server.data, clock.now())?;
        sources.local_ca = Some(Arc::new(OnDemand::new(authority, clock)));
    }
    let (found, by_name) = match config.tls.certs.clone() {
        Some(path) => read_folder(path, clock).await,
        None => (Folder::default(), None),
    };
    for problem in &found.problems {
        let (file, help) = (problem.file.display(), problem.problem.help());
        tracing::warn!(%file, problem = %problem.problem, help, "a certificate file is of no use");
    }
    sources.folder = by_name.map(|by_name| Arc::new(by_name) as Arc<dyn CertificateSource>);
    certificates.publish(CertificateSet::new(found.certificates));
    certificates.fetch_from(sources);
    if !config.tls.local_ca {
        tell_of_lacks(config, &**store, certificates).await?;
    }
    Ok(())
}

/// The certificates of a folder or, where there are too many, the way to find them.
async fn read_folder(path: PathBuf, clock: Clock) -> (Folder, Option<ByName>) {
    let reading = tokio::task::spawn_blocking(move || {
        if !folder::is_large(&path) {
            return (folder::load(&path, clock.now()), None);
        }
        tracing::info!(
            folder = %path.display(), most = folder::MOST_FILES,
            "the folder is large, so its certificates are found by the names of their files when they are asked for"
        );
        (Folder::default(), Some(ByName::new(path, clock)))
    });
    // It fails only when it panics, or when the gateway is stopping.
    reading.await.unwrap_or_default()
}

/// Tells of domains that nobody can reach.
async fn tell_of_lacks(
    config: &Config,
    store: &dyn CertificateStore,
    certificates: &Certificates,
) -> Result<(), ServerError> {
    let mut lacking = Vec::new();
    for host in hosts(config) {
        if !certificates.has_valid_from_folder(host).await {
            lacking.push(host);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let stored: HashSet<_> = store.certificate_times().await?.into_iter().map(|(name, _)| name).collect();
    lacking.retain(|host| !stored.contains(&CertificateName::Exact((*host).clone())));
    for host in lacking.iter().take(MOST_TOLD) {
        tracing::warn!(%host, help = NO_CERTIFICATE, "the domain has no certificate, so nobody can reach it");
    }
    if let Some(more) = lacking.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        tracing::warn!(more, help = NO_CERTIFICATE, "more domains have no certificate");
    }
    Ok(())
}

/// The hosts that the config names.
fn hosts(config: &Config) -> impl Iterator<Item = &HostName> {
    config.apps.iter().flat_map(|app| &app.domains).map(|domain| &domain.host).chain(&config.login.hub)
}
