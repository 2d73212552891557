//! What is known of a provider: fetched when it is needed, kept, fetched anew, and not believed when it lies.

use std::net::SocketAddr;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::test_house::{CALLBACK, House, config, eager, eventually, name, parameter};
use super::test_provider::{CLIENT, Fault, Key, TestProvider};
use super::*;

const DOCUMENT: &str = "/.well-known/openid-configuration";
const DOCUMENT_FAULT: &str = "openid-configuration";
const LONG: Duration = Duration::from_secs(3600);

fn up(house: &House) -> i64 {
    house.metrics.provider_up.with_label_values(&["acme"]).get()
}

async fn why_not(house: &House) -> String {
    match house.begin().await {
        Ok(_) => "begun".to_owned(),
        Err(error) => error.to_string().split_once("asked: ").expect("unavailable").1.to_owned(),
    }
}

/// A house whose provider is not there, and where it would be.
async fn down(timing: Timing) -> (House, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("bound");
    drop(socket);
    let issuer = format!("http://{address}");
    let elsewhere = TestProvider::start().await;
    (House::at(elsewhere, |provider| provider.issuer = issuer, timing).await, address)
}

#[tokio::test]
async fn many_at_once_ask_a_provider_once() {
    let house = House::new().await;
    assert!(house.party.is_up(&name()), "nobody has looked yet");
    let tasks = TaskTracker::new();
    for _ in 0..20 {
        let party = Arc::clone(&house.party);
        tasks.spawn(async move {
            let begin = Begin { redirect_uri: CALLBACK.to_owned(), state: "a-state".to_owned(), hint: None };
            party.begin(&name(), begin).await.expect("begun");
        });
    }
    tasks.close();
    tasks.wait().await;
    assert_eq!((house.provider.asked(DOCUMENT), house.provider.asked("/jwks")), (1, 1));
    assert_eq!(up(&house), 1);
}

#[tokio::test]
async fn a_provider_that_is_down_comes_back() {
    let (mut house, address) = down(eager()).await;
    assert!(why_not(&house).await.starts_with("discovery: it cannot be reached"), "{}", why_not(&house).await);
    assert!(!house.party.is_up(&name()));
    assert_eq!(up(&house), 0);
    assert!(house.counted("discovery", "unavailable") > 0);
    house.provider = TestProvider::start_at(address).await;
    assert_eq!(house.refused().await, "let in");
    assert!(house.party.is_up(&name()));
    assert_eq!(up(&house), 1);
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_for_a_while() {
    let (house, _) = down(Timing { rest: LONG, ..eager() }).await;
    for _ in 0..10 {
        assert!(why_not(&house).await.starts_with("discovery: it cannot be reached"));
    }
    assert_eq!(house.counted("discovery", "unavailable"), 1);
}

#[tokio::test]
async fn looks_in_the_background_keep_the_buttons_true() {
    let (mut house, address) = down(Timing { look: Duration::from_millis(20), ..eager() }).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (party, stop) = (Arc::clone(&house.party), stop.clone());
        async move { party.run(stop).await }
    });
    eventually("the provider is known to be down", || !house.party.is_up(&name())).await;
    house.provider = TestProvider::start_at(address).await;
    eventually("the provider is known to be up", || house.party.is_up(&name())).await;
    stop.cancel();
    running.await.expect("it stops");
}

