//! Attacks on a customer's own people: forms of other sites, and what somebody does elsewhere.

use crate::team::{PEOPLE, logged_in, page_of, plan};

#[tokio::test]
async fn attack_16_every_form_of_the_team_needs_our_own_page() {
    let house = plan().start().await;
    let olga = logged_in(&house, "olga").await;
    let path = page_of(&olga, "bert@example.com").await;
    let member = |what: &str| format!("{path}{what}");
    for form in [
        "/.access/team/invite".to_owned(),
        "/.access/team/invite-many".to_owned(),
        "/.access/team/leave".to_owned(),
        "/.access/independent".to_owned(),
        "/.access/invitation/abc".to_owned(),
        member(""),
        member("/remove"),
        member("/resend"),
        member("/suspend"),
        member("/let-in"),
        member("/reset"),
    ] {
        let fields = [("email", "eve@example.com"), ("role", "owner"), ("version", "0"), ("sure", "1"), ("name", "x")];
        for proof in [
            vec![],
            vec![("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("origin", "null")],
        ] {
            let answer = olga.post_from(&form, &fields, &proof).await;
            assert_eq!(answer.status, 403, "{form} {proof:?}");
        }
    }
    let bert = logged_in(&house, "bert").await;
    bert.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("member"));
}

#[tokio::test]
async fn attack_20_nobody_learns_what_a_colleague_does_for_another_customer() {
    let people = "cat@example.com,42,Acme Ltd,Cat Two,member,en\ncat@example.com,43,Globex,Cat Two,member,en\n";
    let house = plan().file("people.csv", format!("{PEOPLE}{people}")).start().await;
    let olga = logged_in(&house, "olga").await;
    let last = async || olga.navigate("/.access/team?q=cat").await.expect(200).text().contains("Last log-in");
    let cat = logged_in(&house, "cat").await;
    assert!(!last().await, "she has not chosen yet");
    cat.post("/.access/choose", &[("customer", "43"), ("to", "/")]).await.expect(303);
    assert!(!last().await, "she is here for somebody else");
    cat.post("/.access/choose", &[("customer", "42"), ("to", "/")]).await.expect(303);
    assert!(last().await);
}
