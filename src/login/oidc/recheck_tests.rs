//! Asking whether people are still there: once for many, and never losing what comes back.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::test_house::{House, eager, eventually, name};
use super::test_provider::{Fault, Key, Script};
use super::*;
use crate::config::WhenDown;
use crate::session::{SessionRecord, Token};
use crate::state::ports::{Opening, Replaces};

const EVERY: Duration = Duration::from_secs(600);
const LONG: Duration = Duration::from_secs(3600);

fn rechecked(provider: &mut Provider) {
    provider.recheck = Some(EVERY);
}

fn rechecked_or_not(provider: &mut Provider) {
    rechecked(provider);
    provider.recheck_when_down = WhenDown::Allow;
}

fn staff(provider: &mut Provider) {
    rechecked(provider);
    provider.groups_claim = Some("groups".to_owned());
    provider.groups = vec!["staff".to_owned(), "admins".to_owned()];
}

fn said(rechecked: &Rechecked) -> &'static str {
    match rechecked {
        Rechecked::Good(_) => "good",
        Rechecked::Ended => "ended",
        Rechecked::Later(_) => "later",
        Rechecked::Unavailable(_) => "unavailable",
    }
}

fn good(rechecked: Rechecked) -> Link {
    match rechecked {
        Rechecked::Good(link) => link,
        other => panic!("{other:?}"),
    }
}

fn refreshes(house: &House) -> u64 {
    ["ok", "refused", "unavailable"].iter().map(|outcome| house.counted("refresh", outcome)).sum()
}

#[tokio::test]
async fn attack_25_ten_requests_at_once_refresh_once() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    let before = house.stored(session).await.1;
    let tasks = TaskTracker::new();
    let answers: Vec<_> = (0..10)
        .map(|_| {
            let (party, link) = (Arc::clone(&house.party), link.clone());
            tasks.spawn(async move { party.recheck(session, &link).await })
        })
        .collect();
    let mut links = Vec::new();
    for answer in answers {
        links.push(good(answer.await.expect("answered")));
    }
    assert_eq!(refreshes(&house), 1);
    let (link, tokens) = house.stored(session).await;
    assert!(links.iter().all(|other| *other == link));
    let until = link.next_check.expect("a moment").as_second() - Clock.now().as_second();
    assert!((570..=600).contains(&until), "{until}");
    assert_ne!(tokens.refresh_token, before.refresh_token, "the new one is stored");
    assert_ne!(tokens.id_token, before.id_token);
    // One that comes late, with what it read before, asks nobody.
    assert_eq!(good(house.party.recheck(session, &link).await), link);
    assert_eq!(refreshes(&house), 1);
}

#[tokio::test]
async fn attack_25_sessions_are_refreshed_apart() {
    let house = House::with(rechecked, eager()).await;
    let (first, second) = (house.due_session().await, house.due_session().await);
    let both = tokio::join!(house.party.recheck(first.0, &first.1), house.party.recheck(second.0, &second.1));
    good(both.0);
    good(both.1);
    assert_eq!(refreshes(&house), 2);
}

#[tokio::test]
async fn attack_25_a_client_that_goes_away_loses_no_token() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    let before = house.stored(session).await.1.refresh_token;
    let go_on = Arc::new(Notify::new());
    house.provider.script(|script| drop(script.faults.insert("token", Fault::Waits(Arc::clone(&go_on)))));
    let request = tokio::spawn({
        let (party, link) = (Arc::clone(&house.party), link.clone());
        async move { party.recheck(session, &link).await }
    });
    // One to log in, one to refresh: the old token is used up now.
    eventually("the provider was asked", || house.provider.asked("/token") == 2).await;
    request.abort();
    assert!(request.await.expect_err("it is gone").is_cancelled());
    go_on.notify_one();
    // Nor does a gateway that stops.
    let stop = CancellationToken::new();
    stop.cancel();
    house.party.run(stop).await;
    let (link, tokens) = house.stored(session).await;
    assert_ne!(tokens.refresh_token, before);
    assert!(link.next_check.expect("a moment") > Clock.now());
    good(house.party.recheck(session, &link).await);
    assert_eq!(refreshes(&house), 1);
}

