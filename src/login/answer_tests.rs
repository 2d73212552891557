//! Who is mailed when, and who waits without holding up others.

use std::path::Path;

use aws_lc_rs::hmac;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::config;
use crate::directory::TableDirectory;
use crate::login::oidc::RelyingParty;
use crate::session::{AttemptState, Seal, TokenHash};
use crate::state::audit::Journal;
use crate::state::known_browsers::KnownBrowsers;
use crate::state::metrics::Metrics;
use crate::state::people::{Parts, People};
use crate::state::ports::Store;
use crate::state::rate_limits::RateLimits;
use crate::state::sessions::Sessions;
use crate::state::snapshot::{Current, Snapshot};
use crate::store;
use crate::types::{Email, HostName, Language};

/// A log-in room with two apps over a real store; the table of `billing` is not there.
struct House {
    room: LoginRoom,
    queues: Queues,
    mailed: Notify,
    now: Timestamp,
    _folder: TempDir,
}

async fn house(login: &str) -> House {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("people.csv"), "email\nann@example.com\nbob@example.com\ncat@example.com\n")
        .expect("it is writable");
    let text = format!(
        "[server]\nhttps = \"127.0.0.1:0\"\ndata = \"data\"\n[tls]\nlocal_ca = true\n\
         [mail]\nsmtp = \"smtp://127.0.0.1:25\"\nfrom = \"login@example.com\"\n[login]\n{login}\n\
         [source.crm]\nurl = \"csv:people.csv\"\n[source.gone]\nurl = \"csv:gone.csv\"\n\
         [app.orders]\ndomains = [\"orders.test\"]\nupstream = \"http://127.0.0.1:1\"\n\
         [[app.orders.customers]]\nsource = \"crm\"\nemail = \"email\"\n\
         [app.shop]\ndomains = [\"shop.test\"]\nupstream = \"http://127.0.0.1:1\"\n\
         [[app.shop.customers]]\nsource = \"crm\"\nemail = \"email\"\n\
         [app.billing]\ndomains = [\"billing.test\"]\nupstream = \"http://127.0.0.1:1\"\n\
         [[app.billing.customers]]\nsource = \"gone\"\nemail = \"email\"\n"
    );
    let config =
        config::parse(&folder.path().join("v.toml"), &text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let clock = Clock;
    let metrics = Arc::new(Metrics::new());
    let sqlite =
        Arc::new(store::open(Path::new(&folder.path().join("data"))).await.unwrap_or_else(|error| panic!("{error}")));
    let journal = Arc::new(Journal::new(Arc::clone(&metrics), Arc::clone(&sqlite) as _));
    let records = Arc::clone(&sqlite) as _;
    let store: Arc<dyn Store> = sqlite;
    let directory = Arc::new(TableDirectory::open(&config, clock));
    directory.look().await;
    let current = Arc::new(Current::new(Snapshot::new(&config)));
    let people = Arc::new(People::new(Parts {
        current: Arc::clone(&current),
        tables: directory,
        store: records,
        journal: Arc::clone(&journal),
        mailed: Arc::default(),
        origin_of: Box::new(|host| format!("https://{host}")),
        clock,
    }));
    let providers = RelyingParty::new(&[], Arc::clone(&store), clock, Arc::clone(&metrics)).expect("none is wrong");
    let providers = Arc::new(providers);
    let sessions = Sessions::new(
        Arc::clone(&current),
        Arc::clone(&store),
        Arc::clone(&people) as _,
        Arc::clone(&providers) as _,
        Arc::clone(&journal),
    );
    let seal = Arc::new(Seal::new([1; 32]));
    let known = KnownBrowsers::new(Arc::clone(&seal));
    let limits = Arc::new(RateLimits::new(&config.login, known, Arc::clone(&metrics), Arc::clone(&journal)));
    let room = LoginRoom {
        current,
        store,
        people,
        sessions: Arc::new(sessions),
        limits,
        providers,
        code_key: hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]),
        seal,
        asked: Arc::new(Notify::new()),
        mailed: Arc::new(Notify::new()),
        metrics,
        journal,
    };
    House { room, queues: Queues::default(), mailed: Notify::new(), now: clock.now(), _folder: folder }
}

impl House {
    async fn ask(&self, app: &str, email: &str, asker: Asker, number: u16) -> AttemptId {
        let mut browser = [0; 32];
        browser[..2].copy_from_slice(&number.to_be_bytes());
        let attempt = Attempt {
            id: 0,
            app: AppName::parse(app).expect("valid"),
            host: HostName::parse(&format!("{app}.test")).expect("valid"),
            origin: format!("https://{app}.test"),
            email: Email::parse(email).expect("valid"),
            asker,
            to: "/".to_owned(),
            browser: TokenHash::from_bytes(&browser).expect("32 bytes"),
            created: self.now,
            expires: later(self.now, Duration::from_secs(900)),
            state: AttemptState::Asked,
            wrong_codes: 0,
            language: Language::English,
        };
        self.room.store.ask(&attempt).await.expect("stored")
    }

