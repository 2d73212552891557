//! A member of staff sees an app as a customer does: who may, through whose eyes, what reaches the app, and how it ends.

use serde_json::Value;

use crate::browser::{Answer, Browser, SESSION};
use crate::house::{House, LADDER, Plan, eventually};
use crate::upstream::Script;

pub(crate) const STAFF: &str = r#"
[app.orders.identity]
jwt = {}

[app.orders.role.agent]
rules = [ { allow = "* /**" } ]

[[workspace.user]]
email = "kim@staff.example"
name = "Kim"
roles = { orders = "agent" }
preview = ["orders"]

[[workspace.user]]
email = "lou@staff.example"
roles = { orders = "agent" }
"#;

pub(crate) fn plan() -> Plan {
    House::plan(LADDER).config(STAFF)
}

/// Kim, logged in.
pub(crate) async fn kim(house: &House) -> Browser {
    let kim = house.browser("orders.test");
    kim.log_in("kim@staff.example").await;
    kim
}

/// Begins a preview.
pub(crate) async fn look_as(kim: &Browser, email: &str, customer: &str) -> Answer {
    kim.post("/.access/preview", &[("email", email), ("customer", customer), ("to", "/orders")]).await
}

async fn is_over(kim: &Browser) -> Option<()> {
    let answer = kim.fetch("/orders").await;
    (answer.status == 403 && answer.json()["error"] == "preview_ended").then_some(())
}

fn audited(house: &House, event: &str) -> Vec<Value> {
    let is_it = |line: &Value| line["target"] == "audit" && line["fields"]["event"] == event;
    house.log.events().into_iter().filter(is_it).collect()
}

#[tokio::test]
async fn staff_see_what_a_customer_sees_and_both_stand_in_header_token_and_log() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    let page = kim.navigate("/.access/account").await.expect(200);
    assert!(page.text().contains("href=\"/.access/preview\""), "{}", page.text());
    kim.navigate("/.access/preview").await.expect(200);
    let answer = look_as(&kim, "ann@example.com", "42").await.expect(303);
    assert_eq!((answer.location(), answer.header("clear-site-data")), ("/orders", "\"cache\", \"storage\""));
    kim.fetch("/c/42/x").await.expect(200);
    let seen = house.upstream.last();
    for (name, value) in [
        ("x-access-email", "ann@example.com"),
        ("x-access-name", "Ann Lee"),
        ("x-access-customer", "42"),
        ("x-access-role", "manager"),
        ("x-access-actor", "kim@staff.example"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let claims = seen.claims("x-access-assertion");
    assert_eq!((&claims["sub"], &claims["act"]["sub"]), (&"ann@example.com".into(), &"kim@staff.example".into()));
    // Her customer's rules, not those of the staff's own role, which may go anywhere.
    kim.fetch("/c/43/x").await.expect(403);
    kim.fetch("/admin/x").await.expect(403);
    eventually("the log names both", async || {
        let lines = house.log.named("request");
        let line = lines.iter().find(|line| line["fields"]["path"] == "/c/42/x")?;
        (line["fields"]["user"] == "a***@example.com" && line["fields"]["actor"] == "k***@staff.example").then_some(())
    })
    .await;
    kim.post("/.access/preview/end", &[("to", "/own")]).await.expect(303);
    kim.fetch("/own").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!((seen.header("x-access-email"), seen.header("x-access-actor")), (Some("kim@staff.example"), None));
    assert_eq!(seen.claims("x-access-assertion")["act"], Value::Null);
    for event in ["preview_started", "preview_ended"] {
        let lines = eventually(event, async || Some(audited(&house, event)).filter(|lines| !lines.is_empty())).await;
        let fields = &lines[0]["fields"];
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(fields["actor"], "staff k***@staff.example", "{fields}");
        assert_eq!(fields["email"], "a***@example.com", "{fields}");
    }
}

#[tokio::test]
async fn attack_16_each_step_of_a_preview_has_an_id_of_its_own() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    let mut tokens = vec![kim.cookie(SESSION).expect("a session")];
    look_as(&kim, "ann@example.com", "").await.expect(303);
    tokens.push(kim.cookie(SESSION).expect("a session"));
    kim.post("/.access/preview/switch", &[("email", "bob@example.com"), ("to", "/")]).await.expect(303);
    tokens.push(kim.cookie(SESSION).expect("a session"));
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
    kim.post("/.access/preview/end", &[("to", "/")]).await.expect(303);
    let last = kim.cookie(SESSION).expect("a session");
    for old in &tokens {
        assert_ne!(*old, last);
        let thief = house.browser("orders.test");
        thief.set_cookie(SESSION, old);
        thief.fetch("/orders").await.expect(401);
        thief.post("/.access/preview/end", &[("to", "/")]).await.must_log_in();
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "each is another one");
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("kim@staff.example"));
    assert_eq!(audited(&house, "preview_switched").len(), 1);
}

