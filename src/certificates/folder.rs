//! Certificates that an operator drops into a folder.
//!
//! Any PEM file in any sub-folder counts, under any name: a key finds its certificate by their common public key, be they in
//! one file or in two. So the layouts of all usual tools work as they are. What cannot be used is told file by file,
//! and keeps nothing else from being used.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::CertificateDer;

use super::pem::{Facts, Sections};
use crate::state::certificates::Certificate;

/// No PEM file of certificates is larger.
pub(super) const MOST_BYTES: u64 = 1024 * 1024;

/// A limit for a folder that is not what it seems: a link to itself, the root of a disk.
const MOST_DEPTH: usize = 8;

/// A folder with more files is not read whole: see [`super::by_name`].
pub const MOST_FILES: usize = 1_000;

/// No chain is longer.
const MOST_CHAIN: usize = 8;

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Folder {
    /// The usable certificates. Those that have ended, or not begun, are among them, and among the problems too: which
    /// one serves a name is decided at each handshake.
    pub certificates: Vec<Certificate>,
    /// What cannot be used, or will not do for long; in the order of the files' names.
    pub problems: Vec<FolderProblem>,
}

/// One file that is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {problem}\n  help: {}", .file.display(), .problem.help())]
pub struct FolderProblem {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a file of certificates.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The system does not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Larger than any certificate.
    #[error("is larger than {} KiB, so it holds no certificate", MOST_BYTES / 1024)]
    TooLarge,
    /// There are folders in folders, or files, without end.
    #[error("holds more folders or files than a folder of certificates would")]
    TooMany,
    /// Neither a certificate nor a key in it.
    #[error("holds neither a certificate nor a key in PEM form")]
    NotPem,
    /// A section that is cut off or is no base64.
    #[error("has a broken PEM section")]
    BrokenPem,
    /// A pass phrase protects the key.
    #[error("holds an encrypted key")]
    EncryptedKey,
    /// The bytes of a key are none, or of a kind that TLS here has no use for.
    #[error("holds a key that cannot be used")]
    UnusableKey,
    /// The bytes of a certificate are none.
    #[error("holds a certificate that cannot be read")]
    BrokenCertificate,
    /// The certificate has no DNS name.
    #[error("its certificate stands for no host name")]
    NoName,
    /// The certificate is for another use.
    #[error("its certificate may not identify a server")]
    NotForServers,
    /// The file's own key belongs to another certificate.
    #[error("its key and its certificate do not belong together")]
    Mismatch,
    /// No key for the certificate in the whole folder.
    #[error("no key in the folder belongs to its certificate")]
    NoKey,
    /// No certificate for the key in the whole folder.
    #[error("no certificate in the folder belongs to its key")]
    NoCertificate,
    /// The certificate has ended.
    #[error("its certificate for {names} ended on {on}")]
    Expired {
        /// The names that it stands for.
        names: String,
        /// When it ended.
        on: Timestamp,
    },
    /// The certificate has not begun.
    #[error("its certificate for {names} begins only on {on}")]
    NotYetValid {
        /// The names that it stands for.
        names: String,
        /// When it begins.
        on: Timestamp,
    },
}

impl Problem {
    /// How to mend it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "let the user that runs the gateway read it",
            Self::TooLarge => "take it out of the folder",
            Self::TooMany => "point `certs` to a folder that holds only certificates and their keys",
            Self::NotPem => {
                "take it out of the folder, or convert it: `openssl x509 -inform der -in FILE -out FILE.pem` for a \
                 certificate, `openssl pkcs12 -in FILE -out FILE.pem -noenc` for a .p12 or .pfx file"
            }
            Self::BrokenPem => "copy it again: every `-----BEGIN …-----` needs its `-----END …-----` line",
            Self::EncryptedKey => "write the key without a pass phrase: `openssl pkey -in FILE -out FILE.pem`",
            Self::UnusableKey => "use an ECDSA key (P-256 or P-384), an RSA key of 2048 bits or more, or Ed25519",
            Self::BrokenCertificate => "copy it again, or ask its issuer for a new one",
            Self::NoName => {
                "ask its issuer for one with the domain as a subject alternative name; the common name does not count"
            }
            Self::NotForServers => "ask its issuer for one with the extended key usage `serverAuth`",
            Self::Mismatch => "put the key that was made for this certificate in its place",
            Self::NoKey => "put the key that was made for this certificate beside it, as a PEM file of any name",
            Self::NoCertificate => "put the certificate that was issued for this key beside it, or take the key away",
            Self::Expired { .. } => "put the renewed certificate in its place",
            Self::NotYetValid { .. } => "wait, or see whether this machine's clock is right",
        }
    }
}

