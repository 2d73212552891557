//! Passkeys: whoever has logged in may add one, and logs in with it from then on, while the table has them.
//!
//! Over the wire with an authenticator made of software, and in real Chromium with its virtual one
//! (`tests/support/passkey_walk.mjs`).

use serde_json::{Value, json};

use crate::authenticator::Passkey;
use crate::browser::{Answer, Browser, SESSION};
use crate::house::{House, LADDER, OPEN, eventually};
use crate::mailbox::Mail;
use crate::provider::Provider;

const OFFER: &str = "/.access/passkey/offer";
const ANN: &str = "ann@example.com";

/// What an authenticator or its browser says that is not so.
type Lie = (&'static str, fn(&mut Passkey));

/// Apps that let people in by passkey too.
pub(crate) fn with_passkeys(apps: &str) -> String {
    apps.replace("upstream =", "login = [\"email\", \"passkey\"]\nupstream =")
}

async fn house() -> House {
    House::plan(&with_passkeys(OPEN)).login("tries_per_client = 1000\nmails_per_address = 1000").start().await
}

/// Readers may do what they may; managers only if they came by passkey.
fn guarded() -> String {
    with_passkeys(LADDER).replace("[app.orders.role.manager]", "[app.orders.role.manager]\nrequire = [\"passkey\"]")
}

async fn call(browser: &Browser, what: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    browser.fetch_with("POST", &format!("/.access/passkey/{what}"), &body).await
}

/// The mails that have told of a passkey so far.
async fn news(house: &House) -> Vec<Mail> {
    let mut mails = house.mail.all().await;
    // In whatever language: it is the only mail that leads to the account page.
    mails.retain(|mail| mail.links.iter().any(|link| link.ends_with("/.access/account")));
    mails
}

/// Adds a passkey, the whole way, to the mail that tells of it.
async fn add(house: &House, browser: &Browser, to: &str) -> Passkey {
    let before = news(house).await.len();
    let options = call(browser, "add/begin", &Value::Null).await.expect(200).json();
    let (passkey, made) = Passkey::make(&options, &browser.origin());
    let answer = call(browser, "add/finish", &json!({ "credential": made, "to": to })).await.expect(200);
    assert_eq!(answer.json(), json!({ "to": to }));
    eventually("the mail that tells of it", async || (news(house).await.len() > before).then_some(())).await;
    passkey
}

/// Logs in with a passkey and says what came of it.
async fn use_passkey(browser: &Browser, passkey: &mut Passkey, to: &str) -> Answer {
    passkey.origin = browser.origin();
    let options = call(browser, "login/begin", &Value::Null).await.expect(200).json();
    assert_eq!(options["publicKey"]["rpId"], browser.origin()[8..].split(':').next().expect("a host"));
    call(browser, "login/finish", &json!({ "credential": passkey.answer(&options), "to": to })).await
}

/// The audit events of passkeys so far, each with its reason if it has one.
fn audited(house: &House) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = house.log.events().into_iter().filter(|event| event["target"] == "audit");
    let named = events.map(|event| (text(&event["fields"]["event"]), text(&event["fields"]["reason"])));
    named.filter(|(name, _)| name.starts_with("passkey")).collect()
}

/// Refused in the one way there is, and not let in.
#[track_caller]
fn is_refused(browser: &Browser, answer: Answer, why: &str) {
    assert_eq!((answer.status, answer.json()), (403, json!({ "error": "refused" })), "{why}");
    assert_eq!(browser.cookie(SESSION), None, "{why}");
}

