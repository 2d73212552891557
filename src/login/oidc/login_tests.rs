//! Logging in at a provider that behaves, and at one that does not.

use aws_lc_rs::digest::{SHA256, SHA512};
use serde_json::{Map, Value, json};

use super::test_house::{CALLBACK, House, eager, name, parameter};
use super::test_provider::{CLIENT, Key, SECRET, SUBJECT, basic, half_hash, hmac_token, unsigned_token};
use super::*;
use crate::config::SigningAlgorithm;
use crate::types::{HostName, Way};

type ChangeClaims = Box<dyn Fn(&mut Map<String, Value>) + Send>;

/// Sets a claim; `null` removes it.
fn set(name: &'static str, value: Value) -> ChangeClaims {
    Box::new(move |claims| {
        match &value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.to_owned(), value.clone()),
        };
    })
}

fn now() -> i64 {
    Clock.now().as_second()
}

#[tokio::test]
async fn somebody_arrives_with_all_that_is_known_of_them() {
    let house = House::new().await;
    let begin = Begin {
        redirect_uri: CALLBACK.to_owned(),
        state: "a-state".to_owned(),
        hint: Some(Email::parse("ann@example.com").expect("an address")),
    };
    let Begun { url, secrets } = house.party.begin(&name(), begin).await.expect("begun");
    for (parameter_name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", CALLBACK),
        ("state", "a-state"),
        ("scope", "openid email profile"),
        ("nonce", secrets.nonce.expose()),
        ("code_challenge_method", "S256"),
        ("login_hint", "ann@example.com"),
    ] {
        assert_eq!(parameter(&url, parameter_name).as_deref(), Some(value), "{parameter_name}");
    }
    assert_eq!(parameter(&url, "prompt"), None);
    assert!(!url.contains(secrets.verifier.expose()), "the verifier stays here");

    let arrived = house.finish(&house.provider.log_in(&url), secrets).await.expect("believed");
    let (issuer, subject) = (house.provider.issuer.clone(), SUBJECT.to_owned());
    assert_eq!(
        arrived.identity,
        Identity { issuer: issuer.clone(), client: CLIENT.to_owned(), subject: subject.clone() }
    );
    assert_eq!(arrived.email.as_str(), "ann@example.com");
    assert_eq!(arrived.name.expect("a name").as_str(), "Ann Lee");
    assert_eq!((arrived.proof.way, arrived.proof.amr), (Way::Oidc(name()), vec!["pwd".to_owned()]));
    let ago = Clock.now().as_second() - arrived.proof.at.as_second();
    assert!((5..30).contains(&ago), "{ago} seconds ago");
    let sid = Some("sid-1".to_owned());
    assert_eq!(arrived.link, Link { provider: name(), issuer, subject, sid, groups: Vec::new(), next_check: None });
    // Nobody re-checks, so nothing is kept to do that with.
    assert_eq!(arrived.tokens.refresh_token, None);
    // The ID token said enough.
    assert_eq!(house.provider.asked("/userinfo"), 0);
    assert_eq!((house.counted("discovery", "ok"), house.counted("keys", "ok"), house.counted("code", "ok")), (1, 1, 1));
}

