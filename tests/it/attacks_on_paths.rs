//! Attacks on path and routing (cases 1 to 5): rules see what the app gets, and nothing opens by a trick.

use crate::browser::SESSION;
use crate::house::{House, LADDER, OPEN, printed};
use crate::wire_h2::Outcome;

/// A reader, who may read everything but `/admin/**`, and the fields to say so by hand.
async fn reader() -> (House, String, String) {
    let house = House::start(LADDER).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let host = format!("host: {}", house.host("orders.test"));
    (house, host, format!("cookie: {}", bob.cookie_header()))
}

/// Targets that some server reads as `/admin/users`, or that no two servers read alike.
const CROOKED: &[&str] = &[
    "/x/../admin/users",
    "/./admin/users",
    "/admin/./users",
    "/x/%2e%2e/admin/users",
    "/x/%2E%2e/admin/users",
    "/x/.%2e/admin/users",
    "/x/%2e./admin/users",
    "/x/..%2fadmin/users",
    "/x%2f..%2fadmin/users",
    "/..;/admin/users",
    "/x/..;a=b/admin/users",
    "/admin;x=1/users",
    "/admin/users;x",
    "//admin/users",
    "/x//admin/users",
    "/admin//users",
    "///admin/users",
    "/admin%2fusers",
    "/admin%2Fusers",
    "/x%5c..%5cadmin/users",
    "/x\\..\\admin\\users",
    "\\admin\\users",
    "/admin\\users",
    "/admin%5cusers",
    "/admin/users%00",
    "/admin/users%00.html",
    "/%00/admin/users",
    "/%252e%252e/admin/users",
    "/x/%252e%252e%252fadmin/users",
    "/admin%252fusers",
    "/%2561dmin/users",
    "/admin/users%",
    "/admin/users%2",
    "/admin/users%zz",
    "/%u0061dmin/users",
    "/admin/users%3bx",
    "/admin%3fusers",
    "/admin%23users",
    "/%c0%ae%c0%ae/admin/users",
    "/%c0%afadmin/users",
    "/admin%09/users",
    "/admin/users%0a",
    "/admin/users%0d%0aX:y",
    "/admin/users%20/..",
    "/x/%2e%2e",
    "/..",
    "/../admin/users",
];

#[tokio::test]
async fn attack_01_no_spelling_of_a_path_gets_round_a_rule() {
    let (house, host, cookie) = reader().await;
    for target in CROOKED {
        let before = house.upstream.count();
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, &cookie]).await;
        let status = answer.as_ref().map(|answer| answer.status);
        assert_eq!(status, Some(400), "{target}");
        assert_eq!(house.upstream.count(), before, "{target} reached the app as {:?}", house.upstream.last().target);
    }
    // The HTTP engine cuts a raw `#` and what follows off: the rule sees what is left, and so does the app.
    for (target, left) in [("/admin/users#", "/admin/users"), ("/x#/../admin/users", "/x"), ("/#/../admin/users", "/")]
    {
        let before = house.upstream.count();
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        assert!(matches!(answer.status, 200 | 400 | 403), "{target}: {}", answer.status);
        for seen in &house.upstream.seen()[before..] {
            assert_eq!(seen.target, left);
            assert_ne!(seen.target, "/admin/users");
        }
    }
    // Spellings that mean the same and are no trick: the rule sees through them.
    for target in ["/%61dmin/users", "/admin/user%73", "/admin/", "/admin/users?x=/y", "/%41dmin/../"] {
        let before = house.upstream.count();
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        assert!(matches!(answer.status, 400 | 403), "{target}: {}", answer.status);
        assert_eq!(house.upstream.count(), before, "{target}");
    }
}

