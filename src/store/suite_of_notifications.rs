//! What the store owes notifications and counts.

use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::suite::{after, answer, attempt, email, hash};
use super::{SqliteStore, open};
use crate::state::notifications::{
    Allowance, Message, NewNotification, Notification, NotificationStore, Notified, Recipients, State, Switch, TakenIn,
    Turn,
};
use crate::state::ports::{MailEnd, MailQueue, OutgoingMail, Store, Unwanted};
use crate::state::usage::{Counted, MOST_PAGES, OTHER_PAGES, Span, Taken, UsageStore};
use crate::types::{AppName, CustomerId, DisplayName, TopicName};

async fn fresh() -> (Arc<SqliteStore>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("data")).await.expect("opens");
    (Arc::new(store), folder)
}

fn app() -> AppName {
    AppName::parse("orders").expect("a name")
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a name")
}

fn news(key: u8, people: &[&str]) -> NewNotification {
    NewNotification {
        notification: Notification {
            id: format!("n{key}"),
            app: app(),
            recipients: Recipients::Of(CustomerId::parse("42").expect("a customer")),
            topic: topic("news"),
            message: Message { subject: "S".to_owned(), text: "T".to_owned(), link: None },
            created: after(0),
        },
        key: hash(key),
        body: hash(100),
        people: people.iter().map(|name| email(&format!("{name}@example.com"))).collect(),
    }
}

fn mail(person: &Notified) -> Turn {
    Turn::Mail(Box::new(OutgoingMail {
        to: person.email.to_string(),
        subject: "S".to_owned(),
        text: "T".to_owned(),
        html: "H".to_owned(),
        unsubscribe: Some("https://orders.test/.access/unsubscribe/x".to_owned()),
    }))
}

const NOBODY_HAD_ANY: Allowance = Allowance { most: 20, since: Timestamp::MIN };

/// Gives everybody whose turn it is their mail; answers what they came to.
async fn mail_all(store: &SqliteStore, allowance: Allowance) -> Vec<State> {
    let people = store.their_turn(after(1), 100).await.expect("read");
    let turns: Vec<_> =
        people.into_iter().map(|person| (mail(&person), person)).map(|(turn, person)| (person, turn)).collect();
    store.take_turns(&turns, allowance, after(1)).await.expect("taken")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_calls_with_one_key_one_is_taken_in() {
    let (store, _kept) = fresh().await;
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&store);
        let mut new = news(1, &["ann", "bob"]);
        new.notification.id = format!("n{number}");
        calls.spawn(async move { store.take_in(&new, 100).await.expect("answered") });
    }
    let answers = calls.join_all().await;
    let mut new = 0;
    let mut ids = Vec::new();
    for answer in answers {
        let TakenIn::Yes { id, people, is_new } = answer else { panic!("{answer:?}") };
        assert_eq!(people, 2);
        new += u32::from(is_new);
        ids.push(id);
    }
    ids.dedup();
    assert_eq!((new, ids.len()), (1, 1));
    let other = NewNotification { body: hash(101), ..news(1, &["ann"]) };
    assert_eq!(store.take_in(&other, 100).await.expect("answered"), TakenIn::OtherBody);
    assert_eq!(store.their_turn(after(1), 100).await.expect("read").len(), 2);
    assert_eq!(store.take_in(&news(2, &["ann"]), 1).await.expect("answered"), TakenIn::Full);
    assert_eq!(store.progress("n-other").await.expect("read"), None);
}

#[tokio::test]
async fn a_person_turns_into_one_mail_however_often_it_is_tried() {
    let (store, _kept) = fresh().await;
    store.take_in(&news(1, &["ann", "bob", "ann"]), 100).await.expect("taken in");
    let people = store.their_turn(after(1), 100).await.expect("read");
    assert_eq!(
        people.iter().map(|person| person.email.as_str()).collect::<Vec<_>>(),
        ["ann@example.com", "bob@example.com"]
    );
    let turns: Vec<_> = people.iter().map(|person| (person.clone(), mail(person))).collect();
    assert_eq!(store.take_turns(&turns, NOBODY_HAD_ANY, after(1)).await.expect("taken"), [State::Queued; 2]);
    // As after a crash of the one who read them.
    assert_eq!(store.take_turns(&turns, NOBODY_HAD_ANY, after(1)).await.expect("taken"), []);
    let due = store.mail_due(after(2), 9, &[]).await.expect("read");
    assert_eq!(due.len(), 2);
    assert_eq!(due[0].notified, Some(people[0].id));
    store.forget_mail(due[0].id, MailEnd::Sent).await.expect("forgotten");
    store.forget_mail(due[1].id, MailEnd::Unwanted(Unwanted::Gone)).await.expect("forgotten");
    let progress = store.progress("n1").await.expect("read").expect("there");
    assert_eq!((progress.sent, progress.gone, progress.waiting, progress.queued), (1, 1, 0, 0));
    assert_eq!(progress.notification.message.subject, "S");
}

