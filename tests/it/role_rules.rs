//! What each role may do, told by rules, the first of which that matches decides.

use crate::house::{House, LADDER, PEOPLE, eventually};

#[tokio::test]
async fn a_reader_reads_and_no_more() {
    let house = House::start(LADDER).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    for (method, path, status) in [
        ("GET", "/orders", 200),
        ("GET", "/", 200),
        // `**` is any number of segments, also none.
        ("GET", "/admin", 403),
        ("GET", "/admin/", 403),
        ("GET", "/administration", 200),
        ("GET", "/admin/users", 403),
        ("POST", "/orders", 403),
        ("DELETE", "/orders/1", 403),
        ("OPTIONS", "/orders", 403),
    ] {
        let before = house.upstream.count();
        let answer = bob.fetch_with(method, path, "").await.expect(status);
        let reached = house.upstream.count() - before;
        assert_eq!(reached, usize::from(status == 200), "{method} {path}");
        if status == 403 {
            assert_eq!(answer.json()["error"], "denied", "{method} {path}");
            assert!(answer.json()["reason"].is_string());
        }
    }
}

#[tokio::test]
async fn a_manager_may_what_a_reader_may_and_write_for_one_customer() {
    let house = House::start(LADDER).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for (method, path, status) in [
        ("GET", "/orders", 200),
        ("GET", "/admin/users", 403),
        ("POST", "/c/42/note", 200),
        ("GET", "/c/42/a/b", 200),
        ("GET", "/c/43/note", 403),
        ("POST", "/c/43/note", 403),
        ("GET", "/c/4/note", 403),
        ("GET", "/c/420/note", 403),
        ("PUT", "/c/42/note", 403),
        ("POST", "/api/orders", 200),
        ("POST", "/orders", 403),
    ] {
        let answer = ann.fetch_with(method, path, "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_denied_page_says_who_one_is_and_what_to_do() {
    let house = House::start(LADDER).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let page = bob.navigate("/admin/users").await.expect(403);
    assert!(page.text().contains("bob@example.com"), "{}", page.text());
    assert!(page.text().contains(page.header("x-request-id")), "{}", page.text());
    assert!(page.text().contains("/.access/"), "a way on:\n{}", page.text());
    assert_eq!(page.header("cache-control"), "no-store");
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn a_customer_whose_name_is_a_pattern_widens_nothing() {
    let people = format!(
        "{PEOPLE}star@example.com,**,Star,Star,active,manager,,,en,EU\ndot@example.com,..,Dot,Dot,active,manager,,,en,EU\n"
    );
    let house = House::plan(LADDER).file("people.csv", people).start().await;
    for email in ["star@example.com", "dot@example.com"] {
        let person = house.browser("orders.test");
        person.log_in(email).await;
        assert_eq!(person.fetch_with("POST", "/c/42/note", "").await.status, 403, "{email}");
        assert_eq!(person.fetch_with("GET", "/c/42/note", "").await.status, 403, "{email}");
    }
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn roles_come_from_conditions_and_some_holders_stay_out() {
    let apps = LADDER
        .replace(
            "role = { column = \"access_level\" }",
            "role = \"reader\"\nassign = [ { role = \"manager\", when = 'row.title.startsWith(\"Head of\")' } ]",
        )
        .replace("[app.orders.role.reader]", "[app.orders.role.reader]\nwhen = 'row.region == \"EU\"'");
    let house = House::start(&apps).await;
    let (ann, bob, eve) = (house.browser("orders.test"), house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    ann.fetch_with("POST", "/api/x", "").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("manager"));
    bob.log_in("bob@example.com").await;
    bob.fetch("/x").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("reader"));
    bob.fetch_with("POST", "/api/x", "").await.expect(403);
    eve.ask_for_mail("eve@example.com").await;
    house.browser("orders.test").log_in("zoe@example.com").await;
    assert_eq!(house.mail.count_to("eve@example.com").await, 0, "her region is not this role's");
}

#[tokio::test]
async fn a_condition_that_fails_admits_nobody() {
    // `no_such` is no column: the condition fails, which is false; `!` around it must not turn that into true.
    for condition in ["row.no_such == \"x\"", "!(row.no_such == \"x\")", "row.company_id > 7", "row.no_such != null"] {
        let apps = OPEN_WITH.replace("CONDITION", condition);
        let house = House::start(&apps).await;
        house.browser("orders.test").ask_for_mail("ann@example.com").await;
        let staff = house.browser("orders.test");
        staff.log_in("staff@example.com").await;
        assert_eq!(house.mail.count_to("ann@example.com").await, 0, "{condition}");
    }
}

const OPEN_WITH: &str = r#"
[source.crm]
url = "csv:people.csv"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"

[[app.orders.customers]]
source = "crm"
email = "email"
where = 'CONDITION'

[[workspace.user]]
email = "staff@example.com"
name = "Staff"
roles = { orders = "admin" }
"#;

#[tokio::test]
async fn workspace_users_come_first_and_are_no_customers() {
    let apps = format!(
        "{LADDER}\n[app.orders.role.admin]\n[[workspace.user]]\nemail = \"bob@example.com\"\nname = \"Bob of staff\"\nroles = {{ orders = \"admin\" }}\n"
    );
    let house = House::start(&apps).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    bob.fetch_with("DELETE", "/admin/users", "").await.expect(200);
    let seen = house.upstream.last();
    assert_eq!(seen.header("x-access-role"), Some("admin"));
    assert_eq!(seen.header("x-access-name"), Some("Bob of staff"));
    assert_eq!(seen.header("x-access-customer"), None);
}

#[tokio::test]
async fn a_changed_role_holds_for_the_next_request() {
    let house = House::start(LADDER).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch_with("POST", "/api/x", "").await.expect(200);
    house.write("people.csv", PEOPLE.replace("Ann Lee,active,manager", "Ann Lee,active,reader"));
    eventually("she is a reader now", async || {
        (ann.fetch_with("POST", "/api/x", "").await.status == 403).then_some(())
    })
    .await;
    ann.fetch("/x").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("reader"));
}

#[tokio::test]
async fn an_unknown_role_in_a_row_keeps_that_row_out() {
    let people = PEOPLE.replace("Bob Ray,active,reader", "Bob Ray,active,emperor");
    let house = House::plan(LADDER).file("people.csv", people).start().await;
    house.browser("orders.test").ask_for_mail("bob@example.com").await;
    house.browser("orders.test").log_in("ann@example.com").await;
    assert_eq!(house.mail.count_to("bob@example.com").await, 0);
}

#[tokio::test]
async fn a_role_without_rules_may_do_everything() {
    let house = House::start(crate::house::OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        ann.fetch_with(method, "/anything/at/all", "").await.expect(200);
        assert_eq!(house.upstream.last().method, method);
    }
}

#[tokio::test]
async fn a_switched_off_app_says_so_and_forwards_nothing() {
    let apps = OPEN_WITH.replace("CONDITION", "true").replace("[app.orders]", "[app.orders]\nenabled = false");
    let house = House::start(&apps).await;
    let page = house.browser("orders.test").navigate("/").await.expect(503);
    assert!(page.header("content-type").starts_with("text/html"));
    let data = house.browser("orders.test").fetch("/").await.expect(503).json();
    assert_eq!(data["error"], "service_unavailable");
    house.upstream.saw_nothing();
}
