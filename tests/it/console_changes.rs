//! What the workspace team does in the console: records and invitations, notifications, previews, and looking at what was used.

use crate::browser::{Answer, Browser};
use crate::house::{House, LADDER, Plan, eventually, printed};
use crate::notify::TOPICS;

const STAFF: &str = r#"
[console]
domain = "console.test"

[[workspace.user]]
email = "kim@staff.example"
roles = { console = "admin", orders = "manager" }
preview = ["orders"]

[[workspace.user]]
email = "lou@staff.example"
roles = { console = "viewer", orders = "reader" }

[source.hr]
url = "csv:hr.csv"
refresh = "1s"

[[app.orders.customers]]
name = "Hr"
source = "hr"
email = "email"
customer = "company"
role = { column = "role" }
adjustable = true

[app.shop]
domains = ["shop.test"]
upstream = "{{upstream}}"

[[app.shop.customers]]
name = "Contacts"
source = "crm"
email = "email"
customer = "company_id"
"#;

/// Two apps; roles with titles; a list that records may change; topics.
pub(crate) fn plan() -> Plan {
    let reader = "[app.orders.role.reader]\n";
    assert!(LADDER.contains(reader));
    let titled = LADDER.replace(reader, &format!("{reader}title = \"Reads only\"\n"));
    let plan = House::plan(&titled).config(STAFF).config(TOPICS);
    plan.file("hr.csv", "email,company,role\nhal@example.com,42,reader\n")
}

async fn staff(house: &House, email: &str) -> Browser {
    let browser = house.browser("console.test");
    browser.log_in(email).await;
    browser
}

/// What a form's hidden field holds.
fn hidden(page: &str, name: &str) -> String {
    let found = page.split_once(&format!("name=\"{name}\" value=\"")).map(|(_, rest)| rest);
    found.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no {name} in {page}")).to_owned()
}

/// The page that a form leads to.
async fn follow(browser: &Browser, answer: Answer) -> (String, String) {
    let to = answer.expect(303).location().to_owned();
    let page = browser.navigate(&to).await.expect(200).text();
    (to, page)
}

fn record_of(location: &str) -> &str {
    location.split('?').next().expect("a path")
}

