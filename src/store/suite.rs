//! What every store must do, written against the port alone, so that a second store can be held to the same.
//!
//! `store_suite!(fresh)` makes a test of each; `fresh` gives an empty store and whatever must live as long as it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::session::{Attempt, AttemptState, MOST_WRONG_CODES, SessionLimits, SessionRecord, Token, TokenHash};
use crate::state::ports::{Answer, OutgoingMail, Store};
use crate::types::{AppName, CustomerId, Email, HostName};

/// A store, as the suite asks for it.
pub(super) type AnyStore = Arc<dyn Store>;

/// Makes a test of each part of the suite.
macro_rules! store_suite {
    ($fresh:path) => {
        store_suite!($fresh;
            a_session_is_found_as_it_was_stored
            a_new_session_ends_the_one_it_replaces
            a_person_has_sessions_of_one_app_newest_first
            an_ended_session_is_gone
            use_is_noted_and_never_taken_back
            a_session_id_is_never_given_twice
            a_new_attempt_ends_the_browsers_earlier_ones
            unanswered_attempts_come_oldest_first
            an_answer_queues_its_mail_in_the_same_step
            an_attempt_is_answered_once
            a_failed_answer_leaves_nothing_behind
            tries_run_out
            an_attempt_without_a_mail_is_never_redeemed
            attack_19_of_many_tries_at_once_five_pass
            attack_19_of_many_redeemers_at_once_one_wins
            the_fifth_try_may_be_right
            an_attempt_past_its_time_opens_nothing
            a_refused_redemption_leaves_nothing_behind
            mail_is_due_until_it_is_forgotten
            a_deferred_mail_waits
            a_secret_is_made_once
            sweeping_removes_what_is_over_and_nothing_else
            sweeping_goes_on_to_the_end
            a_healthy_store_says_so
        );
    };
    ($fresh:path; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, _kept) = $fresh().await;
                crate::store::suite::$name(store).await;
            }
        )*
    };
}
pub(super) use store_suite;

const LIMITS: SessionLimits = SessionLimits { idle: Duration::from_secs(3600), absolute: Duration::from_secs(36_000) };

/// The suite's time begins here; `after(60)` is a minute later.
pub(super) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

pub(super) fn hash(number: u8) -> TokenHash {
    Token::new([number; 32]).hash()
}

pub(super) fn session(number: u8) -> SessionRecord {
    SessionRecord {
        id: hash(number),
        app: AppName::parse("orders").expect("valid"),
        host: HostName::parse("orders.example.com").expect("valid"),
        email: Email::parse("ann@example.com").expect("valid"),
        customer: Some(CustomerId::parse("Müller & Söhne").expect("valid")),
        created: after(i64::from(number)),
        last_used: after(i64::from(number)),
        device: "Firefox on Linux".to_owned(),
    }
}

pub(super) fn attempt(browser: u8) -> Attempt {
    Attempt {
        id: 0,
        app: AppName::parse("orders").expect("valid"),
        host: HostName::parse("orders.example.com").expect("valid"),
        origin: "https://orders.example.com:8443".to_owned(),
        email: Email::parse("ann@example.com").expect("valid"),
        to: "/orders?page=2".to_owned(),
        browser: hash(browser),
        created: after(0),
        expires: after(900),
        state: AttemptState::Asked,
        wrong_codes: 0,
    }
}

pub(super) fn answer(link: u8) -> Answer {
    Answer {
        link: hash(link),
        code: [link; 32],
        mail: OutgoingMail {
            to: format!("recipient-{link}@mail.example"),
            subject: "Log in".to_owned(),
            text: format!("https://orders.example.com/.access/link/plain-token-{link}"),
            html: "<p>Log in</p>".to_owned(),
        },
        expires: after(900),
    }
}

/// An attempt that was answered with a mail; its link is the browser's number and 100.
async fn mailed(store: &AnyStore, browser: u8) -> i64 {
    let id = store.ask(&attempt(browser)).await.expect("stored");
    store.answer(id, Some(&answer(browser + 100)), after(1)).await.expect("answered");
    id
}

