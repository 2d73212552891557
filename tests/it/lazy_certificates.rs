//! Certificates that are fetched when a handshake asks for them: from the store, from a large folder, from the local CA.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use vestibule::state::certificates::CertificateName;
use vestibule::state::issuance::{CertificateStore, StoredCertificate, Times};
use vestibule::store;
use vestibule::types::Secret;

use crate::house::{House, OPEN, eventually, plain_get};
use crate::pki::{Authority, Leaf};
use crate::wire::Wire;

fn der(leaf: &Leaf) -> Vec<u8> {
    CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM").to_vec()
}

/// The open app with these domains.
fn with_domains(domains: &[&str]) -> String {
    OPEN.replace("[\"orders.test\"]", &format!("{domains:?}"))
}

/// A house whose certificates are in its store, or nowhere.
async fn house(domains: &[&str], authority: &Authority, server: &str) -> House {
    House::plan(&with_domains(domains))
        .server(server)
        .tls("certs = \"certs\"", &authority.pem)
        .file("certs/README.md", "Nothing here.\n")
        .start()
        .await
}

#[expect(clippy::disallowed_methods, reason = "the test's own clock, for certificates that end soon")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn stored(name: &str, leaf: &Leaf) -> StoredCertificate {
    let now = now();
    let day = SignedDuration::from_hours(24);
    let times = Times { not_before: now - day, not_after: now + day, renew_at: now + day, ask_again: now + day };
    let name = CertificateName::parse(name).expect("a name");
    StoredCertificate { name, chain: leaf.certificate.clone(), key: Secret::new(leaf.key.clone()), times }
}

/// Puts certificates into the store of a gateway that runs, as another process would.
async fn put(house: &House, certificates: &[StoredCertificate]) {
    let store = store::open_beside(&house.dir.path().join("data")).await.expect("a store");
    for certificate in certificates {
        store.put_certificate(certificate).await.expect("kept");
    }
    store.close().await;
}

/// The certificate that is shown for a name; none, where there is no handshake.
async fn shown(house: &House, name: &str) -> Option<Vec<u8>> {
    Wire::connect(house.door.https(), name, house.door.ca()).await.ok().map(|wire| wire.certificate())
}

/// Asks on a connection for a host.
async fn status(house: &House, wire: &mut Wire, host: &str) -> u16 {
    let host = format!("host: {}", house.host(host));
    wire.ask(&["GET / HTTP/1.1", &host]).await.expect("an answer").status
}

#[tokio::test]
async fn a_stored_certificate_serves_from_the_moment_it_is_there_and_gives_way_to_its_successor() {
    let authority = Authority::new("Private");
    let house = house(&["orders.test", "other.test"], &authority, "").await;
    assert_eq!(shown(&house, "orders.test").await, None);
    let first = authority.leaf_until(&["orders.test"], now() + SignedDuration::from_secs(15));
    put(&house, &[stored("orders.test", &first)]).await;
    let mut early = eventually("the first is shown", async || {
        Wire::connect(house.door.https(), "orders.test", house.door.ca()).await.ok()
    })
    .await;
    assert_eq!(early.certificate(), der(&first));
    assert_eq!(shown(&house, "other.test").await, None, "it is nobody else's");
    let second = authority.leaf(&["orders.test"]);
    put(&house, &[stored("orders.test", &second)]).await;
    let mut late = eventually("the second is shown when the first has ended", async || {
        let wire = Wire::connect(house.door.https(), "orders.test", house.door.ca()).await.ok()?;
        (wire.certificate() == der(&second)).then_some(wire)
    })
    .await;
    assert_eq!(status(&house, &mut late, "orders.test").await, 401);
    assert_eq!(status(&house, &mut early, "orders.test").await, 401, "a connection that stands goes on");
}

