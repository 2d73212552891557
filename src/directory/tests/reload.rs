//! Another config for a running directory: what is the same goes on, and what is not is asked anew.

use super::*;

const CONFIG: &str = "\
[source.crm]
url = 'csv:people.csv'
refresh = '1h'
max_stale = '2h'
[source.other]
url = 'csv:other.csv'
[app.orders]
domains = ['orders.test']
upstream = 'http://127.0.0.1:1'
[[app.orders.customers]]
source = 'crm'
email = 'email'
customer = 'company'
[app.reports]
domains = ['reports.test']
upstream = 'http://127.0.0.1:1'
[[app.reports.customers]]
source = 'other'
email = 'email'
";
const PEOPLE: &str = "email,company\nann@a.test,1\n";

struct Reloaded {
    house: House,
    config: Config,
}

impl Reloaded {
    async fn new() -> Self {
        let mut house = House::new(CONFIG, &[("people.csv", PEOPLE), ("other.csv", PEOPLE)]);
        let config = Self::parse(&house, &[]);
        house.directory = Arc::new(TableDirectory::open(&config, Clock));
        // A reload looks by the real clock.
        house.now = Clock.now();
        house.directory.look().await;
        Self { house, config }
    }

    fn parse(house: &House, change: &[(&str, &str)]) -> Config {
        let mut text = format!("{APP}{CONFIG}");
        for (from, to) in change {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let parsed = crate::config::parse(&house.path("v.toml"), &text, &|_| None);
        parsed.unwrap_or_else(|errors| panic!("{errors}"))
    }

    async fn change(&mut self, change: &[(&str, &str)], asked: Asked) {
        let config = Self::parse(&self.house, change).keeping(&self.config);
        let prepared = self.house.directory.prepare(&config, asked).await;
        self.house.directory.apply(prepared);
        self.config = config;
    }

    fn source(&self, name: &str) -> Arc<Source> {
        let tables = self.house.directory.tables.load_full();
        let found = tables.sources.iter().find(|(source, _)| source.as_str() == name);
        Arc::clone(found.expect("a source").1)
    }

    fn epoch(&self, app: &str) -> u64 {
        let ann = Email::parse("ann@example.com").expect("an address");
        self.house.directory.epoch(&AppName::parse(app).expect("a name"), Pigeonhole::of(&ann))
    }
}

#[tokio::test]
async fn what_did_not_change_goes_on_and_what_did_is_asked_anew() {
    let mut reloaded = Reloaded::new().await;
    assert_eq!(reloaded.house.roles("ann@a.test").await, "user@1");
    let (crm, other) = (reloaded.source("crm"), reloaded.source("other"));
    let (orders, reports) = (reloaded.epoch("orders"), reloaded.epoch("reports"));
    reloaded
        .change(&[("customer = 'company'", "customer = 'company'\nwhere = 'row.company == \"2\"'")], Asked::AsBefore)
        .await;
    assert!(Arc::ptr_eq(&crm, &reloaded.source("crm")), "the same columns of the same file");
    assert_eq!(reloaded.house.roles("ann@a.test").await, "", "the answer from before counts no more");
    assert_ne!(reloaded.epoch("orders"), orders, "nor do sessions that rest on it");
    assert_eq!(reloaded.epoch("reports"), reports, "another app's do");
    reloaded.change(&[("csv:people.csv", "csv:other.csv")], Asked::AsBefore).await;
    assert!(!Arc::ptr_eq(&crm, &reloaded.source("crm")) && Arc::ptr_eq(&other, &reloaded.source("other")));
    assert_eq!(reloaded.house.roles("ann@a.test").await, "user@1", "it was read before it was asked");
}

#[tokio::test]
async fn nothing_changes_by_the_same_config_unless_it_is_asked_for() {
    let mut reloaded = Reloaded::new().await;
    let before = reloaded.epoch("orders");
    reloaded.change(&[], Asked::AsBefore).await;
    assert_eq!(reloaded.epoch("orders"), before);
    reloaded.change(&[], Asked::Anew).await;
    assert_ne!(reloaded.epoch("orders"), before, "everybody is looked up anew");
}

#[tokio::test]
async fn a_csv_file_counts_at_once_after_a_reload() {
    let mut reloaded = Reloaded::new().await;
    assert_eq!(reloaded.house.roles("bob@a.test").await, "");
    // In place, and just now: the background would wait until it is quiet.
    std::fs::write(reloaded.house.path("people.csv"), format!("{PEOPLE}bob@a.test,2\n")).expect("written");
    reloaded.change(&[], Asked::AsBefore).await;
    assert_eq!(reloaded.house.roles("bob@a.test").await, "user@2");
}

#[tokio::test]
async fn who_was_known_is_bridged_across_a_reload_that_leaves_the_lists_alone() {
    let mut reloaded = Reloaded::new().await;
    assert_eq!(reloaded.house.roles("ann@a.test").await, "user@1");
    reloaded.house.replace("people.csv", "no table\0");
    reloaded.change(&[("domains = ['orders.test']", "domains = ['orders.test', 'more.test']")], Asked::Anew).await;
    assert_eq!(reloaded.house.roles("ann@a.test").await, "user@1");
}

#[tokio::test]
async fn watchers_of_new_sources_begin_and_those_of_gone_ones_end() {
    let mut reloaded = Reloaded::new().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (directory, stop) = (Arc::clone(&reloaded.house.directory), stop.clone());
        async move { directory.run(stop).await }
    });
    let gone = Arc::downgrade(&reloaded.source("crm"));
    reloaded
        .change(&[("csv:people.csv", "csv:moved.csv"), ("refresh = '1h'", "refresh = '100ms'")], Asked::AsBefore)
        .await;
    let limit = Instant::now() + Duration::from_secs(20);
    while gone.upgrade().is_some() {
        assert!(Instant::now() < limit, "it is watched no longer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    std::fs::write(reloaded.house.path("moved.csv"), PEOPLE).expect("written");
    while reloaded.source("crm").generation() == 0 {
        assert!(Instant::now() < limit, "the new one is");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    running.await.expect("it ends");
}
