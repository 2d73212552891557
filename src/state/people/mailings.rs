//! How many invitations go out: a customer's administrators write to strangers in our name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::types::{AppName, CustomerId, Email};

/// A person is written to for a customer at most this often.
pub(super) const PAUSE: Duration = Duration::from_secs(60);
/// And so often a day: whoever is withdrawn and invited again is the same person.
const A_DAY_FOR_THEM: u32 = 5;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many pairs and customers are remembered.
const MOST: u64 = 100_000;
/// A customer may write so many invitations a day, whatever it may have of people.
const A_DAY_AT_LEAST: u32 = 100;

/// What was sent a moment ago. It is kept in memory: a restart forgives.
#[derive(Debug)]
pub(super) struct Mailings {
    just_now: moka::sync::Cache<(AppName, CustomerId, Email), ()>,
    people: moka::sync::Cache<(AppName, CustomerId, Email), Arc<AtomicU32>>,
    customers: moka::sync::Cache<(AppName, CustomerId), Arc<AtomicU32>>,
}

/// Why no further invitation goes out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Enough {
    /// The person was written to a moment ago, or often enough for a day.
    ForThem,
    /// The customer has written enough for a day.
    ForToday,
}

impl Default for Mailings {
    fn default() -> Self {
        Self {
            just_now: moka::sync::Cache::builder().max_capacity(MOST).time_to_live(PAUSE).build(),
            people: moka::sync::Cache::builder().max_capacity(MOST).time_to_live(DAY).build(),
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
        if !is_again && self.just_now.contains_key(&pair) {
            return Err(Enough::ForThem);
        }
        let theirs = self.people.get_with(pair.clone(), Arc::default);
        if !take_one(&theirs, A_DAY_FOR_THEM) {
            return Err(Enough::ForThem);
        }
        let all = self.customers.get_with((app.clone(), customer.clone()), Arc::default);
        if !take_one(&all, most_people.saturating_mul(2).max(A_DAY_AT_LEAST)) {
            theirs.fetch_sub(1, Ordering::Relaxed);
            return Err(Enough::ForToday);
        }
        self.just_now.insert(pair, ());
        Ok(())
    }

    /// A mail that was taken was not sent.
    pub(super) fn give_back(&self, app: &AppName, customer: &CustomerId, email: &Email) {
        let pair = (app.clone(), customer.clone(), email.clone());
        self.just_now.invalidate(&pair);
        let counts = [self.people.get(&pair), self.customers.get(&(app.clone(), customer.clone()))];
        for count in counts.into_iter().flatten() {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Counts one more; `false`, and nothing is counted, where that would be more than the most.
fn take_one(count: &AtomicU32, most: u32) -> bool {
    let is_below = count.fetch_add(1, Ordering::Relaxed) < most;
    if !is_below {
        count.fetch_sub(1, Ordering::Relaxed);
    }
    is_below
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

    #[test]
    fn attack_19_nobody_is_written_to_all_day_long() {
        let mailings = Mailings::default();
        let (app, customer) = (AppName::parse("orders").expect("valid"), CustomerId::parse("42").expect("valid"));
        let again = |name: &str| {
            let email = Email::parse(&format!("{name}@example.com")).expect("valid");
            mailings.take(&app, &customer, &email, 1000, true)
        };
        for _ in 0..A_DAY_FOR_THEM {
            assert_eq!(again("ann"), Ok(()));
        }
        assert_eq!(again("ann"), Err(Enough::ForThem));
        assert_eq!(again("bob"), Ok(()));
    }
}
