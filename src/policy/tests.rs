//! The core as a whole: rows in, decisions out.

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::types::{AppName, ColumnName, CustomerId, Email, PathAllowances, RequestPath, RoleName, SourceName};

pub(super) fn grant(email: &str, customer: &str) -> Grant {
    Grant {
        app: AppName::parse("orders").expect("valid"),
        email: Email::parse(email).expect("valid"),
        name: None,
        customer: Some(Customer { id: CustomerId::parse(customer).expect("valid"), name: None }),
        role: role("user"),
        days_back: None,
        language: None,
        notes: None,
        attributes: std::collections::BTreeMap::new(),
        origin: Origin::List("list".to_owned()),
        row: Arc::new(Row::default()),
    }
}

/// A request without header fields.
fn a_request<'a>(method: &'a Method, path: &'a RequestPath, query: Option<&'a str>) -> Request<'a> {
    static HEADERS: std::sync::LazyLock<http::HeaderMap> = std::sync::LazyLock::new(http::HeaderMap::new);
    static HOST: std::sync::LazyLock<crate::types::HostName> =
        std::sync::LazyLock::new(|| crate::types::HostName::parse("orders.example.com").expect("valid"));
    let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    Request { method, path, query, headers: &HEADERS, host: &HOST, client, now: Timestamp::UNIX_EPOCH }
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).expect("valid")
}

/// `name < included, included: rule; rule` a line.
fn roles(text: &str) -> Roles {
    let mut roles = Roles::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, rules) = line.split_once(':').expect("a colon");
        let (name, includes) = head.split_once('<').unwrap_or((head, ""));
        let rules = rules.split(';').map(str::trim).filter(|rule| !rule.is_empty()).map(|rule| {
            let (effect, rest) = rule.split_once(' ').expect("allow or deny");
            Rule::parse(if effect == "allow" { Effect::Allow } else { Effect::Deny }, rest).expect("a rule")
        });
        let includes = includes.split(',').map(str::trim).filter(|name| !name.is_empty()).map(role);
        roles.0.insert(
            role(name.trim()),
            Role { includes: includes.collect(), rules: rules.collect(), ..Role::default() },
        );
    }
    roles
}

fn policy(roles: Roles) -> AppPolicy {
    AppPolicy {
        name: AppName::parse("orders").expect("valid"),
        lists: Vec::new(),
        roles,
        default_role: Some(role("user")),
        workspace: std::collections::BTreeMap::new(),
        workspace_groups: None,
        preview: PreviewPlan::default(),
        time_zone: TimeZone::UTC,
        team: None,
    }
}

fn outcome(roles_text: &str, request: &str) -> String {
    let (method, path) = request.split_once(' ').expect("METHOD PATH");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let path = RequestPath::parse(path.as_bytes(), &PathAllowances::default()).expect("a path");
    let identity = IdentityPlan { preset: Preset::Access, extra: Vec::new(), jwt: None };
    let grant = Arc::new(grant("ann@example.com", "42"));
    let access = Access::compile(&policy(roles(roles_text)), &identity, grant, Timestamp::UNIX_EPOCH);
    match decide(&Standing::Access(Arc::new(access)), &a_request(&method, &path, None)) {
        Decision::Allow(permit) => {
            assert_eq!(permit.path(), &path, "what was decided on is what goes upstream");
            "allow".to_owned()
        }
        Decision::Deny(reason) => reason.name().to_owned(),
        other => format!("{other:?}"),
    }
}

fn check(roles: &str, request: &str, expected: &str) {
    assert_eq!(outcome(roles, request), expected, "{roles} | {request}");
}

#[test]
fn the_first_rule_that_matches_decides() {
    check("user: deny * /admin/**; allow GET /**", "GET /admin/users", "rule-denies");
    check("user: deny * /admin/**; allow GET /**", "GET /orders", "allow");
    check("user: allow GET /**; deny * /admin/**", "GET /admin/users", "allow");
    check("user: deny * /admin/**; allow GET /**", "HEAD /orders", "allow");
}

#[test]
fn no_rule_means_no() {
    check("user: allow GET /orders/**", "POST /orders", "no-rule");
    check("user: allow GET /orders/**", "GET /", "no-rule");
    check("user: allow GET /c/{customer.id}/**", "GET /c/42/x", "allow");
    check("user: allow GET /c/{customer.id}/**", "GET /c/43/x", "no-rule");
}