#[tokio::test]
async fn two_log_ins_are_told_apart_by_their_secrets() {
    let house = House::new().await;
    let (first, second) = (house.begin().await.expect("begun"), house.begin().await.expect("begun"));
    assert_ne!(first.1.nonce, second.1.nonce);
    assert_ne!(first.1.verifier, second.1.verifier);
    assert_ne!(first.1.nonce, first.1.verifier);
    // Several at once work.
    let (one, two) = (house.provider.log_in(&first.0), house.provider.log_in(&second.0));
    house.finish(&two, second.1).await.expect("believed");
    house.finish(&one, first.1).await.expect("believed");
    assert_eq!(house.provider.asked("/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn every_signature_that_counts_is_believed() {
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let house = House::new().await;
        house.provider.script(|script| {
            script.key = Key::new(algorithm, "other");
            script.jwks = vec![script.key.jwk()];
        });
        assert_eq!(house.refused().await, "let in", "{algorithm}");
        // And one that the operator does not want is not.
        let all = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
        let wanted = [
            SigningAlgorithm::Rs256,
            SigningAlgorithm::Ps256,
            SigningAlgorithm::Es256,
            SigningAlgorithm::Es384,
            SigningAlgorithm::EdDsa,
        ];
        let others = all.iter().zip(wanted).filter(|(name, _)| **name != algorithm).map(|(_, other)| other).collect();
        let strict = House::with(|provider| provider.algorithms = others, eager()).await;
        strict.provider.script(|script| {
            script.key = Key::new(algorithm, "other");
            script.jwks = vec![script.key.jwk()];
        });
        assert_eq!(strict.refused().await, "alg", "{algorithm}");
    }
}

#[tokio::test]
async fn the_client_says_who_it_is_as_the_provider_wants() {
    for (methods, secret, wants) in [
        (Value::Null, true, "basic"),
        (json!(["client_secret_post", "client_secret_basic"]), true, "basic"),
        (json!(["client_secret_post", "private_key_jwt"]), true, "post"),
        (json!(["private_key_jwt"]), true, "neither"),
        (json!(["client_secret_basic"]), false, "public"),
        (json!(["none"]), false, "public"),
    ] {
        let change = |provider: &mut Provider| {
            if !secret {
                provider.client_secret = None;
            }
        };
        let house = House::with(change, eager()).await;
        let said = methods.clone();
        house.provider.script(|script| {
            script.discovery =
                Box::new(move |document| document["token_endpoint_auth_methods_supported"] = said.clone());
        });
        let outcome = house.refused().await;
        let (header, form) = house.provider.script(|script| script.last.clone());
        let (id, sent) = (form.get("client_id").map(String::as_str), form.get("client_secret").map(String::as_str));
        match wants {
            "basic" => {
                // RFC 6749, section 2.3.1: both are encoded as in a form before they are joined.
                let both = basic(&header.expect("a header"));
                assert_eq!(both, "gateway:a+secret%2C+with%3A+odd+%26+characters+%25");
                assert_eq!((id, sent), (None, None));
            }
            "post" => assert_eq!((header, id, sent), (None, Some(CLIENT), Some(SECRET))),
            "public" => assert_eq!((header, id, sent), (None, Some(CLIENT), None)),
            _ => assert!(outcome.contains("client_secret_basic"), "{outcome}"),
        }
        assert_eq!(outcome == "let in", wants != "neither", "{methods}: {outcome}");
    }
}

#[tokio::test]
async fn attack_17_an_id_token_with_anything_wrong_lets_nobody_in() {
    let house = House::new().await;
    for (claim, value, outcome) in [
        ("iss", json!("https://other.example.com"), "iss"),
        ("iss", json!(format!("{}/", house.provider.issuer)), "iss"),
        ("iss", Value::Null, "iss"),
        ("iss", json!([house.provider.issuer]), "iss"),
        ("aud", json!("another"), "aud"),
        ("aud", json!([]), "aud"),
        ("aud", Value::Null, "aud"),
        ("aud", json!([CLIENT, "another"]), "aud"),
        ("aud", json!([CLIENT, CLIENT]), "aud"),
        ("aud", json!([CLIENT, 1]), "aud"),
        ("aud", json!("Gateway"), "aud"),
        ("azp", json!("another"), "azp"),
        ("azp", json!([CLIENT]), "azp"),
        ("exp", json!(now() - 61), "expired"),
        ("exp", Value::Null, "malformed"),
        ("exp", json!("soon"), "malformed"),
        ("exp", json!(1e300), "malformed"),
        ("iat", json!(now() + 120), "iat"),
        ("iat", json!(now() - 24 * 3600), "iat"),
        ("iat", Value::Null, "iat"),
        ("iat", json!("now"), "iat"),
        ("iat", json!(-1), "iat"),
        ("nbf", json!(now() + 120), "nbf"),
        ("nbf", json!("now"), "nbf"),
        ("nonce", json!("another"), "nonce"),
        ("nonce", json!(""), "nonce"),
        ("nonce", Value::Null, "nonce"),
        ("nonce", json!(["a"]), "malformed"),
        ("sub", Value::Null, "malformed"),
        ("sub", json!(""), "sub"),
        ("sub", json!(17), "malformed"),
        ("sub", json!("a\nb"), "sub"),
        ("sub", json!("a".repeat(256)), "sub"),
        ("sid", json!(17), "sid"),
        ("sid", json!(""), "sid"),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"),
        ("at_hash", json!(""), "at_hash"),
        ("events", json!({}), "events"),
        // And what may be so.
        ("aud", json!([CLIENT]), "let in"),
        ("azp", json!(CLIENT), "let in"),
        ("exp", json!(now() - 30), "let in"),
        ("iat", json!(now() + 30), "let in"),
        ("iat", json!(now() as f64 - 0.5), "let in"),
        ("nbf", json!(now() + 30), "let in"),
        ("sub", json!("a".repeat(255)), "let in"),
        ("sid", Value::Null, "let in"),
        ("updated_at", json!("2026-01-01T00:00:00.000Z"), "let in"),
        ("updated_at", json!(1_700_000_000), "let in"),
    ] {
        let shown = format!("{claim}: {value}");
        house.provider.script(|script| script.claims = set(claim, value));
        assert_eq!(house.refused().await, outcome, "{shown}");
    }
}

#[tokio::test]
async fn attack_17_a_signature_that_is_none_lets_nobody_in() {
    type Make = Box<dyn Fn(&Map<String, Value>) -> String + Send>;
    fn all(claims: &Map<String, Value>) -> String {
        Value::Object(claims.clone()).to_string()
    }
    let house = House::new().await;
    let stranger = Key::new("ES256", "first");
    let rsa = Key::new("RS256", "rsa");
    let key = house.provider.script(|script| Arc::clone(&script.key));
    house.provider.script(|script| script.jwks = vec![key.jwk(), rsa.jwk()]);
    let signed = {
        let key = Arc::clone(&key);
        move |claims: &Map<String, Value>| key.token(&key.header(), &all(claims))
    };
    let with_header = |name: &'static str, value: Value| -> Make {
        let key = Arc::clone(&key);
        Box::new(move |claims| {
            let mut header = key.header();
            header[name] = value.clone();
            key.token(&header, &all(claims))
        })
    };
    let public = rsa.public();
    let cases: Vec<(&str, Make, &str)> = vec![
        ("none", Box::new(|claims| unsigned_token(&all(claims))), "alg"),
        (
            "hmac with the client secret",
            Box::new(|claims| hmac_token(&json!({ "alg": "HS256" }), &all(claims), SECRET.as_bytes())),
            "alg",
        ),
        (
            "hmac with a public key",
            Box::new(move |claims| hmac_token(&json!({ "alg": "HS256", "kid": "rsa" }), &all(claims), &public)),
            "alg",
        ),
        ("another algorithm than the key's", with_header("alg", json!("ES384")), "key"),
        ("an RSA algorithm for an EC key", with_header("alg", json!("RS256")), "key"),
        ("an algorithm in other letters", with_header("alg", json!("es256")), "alg"),
        ("an unknown algorithm", with_header("alg", json!("XX256")), "alg"),
        ("an algorithm that is no text", with_header("alg", json!(["ES256"])), "alg"),
        ("another key", Box::new(move |claims| stranger.token(&stranger.header(), &all(claims))), "signature"),
        ("another key's name", with_header("kid", json!("rsa")), "key"),
        ("an unknown key's name", with_header("kid", json!("third")), "key"),
        ("a header that must be understood", with_header("crit", json!(["b64"])), "typ"),
        ("a nested token", with_header("cty", json!("JWT")), "typ"),
        ("a log-out token's type", with_header("typ", json!("logout+jwt")), "typ"),
        ("an access token's type", with_header("typ", json!("at+jwt")), "typ"),
        ("no token", Box::new(|_| "token".to_owned()), "malformed"),
        ("an empty token", Box::new(|_| String::new()), "malformed"),
        (
            "a token of five parts",
            Box::new({
                let signed = signed.clone();
                move |claims| format!("{}.a.b", signed(claims))
            }),
            "malformed",
        ),
        (
            "a changed signature",
            Box::new({
                let signed = signed.clone();
                move |claims| {
                    let (input, _) =
                        { signed(claims) }.rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("parts");
                    format!("{input}.{}", "A".repeat(86))
                }
            }),
            "signature",
        ),
        (
            "a claim that stands twice",
            Box::new({
                let key = Arc::clone(&key);
                move |claims| {
                    let text = all(claims).replacen('{', "{\"email\":\"eve@example.com\",", 1);
                    key.token(&key.header(), &text)
                }
            }),
            "malformed",
        ),
        (
            "claims and more",
            Box::new({
                let key = Arc::clone(&key);
                move |claims| key.token(&key.header(), &format!("{} {{}}", all(claims)))
            }),
            "malformed",
        ),
        ("a type that says what it is", with_header("typ", json!("JWT")), "let in"),
        ("keys that the header brings along", with_header("jwk", key.jwk()), "let in"),
        ("an honest one", Box::new(signed), "let in"),
    ];
    for (case, make, outcome) in cases {
        house.provider.script(|script| script.token = Some(make));
        assert_eq!(house.refused().await, outcome, "{case}");
    }
}