#[tokio::test]
async fn a_passkey_added_after_a_log_in_by_mail_opens_the_door_the_next_time() {
    let house = house().await;
    let ann = house.browser("orders.test");
    let led_to = ann.log_in_to(ANN, "/orders?page=2").await;
    assert_eq!(led_to, format!("{OFFER}?to=%2Forders%3Fpage%3D2"));
    let page = ann.navigate(&led_to).await.expect(200);
    assert_eq!(page.fields("to"), ["/orders?page=2"]);
    let before = ann.cookie(SESSION);
    let mut passkey = add(&house, &ann, "/orders?page=2").await;
    assert_ne!(ann.cookie(SESSION), before, "what came by passkey too is another session");
    ann.navigate("/orders?page=2").await.expect(200);

    let mail = news(&house).await.pop().expect("a mail");
    assert_eq!(mail.to, [ANN]);
    assert!(mail.text.contains("orders.test") && mail.text.contains("/.access/account"), "{}", mail.text);

    ann.log_out().await;
    ann.navigate("/orders").await.must_log_in();
    let answer = use_passkey(&ann, &mut passkey, "/orders?page=3").await.expect(200);
    assert_eq!(answer.json(), json!({ "to": "/orders?page=3" }), "whoever has one is offered none");
    ann.navigate("/orders?page=3").await.expect(200);
    assert_eq!(house.upstream.last().header("X-Access-Email"), Some(ANN));
    assert_eq!(ann.log_in(ANN).await, "/", "and after a log-in by mail neither");
}

#[tokio::test]
async fn a_passkey_outlives_a_power_cut() {
    let mut house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let mut passkey = add(&house, &ann, "/").await;
    house.kill9();
    house.start_again().await;
    let elsewhere = house.browser("orders.test");
    use_passkey(&elsewhere, &mut passkey, "/").await.expect(200);
    elsewhere.navigate("/").await.expect(200);
}

