//! Certificates made for one test run: a private CA, and leaves for mail servers, upstreams and folders.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// A private certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, as an operator would hand it over.
    pub(crate) pem: String,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// Makes a new one.
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named(name);
        let pem = params.self_signed(&key).expect("a CA signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names or addresses, valid now.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_valid_from(names, 2024)
    }

    /// The same, with the year from which it is valid: the newest of several is the one to use.
    pub(crate) fn leaf_valid_from(&self, names: &[&str], year: i32) -> Leaf {
        self.signed(names, |params| {
            params.distinguished_name = named(&format!("from {year}"));
            params.not_before = rcgen::date_time_ymd(year, 1, 1);
        })
    }

    /// The same, with the moment at which it ends.
    pub(crate) fn leaf_until(&self, names: &[&str], end: jiff::Timestamp) -> Leaf {
        let since_1970 = std::time::Duration::from_secs(end.as_second().unsigned_abs());
        self.signed(names, |params| {
            params.not_before = rcgen::date_time_ymd(2024, 1, 1);
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970;
        })
    }

    fn signed(&self, names: &[&str], shape: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().expect("a key can be made");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the test names are valid");
        shape(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("the CA signs").pem();
        Leaf { certificate, key: key.serialize_pem() }
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Installs the process-wide TLS provider; every test that speaks TLS calls it first.
pub(crate) fn provider() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        rustls::crypto::aws_lc_rs::default_provider().install_default().expect("nobody else installs a provider");
    });
}

/// A TLS client that trusts this CA and nothing else, offering these protocols.
pub(crate) fn client(ca_pem: &str, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    provider();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.expect("a PEM certificate")).expect("a usable root");
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// A TLS server with this leaf that serves only who shows a certificate of this CA.
pub(crate) fn server_for_clients(leaf: &Leaf, ca_pem: &str) -> Arc<ServerConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.expect("a PEM certificate")).expect("a usable root");
    }
    provider();
    let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a usable root");
    let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes()).map(|c| c.expect("a PEM certificate"));
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a PEM key");
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain.collect(), key);
    Arc::new(config.expect("the leaf and its key fit"))
}

/// A TLS server with this leaf.
pub(crate) fn server(leaf: &Leaf) -> Arc<ServerConfig> {
    provider();
    let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes()).map(|c| c.expect("a PEM certificate"));
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a PEM key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain.collect(), key);
    Arc::new(config.expect("the leaf and its key fit"))
}
