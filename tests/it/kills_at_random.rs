//! The power goes at random moments while people are invited, come, are changed and are notified. Whatever was acknowledged is so
//! afterwards, the audit log knows of it and is whole, and nobody is written to twice.
//!
//! The moments are drawn from a seed, which is printed: `VESTIBULE_SEED=… cargo test --test it kills_at_random` draws the same again. What the
//! gateway was doing at a moment is its own affair, so the same seed is the same story only roughly.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::audit_log::{exported, verified};
use crate::browser::{Answer, Browser};
use crate::house::{House, OPEN, eventually, plain_or_none};
use crate::mailbox::{Mail, Mailbox};

const ROUNDS: u32 = 8;
/// A kill comes within so many milliseconds of a round's first request.
const LATEST: u64 = 1500;

const TOPIC: &str = "[app.orders.topic.news]\ntitle = \"News\"\n";

/// A linear congruential generator: good enough to scatter moments (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn seed() -> u64 {
    let given = std::env::var("VESTIBULE_SEED").ok();
    let drawn = || std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.subsec_nanos().into());
    given.map_or_else(drawn, |text| text.parse().expect("VESTIBULE_SEED is a number"))
}

/// What the gateway has acknowledged, and what it was asked for.
#[derive(Default)]
struct Promised {
    /// Everybody whom it was asked to invite.
    tried: BTreeSet<String>,
    /// The numbers of records by address.
    invited: BTreeMap<String, String>,
    edited: BTreeSet<String>,
    /// Ids of notifications by their subject.
    notified: BTreeMap<String, String>,
}

#[derive(Clone)]
struct Api {
    address: SocketAddr,
    token: String,
}