#[tokio::test]
async fn attack_01_the_app_gets_the_path_that_was_decided() {
    let (house, host, cookie) = reader().await;
    for (sent, got) in [
        ("/orders/7", "/orders/7"),
        ("/%6Frders/7", "/orders/7"),
        ("/a%20b/%c3%a4?q=%2e%2e%2f&r=//", "/a%20b/%C3%A4?q=%2e%2e%2f&r=//"),
        ("/orders?", "/orders?"),
        ("/x/...", "/x/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/a:b@c/$&'()*+,=~", "/a:b@c/$&'()*+,=~"),
    ] {
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {sent} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        assert_eq!(answer.status, 200, "{sent}");
        assert_eq!(house.upstream.last().target, got, "{sent}");
    }
}

#[tokio::test]
async fn attack_01_other_forms_of_target_are_refused_or_read_alike() {
    let (house, host, cookie) = reader().await;
    let authority = house.host("orders.test");
    for target in [
        "*".to_owned(),
        "admin/users".to_owned(),
        String::new(),
        format!("https://{authority}/admin/users"),
        format!("https://{authority}/x/../admin/users"),
        "https://evil.test/orders".to_owned(),
        "https:///orders".to_owned(),
        format!("https://user@{authority}/orders"),
        authority.clone(),
    ] {
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        assert!(matches!(answer.status, 400 | 403 | 421), "{target}: {}", answer.status);
        house.upstream.saw_nothing();
    }
    let mut wire = house.wire("orders.test").await;
    let answer = wire.ask(&["OPTIONS * HTTP/1.1", &host, &cookie]).await.expect("an answer");
    assert!(matches!(answer.status, 400 | 403), "{}", answer.status);
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_01_an_app_that_needs_a_crooked_path_says_so_by_name() {
    let apps = LADDER.replace("[[app.orders.customers]]", "path_allow = [\"encoded-slash\"]\n[[app.orders.customers]]");
    let house = House::start(&apps).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    let ask = async |target: &str| {
        let mut wire = house.wire("orders.test").await;
        wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, &cookie]).await.expect("an answer").status
    };
    assert_eq!(ask("/files/a%2Fb").await, 200);
    assert_eq!(house.upstream.last().target, "/files/a%2Fb");
    let seen = house.upstream.count();
    for target in ["/admin%2fusers", "/x/..%2fadmin/users", "/x%2f..%2fadmin/users", "/a;b", "//a", "/a%5cb"] {
        assert_ne!(ask(target).await, 200, "{target}");
        assert_eq!(house.upstream.count(), seen, "{target}");
    }
}

