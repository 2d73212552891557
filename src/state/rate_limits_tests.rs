//! What one network, many networks and known browsers may try.

use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::config::{self, Config};
use crate::session::Seal;
use crate::state::snapshot::Snapshot;
use crate::types::{HostName, Language};

const HOUR: Duration = Duration::from_secs(3600);
const KINDS: [Kind; 4] = [Kind::Code, Kind::Link, Kind::Callback, Kind::Passkey];

/// Limits, and an app to log in to.
struct House {
    limits: RateLimits,
    metrics: Arc<Metrics>,
    snapshot: Snapshot,
}

fn house(login: &str) -> House {
    let text = format!(
        "[server]\nhttps = \"127.0.0.1:0\"\ndata = \"data\"\n[tls]\nlocal_ca = true\n\
         [mail]\nsmtp = \"smtp://127.0.0.1:25\"\nfrom = \"login@example.com\"\n[login]\n{login}\n\
         [source.crm]\nurl = \"csv:people.csv\"\n\
         [app.orders]\ndomains = [\"orders.test\"]\nupstream = \"http://127.0.0.1:1\"\n\
         [[app.orders.customers]]\nsource = \"crm\"\nemail = \"email\"\n"
    );
    let config: Config =
        config::parse(Path::new("v.toml"), &text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let metrics = Arc::new(Metrics::new());
    let known = KnownBrowsers::new(Arc::new(Seal::new([1; 32])));
    let journal = Journal::unkept(&metrics);
    let limits = RateLimits::new(&config.login, known, Arc::clone(&metrics), journal);
    House { limits, metrics, snapshot: Snapshot::new(&config) }
}

impl House {
    fn visit(&self, client: &str) -> Visit {
        let host = HostName::parse("orders.test").expect("valid");
        Visit {
            site: Arc::clone(self.snapshot.site(&host).expect("the domain")),
            live: None,
            client: client.parse().expect("an address"),
            origin: "https://orders.test".to_owned(),
            request_id: "r".to_owned(),
            now: Timestamp::from_second(1_800_000_000).expect("in range"),
            language: Language::English,
        }
    }

    /// Which limit refuses a try, if any.
    fn admit(&self, kind: Kind, client: &str) -> Option<&'static str> {
        self.limits.admit(kind, &self.visit(client), &HeaderMap::new()).err().map(|reached| reached.limit)
    }

    /// Which limit refuses a try for an address, if any.
    fn admit_for(&self, kind: Kind, client: &str, email: &str) -> Option<&'static str> {
        self.admit_with(kind, client, email, &HeaderMap::new())
    }

    fn admit_with(&self, kind: Kind, client: &str, email: &str, headers: &HeaderMap) -> Option<&'static str> {
        let email = Email::parse(email).expect("valid");
        self.limits.admit_for(kind, &self.visit(client), headers, &email).err().map(|reached| reached.limit)
    }

    /// The headers of a browser with which somebody has logged in.
    fn known_browser(&self, email: &str) -> HeaderMap {
        let email = Email::parse(email).expect("valid");
        let cookie = self.limits.remember(&self.visit("192.0.2.1"), &HeaderMap::new(), &email).expect("a cookie");
        let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
        HeaderMap::from_iter([(http::header::COOKIE, pair.try_into().expect("a header"))])
    }
}

/// How many tries pass before the first that does not.
fn passes(mut refuses: impl FnMut() -> bool) -> usize {
    (0..10_000).take_while(|_| !refuses()).count()
}

#[test]
fn each_kind_counts_by_itself() {
    let house = house("tries_per_client = 5");
    for kind in Kind::ALL {
        assert_eq!(passes(|| house.admit(kind, "192.0.2.1").is_some()), 5, "{kind:?}");
        assert_eq!(house.admit(kind, "192.0.2.1"), Some("tries_per_client"));
        assert_eq!(house.admit(kind, "198.51.100.1"), None, "another network");
    }
}

#[test]
fn one_host_of_ipv6_is_its_whole_64_and_a_site_has_a_bound() {
    let house = house("tries_per_client = 3");
    let mut n = 0;
    let flood = passes(|| {
        n += 1;
        house.admit(Kind::Ask, &format!("2001:db8:0:1::{n:x}")).is_some()
    });
    assert_eq!(flood, 3, "one /64 is one client");
    let mut n = 0;
    let flood = passes(|| {
        n += 1;
        house.admit(Kind::Ask, &format!("2001:db8:1:{n:x}::1")).is_some()
    });
    assert_eq!(flood, 3 * 8, "many /64 of a /48");
    assert_eq!(house.admit(Kind::Ask, "2001:db8:2:1::1"), None);
    assert_eq!(house.admit(Kind::Ask, "::ffff:192.0.2.1"), None);
}

