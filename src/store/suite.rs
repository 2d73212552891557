//! What every store must do, written against the port alone, so that a second store can be held to the same.
//!
//! `store_suite!(fresh)` makes a test of each; `fresh` gives an empty store and whatever must live as long as it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::session::{
    Asker, Attempt, AttemptState, MOST_PASSKEYS, MOST_WRONG_CODES, PasskeyRecord, Preview, Proof, SessionLimits,
    SessionRecord, Token, TokenHash,
};
use crate::state::ports::{Answer, Identity, MailEnd, Opening, OutgoingMail, Remembered, Replaces, Store, Ticket};
use crate::types::{AppName, CustomerId, Email, HostName, Language, Secret, Way};

/// A store, as the suite asks for it.
pub(super) type AnyStore = Arc<dyn Store>;

/// Makes a test of each part of the suite.
macro_rules! store_suite {
    ($fresh:path) => {
        store_suite!($fresh;
            a_session_is_found_as_it_was_stored
            a_preview_stays_with_its_session_and_the_last_few_are_remembered
            a_new_session_ends_the_one_it_replaces
            a_person_has_sessions_of_one_app_newest_first
            an_ended_session_is_gone
            use_is_noted_and_never_taken_back
            a_session_id_is_never_given_twice
            a_new_attempt_ends_the_browsers_earlier_ones
            unanswered_attempts_come_app_by_app_and_newest_first
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
            an_address_belongs_to_one_person_of_a_provider
            of_two_first_log_ins_with_one_address_one_is_remembered
            a_ticket_is_taken_once_by_whom_it_is_for
            what_is_used_up_stays_so_for_its_time
            a_person_has_the_language_they_chose_last
            passkeys_are_their_persons_on_their_domain
            nobody_has_more_passkeys_than_may_be
            of_two_first_passkeys_at_once_one_is_added
            a_mail_can_be_queued_by_itself
            sessions_are_found_in_all_apps
            a_healthy_store_says_so
            links_go_over_with_their_tokens
            a_link_is_renewed_while_its_session_lives
            attack_25_what_a_provider_said_reaches_a_session_under_its_new_id
            attack_21_an_end_finds_a_session_under_its_new_id
            attack_21_an_end_everywhere_leaves_nothing_in_any_app
            attack_24_a_provider_ends_what_it_means
            attack_24_a_token_is_good_once_and_not_wasted
            attack_24_nobody_enters_by_what_a_provider_said_before_it_logged_them_out
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

pub(super) use super::suite_of_ends::*;

pub(super) const LIMITS: SessionLimits = SessionLimits {
    idle: Duration::from_secs(3600),
    absolute: Duration::from_secs(36_000),
    preview: Duration::from_secs(1800),
};

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
        proofs: vec![Proof::now(Way::Email, after(i64::from(number)))],
        links: Vec::new(),
        preview: None,
    }
}

pub(super) fn attempt(browser: u8) -> Attempt {
    Attempt {
        id: 0,
        app: AppName::parse("orders").expect("valid"),
        host: HostName::parse("orders.example.com").expect("valid"),
        origin: "https://orders.example.com:8443".to_owned(),
        email: Email::parse("ann@example.com").expect("valid"),
        asker: Asker::Stranger,
        to: "/orders?page=2".to_owned(),
        browser: hash(browser),
        created: after(0),
        expires: after(900),
        state: AttemptState::Asked,
        wrong_codes: 0,
        language: Language::German,
    }
}

/// A session that takes the place of one that has to be there.
pub(super) fn opening(session: &SessionRecord, replaces: Option<TokenHash>) -> Opening {
    let replaces = replaces.map_or(Replaces::Nothing, Replaces::Only);
    Opening { session: session.clone(), replaces, tokens: None }
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
            unsubscribe: None,
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
        store.open_session(&opening(record, None)).await.expect("stored");
        assert_eq!(store.session(record.id).await.expect("read").as_ref(), Some(record));
    }
}