pub(super) async fn a_session_is_found_as_it_was_stored(store: AnyStore) {
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
    let with = session(1);
    let without = SessionRecord { customer: None, device: String::new(), ..session(2) };
    for record in [&with, &without] {
        store.open_session(record, None).await.expect("stored");
        assert_eq!(store.session(record.id).await.expect("read").as_ref(), Some(record));
    }
}

pub(super) async fn a_new_session_ends_the_one_it_replaces(store: AnyStore) {
    store.open_session(&session(1), None).await.expect("stored");
    assert!(store.open_session(&session(2), Some(hash(1))).await.expect("stored"));
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
    assert!(store.session(hash(2)).await.expect("read").is_some());
    assert!(!store.open_session(&session(3), Some(hash(1))).await.expect("the one to replace is gone"));
    assert_eq!(store.session(hash(3)).await.expect("read"), None, "and goes on under no other id");
}

pub(super) async fn a_person_has_sessions_of_one_app_newest_first(store: AnyStore) {
    let elsewhere = SessionRecord { app: AppName::parse("reports").expect("valid"), ..session(4) };
    let another = SessionRecord { email: Email::parse("bob@example.com").expect("valid"), ..session(5) };
    for record in [session(2), session(1), session(3), elsewhere, another] {
        store.open_session(&record, None).await.expect("stored");
    }
    let of = session(1);
    let found = store.sessions_of(&of.app, &of.email).await.expect("read");
    assert_eq!(found, [session(3), session(2), session(1)]);
}

pub(super) async fn an_ended_session_is_gone(store: AnyStore) {
    store.open_session(&session(1), None).await.expect("stored");
    assert!(store.end_session(hash(1)).await.expect("ended"));
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
    assert!(!store.end_session(hash(1)).await.expect("there is none"));
}

pub(super) async fn use_is_noted_and_never_taken_back(store: AnyStore) {
    store.open_session(&session(1), None).await.expect("stored");
    store.open_session(&session(2), None).await.expect("stored");
    let used = [(hash(1), after(500)), (hash(2), after(0)), (hash(1), after(400)), (hash(9), after(600))];
    store.touch_sessions(&used).await.expect("noted");
    store.touch_sessions(&[]).await.expect("nothing to note");
    let last_used = async |number| store.session(hash(number)).await.expect("read").expect("there").last_used;
    assert_eq!(last_used(1).await, after(500));
    assert_eq!(last_used(2).await, after(2));
    assert_eq!(store.session(hash(9)).await.expect("read"), None);
}

pub(super) async fn a_session_id_is_never_given_twice(store: AnyStore) {
    store.open_session(&session(1), None).await.expect("stored");
    store.open_session(&session(2), None).await.expect("stored");
    let thief = SessionRecord { email: Email::parse("eve@example.com").expect("valid"), ..session(1) };
    store.open_session(&thief, Some(hash(2))).await.expect_err("the id is taken");
    assert_eq!(store.session(hash(1)).await.expect("read"), Some(session(1)));
    assert_eq!(store.session(hash(2)).await.expect("read"), Some(session(2)), "what failed replaced nothing");
}

pub(super) async fn a_new_attempt_ends_the_browsers_earlier_ones(store: AnyStore) {
    let first = mailed(&store, 1).await;
    let other = mailed(&store, 2).await;
    let second = store.ask(&Attempt { id: 77, to: "/new".to_owned(), ..attempt(1) }).await.expect("stored");
    assert!(second > other && other > first);
    let newest = store.attempt_of(hash(1)).await.expect("read").expect("there");
    assert_eq!(newest, Attempt { id: second, to: "/new".to_owned(), ..attempt(1) });
    let earlier = store.attempt_by_link(hash(101)).await.expect("read").expect("there");
    assert_eq!((earlier.id, earlier.state), (first, AttemptState::Ended));
    assert!(!store.redeem(first, &session(1), None, after(2)).await.expect("answered"));
    assert_eq!(store.take_try(first, after(2)).await.expect("answered"), None);
    let others = store.attempt_of(hash(2)).await.expect("read").expect("there");
    assert_eq!(others.state, AttemptState::Mailed, "another browser's goes on");
    assert_eq!(store.attempt_of(hash(3)).await.expect("read"), None);
}