#[tokio::test]
async fn attack_25_a_session_with_a_new_id_while_it_is_refreshed_sends_no_token_twice() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    let go_on = Arc::new(Notify::new());
    house.provider.script(|script| drop(script.faults.insert("token", Fault::Waits(Arc::clone(&go_on)))));
    let ask = |session| {
        let (party, link) = (Arc::clone(&house.party), link.clone());
        tokio::spawn(async move { party.recheck(session, &link).await })
    };
    let old = ask(session);
    eventually("the provider was asked", || house.provider.asked("/token") == 2).await;
    // A customer is chosen: the session goes on under another id, with the token that is under way.
    let renamed = Token::generate().hash();
    let record = house.store.session(session).await.expect("read").expect("there");
    let opening =
        Opening { session: SessionRecord { id: renamed, ..record }, replaces: Replaces::Only(session), tokens: None };
    assert!(house.store.open_session(&opening).await.expect("stored"));
    let new = ask(renamed);
    go_on.notify_one();
    let (old, new) = (good(old.await.expect("answered")), good(new.await.expect("answered")));
    assert_eq!((refreshes(&house), &old), (1, &new), "the token went out once");
    assert_eq!(house.stored(renamed).await.0, new, "what came of it is the new id's");
    good(house.party.recheck(renamed, &link).await);
    assert_eq!(refreshes(&house), 1);
}

#[tokio::test]
async fn a_person_who_is_gone_is_out() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    house.provider.forget_everybody();
    assert_eq!(said(&house.party.recheck(session, &link).await), "ended");
    assert_eq!(house.counted("refresh", "refused"), 1);
}

#[tokio::test]
async fn nobody_can_be_asked_about_what_is_not_there() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    let other = Link { provider: ProviderName::parse("other").expect("a name"), ..link.clone() };
    assert_eq!(said(&house.party.recheck(session, &other).await), "ended", "a provider that the config lost");
    assert_eq!(said(&house.party.recheck(Token::generate().hash(), &link).await), "ended", "no session");
    let tokens = LinkTokens { refresh_token: None, ..house.stored(session).await.1 };
    assert!(house.store.renew_link(session, &link, &tokens).await.expect("stored"));
    assert_eq!(said(&house.party.recheck(session, &link).await), "ended", "no refresh token");
    assert_eq!(refreshes(&house), 0);
}

#[tokio::test]
async fn a_link_to_another_issuer_by_the_same_name_is_over() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    let providers = [Arc::new(super::test_house::config("http://127.0.0.1:1"))];
    let renamed =
        RelyingParty::new(&providers, Arc::clone(&house.store), Clock, Arc::default()).expect("a relying party");
    assert_eq!(said(&renamed.recheck(session, &link).await), "ended");
}