#[tokio::test]
async fn attack_27_a_preview_changes_nothing() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    let before = house.upstream.count();
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH"] {
        let answer = kim.fetch_with(method, "/c/42/x", "{}").await;
        assert_eq!(answer.status, 403, "{method}");
        assert_eq!(answer.json()["reason"], "preview-read-only", "{method}");
    }
    let form = kim.send("POST", "/c/42/x", &[("sec-fetch-dest", "document"), ("accept", "text/html")], "a=b").await;
    let page = form.expect(403).text();
    assert!(page.contains("Nothing was changed") && page.contains("<access-preview>"), "{page}");
    assert_eq!(kim.web_socket("/ws").await.map(drop), Err(403));
    assert_eq!(house.upstream.count(), before, "nothing has reached the app");
    let overrides = [("x-http-method-override", "DELETE"), ("x-http-method", "DELETE"), ("x-method-override", "PUT")];
    kim.send("GET", "/c/42/x", &overrides, "").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.method, "GET");
    assert!(!seen.text().to_ascii_lowercase().contains("override"), "{}", seen.text());
    kim.send("HEAD", "/c/42/x", &[], "").await.expect(200);
}

#[tokio::test]
async fn the_api_lists_the_previews_under_way_and_ends_them() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    house.browser("orders.test").log_in("ann@example.com").await;
    let listed = async |query: &str| {
        let told = house.admin(&format!("/api/v1/sessions?app=orders{query}")).await.expect(200).json();
        told["items"].as_array().cloned().expect("a list")
    };
    assert_eq!((listed("").await.len(), listed("&previews=true").await), (2, Vec::new()));
    look_as(&kim, "cat@example.com", "43").await.expect(303);
    let previews = listed("&previews=true").await;
    assert_eq!((previews.len(), listed("").await.len(), listed("&previews=false").await.len()), (1, 2, 2));
    let preview = &previews[0];
    assert_eq!(preview["email"], "kim@staff.example");
    assert_eq!(
        (&preview["preview"]["email"], &preview["preview"]["customer"]),
        (&"cat@example.com".into(), &"43".into())
    );
    assert!(preview["preview"]["until"].as_str().is_some_and(|until| until.ends_with('Z')), "{preview}");
    // Whose eyes it is: theirs is none of their own sessions.
    assert_eq!(listed("&previews=true&email=cat%40example.com").await.len(), 0);
    let id = preview["id"].as_str().expect("an id").to_owned();
    house.api("DELETE", &format!("/api/v1/sessions/{id}"), "").await.expect(200);
    kim.fetch("/orders").await.expect(401);
    assert_eq!(listed("&previews=true").await, Vec::<Value>::new());
}

