//! Sessions over a real store, with a table and a provider that do as a test says.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::super::metrics::Metrics;
use super::super::ports::{Known, LinkTokens, Pigeonhole, Rechecked};
use super::super::usage;
use super::*;
use crate::policy::Origin;
use crate::session::Proof;
use crate::store::{self, SqliteStore};
use crate::types::{DisplayName, HostName, ProviderName, RoleName, Secret};

#[path = "sessions_others_tests.rs"]
mod others;

/// People come by mail, or from google. Where a time zone is said, the day ends an hour after these tests begin.
const CONFIG: &str = r#"
[server]
https = "127.0.0.1:0"
data = "data"
[tls]
local_ca = true
[mail]
smtp = "smtp://127.0.0.1:25"
from = "login@example.com"
[login.oidc.google]
issuer = "https://google.example"
client_id = "us"
recheck = "10m"
[source.crm]
url = "csv:people.csv"
[app.orders]
domains = ["orders.example"]
upstream = "http://127.0.0.1:1"
login = ["email", "google"]
[[app.orders.customers]]
source = "crm"
email = "email"
[app.reports]
domains = ["reports.example"]
upstream = "http://127.0.0.1:1"
time_zone = "Pacific/Gambier"
[[app.reports.customers]]
source = "crm"
email = "email"
# In this app people see one day back.
[app.dated]
domains = ["dated.example"]
upstream = "http://127.0.0.1:1"
time_zone = "Pacific/Gambier"
[[app.dated.customers]]
source = "crm"
email = "email"
"#;

/// When a link has to be re-checked.
const DUE: i64 = 600;

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

fn snapshot(text: &str) -> Snapshot {
    Snapshot::new(&crate::config::parse(Path::new("vestibule.toml"), text, &|_| None).expect("a good config"))
}

fn google() -> ProviderName {
    ProviderName::parse("google").expect("valid")
}

fn email(text: &str) -> Email {
    Email::parse(text).expect("valid")
}

/// The table: who is in it, and that what it says is good for a second, or in some apps for longer.
#[derive(Default)]
struct Table {
    removed: Mutex<HashSet<Email>>,
    now: Mutex<Timestamp>,
    /// Whether there is a list besides that cannot be asked.
    is_missing_one: AtomicBool,
    /// The customer that people are of; the workspace, when nothing.
    customer: Mutex<Option<CustomerId>>,
    epoch: AtomicU64,
}

#[async_trait]
impl Directory for Table {
    async fn known(&self, app: &AppName, email: &Email) -> Result<Arc<Known>, Unavailable> {
        let is_there = !self.removed.lock().expect("not poisoned").contains(email);
        let is_dated = app.as_str() == "dated";
        let customer = self.customer.lock().expect("not poisoned").clone();
        let grant = Grant {
            app: app.clone(),
            email: email.clone(),
            name: DisplayName::new("Ann"),
            customer: customer.map(|id| crate::policy::Customer { id, name: None }),
            role: RoleName::parse("user").expect("valid"),
            days_back: is_dated.then_some(1),
            language: None,
            notes: None,
            attributes: std::collections::BTreeMap::new(),
            origin: Origin::Workspace,
            row: Arc::default(),
        };
        let seconds = if is_dated || app.as_str() == "reports" { 7200 } else { 1 };
        let fresh_until = *self.now.lock().expect("not poisoned") + Duration::from_secs(seconds);
        let is_missing_one = self.is_missing_one.load(Ordering::SeqCst);
        let missing =
            is_missing_one.then(|| Unavailable { source_name: "more".to_owned(), cause: "it is down".to_owned() });
        let grants = is_there.then(|| Arc::new(grant)).into_iter().collect();
        Ok(Arc::new(Known { missing, ..Known::of(grants, fresh_until) }))
    }

    async fn invited(&self, _: &AppName, _: &Email) -> Result<Vec<Arc<Grant>>, Unavailable> {
        Ok(Vec::new())
    }

