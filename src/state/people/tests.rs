//! People over a real store and real tables.

use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::config;
use crate::directory::TableDirectory;
use crate::policy::DaysBack;
use crate::session::Token;
use crate::state::audit::Actor;
use crate::state::members::RecordState;
use crate::state::metrics::Metrics;
use crate::state::people_search::{PeopleFilter, Whose};
use crate::state::ports::{Directory as _, MailQueue as _, Pigeonhole};
use crate::state::snapshot::{Current, Snapshot};
use crate::store::{self, SqliteStore};

const CONFIG: &str = r#"
[server]
https = "127.0.0.1:0"
data = "data"
[tls]
local_ca = true
[mail]
smtp = "smtp://127.0.0.1:25"
from = "login@example.com"
[source.crm]
url = "csv:people.csv"
[source.hr]
url = "csv:staff.csv"
[workspace]
[[workspace.user]]
email = "ops@example.com"
roles = { orders = "admin" }
[app.orders]
domains = ["orders.test"]
upstream = "http://127.0.0.1:1"
[[app.orders.domain]]
host = "acme.test"
customer = "acme"
[app.orders.team]
max_role = "admin"
max_members = 6
owner_role = "owner"
[app.orders.role.member]
days_back = 30
[app.orders.role.seller]
includes = ["member"]
days_back = 365
portal = ["independent"]
[app.orders.role.moderator]
includes = ["member"]
portal = ["members", "invite"]
days_back = 90
[app.orders.role.clerk]
includes = ["member"]
portal = ["members", "roles"]
[app.orders.role.admin]
includes = ["moderator", "seller"]
portal = ["roles", "remove"]
days_back = "unlimited"
[app.orders.role.owner]
includes = ["admin"]
irrevocable = true
[[app.orders.customers]]
name = "contacts"
source = "crm"
email = "email"
customer = "company"
customer_name = "company_name"
role = { column = "role" }
[[app.orders.customers]]
name = "loose"
source = "hr"
email = "email"
customer = "company"
role = { column = "role" }
adjustable = true
"#;

/// `olga` owns acme, `adam` administers it, `mona` moderates, `mia` is a member; `lea` and `otto` are in the list that may be changed.
const PEOPLE: &str = "email,company,company_name,role\nolga@example.com,acme,Acme & Sons,owner\nadam@example.com,acme,Acme & Sons,admin\n\
                      mona@example.com,acme,Acme & Sons,moderator\nmia@example.com,acme,Acme & Sons,member\nzed@example.com,zenit,Zenit,admin\n";
const LOOSE: &str =
    "email,company,role\nlea@example.com,acme,member\notto@example.com,solo,owner\nota@example.com,solo,owner\n";

struct House {
    people: Arc<People>,
    store: Arc<SqliteStore>,
    tables: Arc<TableDirectory>,
    current: Arc<Current>,
    folder: TempDir,
}

fn app() -> AppName {
    AppName::parse("orders").expect("valid")
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).expect("valid")
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).expect("valid")
}

fn details(name: &str) -> Details {
    Details { first_name: None, last_name: None, role: role(name), days_back: None, notes: None, language: None }
}

fn later(seconds: i64) -> Timestamp {
    Clock.now() + std::time::Duration::from_secs(seconds.unsigned_abs())
}

async fn house() -> House {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("people.csv"), PEOPLE).expect("written");
    std::fs::write(folder.path().join("staff.csv"), LOOSE).expect("written");
    let config =
        config::parse(&folder.path().join("v.toml"), CONFIG, &|_| None).unwrap_or_else(|error| panic!("{error}"));
    let store = Arc::new(store::open(&folder.path().join("data")).await.unwrap_or_else(|error| panic!("{error}")));
    let tables = Arc::new(TableDirectory::open(&config, Clock));
    tables.look().await;
    let current = Arc::new(Current::new(Snapshot::new(&config)));
    let people = Arc::new(People::new(Parts {
        current: Arc::clone(&current),
        tables: Arc::clone(&tables) as _,
        store: Arc::clone(&store) as _,
        journal: Arc::new(Journal::new(Arc::new(Metrics::new()), Arc::clone(&store) as _)),
        mailed: Arc::default(),
        origin_of: Box::new(|host| format!("https://{host}:8443")),
        clock: Clock,
    }));
    House { people, store, tables, current, folder }
}

