//! What every store must do with records of people's access.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::suite::{after, answer, hash};
use super::tests::opened;
use crate::policy::DaysBack;
use crate::state::members::{
    Basis, Changed, Entry, KeepOwner, Maker, Organisation, Record, RecordFilter, RecordState, RecordStore, Step, Terms,
};
use crate::state::ports::MailQueue as _;
use crate::types::{AppName, CustomerId, DisplayName, Email, Language, RoleName};

fn app() -> AppName {
    AppName::parse("orders").expect("valid")
}

fn customer(text: &str) -> CustomerId {
    CustomerId::parse(text).expect("valid")
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).expect("valid")
}

fn entry(name: &str, role: &str) -> Entry {
    Entry {
        app: app(),
        customer: customer("42"),
        email: email(name),
        basis: Basis::Own,
        first_name: DisplayName::new("Zoë"),
        last_name: None,
        role: RoleName::parse(role).expect("valid"),
        days_back: None,
        notes: None,
        language: None,
    }
}

fn adding(entry: Entry, state: RecordState) -> Step {
    Step::Add { entry: Box::new(entry), state, by: Maker::Colleague(email("ann")), most: 100 }
}

fn invited(link: u8) -> RecordState {
    RecordState::Invited { expires: after(600), link: hash(link), sent: after(0) }
}

async fn done(store: &impl RecordStore, steps: &[Step]) -> Vec<Record> {
    match store.change_records(steps, Terms::default(), after(1)).await.expect("stored") {
        Changed::Done { records, .. } => records,
        other => panic!("{other:?}"),
    }
}

async fn refused(store: &impl RecordStore, steps: &[Step], terms: Terms<'_>) -> Changed {
    let changed = store.change_records(steps, terms, after(1)).await.expect("asked");
    assert!(!matches!(changed, Changed::Done { .. }), "{changed:?}");
    changed
}

#[tokio::test]
async fn a_record_is_found_as_it_was_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let whole = Entry {
        last_name: DisplayName::new("Lee"),
        days_back: Some(DaysBack::Days(30)),
        notes: DisplayName::new("knows the keys"),
        language: Some(Language::Bulgarian),
        ..entry("bob", "member")
    };
    let unlimited = Entry { days_back: Some(DaysBack::Unlimited), basis: Basis::Adjusts, ..entry("cat", "admin") };
    let name = Organisation {
        app: app(),
        id: customer("42"),
        name: DisplayName::new("Müller").expect("a name"),
        founder: None,
    };
    let steps = [
        Step::Name(name.clone()),
        adding(whole.clone(), invited(1)),
        adding(unlimited.clone(), RecordState::Suspended),
        adding(entry("dan", "member"), RecordState::Active),
    ];
    let made = done(&store, &steps).await;
    assert_eq!([&made[0].entry, &made[1].entry], [&whole, &unlimited]);
    assert_eq!(
        [&made[0].state, &made[1].state, &made[2].state],
        [&invited(1), &RecordState::Suspended, &RecordState::Active]
    );
    assert_eq!((made[0].made_by.clone(), made[0].version, made[0].made), (Maker::Colleague(email("ann")), 1, after(1)));
    assert_eq!(made[0].customer_name, DisplayName::new("Müller"));
    assert_eq!(store.records_of(&app(), &email("bob")).await.expect("read"), made[..1]);
    assert_eq!(store.record_by_link(&app(), hash(1)).await.expect("read").as_ref(), made.first());
    let other = AppName::parse("reports").expect("valid");
    assert_eq!(store.record_by_link(&other, hash(1)).await.expect("read"), None, "it is another app's");
    assert_eq!(store.record(made[1].id).await.expect("read").as_ref(), made.get(1));
    assert_eq!(store.organisation(&app(), &customer("42")).await.expect("read"), Some(name));
    let of = async |filter: RecordFilter<'_>| {
        let found = store.records(RecordFilter { most: 10, ..filter }).await.expect("read");
        found.iter().map(|record| record.entry.email.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(RecordFilter { text: Some("LEE"), ..RecordFilter::default() }).await, ["bob@example.com"]);
    assert_eq!(of(RecordFilter { state: Some("active"), ..RecordFilter::default() }).await, ["dan@example.com"]);
    assert_eq!(of(RecordFilter { after: made[1].id, ..RecordFilter::default() }).await, ["dan@example.com"]);
    assert!(of(RecordFilter { customer: Some(&customer("43")), ..RecordFilter::default() }).await.is_empty());
}

