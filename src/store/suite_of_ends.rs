//! The suite's part on links to providers, and on the ways that sessions end.

use super::suite::{AnyStore, after, email, hash, opening, session};
use crate::session::{Link, Proof, SessionRecord, TokenHash};
use crate::state::ports::{Farewell, LinkTokens, Opening, Replaces};
use crate::types::{AppName, ProviderName, Secret, Way};

const GOOGLE: &str = "https://google.example";

fn linked(number: u8, provider: &str, subject: &str, sid: Option<&str>) -> (SessionRecord, LinkTokens) {
    let provider = ProviderName::parse(provider).expect("valid");
    let link = Link {
        provider: provider.clone(),
        issuer: format!("https://{provider}.example"),
        subject: subject.to_owned(),
        sid: sid.map(str::to_owned),
        groups: vec!["staff".to_owned()],
        next_check: Some(after(600)),
    };
    let tokens = LinkTokens {
        provider,
        id_token: Secret::new(format!("id-{number}")),
        refresh_token: Some(Secret::new(format!("refresh-{number}"))),
    };
    let proofs = vec![Proof { way: Way::Oidc(link.provider.clone()), at: after(1), amr: vec!["pwd".to_owned()] }];
    (SessionRecord { proofs, links: vec![link], ..session(number) }, tokens)
}

/// Opens a session of somebody at google.
async fn open(store: &AnyStore, number: u8, subject: &str, sid: Option<&str>) -> (SessionRecord, LinkTokens) {
    let (record, tokens) = linked(number, "google", subject, sid);
    let opening = Opening { session: record.clone(), replaces: Replaces::Nothing, tokens: Some(tokens.clone()) };
    assert!(store.open_session(&opening).await.expect("stored"));
    (record, tokens)
}

/// Gives a session a new id, as choosing a customer does.
async fn rename(store: &AnyStore, record: &SessionRecord, number: u8) -> SessionRecord {
    let renamed = SessionRecord { id: hash(number), ..record.clone() };
    assert!(store.open_session(&opening(&renamed, Some(record.id))).await.expect("stored"));
    renamed
}

fn farewell(token: u8, subject: Option<&str>, sid: Option<&str>) -> Farewell {
    Farewell {
        issuer: GOOGLE.to_owned(),
        subject: subject.map(str::to_owned),
        sid: sid.map(str::to_owned),
        token: TokenHash::of(&["token", &token.to_string()]),
        at: after(5),
        until: after(900),
    }
}

pub(super) async fn links_go_over_with_their_tokens(store: AnyStore) {
    let (mut record, tokens) = open(&store, 1, "ann", Some("s1")).await;
    assert_eq!(store.session(hash(1)).await.expect("read").as_ref(), Some(&record));
    assert_eq!(store.link_tokens(hash(1), &tokens.provider).await.expect("read").as_ref(), Some(&tokens));

    // A step up: another session of the same person, with the link of the old one and one of its own.
    let (second, more) = linked(2, "okta", "00u1", Some("s2"));
    record.id = hash(2);
    record.links.extend(second.links);
    let opening = Opening { session: record.clone(), replaces: Replaces::Only(hash(1)), tokens: Some(more.clone()) };
    assert!(store.open_session(&opening).await.expect("stored"));
    assert_eq!(store.session(hash(2)).await.expect("read").as_ref(), Some(&record));
    assert_eq!(store.link_tokens(hash(2), &tokens.provider).await.expect("read"), Some(tokens));
    assert_eq!(store.link_tokens(hash(2), &more.provider).await.expect("read"), Some(more));
}

pub(super) async fn a_link_is_renewed_while_its_session_lives(store: AnyStore) {
    let (record, tokens) = open(&store, 1, "ann", Some("s1")).await;
    let link = Link { groups: Vec::new(), next_check: Some(after(1200)), ..record.links[0].clone() };
    let fresh = LinkTokens { refresh_token: Some(Secret::new("new".to_owned())), ..tokens.clone() };
    assert!(store.renew_link(hash(1), &link, &fresh).await.expect("stored"));
    assert_eq!(store.session(hash(1)).await.expect("read").expect("there").links, std::slice::from_ref(&link));
    assert_eq!(store.link_tokens(hash(1), &fresh.provider).await.expect("read").as_ref(), Some(&fresh));
    let other = Link { subject: "bob".to_owned(), ..link.clone() };
    assert!(!store.renew_link(hash(1), &other, &tokens).await.expect("answered"), "a link does not change its person");
    assert!(!store.renew_link(hash(2), &link, &tokens).await.expect("answered"));
}