/// Does something as somebody: `who` is a colleague's name, or `staff`.
macro_rules! as_somebody {
    ($house:expr, $who:expr, $company:expr, |$hand:ident| $work:expr) => {{
        let house = &$house;
        let by = email($who);
        let scene = Scene { actor: Actor::Staff(&by), ..Scene::gateway(Clock.now()) };
        let grant = match $who {
            "staff" => None,
            _ => house.grant(&by, $company).await,
        };
        let right = grant.as_deref().map_or(Right::Staff, Right::Colleague);
        let $hand = Hand { scene, right, language: Language::English };
        $work.await
    }};
}

impl House {
    async fn grant(&self, email: &Email, company: &str) -> Option<Arc<Grant>> {
        let known = self.people.known(&app(), email).await.expect("known");
        let found = known.grants.iter().find(|grant| grant.customer_id().is_some_and(|id| id.as_str() == company));
        Some(Arc::clone(found.unwrap_or_else(|| panic!("{email} has nothing for {company}"))))
    }

    /// What somebody has, as `customer role`.
    async fn has(&self, name: &str) -> Vec<String> {
        let known = self.people.known(&app(), &email(name)).await.expect("known");
        let shown = |grant: &Arc<Grant>| {
            let customer = grant.customer_id().map_or_else(String::new, ToString::to_string);
            format!("{customer} {}", grant.role)
        };
        known.grants.iter().map(shown).collect()
    }

    async fn invite(&self, who: &str, whom: &str, as_role: &str) -> Result<Record, Refused> {
        self.invite_with(who, whom, &details(as_role)).await
    }

    async fn invite_with(&self, who: &str, whom: &str, details: &Details) -> Result<Record, Refused> {
        let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email(whom));
        let whom = Whom { app: &app, customer: &acme, email: &whom };
        as_somebody!(*self, who, "acme", |hand| self.people.invite(hand, whom, details, Welcome::Invitation))
    }

    async fn add(&self, whom: &str, as_role: &str) -> Record {
        let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email(whom));
        let whom = Whom { app: &app, customer: &acme, email: &whom };
        let details = details(as_role);
        as_somebody!(*self, "staff", "acme", |hand| self.people.invite(hand, whom, &details, Welcome::Nothing))
            .expect("added")
    }

    async fn change(&self, who: &str, whom: &str, edits: &Edits) -> Result<Record, Refused> {
        let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email(whom));
        let whom = Whom { app: &app, customer: &acme, email: &whom };
        as_somebody!(*self, who, "acme", |hand| self.people.change(hand, whom, edits))
    }

    async fn remove(&self, who: &str, whom: &str) -> Result<(), Refused> {
        let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email(whom));
        let whom = Whom { app: &app, customer: &acme, email: &whom };
        as_somebody!(*self, who, "acme", |hand| self.people.remove(hand, whom, None))
    }

    async fn resend(&self, who: &str, whom: &str, at: Timestamp) -> Result<Record, Refused> {
        let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email(whom));
        let whom = Whom { app: &app, customer: &acme, email: &whom };
        as_somebody!(*self, who, "acme", |hand| {
            let hand = Hand { scene: Scene { now: at, ..hand.scene }, ..hand };
            self.people.resend(hand, whom)
        })
    }

    async fn leave(&self, who: &str, company: &str) -> Result<(), Refused> {
        let (app, customer, whom) = (app(), CustomerId::parse(company).expect("valid"), email(who));
        let whom = Whom { app: &app, customer: &customer, email: &whom };
        as_somebody!(*self, who, company, |hand| self.people.leave(hand, whom))
    }

    /// Somebody proves their address on a domain; answers how many invitations they have accepted by it.
    async fn come(&self, name: &str, host: &str, at: Timestamp) -> usize {
        let site = self.current.load().site(&HostName::parse(host).expect("valid")).cloned().expect("a site");
        self.people.accept(Scene::gateway(at), &site, &email(name)).await.expect("found out")
    }

    /// Who is found, and whether there are more.
    async fn found(&self, text: &str, of: Whose<'_>, most: usize) -> (Vec<String>, bool) {
        let app = app();
        let filter = PeopleFilter { app: &app, text: Some(text), of, after: None, most };
        let found = self.people.search(filter).await.expect("nobody else searches");
        assert!(found.unread.is_empty(), "{:?}", found.unread);
        let name = |grant: &Arc<Grant>| grant.email.as_str().trim_end_matches("@example.com").to_owned();
        (found.people.iter().map(name).collect(), found.is_cut)
    }

    /// The token of the link in the newest mail.
    async fn mailed_token(&self) -> Token {
        let mail = self.store.mail_due(Timestamp::MAX, 100, &[]).await.expect("read").pop().expect("a mail").mail;
        let (_, behind) = mail.text.split_once(INVITATION_PATH).expect("a link");
        let text: String =
            behind.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect();
        Token::parse(&text).expect("a token")
    }
}