#[tokio::test]
async fn attack_25_a_provider_in_trouble_is_handled_as_configured() {
    let garbage = r#"{"access_token":7}"#.to_owned();
    for fault in [
        Fault::Status(500, String::new()),
        Fault::Status(503, r#"{"error":"invalid_grant"}"#.to_owned()),
        Fault::Status(429, String::new()),
        Fault::Status(200, garbage),
        Fault::Status(200, "<html>".to_owned()),
        Fault::Status(400, "<html>".to_owned()),
        Fault::Status(400, r#"{"error":"temporarily_unavailable"}"#.to_owned()),
        Fault::Status(401, r#"{"error":"invalid_client"}"#.to_owned()),
        Fault::Redirect("http://127.0.0.1:1/token".to_owned()),
        Fault::Endless,
        Fault::Silent,
    ] {
        for (change, outcome) in [(rechecked as fn(&mut Provider), "unavailable"), (rechecked_or_not, "later")] {
            let change = |provider: &mut Provider| {
                change(provider);
                provider.timeout = Duration::from_secs(2);
            };
            let house = House::with(change, eager()).await;
            let (session, link) = house.due_session().await;
            let before = house.stored(session).await;
            house.provider.script(|script| drop(script.faults.insert("token", fault.clone())));
            let found = house.party.recheck(session, &link).await;
            assert_eq!(said(&found), outcome);
            if let Rechecked::Later(moment) = found {
                let later = moment.as_second() - Clock.now().as_second();
                assert!((30..=60).contains(&later), "{later}");
            }
            assert_eq!(house.stored(session).await, before, "nothing has changed");
            // And when the trouble is over, so is this.
            house.provider.script(|script| script.faults.clear());
            good(house.party.recheck(session, &link).await);
        }
    }
}

#[tokio::test]
async fn attack_25_a_slow_provider_is_not_waited_for_by_every_session() {
    let change = |provider: &mut Provider| {
        rechecked(provider);
        provider.timeout = Duration::from_secs(1);
    };
    let house = House::with(change, Timing { rest: LONG, ..eager() }).await;
    let (first, second) = (house.due_session().await, house.due_session().await);
    house.provider.script(|script| drop(script.faults.insert("token", Fault::Silent)));
    assert_eq!(said(&house.party.recheck(first.0, &first.1).await), "unavailable");
    for (session, link) in [&first, &second] {
        assert_eq!(said(&house.party.recheck(*session, link).await), "unavailable");
    }
    assert_eq!(refreshes(&house), 1);
}

#[tokio::test]
async fn attack_25_a_session_whose_answer_was_lost_is_over() {
    let change = |provider: &mut Provider| {
        rechecked_or_not(provider);
        provider.timeout = Duration::from_secs(1);
    };
    let house = House::with(change, eager()).await;
    let (session, link) = house.due_session().await;
    house.provider.script(|script| drop(script.faults.insert("token", Fault::LosesAnswer)));
    assert_eq!(said(&house.party.recheck(session, &link).await), "later");
    house.provider.script(|script| script.faults.clear());
    assert_eq!(said(&house.party.recheck(session, &link).await), "ended");
}

// The provider's task stands still while the session ends, so the store's needs another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_25_a_session_that_ends_meanwhile_stays_ended() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    house.provider.script(|script| {
        // It ends while the provider makes the tokens.
        let store = Arc::clone(&house.store);
        let handle = tokio::runtime::Handle::current();
        script.token_answer = Box::new(move |_| {
            let store = Arc::clone(&store);
            std::thread::scope(|scope| {
                scope.spawn(|| handle.block_on(async move { store.end_session(session).await.expect("ended") }));
            });
        });
    });
    assert_eq!(said(&house.party.recheck(session, &link).await), "ended");
    assert_eq!(house.store.session(session).await.expect("read"), None);
}

#[tokio::test]
async fn a_refresh_token_that_stays_the_same_is_kept() {
    let house = House::with(rechecked, eager()).await;
    let (session, link) = house.due_session().await;
    let before = house.stored(session).await.1;
    house.provider.script(|script| {
        script.rotates = false;
        script.token_answer = Box::new(|answer| {
            answer["refresh_token"] = Value::Null;
            answer["id_token"] = Value::Null;
        });
    });
    good(house.party.recheck(session, &link).await);
    assert_eq!(house.stored(session).await.1, before);
}