pub(super) async fn attack_25_what_a_provider_said_reaches_a_session_under_its_new_id(store: AnyStore) {
    let (record, tokens) = open(&store, 1, "ann", Some("s1")).await;
    // The provider has taken the refresh token and given another; meanwhile a customer was chosen, twice.
    let second = rename(&store, &record, 2).await;
    rename(&store, &second, 3).await;
    let link = Link { groups: Vec::new(), next_check: Some(after(1200)), ..record.links[0].clone() };
    let fresh = LinkTokens { refresh_token: Some(Secret::new("new".to_owned())), ..tokens.clone() };
    assert!(store.renew_link(hash(1), &link, &fresh).await.expect("stored"));
    assert_eq!(store.link_tokens(hash(3), &fresh.provider).await.expect("read").as_ref(), Some(&fresh));
    let renewed = store.session(hash(3)).await.expect("read").expect("there");
    assert_eq!(renewed.links, std::slice::from_ref(&link));

    // And the other way round: whoever chose still had the old link at hand, and takes over the new one.
    rename(&store, &SessionRecord { id: hash(3), ..record }, 4).await;
    assert_eq!(store.session(hash(4)).await.expect("read").expect("there").links, [link]);
    assert_eq!(store.link_tokens(hash(4), &fresh.provider).await.expect("read"), Some(fresh));

    // A log-in is another session: what is said of the old one is none of its business.
    let (fifth, fifths) = linked(5, "google", "ann", Some("s5"));
    let replaces = Replaces::IfThere(hash(4));
    let opening = Opening { session: fifth.clone(), replaces, tokens: Some(fifths.clone()) };
    assert!(store.open_session(&opening).await.expect("stored"));
    assert!(!store.renew_link(hash(4), &fifth.links[0], &tokens).await.expect("answered"));
    assert_eq!(store.link_tokens(hash(5), &fifths.provider).await.expect("read"), Some(fifths));
}

pub(super) async fn attack_21_an_end_finds_a_session_under_its_new_id(store: AnyStore) {
    store.open_session(&opening(&session(1), None)).await.expect("stored");
    let second = rename(&store, &session(1), 2).await;
    rename(&store, &second, 3).await;
    assert_eq!(store.end_session(hash(1)).await.expect("ended"), Some(hash(3)));
    assert_eq!(store.session(hash(3)).await.expect("read"), None);
    assert_eq!(store.end_session(hash(1)).await.expect("answered"), None);
    assert_eq!(store.end_session(hash(2)).await.expect("answered"), None);

    // A new log-in does not rest on the session it replaces.
    store.open_session(&opening(&session(4), None)).await.expect("stored");
    let fresh = Opening { session: session(5), replaces: Replaces::IfThere(hash(4)), tokens: None };
    assert!(store.open_session(&fresh).await.expect("stored"));
    assert_eq!(store.end_session(hash(4)).await.expect("answered"), None);
    assert!(store.session(hash(5)).await.expect("read").is_some());
}

pub(super) async fn attack_21_an_end_everywhere_leaves_nothing_in_any_app(store: AnyStore) {
    let elsewhere = SessionRecord { app: AppName::parse("reports").expect("valid"), ..session(2) };
    let bobs = SessionRecord { email: email("bob@example.com"), ..session(3) };
    for record in [&session(1), &elsewhere, &bobs] {
        store.open_session(&opening(record, None)).await.expect("stored");
    }
    let mut expected = [hash(1), hash(2)];
    expected.sort();
    let mut known = store.sessions_everywhere(&email("ann@example.com")).await.expect("read");
    known.sort();
    assert_eq!(known, expected);
    let mut ended = store.end_everywhere(&email("ann@example.com")).await.expect("ended");
    ended.sort();
    assert_eq!(ended, expected);
    for (number, is_there) in [(1, false), (2, false), (3, true)] {
        assert_eq!(store.session(hash(number)).await.expect("read").is_some(), is_there, "{number}");
    }
}