#[tokio::test]
async fn attack_02_a_rule_never_matches_query_or_fragment() {
    let apps =
        LADDER.replace("{ allow = \"GET /**\" }", "{ allow = \"GET /public/*/view\" }, { allow = \"GET /a/*\" }");
    let house = House::start(&apps).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let (host, cookie) = (format!("host: {}", house.host("orders.test")), format!("cookie: {}", bob.cookie_header()));
    for target in [
        "/secret?/public/x/view",
        "/secret?x=/public/x/view",
        "/secret#/public/x/view",
        "/secret%3f/public/x/view",
        "/public/x/y/view",
        "/public/x%2fy/view",
        "/public//view",
        "/public/x/view/more",
        "/xpublic/x/view",
        "/x/public/x/view",
        "/public/x?/view",
        "/a",
        "/a?/b",
        "/ab",
        "/a/b/c",
        "/a/b%2fc",
    ] {
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, &cookie]).await.expect("an answer");
        assert!(matches!(answer.status, 400 | 403), "{target}: {}", answer.status);
        house.upstream.saw_nothing();
    }
    let mut wire = house.wire("orders.test").await;
    assert_eq!(wire.ask(&["GET /public/x/view?deny=1 HTTP/1.1", &host, &cookie]).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn attack_02_a_wildcard_within_a_segment_is_no_rule() {
    for pattern in ["/a*", "/x/*.css", "/***", "/a/**b"] {
        let house = House::plan(&LADDER.replace("GET /**", &format!("GET {pattern}"))).furnish().await;
        let output = house.command(&["check"]);
        assert_eq!(output.status.code(), Some(2), "{pattern}");
        assert!(printed(&output).contains("whole segments"), "{pattern}: {}", printed(&output));
    }
}

#[tokio::test]
async fn attack_03_a_host_that_is_not_ours_or_not_this_connections_gets_421() {
    let apps = OPEN.to_owned()
        + "[app.reports]\ndomains = [\"reports.test\"]\nupstream = \"{{upstream}}\"\n[[app.reports.customers]]\nsource = \"crm\"\nemail = \"email\"\n";
    let house = House::start(&apps).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let cookie = format!("cookie: {}", ann.cookie_header());
    let port = house.door.https().port();
    for (host, statuses) in [
        ("evil.test".to_owned(), &[421][..]),
        ("reports.test".to_owned(), &[421]),
        ("orders.test.evil.test".to_owned(), &[421]),
        ("xorders.test".to_owned(), &[421]),
        (format!("orders.test@evil.test:{port}"), &[400, 421]),
        ("evil.test@orders.test".to_owned(), &[400, 421]),
        ("orders.test:99999".to_owned(), &[400, 421]),
        ("orders.test:x".to_owned(), &[400, 421]),
        ("orders.test/".to_owned(), &[400, 421]),
        ("orders.test evil.test".to_owned(), &[400, 421]),
        ("orders.test, evil.test".to_owned(), &[400, 421]),
        ("127.0.0.1".to_owned(), &[400, 421]),
        (String::new(), &[400, 421]),
    ] {
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&["GET / HTTP/1.1", &format!("host: {host}"), &cookie]).await.expect("an answer");
        assert!(statuses.contains(&answer.status), "{host}: {}", answer.status);
        house.upstream.saw_nothing();
    }
    // Two hosts, none at all, and a host that the target contradicts.
    for lines in [
        &["GET / HTTP/1.1", "host: orders.test", "host: evil.test"][..],
        &["GET / HTTP/1.1", "host: orders.test", "host: orders.test"],
        &["GET / HTTP/1.1"],
        &["GET / HTTP/1.0"],
        &["GET https://evil.test/ HTTP/1.1", "host: orders.test"],
        &["GET https://reports.test/ HTTP/1.1", "host: orders.test"],
    ] {
        let mut wire = house.wire("orders.test").await;
        let mut lines = lines.to_vec();
        lines.push(&cookie);
        let answer = wire.ask(&lines).await.expect("an answer");
        assert!(matches!(answer.status, 400 | 421), "{lines:?}: {}", answer.status);
        house.upstream.saw_nothing();
    }
    // The same host in other letters is the same host.
    for host in ["ORDERS.test", "orders.test.", &format!("Orders.Test.:{port}")] {
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&["GET / HTTP/1.1", &format!("host: {host}"), &cookie]).await.expect("an answer");
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
    }
}

#[tokio::test]
async fn attack_03_http2_authority_is_held_to_the_same() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let (own, cookie) = (house.host("orders.test"), ann.cookie_header());
    let ask = async |authority: &str, host: Option<&str>| {
        let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", authority)];
        fields.extend(host.map(|host| ("host", host)));
        fields.push(("cookie", &cookie));
        house.wire_h2("orders.test").await.ask(&fields, None).await
    };
    for (authority, host) in [("evil.test", None), (&own, Some("evil.test")), ("evil.test", Some(own.as_str()))] {
        let outcome = ask(authority, host).await;
        let refused = matches!(outcome, Outcome::Refused | Outcome::Status(400 | 421));
        assert!(refused, "{authority} {host:?}: {outcome:?}");
    }
    for authority in ["user@orders.test", "orders.test, evil.test", ""] {
        let outcome = ask(authority, None).await;
        assert!(matches!(outcome, Outcome::Refused | Outcome::Status(400 | 421)), "{authority}: {outcome:?}");
    }
    house.upstream.saw_nothing();
    assert_eq!(ask(&own, None).await, Outcome::Status(200));
    assert_eq!(ask(&own, Some(&own)).await, Outcome::Status(200));
}