#[tokio::test]
async fn attack_23_previews_share_no_answer_with_each_other_nor_with_whom_they_are_of() {
    let house = plan().start().await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    cat.choose("42").await.expect(303);
    let own = kim(&house).await;
    // The same member of staff, the same person for two customers, and others, all at once.
    let mut looks = vec![(own, "kim@staff.example", "", "agent", ""), (cat, "cat@example.com", "42", "manager", "")];
    for (email, customer, role) in [
        ("cat@example.com", "42", "manager"),
        ("cat@example.com", "43", "reader"),
        ("ann@example.com", "42", "manager"),
        ("bob@example.com", "42", "reader"),
    ] {
        let browser = kim(&house).await;
        look_as(&browser, email, customer).await.expect(303);
        looks.push((browser, email, customer, role, "kim@staff.example"));
    }
    let mut tasks = Vec::new();
    for _ in 0..20 {
        for (browser, email, customer, role, actor) in &looks {
            let (browser, expected) = (browser.clone(), [*email, *customer, *role, *actor]);
            tasks.push(tokio::spawn(async move {
                let told = browser.fetch("/same/path").await.expect(200).json();
                let headers = told["headers"].as_array().cloned().unwrap_or_default();
                let header = |name: &str| {
                    let found =
                        headers.iter().find(|pair| pair[0].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)));
                    found.and_then(|pair| pair[1].as_str()).unwrap_or_default()
                };
                let seen = ["x-access-email", "x-access-customer", "x-access-role", "x-access-actor"].map(header);
                assert_eq!(seen, expected);
            }));
        }
    }
    for task in tasks {
        task.await.expect("every answer is its asker's");
    }
    // What was remembered of one preview is nothing for the next in the same browser.
    let (browser, ..) = &looks[2];
    browser.post("/.access/preview/switch", &[("email", "cat@example.com"), ("customer", "43")]).await.expect(303);
    browser.fetch("/same/path").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
    browser.post("/.access/preview/end", &[]).await.expect(303);
    browser.fetch("/same/path").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("kim@staff.example"));
}

#[tokio::test]
async fn an_app_may_let_previews_write() {
    let house = plan().config("").start().await;
    house.change("[app.orders.identity]", "[app.orders.identity]\nheaders = \"remote\"");
    house.change("domains = [\"orders.test\"]", "domains = [\"orders.test\"]\npreview_writes = true");
    house.reload().await.expect(200);
    let kim = kim(&house).await;
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    kim.fetch_with("POST", "/c/42/x", "{}").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(
        (seen.header("remote-user"), seen.header("x-access-actor")),
        (Some("ann@example.com"), Some("kim@staff.example"))
    );
    // What she may not, nobody may who looks through her eyes.
    kim.fetch_with("POST", "/c/43/x", "{}").await.expect(403);
    kim.web_socket("/c/42/ws").await.map(drop).ok();
}