pub(super) async fn a_preview_stays_with_its_session_and_the_last_few_are_remembered(store: AnyStore) {
    let (app, actor) = (session(1).app, session(1).email);
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    assert_eq!(store.previews_of(&app, &actor).await.expect("read"), []);
    let customer = CustomerId::parse("42").expect("valid");
    let looks = [("a", None), ("b", Some(&customer)), ("a", None), ("c", None), ("d", None), ("b", None), ("e", None)];
    let mut before = 1;
    for (number, (name, customer)) in (2_u8..).zip(looks) {
        let preview = Preview {
            email: Email::parse(&format!("{name}@example.com")).expect("valid"),
            customer: customer.cloned(),
            until: after(1800),
        };
        let record = SessionRecord { preview: Some(preview), ..session(number) };
        let opening = Opening { session: record.clone(), replaces: Replaces::Only(hash(before)), tokens: None };
        assert!(store.open_session(&opening).await.expect("stored"));
        assert_eq!(store.session(record.id).await.expect("read"), Some(record));
        assert_eq!(store.session(hash(before)).await.expect("read"), None);
        before = number;
    }
    let last = store.previews_of(&app, &actor).await.expect("read");
    let last: Vec<_> = last.iter().map(|one| (one.email.as_str(), one.customer.is_some())).collect();
    assert_eq!(
        last,
        [
            ("e@example.com", false),
            ("b@example.com", false),
            ("d@example.com", false),
            ("c@example.com", false),
            ("a@example.com", false),
        ]
    );
    let other = Email::parse("bob@example.com").expect("valid");
    assert_eq!(store.previews_of(&app, &other).await.expect("read"), [], "each has their own");
    let own = SessionRecord { preview: None, ..session(20) };
    let opening = Opening { session: own.clone(), replaces: Replaces::Only(hash(before)), tokens: None };
    assert!(store.open_session(&opening).await.expect("stored"));
    assert_eq!(store.session(own.id).await.expect("read"), Some(own));
}

pub(super) async fn a_new_session_ends_the_one_it_replaces(store: AnyStore) {
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    assert!(store.open_session(&opening(&session(2), Some(hash(1)))).await.expect("stored"));
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
    assert!(store.session(hash(2)).await.expect("read").is_some());
    assert!(!store.open_session(&opening(&session(3), Some(hash(1)))).await.expect("the one to replace is gone"));
    assert_eq!(store.session(hash(3)).await.expect("read"), None, "and goes on under no other id");
}

pub(super) async fn a_person_has_sessions_of_one_app_newest_first(store: AnyStore) {
    let elsewhere = SessionRecord { app: AppName::parse("reports").expect("valid"), ..session(4) };
    let another = SessionRecord { email: Email::parse("bob@example.com").expect("valid"), ..session(5) };
    for record in [session(2), session(1), session(3), elsewhere, another] {
        store.open_session(&opening(&record, None)).await.expect("stored");
    }
    let of = session(1);
    let found = store.sessions_of(&of.app, &of.email).await.expect("read");
    assert_eq!(found, [session(3), session(2), session(1)]);
}

pub(super) async fn an_ended_session_is_gone(store: AnyStore) {
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    assert_eq!(store.end_session(hash(1)).await.expect("ended"), Some(hash(1)));
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
    assert_eq!(store.end_session(hash(1)).await.expect("there is none"), None);
}

pub(super) async fn use_is_noted_and_never_taken_back(store: AnyStore) {
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    store.open_session(&opening(&session(2), None)).await.expect("stored");
    let used = [(hash(1), after(500)), (hash(2), after(0)), (hash(1), after(400)), (hash(9), after(600))];
    store.touch_sessions(&used).await.expect("noted");
    store.touch_sessions(&[]).await.expect("nothing to note");
    let last_used = async |number| store.session(hash(number)).await.expect("read").expect("there").last_used;
    assert_eq!(last_used(1).await, after(500));
    assert_eq!(last_used(2).await, after(2));
    assert_eq!(store.session(hash(9)).await.expect("read"), None);
}