    fn epoch(&self, _: &AppName, _: Pigeonhole) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    fn is_available(&self, _: &AppName) -> bool {
        true
    }
}

/// The provider: what it says, how often it was asked, and a gate before its answers.
struct Provider {
    says: Mutex<HashMap<String, Rechecked>>,
    asked: AtomicUsize,
    gate: Semaphore,
    store: Arc<SqliteStore>,
}

#[async_trait]
impl Providers for Provider {
    async fn recheck(&self, session: SessionId, link: &Link) -> Rechecked {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        drop(self.gate.acquire().await.expect("open"));
        let said = self.says.lock().expect("not poisoned").get(&link.subject).cloned();
        if let Some(said) = said {
            return said;
        }
        // As the real one does: what came of it is stored before anybody hears of it.
        let link = Link { next_check: Some(after(2 * DUE)), ..link.clone() };
        let tokens = tokens(number);
        match self.store.renew_link(session, &link, &tokens).await.expect("the store works") {
            true => Rechecked::Good(link),
            false => Rechecked::Ended,
        }
    }

    fn end_session_url(&self, tokens: &LinkTokens, return_to: &str, state: Option<&str>) -> Option<String> {
        let state = state.unwrap_or_default();
        Some(format!("https://google.example/out?hint={}&to={return_to}&state={state}", tokens.id_token.expose()))
    }
}

fn tokens(number: usize) -> LinkTokens {
    LinkTokens {
        provider: google(),
        id_token: Secret::new(format!("id-{number}")),
        refresh_token: Some(Secret::new(format!("refresh-{number}"))),
    }
}

struct House {
    sessions: Arc<Sessions>,
    store: Arc<SqliteStore>,
    table: Arc<Table>,
    provider: Arc<Provider>,
    current: Arc<Current>,
    folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(store::open(folder.path()).await.expect("a store"));
        let current: Arc<Current> = Arc::new(Current::new(snapshot(CONFIG)));
        let table = Arc::new(Table::default());
        let provider = Arc::new(Provider {
            says: Mutex::default(),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            store: Arc::clone(&store),
        });
        let sessions = Sessions::new(
            Arc::clone(&current),
            Arc::clone(&store) as _,
            Arc::clone(&table) as _,
            Arc::clone(&provider) as _,
            Journal::unkept(&Arc::new(Metrics::new())),
        );
        let usage =
            Usage::new(Arc::clone(&current), Arc::clone(&store) as _, crate::state::clock::Clock, &usage::new_key());
        let sessions = Arc::new(sessions.counting(Arc::new(usage)));
        let house = Self { sessions, store, table, provider, current, folder };
        house.at(0);
        house
    }

    /// It is so late.
    fn at(&self, seconds: i64) -> Timestamp {
        *self.table.now.lock().expect("not poisoned") = after(seconds);
        after(seconds)
    }

    fn site(&self, host: &str) -> Arc<Site> {
        Arc::clone(self.current.load().site(&HostName::parse(host).expect("valid")).expect("a domain"))
    }

    /// Opens a session of somebody who came from google.
    async fn enter(&self, number: u8, address: &str, host: &str) -> Token {
        let token = Token::new([number; 32]);
        let subject = address.split('@').next().expect("an address").to_owned();
        let link = Link {
            provider: google(),
            issuer: "https://google.example".to_owned(),
            subject,
            sid: Some(format!("sid-{number}")),
            groups: Vec::new(),
            next_check: Some(after(DUE)),
        };
        let way = Way::Oidc(google());
        self.open(&token, address, host, vec![Proof::now(way, after(0))], vec![link], Some(tokens(0))).await;
        token
    }

    /// Opens a session of somebody who came by mail.
    async fn enter_by_mail(&self, number: u8, address: &str, host: &str) -> Token {
        let token = Token::new([number; 32]);
        self.open(&token, address, host, vec![Proof::now(Way::Email, after(0))], Vec::new(), None).await;
        token
    }

    async fn open(
        &self,
        token: &Token,
        address: &str,
        host: &str,
        proofs: Vec<Proof>,
        links: Vec<Link>,
        tokens: Option<LinkTokens>,
    ) {
        let session = SessionRecord {
            id: token.hash(),
            app: self.site(host).app.name.clone(),
            host: HostName::parse(host).expect("valid"),
            email: email(address),
            customer: None,
            created: after(0),
            last_used: after(0),
            device: String::new(),
            proofs,
            links,
            preview: None,
        };
        let opening = Opening { session, replaces: Replaces::Nothing, tokens };
        assert!(self.store.open_session(&opening).await.expect("stored"));
    }

    /// What a request with this cookie finds.
    async fn live(&self, token: &Token, host: &str, seconds: i64) -> Result<Option<Arc<Live>>, Trouble> {
        let now = self.at(seconds);
        self.sessions.live(token, &self.site(host), now).await
    }

    /// The same, of one that is to be good.
    async fn good(&self, token: &Token, host: &str, seconds: i64) -> Arc<Live> {
        self.live(token, host, seconds).await.expect("an answer").expect("a session")
    }

    /// A request on its way upstream.
    async fn request(&self, token: &Token, host: &str) -> OpenRequest {
        self.sessions.enter(&*self.good(token, host, 0).await)
    }

    /// Looks at the requests under way, and waits for nobody.
    async fn look(&self, looks: &Looks, seconds: i64) {
        self.sessions.look(self.at(seconds), looks).await;
    }

    fn asked(&self) -> usize {
        self.provider.asked.load(Ordering::SeqCst)
    }

    fn says(&self, subject: &str, said: Rechecked) {
        self.provider.says.lock().expect("not poisoned").insert(subject.to_owned(), said);
    }

    /// The provider answers nobody until it is told to.
    fn close_gate(&self) {
        assert!(self.provider.gate.forget_permits(Semaphore::MAX_PERMITS) > 0);
    }

    fn open_gate(&self) {
        self.provider.gate.add_permits(1000);
    }
}