#[tokio::test]
async fn attack_04_our_own_paths_open_only_exactly() {
    let house = House::start(OPEN).await;
    let host = format!("host: {}", house.host("orders.test"));
    for target in [
        "/.access",
        "/.access/",
        "/.access/nothing",
        "/.access/loginx",
        "/.access/login/",
        "/.access/login/x",
        "/.access/link",
        "/.access/link/",
        "/.access/link/x/y",
        "/.access/style.css/x",
        "/.access/jwks.json.html",
        "/.ACCESS/login",
        "/.access/LOGIN",
        "/.access/healthz",
    ] {
        let mut wire = house.wire("orders.test").await;
        let answer = wire.ask(&[&format!("GET {target} HTTP/1.1"), &host, "accept: */*"]).await.expect("an answer");
        assert!(matches!(answer.status, 400 | 401 | 404 | 405), "{target}: {}", answer.status);
        house.upstream.saw_nothing();
    }
    // Nor does anything under them reach the app of a person who is logged in.
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for path in ["/.access/nothing", "/.access/", "/.access"] {
        ann.fetch(path).await.expect(404);
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_04_no_header_or_user_agent_opens_anything() {
    let house = House::start(OPEN).await;
    let nobody = house.browser("orders.test");
    for (name, value) in [
        ("user-agent", "kube-probe/1.31"),
        ("user-agent", "GoogleHC/1.0"),
        ("user-agent", "ELB-HealthChecker/2.0"),
        ("user-agent", "Let's Encrypt validation server"),
        ("x-original-url", "/.access/login"),
        ("x-rewrite-url", "/.access/login"),
        ("x-forwarded-uri", "/.access/login"),
        ("x-access-email", "ann@example.com"),
        ("authorization", "Bearer x"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-http-method-override", "GET"),
        ("upgrade", "websocket"),
    ] {
        for path in ["/", "/healthz", "/ping", "/favicon.ico", "/robots.txt", "/.well-known/acme-challenge/x"] {
            let answer = nobody.send("GET", path, &[(name, value), ("accept", "*/*")], "").await;
            assert!(matches!(answer.status, 400 | 401 | 404), "{name}: {value} {path}: {}", answer.status);
        }
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_05_a_malformed_cookie_is_no_session() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let good = ann.cookie(SESSION).expect("a session");
    let host = format!("host: {}", house.host("orders.test"));
    let ask = async |cookies: &[String]| {
        let mut wire = house.wire("orders.test").await;
        let mut lines = vec!["GET / HTTP/1.1".to_owned(), host.clone()];
        lines.extend(cookies.iter().map(|cookie| format!("cookie: {cookie}")));
        wire.ask(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("an answer").status
    };
    let flipped: String = good.chars().rev().collect();
    for cookie in [
        String::new(),
        "=".to_owned(),
        ";;;=;".to_owned(),
        SESSION.to_owned(),
        format!("{SESSION}="),
        format!("{SESSION}=x"),
        format!("{SESSION}={flipped}"),
        format!("{SESSION}={good}x"),
        format!("{SESSION}={}", &good[1..]),
        format!("{SESSION}={good}%00"),
        format!("{SESSION}={}", good.to_ascii_uppercase()),
        format!("{SESSION}={}", "a".repeat(4000)),
        format!("{SESSION}=../../etc/passwd"),
        format!("{SESSION}=\u{e4}\u{f6}"),
        format!("__Host-Access={good}"),
        format!("access={good}"),
        format!("x{SESSION}={good}"),
        format!("a=b, {SESSION}={good}"),
    ] {
        let status = ask(std::slice::from_ref(&cookie)).await;
        assert!(matches!(status, 400 | 401), "{cookie}: {status}");
        house.upstream.saw_nothing();
    }
    // Two different sessions at once: somebody planted one of them.
    let status = ask(&[format!("{SESSION}={flipped}; {SESSION}={good}")]).await;
    assert!(matches!(status, 400 | 401), "{status}");
    let status = ask(&[format!("{SESSION}={good}"), format!("{SESSION}={flipped}")]).await;
    assert!(matches!(status, 400 | 401), "{status}");
    house.upstream.saw_nothing();
    assert_eq!(ask(&[format!("a=b; {SESSION}={good}; c=d")]).await, 200);
}
