//! The outbox against a queue in memory, under a clock that is turned by hand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use tokio::time::Instant;

use super::*;
use crate::state::ports::{MailQueue, OutgoingMail, Unwanted};

/// The queue of a store, in memory. The outbox needs no more of it; sqlx's threads and a paused clock do not go together.
#[derive(Default)]
struct Queue {
    mails: Mutex<BTreeMap<i64, (QueuedMail, Timestamp)>>,
    ends: Mutex<Vec<(i64, MailEnd)>>,
    broken: AtomicBool,
}

impl Queue {
    fn put(&self, id: i64, to: &str, now: Timestamp, expires: Timestamp) {
        let mail = OutgoingMail {
            to: to.to_owned(),
            subject: "Log in".to_owned(),
            text: String::new(),
            html: String::new(),
            unsubscribe: None,
        };
        let queued = QueuedMail { id, tries: 0, queued: now, expires, mail, notified: None };
        self.mails.lock().expect("whole").insert(id, (queued, now));
    }

    fn is_whole(&self) -> Result<(), StoreError> {
        let broken = self.broken.load(Ordering::Relaxed);
        if broken { Err(StoreError { what: "try", cause: "broken".to_owned() }) } else { Ok(()) }
    }
}

#[async_trait]
impl MailQueue for Queue {
    async fn queue_mail(&self, mail: &OutgoingMail, now: Timestamp, expires: Timestamp) -> Result<(), StoreError> {
        self.is_whole()?;
        let id = self.mails.lock().expect("whole").keys().max().map_or(1, |last| last + 1);
        self.put(id, &mail.to, now, expires);
        Ok(())
    }
    async fn mail_due(&self, now: Timestamp, most: u32, under_way: &[i64]) -> Result<Vec<QueuedMail>, StoreError> {
        self.is_whole()?;
        let mails = self.mails.lock().expect("whole");
        let due = mails.values().filter(|(mail, due)| *due <= now && !under_way.contains(&mail.id));
        Ok(due.take(most as usize).map(|(mail, _)| mail.clone()).collect())
    }
    async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError> {
        self.is_whole()?;
        Ok(self.mails.lock().expect("whole").values().map(|(_, due)| *due).min())
    }
    async fn forget_mail(&self, id: i64, end: MailEnd) -> Result<(), StoreError> {
        self.is_whole()?;
        self.ends.lock().expect("whole").push((id, end));
        self.mails.lock().expect("whole").remove(&id);
        Ok(())
    }
    async fn defer_mail(&self, id: i64, until: Timestamp) -> Result<(), StoreError> {
        self.is_whole()?;
        if let Some((mail, due)) = self.mails.lock().expect("whole").get_mut(&id) {
            mail.tries += 1;
            *due = until;
        }
        Ok(())
    }
    async fn queued_mails(&self) -> Result<u64, StoreError> {
        Ok(self.mails.lock().expect("whole").len() as u64)
    }
}

/// What the mailer does next.
enum Next {
    Defer,
    Refuse,
    Panic,
}

/// Writes down when it was asked to send what, and does as it was told; told nothing, it sends.
struct Recorder {
    begin: Instant,
    takes: Duration,
    told: Mutex<VecDeque<Next>>,
    log: Mutex<Vec<String>>,
    now: AtomicU32,
    most: AtomicU32,
}

#[async_trait]
impl Mailer for Recorder {
    async fn send(&self, mail: &OutgoingMail) -> Result<(), MailError> {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(self.takes).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        let (name, _) = mail.to.split_once('@').expect("an address");
        let next = self.told.lock().expect("whole").pop_front();
        let answer = match next {
            None => "sent",
            Some(Next::Defer) => "deferred",
            Some(Next::Refuse) => "refused",
            Some(Next::Panic) => "panics",
        };
        self.log.lock().expect("whole").push(format!("{} {name} {answer}", self.begin.elapsed().as_secs()));
        match next {
            None => Ok(()),
            Some(Next::Defer) => Err(MailError::Temporary("down".to_owned())),
            Some(Next::Refuse) => Err(MailError::Permanent("no such mailbox".to_owned())),
            Some(Next::Panic) => panic!("told to"),
        }
    }
}