pub(super) async fn a_session_id_is_never_given_twice(store: AnyStore) {
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    store.open_session(&opening(&session(2), None)).await.expect("stored");
    let thief = SessionRecord { email: Email::parse("eve@example.com").expect("valid"), ..session(1) };
    store.open_session(&opening(&thief, Some(hash(2)))).await.expect_err("the id is taken");
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
    assert!(!store.redeem(first, &opening(&session(1), None), after(2)).await.expect("answered"));
    assert_eq!(store.take_try(first, after(2)).await.expect("answered"), None);
    let others = store.attempt_of(hash(2)).await.expect("read").expect("there");
    assert_eq!(others.state, AttemptState::Mailed, "another browser's goes on");
    assert_eq!(store.attempt_of(hash(3)).await.expect("read"), None);
}

pub(super) async fn unanswered_attempts_come_app_by_app_and_newest_first(store: AnyStore) {
    let orders = attempt(1).app;
    let other = AppName::parse("other").expect("valid");
    for browser in 1..=4 {
        store.ask(&attempt(browser)).await.expect("stored");
    }
    store.ask(&Attempt { app: other.clone(), ..attempt(5) }).await.expect("stored");
    store.ask(&Attempt { asker: Asker::Known, ..attempt(6) }).await.expect("stored");
    let found = async |app, asker, before, most| {
        let found = store.unanswered(app, asker, before, most).await.expect("read");
        found.iter().map(|attempt| (attempt.browser, attempt.id)).unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (browsers, ids) = found(&orders, Asker::Stranger, i64::MAX, 2).await;
    assert_eq!(browsers, [hash(4), hash(3)]);
    assert_eq!(found(&orders, Asker::Stranger, ids[1], 2).await.0, [hash(2), hash(1)]);
    assert_eq!(found(&other, Asker::Stranger, i64::MAX, 9).await.0, [hash(5)]);
    assert_eq!(found(&orders, Asker::Known, i64::MAX, 9).await.0, [hash(6)]);
    store.answer(ids[0], None, after(1)).await.expect("answered");
    store.answer(ids[1], Some(&answer(9)), after(1)).await.expect("answered");
    assert_eq!(found(&orders, Asker::Stranger, i64::MAX, 9).await.0, [hash(2), hash(1)]);
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
    let mails = store.mail_due(after(1), 9, &[]).await.expect("read");
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
        assert!(!store.redeem(id, &opening(&session(1), None), after(2)).await.expect("answered"));
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
        tasks.spawn(
            async move { store.redeem(id, &opening(&session(number), None), after(2)).await.expect("answered") },
        );
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    let of = session(1);
    assert_eq!(store.sessions_of(&of.app, &of.email).await.expect("read").len(), 1);
    assert_eq!(store.attempt_of(hash(1)).await.expect("read").expect("there").state, AttemptState::Used);
}

pub(super) async fn the_fifth_try_may_be_right(store: AnyStore) {
    let id = mailed(&store, 1).await;
    while store.take_try(id, after(2)).await.expect("answered") != Some(0) {}
    assert!(store.redeem(id, &opening(&session(1), None), after(2)).await.expect("answered"));
}

pub(super) async fn an_attempt_past_its_time_opens_nothing(store: AnyStore) {
    let id = mailed(&store, 1).await;
    assert_eq!(store.take_try(id, after(900)).await.expect("answered"), None);
    assert!(!store.redeem(id, &opening(&session(1), None), after(900)).await.expect("answered"));
    assert_eq!(store.session(hash(1)).await.expect("read"), None);
    assert!(store.redeem(id, &opening(&session(1), None), after(899)).await.expect("answered"));
}

pub(super) async fn a_refused_redemption_leaves_nothing_behind(store: AnyStore) {
    let id = mailed(&store, 1).await;
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    store.open_session(&opening(&session(2), None)).await.expect("stored");
    store.redeem(id, &opening(&session(1), Some(hash(2))), after(2)).await.expect_err("the session's id is taken");
    assert_eq!(store.attempt_of(hash(1)).await.expect("read").expect("there").state, AttemptState::Mailed);
    assert!(store.session(hash(2)).await.expect("read").is_some());
    assert!(store.redeem(id, &opening(&session(3), Some(hash(2))), after(2)).await.expect("answered"));
    assert_eq!(store.session(hash(2)).await.expect("read"), None, "the replaced one ends with the new one's begin");
    assert!(!store.redeem(id, &opening(&session(4), Some(hash(3))), after(2)).await.expect("answered"), "used up");
    assert_eq!(store.session(hash(3)).await.expect("read"), Some(session(3)));
}

pub(super) async fn mail_is_due_until_it_is_forgotten(store: AnyStore) {
    assert_eq!(store.next_mail().await.expect("read"), None);
    for browser in 1..=3 {
        mailed(&store, browser).await;
    }
    assert_eq!(store.next_mail().await.expect("read"), Some(after(1)));
    assert_eq!(store.mail_due(after(0), 9, &[]).await.expect("read").len(), 0, "not before its time");
    let due = store.mail_due(after(1), 2, &[]).await.expect("read");
    let others = store.mail_due(after(1), 9, &[due[0].id]).await.expect("read");
    assert!(!others.is_empty() && others.iter().all(|mail| mail.id != due[0].id), "what is under way is left out");
    assert_eq!(due.iter().map(|queued| queued.mail.clone()).collect::<Vec<_>>(), [answer(101).mail, answer(102).mail]);
    store.forget_mail(due[0].id, MailEnd::Sent).await.expect("forgotten");
    store.forget_mail(due[0].id, MailEnd::Sent).await.expect("twice is as good as once");
    assert_eq!(store.queued_mails().await.expect("read"), 2);
    let due = store.mail_due(after(1), 9, &[]).await.expect("read");
    assert_eq!(due.iter().map(|queued| queued.mail.clone()).collect::<Vec<_>>(), [answer(102).mail, answer(103).mail]);
}

pub(super) async fn a_deferred_mail_waits(store: AnyStore) {
    mailed(&store, 1).await;
    let id = store.mail_due(after(1), 9, &[]).await.expect("read")[0].id;
    store.defer_mail(id, after(10)).await.expect("deferred");
    store.defer_mail(12_345, after(20)).await.expect("there is none");
    assert_eq!(store.mail_due(after(9), 9, &[]).await.expect("read").len(), 0);
    assert_eq!(store.next_mail().await.expect("read"), Some(after(10)));
    let due = store.mail_due(after(10), 9, &[]).await.expect("read");
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
        store.open_session(&opening(record, None)).await.expect("stored");
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

pub(super) fn email(text: &str) -> Email {
    Email::parse(text).expect("valid")
}

fn identity(client: &str, subject: &str) -> Identity {
    Identity { issuer: "https://idp.example".to_owned(), client: client.to_owned(), subject: subject.to_owned() }
}

pub(super) async fn an_address_belongs_to_one_person_of_a_provider(store: AnyStore) {
    let (ann, bob) = (email("ann@example.com"), email("bob@example.com"));
    let remember = async |client, subject, email: &Email| {
        store.remember(&identity(client, subject), email, after(1)).await.expect("answered")
    };
    assert_eq!(remember("c", "1", &ann).await, Remembered::As(ann.clone()));
    assert_eq!(remember("c", "1", &bob).await, Remembered::As(ann.clone()), "a changed address changes nobody");
    assert_eq!(remember("c", "2", &ann).await, Remembered::Taken, "a reused address lets nobody in as another");
    assert_eq!(remember("c", "2", &bob).await, Remembered::As(bob));
    assert_eq!(remember("d", "9", &ann).await, Remembered::As(ann.clone()), "another client has other subjects");
    assert_eq!(store.identities(&ann).await.expect("read"), [identity("c", "1"), identity("d", "9")]);
    assert_eq!(store.forget_identities(&ann).await.expect("forgotten"), 2);
    assert_eq!(remember("c", "3", &ann).await, Remembered::As(ann));
}

pub(super) async fn of_two_first_log_ins_with_one_address_one_is_remembered(store: AnyStore) {
    let mut tasks = JoinSet::new();
    for subject in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let identity = identity("c", &subject.to_string());
            store.remember(&identity, &email("ann@example.com"), after(1)).await.expect("answered")
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Remembered::As(_))).count(), 1);
}

