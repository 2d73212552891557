//! What the app is told about a person, preset by preset.

use crate::house::{House, OPEN, PEOPLE};
use crate::upstream::Seen;

/// Logs in and returns the request as the app saw it, under a configuration of identity.
async fn seen_with(email: &str, identity: &str) -> Seen {
    let house = House::start(&format!("{OPEN}\n{identity}\n")).await;
    let person = house.browser("orders.test");
    person.log_in(email).await;
    person.fetch("/").await.expect(200);
    house.upstream.last()
}

fn check(seen: &Seen, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(seen.header(name), *value, "{name} in {:#?}", seen.headers);
    }
}

#[tokio::test]
async fn access_tells_everything() {
    let seen = seen_with("ann@example.com", "").await;
    check(
        &seen,
        &[
            ("X-Access-Email", Some("ann@example.com")),
            ("X-Access-Name", Some("Ann Lee")),
            ("X-Access-Customer", Some("42")),
            ("X-Access-Customer-Name", Some("Acme Ltd")),
            ("X-Access-Role", Some("user")),
            ("X-Access-Days-Back", Some("30")),
            ("X-Access-Language", Some("en")),
            ("Remote-User", None),
        ],
    );
    let since = seen.header("x-access-since").expect("days back give a day");
    assert!(since.len() == 10 && since.as_bytes()[4] == b'-', "{since}");
}

#[tokio::test]
async fn values_outside_ascii_are_percent_encoded_and_absent_ones_absent() {
    let seen = seen_with("zoe@example.com", "").await;
    check(
        &seen,
        &[
            ("X-Access-Name", Some("Zo%C3%AB Nguy%E1%BB%85n")),
            ("X-Access-Customer-Name", Some("%C3%9Cberma%C3%9F & S%C3%B6hne")),
        ],
    );
    let bob = seen_with("bob@example.com", "").await;
    check(&bob, &[("X-Access-Days-Back", None), ("X-Access-Since", None)]);
}

#[tokio::test]
async fn remote_tells_user_email_name_and_groups() {
    let seen = seen_with("ann@example.com", "[app.orders.identity]\nheaders = \"remote\"").await;
    check(
        &seen,
        &[
            ("Remote-User", Some("ann@example.com")),
            ("Remote-Email", Some("ann@example.com")),
            ("Remote-Name", Some("Ann Lee")),
            ("Remote-Groups", Some("user")),
            ("X-Access-Email", None),
        ],
    );
}

#[tokio::test]
async fn forwarded_tells_user_email_name_and_groups() {
    let seen = seen_with("ann@example.com", "[app.orders.identity]\nheaders = \"forwarded\"").await;
    check(
        &seen,
        &[
            ("X-Forwarded-User", Some("ann@example.com")),
            ("X-Forwarded-Email", Some("ann@example.com")),
            ("X-Forwarded-Preferred-Username", Some("Ann Lee")),
            ("X-Forwarded-Groups", Some("user")),
            ("X-Access-Email", None),
        ],
    );
}

#[tokio::test]
async fn auth_request_tells_user_email_name_and_groups() {
    let seen = seen_with("ann@example.com", "[app.orders.identity]\nheaders = \"auth-request\"").await;
    check(
        &seen,
        &[
            ("X-Auth-Request-User", Some("ann@example.com")),
            ("X-Auth-Request-Email", Some("ann@example.com")),
            ("X-Auth-Request-Preferred-Username", Some("Ann Lee")),
            ("X-Auth-Request-Groups", Some("user")),
        ],
    );
}

#[tokio::test]
async fn none_tells_nothing_but_what_extra_says() {
    let identity = "[app.orders.identity]\nheaders = \"none\"\nextra = { \"X-Tenant\" = \"{customer.id}\", \"X-Who\" = \"<{email}>\" }";
    let seen = seen_with("ann@example.com", identity).await;
    check(&seen, &[("X-Tenant", Some("42")), ("X-Who", Some("<ann@example.com>")), ("X-Access-Email", None)]);
    assert!(!seen.text().to_ascii_lowercase().contains("x-access"), "{}", seen.text());
}

#[tokio::test]
async fn every_request_says_whence_and_for_whom() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let answer = ann.fetch("/").await.expect(200);
    let seen = house.upstream.last();
    let host = house.host("orders.test");
    check(
        &seen,
        &[
            ("X-Forwarded-For", Some("127.0.0.1")),
            ("X-Forwarded-Proto", Some("https")),
            ("X-Forwarded-Host", Some(&host)),
            ("Host", Some(&host)),
        ],
    );
    let forwarded = seen.header("forwarded").expect("RFC 7239");
    for part in ["for=127.0.0.1", "proto=https", "orders.test"] {
        assert!(forwarded.contains(part), "{forwarded}");
    }
    let id = seen.header("x-request-id").expect("a request id");
    assert_eq!(answer.header("x-request-id"), id, "the customer can quote it");
    assert!(!seen.text().contains("__Host-access"), "our cookies stay with us: {}", seen.text());
}

#[tokio::test]
async fn an_operator_adds_headers_both_ways() {
    let apps = format!(
        "{OPEN}\n[app.orders.request_headers]\n\"X-Env\" = \"prod\"\n[app.orders.response_headers]\n\
         \"Strict-Transport-Security\" = \"max-age=31536000\"\n"
    );
    let house = House::start(&apps).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let answer = ann.send("GET", "/", &[("x-env", "forged")], "").await.expect(200);
    check(&house.upstream.last(), &[("X-Env", Some("prod"))]);
    assert_eq!(answer.all("strict-transport-security"), ["max-age=31536000"]);
}

#[tokio::test]
async fn the_day_since_is_a_day_of_the_apps_time_zone() {
    // Two zones that never agree on the day: UTC-12 and UTC+14 are 26 hours apart.
    let mut days = Vec::new();
    for zone in ["Etc/GMT+12", "Etc/GMT-14"] {
        let apps =
            OPEN.replace("[[app.orders.customers]]", &format!("time_zone = \"{zone}\"\n[[app.orders.customers]]"));
        let house = House::plan(&apps).file("people.csv", PEOPLE.replace(",30,en", ",0,en")).start().await;
        let ann = house.browser("orders.test");
        ann.log_in("ann@example.com").await;
        ann.fetch("/").await.expect(200);
        days.push(house.upstream.last().header("x-access-since").expect("today").to_owned());
    }
    assert!(days[0] < days[1], "{days:?}");
}