async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !probe().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn ends(what: &str, request: &OpenRequest) {
    let ended = tokio::time::timeout(Duration::from_secs(20), request.ended().cancelled()).await;
    ended.unwrap_or_else(|_| panic!("{what}: a request goes on"));
}

#[tokio::test]
async fn attack_25_ten_requests_at_once_ask_the_provider_once() {
    let house = House::new().await;
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    house.good(&ann, "orders.example", 0).await;
    assert_eq!(house.asked(), 0, "it is not time yet");
    house.close_gate();
    let requests = (0..10).map(|_| house.good(&ann, "orders.example", DUE));
    let answers = futures_util::future::join_all(requests);
    let open = async {
        eventually("the provider is asked", async || house.asked() > 0).await;
        house.open_gate();
    };
    let (answers, ()) = tokio::join!(answers, open);
    assert_eq!(answers.len(), 10);
    assert_eq!(house.asked(), 1);
    // The table looks anew every second; the provider is asked again when that is due, and not before.
    house.good(&ann, "orders.example", DUE + 5).await;
    house.good(&ann, "orders.example", 2 * DUE - 1).await;
    assert_eq!(house.asked(), 1);
    house.good(&ann, "orders.example", 2 * DUE).await;
    assert_eq!(house.asked(), 2);
}

#[tokio::test]
async fn attack_25_a_request_that_goes_away_loses_no_answer() {
    let house = Arc::new(House::new().await);
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    house.close_gate();
    let asking = tokio::spawn({
        let (house, ann) = (Arc::clone(&house), ann.clone());
        async move { house.live(&ann, "orders.example", DUE).await.map(|live| live.is_some()) }
    });
    eventually("the provider is asked", async || house.asked() == 1).await;
    asking.abort();
    assert!(asking.await.expect_err("aborted").is_cancelled());
    house.open_gate();
    eventually("its answer is stored", async || {
        house.store.link_tokens(ann.hash(), &google()).await.expect("read") == Some(tokens(1))
    })
    .await;
    house.good(&ann, "orders.example", DUE).await;
    assert_eq!(house.asked(), 1);
}