pub(super) async fn a_ticket_is_taken_once_by_whom_it_is_for(store: AnyStore) {
    let host = HostName::parse("orders.example.com").expect("valid");
    let other = HostName::parse("reports.example.com").expect("valid");
    let payload = Secret::new("{}".to_owned());
    let ticket = |number| Ticket {
        hash: hash(number),
        host: host.clone(),
        browser: hash(100),
        payload: payload.clone(),
        expires: after(60),
    };
    store.put_ticket(&ticket(1)).await.expect("kept");
    store.put_ticket(&ticket(2)).await.expect("kept");
    let take = async |number, host: &HostName, browser, now| {
        store.take_ticket(hash(number), host, hash(browser), after(now)).await.expect("answered")
    };
    assert_eq!(take(1, &other, 100, 1).await, None, "another domain");
    assert_eq!(take(1, &host, 101, 1).await, None, "another browser");
    assert_eq!(take(1, &host, 100, 60).await, None, "too late");
    assert_eq!(take(3, &host, 100, 1).await, None, "unknown");
    assert_eq!(take(1, &host, 100, 59).await, Some(payload.clone()));
    assert_eq!(take(1, &host, 100, 59).await, None, "taken");
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (store, host) = (Arc::clone(&store), host.clone());
        tasks.spawn(async move { store.take_ticket(hash(2), &host, hash(100), after(1)).await.expect("answered") });
    }
    assert_eq!(tasks.join_all().await.into_iter().flatten().count(), 1);
    store.put_ticket(&ticket(4)).await.expect("kept");
    assert_eq!(store.sweep(LIMITS, after(60)).await.expect("swept"), 1);
}