/// What the audit log has of a person.
async fn audited(house: &House, event: &str, email: &str) -> Vec<serde_json::Value> {
    let path = format!("/api/v1/audit?event={event}&person={}", crate::browser::encode(email));
    house.admin(&path).await.expect(200).json()["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn staff_invite_somebody_send_it_again_and_withdraw_it() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    let form = kim.navigate("/records/new?app=orders&customer=42").await.expect(200).text();
    assert!(form.contains("Reads only (reader)") && form.contains("value=\"42\""), "{form}");
    let gil =
        [("app", "orders"), ("customer", "42"), ("email", "gil@example.com"), ("role", "reader"), ("days_back", "7")];
    let (to, page) = follow(&kim, kim.post("/records/new", &gil).await).await;
    assert!(page.contains("The invitation is on its way.") && page.contains("Reads only (reader)"), "{page}");
    house.mail.wait("gil@example.com").await;
    let page = kim.navigate("/invitations?app=orders").await.expect(200).text();
    assert!(
        page.contains("gil@example.com") && page.contains("staff kim@staff.example") && page.contains(" UTC"),
        "{page}"
    );
    // A moment after the first it is too soon, and the page says so.
    let page = kim.post(&format!("{}/resend", record_of(&to)), &[]).await.expect(422).text();
    assert!(page.contains("The invitation was sent a moment ago") && page.contains("gil@example.com"), "{page}");
    // Asked first, by name.
    let ask = format!("{}/remove", record_of(&to));
    let page = kim.navigate(&ask).await.expect(200).text();
    assert!(page.contains("Withdraw the invitation of gil@example.com?"), "{page}");
    let (to, page) = follow(&kim, kim.post(&ask, &[("version", &hidden(&page, "version"))]).await).await;
    assert_eq!(to, "/invitations?app=orders&done=withdrawn");
    assert!(page.contains("The invitation is withdrawn.") && page.contains("Nobody is invited."), "{page}");
    for event in ["invited", "invitation_withdrawn"] {
        let found = audited(&house, event, "gil@example.com").await;
        assert_eq!(found[0]["actor"]["person"]["email"], "kim@staff.example", "{event}: {found:?}");
    }
}

#[tokio::test]
async fn staff_let_somebody_in_change_what_they_have_and_remove_them() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    let ida = [
        ("app", "orders"),
        ("customer", "42"),
        ("email", "ida@example.com"),
        ("role", "reader"),
        ("welcome", "at-once"),
    ];
    let (to, page) = follow(&kim, kim.post("/records/new", &ida).await).await;
    assert!(page.contains("The record is made, and counts."), "{page}");
    let record = record_of(&to).to_owned();
    let ida = house.browser("orders.test");
    ida.log_in("ida@example.com").await;
    ida.fetch("/").await.expect(200);
    let role = || house.upstream.last().header("x-access-role").map(str::to_owned);
    assert_eq!(role().as_deref(), Some("reader"));

    let version = hidden(&page, "version");
    let change = [
        ("version", version.as_str()),
        ("role", "manager"),
        ("first_name", "Ida"),
        ("last_name", "Ink"),
        ("days_back", "unlimited"),
        ("language", "de"),
        ("notes", "until May"),
    ];
    let (_, page) = follow(&kim, kim.post(&record, &change).await).await;
    assert!(page.contains("The record is changed.") && page.contains("value=\"until May\""), "{page}");
    ida.fetch("/").await.expect(200);
    assert_eq!(role().as_deref(), Some("manager"));
    // Whoever changes what somebody else has changed meanwhile sees it as it stands, and nothing is saved.
    let stale = kim.post(&record, &[("version", &version), ("role", "reader")]).await.expect(409).text();
    assert!(stale.contains("Somebody else changed it meanwhile") && stale.contains("value=\"until May\""), "{stale}");
    // An emptied field is emptied, and who is suspended has nothing.
    let change = [("version", &*hidden(&stale, "version")), ("role", "manager"), ("suspended", "1")];
    let (_, page) = follow(&kim, kim.post(&record, &change).await).await;
    assert!(page.contains(" checked") && !page.contains("until May"), "{page}");
    ida.fetch("/").await.expect(403);
    let ask = format!("{record}/remove");
    let page = kim.navigate(&ask).await.expect(200).text();
    let (to, page) = follow(&kim, kim.post(&ask, &[("version", &hidden(&page, "version"))]).await).await;
    assert_eq!(to, "/records?app=orders&done=removed");
    assert!(page.contains("There is none."), "{page}");
    kim.navigate(&record).await.expect(404);
    for event in ["record_made", "record_changed", "record_removed"] {
        let found = audited(&house, event, "ida@example.com").await;
        assert_eq!(found[0]["actor"]["person"]["email"], "kim@staff.example", "{event}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_in_words() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    let good = [("app", "orders"), ("customer", "42"), ("email", "joe@example.com"), ("role", "reader")];
    for (name, value, status, problem) in [
        ("email", "nobody", 400, "email-problem"),
        ("email", "ann@example.com", 422, "email-problem\">List `"),
        ("email", "kim@staff.example", 422, "email-problem\">The address is one of the workspace"),
        ("customer", "", 400, "customer-problem"),
        ("role", "", 400, "role-problem"),
        ("role", "odd", 422, "role-problem\">Not allowed: there is no such role."),
        ("days_back", "soon", 422, "days_back-problem\">It is a whole number from 0 to 36500"),
        ("days_back", "40000", 422, "days_back-problem"),
        ("language", "xx", 400, "language-problem"),
    ] {
        let mut fields: Vec<_> = good.iter().copied().filter(|(known, _)| *known != name).collect();
        fields.push((name, value));
        let page = kim.post("/records/new", &fields).await.expect(status).text();
        assert!(page.contains(problem), "{name} = {value:?}: {page}");
        assert!(page.contains("<title>Error: ") && page.contains("aria-invalid=\"true\" autofocus"), "{page}");
        // What was typed stands there still.
        assert!(name == "email" || page.contains("value=\"joe@example.com\""), "{page}");
    }
    assert!(kim.navigate("/records").await.expect(200).text().contains("There is none."));
}

#[tokio::test]
async fn of_somebody_whom_an_adjustable_list_names_a_record_changes_what_it_gives() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    let hal = house.browser("orders.test");
    hal.log_in("hal@example.com").await;
    let role = async || {
        hal.fetch("/").await.expect(200);
        house.upstream.last().header("x-access-role").map(str::to_owned)
    };
    assert_eq!(role().await.as_deref(), Some("reader"));
    let more = [("app", "orders"), ("customer", "42"), ("email", "hal@example.com"), ("role", "manager")];
    let (to, page) = follow(&kim, kim.post("/records/new", &more).await).await;
    assert!(page.contains("The record is made, and counts."), "nobody is invited who is in already: {page}");
    assert_eq!(role().await.as_deref(), Some("manager"));
    let page = kim.post("/records/new", &more).await.expect(409).text();
    assert!(page.contains("email-problem\">The person has access or an invitation already."), "{page}");
    let ask = format!("{}/remove", record_of(&to));
    let page = kim.navigate(&ask).await.expect(200).text();
    let (_, page) = follow(&kim, kim.post(&ask, &[("version", &hidden(&page, "version"))]).await).await;
    assert!(page.contains("An adjustable list names this person still"), "{page}");
    hal.fetch("/").await.expect(403);
}

#[tokio::test]
async fn a_viewer_finds_no_form_and_no_button() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    let gil = [("app", "orders"), ("customer", "42"), ("email", "gil@example.com"), ("role", "reader")];
    let (to, _) = follow(&kim, kim.post("/records/new", &gil).await).await;
    let record = record_of(&to).to_owned();
    let lou = staff(&house, "lou@staff.example").await;
    let pages = [
        "/",
        "/records",
        "/invitations",
        &record,
        "/sessions",
        "/previews",
        "/usage",
        "/config",
        "/tokens",
        "/audit",
        "/people/gil%40example.com?app=orders",
    ];
    for path in pages {
        let page = lou.navigate(path).await.expect(200).text();
        // Only to log out is offered to everybody.
        assert_eq!(page.matches("method=\"post\"").count(), 1, "{path}: {page}");
        assert!(!page.contains("/records/new") && !page.contains("/remove\""), "{path}: {page}");
    }
    let remove = format!("{record}/remove");
    for path in ["/records/new", &remove, "/notify"] {
        let page = lou.navigate(path).await.expect(403).text();
        assert!(page.contains("`admin` of the console") && page.matches("method=\"post\"").count() == 1, "{page}");
    }
    let resend = format!("{record}/resend");
    for path in ["/records/new", &record, &remove, &resend, "/notify", "/previews/end"] {
        assert_eq!(lou.post(path, &gil).await.status, 403, "{path}");
    }
    assert!(lou.navigate(&record).await.expect(200).text().contains("gil@example.com"), "it is there still");
}

