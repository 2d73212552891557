//! Who gets a domain, told as a little play: what the tables say, and what is served then.

use super::*;
use crate::pages::Brand;
use crate::state::nominated::Face;
use crate::types::{AppName, Color, CustomerId};

fn at(days: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + days * 24 * 3600).expect("a time")
}

fn host(text: &str) -> HostName {
    HostName::parse(text).expect("a host")
}

/// `shop/7` is customer 7 of app shop, `shop` all of its customers.
fn owner(text: &str) -> Arc<Owner> {
    let (app, customer) = text.split_once('/').map_or((text, None), |(app, customer)| (app, Some(customer)));
    Arc::new(Owner {
        app: AppName::parse(app).expect("a name"),
        customer: customer.map(|id| CustomerId::parse(id).expect("an id")),
    })
}

fn named(text: &str) -> Vec<Nominee> {
    let brand = Brand { title: "Shop".to_owned(), logo: None, logo_dark: None, icon: None, color: Color::default() };
    let face = Arc::new(Face { brand: Arc::new(brand), text: "{}".into() });
    let nominee = |word: &str| {
        let (name, of) = word.split_once('=').expect("host=owner");
        Nominee { host: host(name), owner: owner(of), face: Arc::clone(&face) }
    };
    let mut all: Vec<Nominee> = text.split_whitespace().map(nominee).collect();
    all.sort_by(|one, other| one.host.cmp(&other.host));
    all
}

#[derive(Default)]
struct Play {
    claims: Claims,
    configured: HashMap<HostName, Arc<Owner>>,
    waiting: BTreeMap<HostName, Waiting>,
}

impl Play {
    /// The tables say this on that day; answers what is served, and who waits.
    fn on(&mut self, day: i64, tables: &str) -> String {
        let reserved = HashSet::from([host("hub.test")]);
        let named = named(tables);
        let sources = Sources { configured: &self.configured, reserved: &reserved, named: &named };
        let changes = self.claims.changes(sources, at(day));
        self.claims.apply(changes);
        self.claims.share(&named);
        let again = self.claims.changes(sources, at(day));
        assert!(again.put.is_empty() && again.forget.is_empty(), "once written, there is nothing more: {again:?}");
        let standing = self.claims.standing(sources, &ProofKey::new(&[1; 32]), &self.waiting, at(day));
        let whose = |host: &HostName, owner: &Owner| match &owner.customer {
            Some(customer) => format!("{host}={}/{customer}", owner.app),
            None => format!("{host}={}", owner.app),
        };
        let served = standing.served.iter().map(|nominee| whose(&nominee.host, &nominee.owner));
        let waits = standing.waiting.iter().map(|(host, waiting)| format!("{host}?{}", waiting.cause.name()));
        let told = served.chain(waits).collect::<Vec<_>>().join(" ");
        self.waiting = standing.waiting;
        // What was written is all that there is after a restart.
        let stored = self.claims.all.iter().map(|(host, kept)| Claim {
            left: kept.left,
            ..claim(host, &kept.owner, &kept.brand, kept.proven.as_ref())
        });
        self.claims = Claims::new(stored.collect());
        told
    }

    fn prove(&mut self, name: &str, of: &str, day: i64) -> bool {
        let Some(claim) = self.claims.proven(&host(name), &owner(of), at(day)) else { return false };
        self.claims.apply(Changes { put: vec![claim], forget: Vec::new() });
        true
    }

    fn config(&mut self, text: &str) {
        let pair = |nominee: Nominee| (nominee.host, nominee.owner);
        self.configured = named(text).into_iter().map(pair).collect();
    }
}

#[test]
fn whoever_is_named_first_is_served_at_once() {
    let mut play = Play::default();
    assert_eq!(play.on(0, "a.test=shop/1 b.test=shop"), "a.test=shop/1 b.test=shop");
    assert_eq!(play.on(1, "a.test=shop/1 b.test=shop c.test=wiki/9"), "a.test=shop/1 b.test=shop c.test=wiki/9");
}

