//! Whether a query tells by its order or its choice what an answer hides.
//!
//! Who may not see prices must not sort by them either, nor ask which orders cost more than 100: the answer would tell. So a
//! parameter whose *name* speaks of a hidden member is refused, in every way that apps in the field write it, and so is a
//! parameter that names members in its *value*, such as `sort`. What `set` replaces is as hidden as what `hide` removes. A
//! parameter that the rule lists in `query_only` may bear a hidden name: whoever wrote the rule has vouched for it.

use super::Filters;
use super::request::{decode, is_invisible, parameters};
use unicode_normalization::UnicodeNormalization as _;

/// Parameters that name members in their value, in apps of the field. `field_params` adds to them.
const FIELD_PARAMS: &[&str] = &[
    "sort",
    "_sort",
    "_sort_desc",
    "sort_by",
    "sortby",
    "sort_desc",
    "sort_field",
    "sortfield",
    "sort_column",
    "order",
    "_order",
    "order_by",
    "orderby",
    "ordering",
    "fields",
    "field",
    "select",
    "columns",
    "column",
    "cols",
    "_col",
    "_nocol",
    "_facet",
    "_facet_array",
    "_facet_date",
    "facet",
    "facets",
    "group",
    "group_by",
    "groupby",
    "aggregate",
    "having",
    "distinct",
    "filter",
    "filters",
    "where",
    "_where",
    "search_fields",
    "sql",
    "$filter",
    "$orderby",
    "$select",
    "$apply",
];
/// Words in the name of a parameter that names members in its value: `sort-key`, `orderColumn`, `$expand`, `not.and`.
const FIELD_WORDS: &[&str] = &[
    "sort",
    "sorting",
    "sortby",
    "order",
    "ordering",
    "orderby",
    "field",
    "fields",
    "select",
    "column",
    "columns",
    "facet",
    "facets",
    "group",
    "groupby",
    "having",
    "where",
    "filter",
    "filters",
    "aggregate",
    "expand",
    "apply",
    "compute",
    "and",
    "or",
    "not",
];
/// How often a name or value is decoded, for an app that decodes twice.
const MOST_DECODINGS: usize = 4;

/// Whether a query asks by something hidden.
pub(super) fn asks(filters: &Filters, query: &str) -> bool {
    let set = filters.set.iter().map(|(path, _)| path);
    let hidden: Vec<&str> = filters.hide.iter().chain(set).filter_map(|path| path.name()).collect();
    if hidden.is_empty() {
        return false;
    }
    // Some apps take `;` for `&`, and take off a second `?`, which we do as well on the way to them.
    query.trim_start_matches('?').split(';').flat_map(parameters).any(|(name, value)| {
        if filters.query.iter().any(|(forced, _)| *forced == name) {
            return false;
        }
        let is_vouched = filters.query_only.as_ref().is_some_and(|only| only.contains(&name));
        let is_dropped = filters.query_only.is_some() && !is_vouched;
        let base = name.split(['[', '.']).next().unwrap_or_default().trim();
        let is_known = |known: &str| name.eq_ignore_ascii_case(known) || base.eq_ignore_ascii_case(known);
        let (names, values) = (decodings(&name), decodings(&value));
        // A query in JSON or GraphQL names members under whatever parameter.
        let names_members = FIELD_PARAMS.iter().any(|known| is_known(known))
            || filters.field_params.iter().any(|known| is_known(known))
            || with_divided_words(&name)
                .to_lowercase()
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| FIELD_WORDS.contains(&word))
            || values.iter().any(|value| value.contains('{') || value.trim_start().starts_with('['));
        !is_dropped
            && hidden.iter().any(|hidden| {
                let is_spoken_of = |texts: &[String]| texts.iter().any(|text| speaks_of(text, hidden));
                (!is_vouched && is_spoken_of(&names)) || (names_members && is_spoken_of(&values))
            })
    })
}

/// A text, and what becomes of it for an app that decodes it once more.
pub(super) fn decodings(text: &str) -> Vec<String> {
    let mut texts = vec![text.to_owned()];
    while let Some(next) = texts.last().filter(|text| text.contains('%')).map(|text| decode(text)) {
        if texts.len() >= MOST_DECODINGS || texts.contains(&next) {
            break;
        }
        texts.push(next);
    }
    // Some take wide letters for narrow ones, and strip what is no text.
    let is_stripped =
        |letter: &char| letter.is_control() || is_invisible(*letter) || *letter == char::REPLACEMENT_CHARACTER;
    let plain = texts.last().filter(|text| !text.is_ascii() || text.chars().any(|letter| letter.is_control()));
    if let Some(plain) = plain.map(|text| text.nfkc().filter(|letter| !is_stripped(letter)).collect::<String>()) {
        texts.push(plain);
    }
    texts
}

