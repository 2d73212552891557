//! `recheck`: the provider is asked again, by refresh token, whether a person is still there (case 25).

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;

use crate::browser::Browser;
use crate::house::{House, OPEN, Plan, eventually};
use crate::provider::Provider;

/// The shortest that the config allows.
const EVERY: Duration = Duration::from_secs(10);

fn plan(google: &Provider, more: &str) -> Plan {
    let more = format!("recheck = \"10s\"\n{more}");
    House::plan(OPEN).ways("orders", r#"["google"]"#).provider("google", google, &more)
}

async fn ann_in(house: &House, google: &Provider) -> Browser {
    google.trust(house, &["orders.test"]).await;
    let ann = house.browser("orders.test");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    ann.fetch("/").await.expect(200);
    ann
}

/// Waits until the next request must ask the provider. There is no other way to let the time pass for a gateway that runs.
async fn until_due(since: Instant) {
    tokio::time::sleep_until((since + EVERY + Duration::from_millis(500)).into()).await;
}

#[tokio::test]
async fn attack_25_ten_requests_at_once_refresh_once() {
    let google = Provider::start().await;
    let house = plan(&google, "").start().await;
    let ann = ann_in(&house, &google).await;
    let since = Instant::now();
    assert_eq!(google.count("token:refresh_token").await, 0);
    // The slower the answer, the more of them ask at once.
    google.fault("token", "delay", 500, 1).await;
    until_due(since).await;
    let answers = join_all((0..10).map(|n| {
        let ann = ann.clone();
        async move { ann.fetch(&format!("/{n}")).await.status }
    }))
    .await;
    assert_eq!(answers, [200; 10]);
    // A second one would have been refused: the tokens are good once, and one that comes again ends the grant.
    assert_eq!(google.count("token:refresh_token").await, 1);
    let since = Instant::now();
    until_due(since).await;
    ann.fetch("/").await.expect(200);
    assert_eq!(google.count("token:refresh_token").await, 2, "the new token is the one that is used");
}

#[tokio::test]
async fn who_is_gone_at_the_provider_is_out_at_the_next_check() {
    let google = Provider::start().await;
    let house = plan(&google, "").start().await;
    let ann = ann_in(&house, &google).await;
    let bob = house.browser("orders.test");
    bob.log_in_by_provider("google", "bob@example.com").await.expect(303);
    let mut socket = ann.web_socket("/ws").await.expect("a WebSocket");
    // Zoe has nothing but a WebSocket open: no request of hers brings the question up.
    let zoe = house.browser("orders.test");
    zoe.log_in_by_provider("google", "zoe@example.com").await.expect(303);
    let mut alone = zoe.web_socket("/ws").await.expect("a WebSocket");
    for gone in ["ann@example.com", "zoe@example.com"] {
        google.revoke(gone).await;
        google.user(gone, json!({ "gone": true })).await;
    }
    eventually("Ann is out", async || (ann.fetch("/").await.status == 401).then_some(())).await;
    bob.fetch("/").await.expect(200);
    let ended = async |socket: &mut WebSocketStream<TlsStream<TcpStream>>| {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
        }
    };
    let both = async {
        ended(&mut socket).await;
        ended(&mut alone).await;
    };
    tokio::time::timeout(Duration::from_secs(15), both).await.expect("both WebSockets ended");
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_people_out_unless_it_is_said_otherwise() {
    let (strict, lenient) = (Provider::start().await, Provider::start().await);
    let apps = OPEN.to_owned()
        + "[app.reports]\nlogin = [\"lenient\"]\ndomains = [\"reports.test\"]\nupstream = \"{{upstream}}\"\n\
           [[app.reports.customers]]\nsource = \"crm\"\nemail = \"email\"\n";
    let plan = House::plan(&apps).ways("orders", r#"["strict"]"#);
    let plan = plan.provider("strict", &strict, "recheck = \"10s\"\ntimeout = \"1s\"");
    let plan = plan.provider("lenient", &lenient, "recheck = \"10s\"\ntimeout = \"1s\"\nrecheck_when_down = \"allow\"");
    let house = plan.start().await;
    strict.trust(&house, &["orders.test"]).await;
    lenient.trust(&house, &["reports.test"]).await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("reports.test"));
    ann.log_in_by_provider("strict", "ann@example.com").await.expect(303);
    bob.log_in_by_provider("lenient", "bob@example.com").await.expect(303);
    let since = Instant::now();
    strict.down().await;
    lenient.down().await;
    ann.fetch("/").await.expect(200);
    until_due(since).await;
    let (at_strict, at_lenient) = tokio::join!(ann.fetch("/"), bob.fetch("/"));
    assert_eq!(at_strict.status, 503, "{}", at_strict.text());
    assert_eq!(at_lenient.status, 200, "{}", at_lenient.text());
    // She is not logged out by it, and goes on when it is back.
    strict.up().await;
    lenient.up().await;
    eventually("Ann goes on", async || (ann.fetch("/").await.status == 200).then_some(())).await;
    bob.fetch("/").await.expect(200);
}

#[tokio::test]
async fn attack_25_a_lost_answer_never_makes_a_session_immortal() {
    let google = Provider::start().await;
    let house = plan(&google, "timeout = \"2s\"").start().await;
    let ann = ann_in(&house, &google).await;
    let since = Instant::now();
    google.fault("token", "lose", 0, 1).await;
    until_due(since).await;
    // The provider has used up the token, and we do not know the next.
    assert_eq!(ann.fetch("/").await.status, 503);
    eventually("the session ends, rather than go on unasked", async || {
        (ann.fetch("/").await.status == 401).then_some(())
    })
    .await;
    assert!(google.count("token:refresh_token").await <= 3, "and the provider was not stormed");
    ann.log_in_by_provider("google", "ann@example.com").await.expect(303);
    ann.fetch("/").await.expect(200);
}

#[tokio::test]
async fn a_slow_check_holds_up_nobody_else() {
    let google = Provider::start().await;
    let house = plan(&google, "timeout = \"6s\"").start().await;
    let ann = ann_in(&house, &google).await;
    let since = Instant::now();
    google.fault("token", "delay", 3_000, 1).await;
    until_due(since).await;
    let bob = house.browser("orders.test");
    let begun = Instant::now();
    let (slow, quick) = tokio::join!(ann.fetch("/"), async {
        let page = bob.fetch("/").await;
        (page, begun.elapsed())
    });
    slow.expect(200);
    assert!(begun.elapsed() >= Duration::from_secs(3), "the answer was awaited");
    quick.0.expect(401);
    assert!(quick.1 < Duration::from_secs(2), "{:?}", quick.1);
}
