//! Orders certificates from a certificate authority (ACME, RFC 8555).

use crate::config::Acme;
use crate::state::certificates::CertificateName;
use crate::types::HostName;

/// The certificate that serves a host: a wildcard where one covers it, otherwise one of its own.
#[must_use]
pub fn name_for(acme: &Acme, host: &HostName) -> CertificateName {
    match acme.wildcard_of(host) {
        Some(parent) => CertificateName::Wildcard(parent.clone()),
        None => CertificateName::Exact(host.clone()),
    }
}