/// Whether a folder holds more files than are read whole. Reads none of them, and stops counting there.
#[must_use]
pub fn is_large(folder: &Path) -> bool {
    fn count(folder: &Path, depth_left: usize, left: &mut usize) -> bool {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        for path in entries.filter(|path| counts(path)) {
            let is_over = match fs::metadata(&path) {
                Ok(found) if found.is_dir() => depth_left > 0 && count(&path, depth_left - 1, left),
                Ok(_) if *left == 0 => true,
                _ => {
                    *left = left.saturating_sub(1);
                    false
                }
            };
            if is_over {
                return true;
            }
        }
        false
    }
    count(folder, MOST_DEPTH, &mut { MOST_FILES })
}

/// Reads all certificates and keys of a folder and its sub-folders. Passes over dot files and `README`s.
#[must_use]
pub fn load(folder: &Path, now: Timestamp) -> Folder {
    let mut reading = Reading::default();
    let mut files_left = MOST_FILES;
    reading.walk(folder, MOST_DEPTH, &mut files_left);
    reading.finish(now)
}

/// A certificate chain as one file has it.
struct Chain {
    file: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
    leaf: Facts,
}

/// A private key as one file has it.
struct Key {
    file: PathBuf,
    key: Arc<dyn SigningKey>,
    public_key: Vec<u8>,
}

/// A certificate of an authority, to complete the chains in the same folder.
struct Authority {
    folder: PathBuf,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    public_key: Vec<u8>,
    certificate: CertificateDer<'static>,
}

#[derive(Default)]
struct Reading {
    chains: Vec<Chain>,
    keys: Vec<Key>,
    authorities: Vec<Authority>,
    problems: Vec<FolderProblem>,
}