#[tokio::test]
async fn log_in_mail_goes_before_notifications_and_few_of_those_lie_there() {
    let (store, _kept) = fresh().await;
    let names: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
    store.take_in(&news(1, &names.iter().map(String::as_str).collect::<Vec<_>>()), 100).await.expect("taken in");
    let people = store.their_turn(after(1), 16).await.expect("read");
    assert_eq!(people.len(), 16);
    let turns: Vec<_> = people.iter().map(|person| (person.clone(), mail(person))).collect();
    store.take_turns(&turns, NOBODY_HAD_ANY, after(1)).await.expect("taken");
    assert_eq!(store.their_turn(after(1), 16).await.expect("read"), [], "the outbox has enough of them");
    let id = store.ask(&attempt(1)).await.expect("stored");
    store.answer(id, Some(&answer(9)), after(1)).await.expect("answered");
    let due = store.mail_due(after(2), 4, &[]).await.expect("read");
    assert_eq!(due[0].notified, None, "somebody waits for that one");
    store.forget_mail(due[1].id, MailEnd::Sent).await.expect("forgotten");
    assert_eq!(store.their_turn(after(1), 16).await.expect("read").len(), 1);
}

#[tokio::test]
async fn who_switched_a_topic_off_or_had_enough_gets_no_mail() {
    let (store, _kept) = fresh().await;
    let (ann, bob) = (email("ann@example.com"), email("bob@example.com"));
    let off = [(topic("news"), Switch::Off), (topic("other"), Switch::On)];
    assert_eq!(store.switch(&app(), &ann, &off, after(0)).await.expect("done"), [(topic("news"), Switch::Off)]);
    assert_eq!(store.switch(&app(), &ann, &off, after(0)).await.expect("done"), []);
    assert_eq!(store.switched_off(&app(), &ann).await.expect("read"), [topic("news")]);
    assert_eq!(store.switched_off(&app(), &bob).await.expect("read"), []);
    let two = Allowance { most: 2, since: after(0) };
    for key in 1..=3 {
        store.take_in(&news(key, &["ann", "bob"]), 100).await.expect("taken in");
    }
    let (s, q, o) = (State::SwitchedOff, State::Queued, State::OverLimit);
    assert_eq!(mail_all(&store, two).await, [s, q, s, q, s, o]);
    // A new day, and a change of mind.
    let on = [(topic("news"), Switch::On)];
    assert_eq!(store.switch(&app(), &ann, &on, after(5)).await.expect("done"), on);
    store.take_in(&news(4, &["ann", "bob"]), 100).await.expect("taken in");
    assert_eq!(mail_all(&store, Allowance { since: after(2), ..two }).await, [q, q]);
    // Switched off between the mail's writing and its sending.
    store.switch(&app(), &ann, &off, after(6)).await.expect("done");
    let ann_has = store.mail_due(after(9), 99, &[]).await.expect("read");
    let mine = ann_has.iter().find(|mail| mail.mail.to == "ann@example.com").and_then(|mail| mail.notified);
    let (person, switch) = store.notified(mine.expect("hers")).await.expect("read").expect("there");
    assert_eq!((person.email, switch), (ann, Switch::Off));
}

#[tokio::test]
async fn old_notifications_are_forgotten_with_their_people() {
    let (store, _kept) = fresh().await;
    store.take_in(&news(1, &["ann", "bob"]), 100).await.expect("taken in");
    assert_eq!(store.forget_notifications(after(0)).await.expect("done"), 0);
    assert_eq!(store.forget_notifications(after(1)).await.expect("done"), 3);
    assert_eq!(store.progress("n1").await.expect("read"), None);
    assert_eq!(store.next_turn().await.expect("read"), None);
}

