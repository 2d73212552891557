//! Certificates of a folder that is too large to be read whole: found by the names of their files when they are asked for.
//!
//! So such a folder takes neither time at the start nor memory, and a file that is put in is found at once. The price is that
//! names count: `HOST.pem` with chain and key, `HOST.crt` or `HOST.pem` beside `HOST.key`, or a folder `HOST` with
//! `fullchain.pem` and `privkey.pem`; for `*.PARENT` also `_.PARENT` in the place of `HOST`.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::folder::{FolderProblem, MOST_BYTES, Problem, read_up_to};
use super::pem::{Sections, join};
use crate::state::certificates::{Certificate, CertificateName, CertificateSource, FetchError};
use crate::state::clock::Clock;

/// A folder whose files are named for their hosts.
#[derive(Clone, Debug)]
pub struct ByName {
    folder: PathBuf,
    clock: Clock,
}

impl ByName {
    /// Finds in this folder.
    #[must_use]
    pub fn new(folder: PathBuf, clock: Clock) -> Self {
        Self { folder, clock }
    }

    /// The certificate for a name, and what is wrong with files that should hold one. Reads files; it takes its time.
    #[must_use]
    pub fn find(&self, name: &CertificateName) -> (Option<Certificate>, Vec<FolderProblem>) {
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        for stem in stems(name) {
            for (certificate, key) in self.pairs(&stem) {
                match read(&certificate, &key) {
                    Ok(Some(certificate)) if stands_for(&certificate, name) => found.push(certificate),
                    Ok(_) => {}
                    Err(problem) => problems.push(problem),
                }
            }
        }
        let now = self.clock.now();
        let best = found.into_iter().max_by_key(|found| (found.is_valid(now), found.not_before, found.not_after));
        (best, problems)
    }

    /// Where a certificate may lie, and where its key, if that is not in the same file.
    fn pairs(&self, stem: &str) -> [(PathBuf, PathBuf); 3] {
        let file = |ending: &str| self.folder.join(format!("{stem}.{ending}"));
        let inner = self.folder.join(stem);
        [
            (file("pem"), file("key")),
            (file("crt"), file("key")),
            (inner.join("fullchain.pem"), inner.join("privkey.pem")),
        ]
    }
}

#[async_trait]
impl CertificateSource for ByName {
    async fn fetch(&self, name: &CertificateName) -> Result<Option<Certificate>, FetchError> {
        let (this, name) = (self.clone(), name.clone());
        // A disk may be slow, and a handshake must not hold up others.
        let finding = tokio::task::spawn_blocking(move || this.find(&name)).await;
        let (found, problems) = finding.map_err(|error| FetchError(error.to_string()))?;
        for problem in &problems {
            let (file, help) = (problem.file.display(), problem.problem.help());
            tracing::warn!(%file, problem = %problem.problem, help, "a certificate file is of no use");
        }
        Ok(found)
    }
}

/// How files for a name are called before their ending.
fn stems(name: &CertificateName) -> Vec<String> {
    match name {
        CertificateName::Exact(host) => vec![host.to_string()],
        // One for a name often holds the wildcard below it too.
        CertificateName::Wildcard(parent) => vec![format!("_.{parent}"), parent.to_string()],
    }
}

fn stands_for(certificate: &Certificate, name: &CertificateName) -> bool {
    match name {
        CertificateName::Exact(host) => certificate.covers(host),
        CertificateName::Wildcard(_) => certificate.names.contains(name),
    }
}

/// Reads a certificate and its key. `None` where there is no such file.
fn read(file: &Path, key_file: &Path) -> Result<Option<Certificate>, FolderProblem> {
    let Some(sections) = sections(file)? else { return Ok(None) };
    let problem = |problem| FolderProblem { file: file.to_owned(), problem };
    if sections.certificates.is_empty() {
        return Err(problem(if sections.keys.is_empty() { Problem::NotPem } else { Problem::NoCertificate }));
    }
    let key = match sections.keys.into_iter().next() {
        Some(key) => key,
        None => {
            let beside = self::sections(key_file)?.and_then(|beside| beside.keys.into_iter().next());
            beside.ok_or_else(|| problem(Problem::NoKey))?
        }
    };
    join(sections.certificates, &key, file.display().to_string()).map(Some).map_err(problem)
}

