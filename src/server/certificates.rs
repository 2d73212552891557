//! Puts the certificates of the folder and of the local CA in force.

use std::collections::BTreeMap;

use super::ServerError;
use crate::certificates::folder::{self, Folder};
use crate::certificates::local_ca::LocalCa;
use crate::config::Config;
use crate::state::certificates::{Certificate, CertificateSet, Certificates};
use crate::state::clock::Clock;

/// What to do for a domain without a certificate.
pub(crate) const NO_CERTIFICATE: &str =
    "put one for it into the folder `tls.certs`, or set `tls.local_ca = true` for trials and private networks";

/// Certificates that are not in force yet.
pub(super) struct Prepared {
    set: CertificateSet,
    seen: Seen,
}

/// The folder's certificates as they were last put in force, by where they came from: when each begins, and its names.
pub(super) type Seen = BTreeMap<String, (jiff::Timestamp, String)>;

/// Certificates from the folder, then local ones for the domains that have none.
pub(super) async fn prepare(
    config: &Config,
    local_ca: Option<&LocalCa>,
    clock: Clock,
) -> Result<Prepared, ServerError> {
    let now = clock.now();
    let mut all: Vec<Certificate> = Vec::new();
    if let Some(path) = config.tls.certs.clone() {
        // Many files, and a disk may hang.
        let found = tokio::task::spawn_blocking(move || folder::load(&path, now)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the folder of certificates could not be read");
            Folder::default()
        });
        for problem in &found.problems {
            let (file, help) = (problem.file.display(), problem.problem.help());
            tracing::warn!(%file, problem = %problem.problem, help, "a certificate file is of no use");
        }
        all.extend(found.certificates);
    }
    let names =
        |certificate: &Certificate| certificate.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let seen = all.iter().map(|one| (one.origin.clone(), (one.not_before, names(one)))).collect();
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
    Ok(Prepared { set: CertificateSet::new(all), seen })
}

/// Puts them in force; answers what changed since `seen`.
pub(super) fn apply(prepared: Prepared, certificates: &Certificates, seen: &mut Seen) -> Vec<String> {
    let Prepared { set, seen: new } = prepared;
    certificates.publish(set);
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
