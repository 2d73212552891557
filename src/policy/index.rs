//! Which of many rules may match a path, by how their paths begin: of a thousand, a few are asked.

use std::collections::HashMap;

/// The rules of an access by the literal segments that their patterns begin with.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleIndex {
    /// The numbers of the rules, in their order, by `/one/two`; those that begin with a wildcard under nothing.
    by_beginning: HashMap<Box<[u8]>, Vec<usize>>,
    /// The bytes of the longest beginning.
    longest: usize,
}

impl RuleIndex {
    /// Of fewer rules, each is asked sooner than it is looked up which to ask.
    const WORTH_IT: usize = 16;

    /// Indexes rules by their beginnings, in their order. `None` where there are few.
    pub(super) fn of<'a>(beginnings: impl ExactSizeIterator<Item = &'a [u8]>) -> Option<Self> {
        if beginnings.len() < Self::WORTH_IT {
            return None;
        }
        let mut index = Self::default();
        for (number, beginning) in beginnings.enumerate() {
            index.longest = index.longest.max(beginning.len());
            index.by_beginning.entry(beginning.into()).or_default().push(number);
        }
        Some(index)
    }

    /// The first rule that matches, of those that may match a path without escapes.
    pub(super) fn first(&self, path: &str, matches: impl Fn(usize) -> bool) -> Option<usize> {
        let ends = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        let mut first: Option<usize> = None;
        for end in ends.chain([path.len()]).take_while(|end| *end <= self.longest) {
            let beginning = path.as_bytes().get(..end).unwrap_or_default();
            let numbers = self.by_beginning.get(beginning).map(Vec::as_slice).unwrap_or_default();
            let before = first.unwrap_or(usize::MAX);
            first =
                numbers.iter().copied().take_while(|number| *number < before).find(|number| matches(*number)).or(first);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::tests::grant;
    use crate::policy::{Effect, FieldValues, PathPattern};
    use crate::types::{PathAllowances, RequestPath};

    fn text(segments: Vec<&'static str>, slash: bool) -> String {
        let path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
        if slash || path.is_empty() { path + "/" } else { path }
    }

    proptest! {
        #[test]
        fn the_first_of_a_few_is_the_first_of_all(
            patterns in prop::collection::vec((
                prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "*", "**", "x y", "{customer.id}"]), 0..4),
                any::<bool>(),
                any::<bool>(),
            ), 16..40),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "c", "abc"]), 0..5),
            slash in any::<bool>(),
        ) {
            let grant = grant("ann@example.com", "c");
            let values = FieldValues { grant: &grant, since: None, level: None };
            let patterns: Vec<_> = patterns.into_iter().map(|(segments, slash, denies)| {
                let effect = if denies { Effect::Deny } else { Effect::Allow };
                (PathPattern::parse(&text(segments, slash)).expect("a pattern").compile(values, effect), effect)
            }).collect();
            let path = RequestPath::parse(text(path, slash).as_bytes(), &PathAllowances::default()).expect("a path");
            prop_assert!(path.is_without_escapes());
            let matches = |number: usize| patterns.get(number).is_some_and(|(pattern, effect)| pattern.matches(&path, *effect));
            let index = RuleIndex::of(patterns.iter().map(|(pattern, _)| pattern.beginning())).expect("they are many");
            prop_assert_eq!(index.first(path.as_str(), matches), (0..patterns.len()).find(|number| matches(*number)));
        }
    }

    #[test]
    fn only_those_are_asked_that_begin_as_the_path_does() {
        let beginnings: Vec<String> = (0..1000).map(|number| format!("/api/things{number}")).collect();
        let index = RuleIndex::of(beginnings.iter().map(|beginning| beginning.as_bytes())).expect("they are many");
        let asked = std::cell::RefCell::new(Vec::new());
        let ask = |number| {
            asked.borrow_mut().push(number);
            false
        };
        assert_eq!(index.first("/api/things77/parts", ask), None);
        assert_eq!(*asked.borrow(), [77]);
        assert!(RuleIndex::of(beginnings.iter().take(15).map(|beginning| beginning.as_bytes())).is_none());
    }
}