#[tokio::test]
async fn attack_30_another_sites_page_gives_nobody_access() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    let evil = [
        ("app", "orders"),
        ("customer", "42"),
        ("email", "eve@evil.test"),
        ("role", "manager"),
        ("welcome", "at-once"),
    ];
    for proof in [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")][..],
        &[("sec-fetch-site", "same-site"), ("origin", "https://orders.test")],
        &[("origin", "https://evil.test")],
        &[],
    ] {
        for path in ["/records/new", "/notify"] {
            assert_eq!(kim.post_from(path, &evil, proof).await.status, 403, "{path} {proof:?}");
        }
    }
    assert!(kim.navigate("/records").await.expect(200).text().contains("There is none."));
}

#[tokio::test]
async fn staff_see_what_all_customers_used_and_each() {
    let house = plan().start().await;
    for (email, path) in [("ann@example.com", "/html/orders/1042"), ("eve@example.com", "/html/hers")] {
        let browser = house.browser("orders.test");
        browser.log_in(email).await;
        browser.navigate(path).await.expect(200);
        browser.navigate("/admin/x").await.expect(403);
    }
    let kim = staff(&house, "kim@staff.example").await;
    let gil = [("app", "orders"), ("customer", "42"), ("email", "gil@example.com"), ("role", "reader")];
    follow(&kim, kim.post("/records/new", &gil).await).await;
    let fact = |page: &str, name: &str| {
        let (_, rest) =
            page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap_or_else(|| panic!("no {name} in {page}"));
        rest.split("</dd>").next().expect("a value").to_owned()
    };
    let page = kim.navigate("/usage?app=orders").await.expect(200).text();
    // Ann, Bob, Cat, Eve, Zoe and Hal may enter; Dup stands there twice.
    assert_eq!(fact(&page, "Active people in 30 days"), "2 of 6", "{page}");
    assert_eq!(
        (fact(&page, "Requests"), fact(&page, "Refused"), fact(&page, "Log-ins")),
        ("4".into(), "2".into(), "2".into())
    );
    let invitations = fact(&page, "Invitations that wait");
    assert!(invitations.contains(">1</a>") && invitations.contains("/invitations?app=orders"), "{invitations}");
    assert!(page.contains("/html/orders/*") && page.contains("/html/hers") && page.contains("Globex (43)"), "{page}");
    assert_eq!(page.matches("role=\"img\"").count(), 3);
    let page = kim.navigate("/usage?app=orders&customer=43").await.expect(200).text();
    assert_eq!(
        (fact(&page, "Requests"), fact(&page, "Active people in 30 days")),
        ("2".into(), "1 of 2".into()),
        "{page}"
    );
    assert!(page.contains("/html/hers") && !page.contains("/html/orders"), "{page}");
    assert!(fact(&page, "Invitations that wait").contains(">0</a>"), "{page}");

    let told = house.admin("/api/v1/usage?app=orders&customer=42&days=7").await.expect(200).json();
    assert_eq!((&told["active"], &told["people"], &told["invitations"]), (&1.into(), &4.into(), &1.into()), "{told}");
    assert_eq!(told["days"].as_array().map(Vec::len), Some(7));
    house.admin("/api/v1/usage?app=orders&days=32").await.expect(400);
    house.admin("/api/v1/usage?app=none").await.expect(404);
    let output = house.command(&["token", "create", "of-shop", "--scope", "read", "--app", "shop"]);
    let token = String::from_utf8(output.stdout).expect("text").trim().to_owned();
    house.door.secret(&token);
    assert_eq!(house.api_as(&token, "GET", "/api/v1/usage", "").await.expect(200).json()["app"], "shop");
    house.api_as(&token, "GET", "/api/v1/usage?app=orders", "").await.expect(403);
}

