//! Who is asked for which certificate, how often, and what is kept of the answer.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, MutexGuard};

use tokio::task::JoinSet;

use super::super::tests::certificate;
use super::*;
use crate::config;
use crate::state::snapshot::Snapshot;

/// A place with certificates, which counts who asks and lets nobody pass while its gate is shut.
struct Shelf {
    certificates: Mutex<HashMap<CertificateName, (String, i64, i64)>>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    fails: AtomicBool,
    gate: Semaphore,
}

impl Shelf {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            certificates: Mutex::default(),
            asked: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            fails: AtomicBool::new(false),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    fn certificates(&self) -> MutexGuard<'_, HashMap<CertificateName, (String, i64, i64)>> {
        self.certificates.lock().expect("no test panics with it")
    }

    /// Puts a certificate there that is valid for so many hours from now.
    fn put(&self, name: &str, origin: &str, from: i64, to: i64) {
        let (now, name) = (Clock.now().as_second(), CertificateName::parse(name).expect("a name"));
        self.certificates().insert(name, (origin.to_owned(), now + from * 3600, now + to * 3600));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn until_asked(&self, times: usize) {
        while self.asked() < times {
            tokio::task::yield_now().await;
        }
    }

    fn shut(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }
}

#[async_trait]
impl CertificateSource for Shelf {
    async fn fetch(&self, name: &CertificateName) -> Result<Option<Certificate>, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        // What it sees is what was there when it began, as a slow disk's answer may be.
        let found = self.certificates().get(name).cloned();
        let passed = self.gate.acquire().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        drop(passed.expect("the gate is never closed"));
        if self.fails.load(Ordering::SeqCst) {
            return Err(FetchError("the disk is gone".to_owned()));
        }
        Ok(found.map(|(origin, from, to)| certificate(&origin, &[&name.to_string()], from, to)))
    }
}

/// A gateway with these domains.
fn current(domains: &str) -> Arc<Current> {
    Arc::new(Current::new(snapshot(domains)))
}

fn snapshot(domains: &str) -> Snapshot {
    let domains = domains.split(' ').collect::<Vec<_>>();
    let text = format!(
        "[server]\nhttps = '127.0.0.1:0'\ndata = 'd'\n[tls]\nlocal_ca = true\n[mail]\nsmtp = 'smtp://127.0.0.1:25'\n\
         from = 'a@b.test'\n[source.s]\nurl = 'csv:s.csv'\n[app.a]\ndomains = {domains:?}\nupstream = 'http://127.0.0.1:1'\n\
         [[app.a.customers]]\nsource = 's'\nemail = 'email'\n"
    );
    Snapshot::new(&config::parse(Path::new("t.toml"), &text, &|_| None).expect("a config"))
}

/// Certificates of a gateway with these domains, from one shelf.
fn from_store(domains: &str, most: usize) -> (Arc<Certificates>, Arc<Shelf>) {
    let certificates = Arc::new(Certificates::new(Clock, current(domains), most));
    let shelf = Shelf::new();
    certificates.fetch_from(Sources { store: Some(Arc::clone(&shelf) as _), ..Sources::default() });
    (certificates, shelf)
}

async fn served(certificates: &Certificates, name: &str) -> String {
    certificates.serve(name).await.map_or_else(|| "none".to_owned(), |certificate| certificate.origin.clone())
}

fn name(text: &str) -> CertificateName {
    CertificateName::parse(text).expect("a name")
}

#[tokio::test]
async fn attack_29_names_that_are_not_ours_ask_nobody_and_leave_nothing() {
    let (certificates, shelf) = from_store("a.test", 100);
    for number in 0..10_000 {
        assert_eq!(served(&certificates, &format!("n{number}.a.test")).await, "none");
    }
    for odd in ["", ".", "a..test", "*.test", "a.test.evil", "127.0.0.1", "a_b.test", "xn--.test"] {
        assert_eq!(served(&certificates, odd).await, "none", "{odd}");
    }
    certificates.known.run_pending_tasks().await;
    let counts = certificates.counts();
    assert_eq!((shelf.asked(), counts.held, counts.misses), (0, 0, 0));
    assert!(counts.unknown >= 10_000);
}

#[tokio::test]
async fn a_certificate_is_fetched_once_for_all_who_wait_and_then_kept() {
    let (certificates, shelf) = from_store("a.test", 100);
    shelf.put("a.test", "stored", -1, 1);
    shelf.shut();
    let mut waiting = JoinSet::new();
    for spelling in ["a.test", "A.Test", "a.test."].into_iter().cycle().take(60) {
        let certificates = Arc::clone(&certificates);
        waiting.spawn(async move { served(&certificates, spelling).await });
    }
    shelf.until_asked(1).await;
    shelf.open();
    while let Some(origin) = waiting.join_next().await {
        assert_eq!(origin.expect("no panic"), "stored");
    }
    assert_eq!(served(&certificates, "a.test").await, "stored");
    assert_eq!(shelf.asked(), 1);
}

