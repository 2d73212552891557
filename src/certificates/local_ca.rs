//! A certificate authority of our own, for domains that no public one can vouch for: a laptop, a test, an inner network.
//!
//! It is made once and kept, since people import it into their browsers. Its certificates live for 90 days and are made when
//! they are first asked for, so nothing but the authority is stored.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;

use async_trait::async_trait;

use super::pem::{Facts, Sections};
use crate::state::certificates::{Certificate, CertificateName, CertificateSource, FetchError};
use crate::state::clock::Clock;
use crate::types::HostName;

const CERTIFICATE_FILE: &str = "local-ca.pem";
const KEY_FILE: &str = "local-ca.key";

/// What browsers show as the issuer. Customers may read it, so it names no product.
const NAME: &str = "Local access CA";

const DAY: SignedDuration = SignedDuration::from_hours(24);
const AUTHORITY_DAYS: i32 = 3653;
const LEAF_DAYS: i32 = 90;

/// Begin a little early, for clients whose clock is behind.
const HEAD_START: SignedDuration = SignedDuration::from_hours(1);

/// The longest common name that a certificate may hold (RFC 5280, appendix A.1, `ub-common-name`).
const MOST_COMMON_NAME: usize = 64;

/// Why there is no local authority.
#[derive(Debug, thiserror::Error)]
pub enum LocalCaError {
    /// A file cannot be read or written.
    #[error("{}: {error}\n  help: let the user that runs the gateway read and write the folder `server.data`", .file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate is there without its key, or one of them is damaged, or they do not belong together.
    #[error(
        "{}: {what}\n  help: restore both files `{CERTIFICATE_FILE}` and `{KEY_FILE}` from a backup; or delete both, and \
         a new authority is made, which browsers then have to import again", .file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The authority has ended.
    #[error(
        "{}: the local authority ended on {on}\n  help: delete `{CERTIFICATE_FILE}` and `{KEY_FILE}`, and a new one is \
         made, which browsers then have to import again", .file.display()
    )]
    Expired {
        /// The file.
        file: PathBuf,
        /// When it ended.
        on: Timestamp,
    },
    /// A key or a certificate cannot be made.
    #[error("a certificate of the local authority cannot be made: {0}")]
    Issue(String),
}

/// The local certificate authority.
pub struct LocalCa {
    pem: String,
    not_after: Timestamp,
    issuer: Issuer<'static, KeyPair>,
}

/// Opens the authority that is kept in the data folder, or makes it there.
///
/// # Errors
/// [`LocalCaError`], which says what to do. An authority that is there but unusable is never replaced unasked: people
/// trust it in their browsers.
pub fn open_or_create(data: &Path, now: Timestamp) -> Result<LocalCa, LocalCaError> {
    let (certificate_file, key_file) = (data.join(CERTIFICATE_FILE), data.join(KEY_FILE));
    // The key is written first. A key without a certificate is what an interrupted first start leaves: nobody can have
    // imported that authority yet.
    if read(&certificate_file)?.is_none() {
        create(data, &certificate_file, &key_file, now)?;
    }
    let damaged = |file: &Path, what| LocalCaError::Damaged { file: file.to_owned(), what };
    let pem = read(&certificate_file)?.ok_or_else(|| damaged(&certificate_file, "the certificate is not there"))?;
    let key = read(&key_file)?.ok_or_else(|| damaged(&key_file, "the key of the local authority is not there"))?;
    let key = KeyPair::from_pem(&key).map_err(|_| damaged(&key_file, "this is not a private key in PEM form"))?;
    let sections = Sections::read(pem.as_bytes());
    let [certificate] = sections.certificates.as_slice() else {
        return Err(damaged(&certificate_file, "this is not one certificate in PEM form"));
    };
    let facts = Facts::read(certificate).filter(|facts| facts.is_authority);
    let facts = facts.ok_or_else(|| damaged(&certificate_file, "this is not the certificate of an authority"))?;
    if facts.public_key != key.subject_public_key_info() {
        return Err(damaged(&key_file, "the key does not belong to the certificate beside it"));
    }
    if facts.not_after < now {
        return Err(LocalCaError::Expired { file: certificate_file, on: facts.not_after });
    }
    let issuer = Issuer::from_ca_cert_der(certificate, key)
        .map_err(|_| damaged(&certificate_file, "the certificate cannot be read"))?;
    Ok(LocalCa { pem, not_after: facts.not_after, issuer })
}

