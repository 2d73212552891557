//! Folders of certificates, good and bad.

use rcgen::{CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use super::*;

const DAY: i64 = 24 * 3600;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().expect("a time")
}

/// A key, and a certificate for it that signed itself.
fn pair(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("names");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 12, 31);
    change(&mut params);
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn plain(name: &str) -> (String, String) {
    pair(&[name], |_| {})
}

/// The folder in words: `origin: names` for each certificate, then `file: problem` for each problem.
fn read(files: &[(&str, &str)]) -> String {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    words(folder.path())
}

fn words(folder: &Path) -> String {
    let Folder { certificates, problems } = load(folder, now());
    let short = |path: &str| path.replace(&format!("{}/", folder.display()), "");
    let certificates = certificates.iter().map(|certificate| {
        let names = certificate.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        format!("{}: {names} ({})\n", short(&certificate.origin), certificate.key.cert.len())
    });
    let problems = problems.iter().map(|problem| {
        assert!(problem.to_string().contains("\n  help: "), "{problem}");
        format!("{}: {}\n", short(&problem.file.display().to_string()), problem.problem)
    });
    certificates.chain(problems).collect()
}

#[test]
fn a_key_finds_its_certificate_in_one_file_or_two_under_any_name() {
    let (one, one_key) = plain("one.example");
    let (two, two_key) = pair(&["two.example", "*.two.example"], |_| {});
    assert_eq!(
        read(&[
            ("deep/in/here/one.pem", &format!("{one_key}\n{one}")),
            ("two.crt", &two),
            ("keys/anything", &two_key),
            ("README.md", "put certificates here"),
            ("deep/.hidden", "nothing"),
        ]),
        "deep/in/here/one.pem: one.example (1)\ntwo.crt: two.example *.two.example (1)\n"
    );
}