#[tokio::test]
async fn attack_27_nobody_else_and_nothing_higher_is_previewed() {
    let ceiling = "domains = [\"orders.test\"]\npreview_max_role = \"reader\"";
    let house = plan().start().await;
    house.change("domains = [\"orders.test\"]", ceiling);
    house.reload().await.expect(200);
    let kim = kim(&house).await;
    let before = kim.cookie(SESSION);
    for (email, customer, words) in [
        ("kim@staff.example", "", "That is yourself."),
        ("lou@staff.example", "", "belongs to the team"),
        ("nobody@example.com", "", "Nobody with this address"),
        ("old@example.com", "", "Nobody with this address"),
        ("dup@example.com", "42", "Nobody with this address"),
        ("bob@example.com", "43", "Nobody with this address"),
        ("cat@example.com", "", "several customers"),
        ("cat@example.com", "42", "This role cannot be previewed."),
        ("ann@example.com", "42", "This role cannot be previewed."),
    ] {
        let page = look_as(&kim, email, customer).await.expect(403);
        assert!(page.text().contains(words), "{email}: {}", page.text());
    }
    assert_eq!(kim.cookie(SESSION), before);
    look_as(&kim, "bob@example.com", "42").await.expect(303);
    // Out of a preview no other begins; it is switched, and the same holds there.
    let nested = look_as(&kim, "eve@example.com", "43").await.expect(403);
    assert!(nested.text().contains("in a preview already"), "{}", nested.text());
    for (email, customer) in [("ann@example.com", "42"), ("lou@staff.example", ""), ("kim@staff.example", "")] {
        kim.post("/.access/preview/switch", &[("email", email), ("customer", customer)]).await.expect(403);
    }
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
    // Who may not preview hears of nothing.
    let (lou, ann) = (house.browser("orders.test"), house.browser("orders.test"));
    lou.log_in("lou@staff.example").await;
    ann.log_in("ann@example.com").await;
    for person in [&lou, &ann] {
        person.navigate("/.access/preview").await.expect(404);
        look_as(person, "bob@example.com", "42").await.expect(404);
        person.post("/.access/preview/switch", &[("email", "bob@example.com")]).await.expect(404);
        assert!(!person.navigate("/.access/account").await.text().contains("/.access/preview"));
        person.fetch("/orders").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-actor"), None);
    }
    let stranger = house.browser("orders.test");
    look_as(&stranger, "bob@example.com", "42").await.must_log_in();
    let foreign = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    kim.post_from("/.access/preview/switch", &[("email", "eve@example.com")], &foreign).await.expect(403);
    eventually("each refusal is told", async || (audited(&house, "preview_refused").len() >= 17).then_some(())).await;
}

#[tokio::test]
async fn attack_27_our_own_pages_are_closed_in_a_preview() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    let token = kim.cookie(SESSION);
    for path in
        ["account", "choose", "login", "check", "step-up", "team", "invitations", "settings", "oidc/callback", "x"]
    {
        let page = kim.navigate(&format!("/.access/{path}")).await.expect(403);
        assert!(page.text().contains("Closed during a preview"), "{path}: {}", page.text());
        kim.fetch(&format!("/.access/{path}")).await.expect(403);
    }
    for path in [
        "login",
        "code",
        "link",
        "choose",
        "sessions/end",
        "passkey/name",
        "passkey/remove",
        "passkey/add",
        "team/invite",
        "invitation/accept",
        "become-independent",
        "language",
    ] {
        kim.post(&format!("/.access/{path}"), &[("email", "eve@example.com"), ("customer", "43")]).await.expect(403);
    }
    assert_eq!(kim.cookie(SESSION), token, "no session was made");
    for path in ["style.css", "preview.css", "jwks.json", "preview"] {
        kim.navigate(&format!("/.access/{path}")).await.expect(200);
    }
    // Logging out ends all of it.
    kim.log_out().await;
    kim.fetch("/orders").await.expect(401);
    let thief = house.browser("orders.test");
    thief.set_cookie(SESSION, &token.expect("a session"));
    thief.fetch("/orders").await.expect(401);
}

#[tokio::test]
async fn attack_27_no_script_in_a_page_ends_the_preview_that_shows_it() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    let token = kim.cookie(SESSION);
    let origin = format!("https://{}", house.host("orders.test"));
    for (mode, destination) in
        [("cors", "empty"), ("same-origin", "empty"), ("no-cors", "empty"), ("navigate", "iframe")]
    {
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", destination),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        for path in ["/.access/preview", "/.access/preview/switch", "/.access/preview/end"] {
            kim.send("POST", path, &headers, "email=bob%40example.com&to=%2F").await.expect(403);
        }
        let found = kim.send("GET", "/.access/preview?q=example", &headers[1..4], "").await.expect(403).text();
        assert!(!found.contains("eve@example.com"), "{found}");
    }
    assert_eq!(kim.cookie(SESSION), token);
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
    kim.navigate("/.access/preview?q=example").await.expect(200);
    kim.post("/.access/preview/end", &[("to", "/")]).await.expect(303);
}

