//! Stories of a customer's own people looking after each other's access, and the attacks on them (cases 16, 20 and 28).

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use crate::browser::{Answer, Browser, SESSION};
use crate::house::{House, Plan, eventually, walk};
use crate::mailbox::Mail;

/// Acme's list may be changed by records; Globex's may not.
const TEAM: &str = r##"
[source.crm]
url = "csv:people.csv"
refresh = "1s"
[source.fixed]
url = "csv:fixed.csv"
refresh = "1s"

[app.orders]
domains = ["orders.test"]
upstream = "{{upstream}}"
[app.orders.branding]
title = "Acme Orders"
color = "#0b5fff"
[app.orders.team]
owner_role = "owner"

[[app.orders.customers]]
name = "People"
source = "crm"
adjustable = true
email = "email"
customer = "company_id"
customer_name = "company"
person = "full_name"
language = "lang"
role = { column = "role" }

[[app.orders.customers]]
name = "Fixed"
source = "fixed"
email = "email"
customer = "company_id"
customer_name = "company"
person = "full_name"
role = { column = "role" }

[app.orders.role.member]
title = "Colleague"
rules = [ { deny = "* /admin/**" }, { allow = "* /**" } ]
[app.orders.role.moderator]
title = "Moderator"
includes = ["member"]
portal = ["members", "invite"]
[app.orders.role.administrator]
title = "Administrator"
includes = ["moderator"]
portal = ["roles", "remove", "independent"]
[app.orders.role.owner]
title = "Owner"
includes = ["administrator"]
irrevocable = true
"##;

pub(crate) const PEOPLE: &str = "\
email,company_id,company,full_name,role,lang
olga@example.com,42,Acme Ltd,Olga Own,owner,en
adam@example.com,42,Acme Ltd,Adam Min,administrator,en
mona@example.com,42,Acme Ltd,Mona Mod,moderator,en
bert@example.com,42,Acme Ltd,Bert Mem,member,de
gwen@example.com,43,Globex,Gwen Own,owner,en
";

const FIXED: &str = "\
email,company_id,company,full_name,role
fred@example.com,42,Acme Ltd,Fred Fix,member
frida@example.com,42,Acme Ltd,Frida Adm,administrator
";

pub(crate) fn plan() -> Plan {
    House::plan(TEAM)
        .file("people.csv", PEOPLE)
        .file("fixed.csv", FIXED)
        .login("mails_per_address = 1000\nmails_per_app = 10000\ntries_per_client = 10000")
}

pub(crate) async fn logged_in(house: &House, name: &str) -> Browser {
    let browser = house.browser("orders.test");
    browser.log_in(&format!("{name}@example.com")).await;
    browser
}

/// The path of a person's page, as the list links it.
pub(crate) async fn page_of(browser: &Browser, address: &str) -> String {
    let list = browser.navigate(&format!("/.access/team?q={address}")).await.expect(200).text();
    let after = list.split_once(address).unwrap_or_else(|| panic!("no {address} in {list}")).1;
    let (_, link) = after.split_once("href=\"/.access/team/member/").unwrap_or_else(|| panic!("no link in {list}"));
    format!("/.access/team/member/{}", link.split('"').next().expect("it ends"))
}

/// The version that a page's forms hold.
fn version(page: &Answer) -> String {
    page.fields("version").first().unwrap_or_else(|| panic!("no version in {}", page.text())).clone()
}

async fn invite(browser: &Browser, email: &str, role: &str) -> Answer {
    browser.secret(email);
    browser.post("/.access/team/invite", &[("email", email), ("role", role), ("first_name", "New")]).await
}

/// The path that an invitation's mail leads to.
pub(crate) fn invitation(mail: &Mail) -> String {
    let link = mail.links.iter().find(|link| link.contains("/.access/invitation/")).expect("a link");
    format!("/.access/invitation/{}", link.rsplit('/').next().expect("it has slashes"))
}