pub(super) async fn what_is_used_up_stays_so_for_its_time(store: AnyStore) {
    assert!(store.spend(hash(1), after(60)).await.expect("answered"));
    assert!(!store.spend(hash(1), after(90)).await.expect("answered"));
    assert!(store.spend(hash(2), after(600)).await.expect("answered"));
    assert_eq!(store.sweep(LIMITS, after(60)).await.expect("swept"), 1);
    assert!(!store.spend(hash(2), after(60)).await.expect("answered"));
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.spend(hash(3), after(60)).await.expect("answered") });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|is_first| *is_first).count(), 1);
}

fn passkey(number: u8) -> PasskeyRecord {
    PasskeyRecord {
        credential: vec![number; 40],
        app: AppName::parse("orders").expect("valid"),
        host: HostName::parse("orders.example.com").expect("valid"),
        email: email("ann@example.com"),
        handle: [7; 16],
        name: format!("Key {number}"),
        key: "{}".to_owned(),
        created: after(i64::from(number)),
        last_used: None,
    }
}

pub(super) async fn a_person_has_the_language_they_chose_last(store: AnyStore) {
    let (ann, bob) = (session(1).email, Email::parse("bob@example.com").expect("valid"));
    assert_eq!(store.language_of(&ann).await.expect("read"), None);
    for language in Language::ALL {
        store.choose_language(&ann, language).await.expect("stored");
        assert_eq!(store.language_of(&ann).await.expect("read"), Some(language));
    }
    assert_eq!(store.language_of(&bob).await.expect("read"), None);
}