fn to(name: &str) -> Edits {
    Edits { role: Edit::Set(role(name)), ..Edits::default() }
}

fn why<T: std::fmt::Debug>(done: Result<T, Refused>) -> &'static str {
    done.expect_err("refused").name()
}

#[tokio::test]
async fn an_invited_person_has_access_when_they_have_come() {
    let house = house().await;
    let record = house.invite("mona", "new", "member").await.expect("invited");
    assert!(house.has("new").await.is_empty());
    assert_eq!(house.people.invited(&app(), &email("new")).await.expect("known").len(), 1, "they are let in to accept");
    let mail = house.store.mail_due(Timestamp::MAX, 9, &[]).await.expect("read").remove(0).mail;
    assert_eq!(mail.to, "new@example.com");
    let shown =
        house.people.invitation(&app(), &house.mailed_token().await, Clock.now()).await.expect("read").expect("one");
    assert_eq!(
        (shown.standing, &shown.email, shown.inviter),
        (InvitationStanding::Good, &email("new"), Some(email("mona")))
    );
    assert_eq!(shown.customer.name, DisplayName::new("Acme & Sons"), "as the inviter's table has it");
    let before = house.people.epoch(&app(), Pigeonhole::of(&email("new")));
    assert_eq!(house.come("new", "orders.test", Clock.now()).await, 1);
    assert_ne!(house.people.epoch(&app(), Pigeonhole::of(&email("new"))), before, "it counts at once");
    assert_eq!(house.has("new").await, ["acme member"]);
    assert_eq!(house.come("new", "orders.test", Clock.now()).await, 0, "once");
    let grant = house.grant(&email("new"), "acme").await.expect("one");
    assert_eq!(grant.customer.as_ref().and_then(|customer| customer.name.clone()), DisplayName::new("Acme & Sons"));
    assert_eq!(record.made_by, Maker::Colleague(email("mona")));
    assert_eq!(why(house.invite("mona", "new", "member").await), "known");
}