#[test]
fn the_chain_comes_from_the_same_file_or_the_same_folder() {
    let root_key = KeyPair::generate().expect("a key");
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    root.distinguished_name.push(rcgen::DnType::CommonName, "root");
    let root_pem = root.self_signed(&root_key).expect("a certificate").pem();
    let root = Issuer::new(root, root_key);
    let middle_key = KeyPair::generate().expect("a key");
    let mut middle = CertificateParams::default();
    middle.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    middle.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    middle.distinguished_name.push(rcgen::DnType::CommonName, "middle");
    let middle_pem = middle.signed_by(&middle_key, &root).expect("a certificate").pem();
    let middle = Issuer::new(middle, middle_key);
    let key = KeyPair::generate().expect("a key");
    let mut leaf = CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
    leaf.not_before = rcgen::date_time_ymd(2026, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(2026, 12, 31);
    let leaf = leaf.signed_by(&key, &middle).expect("a certificate").pem();
    let key = key.serialize_pem();
    // As ACME clients lay it out: the same leaf twice, once with its chain.
    assert_eq!(
        read(&[
            ("live/cert.pem", &leaf),
            ("live/chain.pem", &middle_pem),
            ("live/fullchain.pem", &format!("{leaf}{middle_pem}")),
            ("live/privkey.pem", &key),
        ]),
        "live/cert.pem: a.example (2)\n"
    );
    assert_eq!(
        read(&[("cert.pem", &leaf), ("ca-bundle.crt", &format!("{root_pem}{middle_pem}")), ("key.pem", &key)]),
        "cert.pem: a.example (2)\n"
    );
    // Another folder's authorities are another matter.
    assert_eq!(
        read(&[("a/cert.pem", &leaf), ("b/chain.pem", &middle_pem), ("a/key.pem", &key)]),
        "a/cert.pem: a.example (1)\n"
    );
}

#[test]
fn each_bad_file_is_named_and_the_others_are_used() {
    let (good, good_key) = plain("good.example");
    let (other, _) = plain("other.example");
    let (lonely, _) = plain("lonely.example");
    let (_, spare_key) = plain("spare.example");
    let (nameless, nameless_key) = pair(&[], |_| {});
    let (address, address_key) = pair(&["10.0.0.1"], |_| {});
    let (client, client_key) = pair(&["client.example"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let cut = good.get(..good.len() / 2).expect("half of it");
    let junk_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let junk_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted_old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(
        read(&[
            ("good.pem", &format!("{good}{good_key}")),
            ("address.pem", &format!("{address}{address_key}")),
            ("client.pem", &format!("{client}{client_key}")),
            ("cut.pem", cut),
            ("empty.pem", ""),
            ("encrypted.pem", encrypted),
            ("encrypted-old.pem", encrypted_old),
            ("encrypted-with.pem", &format!("{lonely}{encrypted}")),
            ("garbage.pem", "\u{0}\u{1}garbage"),
            ("junk-certificate.pem", junk_certificate),
            ("junk-key.pem", junk_key),
            ("large.pem", &"x".repeat(1024 * 1024 + 1)),
            ("lonely.pem", &plain("l.example").0),
            ("mismatch.pem", &format!("{other}{spare_key}")),
            ("nameless.pem", &format!("{nameless}{nameless_key}")),
            ("spare.key", &plain("s.example").1),
        ]),
        "good.pem: good.example (1)\n\
         address.pem: its certificate stands for no host name\n\
         client.pem: its certificate may not identify a server\n\
         cut.pem: has a broken PEM section\n\
         empty.pem: holds neither a certificate nor a key in PEM form\n\
         encrypted-old.pem: holds an encrypted key\n\
         encrypted-with.pem: holds an encrypted key\n\
         encrypted.pem: holds an encrypted key\n\
         garbage.pem: holds neither a certificate nor a key in PEM form\n\
         junk-certificate.pem: holds a certificate that cannot be read\n\
         junk-key.pem: holds a key that cannot be used\n\
         large.pem: is larger than 1024 KiB, so it holds no certificate\n\
         lonely.pem: no key in the folder belongs to its certificate\n\
         mismatch.pem: its key and its certificate do not belong together\n\
         nameless.pem: its certificate stands for no host name\n\
         spare.key: no certificate in the folder belongs to its key\n"
    );
}

#[test]
fn an_ended_certificate_is_told_of_and_still_there() {
    let at = |day: i64| rcgen::date_time_ymd(2026, 6, 1) + std::time::Duration::from_secs((day * DAY).unsigned_abs());
    let (ended, ended_key) = pair(&["ended.example"], |params| params.not_after = rcgen::date_time_ymd(2026, 5, 1));
    let (coming, coming_key) = pair(&["coming.example"], |params| params.not_before = at(3));
    assert_eq!(
        read(&[("ended.pem", &format!("{ended}{ended_key}")), ("coming.pem", &format!("{coming}{coming_key}"))]),
        "coming.pem: coming.example (1)\n\
         ended.pem: ended.example (1)\n\
         coming.pem: its certificate for coming.example begins only on 2026-06-04T00:00:00Z\n\
         ended.pem: its certificate for ended.example ended on 2026-05-01T00:00:00Z\n"
    );
}

#[test]
fn a_certificate_that_signed_itself_as_an_authority_is_one_for_its_names() {
    let (own, own_key) =
        pair(&["own.example"], |params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    assert_eq!(read(&[("own.crt", &own), ("own.key", &own_key)]), "own.crt: own.example (1)\n");
    let (own, own_key) = pair(&[], |params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    assert_eq!(read(&[("own.crt", &own), ("own.key", &own_key)]), "own.key: its certificate stands for no host name\n");
}

#[test]
fn a_missing_folder_and_a_link_in_a_circle_are_problems_of_their_own() {
    let folder = TempDir::new().expect("a folder");
    let (good, good_key) = plain("good.example");
    fs::write(folder.path().join("good.pem"), format!("{good}{good_key}")).expect("a file");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).expect("a link");
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).expect("a link");
    let told = words(folder.path());
    assert!(told.contains("good.pem: good.example (1)"), "{told}");
    assert!(told.contains("holds more folders or files than a folder of certificates would"), "{told}");
    assert!(told.contains("dangling: cannot be read: No such file or directory"), "{told}");
    let missing = load(&folder.path().join("missing"), now());
    assert!(matches!(missing.problems.as_slice(), [FolderProblem { problem: Problem::Unreadable(_), .. }]));
}
