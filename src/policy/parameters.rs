//! What a condition asks a query for, and whether the query answers in one way only.
//!
//! Apps read one query in many ways: some take `Debug`, `debug[]` or ` debug` for `debug`, some take the first of two and some the
//! last. A condition sees one of these readings, the app behind us maybe another. So where a query could be read as having what the
//! condition asks for in another way than the condition would, the condition has no answer.

use std::collections::HashSet;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue};

use super::hidden::decodings;
use super::request::parameters;

/// The parameters that a condition asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// By their names.
    names: Vec<String>,
    /// Whether it asks for others too, as `request.query.exists(name, …)` does.
    asks_any: bool,
}

impl Asked {
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let mut asked = Self::default();
        asked.walk(expression);
        asked
    }

    fn walk(&mut self, expression: &IdedExpr) {
        if is_query(expression) {
            self.asks_any = true;
            return;
        }
        match &expression.expr {
            Expr::Select(select) if is_query(&select.operand) => self.names.push(select.field.clone()),
            Expr::Select(select) => self.walk(&select.operand),
            Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                ("_[_]", [query, name]) | ("@in", [name, query]) if is_query(query) => match literal(name) {
                    Some(name) => self.names.push(name.to_owned()),
                    None => {
                        self.asks_any = true;
                        self.walk(name);
                    }
                },
                _ => call.target.as_deref().into_iter().chain(&call.args).for_each(|part| self.walk(part)),
            },
            Expr::Comprehension(inner) => {
                for part in [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                    self.walk(part);
                }
            }
            Expr::List(list) => list.elements.iter().for_each(|part| self.walk(part)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.walk(&entry.key);
                        self.walk(&entry.value);
                    }
                }
            }
            Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    /// Why a query does not answer, where it could be read in more than one way.
    pub(super) fn open_question(&self, query: &str) -> Option<String> {
        if self.names.is_empty() && !self.asks_any {
            return None;
        }
        if query.starts_with('?') {
            return Some("the query begins with a second `?`, which some apps take off".to_owned());
        }
        let folded: Vec<String> = self.names.iter().map(|name| folded(name)).collect();
        let mut seen = HashSet::new();
        for (number, part) in query.split('&').flat_map(|piece| piece.split(';').enumerate()) {
            let Some((name, _)) = parameters(part).next() else { continue };
            let is_asked = self.names.contains(&name);
            let is_alike = decodings(&name).iter().any(|name| folded.contains(&self::folded(name)));
            if is_alike && (!is_asked || number > 0) {
                return Some("the query has a parameter that some apps take for one asked for here".to_owned());
            }
            if !seen.insert(name.clone()) && (is_asked || self.asks_any) {
                return Some(format!("the query has `{name}` more than once, so which one counts is open"));
            }
        }
        None
    }
}

/// A name as the most lenient of apps take it: without case, without what stands in brackets or behind a dot or a NUL, and with
/// all that is no letter or digit as `_`.
fn folded(name: &str) -> String {
    let base = name.trim_start().split(['[', '.', '\0']).next().unwrap_or_default();
    let fold = |letter: char| if letter.is_alphanumeric() { letter } else { '_' };
    base.chars().flat_map(char::to_lowercase).map(fold).collect::<String>().trim_end_matches('_').to_owned()
}

fn is_query(expression: &IdedExpr) -> bool {
    let is_request = |operand: &IdedExpr| matches!(&operand.expr, Expr::Ident(name) if name == "request");
    match &expression.expr {
        Expr::Select(select) => select.field == "query" && is_request(&select.operand),
        Expr::Call(call) => match call.args.as_slice() {
            [operand, name] => call.func_name == "_[_]" && is_request(operand) && literal(name) == Some("query"),
            _ => false,
        },
        _ => false,
    }
}

fn literal(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