#[tokio::test]
async fn a_handshake_that_is_given_up_takes_nobody_with_it() {
    let (certificates, shelf) = from_store("a.test", 100);
    shelf.put("a.test", "stored", -1, 1);
    shelf.shut();
    let ask = || {
        let certificates = Arc::clone(&certificates);
        tokio::spawn(async move { served(&certificates, "a.test").await })
    };
    let first = ask();
    shelf.until_asked(1).await;
    let second = ask();
    tokio::task::yield_now().await;
    first.abort();
    shelf.until_asked(2).await;
    shelf.open();
    assert_eq!(second.await.expect("no panic"), "stored");
}

#[tokio::test]
async fn a_renewed_certificate_is_served_from_the_next_handshake_on() {
    let (certificates, shelf) = from_store("a.test", 100);
    shelf.put("a.test", "first", -2, 1);
    assert_eq!(served(&certificates, "a.test").await, "first");
    shelf.put("a.test", "second", -1, 2);
    assert_eq!(served(&certificates, "a.test").await, "first", "nobody told it");
    certificates.renewed(&name("a.test")).await;
    assert_eq!(served(&certificates, "a.test").await, "second");

    // One that was being read when it was replaced.
    certificates.renewed(&name("a.test")).await;
    shelf.shut();
    let asked = shelf.asked();
    let slow = Arc::clone(&certificates);
    let slow = tokio::spawn(async move { served(&slow, "a.test").await });
    shelf.until_asked(asked + 1).await;
    shelf.put("a.test", "third", -1, 2);
    certificates.renewed(&name("a.test")).await;
    shelf.open();
    assert_eq!(slow.await.expect("no panic"), "third");
    assert_eq!(served(&certificates, "a.test").await, "third");
}

#[tokio::test]
async fn hosts_of_a_wildcard_share_it_and_hear_of_the_next() {
    let (certificates, shelf) = from_store("a.w.test b.w.test c.x.w.test w.test", 100);
    shelf.put("*.w.test", "wild", -1, 1);
    let (a, b) = (certificates.serve("a.w.test").await, certificates.serve("b.w.test").await);
    assert!(Arc::ptr_eq(&a.expect("the wildcard"), &b.expect("the wildcard")));
    assert_eq!(served(&certificates, "c.x.w.test").await, "none");
    assert_eq!(served(&certificates, "w.test").await, "none");
    let asked = shelf.asked();
    for host in ["a.w.test", "b.w.test"] {
        assert_eq!(served(&certificates, host).await, "wild");
    }
    assert_eq!(shelf.asked(), asked);
    shelf.put("*.w.test", "wilder", -1, 1);
    certificates.renewed(&name("*.w.test")).await;
    assert_eq!(served(&certificates, "a.w.test").await, "wilder");
    shelf.put("b.w.test", "own", -1, 1);
    certificates.renewed(&name("b.w.test")).await;
    assert_eq!(served(&certificates, "b.w.test").await, "own");
    assert_eq!(served(&certificates, "a.w.test").await, "wilder");
}

#[tokio::test]
async fn a_lack_is_remembered_and_forgotten_when_a_certificate_arrives() {
    let (certificates, shelf) = from_store("a.test", 100);
    for _ in 0..20 {
        assert_eq!(served(&certificates, "a.test").await, "none");
    }
    // The name and its wildcard.
    assert_eq!(shelf.asked(), 2);
    let known = certificates.known.get(&name("a.test")).await.expect("remembered");
    assert_eq!(known.keep, NOTHING_FOR);
    shelf.put("a.test", "new", -1, 1);
    certificates.renewed(&name("a.test")).await;
    assert_eq!(served(&certificates, "a.test").await, "new");
}

