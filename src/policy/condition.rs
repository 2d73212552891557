//! Conditions: CEL expressions over rows, people and requests, compiled when the config is read.
//!
//! A condition that cannot be evaluated (a column that is not there, a text compared with a number) is not true. It is
//! never an error to the person who asks, and never an allow; `check` and `explain` report it.
//!
//! CEL compares only like with like, and tables and answers write times as text. So where `<`, `<=`, `>` or `>=` has a moment
//! of ours on one side (`access.since`, `now`, `request.time`), the other side is read as a moment: a day is its midnight,
//! and what names no zone is in the app's.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr};
use cel::{Context, Env, ExecutionError, IdedExpr, Program};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::looks::unknown_member;
use super::request::{decode, parameters};
use super::{Customer, Element, Grant, Request, Row, Value};

/// A compiled condition.
#[derive(Clone)]
pub struct Condition(Arc<Compiled>);

struct Compiled {
    source: String,
    expression: IdedExpr,
    /// The names that it looks at, so that no others are prepared for it.
    names: Vec<&'static str>,
    reads_moments: bool,
}

/// A condition that does not compile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCondition {
    /// No CEL expression.
    #[error("the condition does not parse: {0}")]
    Syntax(String),
    /// It speaks of something that conditions here do not know.
    #[error("the condition speaks of `{0}`, which is none of {1}")]
    UnknownName(String, String),
    /// It calls something that conditions do not have.
    #[error("the condition calls `{0}`, which CEL does not have")]
    UnknownFunction(String),
    /// Longer than conditions need be.
    #[error("the condition is longer than 4096 characters")]
    TooLong,
}

/// Where a condition stands, and so what it may speak of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// A list's `where` and `assign`, a role's `when`: the row of a table.
    Table,
    /// A rule's `when`: a request, and who makes it.
    Request,
    /// A rule's `rows`: a row of an answer, and who gets it.
    Answer,
}

impl Scope {
    /// The names that a condition may speak of.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Table => &["row", "customer", "now"],
            Self::Request => &["request", "access", "grant", "customer", "row", "now"],
            Self::Answer => &["row", "access", "grant", "customer", "now"],
        }
    }
}

/// What a condition came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It could not be evaluated, which counts as false; here is why.
    Failed(String),
}