#[tokio::test]
async fn attack_20_nobody_gives_above_their_role_the_ceiling_or_their_days() {
    let house = house().await;
    assert_eq!(why(house.invite("mia", "new", "member").await), "no-right");
    assert_eq!(why(house.invite("mona", "new", "admin").await), "above-own-role");
    assert_eq!(why(house.invite("olga", "new", "owner").await), "above-ceiling");
    assert_eq!(why(house.invite("olga", "new", "king").await), "unknown-role");
    assert_eq!(why(house.invite("staff", "new", "king").await), "unknown-role");
    let days = |days| Details { days_back: Some(days), ..details("member") };
    assert_eq!(why(house.invite_with("mona", "new", &days(DaysBack::Days(91))).await), "more-days-than-own");
    assert_eq!(why(house.invite_with("mona", "new", &days(DaysBack::Unlimited)).await), "more-days-than-own");
    assert_eq!(why(house.invite_with("olga", "new", &days(DaysBack::Days(40_000))).await), "bad-days-back");
    // Nor for another customer, whatever grant somebody shows.
    let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email("new"));
    let whom = Whom { app: &app, customer: &acme, email: &whom };
    let details = details("member");
    let done =
        as_somebody!(house, "zed", "zenit", |hand| house.people.invite(hand, whom, &details, Welcome::Invitation));
    assert_eq!(why(done), "no-right");
    let done = as_somebody!(house, "mona", "acme", |hand| house.people.invite(hand, whom, &details, Welcome::Nothing));
    assert_eq!(why(done), "no-right", "only staff let in whom nobody has to ask");
    house.invite_with("mona", "new", &days(DaysBack::Days(90))).await.expect("as many as her own");
    assert_eq!(why(house.change("mona", "new", &to("member")).await), "no-right");
    assert_eq!(why(house.change("adam", "new", &to("owner")).await), "above-own-role");
    house.change("adam", "new", &to("admin")).await.expect("as much as his own");
}

#[tokio::test]
async fn an_invitation_that_leaves_days_back_to_the_role_gives_no_more_than_its_inviter_sees() {
    let house = house().await;
    let narrow = Details { days_back: Some(DaysBack::Days(10)), ..details("moderator") };
    house.invite_with("staff", "nina", &narrow).await.expect("invited");
    assert_eq!(house.come("nina", "orders.test", Clock.now()).await, 1);
    let record = house.invite("nina", "new", "member").await.expect("a role of 30 days, by somebody who sees 10");
    assert_eq!(record.entry.days_back, Some(DaysBack::Days(10)));
    assert_eq!(house.come("new", "orders.test", Clock.now()).await, 1);
    let record = house.invite("mona", "other", "member").await.expect("invited");
    assert_eq!(record.entry.days_back, None, "the role gives less than its inviter sees");
}

#[tokio::test]
async fn whom_staff_invite_is_told_the_customers_name_as_a_list_has_it() {
    let house = house().await;
    house.invite("staff", "new", "member").await.expect("invited");
    let mail = house.store.mail_due(Timestamp::MAX, 9, &[]).await.expect("read").remove(0).mail;
    assert!(mail.text.contains("Acme & Sons"), "{}", mail.text);
    assert_eq!(house.come("new", "orders.test", Clock.now()).await, 1);
    let grant = house.grant(&email("new"), "acme").await.expect("one");
    assert_eq!(grant.customer.as_ref().and_then(|customer| customer.name.clone()), DisplayName::new("Acme & Sons"));
}

