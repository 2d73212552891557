//! No spelling of a forced name survives, whichever way an app reads queries.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::sample::{forcing, work};
use super::*;
use crate::policy::Filters;

fn shaped(filters: Filters, query: &str) -> String {
    shape(&work(filters).filters, Some(query)).unwrap_or_default()
}

fn forced(query: &str) -> String {
    shaped(forcing(&["customer_id={customer.id}"]), query)
}

#[test]
fn attack_26_every_spelling_of_a_forced_parameter_is_replaced() {
    for query in [
        "customer_id=7",
        "customer_id",
        "customer_id=7&customer_id=8",
        "CUSTOMER_ID=7",
        "customer%5Fid=7",
        "customer%255fid=7",
        "customer%2525255fid=7",
        "%63ustomer_id=7",
        "%u0063ustomer_id=7",
        "customer_id[]=7",
        "customer_id%5B%5D=7",
        "customer_id%5b0%5d=7",
        "customer_id[x][y]=7",
        "customer_id.x=7",
        "customer.id=7",
        "customer%20id=7",
        "customer+id=7",
        "customer[id=7",
        "customer.id[]=7",
        "+customer_id=7",
        "%20customer_id=7",
        "%09customer_id%0d=7",
        "customer_id%00=7",
        "customer_id%00x=7",
        "cust%00omer_id=7",
        "customer_id%00[]=7",
        "%EF%BD%83ustomer_id=7",
        "customer_id%E2%80%8B=7",
        "customer%c1%9fid=7",
        "%25252525252563ustomer_id=7",
    ] {
        assert_eq!(forced(query), "customer_id=42", "{query}");
    }
}

#[test]
fn what_the_client_may_say_stays_byte_for_byte_and_in_its_order() {
    for (query, expected) in [
        ("", "customer_id=42"),
        ("a=%20b&c=d+e&&f", "a=%20b&c=d+e&f&customer_id=42"),
        ("b=2&a=1&a=1", "b=2&a=1&a=1&customer_id=42"),
        ("=7", "=7&customer_id=42"),
        ("customer=7&id=8", "customer=7&id=8&customer_id=42"),
        ("customers_id=7", "customers_id=7&customer_id=42"),
        ("q=customer_id", "q=customer_id&customer_id=42"),
        ("q=100%&r=%zz", "q=100%&r=%zz&customer_id=42"),
        // A `;` divides in some apps.
        ("a=1;customer_id=7", "a=1%3Bcustomer_id=7&customer_id=42"),
        ("a=1&amp;customer_id=7", "a=1&amp%3Bcustomer_id=7&customer_id=42"),
    ] {
        assert_eq!(forced(query), expected, "{query}");
    }
}

#[test]
fn a_forced_name_may_have_steps_of_its_own() {
    let forced = |query: &str| shaped(forcing(&["filter[customer]={customer.id}"]), query);
    for query in ["filter=x", "filter[]=x", "filter[customer]=7", "filter[customer][in]=7", "filter.customer=7"] {
        assert_eq!(forced(query), "filter%5Bcustomer%5D=42", "{query}");
    }
    assert_eq!(forced("filter[status]=open"), "filter[status]=open&filter%5Bcustomer%5D=42");
}

#[test]
fn only_what_is_listed_goes_on() {
    let only = |names: &[&str], query: &str| {
        let query_only = Some(names.iter().map(|name| (*name).to_owned()).collect());
        shaped(Filters { query_only, ..forcing(&["c={customer.id}"]) }, query)
    };
    assert_eq!(
        only(&["page", "sort"], "page=2&sort=%61&_facet=x&Page=3&page[]=4&%70age=5"),
        "page=2&sort=%61&%70age=5&c=42"
    );
    assert_eq!(only(&[], "page=2"), "c=42");
    assert_eq!(only(&["c"], "c=7"), "c=42", "what is forced stays forced");
    let nothing = Filters { query_only: Some(Vec::new()), ..Filters::default() };
    assert_eq!(shape(&work(nothing).filters, Some("page=2")), None);
}

#[test]
fn without_a_filter_on_it_a_query_stays_as_it_is() {
    let filters = work(super::super::sample::hiding(&["price"])).filters;
    assert_eq!(shape(&filters, Some("a=1;b&&c=%zz")).as_deref(), Some("a=1;b&&c=%zz"));
    assert_eq!((shape(&filters, Some("")).as_deref(), shape(&filters, None)), (Some(""), None));
}