impl LocalCa {
    /// The authority's certificate, to import into a browser or a system.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate for one host: 90 days, with a key of its own.
    ///
    /// # Errors
    /// [`LocalCaError::Issue`] when the system has no randomness for a key.
    pub fn issue(&self, host: &HostName, now: Timestamp) -> Result<Certificate, LocalCaError> {
        let not_before = now - HEAD_START;
        let not_after = (now + DAY * LEAF_DAYS).min(self.not_after);
        let name = if host.as_str().len() <= MOST_COMMON_NAME { host.as_str() } else { "Local access" };
        let mut params = params(name, not_before, not_after);
        let dns_name = host.as_str().try_into().map_err(issue_error)?;
        params.subject_alt_names = vec![SanType::DnsName(dns_name)];
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(issue_error)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(issue_error)?;
        let key = any_ecdsa_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into())).map_err(issue_error)?;
        Ok(Certificate {
            names: vec![CertificateName::Exact(host.clone())],
            key: Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)),
            not_before,
            not_after,
            origin: "local CA".to_owned(),
        })
    }
}

/// A local authority that issues for whoever is asked for.
pub struct OnDemand {
    ca: LocalCa,
    clock: Clock,
}

impl OnDemand {
    /// Issues from this authority.
    #[must_use]
    pub fn new(ca: LocalCa, clock: Clock) -> Self {
        Self { ca, clock }
    }
}

#[async_trait]
impl CertificateSource for OnDemand {
    async fn fetch(&self, name: &CertificateName) -> Result<Option<Certificate>, FetchError> {
        match name {
            CertificateName::Exact(host) => {
                self.ca.issue(host, self.clock.now()).map(Some).map_err(|error| FetchError(error.to_string()))
            }
            CertificateName::Wildcard(_) => Ok(None),
        }
    }
}

impl std::fmt::Debug for LocalCa {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LocalCa").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

fn create(data: &Path, certificate_file: &Path, key_file: &Path, now: Timestamp) -> Result<(), LocalCaError> {
    let file_error = |file: &Path| {
        let file = file.to_owned();
        move |error| LocalCaError::File { file, error }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(file_error(data))?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(issue_error)?;
    let mut params = params(NAME, now - HEAD_START, now + DAY * AUTHORITY_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(issue_error)?;
    write(data, key_file, key.serialize_pem().as_bytes(), 0o600).map_err(file_error(key_file))?;
    write(data, certificate_file, certificate.pem().as_bytes(), 0o644).map_err(file_error(certificate_file))
}

fn params(name: &str, not_before: Timestamp, not_after: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |time: Timestamp| Duration::from_secs(time.as_second().try_into().unwrap_or_default());
    params.not_before = epoch + seconds(not_before);
    params.not_after = epoch + seconds(not_after);
    params
}

fn issue_error(error: impl std::fmt::Display) -> LocalCaError {
    LocalCaError::Issue(error.to_string())
}

/// A file's text; `None` where there is no such file.
fn read(file: &Path) -> Result<Option<String>, LocalCaError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalCaError::File { file: file.to_owned(), error }),
    }
}