/// Lets nobody pass but the person with number 1, and cannot tell of number 3 at first.
#[derive(Default)]
struct Gate(AtomicBool);

#[async_trait]
impl MailGate for Gate {
    async fn ask(&self, notified: i64) -> GateAnswer {
        match notified {
            1 => GateAnswer::Pass,
            3 if !self.0.swap(true, Ordering::Relaxed) => GateAnswer::Later("the tables cannot be asked".to_owned()),
            3 => GateAnswer::Pass,
            _ => GateAnswer::Drop(Unwanted::SwitchedOff),
        }
    }
}

/// An outbox at work.
struct House {
    queue: Arc<Queue>,
    mailer: Arc<Recorder>,
    counters: Arc<MailCounters>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    done: task::JoinHandle<()>,
}

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("in range")
}

impl House {
    /// Starts with these mails queued; each takes so long to send, and the mailer does first what it is told.
    fn begin(names: &[&str], takes: u64, told: impl IntoIterator<Item = Next>) -> Self {
        let begin = Instant::now();
        let queue = Arc::new(Queue::default());
        for (id, name) in (1..).zip(names) {
            queue.put(id, &format!("{name}@example.com"), start(), start() + Duration::from_secs(900));
        }
        let mailer = Arc::new(Recorder {
            begin,
            takes: Duration::from_secs(takes),
            told: Mutex::new(told.into_iter().collect()),
            log: Mutex::default(),
            now: AtomicU32::new(0),
            most: AtomicU32::new(0),
        });
        let (counters, wake, stop) =
            (Arc::<MailCounters>::default(), Arc::<Notify>::default(), CancellationToken::new());
        let outbox = Arc::new(Outbox {
            store: Arc::clone(&queue) as Arc<dyn MailQueue>,
            mailer: Arc::clone(&mailer) as Arc<dyn Mailer>,
            gate: Arc::<Gate>::default(),
            counters: Arc::clone(&counters),
            stop: stop.clone(),
            now: Box::new(move || start() + begin.elapsed()),
        });
        let woken = Arc::clone(&wake);
        let done = tokio::spawn(async move { outbox.run(&woken).await });
        Self { queue, mailer, counters, wake, stop, done }
    }

    fn log(&self) -> Vec<String> {
        self.mailer.log.lock().expect("whole").clone()
    }

    fn counts(&self) -> [u64; 4] {
        let MailCounters { sent, deferred, refused, expired, .. } = &*self.counters;
        [sent, deferred, refused, expired].map(|count| count.load(Ordering::Relaxed))
    }