#[test]
fn a_role_without_rules_may_do_everything() {
    check("user:", "DELETE /anything", "allow");
    check("user < base:\nbase: allow GET /x", "DELETE /anything", "no-rule");
}

#[test]
fn own_rules_come_before_included_ones_depth_first() {
    let ladder = "user < b, d: deny GET /a\nb < c: allow GET /a; allow GET /b\nc: deny GET /b; allow GET /c\nd: deny GET /c; allow GET /d";
    check(ladder, "GET /a", "rule-denies");
    check(ladder, "GET /b", "allow");
    check(ladder, "GET /c", "allow");
    check(ladder, "GET /d", "allow");
}

#[test]
fn a_circle_of_roles_is_found() {
    assert!(roles("a < b:\nb < c:\nc < a:").cycle().is_some());
    assert!(roles("a < b, c:\nb < d:\nc < d:\nd:").cycle().is_none());
}

#[test]
fn which_grant_counts() {
    let (one, two) = (Arc::new(grant("ann@example.com", "1")), Arc::new(grant("ann@example.com", "2")));
    let mut staff = grant("ann@example.com", "1");
    staff.customer = None;
    let staff = Arc::new(staff);
    let id = |text: &str| CustomerId::parse(text).expect("valid");
    let both = [Arc::clone(&one), Arc::clone(&two)];
    assert_eq!(choose(&[], None, None), Choice::None(Reason::NoGrant));
    assert_eq!(choose(&[Arc::clone(&one)], None, None), Choice::One(Arc::clone(&one)));
    assert_eq!(choose(&both, None, None), Choice::Several);
    assert_eq!(choose(&both, None, Some(&id("2"))), Choice::One(Arc::clone(&two)));
    assert_eq!(choose(&both, None, Some(&id("3"))), Choice::Several, "a choice that is gone is no choice");
    assert_eq!(choose(&[Arc::clone(&one)], None, Some(&id("3"))), Choice::Several, "nobody becomes another's unasked");
    assert_eq!(choose(&both, Some(&id("1")), Some(&id("2"))), Choice::One(Arc::clone(&one)), "the domain decides");
    assert_eq!(choose(&both, Some(&id("3")), None), Choice::None(Reason::OtherCustomer));
    assert_eq!(choose(&[Arc::clone(&staff)], Some(&id("3")), None), Choice::One(staff));
}

fn list(extra: impl FnOnce(&mut CustomerList)) -> CustomerList {
    let column = |name: &str| ColumnName::parse(name).expect("valid");
    let mut list = CustomerList {
        name: "contacts".to_owned(),
        source: SourceName::parse("crm").expect("valid"),
        table: None,
        columns: ListColumns {
            email: column("email"),
            customer: Some(column("company")),
            customer_name: None,
            person: None,
            language: None,
            days_back: Some(column("days")),
            notes: None,
            attributes: vec![("plan".to_owned(), column("level"))],
        },
        days_back: None,
        role: ListRole::Column(column("level")),
        condition: None,
        assign: Vec::new(),
        adjustable: false,
    };
    extra(&mut list);
    list
}

fn row(cells: &[(&str, &str)]) -> Arc<Row> {
    Arc::new(Row(cells.iter().map(|(column, text)| ((*column).to_owned(), Value::from(*text))).collect()))
}

fn nominate(list: &CustomerList, row: &Arc<Row>, roles_text: &str) -> Result<Grant, Refusal> {
    policy(roles(roles_text)).nominate(list, row, Timestamp::UNIX_EPOCH, &mut Vec::new())
}

const ANN: [(&str, &str); 4] = [("email", "Ann@Example.com"), ("company", "42"), ("days", "30"), ("level", "boss")];

#[test]
fn a_row_becomes_a_grant() {
    let grant = nominate(&list(|_| {}), &row(&ANN), "user:\nboss:").expect("a grant");
    assert_eq!((grant.email.as_str(), grant.role.as_str(), grant.days_back), ("ann@example.com", "boss", Some(30)));
    assert_eq!(grant.customer_id().map(CustomerId::as_str), Some("42"));
}

