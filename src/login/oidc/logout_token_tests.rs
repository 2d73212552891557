//! Log-out tokens: an honest one ends sessions, once; all that anybody else can send ends nothing.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::test_house::{House, eager, name};
use super::test_provider::{CLIENT, Fault, Key, SECRET, SUBJECT, hmac_token, unsigned_token};
use super::*;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const LONG: Duration = Duration::from_secs(3600);

async fn outcome(house: &House, token: &str) -> String {
    match house.party.verify_logout_token(token).await {
        Ok(LogoutRequest { provider, farewell }) => {
            assert_eq!((provider, farewell.issuer.clone()), (name(), house.provider.issuer.clone()));
            match house.store.end_linked(&farewell).await.expect("the store works") {
                Some(_) => {
                    [farewell.subject, farewell.sid].map(|said| said.unwrap_or_else(|| "-".to_owned())).join(" ")
                }
                None => "replay".to_owned(),
            }
        }
        Err(LogoutTokenError::NotBelieved { reason, .. }) => reason.to_owned(),
        Err(LogoutTokenError::Unavailable { .. }) => "unavailable".to_owned(),
    }
}

#[tokio::test]
async fn attack_24_an_honest_log_out_token_is_believed_once() {
    let house = House::new().await;
    let token = house.provider.logout_token(&house.provider.logout_claims());
    assert_eq!(outcome(&house, &token).await, "subject-1 sid-1");
    assert_eq!(outcome(&house, &token).await, "replay");
    // A copy with the same jti is the same token.
    let mut claims = house.provider.logout_claims();
    let jti = claims["jti"].clone();
    assert_eq!(outcome(&house, &house.provider.logout_token(&claims)).await, "subject-1 sid-1");
    claims = house.provider.logout_claims();
    claims["jti"] = jti;
    assert_eq!(outcome(&house, &house.provider.logout_token(&claims)).await, "replay");
}

#[tokio::test]
async fn attack_24_a_log_out_token_with_anything_wrong_ends_nothing() {
    let house = House::new().await;
    let now = Clock.now().as_second();
    for (claim, value, expected) in [
        ("iss", json!("https://other.example.com"), "iss"),
        ("iss", json!(format!("{}/", house.provider.issuer)), "iss"),
        ("iss", Value::Null, "iss"),
        ("aud", json!("another"), "aud"),
        ("aud", json!(["another"]), "aud"),
        ("aud", json!([]), "aud"),
        ("aud", json!([CLIENT, 7]), "aud"),
        ("aud", Value::Null, "aud"),
        ("iat", json!(now + 120), "iat"),
        ("iat", json!(now - 3600), "iat"),
        ("iat", json!("now"), "iat"),
        ("iat", Value::Null, "iat"),
        ("exp", json!(now - 61), "expired"),
        ("exp", json!("soon"), "expired"),
        ("nbf", json!(now + 120), "nbf"),
        ("jti", Value::Null, "jti"),
        ("jti", json!(""), "jti"),
        ("jti", json!(7), "jti"),
        ("jti", json!("a".repeat(513)), "jti"),
        ("events", Value::Null, "events"),
        ("events", json!({}), "events"),
        ("events", json!([EVENT]), "events"),
        ("events", json!(EVENT), "events"),
        ("events", json!({ EVENT: null }), "events"),
        ("events", json!({ EVENT: "{}" }), "events"),
        ("events", json!({ EVENT: {}, "https://schemas.openid.net/secevent/risc": {} }), "events"),
        ("events", json!({ "http://schemas.openid.net/event/backchannel-logout/": {} }), "events"),
        ("nonce", json!("a nonce"), "nonce"),
        ("nonce", json!(""), "nonce"),
        ("sub", json!(7), "sub"),
        ("sub", json!(""), "sub"),
        ("sub", json!("a\nb"), "sub"),
        ("sid", json!(["sid-1"]), "sid"),
        ("sid", json!(""), "sid"),
        // And what may be so.
        ("aud", json!([CLIENT]), "subject-1 sid-1"),
        ("aud", json!(["another", CLIENT]), "subject-1 sid-1"),
        ("exp", Value::Null, "subject-1 sid-1"),
        ("exp", json!(now - 30), "subject-1 sid-1"),
        ("iat", json!(now + 30), "subject-1 sid-1"),
        ("iat", json!(now - 300), "subject-1 sid-1"),
        ("sub", Value::Null, "- sid-1"),
        ("sid", Value::Null, "subject-1 -"),
        ("events", json!({ EVENT: { "more": 1 } }), "subject-1 sid-1"),
    ] {
        let mut claims = house.provider.logout_claims();
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(claim)),
            ref value => claims[claim] = value.clone(),
        }
        assert_eq!(outcome(&house, &house.provider.logout_token(&claims)).await, expected, "{claim}: {value}");
    }
    let mut claims = house.provider.logout_claims();
    claims.as_object_mut().expect("an object").retain(|name, _| name != "sub" && name != "sid");
    assert_eq!(outcome(&house, &house.provider.logout_token(&claims)).await, "nobody");
}

