//! Rules, and what they narrow.

use std::ops::Range;
use std::sync::Arc;

use super::builder::Builder;
use super::either::{ConstantFile, RowsFile};
use super::error::Problem;
use super::file::{At, RuleFile, Text};
use super::nearest::did_you_mean;
use crate::policy::{Condition, Effect, Filters, MediaRange, MemberPath, RowFilter, RowsAt, Rule, Scope, Template};

/// One rule; what is wrong is in the builder.
/// `attributes` are those that the app's lists bring.
pub(super) fn rule(builder: &mut Builder<'_>, rule: &At<RuleFile>, attributes: &[&str]) -> Option<Rule> {
    let (effect, text) = match (&rule.value.allow, &rule.value.deny) {
        (Some(text), None) => (Effect::Allow, text),
        (None, Some(text)) => (Effect::Deny, text),
        _ => {
            builder.problem(
                &rule.span,
                "a rule has either `allow` or `deny`",
                "write { allow = \"GET /orders/**\" } or { deny = \"* /admin/**\" }",
            );
            return None;
        }
    };
    let help = "write methods and a path, such as \"GET /orders/**\"; see docs/access.md";
    let parsed = Rule::parse(effect, &text.value).map_err(|error| Problem::new(error.to_string(), help));
    let parsed = builder.keep(&text.span, parsed);
    if let Some(parsed) = &parsed {
        need_attributes(builder, &text.span, parsed.pattern.attributes(), attributes);
    }
    let when = match &rule.value.when {
        None => Some(None),
        Some(text) => condition(builder, text, Scope::Request).map(Some),
    };
    let filters = filters(builder, rule, attributes)?;
    if effect == Effect::Deny && filters != Filters::default() {
        builder.problem(&rule.span, "a rule that denies narrows nothing", "remove its filters, or write `allow`");
        return None;
    }
    let filters = (filters != Filters::default()).then(|| Arc::new(filters));
    Some(Rule { when: when?, filters, ..parsed? })
}

/// An attribute that no list brings has no value for anybody.
pub(super) fn need_attributes<'a>(
    builder: &mut Builder<'_>,
    span: &Range<usize>,
    mut names: impl Iterator<Item = &'a str>,
    known: &[&str],
) {
    if let Some(name) = names.find(|name| !known.contains(name)) {
        let otherwise = format!("add `attributes = {{ {name} = \"COLUMN\" }}` to a customer list");
        let help = did_you_mean(name, known.iter().copied(), &otherwise);
        builder.problem(span, format!("no customer list has the attribute `{name}`"), help);
    }
}

/// A condition for its place.
pub(super) fn condition(builder: &mut Builder<'_>, text: &Text, scope: Scope) -> Option<Condition> {
    let names = scope.names().join(", ");
    let example = match scope {
        Scope::Table => r#"row.status == "active""#,
        Scope::Request => r#"request.method == "GET""#,
        Scope::Answer => "row.date >= access.since",
    };
    let help = format!("conditions here are CEL over {names}, such as {example}; see docs/access.md");
    let compiled = Condition::compile(&text.value, scope).map_err(|error| Problem::new(error.to_string(), help));
    builder.keep(&text.span, compiled)
}

