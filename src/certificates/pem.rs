//! What the PEM files of certificates and keys hold.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::folder::Problem;
use crate::state::certificates::{Certificate, CertificateName};

/// The sections of one PEM text that matter here, in their order.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Vec<PrivateKeyDer<'static>>,
    /// Whether there is a key that a pass phrase protects.
    pub(super) has_encrypted_key: bool,
    /// Whether a section is broken, or cut off.
    pub(super) is_broken: bool,
}

impl Sections {
    /// Reads a file's bytes. Sections of other kinds (parameters, requests) are passed over.
    pub(super) fn read(text: &[u8]) -> Self {
        let mut sections = Self::default();
        let has = |what: &[u8]| text.windows(what.len()).any(|window| window == what);
        // PKCS #8's own form, and that of OpenSSL before it.
        sections.has_encrypted_key = has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED");
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            match section {
                Ok((SectionKind::Certificate, der)) => sections.certificates.push(der.into()),
                Ok((SectionKind::PrivateKey, der)) => sections.keys.push(PrivateKeyDer::Pkcs8(der.into())),
                Ok((SectionKind::RsaPrivateKey, der)) => sections.keys.push(PrivateKeyDer::Pkcs1(der.into())),
                Ok((SectionKind::EcPrivateKey, der)) => sections.keys.push(PrivateKeyDer::Sec1(der.into())),
                Ok(_) => {}
                // The old encrypted form breaks in its header lines; that is told already, and better.
                Err(_) => sections.is_broken = !sections.has_encrypted_key,
            }
        }
        sections
    }
}

/// Joins a chain, leaf first, with its key.
pub(super) fn join(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    origin: String,
) -> Result<Certificate, Problem> {
    let leaf = Facts::read(chain.first().ok_or(Problem::NotPem)?).ok_or(Problem::BrokenCertificate)?;
    let key = any_supported_type(key).map_err(|_| Problem::UnusableKey)?;
    if key.public_key().is_none_or(|public_key| *public_key != *leaf.public_key) {
        return Err(Problem::Mismatch);
    }
    if !leaf.serves {
        return Err(Problem::NotForServers);
    }
    if leaf.names.is_empty() {
        return Err(Problem::NoName);
    }
    let mut chain = chain.into_iter();
    // Exactly as large as needed, for there may be many.
    let mut certificates = Vec::with_capacity(chain.len());
    certificates.extend(chain.next());
    certificates.extend(chain.map(shared));
    Ok(Certificate {
        key: Arc::new(CertifiedKey::new(certificates, key)),
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        origin,
        names: leaf.names,
    })
}

/// An intermediate certificate, kept once however many chains hold it. They are few, and so they stay for good.
fn shared(certificate: CertificateDer<'static>) -> CertificateDer<'static> {
    /// More are held by each chain for itself.
    const MOST: usize = 64;
    static SHARED: LazyLock<Mutex<HashSet<&'static [u8]>>> = LazyLock::new(Mutex::default);
    let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(certificate.as_ref()) {
        return CertificateDer::from(*known);
    }
    if known.len() >= MOST {
        return certificate;
    }
    let kept: &'static [u8] = Box::leak(certificate.as_ref().into());
    known.insert(kept);
    CertificateDer::from(kept)
}

/// What one certificate says of itself.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) names: Vec<CertificateName>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// The public key, in the form in which rustls gives that of a private key.
    pub(super) public_key: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) is_authority: bool,
    /// Whether it may identify a server.
    pub(super) serves: bool,
}

impl Facts {
    /// Reads a certificate. `None` for bytes that are none.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        // Only these count; clients have not looked at the common name for years (RFC 9525, section 2).
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let alternatives = alternatives.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        let names = alternatives.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => CertificateName::parse(name),
            _ => None,
        });
        Some(Self {
            names: names.collect(),
            not_before: Timestamp::from_second(certificate.validity().not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?,
            public_key: certificate.public_key().raw.to_vec(),
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            is_authority: certificate.is_ca(),
            serves: match certificate.extended_key_usage() {
                Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
                Ok(None) => true,
                Err(_) => false,
            },
        })
    }
}