#[tokio::test]
async fn attack_29_a_storm_of_unknown_names_costs_nothing() {
    const STORM: usize = 1500;
    let authority = Authority::new("Private");
    let house = house(&["orders.test"], &authority, "").await;
    put(&house, &[stored("orders.test", &authority.leaf(&["orders.test"]))]).await;
    eventually("the one certificate is shown", async || shown(&house, "orders.test").await).await;
    let config = crate::pki::client(house.door.ca(), &[b"http/1.1"]);
    let storm = async |names: std::ops::Range<usize>| {
        for number in names {
            let name = format!("n{number}.deep.{number}.orders.test");
            assert!(Wire::connect_with(house.door.https(), &name, config.clone()).await.is_err(), "{name}");
        }
    };
    storm(0..STORM / 3).await;
    let (lines, kib) = (house.log.text().lines().count(), house.resident_kib());
    let misses = house.metric(&["vestibule_certificates_fetched_total"]).await;
    storm(STORM / 3..STORM).await;
    assert_eq!(house.log.text().lines().count(), lines, "{}", house.log.text());
    let more = house.resident_kib().saturating_sub(kib);
    assert!(more < 4096, "{more} KiB more");
    assert!(misses > 0.0);
    assert_eq!(house.metric(&["vestibule_certificates_fetched_total"]).await, misses);
    assert!(house.metric(&["vestibule_unknown_server_names_total"]).await >= STORM as f64);
    assert_eq!(status(&house, &mut house.wire("orders.test").await, "orders.test").await, 401);
}

#[tokio::test]
async fn attack_29_a_stored_certificate_that_is_broken_closes_its_own_name_only() {
    let authority = Authority::new("Private");
    let names = ["broken.test", "strange.test", "foreign.test", "good.test"];
    let house = house(&names, &authority, "").await;
    let leaf = authority.leaf(&["broken.test"]);
    let garbage = Leaf { certificate: "nothing".to_owned(), key: leaf.key.clone() };
    let strange = Leaf { certificate: authority.leaf(&["strange.test"]).certificate, key: leaf.key.clone() };
    let good = authority.leaf(&["good.test"]);
    put(
        &house,
        &[
            stored("broken.test", &garbage),
            stored("strange.test", &strange),
            stored("foreign.test", &leaf),
            stored("good.test", &good),
        ],
    )
    .await;
    assert_eq!(eventually("it is shown", async || shown(&house, "good.test").await).await, der(&good));
    for name in ["broken.test", "strange.test", "foreign.test"] {
        assert_eq!(shown(&house, name).await, None, "{name}");
    }
    house.log.says("the stored certificate of broken.test is of no use").await;
    assert!(house.metric(&["vestibule_certificate_fetches_failed_total"]).await >= 3.0);
}