pub(super) async fn attack_24_a_provider_ends_what_it_means(store: AnyStore) {
    for (case, (subject, sid), expected) in [
        ("a session", (Some("ann"), Some("s1")), &[1, 4][..]),
        ("a session, by its name alone", (None, Some("s1")), &[1]),
        ("all of a person", (Some("ann"), None), &[1, 2, 4]),
        ("another person's session", (Some("bob"), Some("s1")), &[]),
        ("nobody known", (Some("eve"), None), &[]),
        ("nothing at all", (None, None), &[]),
    ] {
        // Of the fourth nobody knows which session at the provider it came from.
        let sessions = [(1, "ann", Some("s1")), (2, "ann", Some("s2")), (3, "bob", Some("s3")), (4, "ann", None)];
        for (number, subject, sid) in sessions {
            open(&store, number, subject, sid).await;
        }
        let (elsewhere, tokens) = linked(5, "okta", "ann", Some("s1"));
        let opening = Opening { session: elsewhere, replaces: Replaces::Nothing, tokens: Some(tokens) };
        assert!(store.open_session(&opening).await.expect("stored"));
        let mut asked = farewell(0, subject, sid);
        asked.token = TokenHash::of(&[case]);
        // Long before any of the log-ins, so that the next case's may begin.
        asked.at = after(-1000);
        let mut ended = store.end_linked(&asked).await.expect("ended").expect("a new token");
        ended.sort();
        let mut expected: Vec<_> = expected.iter().map(|number| hash(*number)).collect();
        expected.sort();
        assert_eq!(ended, expected, "{case}");
        for number in 1..=5 {
            let is_there = store.session(hash(number)).await.expect("read").is_some();
            assert_eq!(is_there, !ended.contains(&hash(number)), "{case}: {number}");
            store.end_session(hash(number)).await.expect("ended");
        }
        store.sweep(super::suite::LIMITS, after(0)).await.expect("swept");
    }
}

pub(super) async fn attack_24_a_token_is_good_once_and_not_wasted(store: AnyStore) {
    open(&store, 1, "ann", Some("s1")).await;
    let first = farewell(1, Some("ann"), Some("s1"));
    assert_eq!(store.end_linked(&first).await.expect("ended"), Some(vec![hash(1)]));
    open(&store, 2, "ann", Some("s2")).await;
    assert_eq!(store.end_linked(&first).await.expect("answered"), None);
    let replayed = Farewell { sid: None, ..first };
    assert_eq!(store.end_linked(&replayed).await.expect("answered"), None);
    assert!(store.session(hash(2)).await.expect("read").is_some());
}

pub(super) async fn attack_24_nobody_enters_by_what_a_provider_said_before_it_logged_them_out(store: AnyStore) {
    // The provider vouched for each of these, and then logged somebody out.
    for (case, (subject, sid), session_there, is_let_in) in [
        ("the session", (Some("ann"), Some("s1")), Some("s1"), false),
        ("the session, by name", (None, Some("s1")), Some("s1"), false),
        ("another session", (Some("ann"), Some("s0")), Some("s1"), true),
        ("some session", (Some("ann"), Some("s0")), None, false),
        ("all sessions", (Some("ann"), None), Some("s1"), false),
        ("another person's session", (Some("bob"), None), Some("s1"), true),
    ] {
        let mut asked = farewell(0, subject, sid);
        asked.token = TokenHash::of(&[case]);
        store.end_linked(&asked).await.expect("ended").expect("a new token");
        let (record, tokens) = linked(1, "google", "ann", session_there);
        let opening = Opening { session: record, replaces: Replaces::Nothing, tokens: Some(tokens) };
        assert_eq!(store.open_session(&opening).await.expect("answered"), is_let_in, "{case}");
        assert_eq!(store.session(hash(1)).await.expect("read").is_some(), is_let_in, "{case}");

        // Whoever logs in there anew comes in, with a new session there.
        let (mut again, tokens) = linked(2, "google", "ann", session_there.map(|_| "s9"));
        again.proofs[0].at = after(6);
        let opening = Opening { session: again, replaces: Replaces::Nothing, tokens: Some(tokens) };
        assert!(store.open_session(&opening).await.expect("answered"), "{case}: anew");
        for number in [1, 2] {
            store.end_session(hash(number)).await.expect("ended");
        }
        // Later nothing is under way any more.
        store.sweep(super::suite::LIMITS, after(130)).await.expect("swept");
    }
}
