//! `vestibule explain`: one person's way into one app, step by step, and what would have to change.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;

use super::advice::advice;
use super::paint::{Paint, count, cut, tame};
use super::{ExplainArgs, Failure};
use crate::config::nearest::did_you_mean;
use crate::config::{App, Config};
use crate::directory::{ListTrace, RowTrace, TableDirectory, Trace};
use crate::policy::{
    Access, Choice, ConditionFacts, CustomerList, Decision, Grant, ListRole, Reason, Request, Standing, Subject, Value,
    Verdict, choose, decide,
};
use crate::state::clock::Clock;
use crate::types::{CustomerId, Email, HostName, RequestPath, RequiredWay};

/// Exit code for a person who may not enter, or a request that is refused.
const REFUSED: u8 = 3;
/// The most characters of one value that are shown.
const MOST_SHOWN: usize = 80;

/// Explains.
pub(super) async fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let config = crate::config::load(&args.config.config)?;
    let directory = TableDirectory::open(&config, Clock);
    let (text, is_allowed) = explain(args, &config, &directory, Clock.now(), Paint::for_stdout()).await?;
    super::print(&text)?;
    Ok(if is_allowed { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// The text, and whether the person may enter (and the request is allowed).
pub(super) async fn explain(
    args: &ExplainArgs,
    config: &Config,
    directory: &TableDirectory,
    now: Timestamp,
    paint: Paint,
) -> Result<(String, bool), Failure> {
    let question = Question::read(args, config)?;
    let Some(trace) = directory.trace(&question.app.name, &question.email).await else {
        return Err(Failure::Other(format!("app `{}` has no lists", question.app.name)));
    };
    let mut story = Story { app: question.app, text: String::new(), paint, now };
    story.line(0, paint.title(format!("{} in app {}", question.email, question.app.name)));
    story.ways(&question.email);
    story.lists(&trace);
    let is_allowed = story.verdict(&question, &trace);
    Ok((story.text, is_allowed))
}

/// What is asked.
struct Question<'a> {
    app: &'a App,
    email: Email,
    /// The customer that the domain pins.
    pinned: Option<&'a CustomerId>,
    request: Option<(Method, &'a str)>,
}

impl<'a> Question<'a> {
    fn read(args: &'a ExplainArgs, config: &'a Config) -> Result<Self, Failure> {
        let app = config.app(&args.app).ok_or_else(|| {
            let known: Vec<&str> = config.apps.iter().map(|app| app.name.as_str()).collect();
            let otherwise = format!("the config has {}", known.join(", "));
            Failure::Usage(format!("there is no app `{}`; {}", args.app, did_you_mean(&args.app, known, &otherwise)))
        })?;
        let email = Email::parse(&args.email)
            .map_err(|error| Failure::Usage(format!("nobody can log in as `{}`: {error}", tame(&args.email))))?;
        let pinned = match &args.host {
            None => None,
            Some(host) => pinned_by(host, app, config)?,
        };
        let request = match &args.path {
            None => None,
            Some(path) => {
                let method = Method::from_bytes(args.method.as_bytes())
                    .map_err(|_| Failure::Usage(format!("`{}` is not a method", tame(&args.method))))?;
                Some((method, path.as_str()))
            }
        };
        Ok(Self { app, email, pinned, request })
    }
}

fn pinned_by<'a>(host: &str, app: &'a App, config: &Config) -> Result<Option<&'a CustomerId>, Failure> {
    let name =
        HostName::parse_authority(host).map_err(|_| Failure::Usage(format!("`{}` is not a host name", tame(host))))?;
    if let Some(domain) = app.domains.iter().find(|domain| domain.host == name) {
        return Ok(domain.customer.as_ref());
    }
    let other = config.apps.iter().find(|app| app.domains.iter().any(|domain| domain.host == name));
    let known: Vec<&str> = app.domains.iter().map(|domain| domain.host.as_str()).collect();
    Err(Failure::Usage(match other {
        Some(other) => format!("`{name}` is a domain of app `{}`, not of `{}`", other.name, app.name),
        None => format!("`{name}` is no domain of app `{}`, which has {}", app.name, known.join(", ")),
    }))
}

struct Story<'a> {
    app: &'a App,
    text: String,
    paint: Paint,
    now: Timestamp,
}