#[tokio::test]
async fn attack_25_a_new_id_token_is_checked_like_the_first() {
    type Change = fn(&mut Script);
    let cases: [(&str, Change, &str); 9] = [
        ("somebody else", |script| script.claims = Box::new(|claims| set(claims, "sub", json!("subject-2"))), "ended"),
        ("another audience", |script| script.claims = Box::new(|claims| set(claims, "aud", json!("x"))), "unavailable"),
        ("another nonce", |script| script.claims = Box::new(|claims| set(claims, "nonce", json!("x"))), "unavailable"),
        ("expired", |script| script.claims = Box::new(|claims| set(claims, "exp", json!(1))), "unavailable"),
        (
            "a log-out token",
            |script| script.claims = Box::new(|claims| set(claims, "events", json!({}))),
            "unavailable",
        ),
        ("another key", |script| script.key = Key::new("ES256", "first"), "unavailable"),
        ("no token", |script| script.token = Some(Box::new(|_| "x".to_owned())), "unavailable"),
        ("no nonce", |script| script.claims = Box::new(|claims| set(claims, "nonce", Value::Null)), "good"),
        (
            "a new key",
            |script| {
                script.key = Key::new("EdDSA", "next");
                script.jwks.push(script.key.jwk());
            },
            "good",
        ),
    ];
    for (case, change, outcome) in cases {
        let house = House::with(rechecked, eager()).await;
        let (session, link) = house.due_session().await;
        let before = house.stored(session).await.1;
        house.provider.script(change);
        assert_eq!(said(&house.party.recheck(session, &link).await), outcome, "{case}");
        let after = house.stored(session).await;
        assert_ne!(after.1.refresh_token, before.refresh_token, "{case}: the old one is used up");
        if outcome == "unavailable" {
            assert_eq!((&after.0, &after.1.id_token), (&link, &before.id_token), "{case}: nothing else is believed");
            house.provider.script(|script| {
                script.claims = Box::new(|_| {});
                script.token = None;
                script.key = Key::new("ES256", "honest");
                script.jwks = vec![script.key.jwk()];
            });
            good(house.party.recheck(session, &link).await);
        }
    }
}

fn set(claims: &mut serde_json::Map<String, Value>, name: &str, value: Value) {
    match value {
        Value::Null => claims.remove(name),
        value => claims.insert(name.to_owned(), value),
    };
}

#[tokio::test]
async fn groups_and_session_are_learned_anew() {
    for (claims, userinfo, groups, sid) in [
        (json!({ "groups": ["admins"], "sid": "sid-2" }), json!({}), vec!["admins"], "sid-2"),
        (json!({ "groups": [], "sid": null }), json!({ "groups": ["admins"] }), vec![], "sid-1"),
        (json!({}), json!({ "groups": ["admins", "others"] }), vec!["admins"], "sid-1"),
        (json!({}), json!({}), vec![], "sid-1"),
    ] {
        let house = House::with(staff, eager()).await;
        house.provider.script(|script| script.claims = Box::new(|claims| set(claims, "groups", json!(["staff"]))));
        let (session, link) = house.due_session().await;
        assert_eq!(link.groups, ["staff"]);
        let shown = format!("{claims} {userinfo}");
        house.provider.script(|script| {
            script.claims = Box::new(move |all| {
                for (name, value) in claims.as_object().expect("an object") {
                    set(all, name, value.clone());
                }
            });
            script.userinfo = Box::new(move |all| {
                for (name, value) in userinfo.as_object().expect("an object") {
                    all[name] = value.clone();
                }
            });
        });
        let link = good(house.party.recheck(session, &link).await);
        assert_eq!(
            (&link.groups[..], link.sid.as_deref()),
            (&groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>()[..], Some(sid)),
            "{shown}"
        );
        assert_eq!(house.stored(session).await.0, link);
    }
}

#[tokio::test]
async fn groups_that_cannot_be_asked_for_are_trouble() {
    let house = House::with(staff, eager()).await;
    let (session, link) = house.due_session().await;
    house.provider.script(|script| drop(script.faults.insert("userinfo", Fault::Status(503, String::new()))));
    assert_eq!(said(&house.party.recheck(session, &link).await), "unavailable");
    house.provider.script(|script| {
        script.faults.clear();
        script.userinfo = Box::new(|userinfo| userinfo["sub"] = "subject-2".into());
    });
    assert_eq!(said(&house.party.recheck(session, &link).await), "ended");
}

#[tokio::test]
async fn a_recheck_that_is_not_wanted_any_more_does_not_happen() {
    let house = House::new().await;
    let arrived = house.log_in().await.expect("believed");
    assert_eq!(arrived.link.next_check, None);
    let (session, link) = house.due_session().await;
    assert_eq!(good(house.party.recheck(session, &link).await).next_check, None);
    assert_eq!(refreshes(&house), 0);
    assert_eq!(link.provider, name());
}