#[test]
fn days_back_come_from_the_row_then_the_list_then_the_role() {
    let mut roles = roles("base:\nlead < base:\nboss < lead:\nfree < base:");
    let mut set = |name: &str, days| {
        if let Some(role) = roles.0.get_mut(&role(name)) {
            role.days_back = Some(days);
        }
    };
    set("base", DaysBack::Days(7));
    set("free", DaysBack::Unlimited);
    let days = |level: &str, cell: &str, of_list: Option<DaysBack>| {
        let cells = [ANN[0], ANN[1], ("days", cell), ("level", level)];
        let list = list(|list| list.days_back = of_list);
        let grant = policy(roles.clone()).nominate(&list, &row(&cells), Timestamp::UNIX_EPOCH, &mut Vec::new());
        grant.expect("a grant").days_back
    };
    assert_eq!(days("boss", "30", Some(DaysBack::Days(90))), Some(30));
    assert_eq!(days("boss", "", Some(DaysBack::Days(90))), Some(90));
    assert_eq!(days("boss", "", None), Some(7), "who includes a limited role is limited");
    assert_eq!(days("free", "", None), None);
}

fn rule(text: &str, when: Option<&str>, filters: Filters) -> Rule {
    let (effect, text) = text.split_once(' ').expect("allow or deny");
    let effect = if effect == "allow" { Effect::Allow } else { Effect::Deny };
    let when = when.map(|when| Condition::compile(when, Scope::Request).expect("it compiles"));
    Rule { when, filters: Some(Arc::new(filters)), ..Rule::parse(effect, text).expect("a rule") }
}