#[tokio::test]
async fn attack_17_keys_that_the_token_brings_along_do_not_count() {
    let house = House::new().await;
    house.provider.script(|script| {
        let evil = Key::new("ES256", "first");
        script.header = Box::new({
            let jwk = evil.jwk();
            move |header| {
                header["jwk"] = jwk.clone();
                header["jku"] = json!("https://evil.example.com/jwks");
            }
        });
        script.key = evil;
    });
    assert_eq!(house.refused().await, "signature");
}

#[tokio::test]
async fn attack_17_a_symmetric_or_weak_key_in_the_key_set_does_not_count() {
    let house = House::new().await;
    house.provider.script(|script| {
        let weak = json!({ "kty": "RSA", "kid": "weak", "n": "A".repeat(171), "e": "AQAB" });
        script.jwks = vec![json!({ "kty": "oct", "kid": "first", "k": "c2VjcmV0" }), weak];
    });
    assert_eq!(house.refused().await, "unavailable: its keys: none of them can be used");
}

#[tokio::test]
async fn attack_17_a_code_is_good_once_and_with_its_own_secrets_alone() {
    let house = House::new().await;
    let (url, secrets) = house.begin().await.expect("begun");
    let (_, others) = house.begin().await.expect("begun");
    // Somebody else's code, in this browser's log-in: the verifier does not fit.
    let code = house.provider.log_in(&url);
    let wrong = house.finish(&code, others.clone()).await.expect_err("refused");
    assert!(matches!(wrong, ProviderError::NotBelieved { reason: "code-refused", .. }), "{wrong}");
    // Even a provider that does not look at the verifier is caught by the nonce.
    let code = house.provider.log_in(&url);
    let mixed = FlowSecrets { nonce: others.nonce, verifier: secrets.verifier.clone() };
    let wrong = house.finish(&code, mixed).await.expect_err("refused");
    assert!(matches!(wrong, ProviderError::NotBelieved { reason: "nonce", .. }), "{wrong}");
    // The same code a second time.
    let code = house.provider.log_in(&url);
    house.finish(&code, secrets.clone()).await.expect("believed");
    let wrong = house.finish(&code, secrets).await.expect_err("refused");
    assert!(matches!(wrong, ProviderError::NotBelieved { reason: "code-refused", .. }), "{wrong}");
}

