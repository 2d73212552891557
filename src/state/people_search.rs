//! Looking for people of an app, whoever looks: the API, the console, and staff who pick whom to preview.
//!
//! There is one rule of whom a text fits, wherever people stand: it is part of their address, of their name, or of their customer's key
//! or name. A whole address is looked up, which needs no search.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::Grant;
use crate::types::{AppName, CustomerId, Email};

/// How long tables and records are searched. Whoever is not found by then is found by the whole address.
pub const SEARCHED_FOR: Duration = Duration::from_secs(10);
/// So many more than are asked for are looked for: of those that some row fits, a few may not enter after all.
const SPARE: usize = 10_000;

/// Who is asked for, of those who may enter an app.
#[derive(Clone, Copy, Debug)]
pub struct PeopleFilter<'a> {
    /// The app.
    pub app: &'a AppName,
    /// What people have to fit.
    pub text: Option<&'a str>,
    /// Whose people.
    pub of: Whose<'a>,
    /// Those that come after this place.
    pub after: Option<&'a Place>,
    /// At most so many.
    pub most: usize,
}

/// Whose people are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose<'a> {
    /// All customers', and the workspace's own.
    Everybody,
    /// All customers', with those who are invited and have not come yet.
    Customers,
    /// This one's, in the same way.
    Customer(&'a CustomerId),
}

/// A place in the order of people: by address, then customer.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Place {
    email: String,
    customer: Option<String>,
}

/// Who was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What each of them has, for each customer, in the order of their places.
    pub people: Vec<Arc<Grant>>,
    /// Which of them are only invited, and have nothing before they come.
    pub invited: BTreeSet<Place>,
    /// Whether there are more.
    pub is_cut: bool,
    /// What could not be searched, or not to its end in time: whoever stands there is missing.
    pub unread: Vec<String>,
}

/// Those whom some row fits, by address; the first of them, where there are many.
#[derive(Debug)]
pub struct Candidates {
    /// Their addresses.
    pub emails: BTreeSet<Email>,
    /// What could not be searched, or not to its end in time.
    pub unread: Vec<String>,
    most: usize,
}

impl Place {
    /// Where a grant stands.
    #[must_use]
    pub fn of(grant: &Grant) -> Self {
        let customer = grant.customer_id().map(|customer| CustomerId::as_str(customer).to_owned());
        Self { email: grant.email.as_str().to_owned(), customer }
    }
}

impl Whose<'_> {
    /// Whether those count who are invited and have not come yet.
    #[must_use]
    pub const fn with_invited(self) -> bool {
        !matches!(self, Self::Everybody)
    }
}

impl PeopleFilter<'_> {
    /// Whether the text is part of one of these, whatever its case.
    pub fn fits<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        let Some(wanted) = self.text else { return true };
        let wanted = wanted.to_lowercase();
        texts.into_iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    /// Whether a grant is one of those that are asked for.
    #[must_use]
    pub fn wants(&self, grant: &Grant) -> bool {
        let is_theirs = match self.of {
            Whose::Everybody => true,
            Whose::Customers => grant.customer.is_some(),
            Whose::Customer(customer) => grant.customer_id() == Some(customer),
        };
        let customer = grant.customer.as_ref();
        let texts = [
            Some(grant.email.as_str()),
            grant.name.as_ref().map(|name| name.as_str()),
            customer.map(|customer| customer.id.as_str()),
            customer.and_then(|customer| customer.name.as_ref()).map(|name| name.as_str()),
        ];
        is_theirs && self.after.is_none_or(|after| Place::of(grant) > *after) && self.fits(texts.into_iter().flatten())
    }
}

impl Candidates {
    /// None yet, for those who are asked for.
    #[must_use]
    pub fn of(filter: &PeopleFilter<'_>) -> Self {
        Self { emails: BTreeSet::new(), unread: Vec::new(), most: filter.most.saturating_add(SPARE) }
    }

    /// Adds somebody, unless they stand before what is asked for.
    pub fn add(&mut self, filter: &PeopleFilter<'_>, email: &Email) {
        // The one at whose address the last page ended may have another customer.
        if filter.after.is_some_and(|after| email.as_str() < after.email.as_str()) || self.emails.contains(email) {
            return;
        }
        self.emails.insert(email.clone());
        if self.emails.len() > self.most {
            self.emails.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_where_it_stands_whatever_its_case() {
        let app = AppName::parse("orders").expect("a name");
        for (text, own, fits) in [
            ("ann", "Ann Lee", true),
            ("ANN L", "Ann Lee", true),
            ("ee", "Ann Lee", true),
            ("éLO", "Élodie", true),
            ("n@ex", "ann@example.com", true),
            ("bob", "Ann Lee", false),
        ] {
            let filter = PeopleFilter { app: &app, text: Some(text), of: Whose::Everybody, after: None, most: 1 };
            assert_eq!(filter.fits([own]), fits, "{text} in {own}");
        }
    }

    #[test]
    fn the_first_candidates_are_kept() {
        let app = AppName::parse("orders").expect("a name");
        let after = Place { email: "b@example.com".to_owned(), customer: Some("1".to_owned()) };
        let filter = PeopleFilter { app: &app, text: None, of: Whose::Everybody, after: Some(&after), most: 1 };
        let mut candidates = Candidates { most: 2, ..Candidates::of(&filter) };
        for name in ["d", "a", "c", "b", "c"] {
            candidates.add(&filter, &Email::parse(&format!("{name}@example.com")).expect("an address"));
        }
        let kept: Vec<&str> = candidates.emails.iter().map(Email::as_str).collect();
        assert_eq!(kept, ["b@example.com", "c@example.com"]);
    }
}
