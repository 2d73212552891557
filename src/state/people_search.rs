//! Looking for people of an app by the beginning of a name or address: a port, for people stand in tables, and elsewhere too.

use std::sync::Arc;

use async_trait::async_trait;

use crate::policy::Grant;
use crate::types::AppName;

/// How many people a search gives at most.
pub const MOST_FOUND: usize = 50;

/// Who was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What each of them has, for each customer, in no order; nobody of the workspace.
    pub people: Vec<Arc<Grant>>,
    /// Whether there are more.
    pub is_cut: bool,
    /// Lists that could not be searched, or not to their end in time.
    pub unread: Vec<String>,
}

/// Finds people.
#[async_trait]
pub trait PeopleSearch: Send + Sync {
    /// The people of an app whose address, name or customer's name begins so, or a word of the names does; at most [`MOST_FOUND`].
    async fn search(&self, app: &AppName, text: &str) -> Found;
}

/// Finds people wherever they stand, and each once: what an earlier place says counts.
pub struct Everywhere(pub Vec<Arc<dyn PeopleSearch>>);

#[async_trait]
impl PeopleSearch for Everywhere {
    async fn search(&self, app: &AppName, text: &str) -> Found {
        let mut all = Found::default();
        for place in &self.0 {
            let found = place.search(app, text).await;
            all.is_cut |= found.is_cut;
            all.unread.extend(found.unread);
            for grant in found.people {
                all.add(grant);
            }
        }
        all
    }
}

impl Found {
    /// Adds somebody, unless they are there for the same customer, or there is no more room.
    pub fn add(&mut self, grant: Arc<Grant>) {
        let is_same = |known: &Arc<Grant>| known.email == grant.email && known.customer_id() == grant.customer_id();
        if self.people.iter().any(is_same) {
            return;
        }
        if self.people.len() < MOST_FOUND {
            self.people.push(grant);
        } else {
            self.is_cut = true;
        }
    }
}

/// Whether one of these texts, or a word in it, begins with what is looked for, which is in lower case already.
pub fn begins<'a>(wanted: &str, texts: impl IntoIterator<Item = &'a str>) -> bool {
    texts.into_iter().any(|text| {
        let text = text.to_lowercase();
        text.starts_with(wanted)
            || text
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| !word.is_empty() && word.starts_with(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_enough_and_a_middle_is_not() {
        for (wanted, text, fits) in [
            ("ann", "Ann Lee", true),
            ("lee", "Ann Lee", true),
            ("ann l", "Ann Lee", true),
            ("ee", "Ann Lee", false),
            ("nguyễn", "Zoë Nguyễn", true),
            ("ann@ex", "ann@example.com", true),
            ("example", "ann@example.com", true),
            ("xample", "ann@example.com", false),
        ] {
            assert_eq!(begins(wanted, [text]), fits, "{wanted} in {text}");
        }
    }
}
