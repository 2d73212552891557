//! Conditions: CEL expressions over a row, compiled when the config is read.
//!
//! A condition that cannot be evaluated (a column that is not there, a text compared with a number) is not true. It is
//! never an error to the person who asks, and never an allow; `check` and `explain` report it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::{Context, Env, Program};
use jiff::Timestamp;

use super::{Customer, Row, Value};

/// A compiled condition.
#[derive(Clone)]
pub struct Condition(Arc<Compiled>);

struct Compiled {
    source: String,
    program: Program,
}

/// A condition that does not compile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCondition {
    /// No CEL expression.
    #[error("the condition does not parse: {0}")]
    Syntax(String),
    /// It speaks of something that conditions do not know.
    #[error("the condition speaks of `{0}`, which is none of row, customer, now")]
    UnknownName(String),
    /// It calls something that conditions do not have.
    #[error("the condition calls `{0}`, which CEL does not have")]
    UnknownFunction(String),
    /// Longer than conditions need be.
    #[error("the condition is longer than 4096 characters")]
    TooLong,
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

/// What a condition may look at.
#[derive(Clone, Copy, Debug)]
pub struct ConditionFacts<'a> {
    /// The row as the table has it.
    pub row: &'a Row,
    /// The customer, once it is known.
    pub customer: Option<&'a Customer>,
    /// The time now.
    pub now: Timestamp,
}

const MOST_CHARACTERS: usize = 4096;
const NAMES: [&str; 3] = ["row", "customer", "now"];

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// [`InvalidCondition`], with the parser's words for a syntax error.
    pub fn compile(source: &str) -> Result<Self, InvalidCondition> {
        if source.len() > MOST_CHARACTERS {
            return Err(InvalidCondition::TooLong);
        }
        let program = Program::compile(source).map_err(|error| {
            let text = error.to_string();
            let brief = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("syntax error");
            InvalidCondition::Syntax(brief.to_owned())
        })?;
        let references = program.references();
        // `x` in `row.tags.exists(x, x == "a")` is a name too, so a name is unknown only where nothing binds it.
        if let Some(name) = references.variables().iter().find(|name| !NAMES.contains(name) && !is_bound(source, name))
        {
            return Err(InvalidCondition::UnknownName((*name).to_owned()));
        }
        let known =
            |name: &str| FUNCTIONS.contains(&name) || !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if let Some(name) = references.functions().iter().find(|name| !known(name)) {
            return Err(InvalidCondition::UnknownFunction((*name).to_owned()));
        }
        drop(references);
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), program })))
    }

    /// The condition as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Holds the condition against a row.
    #[must_use]
    pub fn verdict(&self, facts: ConditionFacts<'_>) -> Verdict {
        let mut context = Context::with_env(standard_library());
        context.add_variable_from_value("row", row_value(facts.row));
        context.add_variable_from_value("customer", customer_value(facts.customer));
        context.add_variable_from_value("now", time_value(facts.now));
        match self.0.program.execute(&context) {
            Ok(cel::Value::Bool(true)) => Verdict::True,
            Ok(cel::Value::Bool(false)) => Verdict::False,
            Ok(other) => Verdict::Failed(format!("it is a {}, not true or false", other.type_of())),
            Err(error) => Verdict::Failed(error.to_string()),
        }
    }
}

/// The functions and macros of CEL's standard library, as the crate has them.
const FUNCTIONS: [&str; 34] = [
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

fn row_value(row: &Row) -> cel::Value {
    row.0.iter().map(|(column, value)| (column.clone(), value.into())).collect::<HashMap<String, cel::Value>>().into()
}

fn customer_value(customer: Option<&Customer>) -> cel::Value {
    let Some(customer) = customer else { return cel::Value::Null };
    let name = customer.name.as_ref().map_or("", |name| name.as_str());
    HashMap::from([("id", cel::Value::from(customer.id.as_str())), ("name", cel::Value::from(name))]).into()
}

fn time_value(now: Timestamp) -> cel::Value {
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    chrono::DateTime::from_timestamp(now.as_second(), nanoseconds)
        .map_or(cel::Value::Null, |time| cel::Value::Timestamp(time.fixed_offset()))
}

impl From<&Value> for cel::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(text) => Self::String(Arc::new(text.clone())),
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
        ]
        .into());
        let condition = Condition::compile(source).expect("it compiles");
        condition.verdict(ConditionFacts { row: &row, customer: None, now: Timestamp::UNIX_EPOCH })
    }

    #[test]
    fn a_condition_looks_at_the_row() {
        assert_eq!(verdict(r#"row.status == "active" && row.email.contains("company1")"#), Verdict::True);
        assert_eq!(verdict("row.age > 50"), Verdict::False);
        assert_eq!(verdict("row.gone == null"), Verdict::True);
        assert_eq!(verdict(r#"now < timestamp("2020-01-01T00:00:00Z")"#), Verdict::True);
        assert_eq!(verdict(r#"["a", "active"].exists(x, x == row.status)"#), Verdict::True);
        assert_eq!(verdict("has(row.missing)"), Verdict::False);
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
        assert!(matches!(Condition::compile("row.a =="), Err(InvalidCondition::Syntax(_))));
        assert_eq!(Condition::compile("rwo.a == 1"), Err(InvalidCondition::UnknownName("rwo".to_owned())));
        assert_eq!(
            Condition::compile("row.a.beginsWith('x')"),
            Err(InvalidCondition::UnknownFunction("beginsWith".to_owned()))
        );
    }
}