#[test]
fn a_flood_of_an_address_from_one_site_leaves_its_owner_a_share() {
    let house = house("mails_per_address = 5\ntries_per_address = 10");
    for (kind, share) in [(Kind::Ask, 5), (Kind::Code, 10)] {
        assert_eq!(passes(|| house.admit_for(kind, "203.0.113.1", "ann@example.com").is_some()), share);
        assert_eq!(passes(|| house.admit_for(kind, "203.0.113.2", "ann@example.com").is_some()), share);
        assert!(house.admit_for(kind, "203.0.113.3", "ann@example.com").is_some(), "a site has twice a share");
        assert_eq!(house.admit_for(kind, "203.0.113.1", "bob@example.com"), None, "another's address");
        assert_eq!(passes(|| house.admit_for(kind, "192.0.2.1", "ann@example.com").is_some()), share);
    }
}

#[test]
fn from_many_networks_an_address_has_a_sum_that_comes_back() {
    let house = house("mails_per_address = 5\ntries_per_address = 30");
    let flood = |kind| {
        let mut n = 0;
        passes(|| {
            n += 1;
            house.admit_for(kind, &format!("198.51.{n}.1"), "ann@example.com").is_some()
        })
    };
    assert_eq!((flood(Kind::Ask), flood(Kind::Code)), (20, 120));
    house.limits.turn(HOUR);
    // In the long run codes come back by the day: a million values are not to be guessed in a life.
    assert_eq!((flood(Kind::Ask), flood(Kind::Code)), (20, 5));
}

#[test]
fn links_do_not_count_by_address() {
    let house = house("tries_per_address = 1");
    assert_eq!(house.admit_for(Kind::Code, "192.0.2.1", "ann@example.com"), None);
    assert_eq!(house.admit_for(Kind::Code, "192.0.2.1", "ann@example.com"), Some("tries_per_address"));
    assert_eq!(house.admit(Kind::Link, "192.0.2.1"), None);
}

#[test]
fn all_together_have_a_limit_for_each_kind() {
    let house = house("tries_in_total = 50");
    for n in 0..60 {
        let refusal = house.admit(Kind::Callback, &format!("198.51.{n}.1"));
        assert_eq!(refusal, (n >= 50).then_some("tries_in_total"));
    }
    assert_eq!(house.admit(Kind::Ask, "192.0.2.1"), None, "another kind");
    let visit = house.visit("192.0.2.1");
    let on_the_hub = Scene { app: None, ..Scene::from(&visit) };
    assert_eq!(house.limits.admit(Kind::Callback, on_the_hub, &HeaderMap::new()), Ok(()));
    house.limits.turn(Duration::from_secs(2));
    assert_eq!(house.admit(Kind::Callback, "192.0.2.1"), None, "it comes back at once");
}

#[test]
fn a_known_browser_has_a_share_of_its_own_and_no_more() {
    let house = house("mails_per_address = 5\ntries_per_address = 30");
    let ann = house.known_browser("ann@example.com");
    let ask = |email: &str| house.admit_with(Kind::Ask, "192.0.2.1", email, &ann);
    // Its own five, then five as any browser of that network.
    assert_eq!(passes(|| ask("ann@example.com").is_some()), 10);
    let (own, other) = (house.known_browser("ann@example.com"), house.known_browser("bob@example.com"));
    assert_eq!(house.admit_with(Kind::Ask, "192.0.2.1", "ann@example.com", &own), None, "another browser of hers");
    assert!(house.admit_with(Kind::Ask, "192.0.2.1", "ann@example.com", &other).is_some(), "another person's");
    // However many cookies somebody has gathered, an address gets so many mails and no more.
    let mails = (0..50).filter(|n| {
        let browser = house.known_browser("ann@example.com");
        house.admit_with(Kind::Ask, &format!("198.51.{n}.1"), "ann@example.com", &browser).is_none()
    });
    assert_eq!(mails.count(), 20 + 20 - 5 - 5 - 1);
}