#[tokio::test]
async fn attack_25_an_answer_finds_a_session_that_was_given_a_new_id() {
    let house = Arc::new(House::new().await);
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    let before = house.good(&ann, "orders.example", 0).await;
    house.close_gate();
    let asking = tokio::spawn({
        let (house, ann) = (Arc::clone(&house), ann.clone());
        async move { house.live(&ann, "orders.example", DUE).await.map(|live| live.is_some()) }
    });
    eventually("the provider is asked", async || house.asked() == 1).await;
    let customer = CustomerId::parse("42").expect("valid");
    let new = house.sessions.switch(&before, customer, after(DUE)).await.expect("stored").expect("switched");
    house.open_gate();
    let old_goes_on = asking.await.expect("no panic").expect("an answer");
    assert!(!old_goes_on, "the old id is worth nothing");
    assert_eq!(house.store.link_tokens(new.hash(), &google()).await.expect("read"), Some(tokens(1)));
    house.good(&new, "orders.example", DUE).await;
    assert_eq!(house.asked(), 1, "what the provider said of the old id holds for the new one");
}

#[tokio::test]
async fn attack_25_a_provider_that_is_down_is_left_alone_for_a_moment_and_comes_back() {
    let house = House::new().await;
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    house.says("ann", Rechecked::Unavailable("it is down".to_owned()));
    for seconds in [0, 1, 4] {
        let trouble = house.live(&ann, "orders.example", DUE + seconds).await.expect_err("she has to wait");
        assert_eq!(trouble.name(), "provider-unavailable");
    }
    assert_eq!(house.asked(), 1);
    house.live(&ann, "orders.example", DUE + 5).await.expect_err("still");
    assert_eq!(house.asked(), 2);
    house.provider.says.lock().expect("not poisoned").clear();
    house.good(&ann, "orders.example", DUE + 10).await;
    assert_eq!(house.asked(), 3);
}

#[tokio::test]
async fn attack_25_a_session_that_may_go_on_without_its_provider_does_not_ask_again_and_again() {
    let house = House::new().await;
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    house.says("ann", Rechecked::Later(after(DUE + 60)));
    for seconds in [0, 2, 30, 59] {
        house.good(&ann, "orders.example", DUE + seconds).await;
    }
    assert_eq!(house.asked(), 1);
    house.says("ann", Rechecked::Ended);
    assert!(house.live(&ann, "orders.example", DUE + 60).await.expect("an answer").is_none());
    assert_eq!(house.asked(), 2);
}

#[tokio::test]
async fn attack_21_a_person_whom_the_provider_no_longer_knows_is_out() {
    let house = House::new().await;
    let (ann, bob) = (
        house.enter(1, "ann@example.com", "orders.example").await,
        house.enter(2, "bob@example.com", "orders.example").await,
    );
    let (anns, bobs) = (house.request(&ann, "orders.example").await, house.request(&bob, "orders.example").await);
    house.says("ann", Rechecked::Ended);
    assert!(house.live(&ann, "orders.example", DUE).await.expect("an answer").is_none());
    ends("ann's", &anns).await;
    assert_eq!(house.store.session(ann.hash()).await.expect("read"), None);
    house.good(&bob, "orders.example", DUE).await;
    assert!(!bobs.ended().is_cancelled());
}

