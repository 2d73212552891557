//! The config changes while the gateway runs: all of it counts at once, or nothing does and the log says why.

use std::net::TcpListener;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::house::{House, LADDER, OPEN, eventually, plain, printed};
use crate::mailbox::Mailbox;
use crate::pki::{Authority, Leaf};
use crate::provider::Provider;
use crate::upstream::Upstream;
use crate::wire::Wire;

/// A reload that ends well, and what it says that changed.
async fn reloaded(house: &House) -> Vec<String> {
    let answer = house.reload().await.expect(200).json();
    serde_json::from_value(answer["changes"].clone()).expect("a list of lines")
}

/// A reload that is refused, and everything that it says is wrong.
async fn refused(house: &House) -> Vec<String> {
    let answer = house.reload().await.expect(422).json();
    assert_eq!(answer["code"], "refused");
    serde_json::from_value(answer["errors"].clone()).expect("a list of lines")
}

/// Waits until the gateway has taken up a change of its files by itself.
async fn taken_up(house: &House, before: usize) {
    eventually("the change is taken up", async || (house.log.named("config reloaded").len() > before).then_some(()))
        .await;
}

fn der(leaf: &Leaf) -> Vec<u8> {
    CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("PEM").to_vec()
}

#[tokio::test]
async fn a_domain_comes_and_another_goes() {
    let house = House::start(&OPEN.replace("[\"orders.test\"]", "[\"orders.test\", \"old.test\"]")).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    house.browser("old.test").fetch("/").await.expect(401);
    house.change("\"old.test\"", "\"new.test\"");
    let changes = reloaded(&house).await;
    assert_eq!(
        changes,
        [
            "app `orders`: `domains` changed",
            "domain new.test added to app `orders`",
            "domain old.test removed from app `orders`"
        ]
    );
    house.browser("new.test").fetch("/").await.expect(401);
    assert!(Wire::connect(house.door.https(), "old.test", house.door.ca()).await.is_err(), "it is served no longer");
    ann.fetch("/").await.expect(200);
    let again = house.reload().await.expect(200).json();
    assert_eq!(again, json!({"status": "unchanged", "changes": []}));
}

#[tokio::test]
async fn a_rule_counts_at_the_next_request() {
    let house = House::start(LADDER).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/reports").await.expect(200);
    house.change("{ deny = \"* /admin/**\" }", "{ deny = \"* /admin/**\" }, { deny = \"* /reports\" }");
    assert_eq!(reloaded(&house).await, ["app `orders`: `role.reader.rules` changed: 3, before 2"]);
    ann.fetch("/reports").await.expect(403);
    ann.fetch("/orders").await.expect(200);
}

#[tokio::test]
async fn whoever_lost_their_role_or_their_app_loses_their_open_socket() {
    let both = format!(
        "{OPEN}\n[app.files]\ndomains = [\"files.test\"]\nupstream = \"{{{{upstream}}}}\"\n[[app.files.customers]]\nsource = \"crm\"\nemail = \"email\"\n"
    );
    let house = House::start(&both).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("files.test"));
    ann.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    let mut of_ann = ann.web_socket("/ws").await.expect("it opens");
    let mut of_bob = bob.web_socket("/ws").await.expect("it opens");
    house.change("domains = [\"orders.test\"]", "enabled = false\ndomains = [\"orders.test\"]");
    assert_eq!(reloaded(&house).await, ["app `orders`: `enabled` added"]);
    let over = async { while let Some(Ok(_)) = of_ann.next().await {} };
    tokio::time::timeout(crate::wire::PATIENCE, over).await.expect("the socket ends");
    ann.fetch("/").await.expect(503);
    of_bob.send(Message::text("still here")).await.expect("it is open");
    assert_eq!(of_bob.next().await.expect("an echo").expect("a message"), Message::text("still here"));
    bob.fetch("/").await.expect(200);
    house.change("[app.files]", "[app.other]");
    house.change("[[app.files.customers]]", "[[app.other.customers]]");
    let changes = reloaded(&house).await;
    assert!(changes.contains(&"app `files`: removed".to_owned()), "{changes:?}");
    let over = async { while let Some(Ok(_)) = of_bob.next().await {} };
    tokio::time::timeout(crate::wire::PATIENCE, over).await.expect("the socket ends");
}