#[tokio::test]
async fn what_is_valid_comes_before_what_has_ended_wherever_it_lies() {
    let check = async |folder: &[(&str, i64)], store: &[(&str, i64)], local: bool, expected: &str| {
        let certificates = Certificates::new(Clock, current("a.w.test"), 100);
        let now = Clock.now().as_second();
        let of_folder = folder.iter().map(|(name, to)| certificate("folder", &[name], 0, now + to * 3600));
        certificates.publish(CertificateSet::new(of_folder.collect()));
        let (shelf, ca) = (Shelf::new(), Shelf::new());
        for (name, to) in store {
            shelf.put(name, &format!("store {name}"), -100, *to);
        }
        ca.put("a.w.test", "local", -1, 1);
        let local_ca = local.then_some(ca as _);
        certificates.fetch_from(Sources { folder: None, store: Some(shelf), local_ca });
        assert_eq!(served(&certificates, "a.w.test").await, expected, "{folder:?} {store:?} {local}");
    };
    check(&[("a.w.test", 1)], &[("a.w.test", 1)], true, "folder").await;
    check(&[("*.w.test", 1)], &[("a.w.test", 1)], true, "folder").await;
    check(&[("a.w.test", -1)], &[("a.w.test", 1)], true, "store a.w.test").await;
    check(&[], &[("a.w.test", -1), ("*.w.test", 1)], true, "store *.w.test").await;
    check(&[("a.w.test", -1)], &[("a.w.test", -2)], true, "local").await;
    check(&[("a.w.test", -1)], &[("a.w.test", -2)], false, "folder").await;
    check(&[("a.w.test", -3)], &[("a.w.test", -2)], false, "store a.w.test").await;
    check(&[], &[("*.w.test", -2)], false, "store *.w.test").await;
    check(&[], &[], false, "none").await;
}

#[tokio::test]
async fn attack_29_a_store_that_fails_closes_what_it_should_have_and_nothing_else() {
    let (certificates, shelf) = from_store("a.test b.test", 100);
    shelf.put("a.test", "stored", -1, 1);
    shelf.put("b.test", "stored", -1, 1);
    assert_eq!(served(&certificates, "a.test").await, "stored");
    shelf.fails.store(true, Ordering::SeqCst);
    assert_eq!(served(&certificates, "a.test").await, "stored");
    assert_eq!(served(&certificates, "b.test").await, "none");
    assert_eq!(certificates.counts().failed, 1);
    shelf.fails.store(false, Ordering::SeqCst);
    assert_eq!(served(&certificates, "b.test").await, "stored", "a failure is not remembered");
}

#[tokio::test]
async fn attack_29_many_names_at_once_fetch_a_few_at_a_time_and_a_bounded_number_stays() {
    const MOST: usize = 20;
    let domains = (0..200).map(|number| format!("n{number}.test")).collect::<Vec<_>>();
    let (certificates, shelf) = from_store(&domains.join(" "), MOST);
    for domain in &domains {
        shelf.put(domain, domain, -1, 1);
    }
    shelf.shut();
    let mut waiting = JoinSet::new();
    for domain in domains {
        let certificates = Arc::clone(&certificates);
        waiting.spawn(async move { (served(&certificates, &domain).await, domain) });
    }
    shelf.until_asked(MOST_FETCHES).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(shelf.asked(), MOST_FETCHES);
    shelf.open();
    while let Some(one) = waiting.join_next().await {
        let (origin, domain) = one.expect("no panic");
        assert_eq!(origin, domain);
    }
    certificates.known.run_pending_tasks().await;
    assert!(certificates.counts().held <= MOST as u64, "{:?}", certificates.counts());
    assert!(shelf.most_at_once.load(Ordering::SeqCst) <= MOST_FETCHES);
}

#[tokio::test]
async fn attack_29_a_domain_that_left_is_not_served_from_memory() {
    let current = current("a.test");
    let certificates = Certificates::new(Clock, Arc::clone(&current), 100);
    let shelf = Shelf::new();
    shelf.put("a.test", "stored", -1, 1);
    certificates.fetch_from(Sources { store: Some(shelf), ..Sources::default() });
    assert_eq!(served(&certificates, "a.test").await, "stored");
    current.update(|_| snapshot("b.test"));
    assert_eq!(served(&certificates, "a.test").await, "none");
    current.update(|_| snapshot("a.test"));
    assert_eq!(served(&certificates, "a.test").await, "stored");
}

#[tokio::test]
async fn the_folder_says_for_which_hosts_nothing_has_to_be_ordered() {
    let certificates = Certificates::new(Clock, current("a.test"), 100);
    let now = Clock.now().as_second();
    certificates.publish(CertificateSet::new(vec![
        certificate("valid", &["a.test", "*.w.test"], 0, now + 3600),
        certificate("ended", &["old.test"], 0, now - 3600),
    ]));
    let shelf = Shelf::new();
    shelf.put("large.test", "by name", -1, 1);
    shelf.put("*.large.test", "by name", -1, 1);
    certificates.fetch_from(Sources { folder: Some(shelf), ..Sources::default() });
    for (host, expected) in [
        ("a.test", true),
        ("b.w.test", true),
        ("w.test", false),
        ("old.test", false),
        ("large.test", true),
        ("b.large.test", true),
        ("elsewhere.test", false),
    ] {
        let host = HostName::parse(host).expect("a host");
        assert_eq!(certificates.has_valid_from_folder(&host).await, expected, "{host}");
    }
}