#[tokio::test]
async fn attack_17_a_document_that_lies_is_not_used() {
    let elsewhere = "http://id.example.com/x";
    for (field, value, outcome) in [
        ("issuer", json!("https://evil.example.com"), "it calls itself `https://evil.example.com`"),
        ("issuer", json!("{own}/"), "it calls itself"),
        ("issuer", Value::Null, "its document is none"),
        ("authorization_endpoint", json!(elsewhere), "authorization_endpoint at http://id.example.com is neither"),
        ("authorization_endpoint", json!("javascript:alert(1)"), "authorization_endpoint at null is neither"),
        ("authorization_endpoint", json!("/authorize"), "its document is none"),
        ("token_endpoint", json!(elsewhere), "token_endpoint at http://id.example.com is neither"),
        (
            "token_endpoint",
            json!("https://user:word@id.example.com/"),
            "token_endpoint at https://id.example.com is neither",
        ),
        ("token_endpoint", Value::Null, "it has no token_endpoint"),
        ("jwks_uri", json!(elsewhere), "jwks_uri at http://id.example.com is neither"),
        ("jwks_uri", json!("http://127.0.0.1.example.com/"), "jwks_uri at http://127.0.0.1.example.com is neither"),
        ("jwks_uri", Value::Null, "its document is none"),
        ("userinfo_endpoint", json!(elsewhere), "userinfo_endpoint at http://id.example.com is neither"),
        ("end_session_endpoint", json!(elsewhere), "end_session_endpoint at http://id.example.com is neither"),
        ("end_session_endpoint", json!("nowhere"), "its end_session_endpoint"),
        ("id_token_signing_alg_values_supported", json!(["HS256", "none"]), "by none of the provider's `algorithms`"),
        ("userinfo_endpoint", Value::Null, "begun"),
        ("end_session_endpoint", json!(""), "begun"),
        ("end_session_endpoint", Value::Null, "begun"),
    ] {
        let house = House::new().await;
        let own = house.provider.issuer.clone();
        let value = value.as_str().map_or_else(|| value.clone(), |text| text.replace("{own}", &own).into());
        let shown = format!("{field}: {value}");
        house.provider.script(|script| {
            script.discovery = Box::new(move |document| document[field] = value.clone());
        });
        let found = why_not(&house).await;
        assert!(found.contains(outcome), "{shown}: {found}");
        let is_used = outcome == "begun";
        assert_eq!((house.party.is_up(&name()), up(&house)), (is_used, i64::from(is_used)), "{shown}");
        // What it named was not asked either.
        assert_eq!(house.counted("keys", "ok") + house.counted("keys", "unavailable"), u64::from(is_used), "{shown}");
    }
}