/// Writes a file so that after a crash it is whole or not there.
fn write(folder: &Path, file: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(text)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    // The rename, too, is on disk only when its folder is.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
    use tempfile::TempDir;

    use super::*;

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().expect("a time")
    }

    /// What a client says that trusts the authority: `ok`, or its error.
    fn verify(ca: &LocalCa, certificate: &Certificate, host: &str, day: i32) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("a certificate")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a verifier");
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let at = (now() + DAY * day).as_second().unsigned_abs();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let (leaf, chain) = certificate.key.cert.split_first().expect("a leaf");
        match verifier.verify_server_cert(leaf, chain, &name, &[], at) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn its_certificates_verify_for_their_host_and_for_90_days() {
        let data = TempDir::new().expect("a folder");
        let ca = open_or_create(data.path(), now()).expect("an authority");
        let long = format!("{}.example", ["a23456789"; 20].join("."));
        for host in ["orders.localhost", "shop.example", "xn--bcher-kva.example", "localhost", long.as_str()] {
            let certificate = ca.issue(&HostName::parse(host).expect("a host"), now()).expect("a certificate");
            assert!(certificate.covers(&HostName::parse(host).expect("a host")));
            assert_eq!(verify(&ca, &certificate, host, 0), "ok");
            assert_eq!(verify(&ca, &certificate, host, 89), "ok");
            assert!(verify(&ca, &certificate, host, 91).contains("expired"));
            assert!(verify(&ca, &certificate, "other.example", 0).contains("not valid for name"));
            certificate.key.keys_match().expect("its own key");
        }
    }

    #[test]
    fn it_is_made_once_and_kept_with_a_key_for_the_owner_alone() {
        let data = TempDir::new().expect("a folder");
        let folder = data.path().join("not/yet/there");
        let first = open_or_create(&folder, now()).expect("an authority");
        let host = HostName::parse("orders.example").expect("a host");
        let before = first.issue(&host, now()).expect("a certificate");
        let second = open_or_create(&folder, now() + DAY * 300).expect("the authority");
        assert_eq!(first.pem(), second.pem());
        assert_eq!(verify(&second, &before, "orders.example", 0), "ok");
        let after = second.issue(&host, now() + DAY * 300).expect("a certificate");
        assert_eq!(verify(&first, &after, "orders.example", 300), "ok");
        let mode = fs::metadata(folder.join(KEY_FILE)).expect("the key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = fs::read_dir(&folder).expect("the folder").count();
        assert_eq!(files, 2, "a temporary file stayed behind");
    }

    #[test]
    fn a_first_start_that_was_interrupted_begins_anew() {
        let data = TempDir::new().expect("a folder");
        open_or_create(data.path(), now()).expect("an authority");
        fs::remove_file(data.path().join(CERTIFICATE_FILE)).expect("removed");
        open_or_create(data.path(), now()).expect("a new authority");
    }

    #[test]
    fn a_damaged_or_ended_authority_is_never_replaced_unasked() {
        let check = |damage: &dyn Fn(&Path), expected: &str| {
            let data = TempDir::new().expect("a folder");
            open_or_create(data.path(), now()).expect("an authority");
            damage(data.path());
            let error = open_or_create(data.path(), now() + DAY * 20).expect_err("damaged").to_string();
            assert!(error.contains(expected) && error.contains("help: "), "{error}");
        };
        check(
            &|data| fs::remove_file(data.join(KEY_FILE)).expect("removed"),
            "the key of the local authority is not there",
        );
        check(&|data| fs::write(data.join(KEY_FILE), "x").expect("written"), "this is not a private key");
        check(&|data| fs::write(data.join(CERTIFICATE_FILE), "x").expect("written"), "this is not one certificate");
        check(
            &|data| {
                let key = KeyPair::generate().expect("a key").serialize_pem();
                fs::write(data.join(KEY_FILE), key).expect("written");
            },
            "does not belong to the certificate",
        );
        let data = TempDir::new().expect("a folder");
        open_or_create(data.path(), now()).expect("an authority");
        let error = open_or_create(data.path(), now() + DAY * 3660).expect_err("ended").to_string();
        assert!(error.contains("the local authority ended on 2036-06-01"), "{error}");
    }
}