#[test]
fn a_forced_value_cannot_add_a_parameter() {
    assert_eq!(shaped(forcing(&["q=a&b=c d+#{email}"]), ""), "q=a%26b%3Dc%20d%2B%23ann%40example.com");
}

/// How apps read `customer_id` out of a query: all the values that each of these readers would give it.
mod readers {
    use super::*;

    fn pairs(query: &str, separators: &[char]) -> Vec<(String, String)> {
        let pieces = query.split(|character| separators.contains(&character)).filter(|piece| !piece.is_empty());
        pieces
            .map(|piece| {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                (decode(name), decode(value))
            })
            .collect()
    }

    /// PHP: leading spaces go, dots, spaces and an open bracket become `_`, a NUL ends the name, brackets nest, the last one counts.
    fn php(query: &str) -> Vec<String> {
        let mut found = BTreeMap::new();
        for (name, value) in pairs(query, &['&']) {
            let name = name.trim_start_matches(' ').split('\0').next().unwrap_or_default().to_owned();
            let base = match name.split_once('[') {
                Some((base, rest)) if rest.contains(']') => base.to_owned(),
                _ => name.replace('[', "_"),
            };
            found.insert(base.replace([' ', '.'], "_"), value);
        }
        found.remove("customer_id").into_iter().collect()
    }

    /// Rails and qs: brackets nest, repetitions add up.
    fn brackets(query: &str, separators: &[char]) -> Vec<String> {
        let name_of = |name: &str| name.split('[').next().unwrap_or_default().trim().to_owned();
        pairs(query, separators)
            .into_iter()
            .filter(|(name, _)| name_of(name) == "customer_id")
            .map(|pair| pair.1)
            .collect()
    }

    /// ASP.NET: case is nothing, dots reach into models.
    fn dots_and_case(query: &str) -> Vec<String> {
        let name_of = |name: &str| name.split(['[', '.']).next().unwrap_or_default().to_lowercase();
        pairs(query, &['&']).into_iter().filter(|(name, _)| name_of(name) == "customer_id").map(|pair| pair.1).collect()
    }

    /// An app behind a proxy that decodes once more.
    fn decoded_twice(query: &str) -> Vec<String> {
        let read = pairs(query, &['&']).into_iter().map(|(name, value)| (decode(&name), value));
        read.filter(|(name, _)| name.trim() == "customer_id").map(|pair| pair.1).collect()
    }

    pub(super) fn all(query: &str) -> Vec<Vec<String>> {
        vec![
            php(query),
            brackets(query, &['&']),
            brackets(query, &['&', ';']),
            dots_and_case(query),
            decoded_twice(query),
        ]
    }
}

/// A name that is `customer_id` in some spelling, or something near it.
fn spelling() -> impl Strategy<Value = String> {
    let letter = |character: char| {
        let byte = u32::from(character);
        prop_oneof![
            4 => Just(character.to_string()),
            1 => Just(character.to_ascii_uppercase().to_string()),
            1 => Just(format!("%{byte:02x}")),
            1 => Just(format!("%25{byte:02X}")),
        ]
    };
    let divider = prop::sample::select(vec!["_", "_", "_", ".", "+", "%20", "[", "%5f", "%2e"]).prop_map(str::to_owned);
    let word = |word: &str| word.chars().map(letter).collect::<Vec<_>>().prop_map(|letters| letters.concat());
    let before = prop::sample::select(vec!["", "", "", "+", "%20", "x=1;", "a;", "%00"]);
    let after = prop::sample::select(vec!["", "", "[]", "[0]", "%5Bx%5D", ".x", "%00", "%00y", "+", "[", "]", "z"]);
    (before, word("customer"), divider, word("id"), after)
        .prop_map(|(before, customer, divider, id, after)| format!("{before}{customer}{divider}{id}{after}"))
}

proptest! {
    #[test]
    fn all_apps_read_the_forced_value_and_no_other(
        names in prop::collection::vec(prop_oneof![spelling(), "[a-z%&=;+.\\[\\]0-9]{0,12}"], 0..6)
    ) {
        let query: Vec<String> = names.iter().map(|name| format!("{name}=7")).collect();
        let shaped = forced(&query.join("&"));
        for values in readers::all(&shaped) {
            prop_assert_eq!(values, vec!["42".to_owned()], "{} became {}", query.join("&"), shaped);
        }
    }

    #[test]
    fn no_query_panics_and_shaping_twice_changes_nothing(query in "\\PC{0,60}") {
        let once = forced(&query);
        prop_assert_eq!(forced(&once), once);
    }
}
