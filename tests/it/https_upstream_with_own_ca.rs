//! The app speaks TLS with a certificate of the operator's own authority.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::house::{House, OPEN};
use crate::pki::Authority;
use crate::upstream::Upstream;

/// A house whose upstream shows a certificate for this name and whose config trusts this authority, if any.
async fn house(named: &str, trusted: Option<&Authority>, signer: &Authority) -> House {
    let upstream = Upstream::start_tls(&signer.leaf(&[named])).await;
    let mut apps = OPEN.to_owned();
    let mut plan_file = String::new();
    if let Some(authority) = trusted {
        apps = apps.replace("[[app.orders.customers]]", "upstream_ca = \"upstream-ca.pem\"\n[[app.orders.customers]]");
        plan_file.clone_from(&authority.pem);
    }
    House::plan(&apps).file("upstream-ca.pem", plan_file).upstream(upstream).start().await
}

#[tokio::test]
async fn a_certificate_of_ones_own_authority_is_trusted() {
    let authority = Authority::new("Ours");
    let house = house("127.0.0.1", Some(&authority), &authority).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    ann.fetch("/over/tls").await.expect(200);
    assert_eq!(house.upstream.last().target, "/over/tls");
    assert_eq!(house.upstream.last().header("x-access-email"), Some("ann@example.com"));
}

#[tokio::test]
async fn a_web_socket_goes_over_tls_too() {
    let authority = Authority::new("Ours");
    let house = house("127.0.0.1", Some(&authority), &authority).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    for _ in 0..5 {
        let mut socket = ann.web_socket("/ws").await.expect("it opens");
        for text in ["one", &"x".repeat(100_000)] {
            socket.send(Message::text(text)).await.expect("it is open");
            assert_eq!(socket.next().await.expect("an echo").expect("a message"), Message::text(text));
        }
    }
}

#[tokio::test]
async fn another_authority_another_name_or_none_gets_nothing() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    for (case, named, trusted, told) in [
        ("authority", "127.0.0.1", Some(&theirs), "`upstream_ca`"),
        ("name", "somewhere.test", Some(&ours), "another name"),
        ("none", "127.0.0.1", None, "`upstream_ca`"),
    ] {
        let house = house(named, trusted, &ours).await;
        let ann = house.browser("orders.test");
        ann.log_in("ann@example.com").await;
        assert_eq!(ann.fetch("/").await.status, 502, "{case}");
        assert_eq!(ann.web_socket("/ws").await.err(), Some(502), "{case}");
        house.upstream.saw_nothing();
        let cause = house.log.last("the upstream failed").await["fields"]["cause"].to_string();
        assert!(cause.contains(told), "{case}: {cause}");
    }
}