#[tokio::test]
async fn attack_24_a_null_nonce_is_a_nonce() {
    let house = House::new().await;
    let mut claims = house.provider.logout_claims();
    claims["nonce"] = Value::Null;
    assert_eq!(outcome(&house, &house.provider.logout_token(&claims)).await, "nonce");
}

#[tokio::test]
async fn attack_24_a_signature_that_is_none_ends_nothing() {
    let house = House::new().await;
    let rsa = Key::new("RS256", "rsa");
    let key = house.provider.script(|script| {
        script.jwks.push(rsa.jwk());
        script.jwks.push({
            let mut jwk = Key::new("ES256", "encryption").jwk();
            jwk["use"] = "enc".into();
            jwk
        });
        Arc::clone(&script.key)
    });
    let stranger = Key::new("ES256", "first");
    let claims = || house.provider.logout_claims().to_string();
    let with = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.token(&header, &claims())
    };
    let good = key.token(&key.header(), &claims());
    let (input, _) = good.rsplit_once('.').expect("parts");
    for (case, token, expected) in [
        ("none", unsigned_token(&claims()), "alg"),
        ("hmac with the secret", hmac_token(&json!({ "alg": "HS256" }), &claims(), SECRET.as_bytes()), "alg"),
        ("hmac with a key", hmac_token(&json!({ "alg": "HS256", "kid": "rsa" }), &claims(), &rsa.public()), "alg"),
        ("another algorithm", with("alg", json!("ES384")), "key"),
        ("another kind of key", with("alg", json!("RS256")), "key"),
        ("no algorithm", with("alg", Value::Null), "alg"),
        ("another key", stranger.token(&stranger.header(), &claims()), "signature"),
        ("an unknown key", with("kid", json!("unknown")), "key"),
        ("a key that is no text", with("kid", json!(7)), "key"),
        ("a key that is not for signatures", with("kid", json!("encryption")), "key"),
        ("another type", with("typ", json!("at+jwt")), "typ"),
        ("a type that is no text", with("typ", json!(7)), "typ"),
        ("what must be understood", with("crit", json!(["b64"])), "typ"),
        ("something nested", with("cty", json!("JWT")), "typ"),
        ("no signature", format!("{input}."), "signature"),
        ("part of a signature", format!("{input}.AAAA"), "signature"),
        ("nothing", String::new(), "malformed"),
        ("dots", "..".to_owned(), "malformed"),
        ("four parts", format!("{good}.AAAA"), "malformed"),
        ("five parts", "a.b.c.d.e".to_owned(), "malformed"),
        ("white space", format!(" {good}"), "malformed"),
        ("much", "a".repeat(17 * 1024), "too-long"),
        (
            "a claim that stands twice",
            key.token(&key.header(), &claims().replacen('{', r#"{"sub":"x","#, 1)),
            "malformed",
        ),
        // And what may be so.
        ("its own type", with("typ", json!("logout+jwt")), "subject-1 sid-1"),
        ("its own type in full", with("typ", json!("application/Logout+JWT")), "subject-1 sid-1"),
        ("any token's type", with("typ", json!("JWT")), "subject-1 sid-1"),
        ("no type", key.token(&key.header(), &claims()), "subject-1 sid-1"),
    ] {
        assert_eq!(outcome(&house, &token).await, expected, "{case}");
    }
}

#[tokio::test]
async fn attack_24_an_id_token_and_a_log_out_token_are_never_taken_for_each_other() {
    let house = House::new().await;
    let arrived = house.log_in().await.expect("believed");
    assert_eq!(outcome(&house, arrived.tokens.id_token.expose()).await, "nonce");
    // An ID token without a nonce, as a refresh may bring one.
    house.provider.script(|script| script.claims = Box::new(|claims| drop(claims.remove("nonce"))));
    let bare = house.provider.script(|script| {
        let now = Clock.now().as_second();
        let claims = json!({ "iss": house.provider.issuer, "aud": CLIENT, "sub": SUBJECT, "iat": now, "exp": now + 60, "jti": "1" });
        script.key.token(&script.key.header(), &claims.to_string())
    });
    assert_eq!(outcome(&house, &bare).await, "events");

    // A log-out token that has all that an ID token has, at the token endpoint.
    let logout = house.provider.logout_claims();
    for (typ, expected) in [("logout+jwt", "events"), ("JWT", "events")] {
        let logout = logout.clone();
        house.provider.script(|script| {
            script.header = Box::new(move |header| header["typ"] = typ.into());
            script.claims = Box::new(move |claims: &mut Map<String, Value>| {
                claims.extend(logout.as_object().expect("an object").clone());
            });
        });
        assert_eq!(house.refused().await, expected);
    }
}

#[tokio::test]
async fn attack_24_junk_uses_nothing_up_and_hammers_nobody() {
    let timing = Timing { keys_for_strangers: LONG, keys_for_tokens: LONG, ..eager() };
    let house = House::with(|_| {}, timing).await;
    let claims = house.provider.logout_claims();
    let stranger = Key::new("ES256", "junk");
    let (unknown, forged) = (Key::new("ES256", "unknown"), Key::new("ES256", "first"));
    for junk in [&unknown, &stranger, &forged, &unknown] {
        let reason = outcome(&house, &junk.token(&junk.header(), &claims.to_string())).await;
        assert!(reason == "key" || reason == "signature", "{reason}");
    }
    assert_eq!(house.provider.asked("/jwks"), 2, "once to know them, once for all the junk");
    // The same jti in an honest token is still good.
    assert_eq!(outcome(&house, &house.provider.logout_token(&claims)).await, "subject-1 sid-1");
    // Nor does it keep anybody out who comes with a new key of the provider's.
    house.provider.script(|script| {
        script.key = Key::new("ES256", "next");
        script.jwks.push(script.key.jwk());
    });
    assert_eq!(house.refused().await, "let in");
    // And of strangers' issuers nobody is asked at all.
    let mut foreign = house.provider.logout_claims();
    foreign["iss"] = "https://other.example.com".into();
    let asked = house.counted("discovery", "ok") + house.counted("keys", "ok");
    assert_eq!(outcome(&house, &house.provider.logout_token(&foreign)).await, "iss");
    assert_eq!(house.counted("discovery", "ok") + house.counted("keys", "ok"), asked);
}

#[tokio::test]
async fn a_new_key_signs_log_out_tokens_too() {
    let house = House::new().await;
    house.begin().await.expect("begun");
    house.provider.script(|script| {
        script.key = Key::new("EdDSA", "next");
        script.jwks = vec![script.key.jwk()];
    });
    let token = house.provider.logout_token(&house.provider.logout_claims());
    assert_eq!(outcome(&house, &token).await, "subject-1 sid-1");
}

#[tokio::test]
async fn a_log_out_token_that_cannot_be_checked_may_come_again() {
    let house = House::new().await;
    house.provider.script(|script| drop(script.faults.insert("*", Fault::Status(503, String::new()))));
    let token = house.provider.logout_token(&house.provider.logout_claims());
    assert_eq!(outcome(&house, &token).await, "unavailable");
    house.provider.script(|script| script.faults.clear());
    assert_eq!(outcome(&house, &token).await, "subject-1 sid-1");
}