fn decision(rules: Vec<Rule>, target: &str) -> String {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let path = RequestPath::parse(path.as_bytes(), &PathAllowances::default()).expect("a path");
    let roles = Roles([(role("user"), Role { rules, ..Role::default() })].into());
    let identity = IdentityPlan { preset: Preset::Access, extra: Vec::new(), jwt: None };
    let access =
        Access::compile(&policy(roles), &identity, Arc::new(grant("ann@example.com", "42")), Timestamp::UNIX_EPOCH);
    match decide(&Standing::Access(Arc::new(access)), &a_request(&Method::GET, &path, query)) {
        Decision::Allow(permit) => {
            let query = permit.filters().map(|filters| filters.query().to_vec()).unwrap_or_default();
            format!("allow {query:?}")
        }
        Decision::Deny(reason) => reason.name().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_rule_with_a_condition_matches_only_where_it_holds() {
    let rules = || {
        vec![
            rule("deny GET /**", Some(r#"request.query.debug == "1""#), Filters::default()),
            rule("allow GET /a", Some(r#"request.query.page != "9""#), Filters::default()),
        ]
    };
    assert_eq!(decision(rules(), "/a?debug=0&page=1"), "allow []");
    assert_eq!(decision(rules(), "/a?debug=1&page=1"), "rule-denies");
    assert_eq!(decision(rules(), "/a?debug=0&page=9"), "no-rule");
    // What cannot be judged denies where the rule denies, and allows nothing where it allows.
    assert_eq!(decision(rules(), "/a?page=1"), "rule-denies");
    assert_eq!(decision(rules(), "/a?debug=0"), "no-rule");
    assert_eq!(decision(rules(), "/a?debug=0&debug=1&page=1"), "rule-denies");
}

#[test]
fn a_forced_parameter_without_a_value_lets_nothing_through() {
    let forced = |template: &str| {
        let query = vec![("company".to_owned(), Template::parse(template).expect("a template"))];
        vec![rule("allow GET /a", None, Filters { query, ..Filters::default() })]
    };
    assert_eq!(decision(forced("{customer.id}"), "/a"), r#"allow [("company", "42")]"#);
    assert_eq!(decision(forced("{customer.name}"), "/a"), "rule-denies");
    let mut rules = forced("{customer.name}");
    rules.push(rule("allow GET /**", None, Filters::default()));
    assert_eq!(decision(rules, "/a"), "rule-denies", "a wider rule opens nothing that one before it narrows");
}

#[test]
fn attack_26_a_hidden_field_is_not_sorted_by() {
    let hide = || Filters { hide: vec![MemberPath::parse("price").expect("a path")], ..Filters::default() };
    assert_eq!(decision(vec![rule("allow GET /a", None, hide())], "/a?sort=price"), "hidden-field");
    assert_eq!(decision(vec![rule("allow GET /a", None, hide())], "/a?sort=id"), "allow []");
}

#[test]
fn without_a_customer_column_each_email_is_its_own_customer() {
    let grant = nominate(&list(|list| list.columns.customer = None), &row(&ANN), "user:\nboss:").expect("a grant");
    assert_eq!(grant.customer_id().map(CustomerId::as_str), Some("ann@example.com"));
}

#[test]
fn a_role_comes_from_the_row_then_from_assign_then_from_the_default() {
    let assign = |list: &mut CustomerList| {
        let when = Condition::compile(r#"row.company == "42""#, Scope::Table).expect("it compiles");
        list.assign.push(Assign { role: role("lead"), when });
    };
    let mut cells = ANN;
    let role_of = |list: &CustomerList, cells: &[(&str, &str)]| {
        nominate(list, &row(cells), "user:\nboss:\nlead:").map(|grant| grant.role.to_string())
    };
    assert_eq!(role_of(&list(assign), &cells), Ok("boss".to_owned()));
    cells[3].1 = " ";
    assert_eq!(role_of(&list(assign), &cells), Ok("lead".to_owned()));
    cells[1].1 = "43";
    assert_eq!(role_of(&list(assign), &cells), Ok("user".to_owned()));
}

#[test]
fn every_fault_of_a_row_has_its_name() {
    let with = |column: &str, text: &str| {
        let cells: Vec<_> = ANN.iter().map(|(name, old)| (*name, if *name == column { text } else { *old })).collect();
        nominate(&list(|_| {}), &row(&cells), "user:\nboss:").expect_err("refused").to_string()
    };
    assert!(with("email", "").contains("empty"));
    assert!(with("email", "ann").contains("exactly one @"));
    assert!(with("company", "").contains("customer is empty"));
    assert!(with("days", "-1").contains("days back"));
    assert!(with("days", "many").contains("days back"));
    assert!(with("level", "king").contains("`king` is none of the app's"));
    let condition = |source: &str| {
        let list = list(|list| list.condition = Some(Condition::compile(source, Scope::Table).expect("it compiles")));
        nominate(&list, &row(&ANN), "user:\nboss:")
    };
    assert_eq!(condition("row.days == 'x'"), Err(Refusal::Where));
    assert!(matches!(condition("row.missing == 1"), Err(Refusal::WhereFailed(_))));
    let short = row(&ANN[..3]);
    assert!(matches!(nominate(&list(|_| {}), &short, "user:"), Err(Refusal::NoColumn(_))));
}

#[test]
fn two_rows_for_one_customer_are_ambiguous_and_neither_enters() {
    let settled = AppPolicy::settle(vec![
        grant("ann@example.com", "1"),
        grant("ann@example.com", "2"),
        grant("ann@example.com", "1"),
    ]);
    assert_eq!(settled.grants, vec![grant("ann@example.com", "2")]);
    assert!(matches!(settled.refusals.as_slice(), [Refusal::Ambiguous { .. }]));
}

#[test]
fn days_begin_at_midnight_in_the_apps_time_zone() {
    let mut policy = policy(Roles::standard());
    policy.time_zone = TimeZone::fixed(jiff::tz::offset(3));
    let just_before: Timestamp = "2026-03-01T20:59:59Z".parse().expect("a time");
    let just_after: Timestamp = "2026-03-01T21:00:00Z".parse().expect("a time");
    assert_eq!(policy.since(Some(1), just_before).map(|day| day.to_string()), Some("2026-02-28".to_owned()));
    assert_eq!(policy.since(Some(1), just_after).map(|day| day.to_string()), Some("2026-03-01".to_owned()));
    assert_eq!(policy.since(None, just_after), None);
}

#[test]
fn attack_26_days_back_are_right_across_clock_changes_and_midnights_that_are_not_there() {
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    // The zone, now, days back; then the first day, its first moment, and when the next day begins.
    for (zone, now, days, day, begins, next) in [
        // An ordinary day.
        ("Europe/Berlin", "2026-01-10T12:00:00Z", 7, "2026-01-03", "2026-01-02T23:00:00Z", "2026-01-10T23:00:00Z"),
        // A day of 23 hours, from within and from after it.
        ("Europe/Berlin", "2026-03-28T23:30:00Z", 0, "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", 1, "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z"),
        // One of 25 hours, in its last second and in the next.
        ("Europe/Berlin", "2026-10-25T22:59:59Z", 0, "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("Europe/Berlin", "2026-10-25T23:00:00Z", 1, "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z"),
        // A midnight that is not there: the day begins at one.
        ("America/Santiago", "2026-09-06T03:59:59Z", 0, "2026-09-05", "2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z"),
        ("America/Santiago", "2026-09-06T04:00:00Z", 0, "2026-09-06", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
        // One that is there twice: the day begins at the first.
        ("America/Havana", "2026-11-01T04:30:00Z", 0, "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ("America/Havana", "2026-11-01T05:30:00Z", 0, "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        // Leap days, and more days than the calendar has.
        ("UTC", "2028-03-01T00:00:00Z", 1, "2028-02-29", "2028-02-29T00:00:00Z", "2028-03-02T00:00:00Z"),
        ("UTC", "2027-03-01T00:00:00Z", 1, "2027-02-28", "2027-02-28T00:00:00Z", "2027-03-02T00:00:00Z"),
        ("Pacific/Kiritimati", "2026-12-31T10:00:00Z", 0, "2027-01-01", "2026-12-31T10:00:00Z", "2027-01-01T10:00:00Z"),
    ] {
        let now = time(now);
        let mut policy = policy(roles("user:"));
        policy.time_zone = TimeZone::get(zone).expect("a zone");
        let grant = Grant { days_back: Some(days), ..grant("ann@example.com", "1") };
        let identity = IdentityPlan { preset: Preset::Access, extra: Vec::new(), jwt: None };
        let access = Access::compile(&policy, &identity, Arc::new(grant), now);
        assert_eq!(access.since().map(|day| day.to_string()).as_deref(), Some(day), "{zone} at {now}");
        let header = access.headers().iter().find(|(name, _)| name == "x-access-since");
        assert_eq!(header.and_then(|(_, value)| value.to_str().ok()), Some(day), "{zone} at {now}");
        assert_eq!(policy.next_midnight(now), time(next), "{zone} at {now}");
        let keep = Condition::compile("timestamp(row.at) >= access.since", Scope::Answer).expect("it compiles");
        let judge = |moment: Timestamp| {
            let row = Element::from_json(format!(r#"{{"at":"{moment}"}}"#).as_bytes()).expect("a row");
            access.judge(&keep, now).verdict(row)
        };
        let begins = time(begins);
        assert_eq!(judge(begins), Verdict::True, "{zone} at {now}: the first moment");
        let before = begins.checked_sub(jiff::SignedDuration::from_secs(1)).expect("in range");
        assert_eq!(judge(before), Verdict::False, "{zone} at {now}: a second before");
    }
}

fn rule_text() -> impl Strategy<Value = String> {
    ("(allow|deny)", "(GET|POST|\\*)", "(/([ab]|\\*|\\*\\*)){1,3}").prop_map(|(e, m, p)| format!("{e} {m} {p}"))
}

proptest! {
    #[test]
    fn one_more_deny_admits_nobody(rules in prop::collection::vec(rule_text(), 1..6), at in 0_usize..6, deny in "(GET|\\*) (/([ab]|\\*|\\*\\*)){1,3}", path in "(/[ab]){1,3}") {
        let before = outcome(&format!("user: {}", rules.join("; ")), &format!("GET {path}"));
        let mut more = rules.clone();
        more.insert(at.min(rules.len()), format!("deny {deny}"));
        let after = outcome(&format!("user: {}", more.join("; ")), &format!("GET {path}"));
        prop_assert!(before == "allow" || after != "allow", "{:?} then {:?}", rules, more);
    }

    #[test]
    fn nobody_without_access_gets_a_permit(path in "(/[ab]){1,3}") {
        let path = RequestPath::parse(path.as_bytes(), &PathAllowances::default()).expect("a path");
        for standing in [Standing::Unknown, Standing::Undecided, Standing::Refused(Reason::NoGrant)] {
            let decision = decide(&standing, &a_request(&Method::GET, &path, None));
            prop_assert!(!matches!(decision, Decision::Allow(_)));
        }
    }
}