pub(super) async fn passkeys_are_their_persons_on_their_domain(store: AnyStore) {
    let elsewhere = PasskeyRecord { host: HostName::parse("other.example.com").expect("valid"), ..passkey(3) };
    let bobs = PasskeyRecord { email: email("bob@example.com"), ..passkey(4) };
    for key in [&passkey(2), &passkey(1), &elsewhere, &bobs] {
        assert!(store.add_passkey(key, MOST_PASSKEYS).await.expect("stored"));
    }
    assert!(
        !store
            .add_passkey(&PasskeyRecord { email: bobs.email.clone(), ..passkey(1) }, MOST_PASSKEYS)
            .await
            .expect("answered")
    );
    let (host, ann) = (passkey(1).host, passkey(1).email);
    assert_eq!(store.passkeys_of(&host, &ann).await.expect("read"), [passkey(1), passkey(2)]);
    assert_eq!(store.passkey(&host, &[3; 40]).await.expect("read"), None);
    assert_eq!(store.passkey(&elsewhere.host, &[3; 40]).await.expect("read").as_ref(), Some(&elsewhere));
    let everywhere = store.passkeys_everywhere(&ann).await.expect("read");
    assert_eq!(everywhere, [passkey(1), passkey(2), elsewhere]);
    assert!(store.passkey_used(&host, &[1; 40], "{1}", after(50)).await.expect("stored"));
    assert!(store.name_passkey(&host, &ann, &[1; 40], "Phone").await.expect("stored"));
    assert!(!store.name_passkey(&host, &ann, &bobs.credential, "Mine").await.expect("answered"));
    assert!(!store.remove_passkey(&host, &ann, &bobs.credential).await.expect("answered"));
    let changed =
        PasskeyRecord { key: "{1}".to_owned(), name: "Phone".to_owned(), last_used: Some(after(50)), ..passkey(1) };
    assert_eq!(store.passkey(&host, &[1; 40]).await.expect("read"), Some(changed));
    assert!(store.remove_passkey(&host, &ann, &[1; 40]).await.expect("removed"));
    assert_eq!(store.passkeys_of(&host, &ann).await.expect("read"), [passkey(2)]);
    assert!(!store.passkey_used(&host, &[1; 40], "{}", after(60)).await.expect("answered"));
}

pub(super) async fn nobody_has_more_passkeys_than_may_be(store: AnyStore) {
    for number in 0..=u8::try_from(MOST_PASSKEYS).expect("a few") {
        let is_added = store.add_passkey(&passkey(number), MOST_PASSKEYS).await.expect("answered");
        assert_eq!(is_added, usize::from(number) < MOST_PASSKEYS);
    }
}

pub(super) async fn of_two_first_passkeys_at_once_one_is_added(store: AnyStore) {
    let mut tasks = JoinSet::new();
    for number in 1..=8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.add_passkey(&passkey(number), 1).await.expect("answered") });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|is_added| *is_added).count(), 1);
}

pub(super) async fn a_mail_can_be_queued_by_itself(store: AnyStore) {
    let mail = answer(101).mail;
    store.queue_mail(&mail, after(1), after(60)).await.expect("queued");
    let due = store.mail_due(after(1), 9, &[]).await.expect("read");
    assert_eq!(due.iter().map(|queued| (&queued.mail, queued.expires)).collect::<Vec<_>>(), [(&mail, after(60))]);
}

pub(super) async fn sessions_are_found_in_all_apps(store: AnyStore) {
    let elsewhere = SessionRecord { app: AppName::parse("reports").expect("valid"), ..session(2) };
    let bobs = SessionRecord { email: email("bob@example.com"), ..session(3) };
    for record in [&session(1), &elsewhere, &bobs] {
        store.open_session(&opening(record, None)).await.expect("stored");
    }
    let mut found = store.sessions_everywhere(&email("ann@example.com")).await.expect("read");
    found.sort();
    let mut expected = [hash(1), hash(2)];
    expected.sort();
    assert_eq!(found, expected);
}