impl Story<'_> {
    fn line(&mut self, indent: usize, text: impl AsRef<str>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:indent$}{}", "", text.as_ref());
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        let title = self.paint.title(text);
        self.line(0, title);
    }

    /// `name  value`, the values below each other.
    fn table(&mut self, indent: usize, cells: &[(String, String)]) {
        let width = cells.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in cells {
            self.line(indent, format!("{name:width$}  {value}").trim_end());
        }
    }

    fn advice(&mut self, indent: usize, advice: &str) {
        self.line(indent, format!("to let this person in: {}", tame(advice)));
    }

    /// By which ways the person may come.
    fn ways(&mut self, email: &Email) {
        let ways = &self.app.ways;
        let home = ways.home_of(email).map(|provider| provider.name.clone());
        let mut names = Vec::new();
        match &home {
            Some(home) => names.push(format!("provider {home}, which alone speaks for {}", email.domain())),
            None => {
                names.extend(ways.email.then(|| "mail".to_owned()));
                let speakers = ways.providers.iter().filter(|provider| provider.speaks_for(email));
                names.extend(speakers.map(|provider| format!("provider {}", provider.name)));
            }
        }
        names.extend(ways.passkey.then(|| "a passkey added after another log-in".to_owned()));
        self.heading("Ways in");
        self.line(2, format!("by {}", names.join(", or ")));
    }

    // From lists to grants.

    fn lists(&mut self, trace: &Trace) {
        if let Some(staff) = &trace.staff {
            self.heading("Workspace");
            self.line(2, format!("one of the workspace's own people, with the role `{}`", staff.role));
            self.line(2, "so the customer lists were not asked: nobody is staff and customer of one app");
            return;
        }
        self.heading("Customer lists");
        if trace.lists.is_empty() {
            self.line(2, "the app has none");
        }
        for found in &trace.lists {
            // A trace has a part for each list of the app that it was made for.
            let Some(list) = self.app.policy.lists.get(found.number) else { continue };
            let list = list.clone();
            self.list(&list, found, trace);
        }
        for refusal in &trace.ambiguous {
            let text = self.paint.bad(tame(&refusal.to_string()));
            self.line(2, text);
            if let Some(list) = self.app.policy.lists.first().cloned() {
                let text = advice(refusal, &self.app.policy, &list);
                self.advice(4, &text);
            }
        }
    }

    fn list(&mut self, list: &CustomerList, found: &ListTrace, trace: &Trace) {
        let table = list.table.as_ref().map_or_else(String::new, |table| format!(", table {table}"));
        let source = self.paint.quiet(format!("(source {}{table})", list.source));
        self.line(2, format!("{} {source}", tame(&list.name)));
        let rows = match &found.rows {
            Ok(rows) => rows,
            Err(why) => {
                let text = self.paint.bad(format!("the source cannot be asked: {}", tame(why)));
                self.line(4, text);
                self.line(4, "until it can, nobody enters but those whose rows the running gateway still remembers");
                return;
            }
        };
        if rows.is_empty() {
            self.line(4, format!("no row has this address in column `{}`", list.columns.email));
            for (place, address) in &found.alike {
                self.line(4, format!("{place} is written much alike: {}", tame(&cut(address, MOST_SHOWN))));
            }
        }
        for row in rows {
            self.row(list, row, trace);
        }
    }

    fn row(&mut self, list: &CustomerList, found: &RowTrace, trace: &Trace) {
        let is_left = |grant: &Grant| trace.grants.iter().any(|left| left.customer == grant.customer);
        let verdict = match &found.outcome {
            Ok(grant) if is_left(grant) => self.paint.good("counts"),
            Ok(_) => self.paint.bad("does not count, for another row is for the same customer"),
            Err(_) => self.paint.bad("does not count"),
        };
        self.line(4, format!("{} {verdict}", found.place));
        let cells =
            found.row.0.iter().map(|(column, value)| (name_in_conditions(column), self.paint.quiet(show(value))));
        self.table(6, &cells.collect::<Vec<_>>());
        for remark in &found.remarks {
            let text = self.paint.bad(tame(&remark.to_string()));
            self.line(6, format!("note: {text}"));
            let text = advice(remark, &self.app.policy, list);
            self.line(6, format!("to mend it: {}", tame(&text)));
        }
        match &found.outcome {
            Ok(grant) => {
                let steps = self.steps(list, found, grant);
                self.table(6, &steps);
            }
            Err(refusal) => {
                let text = self.paint.bad(tame(&refusal.to_string()));
                self.line(6, text);
                let text = advice(refusal, &self.app.policy, list);
                self.advice(6, &text);
            }
        }
    }

    /// What made a grant of a row, in the order it was asked.
    fn steps(&self, list: &CustomerList, found: &RowTrace, grant: &Grant) -> Vec<(String, String)> {
        let mut steps = Vec::new();
        if let Some(condition) = &list.condition {
            steps.push(("where".to_owned(), format!("`{}` is true", tame(condition.source()))));
        }
        if let Some(customer) = &grant.customer {
            let from = list.columns.customer.as_ref().map_or_else(
                || "the address itself, for the list names no column".to_owned(),
                |column| format!("column `{}`", tame(column.as_str())),
            );
            steps.push(("customer".to_owned(), format!("{}, from {from}", tame(customer.id.as_str()))));
        }
        steps.push(("role".to_owned(), format!("{}, {}", grant.role, self.origin_of_role(list, found, grant))));
        if let Some(when) = self.app.policy.roles.role(&grant.role).and_then(|role| role.when.as_ref()) {
            steps.push(("role's when".to_owned(), format!("`{}` is true", tame(when.source()))));
        }
        if let Some(requirement) = self.app.policy.roles.unmet(&grant.role, std::iter::empty()) {
            let ways: Vec<&str> = requirement.0.iter().map(RequiredWay::as_str).collect();
            steps.push(("asks for".to_owned(), format!("a log-in by {}", ways.join(" or "))));
        }
        steps
    }

    fn origin_of_role(&self, list: &CustomerList, found: &RowTrace, grant: &Grant) -> String {
        if let ListRole::Column(column) = &list.role
            && found.row.text(column.as_str()).is_some()
        {
            return format!("from column `{}`", tame(column.as_str()));
        }
        let facts = ConditionFacts::of_row(
            Subject::Row(&found.row),
            grant.customer.as_ref(),
            self.now,
            &self.app.policy.time_zone,
        );
        let assigned = list.assign.iter().find(|assign| assign.when.verdict(facts) == Verdict::True);
        match (assigned, &list.role) {
            (Some(assign), _) => format!("assigned because `{}` is true", tame(assign.when.source())),
            (None, ListRole::Name(_)) => "as the list gives every row".to_owned(),
            (None, _) => "the app's `roles_default`".to_owned(),
        }
    }

    // From grants to the decision.

    fn verdict(&mut self, question: &Question<'_>, trace: &Trace) -> bool {
        let is_reached = trace.lists.iter().all(|list| list.rows.is_ok());
        let grants = if is_reached { trace.grants.as_slice() } else { &[] };
        let chosen = match choose(grants, question.pinned, None) {
            Choice::One(grant) => vec![grant],
            Choice::Several => grants.to_vec(),
            Choice::None(reason) => {
                self.nothing_left(question, trace, reason);
                return false;
            }
        };
        if chosen.len() > 1 {
            self.heading("Several customers");
            let names = chosen.iter().filter_map(|grant| grant.customer_id()).map(|id| tame(id.as_str()));
            let names = names.collect::<Vec<_>>().join(", ");
            self.line(2, format!("the person chooses among {names}; here is each of them"));
        }
        let outcomes: Vec<bool> = chosen.iter().map(|grant| self.grant(question, grant)).collect();
        self.heading("In the end");
        let allowed = outcomes.iter().filter(|allowed| **allowed).count();
        self.pinning_domains(question, &trace.grants);
        if !self.app.enabled {
            let text = self.paint.bad("the app is switched off: everybody gets a page that says so");
            self.line(2, text);
            self.advice(2, &format!("set `enabled = true` in `[app.{}]`", self.app.name));
            return false;
        }
        let text = match (question.request.is_some(), allowed) {
            (_, 0) => self.paint.bad("the person may enter, but this request is refused"),
            (true, some) if some < outcomes.len() => self
                .paint
                .good(format!("it depends: the request is allowed for {some} of {} customers", outcomes.len())),
            (true, _) => self.paint.good("the person may enter, and this request goes upstream"),
            (false, _) => self.paint.good("the person may enter"),
        };
        self.line(2, text);
        allowed > 0
    }

    fn nothing_left(&mut self, question: &Question<'_>, trace: &Trace, reason: Reason) {
        self.heading("In the end");
        let unreached = trace.lists.iter().find(|list| list.rows.is_err());
        let list = |number: usize| self.app.policy.lists.get(number);
        let (what, advice) = match (reason, unreached.and_then(|found| list(found.number)), question.pinned) {
            (_, Some(list), _) => (
                "the person may not enter while a source cannot be asked".to_owned(),
                format!("make source `{}` readable", list.source),
            ),
            (Reason::OtherCustomer, None, Some(pinned)) => (
                format!("this domain is for the people of customer {} alone", tame(pinned.as_str())),
                format!("give the person a row for customer {}, or another domain of the app", tame(pinned.as_str())),
            ),
            _ if trace.lists.iter().all(|list| list.rows.as_ref().is_ok_and(Vec::is_empty)) => (
                "the person may not enter: no list knows the address".to_owned(),
                match list(0) {
                    _ if trace.lists.iter().any(|list| !list.alike.is_empty()) => {
                        "mend the row that is written much alike, if it is theirs, or add one".to_owned()
                    }
                    Some(list) => format!(
                        "add a row with the address in column `{}` to source `{}`",
                        list.columns.email, list.source
                    ),
                    None => format!("add `[[app.{}.customers]]`", self.app.name),
                },
            ),
            _ => (
                "the person may not enter: no row counts".to_owned(),
                "do what stands at one of the rows above".to_owned(),
            ),
        };
        let text = self.paint.bad(what);
        self.line(2, text);
        self.advice(2, &advice);
    }

    /// One grant: who, which rules, which headers, and the decision on the request; whether that is allowed.
    fn grant(&mut self, question: &Question<'_>, grant: &Arc<Grant>) -> bool {
        let access = Access::compile(&self.app.policy, &self.app.identity, Arc::clone(grant), self.now);
        let customer = grant.customer.as_ref();
        self.heading(&customer.map_or_else(
            || "Access as one of the workspace".to_owned(),
            |customer| format!("Access for customer {}", tame(customer.id.as_str())),
        ));
        self.who(grant, &access);
        let outcome = question.request.as_ref().map(|(method, path)| self.decide(access.clone(), method, path));
        let matching = outcome.as_ref().and_then(|outcome| outcome.matching);
        self.rules(grant, &access, matching);
        self.headers(&access);
        let Some(outcome) = outcome else { return true };
        self.text.push('\n');
        for line in &outcome.lines {
            self.line(2, line);
        }
        outcome.is_allowed
    }

    fn who(&mut self, grant: &Grant, access: &Access) {
        let mut cells = vec![("role".to_owned(), grant.role.to_string())];
        let mut cell = |name: &str, value: Option<String>| {
            cells.extend(value.map(|value| (name.to_owned(), cut(&tame(&value), MOST_SHOWN))));
        };
        cell("name", grant.name.as_ref().map(ToString::to_string));
        let customer = grant.customer.as_ref().and_then(|customer| customer.name.as_ref());
        cell("customer's name", customer.map(ToString::to_string));
        cell("language", grant.language.as_ref().map(ToString::to_string));
        cell("notes", grant.notes.as_ref().map(ToString::to_string));
        let days = match (grant.days_back, access.since()) {
            (Some(days), Some(since)) => format!("{}, so since {since}", count(days, "day", "days")),
            _ => "without limit".to_owned(),
        };
        cell("days back", Some(days));
        self.table(2, &cells);
    }

    fn rules(&mut self, grant: &Grant, access: &Access, matching: Option<usize>) {
        let rules: Vec<(String, String)> =
            access.rules().map(|rule| (tame(rule.text), format!("role {}", rule.role))).collect();
        self.text.push('\n');
        if rules.is_empty() {
            self.line(2, format!("role `{}` has no rules, so it may do everything", grant.role));
            return;
        }
        self.line(2, "rules, of which the first that matches decides:");
        let width = rules.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0);
        for (number, (text, role)) in rules.iter().enumerate() {
            let line = format!("{text:width$}  {role}");
            let line = if matching == Some(number) {
                format!("> {}", self.paint.title(line))
            } else {
                format!("  {}", self.paint.quiet(line))
            };
            self.line(2, line);
        }
    }

    fn headers(&mut self, access: &Access) {
        let identity = access.headers().iter().map(|(name, value)| {
            (format!("{}:", title_case(name.as_str())), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let mut headers: Vec<(String, String)> = identity.collect();
        if let Some(jwt) = &self.app.identity.jwt {
            let value = format!("(signed for `{}`, good for {} s)", tame(&jwt.audience), jwt.lifetime.as_secs());
            headers.push((format!("{}:", title_case(jwt.header.as_str())), value));
        }
        self.text.push('\n');
        if headers.is_empty() {
            self.line(2, "the upstream is told nothing of the person");
            return;
        }
        self.line(2, "the upstream is told:");
        self.table(4, &headers);
    }

    fn decide(&self, access: Access, method: &Method, path: &str) -> Outcome {
        let paint = self.paint;
        let mut lines = Vec::new();
        let raw = path.split(['?', '#']).next().unwrap_or_default();
        if raw.len() < path.len() {
            lines.push(paint.quiet("rules never look at query and fragment, so they were cut off"));
        }
        let path = match RequestPath::parse(raw.as_bytes(), &self.app.path_allowances) {
            Ok(path) => path,
            Err(error) => {
                let name = error.0.name();
                lines.push(paint.bad(format!("{method} {} is refused with 400: {error}", tame(raw))));
                if crate::types::Ambiguity::ALLOWABLE.contains(&error.0) {
                    let app = &self.app.name;
                    lines.push(format!(
                        "to let it pass: `path_allow = [\"{name}\"]` in `[app.{app}]`, if the app needs such paths"
                    ));
                }
                return Outcome { lines, matching: None, is_allowed: false };
            }
        };
        let headers = http::HeaderMap::new();
        let Some(domain) = self.app.domains.first() else {
            return Outcome { lines, matching: None, is_allowed: false };
        };
        let request = Request {
            method,
            path: &path,
            query: None,
            headers: &headers,
            host: &domain.host,
            client: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            now: self.now,
        };
        let matching = access.first_match(&request);
        let why = access.explain(&request);
        let role = access.grant().role.clone();
        let (lines, is_allowed) = match decide(&Standing::Access(Arc::new(access)), &request) {
            Decision::Allow(permit) => {
                lines.push(paint.good(format!("{method} {} is allowed: {why}", tame(permit.path().as_str()))));
                (lines, true)
            }
            decision => {
                lines.push(paint.bad(format!("{method} {} is denied: {why}", tame(path.as_str()))));
                let app = &self.app.name;
                let rule = format!("{{ allow = \"{method} {}\" }}", tame(path.as_str()));
                let where_to = match decision {
                    Decision::Deny(Reason::RuleDenies) => "before that rule in",
                    _ => "to",
                };
                lines.push(format!(
                    "to let it pass: add `{rule}` {where_to} `[app.{app}.role.{role}]`, or give the person another role"
                ));
                (lines, false)
            }
        };
        Outcome { lines, matching, is_allowed }
    }

    /// What the domains that pin a customer make of it, where none was asked for.
    fn pinning_domains(&mut self, question: &Question<'_>, grants: &[Arc<Grant>]) {
        if question.pinned.is_some() {
            return;
        }
        let lines: Vec<String> = self
            .app
            .domains
            .iter()
            .filter_map(|domain| {
                let pinned = domain.customer.as_ref()?;
                let may = match choose(grants, Some(pinned), None) {
                    Choice::One(_) => "may enter",
                    _ => "may not enter",
                };
                Some(format!("by {}, which is for customer {}, the person {may}", domain.host, tame(pinned.as_str())))
            })
            .collect();
        for line in lines {
            self.line(2, line);
        }
    }
}

/// What became of a request.
struct Outcome {
    lines: Vec<String>,
    matching: Option<usize>,
    is_allowed: bool,
}

/// A value as conditions see it: a text in quotes, anything else without.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("\"{}\"", cut(&tame(text), MOST_SHOWN)),
        Value::Decimal(digits) => digits.clone(),
        Value::Date(day) => day.to_string(),
        Value::DateTime(time) => time.to_string(),
        Value::Timestamp(time) => time.to_string(),
        Value::List(values) => format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(values) => {
            let members =
                values.iter().map(|(name, value)| format!("{}: {}", cut(&tame(name), MOST_SHOWN), show(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// What conditions call a column: `row.status`, or `row["first name"]`.
fn name_in_conditions(column: &str) -> String {
    let is_name = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if is_name(column) && !column.starts_with(|first: char| first.is_ascii_digit()) {
        format!("row.{column}")
    } else {
        format!("row[{}]", show(&Value::Text(column.to_owned())))
    }
}

/// `x-access-email` as people write it.
fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let mut characters = word.chars();
        characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}
