//! Attacks by a provider, or by whoever stands in its place (cases 17 and 18): each lie alone, and none of them opens a session.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::{Answer, Browser, SESSION};
use crate::hostile_provider::{Conduct, Fault, HostileProvider, Signing, now};
use crate::house::{House, OPEN, PEOPLE};
use crate::provider::{CLIENT, CLIENT_SECRET, Provider};

async fn house(liar: &HostileProvider, more: &str) -> House {
    let plan = House::plan(OPEN).ways("orders", r#"["email", "liar"]"#).config(&liar.toml("liar", more));
    plan.login("tries_per_client = 1000000").start().await
}

/// A fresh browser's whole way.
async fn try_it(house: &House) -> (Browser, Answer) {
    let person = house.browser("orders.test");
    let answer = person.log_in_by_provider("liar", "").await;
    (person, answer)
}

/// A lie, by its name.
type Lie = (&'static str, Box<dyn Fn(&mut Conduct)>);

fn lie(name: &'static str, change: impl Fn(&mut Conduct) + 'static) -> Lie {
    (name, Box::new(change))
}

fn claims(name: &'static str, claims: Value) -> Lie {
    lie(name, move |conduct| conduct.claims = claims.clone())
}

/// Every lie is refused, and the truth is believed before and after.
async fn none_is_believed(house: &House, liar: &HostileProvider, lies: Vec<Lie>) {
    liar.conduct(|_| {});
    let (ann, entered) = try_it(house).await;
    assert_eq!(entered.status, 303, "the truth: {}", entered.text());
    ann.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
    let seen = house.upstream.count();
    for (name, change) in lies {
        liar.conduct(change);
        let (person, answer) = try_it(house).await;
        assert!(answer.status >= 400, "{name}: {} to {}", answer.status, answer.location());
        assert_eq!(person.cookie(SESSION), None, "{name}");
        assert!(person.cookies_named("__Host-access-flow").is_empty(), "{name}: the attempt is over");
    }
    assert_eq!(house.upstream.count(), seen);
    liar.conduct(|_| {});
    try_it(house).await.1.expect(303);
}

#[tokio::test]
async fn attack_17_claims_that_are_not_for_us_now_are_not_believed() {
    let liar = HostileProvider::start().await;
    let house = house(&liar, "").await;
    let issuer = liar.issuer().to_owned();
    let lies = vec![
        claims("another issuer", json!({ "iss": "https://evil.test" })),
        claims("an issuer with a slash", json!({ "iss": format!("{issuer}/") })),
        claims("an issuer in capitals", json!({ "iss": issuer.to_uppercase() })),
        claims("issuers", json!({ "iss": [issuer] })),
        claims("no issuer", json!({ "iss": null })),
        claims("another audience", json!({ "aud": "somebody-else" })),
        claims("a longer audience", json!({ "aud": format!("{CLIENT}2") })),
        claims("no audience", json!({ "aud": null })),
        claims("an empty audience", json!({ "aud": [] })),
        claims("two audiences", json!({ "aud": [CLIENT, "somebody-else"] })),
        claims("two audiences and azp", json!({ "aud": [CLIENT, "somebody-else"], "azp": CLIENT })),
        claims("an audience of numbers", json!({ "aud": [CLIENT, 7] })),
        claims("an audience inside", json!({ "aud": [[CLIENT]] })),
        claims("another party", json!({ "azp": "somebody-else" })),
        claims("a party that is no text", json!({ "azp": [CLIENT] })),
        claims("expired", json!({ "exp": now() - 3600 })),
        claims("no end", json!({ "exp": null })),
        claims("an end in words", json!({ "exp": "tomorrow" })),
        claims("issued in the future", json!({ "iat": now() + 3600 })),
        claims("issued long ago", json!({ "iat": now() - 24 * 3600 })),
        claims("never issued", json!({ "iat": null })),
        claims("not yet good", json!({ "nbf": now() + 3600 })),
        claims("no nonce", json!({ "nonce": null })),
        claims("another nonce", json!({ "nonce": "n-0S6_WzA2Mj" })),
        claims("an empty nonce", json!({ "nonce": "" })),
        claims("a nonce that is no text", json!({ "nonce": 7 })),
        claims("nobody", json!({ "sub": null })),
        claims("an empty somebody", json!({ "sub": "" })),
        claims("a number", json!({ "sub": 1 })),
        claims("somebody with a long name", json!({ "sub": "a".repeat(300) })),
        claims("somebody with a line break", json!({ "sub": "ann\n1" })),
        claims("another access token", json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })),
        claims(
            "a log-out token",
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} }, "jti": "1" }),
        ),
    ];
    none_is_believed(&house, &liar, lies).await;
}

