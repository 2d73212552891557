//! The operator drops certificates into a folder, in any arrangement, and the right one is shown.

use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::house::{House, OPEN, printed};
use crate::pki::{Authority, Leaf};
use crate::wire::Wire;

fn der(leaf: &Leaf) -> Vec<u8> {
    CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM").to_vec()
}

fn two_domains() -> String {
    OPEN.replace("[\"orders.test\"]", "[\"orders.test\", \"a.wild.test\", \"b.wild.test\"]")
}

#[tokio::test]
async fn the_right_certificate_is_shown_for_each_name() {
    let authority = Authority::new("Operator");
    let older = authority.leaf_valid_from(&["orders.test"], 2021);
    let newer = authority.leaf_valid_from(&["orders.test"], 2024);
    let future = authority.leaf_valid_from(&["orders.test"], 2094);
    let wild = authority.leaf(&["*.wild.test"]);
    let exact = authority.leaf(&["b.wild.test"]);
    let house = House::plan(&two_domains())
        .tls("certs = \"certs\"", &authority.pem)
        .file("certs/a-newer/fullchain.pem", &newer.certificate)
        .file("certs/a-newer/privkey.pem", &newer.key)
        .file("certs/older.crt", &older.certificate)
        .file("certs/older.key", &older.key)
        .file("certs/z/y/future.pem", &future.certificate)
        .file("certs/z/y/future.key", &future.key)
        .file("certs/wild/both.pem", format!("{}{}", wild.certificate, wild.key))
        .file("certs/exact/tls.crt", &exact.certificate)
        .file("certs/exact/tls.key", &exact.key)
        .file("certs/README.md", "# Put certificates here\n")
        .start()
        .await;
    for (name, leaf) in [("orders.test", &newer), ("a.wild.test", &wild), ("b.wild.test", &exact)] {
        let mut wire = house.wire(name).await;
        assert_eq!(wire.certificate(), der(leaf), "{name}");
        let host = format!("host: {}", house.host(name));
        assert_eq!(wire.ask(&["GET / HTTP/1.1", &host]).await.expect("an answer").status, 401, "{name}");
    }
}

#[tokio::test]
async fn bad_files_are_named_and_the_good_ones_serve() {
    let authority = Authority::new("Operator");
    let (good, other) = (authority.leaf(&["orders.test"]), authority.leaf(&["orders.test"]));
    let house = House::plan(OPEN)
        .tls("certs = \"certs\"", &authority.pem)
        .file("certs/good.pem", &good.certificate)
        .file("certs/good.key", &good.key)
        .file("certs/broken/cut.pem", &good.certificate[..200])
        .file("certs/broken/lonely.pem", &other.certificate)
        .start()
        .await;
    assert_eq!(house.wire("orders.test").await.certificate(), der(&good));
    for name in ["cut.pem", "lonely.pem"] {
        house.log.says(name).await;
    }
    let checked = house.command(&["check"]);
    let told = printed(&checked);
    assert_eq!(checked.status.code(), Some(0), "{told}");
    for line in
        ["lonely.pem: no key in the folder belongs to its certificate", "help: put the key that was made for this"]
    {
        assert!(told.contains(line), "{told}");
    }
    assert!(!told.contains("nobody can reach it"), "{told}");
    std::fs::remove_file(house.dir.path().join("certs/good.pem")).expect("it is there");
    let told = printed(&house.command(&["check"]));
    assert!(told.contains("orders.test has no certificate, so nobody can reach it"), "{told}");
}

#[tokio::test]
async fn a_name_without_a_certificate_gets_no_connection() {
    let house = House::start(OPEN).await;
    for name in ["evil.test", "a.orders.test", "orders.test.evil.test"] {
        assert!(Wire::connect(house.door.https(), name, house.door.ca()).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn old_and_new_tls_are_spoken_with_a_post_quantum_exchange() {
    let house = House::start(OPEN).await;
    let wire = house.wire("orders.test").await;
    assert_eq!(wire.connection().protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let group = wire.connection().negotiated_key_exchange_group().expect("the handshake is over");
    assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(house.door.ca().as_bytes()).expect("PEM")).expect("a root");
    let old = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12]);
    let old = old.with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(house.door.https()).await.expect("it listens");
    let name = rustls_pki_types::ServerName::try_from("orders.test").expect("a name");
    let stream =
        tokio_rustls::TlsConnector::from(std::sync::Arc::new(old)).connect(name, stream).await.expect("TLS 1.2");
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
}

#[tokio::test]
async fn a_returning_client_resumes() {
    let house = House::start(OPEN).await;
    let config = crate::pki::client(house.door.ca(), &[b"http/1.1"]);
    let host = format!("host: {}", house.host("orders.test"));
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::connect_with(house.door.https(), "orders.test", config.clone()).await.expect("TLS");
        // Tickets come with or after the first answer.
        wire.ask(&["GET / HTTP/1.1", &host]).await.expect("an answer");
        kinds.push(wire.connection().handshake_kind());
    }
    assert_eq!(kinds[1], Some(rustls::HandshakeKind::Resumed), "{kinds:?}");
}

#[tokio::test]
async fn the_local_authority_is_printed_and_signs_every_domain() {
    let house = House::start(&two_domains()).await;
    assert!(house.door.ca().starts_with("-----BEGIN CERTIFICATE-----"));
    for name in ["orders.test", "a.wild.test", "b.wild.test"] {
        house.wire(name).await;
    }
}