impl Reading {
    fn walk(&mut self, folder: &Path, depth_left: usize, files_left: &mut usize) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.problem(folder, Problem::Unreadable(error.to_string())),
        };
        let mut paths: Vec<_> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| counts(path)).collect();
        paths.sort();
        for path in paths {
            // Through links, for that is how some tools keep the newest certificate at one place.
            match fs::metadata(&path) {
                Err(error) => self.problem(&path, Problem::Unreadable(error.to_string())),
                Ok(found) if found.is_dir() && depth_left == 0 => self.problem(&path, Problem::TooMany),
                Ok(found) if found.is_dir() => self.walk(&path, depth_left - 1, files_left),
                Ok(_) if *files_left == 0 => return self.problem(folder, Problem::TooMany),
                Ok(found) if found.is_file() => {
                    *files_left -= 1;
                    self.read(&path);
                }
                // A socket or a pipe; reading one could wait for ever.
                Ok(_) => self.problem(&path, Problem::NotPem),
            }
        }
    }

    fn read(&mut self, file: &Path) {
        let text = match read_up_to(file, MOST_BYTES) {
            Ok(Some(text)) => text,
            Ok(None) => return self.problem(file, Problem::TooLarge),
            Err(error) => return self.problem(file, Problem::Unreadable(error.to_string())),
        };
        let sections = Sections::read(&text);
        if sections.is_broken {
            self.problem(file, Problem::BrokenPem);
        } else if sections.has_encrypted_key {
            self.problem(file, Problem::EncryptedKey);
        } else if sections.certificates.is_empty() && sections.keys.is_empty() {
            self.problem(file, Problem::NotPem);
        }
        for key in sections.keys {
            let key = any_supported_type(&key).ok();
            match key.and_then(|key| Some((key.public_key()?.to_vec(), key))) {
                Some((public_key, key)) => self.keys.push(Key { file: file.to_owned(), key, public_key }),
                None => self.problem(file, Problem::UnusableKey),
            }
        }
        self.read_certificates(file, sections.certificates);
    }

    /// Sorts the certificates of one file into chains: each begins with one that is no authority's. One that signed itself
    /// often claims to be an authority, but has names.
    fn read_certificates(&mut self, file: &Path, certificates: Vec<CertificateDer<'static>>) {
        let mut chain: Option<Chain> = None;
        for certificate in certificates {
            let Some(facts) = Facts::read(&certificate) else {
                self.problem(file, Problem::BrokenCertificate);
                continue;
            };
            if !facts.is_authority || !facts.names.is_empty() {
                let certificates = vec![certificate];
                self.chains.extend(chain.replace(Chain { file: file.to_owned(), certificates, leaf: facts }));
                continue;
            }
            if let Some(chain) = &mut chain {
                chain.certificates.push(certificate.clone());
            }
            let folder = file.parent().unwrap_or(file).to_owned();
            let Facts { subject, issuer, public_key, .. } = facts;
            self.authorities.push(Authority { folder, subject, issuer, public_key, certificate });
        }
        self.chains.extend(chain);
    }

    fn finish(mut self, now: Timestamp) -> Folder {
        self.tell_lonely_keys();
        // The same certificate may be there alone and with its chain; the longest is the one to serve.
        let mut chains: BTreeMap<Vec<u8>, Chain> = BTreeMap::new();
        for mut chain in std::mem::take(&mut self.chains) {
            self.complete(&mut chain);
            let Some(leaf) = chain.certificates.first().map(|leaf| leaf.to_vec()) else { continue };
            match chains.get(&leaf) {
                Some(other) if other.certificates.len() >= chain.certificates.len() => {}
                _ => drop(chains.insert(leaf, chain)),
            }
        }
        let mut certificates: Vec<_> = chains.into_values().filter_map(|chain| self.certificate(chain, now)).collect();
        certificates.sort_by(|one, other| one.origin.cmp(&other.origin));
        self.problems.sort_by(|one, other| one.file.cmp(&other.file));
        self.problems.dedup();
        Folder { certificates, problems: self.problems }
    }

    /// Tells of keys that fit no certificate. One beside a certificate without its key is told there, as a mismatch.
    fn tell_lonely_keys(&mut self) {
        let mut lonely = Vec::new();
        for key in &self.keys {
            let fits = |chain: &Chain| chain.leaf.public_key == key.public_key;
            if !self.chains.iter().any(fits) && !self.chains.iter().any(|chain| chain.file == key.file) {
                let nameless = self.authorities.iter().any(|authority| authority.public_key == key.public_key);
                lonely.push((key.file.clone(), if nameless { Problem::NoName } else { Problem::NoCertificate }));
            }
        }
        for (file, problem) in lonely {
            self.problem(&file, problem);
        }
    }

    /// Adds the issuers that lie in the same folder, for clients know only the last one by themselves.
    fn complete(&self, chain: &mut Chain) {
        let Some(folder) = chain.file.parent() else { return };
        let Some(mut issuer) = chain.certificates.last().and_then(Facts::read).map(|last| last.issuer) else { return };
        while chain.certificates.len() < MOST_CHAIN {
            let next = self.authorities.iter().find(|authority| {
                // Not the root, which signs itself: who does not have it will not believe it.
                authority.subject == issuer && authority.issuer != authority.subject && authority.folder == folder
            });
            match next {
                Some(next) if !chain.certificates.contains(&next.certificate) => {
                    chain.certificates.push(next.certificate.clone());
                    issuer.clone_from(&next.issuer);
                }
                _ => return,
            }
        }
    }

    /// Joins a chain with its key. `None`, with the problem told, where it cannot be served.
    fn certificate(&mut self, chain: Chain, now: Timestamp) -> Option<Certificate> {
        let Chain { file, certificates, leaf } = chain;
        let Some(key) = self.keys.iter().find(|key| key.public_key == leaf.public_key) else {
            let beside = self.keys.iter().any(|key| key.file == file);
            // An encrypted or unusable key in the same file has been told already.
            if beside || !self.problems.iter().any(|problem| problem.file == file) {
                self.problem(&file, if beside { Problem::Mismatch } else { Problem::NoKey });
            }
            return None;
        };
        let key = Arc::clone(&key.key);
        if !leaf.serves {
            self.problem(&file, Problem::NotForServers);
            return None;
        }
        if leaf.names.is_empty() {
            self.problem(&file, Problem::NoName);
            return None;
        }
        let names = || leaf.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if now > leaf.not_after {
            self.problem(&file, Problem::Expired { names: names(), on: leaf.not_after });
        } else if now < leaf.not_before {
            self.problem(&file, Problem::NotYetValid { names: names(), on: leaf.not_before });
        }
        Some(Certificate {
            key: Arc::new(CertifiedKey::new(certificates, key)),
            not_before: leaf.not_before,
            not_after: leaf.not_after,
            origin: file.display().to_string(),
            names: leaf.names,
        })
    }

    fn problem(&mut self, file: &Path, problem: Problem) {
        self.problems.push(FolderProblem { file: file.to_owned(), problem });
    }
}

/// Whether a name in the folder is meant to hold certificates.
fn counts(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    // Some platforms mount a folder with `..data` and the like beside the links to the real files.
    !name.starts_with('.') && !name.to_ascii_uppercase().starts_with("README")
}

/// A file's bytes; `None` when there are more than `most`.
pub(super) fn read_up_to(file: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    fs::File::open(file)?.take(most + 1).read_to_end(&mut text)?;
    Ok((text.len() as u64 <= most).then_some(text))
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