pub(super) async fn unanswered_attempts_come_oldest_first(store: AnyStore) {
    for browser in 1..=4 {
        store.ask(&attempt(browser)).await.expect("stored");
    }
    let found = store.unanswered(2).await.expect("read");
    assert_eq!(found.iter().map(|attempt| attempt.browser).collect::<Vec<_>>(), [hash(1), hash(2)]);
    store.answer(found[0].id, None, after(1)).await.expect("answered");
    store.answer(found[1].id, Some(&answer(9)), after(1)).await.expect("answered");
    let found = store.unanswered(9).await.expect("read");
    assert_eq!(found.iter().map(|attempt| attempt.browser).collect::<Vec<_>>(), [hash(3), hash(4)]);
}

pub(super) async fn an_answer_queues_its_mail_in_the_same_step(store: AnyStore) {
    let known = store.ask(&attempt(1)).await.expect("stored");
    let unknown = store.ask(&attempt(2)).await.expect("stored");
    assert_eq!(store.sealed_code(known).await.expect("read"), None);
    store.answer(known, Some(&answer(9)), after(1)).await.expect("answered");
    store.answer(unknown, None, after(1)).await.expect("answered");
    let found = store.attempt_by_link(hash(9)).await.expect("read").expect("there");
    assert_eq!(found, Attempt { id: known, state: AttemptState::Mailed, ..attempt(1) });
    assert_eq!(store.sealed_code(known).await.expect("read"), Some([9; 32]));
    let unknown = store.attempt_of(hash(2)).await.expect("read").expect("there");
    assert_eq!(unknown.state, AttemptState::Unknown);
    assert_eq!(store.sealed_code(unknown.id).await.expect("read"), None);
    assert_eq!(store.attempt_by_link(hash(8)).await.expect("read"), None);
    let mails = store.mail_due(after(1), 9).await.expect("read");
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].mail, answer(9).mail);
    assert_eq!((mails[0].tries, mails[0].queued, mails[0].expires), (0, after(1), after(900)));
}

pub(super) async fn an_attempt_is_answered_once(store: AnyStore) {
    let id = mailed(&store, 1).await;
    store.answer(id, Some(&answer(9)), after(2)).await.expect("does nothing");
    store.answer(id, None, after(2)).await.expect("does nothing");
    store.answer(12_345, Some(&answer(8)), after(2)).await.expect("does nothing");
    assert_eq!(store.queued_mails().await.expect("read"), 1);
    assert_eq!(store.attempt_of(hash(1)).await.expect("read").expect("there").state, AttemptState::Mailed);
    assert_eq!(store.attempt_by_link(hash(9)).await.expect("read"), None);
    // Ended by a newer attempt before its turn came: no mail goes out for it.
    let early = store.ask(&attempt(2)).await.expect("stored");
    store.ask(&attempt(2)).await.expect("stored");
    store.answer(early, Some(&answer(7)), after(2)).await.expect("does nothing");
    assert_eq!(store.queued_mails().await.expect("read"), 1);
}

pub(super) async fn a_failed_answer_leaves_nothing_behind(store: AnyStore) {
    mailed(&store, 1).await;
    let id = store.ask(&attempt(2)).await.expect("stored");
    store.answer(id, Some(&answer(101)), after(2)).await.expect_err("the link is taken");
    assert_eq!(store.attempt_of(hash(2)).await.expect("read").expect("there").state, AttemptState::Asked);
    assert_eq!(store.queued_mails().await.expect("read"), 1);
}