/// What `row` is.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A row of a table.
    Row(&'a Row),
    /// A row of an answer.
    Element(&'a Element),
}

/// What a condition may look at.
#[derive(Clone, Copy, Debug)]
pub struct ConditionFacts<'a> {
    /// The row.
    pub row: Subject<'a>,
    /// The customer, once it is known.
    pub customer: Option<&'a Customer>,
    /// The grant, once it is known, with the first moment that its person may see.
    pub grant: Option<(&'a Grant, Option<Timestamp>)>,
    /// The request, where there is one.
    pub request: Option<&'a Request<'a>>,
    /// The time now.
    pub now: Timestamp,
    /// The app's time zone.
    pub zone: &'a TimeZone,
}

impl<'a> ConditionFacts<'a> {
    /// What is known while a row of a table is looked at.
    #[must_use]
    pub const fn of_row(row: Subject<'a>, customer: Option<&'a Customer>, now: Timestamp, zone: &'a TimeZone) -> Self {
        Self { row, customer, grant: None, request: None, now, zone }
    }
}

const MOST_CHARACTERS: usize = 4096;
/// The function that reads a moment. No condition can write its name.
const MOMENT: &str = "@moment";

impl Condition {
    /// Compiles a condition for its place.
    ///
    /// # Errors
    /// [`InvalidCondition`], with the parser's words for a syntax error.
    pub fn compile(source: &str, scope: Scope) -> Result<Self, InvalidCondition> {
        if source.len() > MOST_CHARACTERS {
            return Err(InvalidCondition::TooLong);
        }
        let program = Program::compile(source).map_err(|error| {
            let text = error.to_string();
            let brief = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("syntax error");
            InvalidCondition::Syntax(brief.to_owned())
        })?;
        let references = program.references();
        let known = scope.names();
        // `x` in `row.tags.exists(x, x == "a")` is a name too, so a name is unknown only where nothing binds it.
        if let Some(name) = references.variables().iter().find(|name| !known.contains(name) && !is_bound(source, name))
        {
            return Err(InvalidCondition::UnknownName((*name).to_owned(), known.join(", ")));
        }
        let has_function =
            |name: &str| FUNCTIONS.contains(&name) || !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if let Some(name) = references.functions().iter().find(|name| !has_function(name)) {
            return Err(InvalidCondition::UnknownFunction((*name).to_owned()));
        }
        let names: Vec<&'static str> = known.iter().copied().filter(|name| references.has_variable(name)).collect();
        drop(references);
        if let Some((name, known)) = unknown_member(program.expression(), &names) {
            return Err(InvalidCondition::UnknownName(name, known));
        }
        let mut expression = program.expression().clone();
        let reads_moments = read_moments(&mut expression);
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), expression, names, reads_moments })))
    }

    /// The condition as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub(super) fn expression(&self) -> &IdedExpr {
        &self.0.expression
    }

    pub(super) fn names(&self) -> &[&'static str] {
        &self.0.names
    }

    /// Holds the condition against what is known.
    #[must_use]
    pub fn verdict(&self, facts: ConditionFacts<'_>) -> Verdict {
        if let Some(request) = facts.request
            && let Some(why) = self.unclear(request)
        {
            return Verdict::Failed(why);
        }
        let context = self.context(self.0.names.iter().copied(), facts);
        outcome(context.resolve(&self.0.expression))
    }

    /// Prepares the condition for many rows: all that it looks at but the row is known.
    pub(super) fn for_rows(&self, facts: ConditionFacts<'_>) -> RowCondition {
        let others = self.0.names.iter().copied().filter(|name| *name != "row");
        RowCondition { context: self.context(others, facts), condition: self.clone() }
    }

    fn context(
        &self,
        names: impl Iterator<Item = &'static str>,
        facts: ConditionFacts<'_>,
    ) -> Context<'static, 'static> {
        let mut context = Context::with_env(standard_library());
        for name in names {
            context.add_variable_from_value(name, value_of(name, facts));
        }
        if self.0.reads_moments {
            let zone = facts.zone.clone();
            // Neither name is taken by the standard library.
            let _ = context.add_function(MOMENT, move |value: cel::Value| moment(value, &zone));
        }
        if self.0.source.contains("inNetwork") {
            let _ = context.add_function("inNetwork", in_network);
        }
        context
    }

    /// Why a parameter that the condition seems to speak of is not clear: it stands in the query more than once, or in another
    /// spelling, and the app may take the one that we did not look at.
    fn unclear(&self, request: &Request<'_>) -> Option<String> {
        let source = self.0.source.as_str();
        if !self.0.names.contains(&"request") || !source.contains("query") {
            return None;
        }
        let query = request.query?;
        let mut seen = Vec::new();
        for (name, _) in parameters(query) {
            if seen.contains(&name) && source.contains(name.as_str()) {
                return Some(format!("the query has `{name}` more than once, so which one counts is open"));
            }
            seen.push(name);
        }
        let words: Vec<String> = words(source).map(folded).collect();
        let is_spoken_of = |(name, _): &(String, String)| words.contains(&folded(name));
        let ours: Vec<_> = parameters(query).filter(is_spoken_of).collect();
        // `f[size]` is none of the spellings of `f[price]`.
        let is_as_written = |name: &str| {
            source.contains(name) || name.split_once('[').is_some_and(|(base, _)| source.contains(&format!("{base}[")))
        };
        if let Some((name, _)) = ours.iter().find(|(name, _)| !is_as_written(name)) {
            return Some(format!("the query has `{name}`, which the app may take for what the condition speaks of"));
        }
        // Some apps take `;` for `&`.
        if query.contains(';') && query.split(';').flat_map(parameters).filter(is_spoken_of).ne(ours) {
            return Some("the query has `;`, and whether the app divides parameters by it is open".to_owned());
        }
        None
    }
}