#[tokio::test]
async fn attack_03_a_connection_serves_no_host_that_its_certificate_does_not_cover() {
    let authority = Authority::new("Private");
    let house = house(&["a.test", "b.test", "a.w.test", "b.w.test"], &authority, "").await;
    put(
        &house,
        &[
            stored("a.test", &authority.leaf(&["a.test"])),
            stored("b.test", &authority.leaf(&["b.test"])),
            stored("*.w.test", &authority.leaf(&["*.w.test"])),
        ],
    )
    .await;
    for (name, host, expected) in [
        ("a.test", "a.test", 401),
        ("a.test", "b.test", 421),
        ("b.test", "a.test", 421),
        ("a.test", "a.w.test", 421),
        ("a.test", "evil.test", 421),
        ("a.w.test", "b.w.test", 401),
        ("a.w.test", "a.test", 421),
        ("a.w.test", "c.w.test", 421),
    ] {
        let mut wire =
            eventually("it is served", async || Wire::connect(house.door.https(), name, house.door.ca()).await.ok())
                .await;
        assert_eq!(status(&house, &mut wire, host).await, expected, "{host} on a connection for {name}");
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn no_more_certificates_than_the_limit_stay_in_memory() {
    let authority = Authority::new("Private");
    let names: Vec<String> = (0..30).map(|number| format!("n{number}.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let house = house(&names, &authority, "limits = { certificates = 5 }\n").await;
    let leaves: Vec<Leaf> = names.iter().map(|name| authority.leaf(&[name])).collect();
    let all: Vec<_> = names.iter().zip(&leaves).map(|(name, leaf)| stored(name, leaf)).collect();
    put(&house, &all).await;
    for _ in 0..2 {
        for (name, leaf) in names.iter().zip(&leaves) {
            assert_eq!(shown(&house, name).await, Some(der(leaf)), "{name}");
        }
    }
    eventually("five stay", async || {
        let held = house.metric(&["vestibule_certificates_held"]).await;
        (held <= 5.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_large_folder_is_read_file_by_file_when_a_name_is_asked_for() {
    let authority = Authority::new("Private");
    let names = ["pem.test", "crt.test", "folder.test", "a.wild.test", "other.test", "later.test"];
    let (pem, crt) = (authority.leaf(&["pem.test"]), authority.leaf(&["crt.test"]));
    let (folder, wild) = (authority.leaf(&["folder.test"]), authority.leaf(&["*.wild.test"]));
    let mut plan = House::plan(&with_domains(&names))
        .tls("certs = \"certs\"", &authority.pem)
        .file("certs/pem.test.pem", format!("{}{}", pem.certificate, pem.key))
        .file("certs/crt.test.crt", &crt.certificate)
        .file("certs/crt.test.key", &crt.key)
        .file("certs/folder.test/fullchain.pem", &folder.certificate)
        .file("certs/folder.test/privkey.pem", &folder.key)
        .file("certs/_.wild.test.pem", format!("{}{}", wild.certificate, wild.key))
        // Not for its name: somebody mixed two up.
        .file("certs/other.test.pem", format!("{}{}", pem.certificate, pem.key));
    for number in 0..1001 {
        plan = plan.file(&format!("certs/n{number}.test.pem"), "not read");
    }
    let house = plan.start().await;
    house.log.says("the folder is large").await;
    assert!(!house.log.text().contains("n7.test.pem"), "it was read");
    let lacking = eventually("two are told of", async || {
        let told = house.log.named("the domain has no certificate, so nobody can reach it");
        (told.len() == 2).then_some(told)
    })
    .await;
    let lacking: Vec<_> = lacking.iter().filter_map(|event| event["fields"]["host"].as_str()).collect();
    assert_eq!(lacking, ["other.test", "later.test"]);
    for (name, leaf) in [("pem.test", &pem), ("crt.test", &crt), ("folder.test", &folder), ("a.wild.test", &wild)] {
        assert_eq!(shown(&house, name).await, Some(der(leaf)), "{name}");
    }
    assert_eq!(shown(&house, "other.test").await, None);
    let checked = crate::house::printed(&house.command(&["check"]));
    for name in names {
        let is_lacking = checked.contains(&format!("{name} has no certificate"));
        assert_eq!(is_lacking, lacking.contains(&name), "{name}: {checked}");
    }
    assert!(!checked.contains("n7.test.pem"), "{checked}");
    let later = authority.leaf(&["later.test"]);
    house.write("certs/later.test.pem", format!("{}{}", later.certificate, later.key));
    assert_eq!(shown(&house, "later.test").await, Some(der(&later)), "it is found at once");
}

#[tokio::test]
async fn attack_04_a_token_that_nobody_published_opens_nothing() {
    let house = House::start(OPEN).await;
    let path = "/.well-known/acme-challenge/token";
    for spelling in [
        path,
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/..%2f",
        "//.well-known/acme-challenge/token",
    ] {
        let answer = plain_get(house.http(), "orders.test", spelling).await;
        assert_eq!(answer.status, 308, "{spelling}");
        assert_eq!(answer.body, b"", "{spelling}");
    }
    assert_eq!(plain_get(house.http(), "evil.test", path).await.status, 421);
    let mut wire = house.wire("orders.test").await;
    let host = format!("host: {}", house.host("orders.test"));
    assert_eq!(wire.ask(&[&format!("GET {path} HTTP/1.1"), &host]).await.expect("an answer").status, 401);
    let offered = crate::wire::tls(house.door.https(), "orders.test", house.door.ca(), &[b"acme-tls/1"]).await;
    offered.expect_err("nobody ordered");
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn the_local_authority_issues_when_it_is_asked_and_not_before() {
    let names: Vec<String> = (0..20).map(|number| format!("n{number}.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let house = House::start(&with_domains(&names)).await;
    assert_eq!(house.metric(&["vestibule_certificates_held"]).await, 0.0);
    let first = shown(&house, "n3.test").await.expect("a certificate");
    let again = tokio::time::timeout(Duration::from_secs(20), shown(&house, "n3.test")).await.expect("in time");
    assert_eq!(again, Some(first), "it is kept");
    assert_eq!(shown(&house, "n20.test").await, None);
}