#[tokio::test]
async fn a_turn_that_waits_comes_again() {
    let (store, _kept) = fresh().await;
    store.take_in(&news(1, &["ann"]), 100).await.expect("taken in");
    let person = store.their_turn(after(1), 9).await.expect("read").remove(0);
    let later = [(person, Turn::Later(after(60)))];
    assert_eq!(store.take_turns(&later, NOBODY_HAD_ANY, after(1)).await.expect("taken"), [State::Waiting]);
    assert_eq!(store.their_turn(after(59), 9).await.expect("read"), []);
    assert_eq!(store.next_turn().await.expect("read"), Some(after(60)));
    assert_eq!(store.their_turn(after(60), 9).await.expect("read").len(), 1);
}

fn counted(customer: &str, day: i32, requests: u64, who: &[u8]) -> Counted {
    Counted {
        app: app(),
        customer: CustomerId::parse(customer).expect("a customer"),
        name: DisplayName::new(&format!("Name of {customer}")),
        day,
        taken: Taken {
            requests,
            refusals: 1,
            logins: 2,
            pages: vec![("/orders/*".into(), requests), ("/".into(), 1)],
            people: who.iter().map(|who| [*who; 8]).collect(),
        },
    }
}

#[tokio::test]
async fn counts_add_up_by_day_and_customer() {
    let (store, _kept) = fresh().await;
    let all = [counted("42", 10, 5, &[1, 2]), counted("43", 10, 7, &[2, 3]), counted("42", 11, 1, &[1])];
    store.add_usage(&all).await.expect("added");
    store.add_usage(&all).await.expect("added");
    let span = |customer: Option<&str>, from| Span {
        app: app(),
        customer: customer.map(|id| CustomerId::parse(id).expect("a customer")),
        from,
    };
    let own = store.usage(&span(Some("42"), 10), 10).await.expect("read");
    assert_eq!(own.days, [(10, 10, 2, 4), (11, 2, 2, 4)]);
    assert_eq!((own.people, own.active), (vec![(10, 2), (11, 1)], 2));
    assert_eq!(own.pages, [("/orders/*".to_owned(), 12), ("/".to_owned(), 4)]);
    let together = store.usage(&span(None, 10), 1).await.expect("read");
    assert_eq!(together.days, [(10, 24, 4, 8), (11, 2, 2, 4)]);
    assert_eq!((together.people, together.active, together.pages.len()), (vec![(10, 3), (11, 1)], 3, 1));
    assert_eq!(store.usage(&span(Some("42"), 11), 10).await.expect("read").days, [(11, 2, 2, 4)]);
    let customers = store.customers_with_usage(&app(), 10, 9).await.expect("read");
    let told: Vec<_> = customers
        .iter()
        .map(|used| (used.id.as_str(), used.requests, used.name.as_ref().map(DisplayName::as_str)))
        .collect();
    assert_eq!(told, [("43", 14, Some("Name of 43")), ("42", 12, Some("Name of 42"))]);
    store.forget_usage(&app(), 11, 12).await.expect("forgotten");
    let rest = store.usage(&span(None, 0), 10).await.expect("read");
    assert_eq!((rest.days, rest.people, rest.pages), (vec![(11, 2, 2, 4)], vec![], vec![]));
    assert_eq!(store.customers_with_usage(&app(), 0, 9).await.expect("read").len(), 1);
}

#[tokio::test]
async fn a_day_has_so_many_pages_and_no_more() {
    let (store, _kept) = fresh().await;
    let pages = |from: usize| -> Vec<(Box<str>, u64)> {
        (from..from + 150).map(|number| (format!("/p{number}").into_boxed_str(), 1)).collect()
    };
    for from in [0, 150, 0] {
        let mut counted = counted("42", 10, 1, &[]);
        counted.taken.pages = pages(from);
        store.add_usage(&[counted]).await.expect("added");
    }
    let rows: (i64, i64) = sqlx::query_as("SELECT count(*), sum(requests) FROM usage_page")
        .fetch_one(&store.readers)
        .await
        .expect("counted");
    assert_eq!(rows, (i64::try_from(MOST_PAGES).expect("small") + 1, 450));
    let others: i64 = sqlx::query_scalar("SELECT requests FROM usage_page WHERE page = ?")
        .bind(OTHER_PAGES)
        .fetch_one(&store.readers)
        .await
        .expect("counted");
    assert_eq!(others, 100);
}