#[tokio::test]
async fn attack_17_providers_cannot_be_mixed_up() {
    for (names_itself, iss, outcome) in [
        (false, None, "let in"),
        (false, Some("own"), "let in"),
        (false, Some("https://other.example.com"), "iss"),
        (false, Some(""), "iss"),
        (true, Some("own"), "let in"),
        (true, None, "iss"),
        (true, Some("https://other.example.com"), "iss"),
    ] {
        let house = House::new().await;
        house.provider.script(|script| {
            script.discovery = Box::new(move |document| {
                document["authorization_response_iss_parameter_supported"] = names_itself.into()
            });
        });
        let (url, secrets) = house.begin().await.expect("begun");
        let code = house.provider.log_in(&url);
        let own = house.provider.issuer.clone();
        let iss = iss.map(|iss| if iss == "own" { own.as_str() } else { iss });
        let found = match house.finish_from(&code, secrets, iss).await {
            Ok(_) => "let in",
            Err(ProviderError::NotBelieved { reason, .. }) => reason,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, outcome, "{names_itself} {iss:?}");
        // A code that came from elsewhere is not sent to this provider.
        assert_eq!(house.provider.asked("/token"), usize::from(outcome == "let in"));
    }
}

#[tokio::test]
async fn the_hash_of_the_access_token_is_checked_where_there_is_one() {
    for (algorithm, hash) in [("ES256", &SHA256), ("EdDSA", &SHA512)] {
        let house = House::new().await;
        house.provider.script(|script| {
            script.key = Key::new(algorithm, "k");
            script.jwks = vec![script.key.jwk()];
            script.token_answer = Box::new(|answer| answer["access_token"] = "an-access-token".into());
            script.claims = set("at_hash", half_hash(hash, "an-access-token").into());
        });
        assert_eq!(house.refused().await, "let in", "{algorithm}");
        house.provider.script(|script| {
            script.token_answer = Box::new(|answer| answer["access_token"] = "another-access-token".into());
        });
        assert_eq!(house.refused().await, "at_hash", "{algorithm}");
    }
}