impl Api {
    /// `None` when the gateway is gone.
    async fn ask(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> Option<Answer> {
        let (token, body) = (&self.token, body.to_string());
        let key = key.map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n{key}content-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        plain_or_none(self.address, &request).await
    }
}

/// Invites, edits and notifies until the gateway is gone.
async fn work(api: Api, round: u32, promised: Arc<Mutex<Promised>>) {
    let note = |write: &dyn Fn(&mut Promised)| write(&mut promised.lock().expect("nobody panics with it"));
    for number in 0.. {
        let email = format!("p{round}x{number}@example.com");
        note(&|promised| {
            promised.tried.insert(email.clone());
        });
        let body = json!({ "app": "orders", "customer": "42", "email": email, "role": "member", "language": "en" });
        let Some(made) = api.ask("POST", "/api/v1/records", None, &body).await else { return };
        let id = made.expect(200).json()["id"].as_str().expect("a number").to_owned();
        note(&|promised| {
            promised.invited.insert(email.clone(), id.clone());
        });
        let edit = json!({ "notes": "edited" });
        let Some(done) = api.ask("PATCH", &format!("/api/v1/records/{id}"), None, &edit).await else { return };
        done.expect(200);
        note(&|promised| {
            promised.edited.insert(id.clone());
        });
        if number % 4 == 1 {
            let subject = format!("News {round}x{number}");
            let body =
                json!({ "app": "orders", "customer": "42", "topic": "news", "subject": subject, "text": "Read on." });
            let Some(taken) = api.ask("POST", "/api/v1/notify", Some(&subject.replace(' ', "-")), &body).await else {
                return;
            };
            let id = taken.expect(202).json()["id"].as_str().expect("an id").to_owned();
            note(&|promised| {
                promised.notified.insert(subject.clone(), id.clone());
            });
        }
    }
}

/// Accepts an invitation by logging in.
async fn come(person: Browser, mail: Mailbox, email: String) -> (String, Browser) {
    let mut after = mail.all().await.last().map_or(0, |mail| mail.n);
    person.ask_for_mail(&email).await;
    // Before it may come a notification, the invitation once more, or what another browser asked for before the last kill.
    loop {
        let next = mail.wait_after(&email, after).await;
        after = next.n;
        if next.text.contains("/.access/link/") && person.press_button(&next).await.status == 303 {
            return (email, person);
        }
    }
}

/// The Message-IDs of the mails to somebody whose subject has this in it. One that left in the moment of a kill, before the store knew,
/// goes out once more under the same id, and no mail program shows it twice.
fn ids<'a>(mails: &'a [Mail], email: &str, subject: &str) -> BTreeSet<&'a str> {
    let theirs = mails.iter().filter(|mail| mail.to == [email] && mail.subject.contains(subject));
    theirs.map(|mail| mail.headers["message-id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_nothing_and_send_nothing_twice() {
    let seed = seed();
    println!("VESTIBULE_SEED={seed}");
    let mut dice = Dice(seed);
    let apps = format!("{OPEN}[app.orders.team]\n{TOPIC}");
    let plan = House::plan(&apps).login("mails_per_address = 1000\nmails_per_app = 10000\ntries_per_client = 10000");
    let mut house = plan.start().await;
    let promised = Arc::new(Mutex::new(Promised::default()));
    let mut came: BTreeMap<String, Browser> = BTreeMap::new();
    for round in 0..ROUNDS {
        let api = Api { address: house.admin_address(), token: house.local_token() };
        let working = tokio::spawn(work(api, round, Arc::clone(&promised)));
        let next = promised
            .lock()
            .expect("nobody panics with it")
            .invited
            .keys()
            .find(|email| !came.contains_key(*email))
            .cloned();
        let coming = next.map(|email| tokio::spawn(come(house.browser("orders.test"), house.mail.clone(), email)));
        // No condition is waited for here: the moment is the point.
        tokio::time::sleep(Duration::from_millis(dice.below(LATEST))).await;
        house.kill9();
        working.await.expect("what was answered was answered well");
        if let Some(coming) = coming {
            // Whether they had come is known when they have been told so.
            coming.abort();
            if let Ok((email, person)) = coming.await {
                came.insert(email, person);
            }
        }
        assert!(verified(&house).starts_with("0: whole: "), "round {round}: {}", verified(&house));
        house.start_again().await;
    }
    let promised =
        Arc::into_inner(promised).expect("nobody else has it").into_inner().expect("nobody panicked with it");
    println!(
        "{} invited of {}, {} edited, {} notified, {} came",
        promised.invited.len(),
        promised.tried.len(),
        promised.edited.len(),
        promised.notified.len(),
        came.len()
    );
    assert!(!promised.invited.is_empty(), "the kills leave time for something");

    let audited = |event: &str| -> BTreeSet<String> {
        let entries = exported(&house, &["--event", event]);
        entries.iter().filter_map(|entry| entry["subject"]["email"].as_str().map(str::to_owned)).collect()
    };
    let (invited, changed, accepted) = (audited("invited"), audited("record_changed"), audited("invitation_accepted"));
    for (email, id) in &promised.invited {
        let record = house.admin(&format!("/api/v1/records/{id}")).await.expect(200).json();
        assert_eq!(record["email"], *email, "{record}");
        assert!(invited.contains(email), "{email} is in the log");
        if promised.edited.contains(id) {
            assert_eq!(record["notes"], "edited", "{record}");
            assert!(changed.contains(email), "{email}'s change is in the log");
        }
        if let Some(person) = came.get(email) {
            assert_eq!(record["state"], "active", "{record}");
            person.fetch("/").await.expect(200);
            assert_eq!(house.upstream.last().header("x-access-email"), Some(email.as_str()));
            assert!(accepted.contains(email), "{email} came, and the log knows");
        }
    }
    for id in promised.notified.values() {
        eventually("the notification is done", async || {
            let told = house.admin(&format!("/api/v1/notify/{id}")).await.expect(200).json();
            (told["done"] == true).then_some(())
        })
        .await;
    }
    // Also of those whose invitation nobody acknowledged there is a record with its mail and its entry, or nothing at all.
    for email in &promised.tried {
        let path = format!("/api/v1/records?app=orders&email={}", crate::browser::encode(email));
        let records = house.admin(&path).await.expect(200).json()["items"].as_array().map_or(0, Vec::len);
        let mails = eventually("its mail is there", async || {
            let mails = ids(&house.mail.all().await, email, "nvitation").len();
            (mails == records).then_some(mails)
        })
        .await;
        assert_eq!((mails, invited.contains(email)), (records, records == 1), "{email}");
        assert!(records == 1 || !promised.invited.contains_key(email), "{email}");
    }
    let mails = house.mail.all().await;
    for subject in promised.notified.keys() {
        for email in ["ann@example.com", "bob@example.com", "cat@example.com"] {
            assert_eq!(ids(&mails, email, subject).len(), 1, "{subject} to {email}");
        }
    }
    assert!(verified(&house).starts_with("0: whole: "), "{}", verified(&house));
}
