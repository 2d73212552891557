//! Sentences with names in braces, and what is filled in for them.

use askama::Template;
use askama::filters::HtmlSafe;

/// A sentence with its words in braces filled in, as plain text.
pub(in crate::pages) fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    Sentence::new(sentence, values)
        .parts
        .iter()
        .map(|part| match part {
            Part::Said(text) | Part::Given(text) => *text,
        })
        .collect()
}

/// A sentence for a page: what is filled in is escaped, stands out, and keeps its own writing direction to itself.
#[derive(Template)]
#[template(
    ext = "html",
    source = "{% for part in parts %}{% match part %}{% when Part::Said(text) %}{{ text }}\
              {% when Part::Given(text) %}<strong dir=\"auto\">{{ text }}</strong>{% endmatch %}{% endfor %}"
)]
pub(in crate::pages) struct Sentence<'a> {
    parts: Vec<Part<'a>>,
}

/// True because its own template, just above, escapes every part.
impl HtmlSafe for Sentence<'_> {}

enum Part<'a> {
    Said(&'a str),
    Given(&'a str),
}

impl<'a> Sentence<'a> {
    /// Fills in each value once, left to right: braces inside a value mean nothing.
    pub(in crate::pages) fn new(sentence: &'a str, values: &[(&str, &'a str)]) -> Self {
        let mut parts = Vec::new();
        let mut rest = sentence;
        while let Some((before, name, after)) = split_at_name(rest) {
            parts.push(Part::Said(before));
            if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
                parts.push(Part::Given(value));
            }
            rest = after;
        }
        parts.push(Part::Said(rest));
        Self { parts }
    }
}

fn split_at_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once_and_in_place() {
        let values = [("a", "{b}"), ("b", "<two>")];
        assert_eq!(fill("One {a}, {b}.", &values), "One {b}, <two>.");
        assert_eq!(fill("None.", &values), "None.");
        assert_eq!(fill("", &values), "");
    }

    #[test]
    fn values_on_a_page_are_escaped_and_stand_out() {
        let page = Sentence::new("As <{a}>.", &[("a", "<i>")]).to_string();
        assert_eq!(page, "As &#60;<strong dir=\"auto\">&#60;i&#62;</strong>&#62;.");
    }
}