/// The sections of a file. `None` where there is no such file.
fn sections(file: &Path) -> Result<Option<Sections>, FolderProblem> {
    let problem = |problem| FolderProblem { file: file.to_owned(), problem };
    let text = match read_up_to(file, MOST_BYTES) {
        Ok(text) => text.ok_or_else(|| problem(Problem::TooLarge))?,
        // A name may be as long as to leave no room for an ending.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(problem(Problem::Unreadable(error.to_string()))),
    };
    let sections = Sections::read(&text);
    if sections.is_broken {
        return Err(problem(Problem::BrokenPem));
    }
    if sections.has_encrypted_key {
        return Err(problem(Problem::EncryptedKey));
    }
    Ok(Some(sections))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;
    use crate::certificates::folder::{MOST_FILES, is_large};

    /// A certificate from a year on, and its key.
    fn pair(names: &[&str], from: i32) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn check(folder: &Path, name: &str, expected: &str) {
        let name = CertificateName::parse(name).expect("a name");
        let (found, problems) = ByName::new(folder.to_owned(), Clock).find(&name);
        let inside = |path: &str| path.replace(&format!("{}/", folder.display()), "");
        let found = found.map_or_else(|| "none".to_owned(), |found| inside(&found.origin));
        let told = problems.iter().map(|problem| inside(&format!("; {}: {}", problem.file.display(), problem.problem)));
        assert_eq!(format!("{found}{}", told.collect::<String>()), expected, "{name}");
    }

    #[test]
    fn each_way_to_name_a_file_finds_it_and_the_newest_wins() {
        let folder = TempDir::new().expect("a folder");
        let folder = folder.path();
        let (one, one_key) = pair(&["one.test"], 2024);
        write(folder, "one.test.pem", &format!("{one_key}{one}"));
        check(folder, "one.test", "one.test.pem");
        let (newer, newer_key) = pair(&["one.test"], 2025);
        write(folder, "one.test.crt", &newer);
        check(folder, "one.test", "one.test.pem; one.test.crt: no key in the folder belongs to its certificate");
        write(folder, "one.test.key", &newer_key);
        check(folder, "one.test", "one.test.crt");
        let (both, both_key) = pair(&["two.test", "*.two.test"], 2024);
        write(folder, "two.test/fullchain.pem", &both);
        write(folder, "two.test/privkey.pem", &both_key);
        check(folder, "two.test", "two.test/fullchain.pem");
        check(folder, "*.two.test", "two.test/fullchain.pem");
        check(folder, "a.two.test", "none");
        let (wild, wild_key) = pair(&["*.three.test"], 2024);
        write(folder, "_.three.test.pem", &format!("{wild}{wild_key}"));
        check(folder, "*.three.test", "_.three.test.pem");
        check(folder, "three.test", "none");
        // Not for its name, and not for its key.
        write(folder, "four.test.pem", &format!("{one}{one_key}"));
        check(folder, "four.test", "none");
        write(folder, "five.test.pem", &format!("{one}{both_key}"));
        check(folder, "five.test", "none; five.test.pem: its key and its certificate do not belong together");
        write(folder, "six.test.pem", "junk");
        check(folder, "six.test", "none; six.test.pem: holds neither a certificate nor a key in PEM form");
        check(folder, &format!("{}.test", ["a23456789"; 24].join(".")), "none");
        check(&folder.join("missing"), "one.test", "none");
    }

    #[test]
    fn a_folder_is_large_when_it_has_more_files_than_are_read() {
        let folder = TempDir::new().expect("a folder");
        for number in 0..MOST_FILES {
            write(folder.path(), &format!("{}/{number}.pem", number % 7), "");
        }
        write(folder.path(), "README.md", "");
        write(folder.path(), ".hidden", "");
        assert!(!is_large(folder.path()));
        write(folder.path(), "one-more.pem", "");
        assert!(is_large(folder.path()));
        assert!(!is_large(&folder.path().join("missing")));
    }
}