#[tokio::test]
async fn steps_are_taken_all_or_none_with_their_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let bob = done(&store, &[adding(entry("bob", "member"), RecordState::Active)]).await.remove(0);
    let mails = [(answer(1).mail, after(600))];
    let terms = Terms { mails: &mails, ..Terms::default() };
    let twice = [adding(entry("cat", "member"), invited(1)), adding(entry("bob", "member"), invited(2))];
    assert_eq!(refused(&store, &twice, terms).await, Changed::Known);
    assert_eq!(store.queued_mails().await.expect("counted"), 0);
    assert!(store.records_of(&app(), &email("cat")).await.expect("read").is_empty());
    let changed = store.change_records(&twice[..1], terms, after(1)).await.expect("stored");
    assert!(matches!(changed, Changed::Done { .. }));
    assert_eq!(store.queued_mails().await.expect("counted"), 1);
    // A change is made against what was seen.
    let set = |version| Step::Set {
        id: bob.id,
        version,
        entry: Box::new(entry("bob", "admin")),
        state: RecordState::Active,
        by: None,
    };
    assert_eq!(done(&store, &[set(1)]).await[0].version, 2);
    assert_eq!(refused(&store, &[set(1)], Terms::default()).await, Changed::Stale);
    assert_eq!(refused(&store, &[Step::Remove { id: bob.id, version: 1 }], Terms::default()).await, Changed::Stale);
    let resting = Terms { rests_on: Some((bob.id, 1)), ..Terms::default() };
    assert_eq!(refused(&store, &[adding(entry("dan", "member"), invited(3))], resting).await, Changed::Unfounded);
    done(&store, &[Step::Remove { id: bob.id, version: 2 }]).await;
    assert_eq!(refused(&store, &[Step::Remove { id: bob.id, version: 2 }], Terms::default()).await, Changed::Gone);
}

#[tokio::test]
async fn an_invitation_that_ran_out_takes_no_place_until_it_is_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let add = |name: &str, state| Step::Add {
        entry: Box::new(entry(name, "member")),
        state,
        by: Maker::Colleague(email("ann")),
        most: 2,
    };
    let over = |link| RecordState::Invited { expires: after(1), link: hash(link), sent: after(0) };
    let first = done(&store, &[add("bob", over(1))]).await.remove(0);
    done(&store, &[add("cat", over(2)), add("dan", RecordState::Active), add("eve", invited(3))]).await;
    let none = Terms::default();
    assert_eq!(refused(&store, &[add("fay", invited(4))], none).await, Changed::Full, "two people are here");
    let room = Step::Room { app: app(), customer: customer("42"), most: 2 };
    let again = Step::Set { id: first.id, version: 1, entry: Box::new(first.entry), state: invited(5), by: None };
    assert_eq!(refused(&store, &[room.clone(), again.clone()], none).await, Changed::Full);
    let dan = store.records_of(&app(), &email("dan")).await.expect("read").remove(0);
    done(&store, &[Step::Remove { id: dan.id, version: 1 }, room, again]).await;
    // Those that ran out do not pile up for ever.
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let old: Vec<Step> = (0..3).map(|number| add(&format!("o{number}"), over(number))).collect();
    done(&store, &old).await;
    assert_eq!(refused(&store, &[add("gus", invited(9))], none).await, Changed::Full);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_28_of_a_hundred_who_leave_at_once_one_owner_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(opened(folder.path()).await);
    let steps: Vec<Step> =
        (0..100).map(|number| adding(entry(&format!("o{number}"), "owner"), RecordState::Active)).collect();
    let owners = done(&*store, &steps).await;
    let keep = KeepOwner {
        app: app(),
        customer: customer("42"),
        roles: vec![RoleName::parse("owner").expect("valid")],
        has_fixed: false,
        adjustable: Vec::new(),
    };
    let mut all = JoinSet::new();
    for (number, owner) in owners.into_iter().enumerate() {
        let (store, keep) = (Arc::clone(&store), keep.clone());
        all.spawn(async move {
            // Every way out: away, down, and suspended.
            let set = |entry, state| Step::Set {
                id: owner.id,
                version: owner.version,
                entry: Box::new(entry),
                state,
                by: None,
            };
            let step = match number % 3 {
                0 => Step::Remove { id: owner.id, version: owner.version },
                1 => set(
                    Entry { role: RoleName::parse("member").expect("valid"), ..owner.entry.clone() },
                    RecordState::Active,
                ),
                _ => set(owner.entry.clone(), RecordState::Suspended),
            };
            let terms = Terms { owners: Some(&keep), ..Terms::default() };
            store.change_records(&[step], terms, after(2)).await.expect("asked")
        });
    }
    let outcomes = all.join_all().await;
    assert_eq!(outcomes.iter().filter(|changed| **changed == Changed::LastOwner).count(), 1);
    assert_eq!(outcomes.iter().filter(|changed| matches!(changed, Changed::Done { .. })).count(), 99);
    let left = store
        .records(RecordFilter { state: Some("active"), most: 200, ..RecordFilter::default() })
        .await
        .expect("read");
    assert_eq!(left.iter().filter(|record| record.entry.role.as_str() == "owner").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_28_two_owners_of_a_table_do_not_both_leave_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(opened(folder.path()).await);
    let keep = KeepOwner {
        app: app(),
        customer: customer("42"),
        roles: vec![RoleName::parse("owner").expect("valid")],
        has_fixed: false,
        adjustable: vec![(email("ann"), true), (email("bob"), true), (email("cat"), false)],
    };
    let leave = async |name: &str, keep: &KeepOwner| {
        let step = adding(Entry { basis: Basis::Adjusts, ..entry(name, "owner") }, RecordState::Suspended);
        let terms = Terms { owners: Some(keep), ..Terms::default() };
        store.change_records(&[step], terms, after(2)).await.expect("asked")
    };
    let (ann, bob) = tokio::join!(leave("ann", &keep), leave("bob", &keep));
    let stays = [&ann, &bob].into_iter().filter(|changed| **changed == Changed::LastOwner).count();
    assert_eq!(stays, 1, "{ann:?} {bob:?}");
    // A fixed list's owner cannot leave by a record, so everybody else may.
    let fixed = KeepOwner { has_fixed: true, ..keep };
    let last = if ann == Changed::LastOwner { "ann" } else { "bob" };
    assert!(matches!(leave(last, &fixed).await, Changed::Done { .. }));
}