#[tokio::test]
async fn attack_17_signatures_that_prove_nothing_are_not_believed() {
    let liar = HostileProvider::start().await;
    let house = house(&liar, "").await;
    let signed = |name, header: Value, signing: Signing| {
        lie(name, move |conduct| {
            conduct.header = header.clone();
            conduct.signing = signing.clone();
        })
    };
    let mut lies = vec![
        signed("none", json!({ "alg": "none" }), Signing::Nobody),
        signed("none without a key's name", json!({ "alg": "none", "kid": null }), Signing::Nobody),
        signed("None", json!({ "alg": "None" }), Signing::Nobody),
        signed("nOnE", json!({ "alg": "nOnE" }), Signing::Nobody),
        signed("no algorithm", json!({ "alg": null }), Signing::Own),
        signed("an algorithm that is no text", json!({ "alg": ["ES256"] }), Signing::Own),
        signed("another algorithm", json!({ "alg": "RS256" }), Signing::Own),
        signed("an algorithm of nobody's", json!({ "alg": "ES256K" }), Signing::Own),
        signed("no signature", json!({}), Signing::Nobody),
        signed("one wrong bit", json!({}), Signing::Broken),
        signed("a stranger", json!({}), Signing::Stranger),
        signed("a stranger without a name", json!({ "kid": null }), Signing::Stranger),
        signed("an unknown key", json!({ "kid": "unknown" }), Signing::Stranger),
        signed("a path for a key", json!({ "kid": "../../../../dev/null" }), Signing::Hmac(Vec::new())),
        signed("a key that it brings along", json!({ "jwk": { "kty": "oct", "k": "" } }), Signing::Stranger),
        signed("a key from elsewhere", json!({ "jku": "https://evil.test/jwks" }), Signing::Stranger),
        signed("an access token", json!({ "typ": "at+jwt" }), Signing::Own),
        signed("a log-out token", json!({ "typ": "logout+jwt" }), Signing::Own),
        signed("what we must understand and do not", json!({ "crit": ["exp"], "exp": 1 }), Signing::Own),
        signed("secret", json!({ "alg": "HS256" }), Signing::Hmac(CLIENT_SECRET.as_bytes().to_vec())),
        signed("secret, nameless", json!({ "alg": "HS256", "kid": null }), Signing::Hmac(CLIENT_SECRET.into())),
    ];
    for key in liar.public_key_bytes() {
        lies.push(signed("public key as secret", json!({ "alg": "HS256" }), Signing::Hmac(key.clone())));
        lies.push(signed("the same, nameless", json!({ "alg": "HS256", "kid": null }), Signing::Hmac(key.clone())));
        lies.push(signed("the same as ES256", json!({}), Signing::Hmac(key)));
    }
    none_is_believed(&house, &liar, lies).await;
    assert!(
        liar.asked("jwks").len() < 8,
        "and nobody's keys were fetched again and again: {:?}",
        liar.asked("jwks").len()
    );
}

#[tokio::test]
async fn attack_17_keys_of_other_kinds_count_for_nothing() {
    let secret = data_encoding::BASE64URL_NOPAD.encode(CLIENT_SECRET.as_bytes());
    let symmetric = json!({ "keys": [{ "kty": "oct", "kid": "own", "alg": "HS256", "use": "sig", "k": secret }] });
    for (name, keys) in [("a secret as a key", symmetric), ("no keys", json!({ "keys": [] }))] {
        let liar = HostileProvider::start().await;
        let house = house(&liar, "").await;
        liar.conduct(|conduct| {
            conduct.keys = keys.clone();
            conduct.header = json!({ "alg": "HS256" });
            conduct.signing = Signing::Hmac(CLIENT_SECRET.into());
        });
        let person = house.browser("orders.test");
        let start = person.navigate("/.access/oidc/start?provider=liar&to=/").await;
        if start.status == 303 {
            let back = person.through_provider(start.location(), &[]).await;
            let answer = person.callback(&back).await;
            assert!(answer.status >= 400, "{name}: {}", answer.status);
        }
        assert_eq!(person.cookie(SESSION), None, "{name}");
    }
}