#[tokio::test]
async fn attack_21_nobody_needs_to_ask_for_an_open_request_to_end() {
    for (case, said, goes_on) in [
        ("still there", None, true),
        ("gone", Some(Rechecked::Ended), false),
        ("unavailable", Some(Rechecked::Unavailable("it is down".to_owned())), false),
        ("to be asked later", Some(Rechecked::Later(after(DUE + 60))), true),
    ] {
        let house = House::new().await;
        let ann = house.enter(1, "ann@example.com", "orders.example").await;
        let request = house.request(&ann, "orders.example").await;
        let looks = Looks::default();
        house.look(&looks, DUE - 1).await;
        eventually("nobody is looked at any more", async || looks.count() == 0).await;
        assert_eq!((house.asked(), request.ended().is_cancelled()), (0, false), "{case}: it is not time yet");
        if let Some(said) = said {
            house.says("ann", said);
        }
        house.look(&looks, DUE).await;
        match goes_on {
            true => eventually(case, async || looks.count() == 0).await,
            false => ends(case, &request).await,
        }
        assert_eq!((house.asked(), request.ended().is_cancelled()), (1, !goes_on), "{case}");
    }
}

#[tokio::test]
async fn attack_25_a_slow_provider_keeps_nobody_elses_end_waiting() {
    let house = House::new().await;
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    let bob = house.enter_by_mail(2, "bob@example.com", "orders.example").await;
    let (anns, bobs) = (house.request(&ann, "orders.example").await, house.request(&bob, "orders.example").await);
    house.close_gate();
    let looks = Looks::default();
    house.look(&looks, DUE).await;
    eventually("ann's look waits alone", async || (house.asked(), looks.count()) == (1, 1)).await;
    house.table.removed.lock().expect("not poisoned").insert(email("bob@example.com"));
    house.look(&looks, DUE + 2).await;
    ends("bob's", &bobs).await;
    assert_eq!((house.asked(), anns.ended().is_cancelled()), (1, false), "one look at a time");
    house.open_gate();
    eventually("ann is looked at", async || looks.count() == 0).await;
    assert!(!anns.ended().is_cancelled());
}

#[tokio::test]
async fn attack_21_a_way_that_is_no_longer_allowed_ends_what_came_by_it_alone() {
    let house = House::new().await;
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    let bob = house.enter_by_mail(2, "bob@example.com", "orders.example").await;
    let (anns, bobs) = (house.request(&ann, "orders.example").await, house.request(&bob, "orders.example").await);
    house.current.update(|_| snapshot(&CONFIG.replace("login = [\"email\", \"google\"]", "")));
    // No time has passed: what was compiled from the old config is not used.
    house.look(&Looks::default(), 0).await;
    ends("ann's", &anns).await;
    assert!(house.live(&ann, "orders.example", 0).await.expect("an answer").is_none());
    house.good(&bob, "orders.example", 0).await;
    assert!(!bobs.ended().is_cancelled());
}

#[tokio::test]
async fn attack_21_log_out_everywhere_reaches_every_app_at_once() {
    let house = House::new().await;
    let here = house.enter(1, "ann@example.com", "orders.example").await;
    let phone = house.enter_by_mail(2, "ann@example.com", "orders.example").await;
    let there = house.enter_by_mail(3, "ann@example.com", "reports.example").await;
    let bob = house.enter_by_mail(4, "bob@example.com", "reports.example").await;
    let open = [
        house.request(&here, "orders.example").await,
        house.request(&phone, "orders.example").await,
        house.request(&there, "reports.example").await,
    ];
    let bobs = house.request(&bob, "reports.example").await;
    let site = house.site("orders.example");
    let gone = house.sessions.log_out(&here, &site, Reach::Everywhere, after(1)).await.expect("ended").expect("it was");
    assert_eq!(gone.record.email, email("ann@example.com"));
    for request in &open {
        assert!(request.ended().is_cancelled());
    }
    assert!(!bobs.ended().is_cancelled());
    for (token, host) in [(&here, "orders.example"), (&phone, "orders.example"), (&there, "reports.example")] {
        assert!(house.live(token, host, 1).await.expect("an answer").is_none(), "{host}");
    }
    house.good(&bob, "reports.example", 1).await;
}