pub(super) async fn tries_run_out(store: AnyStore) {
    let mailed = mailed(&store, 1).await;
    let asked = store.ask(&attempt(2)).await.expect("stored");
    let unknown = store.ask(&attempt(3)).await.expect("stored");
    store.answer(unknown, None, after(1)).await.expect("answered");
    // The same for each: the fifth guess must not tell a known address from an unknown one.
    for (id, browser) in [(mailed, 1), (asked, 2), (unknown, 3)] {
        for left in (0..MOST_WRONG_CODES).rev() {
            assert_eq!(store.take_try(id, after(2)).await.expect("answered"), Some(left));
        }
        assert_eq!(store.take_try(id, after(2)).await.expect("answered"), None);
        let ended = store.attempt_of(hash(browser)).await.expect("read").expect("there");
        assert_eq!(ended.wrong_codes, MOST_WRONG_CODES);
        assert!(!ended.is_open(after(2)));
    }
    assert_eq!(store.take_try(12_345, after(2)).await.expect("answered"), None);
}

pub(super) async fn an_attempt_without_a_mail_is_never_redeemed(store: AnyStore) {
    let asked = store.ask(&attempt(1)).await.expect("stored");
    let unknown = store.ask(&attempt(2)).await.expect("stored");
    store.answer(unknown, None, after(1)).await.expect("answered");
    for id in [asked, unknown, 12_345] {
        assert!(!store.redeem(id, &session(1), None, after(2)).await.expect("answered"));
    }
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
}

pub(super) async fn attack_19_of_many_tries_at_once_five_pass(store: AnyStore) {
    let id = mailed(&store, 1).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.take_try(id, after(2)).await.expect("answered") });
    }
    let mut left: Vec<u32> = tasks.join_all().await.into_iter().flatten().collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
}

pub(super) async fn attack_19_of_many_redeemers_at_once_one_wins(store: AnyStore) {
    let id = mailed(&store, 1).await;
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.redeem(id, &session(number), None, after(2)).await.expect("answered") });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    let of = session(1);
    assert_eq!(store.sessions_of(&of.app, &of.email).await.expect("read").len(), 1);
    assert_eq!(store.attempt_of(hash(1)).await.expect("read").expect("there").state, AttemptState::Used);
}

pub(super) async fn the_fifth_try_may_be_right(store: AnyStore) {
    let id = mailed(&store, 1).await;
    while store.take_try(id, after(2)).await.expect("answered") != Some(0) {}
    assert!(store.redeem(id, &session(1), None, after(2)).await.expect("answered"));
}

pub(super) async fn an_attempt_past_its_time_opens_nothing(store: AnyStore) {
    let id = mailed(&store, 1).await;
    assert_eq!(store.take_try(id, after(900)).await.expect("answered"), None);
    assert!(!store.redeem(id, &session(1), None, after(900)).await.expect("answered"));
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
    assert!(store.redeem(id, &session(1), None, after(899)).await.expect("answered"));
}

pub(super) async fn a_refused_redemption_leaves_nothing_behind(store: AnyStore) {
    let id = mailed(&store, 1).await;
    store.open_session(&session(1), None).await.expect("stored");
    store.open_session(&session(2), None).await.expect("stored");
    store.redeem(id, &session(1), Some(hash(2)), after(2)).await.expect_err("the session's id is taken");
    assert_eq!(store.attempt_of(hash(1)).await.expect("read").expect("there").state, AttemptState::Mailed);
    assert!(store.session(hash(2)).await.expect("read").is_some());
    assert!(store.redeem(id, &session(3), Some(hash(2)), after(2)).await.expect("answered"));
    assert_eq!(store.session(hash(2)).await.expect("read"), None, "the replaced one ends with the new one's begin");
    assert!(!store.redeem(id, &session(4), Some(hash(3)), after(2)).await.expect("answered"), "used up");
    assert_eq!(store.session(hash(3)).await.expect("read"), Some(session(3)));
}