#[tokio::test]
async fn attack_17_answers_without_end_or_from_elsewhere_are_not_followed() {
    let thief = TestProvider::start().await;
    let elsewhere = format!("{}/token", thief.issuer);
    for (place, fault, outcome) in [
        (DOCUMENT_FAULT, Fault::Endless, "discovery: its answer is longer than 1 MiB"),
        (DOCUMENT_FAULT, Fault::Redirect(elsewhere.clone()), "discovery: it sent us elsewhere"),
        (
            DOCUMENT_FAULT,
            Fault::Status(404, "{}".to_owned()),
            "discovery: it answered with status 404; is `issuer` right?",
        ),
        (DOCUMENT_FAULT, Fault::Status(503, "{}".to_owned()), "discovery: it answered with status 503"),
        (DOCUMENT_FAULT, Fault::Status(200, "<html>".to_owned()), "discovery: its document is none"),
        (DOCUMENT_FAULT, Fault::Status(200, " ".repeat(2 * 1024 * 1024)), "discovery: its answer is longer than 1 MiB"),
        ("jwks", Fault::Endless, "its keys: its answer is longer than 1 MiB"),
        ("jwks", Fault::Redirect(elsewhere.clone()), "its keys: it sent us elsewhere"),
        ("jwks", Fault::Status(404, String::new()), "its keys: status 404"),
        ("jwks", Fault::Status(200, "[]".to_owned()), "its keys: the answer is no key set"),
        ("jwks", Fault::Status(200, r#"{"keys":[]}"#.to_owned()), "its keys: none of them can be used"),
        ("token", Fault::Endless, "its answer is longer than 1 MiB"),
        ("token", Fault::Redirect(elsewhere.clone()), "it sent us elsewhere"),
        ("userinfo", Fault::Endless, "userinfo: its answer is longer than 1 MiB"),
        ("userinfo", Fault::Redirect(elsewhere), "userinfo: it sent us elsewhere"),
        ("userinfo", Fault::Status(401, String::new()), "userinfo: status 401"),
    ] {
        let house = House::new().await;
        house.provider.script(|script| {
            script.claims = Box::new(|claims| claims.retain(|name, _| name != "email"));
            script.faults.insert(place, fault);
        });
        let found = house.refused().await;
        assert!(found.starts_with(&format!("unavailable: {outcome}")), "{place}: {found}");
    }
    assert_eq!(thief.asked("/token"), 0);
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_not_waited_for_long() {
    for (place, outcome) in [
        (DOCUMENT_FAULT, "unavailable: discovery: it did not answer in time"),
        ("jwks", "unavailable: discovery: it did not answer in time"),
        ("token", "unavailable: it did not answer in time"),
        ("userinfo", "unavailable: userinfo: it did not answer in time"),
    ] {
        let house = House::with(|provider| provider.timeout = Duration::from_millis(300), eager()).await;
        house.provider.script(|script| {
            script.claims = Box::new(|claims| claims.retain(|name, _| name != "email"));
            script.faults.insert(place, Fault::Silent);
        });
        let found = house.refused().await;
        // Either clock may run out first.
        assert!(found == outcome || found == "unavailable: its keys: it did not answer in time", "{place}: {found}");
    }
}

#[tokio::test]
async fn what_is_known_goes_on_while_the_provider_is_away() {
    let house = House::with(|_| {}, Timing { refresh: Duration::ZERO, ..eager() }).await;
    house.begin().await.expect("begun");
    house.provider.script(|script| drop(script.faults.insert("*", Fault::Status(503, String::new()))));
    house.begin().await.expect("begun with what is known");
    eventually("the look has failed", || up(&house) == 0).await;
    house.begin().await.expect("begun with what is known");
    assert!(house.party.is_up(&name()), "a log-in can begin");
    // And what has changed is known in the background.
    let other = house.provider.issuer.clone() + "/elsewhere";
    house.provider.script(|script| {
        script.faults.clear();
        script.discovery = Box::new(move |document| document["authorization_endpoint"] = other.clone().into());
    });
    house.begin().await.expect("begun");
    eventually("the look has worked", || up(&house) == 1).await;
    assert!(house.begin().await.expect("begun").0.contains("/elsewhere?"));
}

#[tokio::test]
async fn what_is_known_does_not_count_for_ever() {
    let timing = Timing { refresh: Duration::ZERO, most_age: Duration::ZERO, ..eager() };
    let house = House::with(|_| {}, timing).await;
    house.begin().await.expect("begun");
    house.provider.script(|script| drop(script.faults.insert("*", Fault::Status(503, String::new()))));
    assert_eq!(why_not(&house).await, "discovery: it answered with status 503");
    assert!(!house.party.is_up(&name()));
}

#[tokio::test]
async fn keys_may_change_at_any_time() {
    let house = House::new().await;
    assert_eq!(house.refused().await, "let in");
    for (algorithm, kid) in [("ES256", "second"), ("EdDSA", "third"), ("ES256", "second")] {
        house.provider.script(|script| {
            script.key = Key::new(algorithm, kid);
            script.jwks = vec![script.key.jwk()];
        });
        assert_eq!(house.refused().await, "let in", "{kid}");
    }
    // A key that is withdrawn counts no more.
    let withdrawn = house.provider.script(|script| {
        let withdrawn = std::mem::replace(&mut script.key, Key::new("ES256", "fourth"));
        script.jwks = vec![script.key.jwk()];
        withdrawn
    });
    assert_eq!(house.refused().await, "let in");
    house.provider.script(|script| script.key = withdrawn);
    assert_eq!(house.refused().await, "key");
    // The document itself was read once.
    assert_eq!(house.provider.asked(DOCUMENT), 1);
}

#[tokio::test]
async fn a_key_may_be_replaced_without_another_name_or_have_none() {
    let house = House::new().await;
    assert_eq!(house.refused().await, "let in");
    house.provider.script(|script| {
        script.key = Key::new("ES256", "first");
        script.jwks = vec![script.key.jwk()];
    });
    assert_eq!(house.refused().await, "let in");
    // One key without a name is found; of two, nobody knows which.
    let nameless = |script: &mut super::test_provider::Script| {
        let mut jwk = script.key.jwk();
        jwk.as_object_mut().expect("an object").remove("kid");
        script.jwks = vec![jwk];
        script.header = Box::new(|header| drop(header.as_object_mut().expect("an object").remove("kid")));
    };
    house.provider.script(nameless);
    assert_eq!(house.refused().await, "let in");
    house.provider.script(|script| script.jwks.push(Key::new("ES256", "another").jwk()));
    let reread = House::new().await;
    let both = house.provider.script(|script| (Arc::clone(&script.key), script.jwks.clone()));
    reread.provider.script(|script| {
        (script.key, script.jwks) = both;
        script.header = Box::new(|header| drop(header.as_object_mut().expect("an object").remove("kid")));
    });
    assert_eq!(reread.refused().await, "key");
}

#[tokio::test]
async fn attack_17_unknown_keys_do_not_make_us_hammer_a_provider() {
    let house = House::with(|_| {}, Timing { keys_for_tokens: LONG, ..eager() }).await;
    house.provider.script(|script| script.header = Box::new(|header| header["kid"] = "unknown".into()));
    for _ in 0..5 {
        assert_eq!(house.refused().await, "key");
    }
    // Once with the document, once for the first of them.
    assert_eq!(house.provider.asked("/jwks"), 2);
}

#[tokio::test]
async fn the_way_out_leads_through_the_provider() {
    let house = House::new().await;
    let (provider, id_token) = (name(), Secret::new("an-id-token".to_owned()));
    let url =
        |token: &Secret, state| house.party.end_session_url(&provider, token, "https://orders.example.com/out", state);
    assert_eq!(url(&id_token, None), None, "nobody has asked the provider yet");
    house.begin().await.expect("begun");
    let found = url(&id_token, Some("a state")).expect("a URL");
    assert!(found.starts_with(&format!("{}/end?keep=1&", house.provider.issuer)), "{found}");
    for (parameter_name, value) in [
        ("client_id", Some(CLIENT)),
        ("post_logout_redirect_uri", Some("https://orders.example.com/out")),
        ("state", Some("a state")),
        ("id_token_hint", Some("an-id-token")),
    ] {
        assert_eq!(parameter(&found, parameter_name).as_deref(), value, "{parameter_name}");
    }
    // A hint that is too long is left out, and the rest stays.
    let found = url(&Secret::new("a".repeat(8000)), None).expect("a URL");
    assert!(found.len() < 500);
    assert_eq!((parameter(&found, "client_id").as_deref(), parameter(&found, "id_token_hint")), (Some(CLIENT), None));
    assert_eq!(parameter(&found, "state"), None);
    assert_eq!(house.party.end_session_url(&ProviderName::parse("other").expect("a name"), &id_token, "x", None), None);
}

#[tokio::test]
async fn not_every_provider_has_a_way_out() {
    let id_token = Secret::new("an-id-token".to_owned());
    let house = House::with(|provider| provider.end_provider_session = false, eager()).await;
    house.begin().await.expect("begun");
    assert_eq!(house.party.end_session_url(&name(), &id_token, "https://orders.example.com/", None), None);
    let house = House::new().await;
    house
        .provider
        .script(|script| script.discovery = Box::new(|document| document["end_session_endpoint"] = Value::Null));
    house.begin().await.expect("begun");
    assert_eq!(house.party.end_session_url(&name(), &id_token, "https://orders.example.com/", None), None);
}

/// A CA, and what a server needs whose certificate for `127.0.0.1` is by it.
fn authority() -> (String, Arc<rustls::ServerConfig>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &issuer).expect("signed").pem();
    let certificate = CertificateDer::from_pem_slice(leaf.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    (pem, Arc::new(tls))
}

#[tokio::test]
async fn a_provider_with_a_private_ca_is_trusted_by_that_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (right, tls) = authority();
    let (wrong, _) = authority();
    for (ca, is_trusted) in [(Some(right), true), (Some(wrong), false), (None, false)] {
        let path = ca.map(|pem| {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, pem).expect("written");
            path
        });
        let provider = TestProvider::start_tls(Arc::clone(&tls)).await;
        let house = House::at(provider, |provider| provider.ca = path, eager()).await;
        let found = why_not(&house).await;
        assert_eq!(found == "begun", is_trusted, "{found}");
        assert!(is_trusted || found.contains("certificate"), "{found}");
        // Over TLS, nothing it names may be without, be it on this machine.
        house.provider.script(|script| {
            script.discovery = Box::new(|document| document["token_endpoint"] = "http://127.0.0.1/token".into());
        });
        if is_trusted {
            assert_eq!(house.refused().await, "let in", "what is known still counts");
        }
    }
}

#[tokio::test]
async fn a_ca_that_cannot_be_used_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(crate::store::open(&folder.path().join("data")).await.expect("the store opens"));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, said) in [(None, "No such file"), (Some(""), "it holds no certificate"), (Some(broken), "ca.pem")] {
        let path = folder.path().join(if text.is_some() { "ca.pem" } else { "missing.pem" });
        if let Some(text) = text {
            std::fs::write(&path, text).expect("written");
        }
        let provider = Provider { ca: Some(path), ..config("https://id.example.com") };
        let party = RelyingParty::new(&[Arc::new(provider)], Arc::clone(&store) as _, Clock, Arc::default());
        let error = party.err().expect("refused").to_string();
        assert!(error.starts_with("the CA of provider `acme` cannot be used: ") && error.contains(said), "{error}");
    }
}