/// Changes the gateway's store from beside it.
async fn in_store(house: &House, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(house.dir.path().join("data/store.db"));
    let mut database = options.busy_timeout(std::time::Duration::from_secs(20)).connect().await.expect("it opens");
    database.execute(statement).await.expect("it can be changed");
}

/// Waits until so many log-ins were asked for by somebody who may not enter.
async fn unknown(house: &House, count: usize) {
    eventually("they were looked up", async || {
        (house.log.named("log-in by somebody unknown: no mail").len() >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_people_look_after_a_team_in_a_real_browser() {
    let house = plan().start().await;
    walk(&house, "team_walk.mjs", 60).await;
}

#[tokio::test]
async fn an_invited_person_comes_and_is_removed_within_a_second() {
    let house = plan().start().await;
    let olga = logged_in(&house, "olga").await;
    let sent = invite(&olga, "ines@example.com", "member").await.expect(303);
    let page = olga.navigate(sent.location()).await.expect(200).text();
    assert!(page.contains("New") && page.contains("Acme Ltd") && page.contains("Colleague"), "{page}");
    let mail = house.mail.wait("ines@example.com").await;
    olga.secret(invitation(&mail).rsplit('/').next().expect("a token"));
    assert_eq!(mail.subject, "Invitation to Acme Orders");
    assert!(mail.text.contains("Olga Own invites you") && mail.text.contains("Colleague"), "{}", mail.text);
    // Before she has logged in she has nothing, and the link gives nothing.
    let ines = house.browser("orders.test");
    let shown = ines.navigate(&invitation(&mail)).await.expect(200);
    assert_eq!(shown.header("cache-control"), "no-store");
    assert!(shown.text().contains("/.access/login?stay=1&#38;email=ines%40example%2Ecom"), "{}", shown.text());
    assert!(ines.cookie(SESSION).is_none());
    let login = ines.navigate("/.access/login?stay=1&email=ines%40example.com").await.expect(200).text();
    assert!(login.contains("value=\"ines@example.com\""), "{login}");
    ines.log_in("ines@example.com").await;
    ines.fetch("/").await.expect(200);
    let last = house.upstream.last();
    assert_eq!((last.header("x-access-customer"), last.header("x-access-role")), (Some("42"), Some("member")));
    ines.navigate(&invitation(&mail)).await.expect(410);
    // A role counts with the next request, and so does the end.
    let path = page_of(&olga, "ines@example.com").await;
    let page = olga.navigate(&path).await.expect(200);
    let change = [("version", version(&page)), ("role", "moderator".to_owned())];
    let change: Vec<(&str, &str)> = change.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(olga.post(&path, &change).await.expect(303).location(), "/.access/team?done=saved");
    ines.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("moderator"));
    // Whoever changes what somebody else has changed is told so, and changes nothing.
    olga.post(&path, &change).await.expect(409);
    let ask = olga.navigate(&format!("{path}/remove")).await.expect(200);
    assert!(ask.text().contains("ines@example.com") || ask.text().contains("New"), "{}", ask.text());
    let done = olga.post(&format!("{path}/remove"), &[("version", &version(&ask))]).await.expect(303);
    assert_eq!(done.location(), "/.access/team?done=removed");
    assert_ne!(ines.fetch("/").await.status, 200);
    olga.navigate(&path).await.expect(404);
}

#[tokio::test]
async fn a_table_that_nobody_may_change_wins() {
    let house = plan().start().await;
    let olga = logged_in(&house, "olga").await;
    let list = olga.navigate("/.access/team?q=fred").await.expect(200).text();
    assert!(list.contains("Your organisation’s list decides"), "{list}");
    assert!(!list.contains("/.access/team/member/"), "{list}");
    invite(&olga, "fred@example.com", "member").await.expect(422);
    // Of whom the adjustable list names, a record is made when somebody changes something.
    let path = page_of(&olga, "bert@example.com").await;
    assert!(!path.contains("bert"), "{path}");
    let page = olga.navigate(&path).await.expect(200);
    assert_eq!(version(&page), "0");
    let fields = [("version", "0"), ("role", "moderator"), ("days_back", "30")];
    olga.post(&path, &fields).await.expect(303);
    let bert = logged_in(&house, "bert").await;
    bert.fetch("/").await.expect(200);
    let last = house.upstream.last();
    assert_eq!((last.header("x-access-role"), last.header("x-access-days-back")), (Some("moderator"), Some("30")));
    let path = page_of(&olga, "bert@example.com").await;
    olga.post(&format!("{path}/reset"), &[]).await.expect(303);
    bert.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-role"), Some("member"));
}

#[tokio::test]
async fn access_is_suspended_and_given_back() {
    let house = plan().start().await;
    let (olga, bert) = (logged_in(&house, "olga").await, logged_in(&house, "bert").await);
    bert.fetch("/").await.expect(200);
    let path = page_of(&olga, "bert@example.com").await;
    olga.post(&format!("{path}/suspend"), &[("version", "0")]).await.expect(303);
    assert_ne!(bert.fetch("/").await.status, 200);
    let path = page_of(&olga, "bert@example.com").await;
    let page = olga.navigate(&path).await.expect(200);
    olga.post(&format!("{path}/let-in"), &[("version", &version(&page))]).await.expect(303);
    bert.log_in("bert@example.com").await;
    bert.fetch("/").await.expect(200);
}

#[tokio::test]
async fn many_are_invited_by_a_list_and_nobody_twice() {
    let house = plan().start().await;
    let mona = logged_in(&house, "mona").await;
    let list = "first_name,last_name,email,role,language\n\
                Ann,One,one@example.com,member,de\n\
                Bob,Two,two@example.com,,\n\
                ,,fred@example.com,,\n\
                ,,one@example.com,,\n\
                ,,not an address,,\n\
                ,,three@example.com,owner,\n\
                ,,four@example.com,member,klingon\n";
    let form = |does: &'static str| [("list", list), ("role", "member"), ("language", "fr"), ("do", does)];
    let check = mona.post("/.access/team/invite-many", &form("check")).await.expect(200).text();
    assert!(check.contains("2 people would be invited.") && check.contains("Invite these 2 people"), "{check}");
    assert_eq!(house.mail.count_to("one@example.com").await, 0);
    let report = mona.post("/.access/team/invite-many", &form("")).await.expect(200).text();
    for line in [
        "2\tAnn One &#60;one@example.com&#62;\tInvited\n",
        "4\tfred@example.com\tBelongs to the team already\n",
        "5\tone@example.com\tStands further up on this list already\n",
        "6\tnot an address\tThat does not look like an email address.",
        "7\tthree@example.com\tThis role is above your own",
        "8\tfour@example.com\tPlease choose one of the languages.",
        "2 people were invited.",
    ] {
        assert!(report.contains(line), "{line:?} in {report}");
    }
    assert_eq!(house.mail.wait("one@example.com").await.subject, "Einladung zu Acme Orders");
    assert_eq!(house.mail.wait("two@example.com").await.subject, "Invitation sur Acme Orders");
    let again = mona.post("/.access/team/invite-many", &form("")).await.expect(200).text();
    assert!(again.contains("Nobody was invited."), "{again}");
    // Whoever is invited after them hears last, so what was sent to them before is all that there is.
    invite(&mona, "last@example.com", "member").await.expect(303);
    house.mail.wait("last@example.com").await;
    for email in ["one@example.com", "two@example.com"] {
        assert_eq!(house.mail.count_to(email).await, 1, "{email}");
    }
    mona.post("/.access/team/invite-many", &[("list", " "), ("role", "member")]).await.expect(422);
    let long = "a@example.com\n".repeat(501);
    mona.post("/.access/team/invite-many", &[("list", &long), ("role", "member")]).await.expect(422);
}

#[tokio::test]
async fn a_thousand_people_are_paged_and_found() {
    let people: String = (0..1000)
        .map(|number| format!("p{number:04}@example.com,42,Acme Ltd,Person {number:04},member,en\n"))
        .collect();
    let house = plan().file("people.csv", format!("{PEOPLE}{people}")).start().await;
    let olga = logged_in(&house, "olga").await;
    let first = olga.navigate("/.access/team").await.expect(200).text();
    assert!(first.contains("1006 people") && first.contains("Page 1 of 21"), "{first}");
    assert_eq!(first.matches("scope=\"row\"").count(), 50);
    let last = olga.navigate("/.access/team?page=99999").await.expect(200).text();
    assert!(last.contains("Page 21 of 21"));
    let found = olga.navigate("/.access/team?q=PERSON%200777").await.expect(200).text();
    assert!(found.contains("p0777@example.com") && found.contains("1 person"), "{found}");
    let none = olga.navigate("/.access/team?q=nobody%20at%20all").await.expect(200).text();
    assert!(none.contains("Nobody here fits"), "{none}");
}

#[tokio::test]
async fn somebody_leaves_unless_they_are_the_last_owner() {
    let house = plan().start().await;
    let (olga, adam) = (logged_in(&house, "olga").await, logged_in(&house, "adam").await);
    assert!(adam.navigate("/.access/account").await.text().contains("Leave Acme Ltd"));
    adam.navigate("/.access/team/leave").await.expect(200);
    let second = logged_in(&house, "adam").await;
    let left = adam.post("/.access/team/leave", &[]).await.expect(200).text();
    assert!(left.contains("You have left"), "{left}");
    assert_ne!(adam.fetch("/").await.status, 200);
    assert_ne!(second.fetch("/").await.status, 200);
    let refused = olga.post("/.access/team/leave", &[]).await.expect(409).text();
    assert!(refused.contains("at least one owner"), "{refused}");
    olga.fetch("/").await.expect(200);
    // Whom a fixed list names cannot go, and is told who can help.
    let fred = logged_in(&house, "fred").await;
    fred.navigate("/.access/team/leave").await.expect(409);
    fred.post("/.access/team/leave", &[]).await.expect(409);
    assert!(!fred.navigate("/.access/account").await.text().contains("Leave Acme Ltd"));
}

#[tokio::test]
async fn somebody_becomes_an_organisation_of_their_own() {
    let house = plan().start().await;
    let adam = logged_in(&house, "adam").await;
    invite(&adam, "ines@example.com", "member").await.expect(303);
    house.mail.wait("ines@example.com").await;
    let ines = house.browser("orders.test");
    ines.log_in("ines@example.com").await;
    let form = adam.navigate("/.access/independent").await.expect(200);
    let record = form.fields("record").first().expect("somebody could go along").clone();
    adam.post("/.access/independent", &[("name", "  "), ("record", &record)]).await.expect(422);
    let ask = adam.post("/.access/independent", &[("name", "Adam & Co"), ("record", &record)]).await.expect(200);
    assert!(ask.text().contains("Adam &#38; Co") && ask.text().contains("1 person goes with you:"), "{}", ask.text());
    adam.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
    let before = adam.cookie(SESSION).expect("a session");
    let sure = [("name", "Adam & Co"), ("record", record.as_str()), ("sure", "1")];
    let done = adam.post("/.access/independent", &sure).await.expect(200).text();
    assert!(done.contains("You are independent now"), "{done}");
    assert_ne!(adam.cookie(SESSION).expect("a session"), before, "another customer is another session");
    adam.fetch("/").await.expect(200);
    let last = house.upstream.last();
    let customer = last.header("x-access-customer").expect("a customer").to_owned();
    assert!(customer.starts_with("org-") && last.header("x-access-role") == Some("owner"), "{customer}");
    // Everybody concerned hears of it, and the old customer has them no more.
    let own = house.mail.wait_after("adam@example.com", 0).await;
    assert!(own.n > 0);
    eventually("both are told", async || {
        let all = house.mail.all().await;
        let told = |to: &str, subject: &str| {
            all.iter().any(|mail| mail.to.iter().any(|one| one == to) && mail.subject.contains(subject))
        };
        let all_told = told("adam@example.com", "has begun")
            && told("olga@example.com", "has become independent")
            && told("ines@example.com", "is for Adam & Co now");
        all_told.then_some(())
    })
    .await;
    ines.log_in("ines@example.com").await;
    ines.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some(customer.as_str()));
    let olga = logged_in(&house, "olga").await;
    let list = olga.navigate("/.access/team?q=ines").await.expect(200).text();
    assert!(!list.contains("ines@example.com</small>"), "{list}");
}

#[tokio::test]
async fn whoever_has_no_right_is_told_so_and_sees_nothing() {
    let house = plan().start().await;
    let bert = logged_in(&house, "bert").await;
    for path in ["/.access/team", "/.access/team/invite", "/.access/team/invite-many", "/.access/independent"] {
        let page = bert.navigate(path).await.expect(403).text();
        assert!(!page.contains("olga@example.com"), "{page}");
    }
    invite(&bert, "eve@example.com", "member").await.expect(403);
    let nobody = house.browser("orders.test");
    let sent = nobody.navigate("/.access/team").await.expect(303);
    assert_eq!(sent.location(), "/.access/login?to=%2F%2Eaccess%2Fteam");
    let account = bert.navigate("/.access/account").await.expect(200).text();
    assert!(!account.contains("/.access/team\"") && !account.contains("/.access/independent"), "{account}");
    let mona = logged_in(&house, "mona").await;
    assert!(mona.navigate("/.access/account").await.text().contains("href=\"/.access/team\""));
}

#[tokio::test]
async fn attack_20_nobody_gives_above_their_own_role_whatever_the_form_says() {
    let house = plan().start().await;
    let mona = logged_in(&house, "mona").await;
    for role in ["administrator", "owner", "emperor", "", "OWNER"] {
        let page = invite(&mona, "ines@example.com", role).await.expect(422).text();
        assert!(page.contains("value=\"ines@example.com\""), "{page}");
    }
    // A moderator may neither change nor remove anybody, least of all an administrator.
    let olga = logged_in(&house, "olga").await;
    let path = page_of(&olga, "adam@example.com").await;
    for (what, fields) in [
        ("", vec![("version", "0"), ("role", "member")]),
        ("/suspend", vec![("version", "0")]),
        ("/remove", vec![("version", "0")]),
        ("/let-in", vec![("version", "0")]),
        ("/reset", vec![]),
    ] {
        let status = mona.post(&format!("{path}{what}"), &fields).await.status;
        assert!([403, 404].contains(&status), "{what}: {status}");
    }
    let list = mona.navigate("/.access/team").await.expect(200).text();
    assert!(!list.contains("/.access/team/member/"), "{list}");
    // An administrator cannot touch an owner, nor make one.
    let adam = logged_in(&house, "adam").await;
    let path = page_of(&olga, "bert@example.com").await;
    adam.post(&path, &[("version", "0"), ("role", "owner")]).await.expect(422);
    assert!(adam.navigate("/.access/team?q=olga").await.text().contains("Nobody can take that role away"));
    // The mails that would have gone out by now have not.
    invite(&mona, "last@example.com", "member").await.expect(303);
    house.mail.wait("last@example.com").await;
    assert_eq!(house.mail.count_to("ines@example.com").await, 0);
}

#[tokio::test]
async fn attack_20_another_customers_people_are_nobodys_here() {
    let house = plan().start().await;
    let (olga, gwen) = (logged_in(&house, "olga").await, logged_in(&house, "gwen").await);
    let sent = invite(&olga, "ines@example.com", "member").await.expect(303);
    let id = sent.location().rsplit('/').next().expect("an id").to_owned();
    let listed = page_of(&olga, "bert@example.com").await;
    gwen.navigate(&format!("/.access/team/invited/{id}")).await.expect(404);
    for path in [format!("/.access/team/member/{id}"), listed] {
        gwen.navigate(&path).await.expect(404);
        gwen.navigate(&format!("{path}/remove")).await.expect(404);
        gwen.post(&path, &[("version", "1"), ("role", "member")]).await.expect(404);
        for what in ["/remove", "/resend", "/suspend", "/let-in", "/reset"] {
            gwen.post(&format!("{path}{what}"), &[("version", "1")]).await.expect(404);
        }
    }
    let list = gwen.navigate("/.access/team").await.expect(200).text();
    assert!(list.contains("gwen@example.com") && !list.contains("olga@example.com"), "{list}");
}

#[tokio::test]
async fn attack_20_an_invitation_is_good_once_in_time_and_for_its_address_alone() {
    let house = plan().start().await;
    let olga = logged_in(&house, "olga").await;
    let eve = house.browser("orders.test");
    // Withdrawn.
    let sent = invite(&olga, "ines@example.com", "member").await.expect(303);
    let id = sent.location().rsplit('/').next().expect("an id").to_owned();
    let mail = house.mail.wait("ines@example.com").await;
    let path = format!("/.access/team/member/{id}");
    let ask = olga.navigate(&format!("{path}/remove")).await.expect(200);
    olga.post(&format!("{path}/remove"), &[("version", &version(&ask))]).await.expect(303);
    let ended = eve.navigate(&invitation(&mail)).await.expect(410).text();
    assert!(ended.contains("no longer works") && !ended.contains("ines@example.com"), "{ended}");
    eve.ask_for_mail("ines@example.com").await;
    // Expired: what counts is the moment of use.
    invite(&olga, "ivan@example.com", "member").await.expect(303);
    let mail = house.mail.wait("ivan@example.com").await;
    eve.navigate(&invitation(&mail)).await.expect(200);
    in_store(&house, "UPDATE record SET expires = 1000000 WHERE state = 'invited'").await;
    assert!(eve.navigate(&invitation(&mail)).await.expect(410).text().contains("time to accept it is over"));
    eve.ask_for_mail("ivan@example.com").await;
    // Whatever is no token of ours.
    for token in ["abc", "%00", "..%2f", &"A".repeat(43)] {
        let status = eve.navigate(&format!("/.access/invitation/{token}")).await.status;
        assert!([400, 410].contains(&status), "{token}: {status}");
    }
    unknown(&house, 2).await;
    assert_eq!(house.mail.count_to("ines@example.com").await, 1);
    assert_eq!(house.mail.count_to("ivan@example.com").await, 1);
    house.upstream.saw_nothing();
}

#[tokio::test]
async fn attack_20_whoever_may_invite_no_more_has_invited_nobody() {
    let house = plan().start().await;
    let (olga, mona) = (logged_in(&house, "olga").await, logged_in(&house, "mona").await);
    invite(&mona, "ines@example.com", "member").await.expect(303);
    let mail = house.mail.wait("ines@example.com").await;
    let path = page_of(&olga, "mona@example.com").await;
    olga.post(&path, &[("version", "0"), ("role", "member")]).await.expect(303);
    let ines = house.browser("orders.test");
    assert!(ines.navigate(&invitation(&mail)).await.expect(410).text().contains("may no longer invite"));
    ines.ask_for_mail("ines@example.com").await;
    unknown(&house, 1).await;
    assert_eq!(house.mail.count_to("ines@example.com").await, 1, "no log-in mail");
    // Somebody else answers for it by sending it again.
    in_store(&house, "UPDATE record SET sent = 1000000 WHERE state = 'invited'").await;
    let path = page_of(&olga, "ines@example.com").await;
    olga.post(&format!("{path}/resend"), &[]).await.expect(303);
    let again = house.mail.wait_after("ines@example.com", mail.n).await;
    assert_eq!(again.subject, "Reminder: invitation to Acme Orders");
    ines.navigate(&invitation(&mail)).await.expect(410);
    ines.navigate(&invitation(&again)).await.expect(200);
    ines.log_in("ines@example.com").await;
    ines.fetch("/").await.expect(200);
}

#[tokio::test]
async fn attack_20_somebody_elses_session_accepts_nothing() {
    let house = plan().start().await;
    let (olga, gwen) = (logged_in(&house, "olga").await, logged_in(&house, "gwen").await);
    invite(&olga, "ines@example.com", "administrator").await.expect(303);
    let mail = house.mail.wait("ines@example.com").await;
    let path = invitation(&mail);
    let page = gwen.navigate(&path).await.expect(200).text();
    assert!(page.contains("for somebody else") && !page.contains("Acme Ltd"), "{page}");
    gwen.post(&path, &[]).await.expect(303);
    gwen.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"));
    // She may log out from there, and comes back to the invitation.
    let old = gwen.cookie(SESSION).expect("a session");
    assert_eq!(gwen.post(&path, &[("do", "log-out")]).await.expect(303).location(), path);
    gwen.set_cookie(SESSION, &old);
    gwen.fetch("/").await.expect(401);
    // Invited to another customer, somebody who is logged in accepts with a button, and gets another session.
    invite(&olga, "gwen@example.com", "member").await.expect(303);
    let mail = house.mail.wait_after("gwen@example.com", mail.n).await;
    let gwen = house.browser("orders.test");
    gwen.log_in("gwen@example.com").await;
    gwen.navigate(&invitation(&mail)).await;
    gwen.choose("42").await.expect(303);
    gwen.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn attack_16_accepting_while_logged_in_is_another_session() {
    let house = plan().start().await;
    let (olga, gwen) = (logged_in(&house, "olga").await, logged_in(&house, "gwen").await);
    invite(&olga, "gwen@example.com", "member").await.expect(303);
    let mail = eventually("the invitation", async || {
        let all = house.mail.all().await;
        all.into_iter().find(|mail| mail.subject.starts_with("Invitation") && mail.to == ["gwen@example.com"])
    })
    .await;
    let before = gwen.cookie(SESSION).expect("a session");
    let page = gwen.navigate(&invitation(&mail)).await.expect(200).text();
    assert!(page.contains(">Accept<"), "{page}");
    gwen.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("43"), "looking accepts nothing");
    gwen.post(&invitation(&mail), &[]).await.expect(303);
    assert_ne!(gwen.cookie(SESSION).expect("a session"), before);
    gwen.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_28_of_two_owners_one_stays_whatever_a_hundred_requests_want() {
    let before = format!(
        "{}boss@example.com,42,Acme Ltd,Bo Oss,owner,en\n",
        PEOPLE.replace("Olga Own,owner", "Olga Own,administrator")
    );
    let house = plan().file("people.csv", before).start().await;
    let (olga, adam) = (logged_in(&house, "olga").await, logged_in(&house, "adam").await);
    let boss = logged_in(&house, "boss").await;
    let (of_olga, of_adam) = (page_of(&boss, "olga@example.com").await, page_of(&boss, "adam@example.com").await);
    house.write("people.csv", PEOPLE.replace("Adam Min,administrator", "Adam Min,owner"));
    eventually("both are owners, and nobody else", async || {
        let mut roles = Vec::new();
        for person in [&olga, &adam] {
            person.fetch("/").await;
            roles.push(house.upstream.last().header("x-access-role").map(str::to_owned));
        }
        let is_gone = boss.fetch("/").await.status != 200;
        (is_gone && roles.iter().all(|role| role.as_deref() == Some("owner"))).then_some(())
    })
    .await;
    let wishes = (0..100).map(|number| {
        let (who, other) = if number % 2 == 0 { (&olga, &of_adam) } else { (&adam, &of_olga) };
        let other = other.clone();
        async move {
            match number % 5 {
                0 | 1 => who.post("/.access/team/leave", &[]).await,
                2 => who.post(&format!("{other}/remove"), &[("version", "0")]).await,
                3 => who.post(&format!("{other}/suspend"), &[("version", "0")]).await,
                _ => who.post(&other, &[("version", "0"), ("role", "member")]).await,
            }
        }
    });
    let answers = futures_util::future::join_all(wishes).await;
    let statuses: BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
    // Whoever leaves by several requests at once may be told so by more than one of them.
    let left: BTreeSet<usize> = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| answer.status == 200 && answer.text().contains("You have left"))
        .map(|(number, _)| number % 2)
        .collect();
    let mut owners = 0;
    for person in [&olga, &adam] {
        if person.fetch("/").await.status == 200 {
            assert_eq!(house.upstream.last().header("x-access-role"), Some("owner"));
            owners += 1;
        }
    }
    assert_eq!((left.len(), owners), (1, 1), "one of two may leave, and the other stays");
}

#[tokio::test]
async fn kills_while_inviting_and_accepting_lose_nothing_and_send_nothing_twice() {
    let mut house = plan().start().await;
    let olga = logged_in(&house, "olga").await;
    for number in 0..6 {
        let email = format!("new{number}@example.com");
        let sent = invite(&olga, &email, "member").await.expect(303);
        // Right after the answer, or when the mail is on its way, or out.
        if number % 3 == 1 {
            tokio::task::yield_now().await;
        } else if number % 3 == 2 {
            house.mail.wait(&email).await;
        }
        house.kill9();
        house.start_again().await;
        olga.navigate(sent.location()).await.expect(200);
        let mail = house.mail.wait(&email).await;
        let person = house.browser("orders.test");
        person.navigate(&invitation(&mail)).await.expect(200);
        // The invitation may have come once more, after a kill between the mail server's word and the store's.
        person.ask_for_mail(&email).await;
        let login = eventually("a log-in mail", async || {
            let is_login = |mail: &Mail| mail.to == [email.clone()] && mail.text.contains("/.access/link/");
            house.mail.all().await.into_iter().find(is_login)
        })
        .await;
        person.press_button(&login).await.expect(303);
        house.kill9();
        house.start_again().await;
        person.fetch("/").await.expect(200);
        assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"), "{email}");
        person.navigate(&invitation(&mail)).await.expect(410);
        let all = house.mail.all().await;
        let invitations = all.iter().filter(|mail| mail.to == [email.clone()] && mail.subject.contains("nvitation"));
        // A mail that left in the moment of the kill, before the store knew, goes out once more under the same Message-ID.
        let ids: BTreeSet<_> = invitations.map(|mail| mail.headers.get("message-id").cloned()).collect();
        assert_eq!(ids.len(), 1, "{email}");
    }
    // A list that was cut off is pasted again, and nobody hears twice.
    let list: String = (0..60).map(|number| format!("many{number}@example.com\n")).collect();
    let fields = [("list", list.as_str()), ("role", "member")];
    let cut = {
        let (olga, fields) = (olga.clone(), fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        tokio::spawn(async move {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let proof = [("origin", olga.origin()), ("sec-fetch-site", "same-origin".to_owned())];
            let proof: Vec<(&str, &str)> = proof.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let _ = olga.post_from("/.access/team/invite-many", &fields, &proof).await;
        })
    };
    house.mail.wait("many3@example.com").await;
    house.kill9();
    let _ = cut.await;
    house.start_again().await;
    let report = olga.post("/.access/team/invite-many", &fields).await.expect(200).text();
    assert!(!report.contains("could not be used"), "{report}");
    house.mail.wait("many59@example.com").await;
    let all = house.mail.all().await;
    for number in 0..60 {
        let email = format!("many{number}@example.com");
        let ids: BTreeSet<_> = all
            .iter()
            .filter(|mail| mail.to == [email.clone()])
            .map(|mail| mail.headers.get("message-id").cloned())
            .collect();
        assert_eq!(ids.len(), 1, "{email}");
    }
}