#[tokio::test]
async fn a_changed_logo_is_taken_up_by_itself() {
    let branded = OPEN
        .replace("[[app.orders.customers]]", "[app.orders.branding]\nlogo = \"logo.svg\"\n[[app.orders.customers]]");
    let svg = |text: &str| format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><title>{text}</title></svg>");
    let house = House::plan(&branded).file("logo.svg", svg("first")).start().await;
    let nobody = house.browser("orders.test");
    let logo = async || nobody.fetch("/.access/logo").await.expect(200).text();
    assert!(logo().await.contains("first"));
    house.write("logo.svg", svg("second"));
    taken_up(&house, 0).await;
    assert!(logo().await.contains("second"));
    let told = house.log.text();
    assert!(told.contains("logo.svg changed"), "{told}");
}

#[tokio::test]
async fn a_certificate_that_is_replaced_serves_the_next_handshake() {
    let authority = Authority::new("Operator");
    let (old, new) =
        (authority.leaf_valid_from(&["orders.test"], 2021), authority.leaf_valid_from(&["orders.test"], 2024));
    let house = House::plan(OPEN)
        .tls("certs = \"certs\"", &authority.pem)
        .file("certs/orders.pem", &old.certificate)
        .file("certs/orders.key", &old.key)
        .start()
        .await;
    let mut before = house.wire("orders.test").await;
    assert_eq!(before.certificate(), der(&old));
    house.write("certs/orders.pem", &new.certificate);
    house.write("certs/orders.key", &new.key);
    taken_up(&house, 0).await;
    assert_eq!(house.wire("orders.test").await.certificate(), der(&new));
    let told = house.log.text();
    assert!(told.contains("certificate for orders.test replaced"), "{told}");
    let host = format!("host: {}", house.host("orders.test"));
    assert_eq!(before.ask(&["GET / HTTP/1.1", &host]).await.expect("it lives on").status, 401);
}

#[tokio::test]
async fn mail_goes_to_the_new_server_and_the_secret_stays_out_of_the_log() {
    let house = House::plan(OPEN).file("other-ca.pem", "").start().await;
    let other = Mailbox::new();
    house.write("other-ca.pem", other.ca());
    house.door.secret("hunter2hunter2");
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let url = other.url();
    house.write("smtp-url", &url);
    let text = std::fs::read_to_string(house.config()).expect("the config");
    let line = text.lines().find(|line| line.starts_with("smtp = ")).expect("a mail server").to_owned();
    house.change(&line, "smtp = { file = \"smtp-url\" }");
    house.change("mail-ca.pem", "other-ca.pem");
    assert_eq!(reloaded(&house).await, ["`mail.ca` changed", "`mail.smtp` changed"]);
    let bob = house.browser("orders.test");
    bob.ask_for_mail("bob@example.com").await;
    other.wait("bob@example.com").await;
    assert_eq!(house.mail.count_to("bob@example.com").await, 0);
    // The file of a secret is part of the config.
    house.write("smtp-url", house.mail.url());
    house.write("other-ca.pem", house.mail.ca());
    let changes = reloaded(&house).await;
    assert!(changes.iter().any(|line| line.ends_with("smtp-url changed")), "{changes:?}");
    let eve = house.browser("orders.test");
    eve.ask_for_mail("eve@example.com").await;
    house.mail.wait("eve@example.com").await;
}