fn filters(builder: &mut Builder<'_>, rule: &At<RuleFile>, attributes: &[&str]) -> Option<Filters> {
    let file = &rule.value;
    let query: Vec<_> = file.query.iter().map(|(name, value)| forced(builder, name, value, attributes)).collect();
    let texts = |texts: &[Text]| texts.iter().map(|text| text.value.clone()).collect::<Vec<_>>();
    let hide: Vec<_> = file.hide.iter().map(|text| path(builder, text)).collect();
    let set: Vec<_> =
        file.set.iter().map(|(name, value)| Some((path(builder, name)?, constant(builder, value)?))).collect();
    let rows = file.rows.as_ref().map(|rows| row_filter(builder, rows));
    let remove: Vec<_> = file.remove.iter().map(|text| selector(builder, text)).collect();
    let pass: Vec<_> = file
        .pass
        .iter()
        .map(|text| {
            let parsed = MediaRange::parse(&text.value).ok_or_else(|| {
                Problem::new(format!("`{}` is no content type", text.value), "write \"image/*\" or \"text/css\"")
            });
            builder.keep(&text.span, parsed)
        })
        .collect();
    let filters = Filters {
        query: query.into_iter().collect::<Option<_>>()?,
        query_only: file.query_only.as_deref().map(texts),
        field_params: texts(&file.field_params),
        hide: hide.into_iter().collect::<Option<_>>()?,
        set: set.into_iter().collect::<Option<_>>()?,
        rows: match rows {
            None => None,
            Some(rows) => Some(rows?),
        },
        remove: remove.into_iter().collect::<Option<_>>()?,
        pass: pass.into_iter().collect::<Option<_>>()?,
    };
    for (name, path) in file.set.keys().zip(filters.set.iter().map(|(path, _)| path)) {
        if filters.hide.contains(path) {
            builder.problem(&name.span, format!("`{path}` is hidden and set"), "keep it in one of the two");
        }
    }
    if let Some(text) = file.field_params.first().filter(|_| filters.hide.is_empty() && filters.set.is_empty()) {
        builder.problem(&text.span, "`field_params` without `hide` refuses nothing", "add `hide`, or remove it");
    }
    if let Some(text) = file.pass.first().filter(|_| !filters.touches_answers()) {
        builder.problem(
            &text.span,
            "`pass` without a filter on answers changes nothing",
            "add `hide`, `set`, `rows` or `remove`, or remove it",
        );
    }
    Some(filters)
}

fn forced(builder: &mut Builder<'_>, name: &Text, value: &Text, attributes: &[&str]) -> Option<(String, Template)> {
    let help = "write text with fields, such as \"{customer.id}\"";
    let template = Template::parse(&value.value).map_err(|error| Problem::new(error.to_string(), help));
    let template = builder.keep(&value.span, template)?;
    need_attributes(builder, &value.span, template.attributes(), attributes);
    if name.value.trim().is_empty() {
        builder.problem(&name.span, "a parameter has no name", "write { customer_id = \"{customer.id}\" }");
        return None;
    }
    Some((name.value.clone(), template))
}

fn path(builder: &mut Builder<'_>, text: &Text) -> Option<MemberPath> {
    let help = "write a name such as \"price\", or a way from the top such as \"rows[].price\"";
    let parsed = MemberPath::parse(&text.value)
        .map_err(|error| Problem::new(format!("`{}` names no member: {error}", text.value), help));
    builder.keep(&text.span, parsed)
}

fn constant(builder: &mut Builder<'_>, value: &At<ConstantFile>) -> Option<serde_json::Value> {
    match &value.value {
        ConstantFile::Value(value) => Some(value.clone()),
        ConstantFile::Json(text) => {
            let parsed = serde_json::from_str(text).map_err(|error| {
                Problem::new(
                    format!("the constant is no JSON: {error}"),
                    "write { json = \"null\" } or { json = \"[]\" }",
                )
            });
            builder.keep(&value.span, parsed)
        }
    }
}

fn row_filter(builder: &mut Builder<'_>, rows: &At<RowsFile>) -> Option<RowFilter> {
    let span = rows.value.keep_span.clone().unwrap_or_else(|| rows.span.clone());
    let keep = At { value: rows.value.keep.clone(), span };
    let keep = condition(builder, &keep, Scope::Answer);
    let at = match rows.value.at.as_deref().map(str::trim) {
        None => Some(RowsAt::Found),
        Some("$") => Some(RowsAt::Top),
        Some(text) => {
            // A single name here is the member at the top, not one anywhere.
            let anchored = if text.starts_with(['$', '[']) { text.to_owned() } else { format!("$.{text}") };
            path(builder, &At { value: anchored, span: rows.span.clone() }).map(RowsAt::Path)
        }
    };
    Some(RowFilter { at: at?, keep: keep? })
}

fn selector(builder: &mut Builder<'_>, text: &Text) -> Option<String> {
    let parsed = crate::filters::html::check_selector(&text.value).map_err(|error| {
        Problem::new(
            format!("`{}` is no CSS selector that can be used here: {error}", text.value),
            "write \".price\" or \"#admin\"",
        )
    });
    builder.keep(&text.span, parsed)?;
    Some(text.value.clone())
}