#[tokio::test]
async fn attack_17_a_token_endpoint_that_misbehaves_gets_nothing_and_holds_nobody_up() {
    let (liar, elsewhere) = (HostileProvider::start().await, HostileProvider::start().await);
    let house = house(&liar, "timeout = \"1s\"").await;
    let fault = |name, endpoint: &'static str, fault: Fault| {
        lie(name, move |conduct| {
            conduct.claims = json!({ "email": null });
            conduct.faults.insert(endpoint, fault.clone());
        })
    };
    let tokens = |name, tokens: Value| lie(name, move |conduct| conduct.tokens = tokens.clone());
    let away = format!("{}/token", elsewhere.issuer());
    let mut lies = vec![
        tokens("no ID token", json!({ "id_token": null })),
        tokens("no token at all", json!({ "id_token": "x" })),
        tokens("two dots", json!({ "id_token": ".." })),
        tokens("tokens", json!({ "id_token": ["a", "b"] })),
        tokens("no access token", json!({ "access_token": null })),
        tokens("an error with tokens", json!({ "error": "invalid_grant", "access_token": null })),
    ];
    for endpoint in ["token", "userinfo"] {
        lies.push(fault("out of order", endpoint, Fault::Status(500)));
        lies.push(fault("not there", endpoint, Fault::Status(404)));
        lies.push(fault("moved for good", endpoint, Fault::Redirect(308, away.clone())));
        lies.push(fault("moved for now", endpoint, Fault::Redirect(307, away.clone())));
        lies.push(fault("look there", endpoint, Fault::Redirect(302, away.clone())));
        lies.push(fault("slow", endpoint, Fault::Slow(Duration::from_secs(20))));
        lies.push(fault("endless", endpoint, Fault::Huge));
        lies.push(fault("no JSON", endpoint, Fault::Text("<html>")));
        lies.push(fault("no object", endpoint, Fault::Text("[]")));
        lies.push(fault("two of a name", endpoint, Fault::Text(r#"{"sub":"ann-1","sub":"eve-1","email":"a@b.test"}"#)));
    }
    let begun = Instant::now();
    none_is_believed(&house, &liar, lies).await;
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert!(elsewhere.asked("token").is_empty(), "codes and secrets went elsewhere");
    let asked = liar.asked("token").remove(0).fields;
    assert!(asked.get("code_verifier").is_some_and(|verifier| verifier.len() >= 43), "{asked:?}");
    assert!(!asked.contains_key("client_secret"), "the secret goes in a header, which fewer logs keep: {asked:?}");
}

#[tokio::test]
async fn attack_17_userinfo_speaks_of_the_same_person_or_of_nobody() {
    let liar = HostileProvider::start().await;
    let house = house(&liar, "").await;
    let told = |name, userinfo: Value| {
        lie(name, move |conduct| {
            conduct.claims = json!({ "email": null, "email_verified": null });
            conduct.userinfo = userinfo.clone();
        })
    };
    let lies = vec![
        told("somebody else", json!({ "sub": "eve-1" })),
        told("nobody", json!({ "sub": null })),
        told("somebody like her", json!({ "sub": "ANN-1" })),
        told("no address", json!({ "email": null })),
        told("not verified", json!({ "email_verified": false })),
        told("nothing of verification", json!({ "email_verified": null })),
        // What the token says of one address says nothing of another.
        lie("two halves", |conduct| {
            conduct.claims = json!({ "email": null, "email_verified": true });
            conduct.userinfo = json!({ "email_verified": null });
        }),
        lie("unverified, then verified", |conduct| {
            conduct.claims = json!({ "email": "ann@example.com", "email_verified": false });
        }),
    ];
    none_is_believed(&house, &liar, lies).await;
}

#[tokio::test]
async fn attack_17_a_discovery_document_names_its_issuer_and_safe_places_alone() {
    let elsewhere = Provider::start().await;
    let issuer = elsewhere.issuer().to_owned();
    let lies: Vec<(&str, Value, Option<Fault>)> = vec![
        ("another", json!({ "issuer": issuer }), None),
        ("none", json!({ "issuer": null }), None),
        ("plain", json!({ "token_endpoint": "http://evil.test/token" }), None),
        ("auth", json!({ "authorization_endpoint": "http://evil.test/auth" }), None),
        ("script", json!({ "authorization_endpoint": "javascript:alert(1)" }), None),
        ("jwks", json!({ "jwks_uri": "http://evil.test/jwks" }), None),
        ("file", json!({ "jwks_uri": "file:///etc/passwd" }), None),
        ("userinfo", json!({ "userinfo_endpoint": "http://evil.test/me" }), None),
        ("notoken", json!({ "token_endpoint": null }), None),
        ("algs", json!({ "id_token_signing_alg_values_supported": ["none", "HS256"] }), None),
        ("redirect", json!({}), Some(Fault::Redirect(302, format!("{issuer}/.well-known/openid-configuration")))),
        ("huge", json!({}), Some(Fault::Huge)),
        ("broken", json!({}), Some(Fault::Text("{"))),
        ("status", json!({}), Some(Fault::Status(404))),
    ];
    let mut liars = Vec::new();
    let mut plan = House::plan(OPEN);
    for (name, discovery, fault) in lies {
        let liar = HostileProvider::start().await;
        liar.conduct(|conduct| {
            conduct.discovery = discovery;
            conduct.faults.extend(fault.map(|fault| ("discovery", fault)));
        });
        plan = plan.config(&liar.toml(name, "timeout = \"2s\""));
        liars.push((name, liar));
    }
    let names: Vec<String> = liars.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let house = plan.ways("orders", &format!("[\"email\", {}]", names.join(", "))).start().await;
    let ann = house.browser("orders.test");
    for (name, liar) in &liars {
        let answer = ann.navigate(&format!("/.access/oidc/start?provider={name}&to=/")).await;
        assert_eq!(answer.status, 503, "{name}: to {}", answer.location());
        assert!(answer.onward().is_none(), "{name}");
        assert!(liar.asked("token").is_empty() && liar.asked("auth").is_empty(), "{name}");
    }
    ann.log_in("ann@example.com").await;
}

#[tokio::test]
async fn attack_17_a_way_back_that_names_another_provider_is_not_taken() {
    let liar = HostileProvider::start().await;
    let house = house(&liar, "").await;
    let back = |name, back: Value, raw: &'static str| {
        lie(name, move |conduct| {
            conduct.back = back.clone();
            raw.clone_into(&mut conduct.back_raw);
        })
    };
    let issuer = liar.issuer().to_owned();
    none_is_believed(
        &house,
        &liar,
        vec![
            back("another issuer", json!({ "iss": "https://evil.test" }), ""),
            back("an issuer with a slash", json!({ "iss": format!("{issuer}/") }), ""),
            back("no issuer, though it said that it names itself", json!({ "iss": null }), ""),
            back("an empty issuer", json!({ "iss": "" }), ""),
        ],
    )
    .await;
    let asked = liar.asked("token").len();
    // What cannot be read in one way is not read at all; the attempt stays, for it may be somebody else who sent this.
    for (name, changes, raw) in [
        ("two codes", json!({}), "&code=other"),
        ("two states", json!({}), "&state=other"),
        ("two issuers", json!({}), "&iss=other"),
        ("the same code twice", json!({ "code": "a" }), "&code=a"),
        ("an error and a code", json!({ "error": "access_denied" }), ""),
        ("no code", json!({ "code": null }), ""),
        ("no state", json!({ "state": null }), ""),
        ("an empty state", json!({ "state": "" }), ""),
        ("another state", json!({ "state": "a".repeat(43) }), ""),
        ("a long code", json!({ "code": "a".repeat(5000) }), ""),
    ] {
        liar.conduct(|conduct| {
            conduct.back = changes;
            raw.clone_into(&mut conduct.back_raw);
        });
        let (person, answer) = try_it(&house).await;
        assert!(answer.status >= 400, "{name}: {}", answer.status);
        assert_eq!(person.cookie(SESSION), None, "{name}");
    }
    assert_eq!(liar.asked("token").len(), asked, "no code was redeemed");
}

#[tokio::test]
async fn attack_17_a_way_back_is_never_sent_a_code_of_another_providers() {
    // Mix-up: Ann begins at one provider, whose answer is replaced by that of another, where her code would be told to it.
    let (honest, liar) = (HostileProvider::start().await, HostileProvider::start().await);
    let plan = House::plan(OPEN).ways("orders", r#"["honest", "liar"]"#);
    let house = plan.config(&honest.toml("honest", "")).config(&liar.toml("liar", "")).start().await;
    let ann = house.browser("orders.test");
    let at_liar = ann.begin_at_provider("liar").await;
    let at_honest = ann.begin_at_provider("honest").await;
    let (from_liar, from_honest) =
        (ann.through_provider(&at_liar, &[]).await, ann.through_provider(&at_honest, &[]).await);
    let state = crate::provider_pages::query(&from_liar, "state").expect("a state");
    // The honest provider's code, issuer and all, under the state of the attempt at the liar.
    let mixed = crate::provider_pages::with_query(&from_honest, "state", Some(&state));
    let answer = ann.callback(&mixed).await;
    assert!(answer.status >= 400, "{}", answer.status);
    assert_eq!(ann.cookie(SESSION), None);
    assert!(liar.asked("token").is_empty(), "the liar was told a code");
    assert!(honest.asked("token").is_empty());
}

#[tokio::test]
async fn attack_18_no_spelling_of_an_address_makes_somebody_else() {
    let liar = HostileProvider::start().await;
    let house = house(&liar, "").await;
    for (n, same) in ["ann@example.com", "ANN@EXAMPLE.COM", " ann@example.com\t", "Ann@Example.com."].iter().enumerate()
    {
        // One person at the provider: the address is remembered as theirs.
        liar.conduct(|conduct| conduct.claims = json!({ "email": same }));
        let (ann, answer) = try_it(&house).await;
        if answer.status == 303 {
            ann.fetch("/").await.expect(200);
            assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"), "{same:?}");
        } else {
            assert!(n > 1, "{same:?}: {}", answer.text());
        }
    }
    let others = [
        json!("ann+x@example.com"),
        json!("a.nn@example.com"),
        json!("ann@sub.example.com"),
        json!("\u{430}nn@example.com"),
        json!("ann@ex\u{430}mple.com"),
        json!("\u{ff41}nn@example.com"),
        json!("ann\u{200b}@example.com"),
        json!("ann@example.com@evil.test"),
        json!("ann@evil.test@example.com"),
        json!("\"ann\"@example.com"),
        json!("\"ann@example.com\"@evil.test"),
        json!("ann(comment)@example.com"),
        json!("<ann@example.com>"),
        json!("Ann <ann@example.com>"),
        json!("ann@example.com, thief@evil.test"),
        json!("ann@example.com\r\nx-access-role: admin"),
        json!("ann@example.com\u{0}"),
        json!("ann@example.com thief@evil.test"),
        json!(["ann@example.com"]),
        json!(["thief@evil.test", "ann@example.com"]),
        json!({ "value": "ann@example.com" }),
        json!(""),
        json!("@example.com"),
        json!("ann@"),
        json!("ann"),
        json!(7),
        json!(true),
    ];
    let seen = house.upstream.count();
    for (n, other) in others.into_iter().enumerate() {
        liar.conduct(|conduct| conduct.claims = json!({ "sub": format!("other-{n}"), "email": other }));
        let (person, answer) = try_it(&house).await;
        assert!(answer.status >= 400, "{other}: {}", answer.status);
        assert_eq!(person.cookie(SESSION), None, "{other}");
    }
    assert_eq!(house.upstream.count(), seen);
}

#[tokio::test]
async fn attack_18_no_provider_speaks_for_a_domain_of_anothers() {
    let people = format!("{PEOPLE}gil@big.example,42,Acme Ltd,Gil Orr,active,reader,,,en,EU\n");
    for hub in ["", "hub = \"login.test\""] {
        let (big, other) = (HostileProvider::start().await, HostileProvider::start().await);
        let plan = House::plan(OPEN).ways("orders", r#"["email", "big", "other"]"#).login(hub);
        let plan = plan.config(&big.toml("big", "email_domains = [\"big.example\"]")).config(&other.toml("other", ""));
        let house = plan.file("people.csv", people.clone()).start().await;
        let gil = json!({ "sub": "gil-1", "email": "gil@big.example" });
        other.conduct(|conduct| conduct.claims = gil.clone());
        let thief = house.browser("orders.test");
        thief.log_in_by_provider("other", "").await.expect(403);
        assert_eq!(thief.cookie(SESSION), None);
        // Nor does that one speak for anybody else, sub-domains of its own included.
        for email in ["ann@example.com", "gil@sub.big.example", "gil@notbig.example", "gil@big.example.evil.test"] {
            big.conduct(|conduct| conduct.claims = json!({ "sub": email, "email": email }));
            thief.log_in_by_provider("big", "").await.expect(403);
            assert_eq!(thief.cookie(SESSION), None, "{email}");
        }
        // What was refused has left no trace: the real Gil is not locked out by it.
        big.conduct(|conduct| conduct.claims = gil.clone());
        let gil = house.browser("orders.test");
        gil.log_in_by_provider("big", "").await.expect(303);
        gil.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-email"), Some("gil@big.example"));
    }
}

#[tokio::test]
async fn attack_18_nobody_gets_a_mail_at_an_address_that_a_provider_speaks_for() {
    let people = format!("{PEOPLE}gil@big.example,42,Acme Ltd,Gil Orr,active,reader,,,en,EU\n");
    let big = HostileProvider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["email", "big"]"#).file("people.csv", people);
    let house = plan.config(&big.toml("big", "email_domains = [\"big.example\"]")).start().await;
    for spelled in ["gil@big.example", "GIL@BIG.EXAMPLE", " gil@big.example ", "gil@big.example."] {
        let person = house.browser("orders.test");
        let answer = person.post("/.access/login", &[("email", spelled), ("to", "/")]).await;
        assert!(matches!(answer.status, 200 | 400), "{spelled:?}: {}", answer.status);
    }
    // Had a mail been sent, it would have come before this one.
    house.browser("orders.test").log_in("ann@example.com").await;
    assert_eq!(house.mail.all().await.len(), 1);
}

#[tokio::test]
async fn attack_17_the_operators_list_of_signatures_is_not_the_providers_to_widen() {
    let liar = HostileProvider::start().await;
    // Before the gateway first looks, which it does by itself.
    liar.conduct(|conduct| {
        conduct.discovery = json!({ "id_token_signing_alg_values_supported": ["RS256", "ES256"] });
    });
    let house = house(&liar, "algorithms = [\"RS256\"]").await;
    let (person, answer) = try_it(&house).await;
    assert!(answer.status >= 400, "{}", answer.status);
    assert_eq!(person.cookie(SESSION), None);
}

#[tokio::test]
async fn attack_15_a_providers_words_are_never_shown() {
    let liar = HostileProvider::start().await;
    let house = house(&liar, "").await;
    for error in ["access_denied", "server_error", "<script>alert(1)</script>", "evil.test", "a\r\nset-cookie: a=b"] {
        liar.conduct(|conduct| {
            conduct.back = json!({ "code": null, "error": error, "error_description": "call 555 or visit evil.test",
                "error_uri": "https://evil.test/" });
        });
        let (person, page) = try_it(&house).await;
        assert!(page.status >= 400, "{error}: {}", page.status);
        let text = page.text();
        assert!(!text.contains("evil") && !text.contains("555") && !text.contains("alert(1)"), "{error}:\n{text}");
        assert!(page.all("set-cookie").iter().all(|cookie| cookie.starts_with("__Host-access")), "{error}");
        assert_eq!(person.cookie(SESSION), None);
    }
}

#[tokio::test]
async fn attack_25_a_provider_that_is_down_is_not_stormed_and_holds_up_no_page() {
    let (down, slow) = (HostileProvider::start().await, HostileProvider::start().await);
    down.conduct(|conduct| {
        conduct.faults.insert("discovery", Fault::Status(503));
    });
    slow.conduct(|conduct| {
        conduct.faults.insert("discovery", Fault::Slow(Duration::from_secs(3)));
    });
    let plan = House::plan(OPEN).ways("orders", r#"["email", "down", "slow"]"#).login("tries_per_client = 1000000");
    let house = plan.config(&down.toml("down", "")).config(&slow.toml("slow", "")).start().await;
    let begun = Instant::now();
    house.browser("orders.test").navigate("/.access/login").await.expect(200);
    assert!(begun.elapsed() < Duration::from_secs(2), "the page waits for nobody: {:?}", begun.elapsed());
    let asks = (0..40).map(async |n| {
        let name = if n % 2 == 0 { "down" } else { "slow" };
        let path = format!("/.access/oidc/start?provider={name}&to=/");
        (name, house.browser("orders.test").navigate(&path).await.status)
    });
    for (name, status) in futures_util::future::join_all(asks).await {
        assert_eq!(status, if name == "down" { 503 } else { 303 }, "{name}");
    }
    assert!(down.asked("discovery").len() <= 3, "{} times", down.asked("discovery").len());
    assert!(slow.asked("discovery").len() <= 2, "{} times", slow.asked("discovery").len());
}

#[tokio::test]
async fn attack_25_a_refresh_that_speaks_of_somebody_else_ends_the_session() {
    let liar = HostileProvider::start().await;
    let plan = House::plan(OPEN).ways("orders", r#"["liar"]"#).login("tries_per_client = 1000000");
    let house = plan.config(&liar.toml("liar", "recheck = \"10s\"")).start().await;
    let mut people = Vec::new();
    for _ in 0..5 {
        let (person, entered) = try_it(&house).await;
        entered.expect(303);
        people.push(person);
    }
    let since = Instant::now();
    for person in &people {
        person.fetch("/").await.expect(200);
    }
    tokio::time::sleep_until((since + Duration::from_millis(10_500)).into()).await;
    let seen = house.upstream.count();
    let lies: [(&str, Value, Value, Signing, u16); 5] = [
        ("another subject", json!({ "sub": "eve-1" }), json!({}), Signing::Own, 401),
        ("a stranger's signature", json!({}), json!({}), Signing::Stranger, 503),
        ("another audience", json!({ "aud": "somebody-else" }), json!({}), Signing::Own, 503),
        ("no token at all", json!({}), json!({ "id_token": null, "refresh_token": null }), Signing::Own, 200),
        ("the truth", json!({}), json!({}), Signing::Own, 200),
    ];
    for (person, (name, claims, tokens, signing, status)) in people.iter().zip(lies) {
        liar.conduct(|conduct| {
            (conduct.claims, conduct.tokens, conduct.signing) = (claims, tokens, signing);
        });
        let answer = person.fetch("/").await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    assert_eq!(house.upstream.count(), seen + 2, "only those two reached the app");
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
}

#[tokio::test]
async fn attack_17_the_claim_that_verifies_is_the_one_that_the_operator_named() {
    let liar = HostileProvider::start().await;
    let house = house(&liar, "email_verified_claim = \"xms_edov\"").await;
    // `email_verified` says nothing there, whatever it says.
    for (claims, status) in [
        (json!({ "xms_edov": true, "email_verified": null }), 303),
        (json!({ "xms_edov": true, "email_verified": false }), 303),
        (json!({ "xms_edov": null, "email_verified": true }), 403),
        (json!({ "xms_edov": false, "email_verified": true }), 403),
        (json!({ "xms_edov": "no", "email_verified": true }), 403),
    ] {
        liar.conduct(|conduct| {
            conduct.claims = claims.clone();
            conduct.userinfo = json!({ "email_verified": null });
        });
        let (person, answer) = try_it(&house).await;
        assert_eq!(answer.status, status, "{claims}: {}", answer.text());
        assert_eq!(person.cookie(SESSION).is_some(), status == 303, "{claims}");
    }
}
