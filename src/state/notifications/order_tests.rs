//! What may be sent, and what is wrong with what may not.

use super::*;
use crate::config;

const CONFIG: &str = r#"
[server]
https = "127.0.0.1:0"
data = "d"
[tls]
local_ca = true
[mail]
smtp = "smtp://127.0.0.1:25"
from = "a@b.test"
[source.s]
url = "csv:s.csv"
[app.orders]
domains = ["orders.test"]
upstream = "http://127.0.0.1:1"
[[app.orders.domain]]
host = "big.test"
customer = "42"
[[app.orders.customers]]
source = "s"
email = "email"
[app.orders.topic.shipped]
title = { en = "Shipped", de = "Versandt" }
[app.orders.topic.news]
title = "News"
[app.reports]
domains = ["reports.test"]
upstream = "http://127.0.0.1:1"
[[app.reports.customers]]
source = "s"
email = "email"
"#;

fn good() -> Asked {
    Asked {
        app: "orders".to_owned(),
        customer: "42".to_owned(),
        topic: "shipped".to_owned(),
        subject: " Order 7 is on its way ".to_owned(),
        text: "It left this morning.\r\n\r\nYours".to_owned(),
        link: Some("https://orders.test/orders/7?a=b#c".to_owned()),
    }
}

fn check(asked: &Asked) -> Result<Order, Vec<Flaw>> {
    let config = config::parse(std::path::Path::new("t.toml"), CONFIG, &|_| None).expect("a config");
    Order::check(asked, &Snapshot::new(&config), 8443)
}

fn fields(asked: &Asked) -> Vec<&'static str> {
    check(asked).err().unwrap_or_default().into_iter().map(|flaw| flaw.field).collect()
}

#[test]
fn an_order_is_tidied_and_its_topics_stand_as_written() {
    let order = check(&good()).expect("good");
    assert_eq!(order.recipients, Recipients::Of(CustomerId::parse("42").expect("a customer")));
    assert_eq!(order.message.subject, "Order 7 is on its way");
    assert_eq!(order.message.text, "It left this morning.\n\nYours");
    assert_eq!(order.message.link.as_deref(), Some("https://orders.test/orders/7?a=b#c"));
    let all = check(&Asked { customer: "*".to_owned(), link: None, ..good() }).expect("good");
    assert_eq!((all.recipients, all.message.link), (Recipients::Everybody, None));
    let config = config::parse(std::path::Path::new("t.toml"), CONFIG, &|_| None).expect("a config");
    let topics: Vec<_> = config.apps[0].topics.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!(topics, ["shipped", "news"], "not by the alphabet");
    let shipped = &config.apps[0].topics[0].title;
    assert_eq!(shipped.in_language(crate::types::Language::German), "Versandt");
    assert_eq!(shipped.in_language(crate::types::Language::French), "Shipped");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let asked = Asked {
        app: "order".to_owned(),
        customer: String::new(),
        topic: "x".to_owned(),
        subject: "a\r\nBcc: eve@example.com".to_owned(),
        text: " \n".to_owned(),
        link: None,
    };
    assert_eq!(fields(&asked), ["app", "customer", "subject", "text"]);
    assert_eq!(fields(&Asked { topic: "x".to_owned(), ..good() }), ["topic"]);
    assert_eq!(fields(&Asked { app: "reports".to_owned(), topic: "news".to_owned(), ..good() }), ["topic", "link"]);
    let long = |count: usize| "ä".repeat(count);
    assert_eq!(fields(&Asked { subject: long(200), ..good() }), [""; 0]);
    assert_eq!(fields(&Asked { subject: long(201), ..good() }), ["subject"]);
    assert_eq!(fields(&Asked { text: long(5_000), ..good() }), [""; 0]);
    assert_eq!(fields(&Asked { text: long(5_001), ..good() }), ["text"]);
    assert_eq!(fields(&Asked { text: "a\u{1b}[31mb".to_owned(), ..good() }), ["text"]);
}

#[test]
fn attack_30_a_link_leads_to_the_apps_own_domains_and_nowhere_else() {
    let link = |link: &str| fields(&Asked { link: Some(link.to_owned()), ..good() });
    for good in ["https://orders.test", "https://ORDERS.test:8443/x", "https://big.test/", "https://orders.test:443/"] {
        assert_eq!(link(good), [""; 0], "{good}");
    }
    for evil in [
        "http://orders.test/",
        "https://evil.test/",
        "https://orders.test.evil.test/",
        "https://orders.test@evil.test/",
        "https://ann@orders.test/",
        "https://orders.test:22/",
        "https://reports.test/",
        "//orders.test/",
        "/orders",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:\\\\evil.test",
        "",
    ] {
        assert_eq!(link(evil), ["link"], "{evil}");
    }
    assert_eq!(link(&format!("https://orders.test/{}", "x".repeat(2048))), ["link"]);
    // Whoever is not of that customer is not let in there.
    let to_all = Asked { customer: "*".to_owned(), link: Some("https://big.test/".to_owned()), ..good() };
    assert_eq!(fields(&to_all), ["link"]);
    assert_eq!(fields(&Asked { customer: "43".to_owned(), ..to_all }), ["link"]);
    // What a mail program would break a line at, or take for markup, is written as no such thing.
    let order = check(&Asked { link: Some("https://orders.test/a b\"<c>\r\nd?e\"f#g h".to_owned()), ..good() });
    assert_eq!(order.expect("good").message.link.as_deref(), Some("https://orders.test/a%20b%22%3Cc%3Ed?e%22f#g%20h"));
}

proptest::proptest! {
    #[test]
    fn whatever_passes_is_plain(subject in "\\PC{0,20}", text in "(\\PC|\r|\n|\t){0,40}", link in "https://orders.test/\\PC{0,30}") {
        let asked = Asked { subject, text, link: Some(link), ..good() };
        if let Ok(order) = check(&asked) {
            proptest::prop_assert!(!order.message.subject.chars().any(char::is_control));
            proptest::prop_assert!(!order.message.text.contains('\r'));
            let link = order.message.link.unwrap_or_default();
            proptest::prop_assert!(link.starts_with("https://orders.test/") && link.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
