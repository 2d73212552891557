//! A person sees where they are logged in, and ends what they do not know.

use crate::browser::SESSION;
use crate::house::{House, OPEN};

#[tokio::test]
async fn the_account_page_says_who_one_is() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let page = ann.navigate("/.access/account").await.expect(200);
    for word in ["ann@example.com", "Acme Ltd", "user"] {
        assert!(page.text().contains(word), "{word} in\n{}", page.text());
    }
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.text().contains(&ann.cookie(SESSION).expect("a session")), "the page holds no token");
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn one_session_can_end_another() {
    let house = House::start(OPEN).await;
    let (desk, phone) = (house.browser("orders.test"), house.browser("orders.test"));
    desk.log_in("ann@example.com").await;
    let own = desk.navigate("/.access/account").await.expect(200).fields("session");
    phone.log_in("ann@example.com").await;
    let both = desk.navigate("/.access/account").await.expect(200).fields("session");
    let others: Vec<&String> = both.iter().filter(|id| !own.contains(id)).collect();
    assert_eq!(others.len(), 1, "{own:?} became {both:?}");
    phone.fetch("/").await.expect(200);
    desk.post("/.access/sessions/end", &[("session", others[0])]).await.expect(303);
    phone.fetch("/").await.expect(401);
    desk.fetch("/").await.expect(200);
}

#[tokio::test]
async fn all_sessions_can_be_ended_at_once() {
    let house = House::start(OPEN).await;
    let (desk, phone, bob) = (house.browser("orders.test"), house.browser("orders.test"), house.browser("orders.test"));
    desk.log_in("ann@example.com").await;
    phone.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    desk.post("/.access/sessions/end", &[("all", "1")]).await.expect(303);
    phone.fetch("/").await.expect(401);
    bob.fetch("/").await.expect(200);
}

#[tokio::test]
async fn nobody_ends_another_persons_session() {
    let house = House::start(OPEN).await;
    let (ann, ann_too, bob) =
        (house.browser("orders.test"), house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    ann_too.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    let ids = ann.navigate("/.access/account").await.expect(200).fields("session");
    assert!(!ids.is_empty());
    for id in ids.iter().map(String::as_str).chain(["", "0", "../x"]) {
        bob.post("/.access/sessions/end", &[("session", id)]).await;
    }
    ann.fetch("/").await.expect(200);
    ann_too.fetch("/").await.expect(200);
}

#[tokio::test]
async fn sessions_end_by_themselves() {
    let house = House::plan(OPEN).session("idle = \"2s\"\nabsolute = \"4s\"").start().await;
    let (idle, busy) = (house.browser("orders.test"), house.browser("orders.test"));
    idle.log_in("ann@example.com").await;
    busy.log_in("bob@example.com").await;
    let start = std::time::Instant::now();
    crate::house::eventually("the busy one ends", async || (busy.fetch("/").await.status == 401).then_some(())).await;
    assert!(
        start.elapsed() > std::time::Duration::from_millis(2500),
        "activity keeps a session: {:?}",
        start.elapsed()
    );
    idle.fetch("/").await.expect(401);
}

#[tokio::test]
async fn without_a_session_there_is_no_account() {
    let house = House::start(OPEN).await;
    house.browser("orders.test").navigate("/.access/account").await.must_log_in();
}