#[tokio::test]
async fn attack_21_a_cookie_carried_elsewhere_logs_nobody_else_out() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "orders.example").await;
    let other = house.enter_by_mail(2, "ann@example.com", "orders.example").await;
    let reports = house.site("reports.example");
    let gone = house.sessions.log_out(&ann, &reports, Reach::Everywhere, after(1)).await.expect("ended");
    assert!(gone.is_none());
    house.good(&other, "orders.example", 1).await;
}

#[tokio::test]
async fn attack_25_whoever_cannot_be_rechecked_can_still_log_out() {
    let house = House::new().await;
    let ann = house.enter(1, "ann@example.com", "orders.example").await;
    let site = house.site("orders.example");
    house.says("ann", Rechecked::Unavailable("it is down".to_owned()));
    house.live(&ann, "orders.example", DUE).await.expect_err("she has to wait");
    let gone = house.sessions.log_out(&ann, &site, Reach::Here, after(DUE)).await.expect("ended").expect("it was");
    assert_eq!(house.store.session(ann.hash()).await.expect("read"), None);
    let url = house.sessions.end_session_url(&gone, "https://orders.example/.access/logged-out", Some("s"));
    let expected = "https://google.example/out?hint=id-0&to=https://orders.example/.access/logged-out&state=s";
    assert_eq!(url.as_deref(), Some(expected), "its tokens were read before they went");
}

#[tokio::test]
async fn attack_24_a_providers_log_out_ends_requests_in_every_app() {
    let house = House::new().await;
    let here = house.enter(1, "ann@example.com", "orders.example").await;
    let elsewhere = house.enter(2, "ann@example.com", "orders.example").await;
    let open = [house.request(&here, "orders.example").await, house.request(&elsewhere, "orders.example").await];
    let farewell = |token: &str, sid: Option<&str>| Farewell {
        issuer: "https://google.example".to_owned(),
        subject: Some("ann".to_owned()),
        sid: sid.map(str::to_owned),
        token: crate::session::TokenHash::of(&[token]),
        at: after(1),
        until: after(300),
    };
    let ended = house.sessions.end_linked(&farewell("one", Some("sid-2"))).await.expect("ended");
    assert_eq!((ended, open[0].ended().is_cancelled(), open[1].ended().is_cancelled()), (Some(1), false, true));
    assert_eq!(house.sessions.end_linked(&farewell("one", None)).await.expect("answered"), None, "used before");
    assert!(!open[0].ended().is_cancelled());
    assert_eq!(house.sessions.end_linked(&farewell("two", None)).await.expect("ended"), Some(1));
    assert!(open[0].ended().is_cancelled());
    assert!(house.live(&here, "orders.example", 1).await.expect("an answer").is_none());
}

#[tokio::test]
async fn attack_26_what_days_back_give_ends_at_midnight_of_the_apps_time_zone() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "dated.example").await;
    const MIDNIGHT: i64 = 3600;
    let since = |live: &Live| live.access().expect("access").since().expect("a day").to_string();
    let before = house.good(&ann, "dated.example", MIDNIGHT - 30).await;
    assert_eq!(since(&before), "2027-01-13");
    let still = house.good(&ann, "dated.example", MIDNIGHT - 1).await;
    assert!(Arc::ptr_eq(&before, &still), "it was compiled twice on one day");
    // The table's word is good for longer, and so is a look at the session.
    let next = house.good(&ann, "dated.example", MIDNIGHT).await;
    assert_eq!(since(&next), "2027-01-14");
    let header = next.access().expect("access").headers().iter().find(|(name, _)| name == "x-access-since");
    assert_eq!(header.map(|(_, value)| value.as_bytes()), Some(&b"2027-01-14"[..]));
}