#[tokio::test]
async fn previews_are_seen_and_ended_and_begin_where_a_person_is_looked_at() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    let page = kim.navigate("/previews").await.expect(200).text();
    assert!(page.contains("Nobody looks through somebody else") && !page.contains("shop.test"), "{page}");
    // From a person's page to the app's own page of previews; of an app that she may not preview, nowhere.
    let person = kim.navigate("/people/eve%40example.com?app=orders&customer=43").await.expect(200).text();
    let begin = format!("https://{}/.access/preview?q=eve%40example%2Ecom", house.host("orders.test"));
    assert!(person.contains(&format!("href=\"{begin}\"")), "{begin}: {person}");
    let other = kim.navigate("/people/eve%40example.com?app=shop").await.expect(200).text();
    assert!(!other.contains("/.access/preview"), "{other}");
    // A customer's own domain is theirs alone.
    let person = kim.navigate("/people/ann%40example.com?app=orders&customer=42").await.expect(200).text();
    assert!(person.contains(&format!("https://{}/.access/preview?q=", house.host("orders.big.test"))), "{person}");

    let in_app = house.browser("orders.test");
    let answer = in_app.navigate("/.access/preview?q=eve%40example%2Ecom").await.expect(303);
    assert_eq!(answer.location(), "/.access/login?to=%2F%2Eaccess%2Fpreview%3Fq%3Deve%2540example%252Ecom");
    in_app.log_in("kim@staff.example").await;
    let page = in_app.navigate("/.access/preview?q=eve%40example%2Ecom").await.expect(200).text();
    assert!(page.contains("Eve Fox") && page.contains("Reads only (reader)"), "{page}");
    let eve = [("email", "eve@example.com"), ("customer", "43"), ("to", "/html/x")];
    in_app.post("/.access/preview", &eve).await.expect(303);
    let page = in_app.navigate("/html/x").await.expect(200).text();
    assert!(page.contains("Reads only (reader)"), "the bar names the role: {page}");

    let page = kim.navigate("/previews").await.expect(200).text();
    for told in ["kim@staff.example", "eve@example.com", "orders.test", ">43<", " UTC"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let (_, after) = follow(&kim, kim.post("/previews/end", &[("id", &hidden(&page, "id"))]).await).await;
    assert!(after.contains("The preview is over") && after.contains("Nobody looks through"), "{after}");
    in_app.navigate("/html/x").await.expect(303);
    assert_eq!(kim.post("/previews/end", &[("id", "00")]).await.status, 404);
}