/// `minPrice` as `min_Price`: a word of its own may begin with a capital.
fn with_divided_words(text: &str) -> String {
    let mut divided = String::with_capacity(text.len());
    let mut is_behind_small = false;
    for character in text.chars() {
        if character.is_uppercase() && is_behind_small {
            divided.push('_');
        }
        is_behind_small = character.is_lowercase() || character.is_numeric();
        divided.push(character);
    }
    divided
}

/// Whether a text holds a name as a word of its own; `_` divides words here, for `price_gt` speaks of `price`.
fn speaks_of(text: &str, name: &str) -> bool {
    holds_word(&text.to_lowercase(), &name.to_lowercase())
        || holds_word(&with_divided_words(text).to_lowercase(), &with_divided_words(name).to_lowercase())
}

fn holds_word(text: &str, name: &str) -> bool {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(name)).map(|at| from + at) {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|text| text.chars().next());
        let is_edge = |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric());
        if is_edge(before) && is_edge(after) {
            return true;
        }
        from = at + name.len().max(1);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::{MemberPath, Template};
    use super::*;

    fn filters() -> Filters {
        let hide = ["price", "rows[].unit_cost"].map(|text| MemberPath::parse(text).expect("a path"));
        Filters {
            hide: hide.to_vec(),
            query: vec![("price_list".to_owned(), Template::parse("1").expect("a template"))],
            set: vec![(MemberPath::parse("cost").expect("a path"), serde_json::Value::Null)],
            field_params: vec!["by".to_owned()],
            ..Filters::default()
        }
    }

    #[test]
    fn attack_26_nobody_sorts_or_selects_by_what_is_hidden() {
        for (query, expected) in [
            ("page=2&q=price", false),
            ("price=5", true),
            ("PRICE=5", true),
            ("price__gt=5", true),
            ("min_price=5", true),
            ("filter[price]=5", true),
            ("filter%5Bprice%5D=5", true),
            ("orders.price.gt=5", true),
            ("_sort=price", true),
            ("_sort=-Price", true),
            ("by=price", true),
            ("_sort=id;price=1", true),
            ("a=1&sort=id,unit_cost:desc", true),
            ("_where=price%3E5", true),
            ("%2570rice=5", true),
            ("sort=%2570rice", true),
            ("sort[]=price", true),
            ("fields[orders]=id,price", true),
            ("sort=a%2Cprice", true),
            ("minPrice=5", true),
            ("sort=unitCost", true),
            ("filter={\"price\":{\"$gt\":5}}", true),
            ("query={orders{id%20price}}", true),
            ("$orderby=Price%20desc", true),
            ("sql=select+price+from+orders", true),
            ("q=the%20price%20is%2050%25", false),
            ("query=price", false),
            ("pricey=1&priceless=2", false),
            ("prices=5", false),
            ("sort=pricey", false),
            ("price_list=7", false),
            ("sort=pr%00ice", true),
            ("sort=pr%ffice", true),
            ("sort=%EF%BD%90rice", true),
            ("pri%E2%80%8Bce=5", true),
            ("?sort=price", true),
            ("??price=5", true),
            ("sort-by=price", true),
            ("order[0][column]=price", true),
            ("orderColumn=price", true),
            ("or=(price.gt.5)", true),
            ("not.and=(price.gt.5)", true),
            ("$expand=Lines($orderby=Price)", true),
            ("q=[[\"price\",\">\",5]]", true),
            ("sort=cost", true),
            ("cost__gt=5", true),
            ("border=price&android=price", false),
        ] {
            assert_eq!(asks(&filters(), query), expected, "{query}");
        }
    }

    #[test]
    fn a_parameter_that_the_rule_lists_may_bear_the_name() {
        let filters = Filters { query_only: Some(vec!["price_range".to_owned(), "sort".to_owned()]), ..filters() };
        for (query, expected) in [("price_range=1", false), ("sort=price", true), ("price=1", false)] {
            assert_eq!(asks(&filters, query), expected, "{query}");
        }
    }
}
