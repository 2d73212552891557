//! The real provider is what the stories take it for: seen from a client that is not the gateway.

use serde_json::{Value, json};

use crate::browser::encode;
use crate::house::{House, OPEN};
use crate::provider::{CLIENT, CLIENT_SECRET, Provider};
use crate::provider_pages::query;
use crate::upstream::claims;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn token(provider: &Provider, fields: &[(&str, &str)]) -> Option<Value> {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let request = client.post(format!("{}/token", provider.issuer())).basic_auth(CLIENT, Some(CLIENT_SECRET));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"));
    request.send().await.ok()?.json().await.ok()
}

#[tokio::test]
async fn the_real_provider_does_what_the_stories_ask_of_it() {
    let house = House::start(OPEN).await;
    let provider = Provider::start().await;
    provider.trust(&house, &["orders.test"]).await;
    provider.user("ann", json!({ "sub": "ann-1", "email": "ann@example.com", "groups": ["sales"] })).await;
    let callback = format!("https://{}/.access/oidc/callback", house.host("orders.test"));
    let url = |state: &str| {
        format!(
            "{}/auth?client_id={CLIENT}&response_type=code&scope=openid%20email%20profile&redirect_uri={}&state={state}\
             &nonce=n-1&code_challenge={CHALLENGE}&code_challenge_method=S256",
            provider.issuer(),
            encode(&callback),
        )
    };
    let ann = house.browser("orders.test");
    let back = ann.approve(&url("one"), "ann").await;
    assert!(back.starts_with(&callback), "{back}");
    assert_eq!(query(&back, "iss").as_deref(), Some(provider.issuer()));
    assert_eq!(query(&back, "state").as_deref(), Some("one"));
    let code = query(&back, "code").expect("a code");
    let first = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &callback),
        ("code_verifier", VERIFIER),
    ];
    let tokens = token(&provider, &first).await.expect("tokens");
    let told = claims(tokens["id_token"].as_str().expect("a token"));
    assert_eq!(told["email"], "ann@example.com");
    assert_eq!((&told["sub"], &told["email_verified"], &told["nonce"]), (&json!("ann-1"), &json!(true), &json!("n-1")));
    assert_eq!((&told["groups"], &told["amr"]), (&json!(["sales"]), &json!(["pwd"])));
    assert!(told["sid"].is_string() && told["auth_time"].is_u64(), "{told}");

    // It knows her now, and asks no more.
    let again = ann.through_provider(&url("two"), &[]).await;
    assert!(query(&again, "code").is_some(), "{again}");

    // A refresh token is good once, and a lost answer is lost.
    let refresh = tokens["refresh_token"].as_str().expect("a refresh token").to_owned();
    let refreshed =
        token(&provider, &[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await.expect("tokens");
    let second = refreshed["refresh_token"].as_str().unwrap_or_else(|| panic!("{refreshed}")).to_owned();
    assert_ne!(refresh, second);
    provider.fault("token", "lose", 0, 1).await;
    assert_eq!(token(&provider, &[("grant_type", "refresh_token"), ("refresh_token", &second)]).await, None);
    let late =
        token(&provider, &[("grant_type", "refresh_token"), ("refresh_token", &second)]).await.expect("an answer");
    assert_eq!(late["error"], "invalid_grant");
    assert_eq!(provider.count("token:refresh_token").await, 3);

    // Log-outs are told, and its CA is ours to trust; the gateway may think of it what it likes.
    provider.log_out("ann", None).await;
    let report = provider.report().await;
    assert_eq!(report.backchannel.len(), 1, "{report:?}");
    assert_ne!(report.backchannel[0].status, 0, "{report:?}");
    assert_eq!(report.backchannel[0].url, callback.replace("callback", "backchannel"));
    assert!(report.log.iter().any(|line| line.contains("invalid_grant")), "{report:?}");
    assert_eq!(claims(&report.backchannel[0].token)["sub"], "ann-1");

    let keys = format!("{}/jwks", provider.issuer());
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let before = client.get(&keys).send().await.expect("keys").text().await.expect("text");
    provider.rotate_keys().await;
    let after = client.get(&keys).send().await.expect("keys").text().await.expect("text");
    assert_ne!(before, after);
    provider.down().await;
    assert!(client.get(&keys).send().await.is_err());
    provider.up().await;
    client.get(&keys).send().await.expect("it is back where it was");
    let refused = house.browser("orders.test").refuse(&url("three")).await;
    assert_eq!(query(&refused, "error").as_deref(), Some("access_denied"));
}