    /// One round of the worker; tells when it wants to look again.
    async fn round(&mut self) -> Option<Duration> {
        let now = self.now;
        self.room.answer_all(&mut self.queues, &self.mailed, &|| now).await.expect("the store works")
    }

    fn pass(&mut self, time: Duration) {
        self.now = later(self.now, time);
        self.room.limits.turn(time);
    }

    /// To whom mails are queued, oldest first.
    async fn mails(&self) -> Vec<String> {
        let due = self.room.store.mail_due(later(self.now, Duration::from_secs(1)), 1000, &[]).await.expect("read");
        due.into_iter().map(|mail| mail.mail.to).collect()
    }

    async fn waiting(&self, app: &str) -> usize {
        let app = AppName::parse(app).expect("valid");
        self.room.store.unanswered(&app, Asker::Stranger, AttemptId::MAX, 1000).await.expect("read").len()
    }

    fn counted(&self, limit: &str) -> u64 {
        self.room.metrics.limits_reached.with_label_values(&[limit, "ask"]).get()
    }
}

#[tokio::test]
async fn mails_beyond_the_apps_share_wait_and_go_out_newest_first() {
    let mut house = house("mails_per_app = 2").await;
    for (number, email) in ["ann@example.com", "bob@example.com", "cat@example.com"].into_iter().enumerate() {
        house.ask("orders", email, Asker::Stranger, number.try_into().expect("small")).await;
    }
    let wait = house.round().await.expect("one waits");
    assert!((1700..=1800).contains(&wait.as_secs()), "as long as there is none, nobody asks again: {wait:?}");
    assert_eq!(house.mails().await, ["cat@example.com", "bob@example.com"]);
    for _ in 0..50 {
        house.round().await;
    }
    assert_eq!((house.counted("mails_per_app"), house.waiting("orders").await), (1, 1));
    // It goes out by itself when its link still is of use, and not else.
    house.pass(Duration::from_secs(600));
    house.round().await;
    assert_eq!(house.mails().await.len(), 2);
    house.pass(Duration::from_secs(1201));
    house.ask("orders", "bob@example.com", Asker::Stranger, 9).await;
    assert_eq!(house.round().await, None);
    assert_eq!(house.waiting("orders").await, 0, "what is too old was answered without a mail");
    assert_eq!(house.mails().await.last().map(String::as_str), Some("bob@example.com"));
}

#[tokio::test]
async fn a_mail_that_waited_is_sent_when_the_share_refills() {
    let mut house = house("mails_per_app = 6").await;
    for number in 0..7 {
        house.ask("orders", "ann@example.com", Asker::Stranger, number).await;
    }
    house.round().await;
    assert_eq!((house.mails().await.len(), house.waiting("orders").await), (6, 1));
    house.pass(Duration::from_secs(601));
    assert_eq!(house.round().await, None);
    assert_eq!((house.mails().await.len(), house.waiting("orders").await), (7, 0));
}

#[tokio::test]
async fn who_waits_for_mail_or_table_holds_up_nobody_else() {
    let mut house = house("mails_per_app = 1").await;
    for number in 0..300 {
        house.ask("billing", "ann@example.com", Asker::Stranger, number).await;
        house.ask("orders", "ann@example.com", Asker::Stranger, 1000 + number).await;
    }
    house.ask("orders", "bob@example.com", Asker::Known, 2000).await;
    house.ask("shop", "cat@example.com", Asker::Stranger, 2001).await;
    let wait = house.round().await.expect("most wait");
    let mut mails = house.mails().await;
    mails.sort_unstable();
    assert_eq!(mails, ["ann@example.com", "bob@example.com", "cat@example.com"]);
    assert!(wait > Duration::ZERO && wait <= LOOK_AGAIN, "the table is asked again: {wait:?}");
    assert_eq!((house.waiting("billing").await, house.waiting("orders").await), (300, 299));
    // Somebody new at the app whose table is away is looked at at once, and the others are not.
    house.ask("billing", "nobody@example.com", Asker::Stranger, 2002).await;
    let key = (AppName::parse("billing").expect("valid"), Asker::Stranger);
    let before = house.queues.get(&key).copied();
    assert!(matches!(before, Some(Waits::ForTable(_, _))), "{before:?}");
    house.round().await;
    assert!(
        matches!((before, house.queues.get(&key)), (Some(Waits::ForTable(_, old)), Some(Waits::ForTable(_, new))) if *new > old)
    );
}

#[tokio::test]
async fn unknown_addresses_use_up_no_mail() {
    let mut house = house("mails_per_app = 1").await;
    house.ask("orders", "ann@example.com", Asker::Stranger, 0).await;
    for number in 1..1200 {
        house.ask("orders", &format!("x{number}@example.com"), Asker::Stranger, number).await;
    }
    // More than one turn: there is more to do at once.
    assert_eq!(house.round().await, Some(Duration::ZERO));
    while house.round().await.is_some() {}
    assert_eq!((house.mails().await, house.counted("mails_per_app")), (vec!["ann@example.com".to_owned()], 0));
}