#[tokio::test]
async fn a_provider_is_added() {
    let corp = Provider::start().await;
    let house = House::start(OPEN).await;
    let nobody = house.browser("orders.test");
    assert!(nobody.navigate("/.access/login").await.button_of("corp").is_none(), "there is none yet");
    house.change("[session]", &format!("{}\n[session]", corp.toml("corp", "")));
    house.change("domains = [\"orders.test\"]", "domains = [\"orders.test\"]\nlogin = [\"email\", \"corp\"]");
    let changes = reloaded(&house).await;
    assert!(changes.contains(&"provider `corp`: added".to_owned()), "{changes:?}");
    corp.trust(&house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("corp", "ann@example.com").await.expect(303);
    ann.fetch("/").await.expect(200);
    // Without it, what rests on it is over; what does not goes on.
    house.change("login = [\"email\", \"corp\"]", "login = [\"email\"]");
    assert_eq!(reloaded(&house).await, ["app `orders`: `login` changed: 1, before 2"]);
    ann.fetch("/").await.expect(401);
}

#[tokio::test]
async fn a_source_moves_and_nobody_waits_for_it() {
    let house = House::plan(OPEN).file("moved/people.csv", "email,company_id,company,full_name,status,lang,history_days\neve@example.com,43,Globex,Eve Fox,active,en,\n").start().await;
    let (ann, eve) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    eve.log_in("eve@example.com").await;
    ann.fetch("/").await.expect(200);
    house.change("csv:people.csv", "csv:moved/people.csv");
    assert_eq!(reloaded(&house).await, ["source `crm`: `url` changed"]);
    ann.fetch("/").await.expect(403);
    eve.fetch("/").await.expect(200);
}

#[tokio::test]
async fn a_table_that_changed_counts_at_once_when_a_reload_is_asked_for() {
    let house = House::start(&OPEN.replace("refresh = \"1s\"", "refresh = \"1h\"\nmax_stale = \"2h\"")).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    house.remove_from_table("ann@example.com");
    reloaded(&house).await;
    ann.fetch("/").await.expect(403);
}

#[tokio::test]
async fn listeners_move_and_open_connections_live_on() {
    let house = House::start(LADDER).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let before = (house.door.https(), house.http(), house.admin_address());
    let mut wire = house.wire("orders.test").await;
    let host = format!("host: {}", house.host("orders.test"));
    let cookie = format!("cookie: {}", ann.cookie_header());
    wire.ask(&["GET /orders HTTP/1.1", &host, &cookie]).await.expect("an answer").expect(200);
    let mut socket = ann.web_socket("/ws").await.expect("it opens");
    // Ports that nobody has: bound, seen, and let go.
    let free = || {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address")
    };
    let (https, admin) = (free(), free());
    house.change("https = \"127.0.0.1:0\"", &format!("https = \"{https}\""));
    house.change("http = \"127.0.0.1:0\"\n", "");
    house.change("admin = \"127.0.0.1:0\"", &format!("admin = \"{admin}\""));
    house.change("{ deny = \"* /admin/**\" }", "{ deny = \"* /admin/**\" }, { deny = \"* /reports\" }");
    let changes = reloaded(&house).await;
    assert!(changes.iter().any(|line| line.starts_with("`server.https` changed:")), "{changes:?}");
    assert!(changes.contains(&"`server.http` removed".to_owned()), "{changes:?}");
    eventually("the new listeners are told", async || {
        house.find_listeners();
        (house.door.https() == https && house.admin_address() == admin).then_some(())
    })
    .await;
    for gone in [before.0, before.1, before.2] {
        eventually("the old listener closes", async || tokio::net::TcpStream::connect(gone).await.err()).await;
    }
    wire.ask(&["GET /orders HTTP/1.1", &host, &cookie]).await.expect("it lives on").expect(200);
    wire.ask(&["GET /reports HTTP/1.1", &host, &cookie]).await.expect("it lives on").expect(403);
    socket.send(Message::text("here")).await.expect("it is open");
    assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text("here"));
    ann.fetch("/orders").await.expect(200);
    house.admin("/healthz").await.expect(200);
    // A listener comes back, and redirects to where https is now.
    house.change("data =", "http = \"127.0.0.1:0\"\ndata =");
    assert_eq!(reloaded(&house).await, ["`server.http` added: \"127.0.0.1:0\""]);
    eventually("the new listener is told", async || {
        house.find_listeners();
        (house.http() != before.1).then_some(())
    })
    .await;
    let request = format!("GET /x HTTP/1.1\r\nhost: orders.test:{}\r\nconnection: close\r\n\r\n", house.http().port());
    let answer = plain(house.http(), &request).await;
    assert_eq!(answer.header("location"), format!("https://orders.test:{}/x", https.port()));
}

