//! The gateway gets certificates for its domains from a real authority, which finds its proofs at the gateway's own listeners.

use std::time::{Duration, Instant};

use crate::acme_house::{Ca, Pebble, free_ports};
use crate::house::{House, Plan, eventually};
use crate::wire::Wire;

/// An app with these domains; everybody of the table may enter.
fn app(domains: &[String]) -> String {
    format!(
        "[source.crm]\nurl = \"csv:people.csv\"\n\
         [app.orders]\ndomains = {domains:?}\nupstream = \"{{{{upstream}}}}\"\n\
         [[app.orders.customers]]\nsource = \"crm\"\nemail = \"email\"\n"
    )
}

fn domains(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    names.into_iter().map(|name| format!("{}.test", name.as_ref())).collect()
}

/// An authority that looks at two ports, and the plan of a gateway on them.
fn plan(domains: &[String], more: &str, change: impl FnOnce(Pebble) -> Pebble) -> (Ca, Plan) {
    let [http, https] = free_ports();
    let ca = change(Pebble::at((http, https))).start();
    let plan = House::plan(&app(domains)).tls("", &ca.root()).ports(http, https);
    let plan = plan.config(&format!("{}{more}", ca.table()));
    (ca, plan)
}

/// The certificate that a domain shows, where it is one that its clients trust.
async fn shown(house: &House, domain: &str) -> Option<Vec<u8>> {
    Some(Wire::connect(house.door.https(), domain, house.door.ca()).await.ok()?.certificate())
}

/// Waits longer than for other things: an authority takes its time.
async fn in_time<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    const LIMIT: Duration = Duration::from_secs(180);
    let begun = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "in {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn issued(ca: &Ca) -> usize {
    ca.log().matches("Issued certificate serial").count()
}

#[tokio::test]
async fn domains_get_certificates_over_the_gateways_own_listeners_and_keep_them_over_a_restart() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let both = domains(["one", "two"]);
        let (ca, plan) = plan(&both, &format!("challenges = [\"{challenge}\"]\n"), |pebble| pebble);
        let mut house = plan.start().await;
        let mut first = Vec::new();
        for domain in &both {
            first.push(in_time(domain, async || shown(&house, domain).await).await);
        }
        assert_eq!(issued(&ca), 2);
        // An ordinary request goes the ordinary way.
        let answer = house.browser("one.test").navigate("/.access/login").await.expect(200);
        assert!(answer.text().contains("email"));
        // A token that nobody waits for is nothing, and neither is a challenge by TLS.
        let path = "/.well-known/acme-challenge/token";
        let refused = crate::house::plain_get(house.http(), "one.test", path).await;
        assert!(!refused.text().contains("token."), "{}", refused.text());

        house.kill9();
        house.start_again().await;
        for (domain, first) in both.iter().zip(&first) {
            let again = eventually(domain, async || shown(&house, domain).await).await;
            assert_eq!(&again, first, "the same certificate");
        }
        assert_eq!(issued(&ca), 2, "nothing is ordered twice");
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_and_connections_that_stand_keep_theirs() {
    let one = domains(["one"]);
    let (_ca, plan) = plan(&one, "", |pebble| Pebble { life: 40, ..pebble });
    let house = plan.start().await;
    let first = in_time("the first", async || shown(&house, "one.test").await).await;
    let mut standing = house.wire("one.test").await;
    in_time("its successor", async || shown(&house, "one.test").await.filter(|now| *now != first)).await;
    let host = format!("Host: {}", house.host("one.test"));
    let answer = standing.ask(&["GET /.access/login HTTP/1.1", &host]).await.expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(standing.certificate(), first);
}

#[tokio::test]
async fn a_gateway_killed_in_the_middle_of_its_orders_goes_on_with_them() {
    let all = domains((0..8).map(|number| format!("k{number}")));
    let (ca, plan) = plan(&all, "", |pebble| pebble);
    let mut house = plan.start().await;
    // Killed again and again, each time a little later, until all are there.
    for round in 1..6 {
        let issued_before = issued(&ca);
        let begun = Instant::now();
        let limit = Duration::from_millis(400 * round);
        in_time("something happens", async || (issued(&ca) > issued_before || begun.elapsed() > limit).then_some(()))
            .await;
        house.kill9();
        house.start_again().await;
    }
    for domain in &all {
        in_time(domain, async || shown(&house, domain).await).await;
    }
    assert_eq!(issued(&ca), 8, "one certificate for each, however often it was killed");
}

#[tokio::test]
async fn an_authority_that_is_down_at_the_start_is_found_when_it_is_up() {
    let one = domains(["one"]);
    let (mut ca, plan) = plan(&one, "", |pebble| pebble);
    ca.kill();
    let house = plan.start().await;
    eventually("the trouble is logged", async || house.log.text().contains("cannot be asked").then_some(())).await;
    assert_eq!(house.admin("/healthz").await.status, 200);
    ca.start_again();
    // It has another root now.
    let root = ca.root();
    in_time("the certificate", async || Wire::connect(house.door.https(), "one.test", &root).await.ok().map(drop))
        .await;
}

#[tokio::test]
async fn ten_of_fifty_domains_that_lead_elsewhere_keep_nobody_else_waiting() {
    let good = domains((0..40).map(|number| format!("g{number}")));
    let bad = domains((0..10).map(|number| format!("b{number}")));
    let all: Vec<String> = bad.iter().chain(&good).cloned().collect();
    let (ca, plan) = plan(&all, "", |pebble| pebble);
    for domain in &bad {
        ca.place(domain, "127.0.0.77").await;
    }
    let house = plan.start().await;
    for domain in &good {
        in_time(domain, async || shown(&house, domain).await).await;
    }
    for domain in &bad {
        assert_eq!(shown(&house, domain).await, None, "{domain}");
    }
    assert_eq!(issued(&ca), 40);
    // What leads elsewhere is not even ordered: it would cost us the authority's patience.
    assert_eq!(ca.log().matches("Added order").count(), 40);
}