#[tokio::test]
async fn the_table_decides_each_time_and_nobody_learns_why_a_passkey_opens_nothing() {
    let house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let mut anns = add(&house, &ann, "/").await;
    let mut unknown = Passkey { credential: vec![9; 32], ..anns.clone() };
    let stranger = house.browser("orders.test");
    let answer = use_passkey(&stranger, &mut unknown, "/").await;
    is_refused(&stranger, answer, "nobody has it");
    house.remove_from_table(ANN);
    eventually("she is out", async || (ann.fetch("/").await.status != 200).then_some(())).await;
    let answer = use_passkey(&stranger, &mut anns, "/").await;
    is_refused(&stranger, answer, "its person is gone");
    house.write("people.csv", crate::house::PEOPLE);
    eventually("she is back", async || (use_passkey(&stranger, &mut anns, "/").await.status == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn a_domain_knows_its_own_passkeys_alone() {
    let apps = with_passkeys(OPEN).replace("domains = [\"orders.test\"]", "domains = [\"orders.test\", \"acme.test\"]");
    let house = House::plan(&apps).login("tries_per_client = 1000").start().await;
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let mut passkey = add(&house, &ann, "/").await;
    let elsewhere = house.browser("acme.test");
    // A browser would not even find it there.
    let answer = use_passkey(&elsewhere, &mut passkey, "/").await;
    is_refused(&elsewhere, answer, "as it is");
    passkey.domain = "acme.test".to_owned();
    let answer = use_passkey(&elsewhere, &mut passkey, "/").await;
    is_refused(&elsewhere, answer, "though it says so");
    assert!(elsewhere.log_in(ANN).await.starts_with(OFFER), "there she has none");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_opens_nothing() {
    let house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let passkey = add(&house, &ann, "/").await;
    let thief = house.browser("orders.test");
    let lies: [Lie; 6] = [
        ("without a finger", |passkey| passkey.verifies = false),
        ("for another domain", |passkey| passkey.domain = "evil.test".to_owned()),
        ("from another origin", |passkey| passkey.origin = "https://evil.test".to_owned()),
        ("from another port", |passkey| passkey.origin = "https://orders.test:1".to_owned()),
        ("in a frame elsewhere", |passkey| passkey.cross_origin = true),
        ("for another person", |passkey| passkey.handle = vec![1; 16]),
    ];
    for (case, lie) in lies {
        let mut liar = Passkey { origin: thief.origin(), ..passkey.clone() };
        lie(&mut liar);
        let options = call(&thief, "login/begin", &Value::Null).await.expect(200).json();
        let answer = call(&thief, "login/finish", &json!({ "credential": liar.answer(&options) })).await;
        is_refused(&thief, answer, case);
    }
    let other_key = {
        let bob = house.browser("orders.test");
        bob.log_in("bob@example.com").await;
        add(&house, &bob, "/").await
    };
    let mut forged = Passkey { credential: passkey.credential.clone(), handle: passkey.handle.clone(), ..other_key };
    let answer = use_passkey(&thief, &mut forged, "/").await;
    is_refused(&thief, answer, "signed with another key");
    let mut honest = passkey;
    use_passkey(&thief, &mut honest, "/").await.expect(200);
    let told: Vec<_> = audited(&house).into_iter().filter(|(name, _)| name == "passkey_refused").collect();
    let reasons: Vec<&str> = told.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["user-verification", "domain", "domain", "domain", "frame", "handle", "answer"]);
}

#[tokio::test]
async fn a_copy_of_a_passkey_is_noticed_by_its_counter() {
    let house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let mut passkey = add(&house, &ann, "/").await;
    let mut copy = passkey.clone();
    use_passkey(&ann, &mut passkey, "/").await.expect(200);
    use_passkey(&ann, &mut passkey, "/").await.expect(200);
    let thief = house.browser("orders.test");
    let answer = use_passkey(&thief, &mut copy, "/").await;
    is_refused(&thief, answer, "it has counted for itself");
    let suspicion = "a passkey's counter did not go up: there may be a copy of it";
    house.log.last(suspicion).await;
    assert_eq!(house.log.named(suspicion).len(), 1);
}

#[tokio::test]
async fn attack_19_a_challenge_is_answered_once_by_the_browser_that_got_it() {
    let house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let mut passkey = add(&house, &ann, "/").await;
    let desk = house.browser("orders.test");
    let options = call(&desk, "login/begin", &Value::Null).await.expect(200).json();
    let challenge = options["publicKey"]["challenge"].as_str().expect("text");
    let cookie = format!("__Host-access-passkey-{}", &challenge[..8]);
    let state = desk.cookie(&cookie).expect("a state");
    let body = json!({ "credential": passkey.answer(&options) });

    let over = |answer: Answer| assert_eq!((answer.status, answer.json()), (410, json!({ "error": "expired" })));
    let other = house.browser("orders.test");
    over(call(&other, "login/finish", &body).await);
    let others = call(&other, "login/begin", &Value::Null).await.expect(200).json();
    let others = format!("__Host-access-passkey-{}", &others["publicKey"]["challenge"].as_str().expect("text")[..8]);
    other.set_cookie(&cookie, &other.cookie(&others).expect("a state"));
    let mixed = call(&other, "login/finish", &body).await;
    is_refused(&other, mixed, "the state is of another challenge");
    other.set_cookie(&cookie, &format!("{}x", &state[..state.len() - 1]));
    over(call(&other, "login/finish", &body).await);

    call(&desk, "login/finish", &body).await.expect(200);
    assert_eq!(desk.cookie(&cookie), None, "the state goes with its use");
    desk.log_out().await;
    desk.set_cookie(&cookie, &state);
    over(call(&desk, "login/finish", &body).await);
    desk.navigate("/").await.must_log_in();
}

#[tokio::test]
async fn attack_16_what_is_no_call_of_ours_does_nothing() {
    let house = house().await;
    let stranger = house.browser("orders.test");
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let calls =
        ["login/begin", "login/finish", "add/begin", "add/finish"].map(|call| format!("/.access/passkey/{call}"));
    for path in calls.iter().map(String::as_str).chain(["/.access/passkey/name", "/.access/passkey/remove", OFFER]) {
        for proof in [&[("origin", "https://evil.test")][..], &[("sec-fetch-site", "cross-site")], &[]] {
            assert_eq!(ann.send("POST", path, proof, "{}").await.status, 403, "{path} {proof:?}");
        }
        if path != OFFER {
            assert_eq!(ann.navigate(path).await.status, 405, "{path}");
        }
    }
    for path in [&calls[1], &calls[3]] {
        for junk in ["", "x", "[]", "{}", "{\"credential\":{}}", "\0", &"{\"a\":".repeat(2000)] {
            let answer = ann.fetch_with("POST", path, junk).await;
            assert_eq!((answer.status, answer.json()), (400, json!({ "error": "bad_request" })), "{path} {junk:?}");
        }
        assert_eq!(ann.fetch_with("POST", path, &"x".repeat(20_000)).await.status, 413, "{path}");
    }
    let cookies = ann.cookie(SESSION);
    for path in [&calls[2], &calls[3]] {
        let answer = stranger.fetch_with("POST", path, "").await;
        assert_eq!((answer.status, answer.json()), (401, json!({ "error": "log_in_again" })), "{path}");
    }
    stranger.navigate(OFFER).await.must_log_in();
    assert_eq!(ann.cookie(SESSION), cookies);
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_19_a_passkey_is_added_once_to_whom_it_was_begun_for() {
    let house = house().await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in(ANN).await;
    bob.log_in("bob@example.com").await;
    let options = call(&ann, "add/begin", &Value::Null).await.expect(200).json();
    let cookie = format!("__Host-access-passkey-{}", &options["publicKey"]["challenge"].as_str().expect("text")[..8]);
    let (_, made) = Passkey::make(&options, &ann.origin());
    let body = json!({ "credential": made });
    let state = ann.cookie(&cookie).expect("a state");
    bob.set_cookie(&cookie, &state);
    call(&bob, "add/finish", &body).await.expect(410);
    call(&ann, "add/finish", &body).await.expect(200);
    ann.set_cookie(&cookie, &state);
    call(&ann, "add/finish", &body).await.expect(410);
    assert!(!bob.navigate("/.access/account").await.expect(200).has_field("passkey"));

    // The authenticator is told what she has, and one that does not listen adds nothing.
    let options = call(&ann, "add/begin", &Value::Null).await.expect(200).json();
    assert_eq!(options["publicKey"]["excludeCredentials"][0]["id"], made["id"]);
    let (first, _) = Passkey::make(&options, &ann.origin());
    let again = Passkey { credential: decode(&made["id"]), ..first }.made(&options["publicKey"]);
    let answer = call(&ann, "add/finish", &json!({ "credential": again })).await;
    assert_eq!((answer.status, answer.json()), (409, json!({ "error": "enough" })));
    let lies: [Lie; 4] = [
        ("without a finger", |passkey| passkey.verifies = false),
        ("for another domain", |passkey| passkey.domain = "evil.test".to_owned()),
        ("from another origin", |passkey| passkey.origin = "https://evil.test".to_owned()),
        ("in a frame elsewhere", |passkey| passkey.cross_origin = true),
    ];
    for (case, lie) in lies {
        let options = call(&ann, "add/begin", &Value::Null).await.expect(200).json();
        let (mut liar, _) = Passkey::make(&options, &ann.origin());
        lie(&mut liar);
        let body = json!({ "credential": liar.made(&options["publicKey"]) });
        let answer = call(&ann, "add/finish", &body).await;
        assert_eq!((answer.status, answer.json()), (403, json!({ "error": "refused" })), "{case}");
    }
    assert_eq!(ann.navigate("/.access/account").await.expect(200).fields("passkey").len(), 2, "two forms, one passkey");
}

fn decode(text: &Value) -> Vec<u8> {
    data_encoding::BASE64URL_NOPAD.decode(text.as_str().expect("text").as_bytes()).expect("base64url")
}

#[tokio::test]
async fn a_role_that_asks_for_a_passkey_lets_its_people_add_the_first_and_go_on() {
    let house = House::plan(&guarded()).login("tries_per_client = 1000\nmails_per_address = 1000").start().await;
    let ann = house.browser("orders.test");
    let led_to = ann.log_in_to(ANN, "/orders").await;
    assert_eq!(led_to, format!("{OFFER}?to=%2Forders"));
    let page = ann.navigate(&led_to).await.expect(200).text();
    assert!(page.contains("Add a passkey to go on") && !page.contains("Not now"), "{page}");
    assert!(ann.navigate("/orders").await.expect(303).location().starts_with("/.access/step-up?"));
    let mut passkey = add(&house, &ann, "/orders").await;
    ann.navigate("/orders").await.expect(200);
    add(&house, &ann, "/").await;
    let ids = ann.navigate("/.access/account").await.expect(200).fields("passkey");

    // Whoever has but her mailbox adds no other, and takes none away to be the first again.
    let thief = house.browser("orders.test");
    assert_eq!(thief.log_in_to(ANN, "/orders").await, "/orders", "no offer for who has one");
    thief.fetch("/orders").await.expect(403);
    let answer = call(&thief, "add/begin", &Value::Null).await;
    assert_eq!((answer.status, answer.json()), (403, json!({ "error": "step_up_required" })));
    let account = thief.navigate("/.access/account").await.expect(200);
    assert!(!account.has_field("passkey") && !account.text().contains("id=\"passkey\""), "{}", account.text());
    for id in &ids {
        for path in ["/.access/passkey/remove", "/.access/passkey/name"] {
            let answer = thief.post(path, &[("passkey", id), ("name", "Mine")]).await.expect(303);
            assert!(answer.location().starts_with("/.access/step-up?"), "{}", answer.location());
        }
    }
    assert_eq!(ann.navigate("/.access/account").await.expect(200).fields("passkey"), ids);
    use_passkey(&thief, &mut passkey, "/orders").await.expect(200);
    thief.fetch("/orders").await.expect(200);
}

#[tokio::test]
async fn of_several_roles_the_most_careful_guards_the_passkeys() {
    let house = House::plan(&guarded()).login("tries_per_client = 1000\nmails_per_address = 1000").start().await;
    let cat = house.browser("orders.test");
    cat.log_in("cat@example.com").await;
    cat.choose("43").await.expect(303);
    cat.navigate("/orders").await.expect(200);
    let passkey = add(&house, &cat, "/").await;
    let thief = house.browser("orders.test");
    thief.log_in("cat@example.com").await;
    thief.choose("43").await.expect(303);
    thief.fetch("/orders").await.expect(200);
    let answer = call(&thief, "add/begin", &Value::Null).await;
    assert_eq!(answer.json(), json!({ "error": "step_up_required" }), "a second one would open customer 42 too");
    let id = data_encoding::BASE64URL_NOPAD.encode(&passkey.credential);
    assert!(thief.post("/.access/passkey/remove", &[("passkey", &id)]).await.location().contains("step-up"));
}

#[tokio::test]
async fn of_two_who_add_the_first_at_once_one_does() {
    let house = House::plan(&guarded()).login("tries_per_client = 1000\nmails_per_address = 1000").start().await;
    let (one, two) = (house.browser("orders.test"), house.browser("orders.test"));
    one.log_in(ANN).await;
    two.log_in(ANN).await;
    let mut bodies = Vec::new();
    for browser in [&one, &two] {
        let options = call(browser, "add/begin", &Value::Null).await.expect(200).json();
        bodies.push(json!({ "credential": Passkey::make(&options, &browser.origin()).1 }));
    }
    let (first, second) = tokio::join!(call(&one, "add/finish", &bodies[0]), call(&two, "add/finish", &bodies[1]));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
}

#[tokio::test]
async fn whoever_is_staff_by_a_providers_word_steps_up_with_a_passkey_and_comes_by_no_passkey_alone() {
    const STAFF: &str = "[workspace.oidc]\nprovider = \"corp\"\n\n\
                         [[workspace.oidc.group]]\nname = \"support\"\nroles = { orders = \"manager\" }\n\n\
                         [[workspace.oidc.group]]\nname = \"everybody\"\nroles = { orders = \"reader\" }\n";
    let corp = Provider::start().await;
    let apps = LADDER.replace("[app.orders.role.manager]", "[app.orders.role.manager]\nrequire = [\"passkey\"]");
    let plan = House::plan(&apps).config(STAFF).provider("corp", &corp, "");
    let house = plan.ways("orders", r#"["email", "corp", "passkey"]"#).start().await;
    corp.trust(&house, &["orders.test"]).await;
    corp.user("kim", json!({ "email": "kim@corp.example", "groups": ["support"] })).await;
    corp.user("lee", json!({ "email": "lee@corp.example", "groups": ["everybody"] })).await;
    let kim = house.browser("orders.test");
    let came = kim.log_in_by_provider("corp", "kim").await.expect(303);
    assert!(came.location().starts_with(OFFER), "{}", came.location());
    let mut passkey = add(&house, &kim, "/").await;
    kim.fetch("/").await.expect(200);
    let kim = house.browser("orders.test");
    let came = kim.log_in_by_provider("corp", "kim").await.expect(303);
    assert_eq!(came.location(), "/", "she has one");
    kim.fetch("/").await.expect(403);
    use_passkey(&kim, &mut passkey, "/").await.expect(200);
    kim.fetch("/").await.expect(200);
    let stranger = house.browser("orders.test");
    let answer = use_passkey(&stranger, &mut passkey, "/").await;
    is_refused(&stranger, answer, "without her provider nobody says that she is staff");
    let lee = house.browser("orders.test");
    let came = lee.log_in_by_provider("corp", "lee").await.expect(303);
    assert_eq!(came.location(), "/", "what opens nothing by itself is not offered");
}

#[tokio::test]
async fn passkeys_are_named_and_deleted_by_their_person_alone() {
    let house = house().await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in(ANN).await;
    bob.log_in("bob@example.com").await;
    let mut passkey = add(&house, &ann, "/").await;
    let id = data_encoding::BASE64URL_NOPAD.encode(&passkey.credential);
    let change = async |browser: &Browser, what: &str, id: &str, name: &str| {
        browser.post(&format!("/.access/passkey/{what}"), &[("passkey", id), ("name", name)]).await.status
    };
    assert_eq!(change(&bob, "name", &id, "Bob's").await, 303);
    assert_eq!(change(&bob, "remove", &id, "").await, 303);
    assert_eq!(change(&ann, "name", "%%%", "x").await, 400);
    assert_eq!(change(&ann, "name", &id, " \n ").await, 400);
    assert_eq!(change(&ann, "name", &id, "My <phone>").await, 303);
    let page = ann.navigate("/.access/account").await.expect(200);
    assert_eq!(page.fields("name"), ["My <phone>"], "{}", page.text());
    assert!(page.text().contains("not used yet"), "{}", page.text());
    use_passkey(&bob, &mut passkey, "/").await.expect(200);
    assert!(ann.navigate("/.access/account").await.expect(200).text().contains("last used"));
    assert_eq!(change(&ann, "remove", &id, "").await, 303);
    assert!(!ann.navigate("/.access/account").await.expect(200).has_field("passkey"));
    let stranger = house.browser("orders.test");
    let answer = use_passkey(&stranger, &mut passkey, "/").await;
    is_refused(&stranger, answer, "it is deleted");
    add(&house, &ann, "/").await;
    let told: Vec<String> = audited(&house).into_iter().map(|(name, _)| name).collect();
    let expected = ["added", "renamed", "used", "removed", "refused", "added"];
    assert_eq!(told, expected.map(|what| format!("passkey_{what}")));
}

#[tokio::test]
async fn whoever_says_not_now_is_not_asked_again_in_that_browser() {
    let house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in_to(ANN, "/orders").await;
    let answer = ann.post(OFFER, &[("to", "/orders")]).await.expect(303);
    assert_eq!(answer.location(), "/orders");
    assert!(answer.header("set-cookie").contains("Max-Age=7776000"), "{}", answer.header("set-cookie"));
    assert_eq!(ann.log_in_to(ANN, "/orders").await, "/orders");
    assert!(house.browser("orders.test").log_in(ANN).await.starts_with(OFFER));
}

#[tokio::test]
async fn attack_15_neither_offer_nor_call_leads_away() {
    let house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in(ANN).await;
    let mut passkey: Option<Passkey> = None;
    for away in ["//evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", "/.access/logout"] {
        assert_eq!(ann.post(OFFER, &[("to", away)]).await.expect(303).location(), "/", "{away}");
        let page = ann.navigate(&format!("{OFFER}?to={}", crate::browser::encode(away))).await.expect(200);
        assert!(page.text().contains("data-to=\"/\"") && page.text().contains("data-onward=\"/\""), "{away}");
    }
    for away in ["//evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)"] {
        let passkey = match &mut passkey {
            None => {
                let options = call(&ann, "add/begin", &Value::Null).await.expect(200).json();
                let (made, credential) = Passkey::make(&options, &ann.origin());
                let body = json!({ "credential": credential, "to": away });
                assert_eq!(call(&ann, "add/finish", &body).await.expect(200).json(), json!({ "to": "/" }), "{away}");
                passkey.insert(made)
            }
            Some(passkey) => passkey,
        };
        assert_eq!(use_passkey(&ann, passkey, away).await.expect(200).json(), json!({ "to": "/" }), "{away}");
    }
}

#[tokio::test]
async fn where_passkeys_are_no_way_in_there_are_none() {
    let house = House::start(OPEN).await;
    let ann = house.browser("orders.test");
    assert_eq!(ann.log_in_to(ANN, "/orders").await, "/orders");
    for what in ["login/begin", "login/finish", "add/begin", "add/finish"] {
        let answer = call(&ann, what, &Value::Null).await;
        assert_eq!((answer.status, answer.json()), (404, json!({ "error": "not_found" })), "{what}");
    }
    assert_eq!(ann.navigate(&format!("{OFFER}?to=/orders")).await.expect(303).location(), "/orders");
    for path in ["/.access/account", "/.access/login"] {
        let page = ann.navigate(path).await.expect(200);
        assert!(!page.text().contains("asskey"), "{}", page.text());
        assert!(!page.header("content-security-policy").contains("script-src"), "{path}");
    }
}

#[tokio::test]
async fn tries_with_a_passkey_are_counted_and_challenges_are_not() {
    let house = House::plan(&with_passkeys(OPEN)).login("tries_per_client = 3").start().await;
    let stranger = house.browser("orders.test");
    for _ in 0..9 {
        call(&stranger, "login/begin", &Value::Null).await.expect(200);
    }
    let states = stranger.cookie_header();
    assert!(states.matches("__Host-access-passkey-").count() <= 5, "{states}");
    for _ in 0..3 {
        call(&stranger, "login/finish", &json!({})).await.expect(400);
    }
    let answer = call(&stranger, "login/finish", &json!({})).await;
    assert_eq!((answer.status, answer.json()), (429, json!({ "error": "too_often" })));
    assert!(answer.header("retry-after").parse::<u32>().expect("seconds") >= 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_through_passkeys_in_a_real_browser() {
    const BIG: &str = "\n[[app.orders.domain]]\nhost = \"orders.big.test\"\ncustomer = \"42\"\n\
                       branding = { title = \"BigCustomer\", color = \"#ffd400\" }\n";
    let plan = House::plan(&format!("{}{BIG}", guarded()));
    let house = plan.login("mails_per_address = 100\ntries_per_client = 1000").start().await;
    crate::house::walk(&house, "passkey_walk.mjs", 30).await;
}