#[tokio::test]
async fn attack_06_no_client_says_who_acts() {
    let house = plan().start().await;
    let (kim, ann) = (kim(&house).await, house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    let forged = [("x-access-actor", "boss@staff.example"), ("X_Access_Actor", "boss@staff.example")];
    ann.send("GET", "/orders", &forged, "").await.expect(200);
    assert!(!house.upstream.last().text().contains("boss@"), "{}", house.upstream.last().text());
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    kim.send("GET", "/orders", &forged, "").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-actor"), Some("kim@staff.example"));
    assert!(!house.upstream.last().text().contains("boss@"), "{}", house.upstream.last().text());
}

#[tokio::test]
async fn attack_27_who_loses_the_right_or_the_role_sees_no_more() {
    for (from, to) in [
        ("preview = [\"orders\"]", "preview = []"),
        ("[app.orders.role.agent]", "[app.orders.role.agent]\nrequire = [\"passkey\"]"),
        ("email = \"kim@staff.example\"", "email = \"kit@staff.example\""),
        ("domains = [\"orders.test\"]", "domains = [\"orders.test\"]\npreview_max_role = \"reader\""),
    ] {
        let house = plan().ways("orders", r#"["email", "passkey"]"#).start().await;
        let kim = kim(&house).await;
        look_as(&kim, "ann@example.com", "42").await.expect(303);
        let mut events = kim.open("/sse").await;
        events.chunk().await.expect("a tick").expect("a piece");
        house.change(from, to);
        house.reload().await.expect(200);
        let reading = async { while let Ok(Some(_)) = events.chunk().await {} };
        tokio::time::timeout(std::time::Duration::from_secs(3), reading).await.expect("the stream ends");
        let answer = kim.fetch("/orders").await.expect(403);
        assert_eq!(answer.json()["error"], "preview_ended", "{to}");
        let page = kim.navigate("/orders?x=1").await.expect(303);
        assert_eq!(page.location(), "/.access/preview?to=%2Forders%3Fx%3D1");
        let page = kim.navigate(page.location()).await.expect(403);
        assert!(page.text().contains("The preview has ended"), "{}", page.text());
        eventually("it is told", async || (audited(&house, "preview_ended").len() == 1).then_some(())).await;
        kim.post("/.access/preview/end", &[("to", "/orders")]).await.expect(303);
        let own = kim.fetch("/orders").await;
        assert_ne!(own.status == 200, from.contains("email") || to.contains("require"), "{to}: {}", own.text());
    }
}

#[tokio::test]
async fn a_preview_ends_with_its_time_and_never_as_somebody_elses_access() {
    let house = plan().session("preview = \"2s\"").start().await;
    let kim = kim(&house).await;
    look_as(&kim, "bob@example.com", "").await.expect(303);
    let mut events = kim.open("/sse").await;
    events.chunk().await.expect("a tick").expect("a piece");
    eventually("its time is over", async || is_over(&kim).await).await;
    let reading = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(3), reading).await.expect("the stream ends");
    let seen = house.upstream.seen();
    let served = seen.iter().filter(|seen| seen.target == "/orders");
    assert!(served.clone().all(|seen| seen.header("x-access-email") == Some("bob@example.com")), "never as herself");
    let page = kim.navigate("/.access/preview").await.expect(403);
    assert!(page.text().contains("Its time is over."), "{}", page.text());
    kim.post("/.access/preview/end", &[("to", "/x")]).await.expect(303);
    kim.fetch("/x").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("kim@staff.example"));
}

#[tokio::test]
async fn a_customer_who_leaves_the_table_is_seen_no_more() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    look_as(&kim, "bob@example.com", "").await.expect(303);
    kim.fetch("/orders").await.expect(200);
    house.remove_from_table("bob@example.com");
    eventually("the preview is over", async || is_over(&kim).await).await;
}