#[tokio::test]
async fn limits_count_for_the_next_connection() {
    let house = House::start(OPEN).await;
    let mut before = house.wire("orders.test").await;
    let host = format!("host: {}", house.host("orders.test"));
    let long = format!("x-long: {}", "x".repeat(8 * 1024));
    assert_eq!(before.ask(&["GET / HTTP/1.1", &host, &long]).await.expect("an answer").status, 401);
    house.change("[tls]", "[server.limits]\nheader_bytes = \"4KiB\"\nconnections = 9\n[tls]");
    let changes = reloaded(&house).await;
    assert_eq!(changes, ["`server.limits` added: { connections = 9, header_bytes = \"4KiB\" }"]);
    let mut after = house.wire("orders.test").await;
    assert_eq!(after.ask(&["GET / HTTP/1.1", &host, &long]).await.expect("an answer").status, 431);
    house.change("[login]", "[login]\nmails_per_address = 1");
    reloaded(&house).await;
    let bob = house.browser("orders.test");
    bob.ask_for_mail("bob@example.com").await;
    let again = bob.post("/.access/login", &[("email", "bob@example.com"), ("to", "/")]).await;
    again.expect(429);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_every_problem_is_told() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let good = std::fs::read_to_string(house.config()).expect("the config");
    house.change("source = \"crm\"", "source = \"cmr\"");
    house.change("upstream = \"http", "upstream = \"ftp");
    house.change("\"orders.test\"", "\"orders.test\", \"new.test\"");
    let problems = refused(&house).await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    let checked = printed(&house.command(&["check"]));
    for problem in &problems {
        assert!(problem.contains("vestibule.toml:") && problem.contains("help: "), "{problem}");
        assert!(checked.contains(problem), "`check` says the same: {checked}\n{problem}");
        assert!(house.log.events().iter().any(|event| event["fields"]["message"] == problem.as_str()), "{problem}");
    }
    assert_eq!(house.log.named("config not reloaded; the one from before goes on").len(), 1);
    let admin = house.admin_address().to_string();
    let command = house.command(&["reload", "--admin", &admin]);
    assert_eq!(command.status.code(), Some(2), "{command:?}");
    let told = printed(&command);
    assert!(problems.iter().all(|problem| told.contains(problem)) && told.contains("2 problems"), "{told}");
    ann.fetch("/").await.expect(200);
    assert!(Wire::connect(house.door.https(), "new.test", house.door.ca()).await.is_err(), "nothing of it counts");
    let ready = house.admin("/readyz").await.expect(200).text();
    assert!(ready.contains("config reload failed since 20") && ready.contains("degraded"), "{ready}");
    assert_eq!(house.metric(&["vestibule_config_reloads_total", "refused"]).await, 2.0);
    assert!(house.metric(&["vestibule_config_reload_failed_since_seconds"]).await > 0.0);
    // Mended, without anybody asking.
    house.write("vestibule.toml", good);
    eventually("it is well again", async || {
        let metrics = house.admin("/metrics").await.expect(200).text();
        metrics.contains("vestibule_config_reload_failed_since_seconds 0\n").then_some(())
    })
    .await;
    let ready = house.admin("/readyz").await.expect(200).text();
    assert!(!ready.contains("config"), "{ready}");
}

#[tokio::test]
async fn a_port_in_use_refuses_the_whole_config() {
    let house = House::start(OPEN).await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    house.change("https = \"127.0.0.1:0\"", &format!("https = \"{address}\""));
    house.change("\"orders.test\"", "\"orders.test\", \"new.test\"");
    let problems = refused(&house).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(&format!("`server.https` cannot listen on {address}")), "{problems:?}");
    house.browser("orders.test").fetch("/").await.expect(401);
    assert!(Wire::connect(house.door.https(), "new.test", house.door.ca()).await.is_err(), "nothing of it counts");
    drop(taken);
    reloaded(&house).await;
    house.find_listeners();
    eventually("it listens there now", async || {
        house.find_listeners();
        (house.door.https() == address).then_some(())
    })
    .await;
    house.browser("new.test").fetch("/").await.expect(401);
}

