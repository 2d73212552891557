//! Records weighed against tables.

use super::*;
use crate::config;
use crate::state::ports::Known;
use crate::types::{CustomerId, RoleName};

const CONFIG: &str = r#"
[server]
https = "127.0.0.1:0"
data = "d"
[tls]
local_ca = true
[mail]
smtp = "smtp://127.0.0.1:25"
from = "a@b.test"
[source.s]
url = "csv:s.csv"
[workspace]
[[workspace.user]]
email = "staff@example.com"
roles = { orders = "admin" }
[app.orders]
domains = ["orders.test"]
upstream = "http://127.0.0.1:1"
[app.orders.team]
[app.orders.role.member]
days_back = 30
[app.orders.role.admin]
includes = ["member"]
[app.orders.role.european]
when = 'customer.id.startsWith("eu-")'
[app.orders.role.by-column]
when = 'row.region == "EU"'
[[app.orders.customers]]
name = "fixed"
source = "s"
email = "email"
role = "member"
[[app.orders.customers]]
name = "loose"
source = "s"
email = "email"
role = "member"
adjustable = true
"#;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("in range")
}

fn policy() -> AppPolicy {
    let config =
        config::parse(std::path::Path::new("v.toml"), CONFIG, &|_| None).unwrap_or_else(|error| panic!("{error}"));
    config.app("orders").expect("an app").policy.clone()
}

fn named(list: &str, customer: &str, role: &str) -> Arc<Grant> {
    Arc::new(Grant {
        app: AppName::parse("orders").expect("valid"),
        email: Email::parse("ann@example.com").expect("valid"),
        name: DisplayName::new("Ann of the table"),
        customer: Some(Customer { id: CustomerId::parse(customer).expect("valid"), name: None }),
        role: RoleName::parse(role).expect("valid"),
        days_back: Some(7),
        language: None,
        notes: DisplayName::new("of the table"),
        attributes: std::collections::BTreeMap::new(),
        origin: Origin::List(list.to_owned()),
        row: Arc::default(),
    })
}

fn record(customer: &str, role: &str, state: RecordState, basis: Basis) -> Record {
    Record {
        id: 1,
        version: 1,
        entry: Entry {
            app: AppName::parse("orders").expect("valid"),
            customer: CustomerId::parse(customer).expect("valid"),
            email: Email::parse("ann@example.com").expect("valid"),
            basis,
            first_name: DisplayName::new("Ann"),
            last_name: DisplayName::new("Lee"),
            role: RoleName::parse(role).expect("valid"),
            days_back: None,
            notes: None,
            language: Some(crate::types::Language::German),
        },
        customer_name: DisplayName::new("Müller"),
        state,
        made_by: Maker::Staff("ops".to_owned()),
        made: now(),
        changed: now(),
    }
}

fn told(grants: Vec<Arc<Grant>>, unasked: &[&str]) -> Known {
    let unasked: Vec<String> = unasked.iter().map(|list| (*list).to_owned()).collect();
    Known { unasked, ..Known::of(grants, now()) }
}

/// What a person has, as `customer role days` of each grant, and what their record came to.
fn check(told: &Known, record: Record, expected: &[&str], weight: Weight) {
    let combined = combine(&policy(), told, vec![record], now());
    let grants: Vec<String> = combined
        .grants
        .iter()
        .map(|grant| {
            let customer = grant.customer_id().map_or_else(String::new, ToString::to_string);
            format!("{customer} {} {:?}", grant.role, grant.days_back)
        })
        .collect();
    assert_eq!(
        (grants, &combined.weighed[0].weight),
        (expected.iter().map(|text| (*text).to_owned()).collect(), &weight)
    );
}

fn active(role: &str) -> Record {
    record("42", role, RecordState::Active, Basis::Own)
}

#[test]
fn a_record_lets_in_whom_no_list_names() {
    check(&told(vec![], &[]), active("member"), &["42 member Some(30)"], Weight::LetsIn);
    let other = told(vec![named("fixed", "7", "member")], &[]);
    check(&other, active("admin"), &["7 member Some(7)", "42 admin Some(30)"], Weight::LetsIn);
    let grant = combine(&policy(), &told(vec![], &[]), vec![active("member")], now()).grants.remove(0);
    assert_eq!(grant.name, DisplayName::new("Ann Lee"));
    assert_eq!(grant.language, DisplayName::new("de"));
    assert_eq!(
        (&grant.origin, grant.customer.as_ref().and_then(|customer| customer.name.clone())),
        (&Origin::Record, DisplayName::new("Müller"))
    );
}

