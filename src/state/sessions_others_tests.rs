//! Sessions that are not alone: other processes on the same store, and other sessions of the same person.

use super::*;

#[tokio::test]
async fn attack_21_what_another_process_ended_in_the_same_store_is_over_here_too() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "orders.example").await;
    house.good(&ann, "orders.example", 0).await;
    let request = house.request(&ann, "orders.example").await;
    // Past the sessions, as another process does it.
    house.store.end_session(ann.hash()).await.expect("ended");
    assert!(house.live(&ann, "orders.example", 0).await.expect("known").is_some(), "nobody else is there to end it");
    house.sessions.share_store(true);
    house.look(&Looks::default(), 0).await;
    ends("a request under way", &request).await;
    assert!(house.live(&ann, "orders.example", 0).await.expect("known").is_none());
}

#[tokio::test]
async fn attack_21_a_request_finds_by_itself_what_another_process_ended() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "orders.example").await;
    house.good(&ann, "orders.example", 0).await;
    house.sessions.share_store(true);
    house.store.end_session(ann.hash()).await.expect("ended");
    assert!(house.live(&ann, "orders.example", 0).await.expect("known").is_none());
}

#[tokio::test]
async fn attack_21_what_a_command_beside_the_gateway_ended_is_over_here_too() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "orders.example").await;
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&house.sessions).run(crate::state::clock::Clock, stop.clone()));
    let beside = store::open_beside(house.folder.path()).await.expect("a store");
    let live = house.good(&ann, "orders.example", 0).await;
    // It has been heard that nobody else writes: what is known is used.
    eventually("it is kept", async || Arc::ptr_eq(&live, &house.good(&ann, "orders.example", 0).await)).await;
    let request = house.request(&ann, "orders.example").await;
    assert_eq!(beside.end_everywhere(&email("ann@example.com")).await.expect("ended"), [ann.hash()]);
    ends("a request under way", &request).await;
    assert!(house.live(&ann, "orders.example", 0).await.expect("known").is_none());
    stop.cancel();
    running.await.expect("it ends");
}

#[tokio::test]
async fn the_store_is_asked_again_when_others_may_have_changed_it_and_otherwise_seldom() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "orders.example").await;
    let bob = house.enter_by_mail(2, "bob@example.com", "orders.example").await;
    let first = house.good(&ann, "orders.example", 0).await;
    // Past the sessions; nobody tells them.
    house.store.end_session(ann.hash()).await.expect("ended");
    let second = house.good(&ann, "orders.example", 2).await;
    assert!(!Arc::ptr_eq(&first, &second), "the tables were asked again");
    house.good(&ann, "orders.example", 599).await;
    assert!(house.live(&ann, "orders.example", 600).await.expect("known").is_none());
    house.good(&bob, "orders.example", 600).await;
    house.store.end_session(bob.hash()).await.expect("ended");
    house.good(&bob, "orders.example", 602).await;
    house.sessions.look_at_all_again();
    assert!(house.live(&bob, "orders.example", 602).await.expect("known").is_none());
}

#[tokio::test]
async fn a_language_that_a_person_chose_is_spoken_in_all_their_sessions() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "orders.example").await;
    let elsewhere = house.enter_by_mail(2, "ann@example.com", "reports.example").await;
    let bob = house.enter_by_mail(3, "bob@example.com", "orders.example").await;
    let chosen = |live: Arc<Live>| live.chosen_language.load().as_deref().copied();
    let others = [(&elsewhere, "reports.example"), (&bob, "orders.example")];
    for (token, host) in others {
        assert_eq!(chosen(house.good(token, host, 0).await), None);
    }
    let german = Language::parse("de").expect("one of ours");
    let live = house.good(&ann, "orders.example", 0).await;
    house.sessions.choose_language(&live, german).await.expect("kept");
    assert_eq!(chosen(house.good(&ann, "orders.example", 0).await), Some(german));
    assert_eq!(chosen(house.good(&elsewhere, "reports.example", 0).await), Some(german));
    assert_eq!(chosen(house.good(&bob, "orders.example", 0).await), None);
}

#[tokio::test]
async fn a_session_of_a_customer_is_looked_up_anew_on_another_day_for_it_counts_who_is_here() {
    const MIDNIGHT: i64 = 3600;
    let house = House::new().await;
    *house.table.customer.lock().expect("not poisoned") = Some(CustomerId::parse("1").expect("an id"));
    let ann = house.enter_by_mail(1, "ann@example.com", "reports.example").await;
    let first = house.good(&ann, "reports.example", MIDNIGHT - 100).await;
    assert!(Arc::ptr_eq(&first, &house.good(&ann, "reports.example", MIDNIGHT - 1).await), "it is kept");
    assert!(!Arc::ptr_eq(&first, &house.good(&ann, "reports.example", MIDNIGHT).await));
}