#[tokio::test]
async fn attack_20_an_invitation_ends_with_its_time_and_its_inviters_right() {
    let house = house().await;
    house.add("ivy", "moderator").await;
    house.invite("ivy", "late", "member").await.expect("invited");
    house.invite("ivy", "lost", "member").await.expect("invited");
    let token = house.mailed_token().await;
    assert_eq!(house.come("late", "orders.test", later(8 * 86_400)).await, 0, "too late");
    let standing = async |at| house.people.invitation(&app(), &token, at).await.expect("read").expect("there").standing;
    assert_eq!(standing(later(8 * 86_400)).await, InvitationStanding::Expired);
    house.change("adam", "ivy", &to("member")).await.expect("demoted");
    assert_eq!(standing(Clock.now()).await, InvitationStanding::Revoked);
    assert_eq!(house.come("lost", "orders.test", Clock.now()).await, 0, "its inviter may not invite any more");
    assert!(house.people.invited(&app(), &email("lost")).await.expect("known").is_empty());
    // Somebody else who may can send it again, and answers for it.
    let record = house.resend("adam", "lost", later(61)).await.expect("sent");
    assert_eq!(record.made_by, Maker::Colleague(email("adam")));
    assert_eq!(
        house.people.invitation(&app(), &token, Clock.now()).await.expect("read").map(|shown| shown.email),
        None,
        "the old link is dead"
    );
    assert_eq!(why(house.resend("adam", "lost", later(62)).await), "too-soon");
    assert_eq!(house.come("lost", "orders.test", later(70)).await, 1);
    // What was accepted stays, whoever invited them leaves.
    house.remove("adam", "ivy").await.expect("removed");
    assert_eq!(house.has("lost").await, ["acme member"]);
    assert!(house.has("ivy").await.is_empty());
}

#[tokio::test]
async fn attack_20_whoever_changes_what_an_invitation_gives_answers_for_it() {
    let house = house().await;
    house.add("ada", "admin").await;
    house.invite("staff", "raised", "member").await.expect("invited");
    house.change("ada", "raised", &to("admin")).await.expect("as much as her own");
    house.invite("staff", "named", "member").await.expect("invited");
    let name = Edits { first_name: Edit::Set(DisplayName::new("Ned")), ..Edits::default() };
    assert_eq!(
        house.change("ada", "named", &name).await.expect("changed").made_by,
        Maker::Staff("staff@example.com".to_owned())
    );
    house.remove("staff", "ada").await.expect("removed");
    assert_eq!(
        house.come("raised", "orders.test", Clock.now()).await,
        0,
        "whoever raised it may give nothing any more"
    );
    assert_eq!(house.come("named", "orders.test", Clock.now()).await, 1, "a name gives nothing");
    // And what a moderator could not have given is good when an administrator gave it.
    house.invite("mona", "new", "member").await.expect("invited");
    house.change("adam", "new", &to("seller")).await.expect("as much as his own");
    assert_eq!(house.come("new", "orders.test", Clock.now()).await, 1);
}

#[tokio::test]
async fn whoever_may_not_let_in_again_does_not_by_letting_the_list_decide() {
    let house = house().await;
    house.add("tim", "clerk").await;
    let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email("lea"));
    let whom = Whom { app: &app, customer: &acme, email: &whom };
    house.remove("adam", "lea").await.expect("suspended");
    let done = as_somebody!(house, "tim", "acme", |hand| house.people.reset(hand, whom));
    assert_eq!(why(done), "no-right");
    assert!(house.has("lea").await.is_empty());
}

#[tokio::test]
async fn attack_20_it_is_for_its_address_on_its_domains_and_no_more_once_withdrawn() {
    let house = house().await;
    house.invite("mona", "new", "member").await.expect("invited");
    let elsewhere = house.current.load().site(&HostName::parse("acme.test").expect("valid")).cloned().expect("a site");
    assert_eq!(elsewhere.domain.customer.as_ref().map(CustomerId::as_str), Some("acme"));
    assert_eq!(house.come("other", "orders.test", Clock.now()).await, 0, "a forwarded mail gives nothing");
    house.remove("mona", "new").await.expect("withdrawn by who may invite");
    assert_eq!(house.come("new", "orders.test", Clock.now()).await, 0);
    let token = house.mailed_token().await;
    assert!(house.people.invitation(&app(), &token, Clock.now()).await.expect("read").is_none());
    let (app, zenit, whom) = (app(), CustomerId::parse("zenit").expect("valid"), email("new"));
    let whom = Whom { app: &app, customer: &zenit, email: &whom };
    let details = details("member");
    as_somebody!(house, "zed", "zenit", |hand| house.people.invite(hand, whom, &details, Welcome::Invitation))
        .expect("invited");
    assert_eq!(house.come("new", "acme.test", Clock.now()).await, 0, "that domain is another customer's");
    assert_eq!(house.come("new", "orders.test", Clock.now()).await, 1);
}