#[tokio::test]
async fn attack_17_an_address_counts_only_when_it_is_verified() {
    for (claims, userinfo, outcome) in [
        // In the ID token.
        (json!({ "email_verified": false }), json!({}), "unverified-email"),
        (json!({ "email_verified": "true" }), json!({}), "ann@example.com"),
        (json!({ "email_verified": "false" }), json!({}), "unverified-email"),
        (json!({ "email_verified": 1 }), json!({}), "malformed"),
        (json!({ "email_verified": "yes" }), json!({}), "malformed"),
        (json!({ "email": "Ann.Lee@EXAMPLE.com" }), json!({}), "ann.lee@example.com"),
        (json!({ "email": ["ann@example.com"] }), json!({}), "malformed"),
        (json!({ "email": "ann@example.com, eve@example.com" }), json!({}), "bad-email"),
        (json!({ "email": "Ann <ann@example.com>" }), json!({}), "bad-email"),
        (json!({ "email": "" }), json!({}), "bad-email"),
        // In userinfo, where the ID token has none, or does not say whether it is verified.
        (json!({ "email": null }), json!({}), "ann@example.com"),
        (json!({ "email": null }), json!({ "email": "bob@example.com" }), "bob@example.com"),
        (json!({ "email": null }), json!({ "email": null }), "no-email"),
        (json!({ "email": null }), json!({ "email_verified": null }), "unverified-email"),
        (json!({ "email": null }), json!({ "email_verified": false }), "unverified-email"),
        (json!({ "email": null }), json!({ "email_verified": "true" }), "ann@example.com"),
        (json!({ "email": null }), json!({ "email": "ann@example.com\nbob@example.com" }), "bad-email"),
        (json!({ "email_verified": null }), json!({}), "ann@example.com"),
        (json!({ "email_verified": null }), json!({ "email_verified": null }), "unverified-email"),
        // What an ID token denies, userinfo does not grant.
        (json!({ "email_verified": false }), json!({ "email_verified": true }), "unverified-email"),
        // Somebody else's userinfo.
        (json!({ "email": null }), json!({ "sub": "subject-2" }), "userinfo-sub"),
        (json!({ "email": null }), json!({ "sub": null }), "unavailable: userinfo: its answer makes no sense"),
    ] {
        let house = House::new().await;
        let shown = format!("{claims} {userinfo}");
        house.provider.script(|script| {
            script.claims = Box::new(move |all| merge(all, &claims));
            script.userinfo = Box::new(move |all| merge(all.as_object_mut().expect("an object"), &userinfo));
        });
        let found = match house.log_in().await {
            Ok(arrived) => arrived.email.as_str().to_owned(),
            Err(ProviderError::NotBelieved { reason, .. }) => reason.to_owned(),
            Err(ProviderError::Unavailable { cause, .. }) => format!("unavailable: {cause}"),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, outcome, "{shown}");
    }
}

