//! Orders at an authority that means no good.

use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::state::challenges::Challenges;
use crate::state::clock::Clock;
use crate::state::issuance::{CertificateStore, Times, Which};

/// Keeps accounts and orders, as far as the orders here come.
#[derive(Default)]
struct Kept {
    account: Mutex<Option<Secret>>,
    order: Mutex<Option<StoredOrder>>,
}

#[async_trait]
impl CertificateStore for Kept {
    async fn certificate(&self, _: &CertificateName) -> Result<Option<StoredCertificate>, StoreError> {
        Ok(None)
    }
    async fn certificate_times(&self, _which: Which<'_>) -> Result<Vec<(CertificateName, Times)>, StoreError> {
        Ok(Vec::new())
    }
    async fn put_certificate(&self, _: &StoredCertificate) -> Result<(), StoreError> {
        Ok(())
    }
    async fn set_renewal(&self, _: &CertificateName, _: &Times) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn forget_certificate(&self, _: &CertificateName) -> Result<(), StoreError> {
        Ok(())
    }
    async fn order(&self, _: &CertificateName) -> Result<Option<StoredOrder>, StoreError> {
        Ok(self.order.lock().expect("whole").clone())
    }
    async fn put_order(&self, order: &StoredOrder) -> Result<(), StoreError> {
        *self.order.lock().expect("whole") = Some(order.clone());
        Ok(())
    }
    async fn forget_order(&self, _: &CertificateName) -> Result<(), StoreError> {
        *self.order.lock().expect("whole") = None;
        Ok(())
    }
    async fn acme_account(&self, _: &str) -> Result<Option<Secret>, StoreError> {
        Ok(self.account.lock().expect("whole").clone())
    }
    async fn put_acme_account(&self, _: &str, credentials: &Secret, _: Timestamp) -> Result<(), StoreError> {
        *self.account.lock().expect("whole") = Some(credentials.clone());
        Ok(())
    }
    async fn forget_acme_account(&self, _: &str) -> Result<(), StoreError> {
        *self.account.lock().expect("whole") = None;
        Ok(())
    }
}

/// Its CA's certificate, and how it is spoken to.
fn tls() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(vec![]).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "A CA");
    let key = KeyPair::generate().expect("a key");
    let ca = params.self_signed(&key).expect("a CA");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("params");
    let leaf = leaf.signed_by(&key, &issuer).expect("a leaf");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("they fit");
    (ca.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Takes every order, and wants nothing proven for it; counts them.
async fn serve(listener: TcpListener, tls: TlsAcceptor, orders: Arc<Mutex<usize>>) {
    let own = format!("https://{}", listener.local_addr().expect("an address"));
    while let Ok((socket, _)) = listener.accept().await {
        let Ok(mut stream) = tls.accept(socket).await else { continue };
        let mut asked = Vec::new();
        let path = loop {
            let mut part = [0; 4096];
            let count = stream.read(&mut part).await.unwrap_or(0);
            asked.extend_from_slice(&part[..count]);
            let text = String::from_utf8_lossy(&asked).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                assert!(count > 0, "a whole request: {text}");
                continue;
            };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                break head.split(' ').nth(1).expect("a path").to_owned();
            }
        };
        let order =
            || format!(r#"{{"status":"pending","identifiers":[],"authorizations":[],"finalize":"{own}/finalize"}}"#);
        let (status, body) = match path.as_str() {
            "/dir" => (
                "200 OK",
                format!(r#"{{"newNonce":"{own}/nonce","newAccount":"{own}/account","newOrder":"{own}/order"}}"#),
            ),
            "/account" => ("201 Created", r#"{"status":"valid"}"#.to_owned()),
            "/order" => {
                *orders.lock().expect("whole") += 1;
                ("201 Created", order())
            }
            _ => ("200 OK", order()),
        };
        let length = body.len();
        let body = if path == "/nonce" { String::new() } else { body };
        let answer = format!(
            "HTTP/1.1 {status}\r\nreplay-nonce: abcdef\r\nlocation: {own}{path}/1\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

#[tokio::test]
async fn attack_29_an_authority_that_drops_orders_without_a_reason_gets_no_endless_row_of_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (ca, tls) = tls();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), ca).expect("written");
    let orders = Arc::new(Mutex::new(0));
    let server = tokio::spawn(serve(listener, tls, Arc::clone(&orders)));
    let text = format!(
        "[server]\nhttps = '127.0.0.1:0'\nhttp = '127.0.0.1:0'\ndata = 'd'\n\
         [acme]\ndirectory = 'https://{address}/dir'\nca = 'ca.pem'\ndns = ['127.0.0.1:1']\n"
    );
    let config = crate::config::parse(&folder.path().join("t.toml"), &text, &|_| None);
    let acme = config.unwrap_or_else(|errors| panic!("{errors}")).acme.expect("it is there");
    let authority = Authority::new(Arc::new(Kept::default()), Arc::new(Challenges::default()), Clock);
    authority.apply(Some(Settings::new(&acme, Clock).expect("usable")));
    let name = CertificateName::parse("a.test").expect("a name");
    let obtained = tokio::time::timeout(Duration::from_secs(30), authority.obtain(&name)).await;
    let error = obtained.expect("it ends").expect_err("there is no certificate");
    assert!(matches!(error, OrderError::Refused { .. }), "{error:?}");
    assert!((1..=4).contains(&*orders.lock().expect("whole")), "{orders:?}");
    server.abort();
}