#[test]
fn an_adjustable_list_is_changed_and_another_wins() {
    let loose = || told(vec![named("loose", "42", "member")], &[]);
    check(&loose(), active("admin"), &["42 admin Some(7)"], Weight::Changes("loose".to_owned()));
    let unlimited =
        Record { entry: Entry { days_back: Some(DaysBack::Unlimited), ..active("admin").entry }, ..active("admin") };
    check(&loose(), unlimited, &["42 admin None"], Weight::Changes("loose".to_owned()));
    let fixed = told(vec![named("fixed", "42", "admin")], &[]);
    check(&fixed, active("member"), &["42 admin Some(7)"], Weight::TableWins("fixed".to_owned()));
    let suspended = |basis| record("42", "member", RecordState::Suspended, basis);
    check(&loose(), suspended(Basis::Adjusts), &[], Weight::KeepsOut("loose".to_owned()));
    check(&fixed, suspended(Basis::Own), &["42 admin Some(7)"], Weight::TableWins("fixed".to_owned()));
    check(&told(vec![], &[]), suspended(Basis::Own), &[], Weight::Suspended);
}

#[test]
fn attack_21_whoever_left_the_table_is_out_whatever_was_once_changed_of_it() {
    let adjusts = record("42", "admin", RecordState::Active, Basis::Adjusts);
    check(&told(vec![], &[]), adjusts, &[], Weight::NothingToChange);
}

#[test]
fn attack_22_a_list_that_cannot_be_asked_is_not_overruled() {
    check(&told(vec![], &["fixed"]), active("admin"), &[], Weight::Unasked("fixed".to_owned()));
    check(&told(vec![], &["loose"]), active("admin"), &["42 admin Some(30)"], Weight::LetsIn);
    // What narrows a list that answers goes on doing so.
    let loose = told(vec![named("loose", "42", "admin")], &["fixed"]);
    check(&loose, active("member"), &["42 member Some(7)"], Weight::Changes("loose".to_owned()));
}

#[test]
fn what_is_ambiguous_stays_refused() {
    let both = Known { ambiguous: vec![CustomerId::parse("42").expect("valid")], ..Known::of(Vec::new(), now()) };
    check(&both, active("member"), &[], Weight::Ambiguous);
}

#[test]
fn attack_20_an_invitation_gives_nothing_before_it_is_accepted() {
    let link = crate::session::Token::new([1; 32]).hash();
    let invited = RecordState::Invited { expires: Timestamp::MAX, link, sent: now() };
    check(&told(vec![], &[]), record("42", "admin", invited, Basis::Own), &[], Weight::Invited);
}

#[test]
fn a_role_that_is_gone_or_for_others_gives_nothing() {
    let unknown = Weight::Role(Refusal::UnknownRole("king".to_owned()));
    check(&told(vec![], &[]), active("king"), &[], unknown.clone());
    // Nor what the list would give in its place: whoever made the record meant something else.
    check(&told(vec![named("loose", "42", "admin")], &[]), active("king"), &[], unknown);
    let european = RoleName::parse("european").expect("valid");
    check(&told(vec![], &[]), active("european"), &[], Weight::Role(Refusal::RoleWhen(european)));
    let in_europe = record("eu-1", "european", RecordState::Active, Basis::Own);
    check(&told(vec![], &[]), in_europe, &["eu-1 european None"], Weight::LetsIn);
    let combined = combine(&policy(), &told(vec![], &[]), vec![active("by-column")], now());
    assert!(combined.grants.is_empty(), "a record has no columns");
    assert!(matches!(&combined.weighed[0].weight, Weight::Role(Refusal::RoleWhenFailed(..))), "{combined:?}");
}

#[test]
fn the_workspaces_own_people_are_never_customers() {
    let mut of_staff = active("member");
    of_staff.entry.email = Email::parse("staff@example.com").expect("valid");
    check(&told(vec![], &[]), of_staff, &[], Weight::Staff);
}

proptest::proptest! {
    /// Whatever the tables say and the record is: nobody has two grants for one customer, and a fixed list's word stands.
    #[test]
    fn a_record_never_overrules_a_fixed_list(
        list in proptest::sample::select(vec!["fixed", "loose", ""]),
        role in proptest::sample::select(vec!["member", "admin", "king"]),
        suspended: bool, adjusts: bool, unasked: bool, ambiguous: bool,
    ) {
        let grants = if list.is_empty() || ambiguous { vec![] } else { vec![named(list, "42", "member")] };
        let unasked: &[&str] = if unasked { &["fixed"] } else { &[] };
        let customer = CustomerId::parse("42").expect("valid");
        let both = if ambiguous { vec![customer] } else { vec![] };
        let told = Known { ambiguous: both, ..told(grants.clone(), unasked) };
        let state = if suspended { RecordState::Suspended } else { RecordState::Active };
        let basis = if adjusts { Basis::Adjusts } else { Basis::Own };
        let combined = combine(&policy(), &told, vec![record("42", role, state, basis)], now());
        proptest::prop_assert!(combined.grants.len() <= 1);
        if list == "fixed" && !ambiguous {
            proptest::prop_assert_eq!(&combined.grants, &grants);
        }
        let may_be_in = list == "fixed" || (role != "king" && !suspended && (!list.is_empty() || (!adjusts && unasked.is_empty())));
        proptest::prop_assert_eq!(!combined.grants.is_empty(), !ambiguous && may_be_in);
    }
}