fn merge(all: &mut Map<String, Value>, more: &Value) {
    for (name, value) in more.as_object().expect("an object") {
        match value {
            Value::Null => all.remove(name),
            value => all.insert(name.clone(), value.clone()),
        };
    }
}

#[tokio::test]
async fn attack_17_another_claim_than_email_is_not_verified_by_email_verified() {
    for (upn, email, trusts, outcome) in [
        ("eve@example.com", "ann@example.com", false, "unverified-email"),
        ("ann@example.com", "ANN@example.com", false, "ann@example.com"),
        ("eve@example.com", "ann@example.com", true, "eve@example.com"),
        ("eve", "ann@example.com", true, "bad-email"),
    ] {
        let change = |provider: &mut Provider| {
            provider.email_claim = "upn".to_owned();
            provider.trust_unverified_email = trusts;
        };
        let house = House::with(change, eager()).await;
        house.provider.script(|script| {
            script.claims = Box::new(move |all| merge(all, &json!({ "upn": upn, "email": email })));
        });
        let found = match house.log_in().await {
            Ok(arrived) => arrived.email.as_str().to_owned(),
            Err(ProviderError::NotBelieved { reason, .. }) => reason.to_owned(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, outcome, "{upn} {email} {trusts}");
    }
}

#[tokio::test]
async fn a_provider_speaks_for_its_own_domains() {
    let domains =
        vec![HostName::parse("example.net").expect("a name"), HostName::parse("example.org").expect("a name")];
    let house = House::with(|provider| provider.email_domains = domains, eager()).await;
    assert_eq!(house.refused().await, "other-domain");
    house.provider.script(|script| script.claims = set("email", json!("ann@sub.example.org")));
    assert_eq!(house.refused().await, "other-domain");
    house.provider.script(|script| script.claims = set("email", json!("ann@EXAMPLE.ORG")));
    assert_eq!(house.refused().await, "let in");
}

#[tokio::test]
async fn words_and_times_are_tidied() {
    let house = House::new().await;
    let many: Vec<String> = (0..20).map(|number| format!("word{number}")).collect();
    for (value, amr) in [
        (json!(["pwd", "pwd", "", "a b", "é", "a".repeat(33), "urn:x/y.z_1-2"]), vec!["pwd", "urn:x/y.z_1-2"]),
        (json!(many), vec!["word0", "word1", "word2", "word3", "word4", "word5", "word6", "word7"]),
        (Value::Null, vec![]),
    ] {
        house.provider.script(|script| script.claims = set("amr", value));
        assert_eq!(house.log_in().await.expect("believed").proof.amr, amr);
    }
    let moment = now();
    for (value, ago) in [
        (json!(moment - 3600), 3600),
        (json!((moment - 100) as f64 + 0.75), 100),
        (json!(moment + 3600), 0),
        (json!(0), 0),
        (Value::Null, 0),
    ] {
        let shown = value.to_string();
        house.provider.script(|script| script.claims = set("auth_time", value));
        let arrived = house.log_in().await.expect("believed");
        let late = arrived.proof.at.as_second() - (moment - ago);
        assert!((0..30).contains(&late), "{shown}: {late}");
    }
}

#[tokio::test]
async fn only_groups_that_mean_something_are_kept() {
    let change = |provider: &mut Provider| {
        provider.groups_claim = Some("groups".to_owned());
        provider.groups = vec!["staff".to_owned(), "admins".to_owned()];
    };
    for (claims, userinfo, groups) in [
        (json!({ "groups": ["admins", "others", "staff", "staff"] }), json!({}), vec!["staff", "admins"]),
        (json!({ "groups": "admins" }), json!({}), vec!["admins"]),
        (json!({ "groups": ["Admins", "admins ", 7, null, ["admins"]] }), json!({}), vec![]),
        (json!({ "groups": { "admins": true } }), json!({}), vec![]),
        (json!({ "groups": [] }), json!({ "groups": ["admins"] }), vec![]),
        (json!({}), json!({ "groups": ["admins"] }), vec!["admins"]),
        (json!({}), json!({}), vec![]),
    ] {
        let house = House::with(change, eager()).await;
        let shown = format!("{claims} {userinfo}");
        house.provider.script(|script| {
            script.claims = Box::new(move |all| merge(all, &claims));
            script.userinfo = Box::new(move |all| merge(all.as_object_mut().expect("an object"), &userinfo));
        });
        assert_eq!(house.log_in().await.expect("believed").link.groups, groups, "{shown}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_asked_for_where_it_is_needed() {
    let every = std::time::Duration::from_secs(600);
    let house = House::with(|provider| provider.recheck = Some(every), eager()).await;
    let (url, secrets) = house.begin().await.expect("begun");
    assert_eq!(parameter(&url, "scope").as_deref(), Some("openid email profile offline_access"));
    assert_eq!(parameter(&url, "prompt"), None);
    let arrived = house.finish(&house.provider.log_in(&url), secrets).await.expect("believed");
    let until = arrived.link.next_check.expect("a moment").as_second() - now();
    assert!((570..=600).contains(&until), "{until}");
    assert!(arrived.tokens.refresh_token.is_some());

    // A provider that gives none without consent is asked for that; one that gives none with it is not asked for ever.
    house.provider.script(|script| {
        script.token_answer = Box::new(|answer| answer["refresh_token"] = Value::Null);
    });
    let mut prompts = Vec::new();
    for _ in 0..8 {
        let (url, secrets) = house.begin().await.expect("begun");
        prompts.push(parameter(&url, "prompt").is_some());
        let arrived = house.finish(&house.provider.log_in(&url), secrets).await.expect("believed");
        assert_eq!((arrived.link.next_check, arrived.tokens.refresh_token), (None, None));
    }
    assert_eq!(prompts, [false, true, true, true, true, true, false, false]);
}

#[tokio::test]
async fn a_provider_without_offline_access_is_not_asked_for_it() {
    let every = std::time::Duration::from_secs(600);
    let house = House::with(|provider| provider.recheck = Some(every), eager()).await;
    house.provider.script(|script| {
        script.discovery = Box::new(|document| document["scopes_supported"] = json!(["openid", "email"]));
    });
    let (url, _) = house.begin().await.expect("begun");
    assert_eq!(parameter(&url, "scope").as_deref(), Some("openid email profile"));
}

#[tokio::test]
async fn attack_17_what_a_provider_says_of_an_error_is_not_repeated() {
    let house = House::new().await;
    for (fault, outcome) in [
        ((400, r#"{"error":"invalid_grant","error_description":"code of ann@example.com"}"#), "code-refused"),
        ((400, r#"{"error":"invalid_request"}"#), "code-refused"),
        ((400, r#"{"error":"<ann@example.com>"}"#), "code-refused"),
        ((401, r#"{"error":"invalid_client"}"#), "unavailable: it refuses our client id or secret"),
        ((400, "ann@example.com"), "unavailable: its token endpoint's answer makes no sense"),
        ((200, r#"{"access_token":"ann@example.com"}"#), "unavailable: its token endpoint's answer makes no sense"),
        ((200, r#"{"access_token":"a","token_type":"Bearer"}"#), "no-id-token"),
        ((200, "[]"), "unavailable: its token endpoint's answer makes no sense"),
        ((500, "ann@example.com"), "unavailable: it answered with status 500"),
        ((429, "ann@example.com"), "unavailable: it answered with status 429"),
    ] {
        let (status, body) = fault;
        house.provider.script(|script| {
            script.faults.insert("token", super::test_provider::Fault::Status(status, body.to_owned()));
        });
        assert_eq!(house.refused().await, outcome, "{status} {body}");
    }
    assert_eq!((house.counted("code", "ok"), house.counted("code", "refused")), (3, 5));
    assert_eq!(house.counted("code", "unavailable"), 2);
}

#[tokio::test]
async fn nobody_comes_by_a_provider_that_is_not_there() {
    let house = House::new().await;
    let other = ProviderName::parse("other").expect("a name");
    let begin = Begin { redirect_uri: CALLBACK.to_owned(), state: "a-state".to_owned(), hint: None };
    assert!(matches!(house.party.begin(&other, begin).await, Err(ProviderError::Unknown(_))));
    assert!(!house.party.is_up(&other));
}