pub(super) async fn mail_is_due_until_it_is_forgotten(store: AnyStore) {
    assert_eq!(store.next_mail().await.expect("read"), None);
    for browser in 1..=3 {
        mailed(&store, browser).await;
    }
    assert_eq!(store.next_mail().await.expect("read"), Some(after(1)));
    assert_eq!(store.mail_due(after(0), 9).await.expect("read").len(), 0, "not before its time");
    let due = store.mail_due(after(1), 2).await.expect("read");
    assert_eq!(due.iter().map(|queued| queued.mail.clone()).collect::<Vec<_>>(), [answer(101).mail, answer(102).mail]);
    store.forget_mail(due[0].id).await.expect("forgotten");
    store.forget_mail(due[0].id).await.expect("twice is as good as once");
    assert_eq!(store.queued_mails().await.expect("read"), 2);
    let due = store.mail_due(after(1), 9).await.expect("read");
    assert_eq!(due.iter().map(|queued| queued.mail.clone()).collect::<Vec<_>>(), [answer(102).mail, answer(103).mail]);
}

pub(super) async fn a_deferred_mail_waits(store: AnyStore) {
    mailed(&store, 1).await;
    let id = store.mail_due(after(1), 9).await.expect("read")[0].id;
    store.defer_mail(id, after(10)).await.expect("deferred");
    store.defer_mail(12_345, after(20)).await.expect("there is none");
    assert_eq!(store.mail_due(after(9), 9).await.expect("read").len(), 0);
    assert_eq!(store.next_mail().await.expect("read"), Some(after(10)));
    let due = store.mail_due(after(10), 9).await.expect("read");
    assert_eq!((due[0].tries, due[0].queued), (1, after(1)));
    assert_eq!(due[0].mail, answer(101).mail);
}

pub(super) async fn a_secret_is_made_once(store: AnyStore) {
    let random = || Token::generate().expose().into_bytes();
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.secret("jwt", random).await.expect("made") });
    }
    let secrets = tasks.join_all().await;
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    assert_eq!(store.secret("jwt", Vec::new).await.expect("read"), secrets[0]);
    assert_ne!(store.secret("another", random).await.expect("made"), secrets[0]);
}

pub(super) async fn sweeping_removes_what_is_over_and_nothing_else(store: AnyStore) {
    let now = after(100_000);
    let record = |number, created, last_used| SessionRecord {
        created: now - Duration::from_secs(created),
        last_used: now - Duration::from_secs(last_used),
        ..session(number)
    };
    let kept = [record(1, 100, 0), record(2, 35_999, 3599)];
    let over = [record(3, 7000, 3600), record(4, 36_000, 10)];
    for record in kept.iter().chain(&over) {
        store.open_session(record, None).await.expect("stored");
    }
    let late = Attempt { expires: now - Duration::from_secs(3599), ..attempt(1) };
    let ended = Attempt { expires: now - Duration::from_secs(3600), ..attempt(2) };
    store.ask(&late).await.expect("stored");
    store.ask(&ended).await.expect("stored");
    assert!(over.iter().all(|record| record.is_over(LIMITS, now)));
    assert_eq!(store.sweep(LIMITS, now).await.expect("swept"), 3);
    for record in &kept {
        assert_eq!(store.session(record.id).await.expect("read").as_ref(), Some(record));
    }
    for record in &over {
        assert_eq!(store.session(record.id).await.expect("read"), None);
    }
    assert!(store.attempt_of(hash(1)).await.expect("read").is_some());
    assert!(store.attempt_of(hash(2)).await.expect("read").is_none());
    assert_eq!(store.sweep(LIMITS, now).await.expect("swept"), 0);
}

pub(super) async fn sweeping_goes_on_to_the_end(store: AnyStore) {
    for number in 0..=255 {
        store.ask(&attempt(number)).await.expect("stored");
        store.ask(&attempt(number)).await.expect("stored");
        store.ask(&attempt(number)).await.expect("stored");
    }
    assert_eq!(store.sweep(LIMITS, after(900 + 3600)).await.expect("swept"), 768);
}

pub(super) async fn a_healthy_store_says_so(store: AnyStore) {
    store.check().await.expect("healthy");
    store.check().await.expect("healthy");
}
