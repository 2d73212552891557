//! How many invitations go out: a customer's administrators write to strangers in our name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::types::{AppName, CustomerId, Email};

/// A person is written to for a customer at most this often.
pub(super) const PAUSE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many pairs and customers are remembered.
const MOST: u64 = 100_000;
/// A customer may write so many invitations a day, whatever it may have of people.
const A_DAY_AT_LEAST: u32 = 100;

/// What was sent a moment ago. It is kept in memory: a restart forgives.
#[derive(Debug)]
pub(super) struct Mailings {
    people: moka::sync::Cache<(AppName, CustomerId, Email), ()>,
    customers: moka::sync::Cache<(AppName, CustomerId), Arc<AtomicU32>>,
}

/// Why no further invitation goes out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Enough {
    /// The person was written to a moment ago.
    ForThem,
    /// The customer has written enough for a day.
    ForToday,
}

impl Default for Mailings {
    fn default() -> Self {
        Self {
            people: moka::sync::Cache::builder().max_capacity(MOST).time_to_live(PAUSE).build(),
            customers: moka::sync::Cache::builder().max_capacity(MOST).time_to_live(DAY).build(),
        }
    }
}

impl Mailings {
    /// Takes one mail to a person for a customer, which may have so many people. Of one that is sent again its record says when it
    /// was sent last.
    pub(super) fn take(
        &self,
        app: &AppName,
        customer: &CustomerId,
        email: &Email,
        most_people: u32,
        is_again: bool,
    ) -> Result<(), Enough> {
        let pair = (app.clone(), customer.clone(), email.clone());
        if !is_again && self.people.contains_key(&pair) {
            return Err(Enough::ForThem);
        }
        let count = self.customers.get_with((app.clone(), customer.clone()), Arc::default);
        let most = most_people.saturating_mul(2).max(A_DAY_AT_LEAST);
        if count.fetch_add(1, Ordering::Relaxed) >= most {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(Enough::ForToday);
        }
        self.people.insert(pair, ());
        Ok(())
    }

    /// A mail that was taken was not sent.
    pub(super) fn give_back(&self, app: &AppName, customer: &CustomerId, email: &Email) {
        self.people.invalidate(&(app.clone(), customer.clone(), email.clone()));
        if let Some(count) = self.customers.get(&(app.clone(), customer.clone())) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_19_nobody_is_flooded_with_invitations() {
        let mailings = Mailings::default();
        let app = AppName::parse("orders").expect("valid");
        let customer = CustomerId::parse("42").expect("valid");
        let take = |name: &str| {
            let email = Email::parse(&format!("{name}@example.com")).expect("valid");
            mailings.take(&app, &customer, &email, 1, false)
        };
        assert_eq!(take("ann"), Ok(()));
        assert_eq!(take("ann"), Err(Enough::ForThem));
        for number in 1..A_DAY_AT_LEAST {
            assert_eq!(take(&format!("bob{number}")), Ok(()));
        }
        assert_eq!(take("eve"), Err(Enough::ForToday));
        mailings.give_back(&app, &customer, &Email::parse("ann@example.com").expect("valid"));
        assert_eq!(take("ann"), Ok(()));
    }
}