#[tokio::test]
async fn attack_28_an_owner_whose_list_cannot_be_asked_is_not_taken_for_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let keep = KeepOwner {
        app: app(),
        customer: customer("42"),
        roles: vec![RoleName::parse("owner").expect("valid")],
        has_fixed: false,
        // The list that names ann is down: who else is in it nobody knows.
        adjustable: Vec::new(),
    };
    let step = adding(Entry { basis: Basis::Adjusts, ..entry("ann", "owner") }, RecordState::Suspended);
    let terms = Terms { owners: Some(&keep), ..Terms::default() };
    assert_eq!(store.change_records(&[step], terms, after(2)).await.expect("asked"), Changed::LastOwner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_20_a_hundred_invitations_at_once_stop_at_the_limit_and_end_with_their_inviter() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(opened(folder.path()).await);
    let inviter = done(&*store, &[adding(entry("ann", "admin"), RecordState::Active)]).await.remove(0);
    let invite = async |number: u8, rests_on: (i64, i64), most: u32| {
        let entry = Box::new(entry(&format!("p{number}"), "member"));
        let step = Step::Add { entry, state: invited(number), by: Maker::Colleague(email("ann")), most };
        let terms = Terms { rests_on: Some(rests_on), ..Terms::default() };
        store.change_records(&[step], terms, after(2)).await.expect("asked")
    };
    let rests_on = (inviter.id, inviter.version);
    let many = futures_util::future::join_all((0..100).map(|number| invite(number, rests_on, 11))).await;
    assert_eq!(many.iter().filter(|changed| matches!(changed, Changed::Done { .. })).count(), 10);
    assert_eq!(many.iter().filter(|changed| **changed == Changed::Full).count(), 90);
    // What an inviter begins while they are demoted does not come about.
    let demote = async {
        let entry = Box::new(entry("ann", "member"));
        let step = Step::Set { id: inviter.id, version: 1, entry, state: RecordState::Active, by: None };
        store.change_records(&[step], Terms::default(), after(2)).await.expect("asked")
    };
    demote.await;
    let late = futures_util::future::join_all((100..200).map(|number| invite(number, rests_on, 1000))).await;
    assert!(late.iter().all(|changed| *changed == Changed::Unfounded));
}