#[tokio::test]
async fn whom_a_list_names_is_not_invited_and_staff_never() {
    let house = house().await;
    assert!(matches!(house.invite("mona", "mia", "member").await, Err(Refused::Named { adjustable: false, .. })));
    assert!(matches!(house.invite("mona", "lea", "member").await, Err(Refused::Named { adjustable: true, .. })));
    assert_eq!(why(house.invite("mona", "ops", "member").await), "staff");
    assert_eq!(why(house.change("adam", "mia", &to("seller")).await), "table-wins");
    assert_eq!(why(house.remove("adam", "mia").await), "table-wins");
    let changed = house.change("adam", "lea", &to("seller")).await.expect("adjustable");
    assert_eq!(changed.entry.basis, Basis::Adjusts);
    assert_eq!(house.has("lea").await, ["acme seller"]);
    house.remove("adam", "lea").await.expect("suspended");
    assert!(house.has("lea").await.is_empty());
    let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email("lea"));
    let whom = Whom { app: &app, customer: &acme, email: &whom };
    as_somebody!(house, "adam", "acme", |hand| house.people.reset(hand, whom)).expect("reset");
    assert_eq!(house.has("lea").await, ["acme member"]);
    // A record on top of a table's row goes with the row.
    house.change("adam", "lea", &to("admin")).await.expect("adjustable");
    std::fs::write(house.folder.path().join("staff.csv"), LOOSE.replace("lea@", "leo@")).expect("written");
    let gone = async {
        while !house.has("lea").await.is_empty() {
            house.tables.look().await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.expect("they are out");
}

#[tokio::test]
async fn attack_28_owners_stay() {
    let house = house().await;
    house.add("own", "owner").await;
    for who in ["adam", "olga", "staff"] {
        assert_eq!(why(house.remove(who, "own").await), "irrevocable", "{who}");
        assert_eq!(why(house.change(who, "own", &to("member")).await), "irrevocable", "{who}");
        let suspend = Edits { suspended: Edit::Set(true), ..Edits::default() };
        assert_eq!(why(house.change(who, "own", &suspend).await), "irrevocable", "{who}");
    }
    let name = Edits { first_name: Edit::Set(DisplayName::new("Ona")), ..Edits::default() };
    house.change("adam", "own", &name).await.expect_err("above him");
    house.change("staff", "own", &name).await.expect("a name is no right");
    house.leave("own", "acme").await.expect("olga is one by her table");
    // Of two owners whom a table names, one may leave.
    house.leave("otto", "solo").await.expect("ota stays");
    assert_eq!(why(house.leave("ota", "solo").await), "last-owner");
    assert_eq!(why(house.leave("mia", "acme").await), "table-wins");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_28_of_a_hundred_at_once_nobody_gets_past_ceiling_limit_or_demotion() {
    let house = Arc::new(house().await);
    house.add("ivy", "moderator").await;
    let mut all = tokio::task::JoinSet::new();
    for number in 0..100 {
        let house = Arc::clone(&house);
        all.spawn(async move {
            match number {
                50 => house.change("adam", "ivy", &to("member")).await.map(drop),
                // Somebody whose grant is gone by now has no hand to show.
                _ if house.has("ivy").await == ["acme moderator"] => {
                    let as_role = if number % 2 == 0 { "member" } else { "admin" };
                    house.invite("ivy", &format!("p{number}"), as_role).await.map(drop)
                }
                _ => Ok(()),
            }
        });
    }
    all.join_all().await;
    let filter = RecordFilter { most: 200, ..RecordFilter::default() };
    let records = house.people.records(filter).await.expect("read");
    assert!(records.len() <= 6, "{}", records.len());
    assert!(records.iter().all(|record| record.entry.role == role("member")), "{records:?}");
    for record in &records {
        assert_eq!(
            house.come(record.entry.email.as_str().trim_end_matches("@example.com"), "orders.test", Clock.now()).await,
            0
        );
    }
}

#[tokio::test]
async fn a_person_becomes_an_organisation_and_takes_along_whom_they_invited() {
    let house = house().await;
    house.add("ada", "admin").await;
    house.add("sue", "member").await;
    for (name, role) in [("one", "admin"), ("two", "member")] {
        house.invite("ada", name, role).await.expect("invited");
    }
    assert_eq!(house.come("one", "orders.test", Clock.now()).await, 1);
    let (app, acme, whom) = (app(), CustomerId::parse("acme").expect("valid"), email("ada"));
    let whom = Whom { app: &app, customer: &acme, email: &whom };
    let over = as_somebody!(house, "ada", "acme", |hand| house.people.may_go_over(hand, whom)).expect("listed");
    let names: Vec<String> = over.iter().map(|record| record.entry.email.to_string()).collect();
    assert_eq!(names, ["one@example.com", "two@example.com"], "sue is not hers");
    let chosen: Vec<i64> = over.iter().map(|record| record.id).collect();
    let name = DisplayName::new("Ada & Co").expect("a name");
    let founded =
        as_somebody!(house, "ada", "acme", |hand| house.people.found(hand, whom, &name, &chosen)).expect("founded");
    let new = founded.customer.as_str();
    assert!(new.starts_with("org-") && new.len() == 30, "{new}");
    assert_eq!(house.has("ada").await, [format!("{new} owner")]);
    assert_eq!(house.has("one").await, [format!("{new} admin")]);
    assert_eq!(house.has("sue").await, ["acme member"]);
    assert_eq!(house.come("two", "orders.test", Clock.now()).await, 1, "her invitation goes on");
    assert_eq!(house.has("two").await, [format!("{new} member")]);
    let mails: Vec<String> = house
        .store
        .mail_due(Timestamp::MAX, 99, &[])
        .await
        .expect("read")
        .into_iter()
        .map(|mail| mail.mail.to)
        .collect();
    for told in ["ada@example.com", "adam@example.com", "olga@example.com"] {
        assert!(mails.iter().any(|to| to == told), "{told} is told: {mails:?}");
    }
    let of_one = mails.iter().filter(|to| *to == "one@example.com").count();
    assert_eq!(of_one, 2, "invited, and told once that they went along, not as one of those who stay: {mails:?}");
    // Whom a table names cannot leave it by themself.
    let mia = email("adam");
    let of_table = Whom { email: &mia, ..whom };
    let done = as_somebody!(house, "adam", "acme", |hand| house.people.found(hand, of_table, &name, &[]));
    assert_eq!(why(done.map(drop)), "table-wins");
}

#[tokio::test]
async fn the_team_says_of_each_where_it_comes_from_and_what_may_be_done() {
    let house = house().await;
    house.add("own", "owner").await;
    house.invite("mona", "new", "member").await.expect("invited");
    house.change("adam", "lea", &to("seller")).await.expect("adjustable");
    let (app, acme) = (app(), CustomerId::parse("acme").expect("valid"));
    let team = as_somebody!(house, "adam", "acme", |hand| house.people.team(hand, &app, &acme)).expect("seen");
    let shown: Vec<String> = team
        .members
        .iter()
        .map(|member| {
            let source = match &member.source {
                Source::List { name, .. } => name.clone(),
                Source::Record => "record".to_owned(),
            };
            let state = match member.state {
                MemberState::Active => "active",
                MemberState::Invited(_) => "invited",
                _ => "other",
            };
            let may = [(member.may.change, "change"), (member.may.remove, "remove"), (member.may.resend, "resend")];
            let may: Vec<&str> = may.into_iter().filter_map(|(may, what)| may.then_some(what)).collect();
            format!("{} {} {source} {state} {}", member.email.masked(), member.role, may.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "a***@example.com admin contacts active ",
            "l***@example.com seller loose active change remove",
            "m***@example.com member contacts active ",
            "m***@example.com moderator contacts active ",
            "n***@example.com member record invited change remove resend",
            "o***@example.com owner contacts active ",
            "o***@example.com owner record active ",
        ]
    );
    assert_eq!(team.givable, [role("admin"), role("member"), role("moderator"), role("seller")]);
    let done = as_somebody!(house, "mia", "acme", |hand| house.people.team(hand, &app, &acme));
    assert_eq!(why(done.map(drop)), "no-right");
}

#[tokio::test]
async fn who_has_a_record_is_found_with_what_they_have() {
    let house = house().await;
    house.add("ivy", "moderator").await;
    house.invite("mona", "ivan", "member").await.expect("invited");
    assert_eq!(
        house.found("iv", Whose::Everybody, 9).await,
        (vec!["ivy".to_owned()], false),
        "nobody who has not come yet"
    );
    assert_eq!(house.found("ivy@example.com", Whose::Customers, 9).await.0, ["ivy"]);
    assert_eq!(house.found("iv", Whose::Customers, 9).await.0, ["ivan", "ivy"], "whom staff may preview");
    assert_eq!(house.found("ivan@example.com", Whose::Customers, 9).await.0, ["ivan"]);
    assert_eq!(house.found("VY", Whose::Customers, 9).await.0, ["ivy"]);
    let (some, is_cut) = house.found("m", Whose::Customers, 2).await;
    assert!(some.len() == 2 && is_cut, "{some:?}");
}

#[tokio::test]
async fn nobody_is_found_with_what_a_record_takes_away() {
    let house = house().await;
    let acme = CustomerId::parse("acme").expect("valid");
    // By a text that their record does not hold.
    assert!(house.found("acme", Whose::Customer(&acme), 99).await.0.contains(&"lea".to_owned()));
    let suspended = Edits { suspended: Edit::Set(true), ..Edits::default() };
    house.change("adam", "lea", &suspended).await.expect("suspended");
    assert!(!house.found("acme", Whose::Customer(&acme), 99).await.0.contains(&"lea".to_owned()));
}

#[tokio::test]
async fn many_are_invited_with_a_report() {
    let house = house().await;
    let line = |address: &str, name: &str| Line { address: address.to_owned(), details: details(name) };
    let lines = [
        line("one@example.com", "member"),
        line("ONE@example.com", "member"),
        line("nobody", "member"),
        line("mia@example.com", "member"),
        line("two@example.com", "owner"),
        line("three@example.com", "seller"),
    ];
    let (app, acme) = (app(), CustomerId::parse("acme").expect("valid"));
    let expected = ["done", "known", "bad-address", "named-by-a-list", "above-own-role", "done"];
    for tried_only in [true, false] {
        let report =
            as_somebody!(house, "adam", "acme", |hand| house.people.import(hand, (&app, &acme), &lines, tried_only));
        let outcomes: Vec<&str> =
            report.iter().map(|line| line.done.as_ref().map_or_else(|why| why.name(), |_| "done")).collect();
        assert_eq!(outcomes, expected);
        let filter = RecordFilter { most: 9, ..RecordFilter::default() };
        assert_eq!(house.people.records(filter).await.expect("read").len(), if tried_only { 0 } else { 2 });
    }
    let record =
        house.people.records(RecordFilter { most: 1, ..RecordFilter::default() }).await.expect("read").remove(0);
    assert!(matches!(record.state, RecordState::Invited { .. }));
    assert!(matches!(house.invite("adam", "one", "member").await, Err(Refused::Known)));
    assert!(matches!(
        house.change("adam", "one", &Edits { version: Some(9), ..to("seller") }).await,
        Err(Refused::Stale)
    ));
}
