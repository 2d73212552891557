//! Whom we believe when we ask servers out there: the CAs that the system trusts, and one of a server's own.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The CAs that the system trusts.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let causes: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        tracing::warn!(causes = causes.join("; "), "the system has no CA: only servers with `ca` can be asked");
    }
    roots
}

/// TLS for a client that asks over HTTP: with these CAs, and those of a PEM file.
///
/// # Errors
/// When the file holds no certificate, in words.
pub fn client_tls(system: &RootCertStore, ca: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let mut roots = system.clone();
    if let Some(path) = ca {
        add_ca(&mut roots, path)?;
    }
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn add_ca(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let unreadable = |cause: String| format!("{}: {cause}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    let mut added = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        added += 1;
    }
    if added == 0 { Err(unreadable("it holds no certificate".to_owned())) } else { Ok(()) }
}

/// The innermost cause of a failed request: those around it only say that there is one, and where the request went.
#[must_use]
pub fn cause_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, std::ptr::from_ref(error)) { "it failed".to_owned() } else { cause.to_string() }
}