#[tokio::test]
async fn the_data_folder_stays() {
    let house = House::start(OPEN).await;
    let text = std::fs::read_to_string(house.config()).expect("the config");
    let line = text.lines().find(|line| line.starts_with("data = ")).expect("a data folder").to_owned();
    // Read while the config still says where it is.
    let token = house.local_token();
    house.change(&line, "data = \"elsewhere\"");
    let answer = house.api_as(&token, "POST", "/api/v1/reload", "").await.expect(422).json();
    let problems: Vec<String> = serde_json::from_value(answer["errors"].clone()).expect("a list of lines");
    assert_eq!(
        problems,
        [
            "`server.data` cannot change while the gateway runs\n  help: stop the gateway, move the folder, and start it anew"
        ]
    );
    assert!(!house.dir.path().join("elsewhere").exists());
}

#[tokio::test]
async fn sighup_reloads_and_the_command_does_too() {
    let house = House::plan(OPEN).server("watch = false\n").start().await;
    house.change("\"orders.test\"", "\"orders.test\", \"new.test\"");
    house.signal("HUP");
    taken_up(&house, 0).await;
    assert_eq!(house.log.named("config reloaded")[0]["fields"]["cause"], "signal");
    house.browser("new.test").fetch("/").await.expect(401);
    house.change("\"new.test\"", "\"newer.test\"");
    let admin = house.admin_address().to_string();
    let command = house.command(&["reload", "--admin", &admin]);
    let told = printed(&command);
    assert_eq!(command.status.code(), Some(0), "{told}");
    assert!(told.contains("domain newer.test added to app `orders`"), "{told}");
    house.browser("newer.test").fetch("/").await.expect(401);
    assert!(printed(&house.command(&["reload", "--admin", &admin])).contains("nothing changed"));
    // What runs is what `impact` compares with.
    house.change("where = 'row.status == \"active\"'", "where = 'row.status == \"gone\"'");
    let impact = printed(&house.command(&["impact"]));
    assert!(impact.contains("ann@example.com"), "{impact}");
    assert!(!impact.contains("newer.test"), "{impact}");
}

#[tokio::test]
async fn a_file_that_is_half_written_is_not_read() {
    let house = House::start(OPEN).await;
    let good = std::fs::read_to_string(house.config()).expect("the config");
    let new = good.replace("\"orders.test\"", "\"orders.test\", \"new.test\"");
    let (half, _) = new.split_at(new.len() / 2);
    // In place, as a shell's `>` does; the rest follows at once.
    std::fs::write(house.config(), half).expect("written");
    std::fs::write(house.config(), &new).expect("written");
    taken_up(&house, 0).await;
    house.browser("new.test").fetch("/").await.expect(401);
    assert!(house.log.named("config not reloaded; the one from before goes on").is_empty());
}

#[tokio::test]
async fn another_upstream_serves_the_next_request() {
    let house = House::start(OPEN).await;
    let other = Upstream::start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/").await.expect(200);
    house.change(&house.upstream.url(), &other.url());
    assert_eq!(reloaded(&house).await, ["app `orders`: `upstream` changed"]);
    let before = house.upstream.count();
    ann.fetch("/there").await.expect(200);
    assert_eq!(other.last().target, "/there");
    assert_eq!(house.upstream.count(), before);
}

#[tokio::test]
async fn attack_30_no_page_in_a_browser_reloads() {
    let house = House::start(OPEN).await;
    for field in ["origin: http://127.0.0.1", "sec-fetch-site: cross-site"] {
        let request = format!(
            "POST /api/v1/reload HTTP/1.1\r\nhost: 127.0.0.1\r\n{field}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        plain(house.admin_address(), &request).await.expect(403);
    }
    let request = "POST /api/v1/reload HTTP/1.1\r\nhost: evil.test\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    plain(house.admin_address(), request).await.expect(421);
    house.admin("/api/v1/reload").await.expect(405);
    assert_eq!(house.metric(&["vestibule_config_reloads_total"]).await, 0.0);
}