/// What a condition may name parameters by: its words and texts.
fn words(source: &str) -> impl Iterator<Item = &str> {
    source
        .split(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '-' | '.')))
        .map(|word| word.strip_prefix("request.query").map_or(word, |rest| rest.trim_start_matches('.')))
        .filter(|word| !word.is_empty() && !["in", "has", "true", "false", "null"].contains(word))
}

/// A parameter's name as an app may take it that decodes once more, has no notice of case, or nests by brackets.
fn folded(name: &str) -> String {
    let name = if name.contains('%') { decode(name) } else { name.to_owned() };
    let base = name.split(['[', '\0']).next().unwrap_or_default().trim();
    base.replace(['.', ' '], "_").to_lowercase()
}

/// A condition on the rows of one answer.
pub struct RowCondition {
    condition: Condition,
    /// All but the row.
    context: Context<'static, 'static>,
}

impl RowCondition {
    /// Holds the condition against a row.
    #[must_use]
    pub fn verdict(&self, row: Element) -> Verdict {
        let mut context = self.context.new_inner_scope();
        context.add_variable_from_value("row", row.into_value());
        outcome(context.resolve(&self.condition.0.expression))
    }
}

impl fmt::Debug for RowCondition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RowCondition({:?})", self.condition.source())
    }
}

fn outcome(result: Result<cel::Value, ExecutionError>) -> Verdict {
    match result {
        Ok(cel::Value::Bool(true)) => Verdict::True,
        Ok(cel::Value::Bool(false)) => Verdict::False,
        Ok(other) => Verdict::Failed(format!("it is a {}, not true or false", other.type_of())),
        Err(error) => Verdict::Failed(error.to_string()),
    }
}

/// Wraps whatever is compared with a moment of ours in [`MOMENT`]; answers whether anything was.
fn read_moments(expression: &mut IdedExpr) -> bool {
    let mut found = false;
    match &mut expression.expr {
        Expr::Call(call) => {
            let is_order = ["_<_", "_<=_", "_>_", "_>=_"].contains(&call.func_name.as_str());
            if is_order && call.args.iter().any(is_moment) {
                for side in &mut call.args {
                    if !is_moment(side) {
                        let (id, inner) = (side.id, std::mem::take(side));
                        let wrapped = CallExpr { func_name: MOMENT.to_owned(), target: None, args: vec![inner] };
                        *side = IdedExpr { id, expr: Expr::Call(wrapped) };
                    }
                }
                found = true;
            }
            for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                found |= read_moments(part);
            }
        }
        Expr::Comprehension(inner) => {
            let inner = &mut **inner;
            for part in [
                &mut inner.iter_range,
                &mut inner.accu_init,
                &mut inner.loop_cond,
                &mut inner.loop_step,
                &mut inner.result,
            ] {
                found |= read_moments(part);
            }
        }
        Expr::List(list) => {
            for part in &mut list.elements {
                found |= read_moments(part);
            }
        }
        Expr::Select(select) => found |= read_moments(&mut select.operand),
        Expr::Map(_) | Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
    found
}

/// `now`, `access.since` or `request.time`.
fn is_moment(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(name) => name == "now",
        Expr::Select(select) if !select.test => match &select.operand.expr {
            Expr::Ident(name) => {
                matches!((name.as_str(), select.field.as_str()), ("access", "since") | ("request", "time"))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Reads a day, a day and time, or a moment.
fn moment(value: cel::Value, zone: &TimeZone) -> Result<cel::Value, ExecutionError> {
    let cel::Value::String(text) = value else {
        return match value {
            cel::Value::Timestamp(_) => Ok(value),
            other => Err(ExecutionError::function_error("moment", format!("a {} is no time", other.type_of()))),
        };
    };
    let text = text.trim();
    let local = || text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0)));
    let moment = text.parse::<Timestamp>().ok().or_else(|| zone.to_timestamp(local()?).ok());
    moment
        .map(time_value)
        .ok_or_else(|| ExecutionError::function_error("moment", format!("`{}` is no day and no time", cut(text))))
}

