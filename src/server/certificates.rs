//! Says where certificates come from: the folder, the store, the local CA.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::ServerError;
use crate::certificates::by_name::ByName;
use crate::certificates::folder::{self, Folder};
use crate::certificates::local_ca::{self, OnDemand};
use crate::certificates::stored::Stored;
use crate::config::Config;
use crate::state::certificates::{
    Certificate, CertificateName, CertificateSet, CertificateSource, Certificates, Sources,
};
use crate::state::clock::Clock;
use crate::state::issuance::{CertificateStore, Which};
use crate::state::ports::StoreError;
use crate::types::HostName;

/// What to do for a domain without a certificate.
pub(crate) const NO_CERTIFICATE: &str =
    "put one for it into the folder `tls.certs`, or set `tls.local_ca = true` for trials and private networks";

/// Domains without a certificate that are told one by one; of more, their number.
const MOST_TOLD: usize = 20;

/// Certificates that are not in force yet.
pub(super) struct Prepared {
    folder: CertificateSet,
    sources: Sources,
    seen: Seen,
}

/// The folder's certificates as they were last put in force, by where they came from: when each begins, and its names.
pub(super) type Seen = BTreeMap<String, (jiff::Timestamp, String)>;

/// The local CA of a config: the one that runs, where there is one.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn local_ca(
    config: &Config,
    running: Option<&Arc<OnDemand>>,
    clock: Clock,
) -> Result<Option<Arc<OnDemand>>, ServerError> {
    match (config.tls.local_ca, running) {
        (false, _) => Ok(None),
        (true, Some(running)) => Ok(Some(Arc::clone(running))),
        (true, None) => {
            let authority = local_ca::open_or_create(&config.server.data, clock.now())?;
            Ok(Some(Arc::new(OnDemand::new(authority, clock))))
        }
    }
}

/// Reads the folder, and says where all other certificates are fetched from.
pub(super) async fn prepare(
    config: &Config,
    store: &Arc<dyn CertificateStore>,
    local_ca: Option<&Arc<OnDemand>>,
    clock: Clock,
) -> Prepared {
    let (found, by_name) = match config.tls.certs.clone() {
        Some(path) => read_folder(path, clock).await,
        None => (Folder::default(), None),
    };
    for problem in &found.problems {
        let (file, help) = (problem.file.display(), problem.problem.help());
        tracing::warn!(%file, problem = %problem.problem, help, "a certificate file is of no use");
    }
    let names =
        |certificate: &Certificate| certificate.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let seen = found.certificates.iter().map(|one| (one.origin.clone(), (one.not_before, names(one)))).collect();
    let sources = Sources {
        folder: by_name.map(|by_name| Arc::new(by_name) as Arc<dyn CertificateSource>),
        store: Some(Arc::new(Stored::new(Arc::clone(store)))),
        local_ca: local_ca.map(|ca| Arc::clone(ca) as Arc<dyn CertificateSource>),
    };
    Prepared { folder: CertificateSet::new(found.certificates), sources, seen }
}

/// Puts them in force; answers what changed since `seen`.
pub(super) fn apply(prepared: Prepared, certificates: &Certificates, seen: &mut Seen) -> Vec<String> {
    let Prepared { folder, sources, seen: new } = prepared;
    certificates.publish(folder);
    certificates.fetch_from(sources);
    let mut changed = Vec::new();
    for (file, (from, names)) in &new {
        match seen.get(file) {
            None => changed.push(format!("certificate for {names} added ({file})")),
            Some(old) if old != &(*from, names.clone()) => {
                changed.push(format!("certificate for {names} replaced ({file})"));
            }
            Some(_) => {}
        }
    }
    let gone = seen.iter().filter(|(file, _)| !new.contains_key(*file));
    changed.extend(gone.map(|(file, (_, names))| format!("certificate for {names} removed ({file})")));
    *seen = new;
    changed
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

/// Tells of domains that nobody can reach, in the background: a large folder is asked for each of them.
pub(super) fn tell_of_lacks(config: &Config, store: Arc<dyn CertificateStore>, certificates: Arc<Certificates>) {
    if config.tls.local_ca || config.acme.is_some() {
        return;
    }
    let hosts: Vec<HostName> = hosts(config).cloned().collect();
    tokio::spawn(async move {
        if let Err(error) = tell(hosts, &*store, &certificates).await {
            tracing::warn!(%error, "which domains have no certificate cannot be told");
        }
    });
}

async fn tell(
    hosts: Vec<HostName>,
    store: &dyn CertificateStore,
    certificates: &Certificates,
) -> Result<(), StoreError> {
    let mut lacking = Vec::new();
    for host in hosts {
        if !certificates.has_valid_from_folder(&host).await {
            lacking.push(host);
        }
    }
    let names_of = |host: &HostName| [Some(CertificateName::Exact(host.clone())), CertificateName::wildcard_of(host)];
    let mut stored = HashSet::new();
    // There may be very many, and more of others: so they are asked for in parts, and by name.
    for part in lacking.chunks(1000) {
        let names: Vec<_> = part.iter().flat_map(names_of).flatten().collect();
        let found = store.certificate_times(Which::Named(&names)).await?;
        stored.extend(found.into_iter().map(|(name, _)| name));
    }
    lacking.retain(|host| !names_of(host).iter().flatten().any(|name| stored.contains(name)));
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
