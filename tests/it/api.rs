//! The API of the admin listener, and the commands that use it.

use serde_json::{Value, json};

use crate::house::{House, OPEN, plain, printed};

const TWO_APPS: &str = r#"
[app.shop]
domains = ["shop.test"]
upstream = "{{upstream}}"

[[app.shop.customers]]
source = "crm"
email = "email"
customer = "company_id"
"#;

async fn house() -> House {
    House::plan(OPEN).config(TWO_APPS).start().await
}

/// A token made by the command, which prints it alone.
fn token(house: &House, arguments: &[&str]) -> String {
    let output = house.command(&[&["token", "create"], arguments].concat());
    assert!(output.status.success(), "{}", printed(&output));
    let token = String::from_utf8(output.stdout).expect("text").trim().to_owned();
    assert!(token.starts_with("vst_") && token.len() == 47, "{token}");
    house.door.secret(&token);
    token
}

/// Every operation of the document, with something in place of its path's parameters.
async fn operations(house: &House) -> Vec<(String, String)> {
    let document = house.admin("/api/v1/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().expect("paths").clone();
    let each = |(path, methods): (String, Value)| {
        let path = path.replace("{email}", "ann%40example.com").replace("{host}", "orders.test");
        let path = path.replace("{id}", "00").replace("{name}", "none");
        let methods: Vec<String> = methods.as_object().expect("methods").keys().cloned().collect();
        methods.into_iter().map(move |method| (method.to_ascii_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(each).collect()
}

#[tokio::test]
async fn attack_30_without_a_good_token_nothing_is_told() {
    let house = house().await;
    let all = operations(&house).await;
    assert!(all.len() >= 15, "{all:?}");
    for (method, path) in &all {
        let bare = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n");
        for credential in [
            "",
            "authorization: Bearer vst_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
            "authorization: Basic YTpi\r\n",
            "authorization: Bearer\r\n",
            "cookie: __Host-access=x\r\n",
        ] {
            let answer = plain(house.admin_address(), &format!("{bare}{credential}\r\n")).await.expect(401);
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert!(answer.header("www-authenticate").starts_with("Bearer "), "{:?}", answer.headers);
            let told = answer.json();
            assert_eq!((&told["status"], &told["code"]), (&401.into(), &"no-token".into()), "{told}");
            assert_eq!(told["request_id"], answer.header("x-request-id"));
        }
        // A good token is of no use to a page in a browser, nor by a name that points here.
        let good = format!("authorization: Bearer {}\r\n", house.local_token());
        for from in ["origin: http://127.0.0.1\r\n", "sec-fetch-site: same-origin\r\n"] {
            plain(house.admin_address(), &format!("{bare}{good}{from}\r\n")).await.expect(403);
        }
        let renamed = bare.replace("host: 127.0.0.1", "host: evil.test");
        plain(house.admin_address(), &format!("{renamed}{good}\r\n")).await.expect(421);
        // Nor by two names of which one is good.
        plain(house.admin_address(), &format!("{bare}host: evil.test\r\n{good}\r\n")).await.expect(421);
        let absolute = bare.replacen(path.as_str(), &format!("http://evil.test{path}"), 1);
        plain(house.admin_address(), &format!("{absolute}{good}\r\n")).await.expect(421);
    }
    for path in ["/api", "/api/v1", "/api/v2/apps", "/api/v1/nothing", "/api/v1/apps/", "/api/v1//apps"] {
        let answer = house.api("GET", path, "").await.expect(404);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
    let answer = house.api("PATCH", "/api/v1/tokens", "").await.expect(405);
    assert_eq!(answer.header("allow"), "GET, POST");
    // What needs no token needs none.
    house.admin("/healthz").await.expect(200);
    house.admin("/readyz").await.expect(200);
    house.admin("/metrics").await.expect(200);
}

#[tokio::test]
async fn attack_30_a_token_is_good_for_what_it_was_made_for() {
    let house = house().await;
    let reader = token(&house, &["reader", "--scope", "read"]);
    house.api_as(&reader, "GET", "/api/v1/apps", "").await.expect(200);
    for (method, path) in [
        ("GET", "/api/v1/audit"),
        ("GET", "/api/v1/tokens"),
        ("POST", "/api/v1/reload"),
        ("DELETE", "/api/v1/people/ann%40example.com/data"),
        ("GET", "/api/v1/people/ann%40example.com/data"),
        ("DELETE", "/api/v1/sessions/00"),
    ] {
        let told = house.api_as(&reader, method, path, "").await.expect(403).json();
        assert_eq!(told["code"], "not-allowed", "{method} {path}: {told}");
    }
    house.api_as(&reader, "POST", "/api/v1/tokens", "{\"name\":\"more\",\"scopes\":[\"admin\"]}").await.expect(403);

    // One for a single app knows of no other.
    let of_shop = token(&house, &["of-shop", "--scope", "read,sessions,audit", "--app", "shop"]);
    let apps = house.api_as(&of_shop, "GET", "/api/v1/apps", "").await.expect(200).json();
    assert_eq!(apps["items"].as_array().map(Vec::len), Some(1), "{apps}");
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let sessions = house.api_as(&of_shop, "GET", "/api/v1/sessions", "").await.expect(200).json();
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(0), "{sessions}");
    let entries = house.api_as(&of_shop, "GET", "/api/v1/audit", "").await.expect(200).json();
    assert!(!entries.to_string().contains("orders"), "{entries}");
    let all = house.admin("/api/v1/sessions").await.expect(200).json();
    let id = all["items"][0]["id"].as_str().expect("a session").to_owned();
    house.api_as(&of_shop, "DELETE", &format!("/api/v1/sessions/{id}"), "").await.expect(404);
    house.api_as(&of_shop, "GET", "/api/v1/people?app=orders", "").await.expect(403);
    house.api_as(&of_shop, "GET", "/api/v1/sources", "").await.expect(403);
    house.api_as(&of_shop, "GET", "/api/v1/people", "").await.expect(200);
    ann.fetch("/").await.expect(200);

    // Revoked, it opens nothing; and one that is over neither.
    let revoked = house.command(&["token", "revoke", "reader"]);
    assert!(revoked.status.success(), "{}", printed(&revoked));
    house.api_as(&reader, "GET", "/api/v1/apps", "").await.expect(401);
    let past = json!({ "name": "past", "scopes": ["read"], "expires": "2020-01-01T00:00:00Z" });
    house.api("POST", "/api/v1/tokens", &past.to_string()).await.expect(422);
    house.api("DELETE", "/api/v1/tokens/local", "").await.expect(409);

    // Only its hash is kept, and only its name is told.
    let listed = house.admin("/api/v1/tokens").await.expect(200).text();
    assert!(listed.contains("of-shop") && !listed.contains(&of_shop), "{listed}");
    let mut stored = std::fs::read(house.data().join("store.db")).expect("the store");
    stored.extend(std::fs::read(house.data().join("store.db-wal")).unwrap_or_default());
    for token in [&reader, &of_shop, &house.local_token()] {
        assert!(!stored.windows(token.len()).any(|part| part == token.as_bytes()), "the store holds a token");
    }
    use std::os::unix::fs::PermissionsExt as _;
    let left = std::fs::metadata(house.data().join("api.json")).expect("it is there");
    assert_eq!(left.permissions().mode() & 0o777, 0o600);
    let made = printed(&house.command(&["audit", "export", "--event", "token_made"]));
    assert_eq!(made.lines().count(), 2, "{made}");
}

#[tokio::test]
async fn sessions_are_listed_a_page_at_a_time_and_ended() {
    let house = house().await;
    let people = ["ann@example.com", "bob@example.com", "eve@example.com"];
    let mut browsers = Vec::new();
    for email in people {
        let browser = house.browser("orders.test");
        browser.log_in(email).await;
        browsers.push(browser);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = house.admin(&format!("/api/v1/sessions?limit=1{cursor}")).await.expect(200).json();
        seen.extend(page["items"].as_array().expect("a page").iter().map(|item| item["email"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["eve@example.com", "bob@example.com", "ann@example.com"], "the newest first, each once");
    let listed = house.admin("/api/v1/sessions?email=bob%40example.com&app=orders").await.expect(200).json();
    let id = listed["items"][0]["id"].as_str().expect("bob's").to_owned();
    let ended = house.command(&["sessions", "end", &id]);
    assert!(ended.status.success(), "{}", printed(&ended));
    browsers[1].fetch("/").await.expect(401);
    browsers[0].fetch("/").await.expect(200);
    let ended = printed(&house.command(&["sessions", "end", "--email", "ann@example.com"]));
    assert_eq!(ended, "ended: 1 session\n");
    browsers[0].fetch("/").await.expect(401);
    let listed = printed(&house.command(&["sessions", "list"]));
    assert!(listed.contains("eve@example.com") && !listed.contains("bob@example.com"), "{listed}");
    let entries = house.admin("/api/v1/audit?event=session_ended_by_staff").await.expect(200).json();
    assert_eq!(entries["items"][0]["subject"]["email"], "bob@example.com", "{entries}");
    assert_eq!(entries["items"][0]["actor"], json!({ "kind": "token", "person": null, "token": "local" }));
}

#[tokio::test]
async fn people_are_found_and_explained() {
    let house = house().await;
    let find = async |query: &str| {
        let page = house.admin(&format!("/api/v1/people?app=orders{query}")).await.expect(200).json();
        let items = page["items"].as_array().expect("a page").clone();
        items.iter().map(|item| format!("{} {}", item["email"], item["customer"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(find("&q=lee").await, ["ann@example.com 42"], "by name");
    assert_eq!(find("&q=globex").await, ["cat@example.com 43", "eve@example.com 43"], "by customer");
    assert_eq!(find("&q=cat%40example.com").await, ["cat@example.com 42", "cat@example.com 43"], "by address");
    assert_eq!(find("&q=dup").await, Vec::<String>::new(), "who is ambiguous may not enter");
    assert_eq!(find("&q=nobody").await, Vec::<String>::new());
    let page = house.admin("/api/v1/people?app=orders&limit=4").await.expect(200).json();
    let next = page["next"].as_str().expect("there are more");
    assert_eq!(find(&format!("&limit=4&cursor={next}")).await, ["eve@example.com 43", "zoe@example.com 44"]);
    house.admin("/api/v1/people?app=none").await.expect(404);
    house.admin("/api/v1/people").await.expect(400);

    let told = house.admin("/api/v1/people/old%40example.com/explanation?app=orders").await.expect(200).json();
    assert_eq!(told["verdict"]["may_enter"], false, "{told}");
    let told = house.admin("/api/v1/people/ann%40example.com/explanation?app=orders&path=/x").await.expect(200).json();
    assert_eq!(told["verdict"]["is_allowed"], true, "{told}");
    house.admin("/api/v1/people/ann%40example.com/explanation?app=orders&host=no.test").await.expect(422);
    let grants = printed(&house.command(&["grants", "list", "--app", "orders", "globex"]));
    assert!(grants.contains("eve@example.com") && !grants.contains("ann@example.com"), "{grants}");
}

#[tokio::test]
async fn people_are_invited_changed_and_removed() {
    let house = house().await;
    let make = async |body: Value| house.api("POST", "/api/v1/records", &body.to_string()).await;
    let gil =
        json!({ "app": "orders", "customer": "42", "email": "gil@example.com", "role": "user", "first_name": "Gil" });
    let made = make(gil.clone()).await.expect(200).json();
    assert_eq!((&made["state"], &made["first_name"]), (&"invited".into(), &"Gil".into()), "{made}");
    assert_eq!(made["made_by"], "staff local");
    make(gil).await.expect(409);
    let named = json!({ "app": "orders", "customer": "42", "email": "ann@example.com", "role": "user" });
    make(named).await.expect(422);
    make(json!({ "app": "none", "customer": "42", "email": "a@example.com", "role": "user" })).await.expect(404);
    make(json!({ "app": "orders", "customer": "42", "email": "a@example.com", "role": "odd" })).await.expect(422);
    make(json!({ "app": "orders", "customer": "42", "email": "no address", "role": "user" })).await.expect(400);
    house.mail.wait("gil@example.com").await;
    let listed = printed(&house.command(&["invitations", "list", "--app", "orders"]));
    assert!(listed.contains("gil@example.com"), "{listed}");

    // Let in at once, found and changed.
    let hal = json!({
        "app": "orders", "customer": "42", "email": "hal@example.com", "role": "user", "without_invitation": true,
    });
    let made = make(hal).await.expect(200).json();
    let path = format!("/api/v1/records/{}", made["id"].as_str().expect("a number"));
    let hal = house.browser("orders.test");
    hal.log_in("hal@example.com").await;
    hal.fetch("/").await.expect(200);
    let found = house.admin("/api/v1/people?app=orders&q=hal").await.expect(200).json();
    assert_eq!(found["items"][0]["origin"], "record", "{found}");
    let stale = house.api("PATCH", &path, "{\"version\":77,\"role\":\"admin\"}").await.expect(409);
    assert_eq!(stale.json()["code"], "conflict");
    let changed = house.api("PATCH", &path, "{\"days_back\":7,\"notes\":\"until May\"}").await.expect(200).json();
    assert_eq!(
        (&changed["days_back"], &changed["notes"], &changed["role"]),
        (&7.into(), &"until May".into(), &"user".into())
    );
    let changed = house.api("PATCH", &path, "{\"days_back\":\"unlimited\",\"notes\":null}").await.expect(200).json();
    assert_eq!((&changed["days_back"], &changed["notes"]), (&"unlimited".into(), &Value::Null));

    // A token of another app neither sees nor changes it.
    let of_shop = token(&house, &["of-shop", "--scope", "people", "--app", "shop"]);
    house.api_as(&of_shop, "GET", &path, "").await.expect(404);
    house.api_as(&of_shop, "DELETE", &path, "").await.expect(404);
    let other = json!({ "app": "orders", "customer": "42", "email": "x@example.com", "role": "user" });
    house.api_as(&of_shop, "POST", "/api/v1/records", &other.to_string()).await.expect(403);

    house.api("DELETE", &path, "").await.expect(200);
    hal.fetch("/").await.expect(403);
    house.api("DELETE", &path, "").await.expect(404);
    let entries = house.admin("/api/v1/audit?person=hal%40example.com&event=record_removed").await.expect(200).json();
    assert_eq!(entries["items"][0]["actor"]["token"], "local", "{entries}");
}

#[tokio::test]
async fn a_config_is_tried_out_without_reaching_anything_new() {
    let house = house().await;
    let text = std::fs::read_to_string(house.config()).expect("the config");
    let ask = async |text: &str| house.api("POST", "/api/v1/impact", &json!({ "config": text }).to_string()).await;
    let same = ask(&text).await.expect(200).json();
    assert_eq!(same["apps"][0]["changes"], json!([]), "{same}");
    let narrower = text.replace("row.status == \"active\"", "row.status == \"active\" && row.company_id == \"43\"");
    let told = ask(&narrower).await.expect(200).json();
    assert!(told.to_string().contains("ann@example.com"), "{told}");
    let wrong = ask(&text.replace("[app.shop]", "[app.shop]\nodd = 1")).await.expect(422).json();
    assert!(wrong["errors"][0].as_str().is_some_and(|error| error.contains("odd")), "{wrong}");
    // Whoever may try a config out may not have the gateway read other files, or send its secrets elsewhere.
    let elsewhere = text.replace("csv:people.csv", "csv:/etc/passwd");
    let refused = ask(&elsewhere).await.expect(422).json();
    assert!(refused.to_string().contains("is not as the running config has it"), "{refused}");
    house.api("POST", "/api/v1/impact", "{}").await.expect(400);
    house.api("POST", "/api/v1/impact", "").await.expect(415);
    let large = json!({ "config": "x".repeat(2_000_000) }).to_string();
    house.api("POST", "/api/v1/impact", &large).await.expect(413);
}

#[tokio::test]
async fn attack_30_a_config_that_is_tried_out_tells_nothing_of_environment_or_files() {
    // Any variable of the test's own will do: its value is what must not be told.
    let secret = std::env::var("PATH").expect("there is one");
    let house = House::plan(OPEN).config("[app.orders.branding]\ntitle = \"Orders ${HOME}\"\n").start().await;
    let text = std::fs::read_to_string(house.config()).expect("the config");
    let ask = async |text: &str| house.api("POST", "/api/v1/impact", &json!({ "config": text }).to_string()).await;
    ask(&text).await.expect(200);
    for tried in [
        text.replace("refresh = \"1s\"", "refresh = \"${PATH}\""),
        text.replace("Orders ${HOME}", "Orders ${PATH}"),
        text.replace("row.status == \"active\"", "\"${PATH}\".startsWith(\"/\")"),
        text.replace("refresh = \"1s\"", "refresh = \"Orders ${HOME}\""),
    ] {
        assert_ne!(tried, text);
        let told = ask(&tried).await.expect(422).text();
        assert!(!told.contains(&secret) && told.contains("takes something from the environment"), "{told}");
    }
    // Neither whether a file is there, nor what it holds, nor one without an end.
    for file in ["/dev/zero", "/etc/passwd", "data/api.json", "/nowhere"] {
        let tried = format!(
            "{text}\n[login.oidc.other]\nissuer = \"https://idp.test\"\nclient_id = \"x\"\nclient_secret = {{ file = \"{file}\" }}\n"
        );
        let told = ask(&tried).await.expect(422).text();
        assert!(told.contains("is none of the files that the running config names"), "{told}");
    }
    let tried = text.replace("Orders ${HOME}\"", "Orders ${HOME}\"\nlogo = \"/dev/zero.svg\"");
    let told = ask(&tried).await.expect(422).text();
    assert!(told.contains("is none of the files that the running config names"), "{told}");
}

#[tokio::test]
async fn commands_say_what_is_missing_when_no_gateway_runs() {
    let mut house = house().await;
    house.terminate();
    assert!(house.ended().await.success());
    // What the store can answer is answered.
    let made = token(&house, &["ci", "--scope", "audit", "--expires", "90d"]);
    let listed = printed(&house.command(&["token", "list"]));
    assert!(listed.contains("ci") && listed.contains("audit"), "{listed}");
    for command in [&["sessions", "list"][..], &["grants", "list", "--app", "orders"], &["reload"]] {
        let output = house.command(command);
        let told = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {told}");
        assert!(told.contains("help: is it running"), "{command:?}: {told}");
    }
    house.start_again().await;
    house.api_as(&made, "GET", "/api/v1/audit", "").await.expect(200);
}