fn in_network(address: Arc<String>, network: Arc<String>) -> Result<bool, ExecutionError> {
    let wrong = |text: &str| ExecutionError::function_error("inNetwork", format!("`{}` is none", cut(text)));
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong(&address))?;
    let network: ipnet::IpNet = network.parse().map_err(|_| wrong(&network))?;
    Ok(network.contains(&address.to_canonical()))
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The functions and macros of CEL's standard library, as the crate has them, and our own.
const FUNCTIONS: [&str; 35] = [
    "all",
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "exists",
    "exists_one",
    "existsOne",
    "filter",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "has",
    "inNetwork",
    "int",
    "map",
    "matches",
    "max",
    "min",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Whether a macro of the expression (`all`, `exists`, `map`, `filter`) brings the name in.
fn is_bound(source: &str, name: &str) -> bool {
    let mut rest = source;
    while let Some((_, after)) = rest.split_once('(') {
        let argument = after.trim_start();
        if argument.strip_prefix(name).is_some_and(|tail| tail.trim_start().starts_with(',')) {
            return true;
        }
        rest = after;
    }
    // The macros' own accumulators.
    name.starts_with('@') || name.starts_with("__")
}

fn standard_library() -> Arc<Env> {
    static ENV: std::sync::OnceLock<Arc<Env>> = std::sync::OnceLock::new();
    Arc::clone(ENV.get_or_init(|| Arc::new(Env::stdlib())))
}

pub(super) fn value_of(name: &str, facts: ConditionFacts<'_>) -> cel::Value {
    match name {
        "row" => match facts.row {
            Subject::Row(row) => row_value(row, facts.zone),
            Subject::Element(element) => element.value().clone(),
        },
        "customer" => customer_value(facts.customer),
        "grant" => facts.grant.map_or(cel::Value::Null, |(grant, _)| grant_value(grant)),
        "access" => facts.grant.map_or(cel::Value::Null, |(grant, since)| access_value(grant, since)),
        "request" => facts.request.map_or(cel::Value::Null, |request| request_value(request, facts.zone)),
        _ => time_value(facts.now),
    }
}

fn row_value(row: &Row, zone: &TimeZone) -> cel::Value {
    row.0.iter().map(|(column, value)| (column.clone(), cel_value(value, zone))).collect::<HashMap<_, _>>().into()
}

fn customer_value(customer: Option<&Customer>) -> cel::Value {
    let Some(customer) = customer else { return cel::Value::Null };
    let name = customer.name.as_ref().map_or("", |name| name.as_str());
    HashMap::from([("id", cel::Value::from(customer.id.as_str())), ("name", cel::Value::from(name))]).into()
}

/// What the table says of the person.
fn grant_value(grant: &Grant) -> cel::Value {
    let text = |text: Option<&str>| text.map_or(cel::Value::Null, cel::Value::from);
    let attributes = grant.attributes.iter().map(|(name, value)| (name.clone(), cel::Value::from(value.as_str())));
    HashMap::from([
        ("email", cel::Value::from(grant.email.as_str())),
        ("name", text(grant.name.as_ref().map(|name| name.as_str()))),
        ("role", cel::Value::from(grant.role.as_str())),
        ("days_back", grant.days_back.map_or(cel::Value::Null, |days| cel::Value::Int(i64::from(days)))),
        ("language", text(grant.language.as_ref().map(|language| language.as_str()))),
        ("notes", text(grant.notes.as_ref().map(|notes| notes.as_str()))),
        ("attributes", attributes.collect::<HashMap<_, _>>().into()),
    ])
    .into()
}

/// What follows from it.
fn access_value(grant: &Grant, since: Option<Timestamp>) -> cel::Value {
    // Who may see all days may see those since the beginning.
    let since = since.unwrap_or(BEGINNING);
    HashMap::from([
        ("email", cel::Value::from(grant.email.as_str())),
        ("role", cel::Value::from(grant.role.as_str())),
        ("days_back", grant.days_back.map_or(cel::Value::Null, |days| cel::Value::Int(i64::from(days)))),
        ("since", time_value(since)),
    ])
    .into()
}

/// Before every day that a table holds, and within what CEL calls a timestamp (from year 1 on).
const BEGINNING: Timestamp = Timestamp::constant(-62_135_596_800, 0);

fn request_value(request: &Request<'_>, zone: &TimeZone) -> cel::Value {
    let query: HashMap<String, cel::Value> =
        parameters(request.query.unwrap_or_default()).map(|(name, value)| (name, cel::Value::from(value))).collect();
    let mut header: HashMap<String, String> = HashMap::new();
    for (name, value) in request.headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        // RFC 9110, section 5.3: several lines of a field are one with commas between.
        header
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&text);
            })
            .or_insert_with(|| text.into_owned());
    }
    let header: HashMap<String, cel::Value> =
        header.into_iter().map(|(name, value)| (name, cel::Value::from(value))).collect();
    HashMap::from([
        ("method", cel::Value::from(request.method.as_str())),
        ("path", cel::Value::from(request.path.as_str())),
        ("query", query.into()),
        ("header", header.into()),
        ("host", cel::Value::from(request.host.as_str())),
        ("ip", cel::Value::from(request.client.to_string())),
        ("time", time_in(request.now, zone)),
    ])
    .into()
}