#[test]
fn mails_of_strangers_leave_those_of_known_browsers() {
    let house = house("mails_per_app = 2");
    let app = &house.visit("192.0.2.1").site.app.name.clone();
    let visit = house.visit("192.0.2.1");
    let mail = |asker| house.limits.mail(Scene::from(&visit), app, asker);
    assert!(mail(Asker::Stranger).is_ok() && mail(Asker::Stranger).is_ok());
    let wait = mail(Asker::Stranger).expect_err("used up");
    assert!((1790..=1800).contains(&wait.as_secs()), "{wait:?}");
    assert!(mail(Asker::Known).is_ok());
    let counted = || house.metrics.limits_reached.with_label_values(&["mails_per_app", "ask"]).get();
    for _ in 0..100 {
        let _ = mail(Asker::Stranger);
    }
    assert_eq!(counted(), 1, "once a minute is enough");
    house.limits.turn(Duration::from_secs(61));
    let _ = mail(Asker::Stranger);
    assert_eq!(counted(), 2);
}

#[test]
fn each_refusal_is_counted_and_few_are_written() {
    let house = house("tries_per_client = 1");
    for _ in 0..100 {
        house.admit(Kind::Passkey, "192.0.2.1");
    }
    let count = |limit, kind| house.metrics.limits_reached.with_label_values(&[limit, kind]).get();
    assert_eq!(count("tries_per_client", "passkey"), 99);
    assert_eq!(house.metrics.audit_events.with_label_values(&["limit_reached"]).get(), 1);
    assert_eq!(count("tries_in_total", "passkey") + count("mails_per_address", "ask"), 0);
}

/// What somebody else does: a kind, a network, and whether it is for Ann's address.
fn tries() -> impl Strategy<Value = Vec<(usize, u8, u8, bool)>> {
    prop::collection::vec((0..5_usize, 0..40_u8, 0..3_u8, any::<bool>()), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever others do, from however many networks, with cookies of their own or with invented ones.
    #[test]
    fn no_tries_of_others_refuse_a_known_browser(tries in tries(), same_network in any::<bool>()) {
        let house = house("tries_per_client = 9\ntries_in_total = 40\nmails_per_address = 2\ntries_per_address = 4");
        let ann = house.known_browser("ann@example.com");
        let bob = house.known_browser("bob@example.com");
        let none = HeaderMap::new();
        let invented = HeaderMap::from_iter([(http::header::COOKIE, "__Host-access-known=AAAA".parse().expect("a header"))]);
        for (kind, network, cookies, is_for_ann) in tries {
            let client = format!("198.51.{network}.7");
            let cookies = [&none, &bob, &invented][usize::from(cookies)];
            let email = if is_for_ann { "ann@example.com" } else { "bob@example.com" };
            match kind {
                0 => house.admit_with(Kind::Ask, &client, email, cookies),
                1 => house.admit_with(Kind::Code, &client, email, cookies),
                _ => house.limits.admit(KINDS[kind - 1], &house.visit(&client), cookies).err().map(|reached| reached.limit),
            };
        }
        let client = if same_network { "198.51.0.7" } else { "192.0.2.1" };
        for _ in 0..2 {
            prop_assert_eq!(house.admit_with(Kind::Ask, client, "ann@example.com", &ann), None);
            prop_assert_eq!(house.admit_with(Kind::Code, client, "ann@example.com", &ann), None);
            for kind in [Kind::Link, Kind::Callback, Kind::Passkey] {
                prop_assert_eq!(house.limits.admit(kind, &house.visit(client), &ann), Ok(()));
            }
        }
    }

    /// Nor does one network's flood refuse a stranger of another site.
    #[test]
    fn no_tries_of_one_site_refuse_another_site(tries in tries()) {
        let house = house("tries_per_client = 9\ntries_in_total = 100\nmails_per_address = 2\ntries_per_address = 4");
        for (kind, host, _, is_for_ann) in tries {
            let client = format!("198.51.100.{host}");
            let email = if is_for_ann { "ann@example.com" } else { "bob@example.com" };
            match kind {
                0 => house.admit_for(Kind::Ask, &client, email),
                1 => house.admit_for(Kind::Code, &client, email),
                _ => house.admit(KINDS[kind - 1], &client),
            };
        }
        for _ in 0..2 {
            prop_assert_eq!(house.admit_for(Kind::Ask, "192.0.2.1", "ann@example.com"), None);
            prop_assert_eq!(house.admit_for(Kind::Code, "192.0.2.1", "ann@example.com"), None);
            prop_assert_eq!(house.admit(Kind::Link, "192.0.2.1"), None);
        }
    }
}