    async fn left(&self) -> u64 {
        self.queue.queued_mails().await.expect("counted")
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_before_the_start_goes_out() {
    let house = House::begin(&["ann", "bob"], 0, []);
    pass(1).await;
    assert_eq!(house.log(), ["0 ann sent", "0 bob sent"]);
    assert_eq!((house.left().await, house.counts()), (0, [2, 0, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_wake_sends_at_once() {
    let house = House::begin(&[], 0, []);
    pass(7).await;
    let now = start() + Duration::from_secs(7);
    house.queue.put(1, "ann@example.com", now, now + Duration::from_secs(900));
    house.wake.notify_one();
    pass(1).await;
    assert_eq!(house.log(), ["7 ann sent"]);
}

#[tokio::test(start_paused = true)]
async fn tries_come_ever_later_until_the_mail_is_of_no_use() {
    let house = House::begin(&["ann"], 0, (0..99).map(|_| Next::Defer));
    pass(3600).await;
    let tries = [0, 5, 20, 80, 380];
    assert_eq!(house.log(), tries.map(|at| format!("{at} ann deferred")));
    assert_eq!((house.left().await, house.counts()), (0, [0, 5, 0, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_long_lived_mail_is_tried_every_ten_minutes() {
    let house = House::begin(&[], 0, (0..99).map(|_| Next::Defer));
    house.queue.put(1, "ann@example.com", start(), start() + Duration::from_secs(3000));
    house.wake.notify_one();
    pass(9999).await;
    let tries = [0, 5, 20, 80, 380, 980, 1580, 2180, 2780];
    assert_eq!(house.log(), tries.map(|at| format!("{at} ann deferred")));
    assert_eq!(house.counts(), [0, 9, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_gets_the_mail_and_ends_the_alarm() {
    let house = House::begin(&["ann"], 0, [Next::Defer, Next::Defer]);
    pass(10).await;
    let failing = house.counters.failing().expect("failing");
    assert_eq!((failing.since, failing.last_error.as_str()), (start(), "down"));
    pass(20).await;
    assert_eq!(house.log(), ["0 ann deferred", "5 ann deferred", "20 ann sent"]);
    assert_eq!(house.counters.failing(), None);
    assert_eq!((house.left().await, house.counts()), (0, [1, 2, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_refused_mail_is_forgotten_and_holds_nobody_up() {
    let house = House::begin(&["ann", "bob"], 0, [Next::Refuse]);
    pass(1).await;
    assert_eq!(house.log(), ["0 ann refused", "0 bob sent"]);
    assert_eq!((house.left().await, house.counts()), (0, [1, 0, 1, 0]));
    assert_eq!(house.counters.failing(), None);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_like_another() {
    let house = House::begin(&["ann"], 0, [Next::Panic]);
    pass(60).await;
    assert_eq!(house.log(), ["0 ann panics", "5 ann sent"]);
    assert_eq!(house.left().await, 0);
}

#[tokio::test(start_paused = true)]
async fn four_go_out_at_once_and_none_twice() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let house = House::begin(&names, 3, []);
    for _ in 0..12 {
        house.wake.notify_one();
        pass(1).await;
    }
    let sent =
        |name: &&str| format!("{} {name} sent", 3 + 3 * (names.iter().position(|n| n == name).expect("there") / 4));
    assert_eq!(house.log(), names.iter().map(sent).collect::<Vec<_>>());
    assert_eq!(house.mailer.most.load(Ordering::SeqCst), MOST_AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_was_sent_is_not_sent_again_because_the_store_fails() {
    let house = House::begin(&["ann", "bob"], 1, [Next::Defer]);
    pass(0).await;
    tokio::task::yield_now().await;
    house.queue.broken.store(true, Ordering::Relaxed);
    pass(100).await;
    assert_eq!(house.log(), ["1 ann deferred", "1 bob sent"]);
    house.queue.broken.store(false, Ordering::Relaxed);
    pass(100).await;
    assert_eq!(house.log().last().map(String::as_str), Some("102 ann sent"));
    assert_eq!((house.log().len(), house.left().await), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_mails_under_way_end_and_keeps_the_rest() {
    let house = House::begin(&["a", "b", "c", "d", "e"], 3, []);
    pass(1).await;
    house.stop.cancel();
    house.done.await.expect("ends in order");
    assert_eq!(house.mailer.log.lock().expect("whole").len(), 4);
    assert_eq!(house.queue.queued_mails().await.expect("counted"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever() {
    let house = House::begin(&["ann"], 3600, []);
    pass(1).await;
    let begin = Instant::now();
    house.stop.cancel();
    house.done.await.expect("ends in order");
    assert_eq!(begin.elapsed(), DRAIN);
    assert_eq!(house.queue.queued_mails().await.expect("counted"), 1, "it goes out after the next start");
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_asked_about_at_the_last_moment() {
    let house = House::begin(&["ann", "bob", "cat"], 0, [Next::Refuse]);
    for (id, (mail, _)) in house.queue.mails.lock().expect("whole").iter_mut() {
        mail.notified = Some(*id);
    }
    pass(10).await;
    // The first is refused by its server, the second never gets there, the third goes when somebody can tell.
    assert_eq!(house.log(), ["0 ann refused", "5 cat sent"]);
    let ends = house.queue.ends.lock().expect("whole").clone();
    assert_eq!(ends, [(1, MailEnd::Failed), (2, MailEnd::Unwanted(Unwanted::SwitchedOff)), (3, MailEnd::Sent)]);
    assert_eq!((house.left().await, house.counts()), (0, [1, 0, 1, 0]));
}