fn time_value(now: Timestamp) -> cel::Value {
    time_in(now, &TimeZone::UTC)
}

/// A moment as the clocks of a zone show it, so that `getHours` and the like tell its hours.
fn time_in(now: Timestamp, zone: &TimeZone) -> cel::Value {
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    let offset = chrono::FixedOffset::east_opt(zone.to_offset(now).seconds());
    chrono::DateTime::from_timestamp(now.as_second(), nanoseconds)
        .zip(offset)
        .map_or(cel::Value::Null, |(time, offset)| cel::Value::Timestamp(time.with_timezone(&offset)))
}

fn cel_value(value: &Value, zone: &TimeZone) -> cel::Value {
    let at = |time: DateTime| zone.to_timestamp(time).map_or(cel::Value::Null, time_value);
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Int(value) => cel::Value::Int(*value),
        Value::Float(value) => cel::Value::Float(*value),
        Value::Decimal(digits) => digits.parse().map_or(cel::Value::Null, cel::Value::Float),
        Value::Text(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Date(day) => at(day.at(0, 0, 0, 0)),
        Value::DateTime(time) => at(*time),
        Value::Timestamp(time) => time_value(*time),
        Value::List(values) => cel::Value::List(Arc::new(values.iter().map(|value| cel_value(value, zone)).collect())),
        Value::Map(values) => {
            values.iter().map(|(name, value)| (name.clone(), cel_value(value, zone))).collect::<HashMap<_, _>>().into()
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Condition({:?})", self.0.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(source: &str) -> Verdict {
        let row = Row([
            ("status".to_owned(), Value::Text("active".to_owned())),
            ("age".to_owned(), Value::Int(41)),
            ("email".to_owned(), Value::Text("ann@company1.example".to_owned())),
            ("gone".to_owned(), Value::Null),
            ("limit".to_owned(), Value::Decimal("10.50".to_owned())),
            ("born".to_owned(), Value::Date("1969-12-31".parse().expect("a day"))),
            ("tags".to_owned(), Value::List(vec!["a".into(), "b".into()])),
            ("more".to_owned(), Value::Map([("plan".to_owned(), "gold".into())].into())),
        ]
        .into());
        let condition = Condition::compile(source, Scope::Table).expect("it compiles");
        condition.verdict(ConditionFacts::of_row(Subject::Row(&row), None, Timestamp::UNIX_EPOCH, &TimeZone::UTC))
    }

    #[test]
    fn a_condition_looks_at_the_row() {
        assert_eq!(verdict(r#"row.status == "active" && row.email.contains("company1")"#), Verdict::True);
        assert_eq!(verdict("row.age > 50"), Verdict::False);
        assert_eq!(verdict("row.gone == null"), Verdict::True);
        assert_eq!(verdict(r#"now < timestamp("2020-01-01T00:00:00Z")"#), Verdict::True);
        assert_eq!(verdict(r#"["a", "active"].exists(x, x == row.status)"#), Verdict::True);
        assert_eq!(verdict("has(row.missing)"), Verdict::False);
        assert_eq!(verdict(r#"row.limit > 10.0 && "b" in row.tags && row.more.plan == "gold""#), Verdict::True);
        assert_eq!(verdict("row.born < now"), Verdict::True);
    }

    #[test]
    fn a_condition_that_fails_is_not_true() {
        for source in
            ["row.missing == 1", r#"row.age > "x""#, "row.age", r#"row.age.contains("x")"#, "row.age / 0 == 1"]
        {
            assert!(matches!(verdict(source), Verdict::Failed(_)), "{source}: {:?}", verdict(source));
        }
    }

    #[test]
    fn what_cannot_be_known_is_refused_at_load() {
        let compile = |source: &str| Condition::compile(source, Scope::Table).map(drop);
        assert!(matches!(compile("row.a =="), Err(InvalidCondition::Syntax(_))));
        assert!(matches!(compile("rwo.a == 1"), Err(InvalidCondition::UnknownName(name, _)) if name == "rwo"));
        assert!(matches!(compile("request.ip == ''"), Err(InvalidCondition::UnknownName(..))));
        assert_eq!(compile("row.a.beginsWith('x')"), Err(InvalidCondition::UnknownFunction("beginsWith".to_owned())));
    }

    /// What a row of an answer comes to, for somebody who may see days from 2026-03-29 on, in Sofia.
    fn keeps(source: &str, row: &str) -> Verdict {
        let zone = TimeZone::get("Europe/Sofia").expect("a zone");
        let since = zone.to_timestamp("2026-03-29T00:00".parse().expect("a time")).expect("a moment");
        let grant = super::super::tests::grant("ann@example.com", "42");
        let element = Element::from_json(row.as_bytes()).expect("JSON");
        let facts = ConditionFacts {
            row: Subject::Element(&element),
            customer: grant.customer.as_ref(),
            grant: Some((&grant, Some(since))),
            request: None,
            now: Timestamp::UNIX_EPOCH,
            zone: &zone,
        };
        Condition::compile(source, Scope::Answer).expect("it compiles").verdict(facts)
    }

    #[test]
    fn a_text_beside_a_moment_is_read_as_one() {
        // Sofia is two hours ahead of UTC until three that morning, when summer begins.
        for (date, expected) in [
            (r#""2026-03-29""#, Verdict::True),
            (r#""2026-03-28""#, Verdict::False),
            (r#""2026-03-28T21:59:59Z""#, Verdict::False),
            (r#""2026-03-28T22:00:00Z""#, Verdict::True),
            (r#""2026-03-29T00:00:00+02:00""#, Verdict::True),
            (r#""2026-03-28 23:59:59""#, Verdict::False),
            (r#""2026-03-29 00:00:00""#, Verdict::True),
        ] {
            assert_eq!(keeps("row.date >= access.since", &format!(r#"{{"date":{date}}}"#)), expected, "{date}");
        }
        for row in [r#"{"date":"soon"}"#, r#"{"date":7}"#, r#"{"date":null}"#, "{}", "7"] {
            assert!(matches!(keeps("row.date >= access.since", row), Verdict::Failed(_)), "{row}");
        }
        assert_eq!(
            keeps(r#"row.c == customer.id && !(row.d < access.since)"#, r#"{"c":"42","d":"2026-04-01"}"#),
            Verdict::True
        );
    }

    fn holds(source: &str, request: &str) -> Verdict {
        let (method, target) = request.split_once(' ').expect("METHOD TARGET");
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let path = crate::types::RequestPath::parse(path.as_bytes(), &crate::types::PathAllowances::default());
        let mut headers = http::HeaderMap::new();
        headers.append("x-plan", http::HeaderValue::from_static("gold"));
        headers.append("x-plan", http::HeaderValue::from_static("silver"));
        let request = Request {
            method: &http::Method::from_bytes(method.as_bytes()).expect("a method"),
            path: &path.expect("a path"),
            query,
            headers: &headers,
            host: &crate::types::HostName::parse("orders.example.com").expect("a host"),
            client: "10.1.2.3".parse().expect("an address"),
            now: "2026-07-01T06:30:00Z".parse().expect("a time"),
        };
        let grant = super::super::tests::grant("ann@example.com", "42");
        let zone = TimeZone::get("Europe/Sofia").expect("a zone");
        let facts = ConditionFacts {
            row: Subject::Row(&grant.row),
            customer: grant.customer.as_ref(),
            grant: Some((&grant, None)),
            request: Some(&request),
            now: request.now,
            zone: &zone,
        };
        Condition::compile(source, Scope::Request).expect("it compiles").verdict(facts)
    }

    #[test]
    fn a_condition_looks_at_the_request() {
        for source in [
            r#"request.method == "GET" && request.path == "/a""#,
            r#"request.query.page == "2 3""#,
            r#"!has(request.query.debug)"#,
            r#"request.header["x-plan"] == "gold, silver""#,
            r#"request.host == "orders.example.com""#,
            r#"inNetwork(request.ip, "10.0.0.0/8")"#,
            "request.time.getHours() >= 9 && request.time.getHours() < 17",
            r#"request.time > "2026-07-01""#,
            r#"grant.role == "user" && customer.id == "42""#,
        ] {
            assert_eq!(holds(source, "GET /a?page=2+3"), Verdict::True, "{source}");
        }
    }

    #[test]
    fn attack_26_a_parameter_given_twice_is_not_judged_by_one_of_them() {
        assert!(matches!(holds(r#"request.query.debug == "1""#, "GET /a?debug=1&debug=2"), Verdict::Failed(_)));
        assert!(matches!(holds(r#"request.query.debug == "1""#, "GET /a?debug=1&%64ebug=2"), Verdict::Failed(_)));
        assert_eq!(holds(r#"request.query.page == "1""#, "GET /a?page=1&tag=a&tag=b"), Verdict::True);
    }

    #[test]
    fn attack_26_a_parameter_in_another_spelling_is_not_overlooked() {
        let is_there = r#""debug" in request.query"#;
        for query in ["DEBUG=1", "debug[]=1", "debug%5B%5D=1", "+debug=1", "%2564ebug=1", "a=1;debug=1", "debug%00=1"] {
            assert!(matches!(holds(is_there, &format!("GET /a?{query}")), Verdict::Failed(_)), "{query}");
        }
        assert!(matches!(holds(r#"request.query.debug == "1""#, "GET /a?debug=1;x=2"), Verdict::Failed(_)));
        for query in ["debug=1", "debug&a=2", "%64ebug=1"] {
            assert_eq!(holds(is_there, &format!("GET /a?{query}")), Verdict::True, "{query}");
        }
        for query in ["Query=1", "Page=1&a=1;b=2", "debugger=1", "IN=1", "a[debug]=1"] {
            assert_eq!(holds(is_there, &format!("GET /a?{query}")), Verdict::False, "{query}");
        }
        assert_eq!(holds(r#"request.query["f[price]"] == "1""#, "GET /a?f[price]=1&f%5bsize%5d=2"), Verdict::True);
    }
}