#[tokio::test]
async fn a_preview_survives_a_kill_and_only_its_own_list_shows_it() {
    let mut house = plan().start().await;
    let (kim, bob) = (kim(&house).await, house.browser("orders.test"));
    bob.log_in("bob@example.com").await;
    look_as(&kim, "bob@example.com", "").await.expect(303);
    house.kill9();
    house.start_again().await;
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-email"), Some("bob@example.com"));
    kim.fetch_with("POST", "/c/42/x", "{}").await.expect(403);
    let other = house.browser("orders.test");
    other.log_in("kim@staff.example").await;
    let page = other.navigate("/.access/account").await.expect(200);
    assert!(page.text().contains("Preview as bob@example.com"), "{}", page.text());
    let page = bob.navigate("/.access/account").await.expect(200);
    assert!(!page.text().contains("Preview") && !page.text().contains("name=\"session\""), "{}", page.text());
    // The customer logs out everywhere, which is no business of the staff's; she ends hers from another device.
    bob.post("/.access/logout/everywhere", &[]).await.expect(303);
    kim.fetch("/orders").await.expect(200);
    other.post("/.access/sessions/end", &[("all", "1")]).await.expect(303);
    kim.fetch("/orders").await.expect(401);
}

#[tokio::test]
async fn people_are_found_by_name_address_and_customer_and_the_last_are_remembered() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    let search = async |text: &str| kim.navigate(&format!("/.access/preview?q={}", crate::browser::encode(text))).await;
    for (text, found, not) in [
        ("ann", "ann@example.com", "bob@example.com"),
        ("LEE", "ann@example.com", "bob@example.com"),
        ("eve@example.com", "eve@example.com", "ann@example.com"),
        ("globex", "cat@example.com", "ann@example.com"),
        ("Nguyễn", "zoe@example.com", "ann@example.com"),
        ("nobody", "Nobody was found.", "@example.com"),
        // Staff is no customer, and who may not enter is not seen.
        ("kim@staff.example", "Nobody was found.", "Kim"),
        ("old", "Nobody was found.", "old@example.com"),
    ] {
        let page = search(text).await.expect(200).text();
        let results = page.split_once("<h2>Found</h2>").map_or("", |(_, results)| results);
        assert!(results.contains(found) && !results.contains(not), "{text}: {page}");
    }
    for email in ["ann@example.com", "bob@example.com", "eve@example.com", "zoe@example.com"] {
        look_as(&kim, email, "").await.expect(303);
        kim.post("/.access/preview/end", &[]).await.expect(303);
    }
    look_as(&kim, "cat@example.com", "43").await.expect(303);
    kim.post("/.access/preview/switch", &[("email", "cat@example.com"), ("customer", "42")]).await.expect(303);
    let page = kim.navigate("/orders").await.expect(200).text();
    drop(page);
    kim.post("/.access/preview/end", &[]).await.expect(303);
    let page = kim.navigate("/.access/preview").await.expect(200);
    assert_eq!(
        page.fields("email"),
        ["cat@example.com", "cat@example.com", "zoe@example.com", "eve@example.com", "bob@example.com"]
    );
    assert_eq!(page.fields("customer"), ["42", "43", "44", "43", "42"]);
}

#[tokio::test]
async fn a_domain_of_one_customer_shows_only_its_people() {
    let pinned = "[[app.orders.domain]]\nhost = \"big.test\"\ncustomer = \"43\"\n";
    let house = plan().config(pinned).start().await;
    let kim = house.browser("big.test");
    kim.log_in("kim@staff.example").await;
    look_as(&kim, "ann@example.com", "42").await.expect(403);
    look_as(&kim, "cat@example.com", "42").await.expect(403);
    look_as(&kim, "cat@example.com", "").await.expect(303);
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
    assert_eq!(house.upstream.last().header("x-access-role"), Some("reader"));
}

