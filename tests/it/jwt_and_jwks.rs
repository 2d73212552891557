//! The app can check for itself: a signed assertion, and the keys to check it with.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::house::{House, OPEN};

const JWT: &str =
    "\n[app.orders.identity]\njwt = { header = \"X-Access-Assertion\", audience = \"orders\", lifetime = \"5m\" }\n";

/// Opens an assertion as a careful app would.
fn open(token: &str, keys: &JwkSet, audience: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let header = decode_header(token)?;
    assert_eq!(header.alg, Algorithm::ES256);
    let jwk = keys.find(header.kid.as_deref().expect("a key id")).expect("the key is published");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    Ok(decode::<Value>(token, &DecodingKey::from_jwk(jwk).expect("a public key"), &validation)?.claims)
}

#[tokio::test]
async fn an_assertion_opens_with_the_published_key() {
    let house = House::start(&format!("{OPEN}{JWT}")).await;
    let ann = house.browser("orders.test");
    let keys = ann.fetch("/.access/jwks.json").await.expect(200);
    assert!(!keys.text().contains("\"d\""), "no private part: {}", keys.text());
    let keys: JwkSet = serde_json::from_slice(&keys.body).expect("a key set");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let token = house.upstream.last().header("x-access-assertion").expect("an assertion").to_owned();

    let claims = open(&token, &keys, "orders").expect("it opens");
    assert_eq!(claims["email"], "ann@example.com");
    assert_eq!(claims["iss"].as_str().map(|iss| iss.starts_with("https://orders.test")), Some(true), "{claims}");
    let lives = claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat");
    assert!(lives <= 330, "five minutes and a little: {lives}");
    assert!(claims.to_string().contains("\"42\""), "the customer: {claims}");
    open(&token, &keys, "reports").expect_err("another audience");
}

#[tokio::test]
async fn a_forged_assertion_is_replaced() {
    let house = House::start(&format!("{OPEN}{JWT}")).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let forged = [("x-access-assertion", "eyJhbGciOiJub25lIn0.e30."), ("x_access_assertion", "x")];
    ann.send("GET", "/", &forged, "").await.expect(200);
    let seen = house.upstream.last();
    assert!(seen.header("x-access-assertion").is_some_and(|token| token.len() > 100));
    assert_eq!(seen.header("x_access_assertion"), None);
}

#[tokio::test]
async fn without_the_key_there_is_no_assertion() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-assertion"), None);
}

#[tokio::test]
async fn assertions_are_bound_to_their_app() {
    let apps = format!(
        "{OPEN}{JWT}\n[app.reports]\ndomains = [\"reports.test\"]\nupstream = \"{{{{upstream}}}}\"\n\
         [[app.reports.customers]]\nsource = \"crm\"\nemail = \"email\"\n\
         [app.reports.identity]\njwt = {{ header = \"X-Access-Assertion\", audience = \"reports\" }}\n"
    );
    let house = House::start(&apps).await;
    let ann = house.browser("reports.test");
    let keys: JwkSet = serde_json::from_slice(&ann.fetch("/.access/jwks.json").await.body).expect("a key set");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    let token = house.upstream.last().header("x-access-assertion").expect("an assertion").to_owned();
    open(&token, &keys, "reports").expect("its own audience");
    open(&token, &keys, "orders").expect_err("another app's");
}
