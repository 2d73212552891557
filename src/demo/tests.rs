//! The demo's table and rules, held against what the guide says of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;

use super::*;
use crate::config::{self, Config};
use crate::policy::{
    Access, AppPolicy, Choice, Decision, Grant, Reason, Request, Row, Settled, Standing, Value, choose, decide,
};
use crate::types::{CustomerId, Email, PathAllowances, RequestPath};

fn places() -> guide::Places {
    guide::Places {
        port: 18443,
        admin: 19180,
        upstream: SocketAddr::from(([127, 0, 0, 1], 19000)),
        mailbox: SocketAddr::from(([127, 0, 0, 1], 19025)),
    }
}

fn demo_config() -> Config {
    let folder = lay_out(&places()).expect("a folder");
    config::load(&folder.path().join(CONFIG)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What the table gives one person.
fn settled(policy: &AppPolicy, email: &str) -> Settled {
    let email = Email::parse(email).expect("an address");
    if let Some(grant) = policy.workspace_grant(&email) {
        return Settled { grants: vec![grant], refusals: Vec::new() };
    }
    let list = policy.lists.first().expect("a list");
    let mut table = csv::Reader::from_reader(include_str!("people.csv").as_bytes());
    let rows: Vec<BTreeMap<String, String>> = table.deserialize().map(|row| row.expect("a row")).collect();
    let mut nominations = Vec::new();
    let mut remarks = Vec::new();
    for row in rows {
        let row = Arc::new(Row(row.into_iter().map(|(column, text)| (column, Value::Text(text))).collect()));
        if list.email(&row).is_ok_and(|found| found == email)
            && let Ok(grant) = policy.nominate(list, &row, Timestamp::UNIX_EPOCH, &mut remarks)
        {
            nominations.push(grant);
        }
    }
    assert!(remarks.is_empty(), "{remarks:?}");
    AppPolicy::settle(nominations)
}

fn reach(config: &Config, grant: &Grant, path: &str) -> bool {
    let app = config.app("orders").expect("the app");
    let access = Access::compile(&app.policy, &app.identity, Arc::new(grant.clone()), Timestamp::UNIX_EPOCH);
    let path = RequestPath::parse(path.as_bytes(), &PathAllowances::default()).expect("a path");
    let request = Request {
        method: &Method::GET,
        path: &path,
        query: None,
        headers: &http::HeaderMap::new(),
        host: &app.domains.first().expect("a domain").host,
        client: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        now: Timestamp::UNIX_EPOCH,
    };
    matches!(decide(&Standing::Access(Arc::new(access)), &request), Decision::Allow(_))
}

#[test]
fn each_rung_of_the_ladder_opens_what_the_guide_says() {
    let config = demo_config();
    let policy = &config.app("orders").expect("the app").policy;
    let rungs = [
        ("bea@acme.example", "basic", &["/", "/assets/app.css"][..]),
        ("oscar@acme.example", "orders", &["/orders", "/orders/2051", "/api/orders"]),
        ("priya@acme.example", "prices", &["/orders/2051/prices", "/api/orders/2051"]),
        ("bill@acme.example", "billing", &["/customers/1001/statement"]),
        ("ada@acme.example", "admin", &["/admin/people"]),
        ("olga@acme.example", "owner", &["/reports"]),
    ];
    for (place, (email, role, _)) in rungs.iter().enumerate() {
        let grants = settled(policy, email).grants;
        assert_eq!(grants[0].role.as_str(), *role);
        for (other, (_, _, paths)) in rungs.iter().enumerate() {
            for path in *paths {
                assert_eq!(reach(&config, &grants[0], path), other <= place, "{email} {path}");
            }
        }
        assert!(!reach(&config, &grants[0], "/customers/1002/statement"), "{email}");
    }
}

#[test]
fn the_others_of_the_guide_get_what_it_says() {
    let config = demo_config();
    let policy = &config.app("orders").expect("the app").policy;
    let roles = |email| settled(policy, email).grants.iter().map(|grant| grant.role.to_string()).collect::<Vec<_>>();
    assert_eq!(roles("hana@borealis.example"), ["prices"]);
    assert_eq!(roles("nils@borealis.example"), ["basic"]);
    assert_eq!(roles("sam@advisors.example"), ["billing", "orders"]);
    assert!(roles("blake@acme.example").is_empty());
    assert!(roles("dora@borealis.example").is_empty());
    assert_eq!(settled(policy, "dora@borealis.example").refusals.len(), 1, "ambiguous, and said so");
    let ann = settled(policy, "ann@northwind.example").grants.remove(0);
    assert!(ann.customer.is_none() && reach(&config, &ann, "/customers/1002/statement"));
    assert_eq!(settled(policy, "oscar@acme.example").grants[0].days_back, Some(90));
}

#[test]
fn acmes_own_door_is_for_acme() {
    let config = demo_config();
    let app = config.app("orders").expect("the app");
    let door = app.domains.iter().find(|domain| domain.host.as_str() == "acme.localhost").expect("the domain");
    assert_eq!((door.brand.title.as_str(), door.brand.color.as_str()), ("Acme Supply Desk", "#b3261e"));
    assert!(door.brand.logo.is_some());
    let acme = CustomerId::parse("1001").expect("a customer");
    let pick = |email, pinned| {
        let grants: Vec<_> = settled(&app.policy, email).grants.into_iter().map(Arc::new).collect();
        choose(&grants, pinned, None)
    };
    assert!(
        matches!(pick("sam@advisors.example", Some(&acme)), Choice::One(grant) if grant.role.as_str() == "billing")
    );
    assert_eq!(pick("sam@advisors.example", None), Choice::Several);
    assert_eq!(pick("nils@borealis.example", Some(&acme)), Choice::None(Reason::OtherCustomer));
}

#[test]
fn this_runs_ports_stand_in_the_config() {
    let config = demo_config();
    assert_eq!(config.server.https, SocketAddr::from(([127, 0, 0, 1], 18443)));
    assert_eq!(config.server.admin, Some(SocketAddr::from(([127, 0, 0, 1], 19180))));
    assert_eq!(
        config.app("orders").map(|app| app.upstream.servers[0].url()),
        Some("http://127.0.0.1:19000".to_owned())
    );
}

#[test]
fn the_folder_is_private_and_goes_with_its_owner() {
    let folder = lay_out(&places()).expect("a folder");
    let path = folder.path().to_owned();
    assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o700);
    assert!(path.join(CONFIG).is_file());
    drop(folder);
    assert!(!path.exists());
}

#[test]
fn everybody_in_the_guide_is_in_the_table_or_the_workspace() {
    let config = demo_config();
    let policy = &config.app("orders").expect("the app").policy;
    let guide = guide::text(&places(), Path::new("/tmp/demo/vestibule.toml"));
    let people: Vec<_> =
        guide.split_whitespace().filter(|word| word.contains('@') && word.ends_with(".example")).collect();
    assert!(people.len() >= 12, "{people:?}");
    for person in people {
        let is_known = include_str!("people.csv").contains(person)
            || policy.workspace_grant(&Email::parse(person).expect("an address")).is_some();
        assert!(is_known, "{person}");
    }
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let error = free_https_port(port).await.expect_err("it is taken").to_string();
    assert!(error.contains(&port.to_string()) && error.contains("--port"), "{error}");
}