#[test]
fn attack_29_a_domain_serves_another_owner_only_when_it_is_proven_again() {
    let mut play = Play::default();
    play.on(0, "a.test=shop/1");
    for other in ["a.test=shop/2", "a.test=wiki/1", "a.test=shop"] {
        assert_eq!(play.on(1, other), "a.test?unproven", "neither for the new owner nor for the old one");
    }
    assert!(!play.prove("a.test", "shop/2", 1), "the table says shop now");
    assert!(play.prove("a.test", "shop", 1));
    assert_eq!(play.on(2, "a.test=shop"), "a.test=shop");
    assert_eq!(play.on(3, "a.test=shop/1"), "a.test?unproven", "who had it once has to prove it as well");
}

#[test]
fn attack_29_a_domain_that_left_is_not_for_the_asking() {
    let mut play = Play::default();
    play.on(0, "a.test=shop/1");
    assert_eq!(play.on(1, ""), "");
    assert_eq!(play.on(200, "a.test=shop/2"), "a.test?unproven");
    assert_eq!(play.on(201, ""), "");
    assert!(!play.prove("a.test", "shop/2", 202), "nobody names it now");
    assert_eq!(play.on(300, "a.test=shop/1"), "a.test=shop/1", "it is back where it was");
    play.on(301, "");
    assert_eq!(play.on(600, "a.test=shop/2"), "a.test?unproven");
    play.on(601, "");
    play.on(601 + 366, "");
    assert_eq!(play.on(601 + 367, "a.test=shop/2"), "a.test=shop/2", "a year is enough");
}

#[test]
fn attack_29_nobody_takes_a_domain_down_by_naming_it_too() {
    let mut play = Play::default();
    play.on(0, "a.test=shop/1");
    assert_eq!(play.on(1, "a.test=shop/2 a.test=shop/1"), "a.test=shop/1");
    assert_eq!(play.on(2, "a.test=wiki/2 a.test=shop/2"), "a.test?ambiguous", "it is proven for neither");
    assert_eq!(play.on(3, "b.test=shop/1 b.test=wiki/1"), "b.test?ambiguous", "nobody is first");
    assert_eq!(play.on(4, "b.test=wiki/1"), "b.test=wiki/1");
}

#[test]
fn attack_29_what_the_config_names_is_the_configs_and_stays_known() {
    let mut play = Play::default();
    play.config("a.test=shop/1");
    assert_eq!(play.on(0, "a.test=shop/2 hub.test=shop/2"), "", "neither a domain of the config nor the hub");
    play.config("");
    assert_eq!(play.on(1, "a.test=shop/2"), "a.test?unproven", "customer 1 had it by the operator's word");
    assert_eq!(play.on(2, "a.test=shop/1"), "a.test=shop/1");
    play.config("a.test=shop/2");
    assert_eq!(play.on(3, ""), "");
    play.config("");
    assert_eq!(play.on(4, "a.test=shop/2"), "a.test=shop/2", "the operator's word is proof");
}

#[test]
fn since_when_a_domain_waits_is_told_until_it_waits_for_something_else() {
    let mut play = Play::default();
    play.on(0, "a.test=shop/1");
    play.on(1, "a.test=shop/2");
    play.on(2, "a.test=shop/2");
    let since = |play: &Play| play.waiting.get(&host("a.test")).expect("it waits").since;
    assert_eq!(since(&play), at(1));
    play.on(3, "a.test=shop/3");
    assert_eq!(since(&play), at(3));
}

proptest::proptest! {
    /// Whatever tables say and whenever: nothing is ever served for somebody who was neither first nor proven.
    #[test]
    fn attack_29_no_sequence_of_tables_hands_a_domain_over(
        days in proptest::collection::vec(proptest::collection::btree_set(0_usize..4, 0..3), 1..12)
    ) {
        let mut play = Play::default();
        let mut first: Option<String> = None;
        for (day, owners) in days.into_iter().enumerate() {
            let words: Vec<String> = owners.into_iter().map(|owner| format!("a.test=shop/{owner}")).collect();
            if let ([only], None) = (words.as_slice(), &first) {
                first = Some(only.clone());
            }
            let told = play.on(i64::try_from(day).expect("few days"), &words.join(" "));
            for served in told.split_whitespace().filter(|word| word.contains('=')) {
                proptest::prop_assert_eq!(Some(served), first.as_deref());
            }
        }
    }
}