#[tokio::test]
async fn a_plain_session_gets_every_byte_as_it_was() {
    let house = plan().start().await;
    let (kim, ann) = (kim(&house).await, house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    let head = "content-type: text/html; charset=utf-8\r\netag: \"1\"\r\ncontent-security-policy: default-src 'none'\r\n\
                cache-control: private, max-age=60\r\n";
    let body = "<!doctype html><html><head><title>A</title></head><body class=x>Hello</body></html>";
    house.upstream.script("/page", Script::whole(head, body));
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    let seen = kim.navigate("/page").await.expect(200);
    assert!(seen.text().contains("<body class=x><access-preview>"), "{}", seen.text());
    house
        .upstream
        .script("/data", Script::whole("content-type: application/json\r\ncache-control: max-age=600\r\n", "[]"));
    let kept = kim.fetch("/data").await.expect(200);
    assert_eq!(kept.all("cache-control"), ["no-store"], "what a customer has is not kept for after the preview");
    assert_eq!(ann.fetch("/data").await.expect(200).all("cache-control"), ["max-age=600"]);
    let answer = ann.navigate("/page").await.expect(200);
    assert_eq!(answer.text(), body);
    for (name, value) in [
        ("etag", "\"1\""),
        ("content-security-policy", "default-src 'none'"),
        ("cache-control", "private, max-age=60"),
        ("content-length", &*body.len().to_string()),
    ] {
        assert_eq!(answer.all(name), [value], "{name}");
    }
    kim.post("/.access/preview/end", &[]).await.expect(303);
    assert_eq!(kim.navigate("/page").await.expect(200).text(), body, "nor does staff without a preview");
}

#[tokio::test]
async fn whom_an_invitation_waits_for_is_seen_with_what_it_gives() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    let invited =
        ["invitations", "create", "ina@example.com", "--app", "orders", "--customer", "42", "--role", "manager"];
    assert!(house.command(&invited).status.success());
    let page = kim.navigate("/.access/preview?q=ina").await.expect(200);
    assert!(page.text().contains("ina@example.com") && page.text().contains("Invited"), "{}", page.text());
    look_as(&kim, "ina@example.com", "42").await.expect(303);
    kim.fetch("/c/42/x").await.expect(200);
    let seen = house.upstream.last();
    for (name, value) in
        [("x-access-email", "ina@example.com"), ("x-access-role", "manager"), ("x-access-customer-name", "Acme Ltd")]
    {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert!(house.command(&["invitations", "withdraw", "1"]).status.success());
    eventually("the preview is over", async || is_over(&kim).await).await;
}

#[tokio::test]
async fn attack_27_what_an_app_remembers_of_a_preview_is_of_no_use_outside() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    kim.set_cookie("sid", "of-kim");
    let head = "content-type: text/plain\r\nset-cookie: sid=of-ann; Path=/; HttpOnly\r\n";
    house.upstream.script("/remember", Script::whole(head, "fine"));
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    kim.fetch("/remember").await.expect(200);
    assert_eq!(house.upstream.last().header("cookie"), None, "hers stays here");
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("cookie"), Some("sid=of-ann"));
    kim.post("/.access/preview/switch", &[("email", "bob@example.com")]).await.expect(303);
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("cookie"), None, "it was the other one's");
    kim.post("/.access/preview/end", &[]).await.expect(303);
    kim.fetch("/orders").await.expect(200);
    assert_eq!(house.upstream.last().header("cookie"), Some("sid=of-kim"));
    assert!(kim.cookies_named("access-preview-").is_empty());
}

#[tokio::test]
async fn a_preview_of_somebody_who_is_erased_is_over() {
    let house = plan().start().await;
    let kim = kim(&house).await;
    look_as(&kim, "ann@example.com", "42").await.expect(303);
    kim.fetch("/c/42/x").await.expect(200);
    let erased = house.command(&["person", "erase", "ann@example.com", "--yes"]);
    assert!(erased.status.success(), "{}", crate::house::printed(&erased));
    kim.fetch("/c/42/x").await.expect(401);
}