#[tokio::test]
async fn a_notification_is_sent_once_however_often_its_button_is_pressed() {
    let house = plan().start().await;
    let kim = staff(&house, "kim@staff.example").await;
    assert!(kim.navigate("/notify?app=shop").await.expect(200).text().contains("nothing that people could be told of"));
    let form = kim.navigate("/notify?app=orders").await.expect(200).text();
    assert!(form.contains("Shipped orders (shipped)"), "{form}");
    let key = hidden(&form, "key");
    let words = |subject| {
        vec![
            ("app", "orders"),
            ("key", &*key),
            ("customer", "43"),
            ("topic", "shipped"),
            ("subject", subject),
            ("text", "It left."),
        ]
    };
    // What is wrong stands at its field, and nothing goes out.
    let mut wrong = words(" ");
    wrong.push(("link", "https://elsewhere.test/"));
    let page = kim.post("/notify", &wrong).await.expect(422).text();
    assert!(page.contains("subject-problem\">It must be one line") && page.contains("link-problem"), "{page}");
    let good = words("On its way");
    let (first, second) = tokio::join!(kim.post("/notify", &good), kim.post("/notify", &good));
    assert_eq!(first.expect(303).location(), second.location(), "a double click is one");
    let to = second.location().to_owned();
    eventually("it is done", async || {
        kim.navigate(&to).await.expect(200).text().contains("Nothing more is to come of it.").then_some(())
    })
    .await;
    for email in ["cat@example.com", "eve@example.com"] {
        assert_eq!(house.mail.count_to(email).await, 1, "{email}");
    }
    // The same form with other words is no second notification, until somebody says that it is meant.
    let page = kim.post("/notify", &words("Something else")).await.expect(422).text();
    assert!(page.contains("It was sent before, with other words"), "{page}");
    assert_ne!(hidden(&page, "key"), key);
    let found = house.admin("/api/v1/audit?event=notification_taken").await.expect(200).json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found["items"][0]["actor"]["person"]["email"], "kim@staff.example", "{found}");
    kim.navigate("/notify/none").await.expect(404);
}

#[tokio::test]
async fn records_are_changed_and_removed_on_the_command_line() {
    let house = plan().start().await;
    let run = |arguments: &[&str]| house.command(arguments);
    let whom = ["--app", "orders", "--customer", "42"];
    let told = printed(&run(&[&["grants", "set", "hal@example.com"], &whom[..], &["--role", "manager"]].concat()));
    assert!(told.contains("has no record") && told.contains("invitations create"), "{told}");
    let told =
        printed(&run(&[&["invitations", "create", "hal@example.com"], &whom[..], &["--role", "manager"]].concat()));
    assert!(told.contains("changed what a list gives"), "{told}");
    let more = ["--role", "reader", "--days-back", "7", "--notes", "until May", "--state", "suspended"];
    let told = printed(&run(&[&["grants", "set", "hal@example.com"], &whom[..], &more].concat()));
    assert!(told.contains("changed: hal@example.com"), "{told}");
    let record = house.admin("/api/v1/records?email=hal%40example.com").await.expect(200).json()["items"][0].clone();
    assert_eq!(
        (&record["state"], &record["days_back"], &record["notes"]),
        (&"suspended".into(), &7.into(), &"until May".into())
    );
    let nothing = run(&[&["grants", "set", "hal@example.com"], &whom[..]].concat());
    assert_eq!(nothing.status.code(), Some(2), "{}", printed(&nothing));
    let told = printed(&run(&[&["grants", "remove", "hal@example.com"], &whom[..]].concat()));
    assert!(told.contains("suspended, for a list names them still"), "{told}");
    let told =
        printed(&run(&[&["invitations", "create", "gil@example.com"], &whom[..], &["--role", "reader"]].concat()));
    assert!(told.contains("invited: gil@example.com"), "{told}");
    let told = printed(&run(&[&["grants", "remove", "gil@example.com"], &whom[..]].concat()));
    assert!(told.contains("invitations withdraw"), "{told}");
    let made = serde_json::json!({
        "app": "orders", "customer": "42", "email": "ida@example.com", "role": "reader", "without_invitation": true,
    });
    house.api("POST", "/api/v1/records", &made.to_string()).await.expect(200);
    let told = printed(&run(&[&["grants", "remove", "ida@example.com"], &whom[..]].concat()));
    assert!(told.contains("removed: ida@example.com"), "{told}");
    for (event, email) in [("record_changed", "hal@example.com"), ("record_removed", "ida@example.com")] {
        let found = audited(&house, event, email).await;
        assert_eq!(found[0]["actor"]["token"], "local", "{event}: {found:?}");
    }
}