#[tokio::test]
async fn attack_22_who_is_somebody_by_a_list_that_is_down_is_not_told_to_be_nobody() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "orders.example").await;
    house.good(&ann, "orders.example", 0).await;
    house.table.removed.lock().expect("not poisoned").insert(email("ann@example.com"));
    house.table.is_missing_one.store(true, Ordering::SeqCst);
    let trouble = house.live(&ann, "orders.example", 2).await.expect_err("nobody knows");
    assert_eq!(trouble.name(), "source-unavailable");
    let site = house.site("orders.example");
    house.sessions.may_enter(&site, &email("ann@example.com"), &[]).await.expect_err("nobody knows");
    // Whom another list lets in comes in.
    assert!(house.sessions.may_enter(&site, &email("bob@example.com"), &[]).await.expect("known"));
    // When the list is back, it is the same session.
    house.table.removed.lock().expect("not poisoned").clear();
    house.table.is_missing_one.store(false, Ordering::SeqCst);
    house.good(&ann, "orders.example", 4).await;
}

#[tokio::test]
async fn attack_23_an_access_counts_only_under_the_config_and_the_tables_it_was_compiled_from() {
    let house = House::new().await;
    let ann = house.enter_by_mail(1, "ann@example.com", "dated.example").await;
    let since = |live: &Live| live.access().expect("access").since().expect("a day").to_string();
    let first = house.good(&ann, "dated.example", 0).await;
    assert_eq!(since(&first), "2027-01-13");
    assert!(Arc::ptr_eq(&first, &house.good(&ann, "dated.example", 0).await), "it is kept");
    // Another config, in the same second.
    house.current.update(|_| snapshot(&CONFIG.replace("Pacific/Gambier", "UTC")));
    let second = house.good(&ann, "dated.example", 0).await;
    assert_eq!(since(&second), "2027-01-14");
    // Other tables, in the same second.
    house.table.removed.lock().expect("not poisoned").insert(email("ann@example.com"));
    assert!(Arc::ptr_eq(&second, &house.good(&ann, "dated.example", 0).await), "it is kept");
    house.table.epoch.fetch_add(1, Ordering::SeqCst);
    let third = house.good(&ann, "dated.example", 0).await;
    assert!(third.access().is_none(), "she is in no table any more");
}

#[tokio::test]
async fn attack_29_a_session_of_the_last_owner_does_not_enter_for_the_next() {
    let house = House::new().await;
    let customer = |id: &str| Some(CustomerId::parse(id).expect("an id"));
    *house.table.customer.lock().expect("not poisoned") = customer("1");
    let of_app = house.site("dated.example");
    let host = HostName::parse("shop.example").expect("a host");
    let domain =
        |id: &str| crate::config::Domain { host: host.clone(), customer: customer(id), ..of_app.domain.clone() };
    let pin = |id: &str| house.current.update(|old| old.with_domains([(&of_app.app.name, domain(id))]));
    pin("1");
    let ann = house.enter_by_mail(1, "ann@example.com", "shop.example").await;
    let before = house.site("shop.example");
    let request = house.request(&ann, "shop.example").await;
    // In between it is nobody's, and what is under way there ends.
    house.current.update(|old| old.with_domains([]));
    house.look(&Looks::default(), 0).await;
    ended(&request).await;
    pin("2");
    let live = house.good(&ann, "shop.example", 1).await;
    assert!(live.access().is_none(), "what she may do was known for customer 1: {:?}", live.standing);
    // A request that began before asks at the same time with the domain as it was: each gets the answer for its own.
    let (old, new) = tokio::join!(house.sessions.live(&ann, &before, after(1)), house.live(&ann, "shop.example", 1),);
    assert!(new.is_err() || new.is_ok_and(|live| live.is_some_and(|live| live.access().is_none())));
    drop(old);
    pin("1");
    assert!(house.good(&ann, "shop.example", 2).await.access().is_some());
}

async fn ended(request: &OpenRequest) {
    tokio::time::timeout(Duration::from_secs(10), request.ended().cancelled()).await.expect("it ends");
}
