//! Limits on logging in: per address, per client network, per app.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::Login;
use crate::types::{AppName, Email};

/// Counts tries, each kind by itself.
#[derive(Debug)]
pub struct RateLimits {
    mails_per_address: DefaultKeyedRateLimiter<(AppName, Email)>,
    mails_per_app: DefaultKeyedRateLimiter<AppName>,
    tries_per_client: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitReached {
    /// Which limit.
    pub limit: &'static str,
    /// In how many minutes to try again.
    pub minutes: u32,
}

impl RateLimits {
    /// Limits by the hour, as configured.
    #[must_use]
    pub fn new(login: &Login) -> Self {
        let quota = |count: u32| Quota::per_hour(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN));
        Self {
            mails_per_address: RateLimiter::keyed(quota(login.mails_per_address)),
            mails_per_app: RateLimiter::keyed(quota(login.mails_per_app)),
            tries_per_client: RateLimiter::keyed(quota(login.tries_per_client)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a try of a client: an IPv4 address, or the /64 that an IPv6 host has to itself.
    ///
    /// # Errors
    /// When the client has had its tries.
    pub fn try_of_client(&self, client: IpAddr) -> Result<(), LimitReached> {
        let limit = "tries_per_client";
        self.count(limit, self.tries_per_client.check_key(&network(client)))
    }

    /// Counts a mail. The address comes first: a flooded one does not use up the app's share.
    ///
    /// # Errors
    /// When the address or the app has had its mails.
    pub fn mail(&self, app: &AppName, email: &Email) -> Result<(), LimitReached> {
        self.count("mails_per_address", self.mails_per_address.check_key(&(app.clone(), email.clone())))?;
        self.count("mails_per_app", self.mails_per_app.check_key(app))
    }

    /// Forgets keys that are back at their full quota, so that memory does not grow with strangers.
    pub fn sweep(&self) {
        self.mails_per_address.retain_recent();
        self.mails_per_app.retain_recent();
        self.tries_per_client.retain_recent();
    }

    fn count(
        &self,
        limit: &'static str,
        result: Result<(), governor::NotUntil<governor::clock::QuantaInstant>>,
    ) -> Result<(), LimitReached> {
        result.map_err(|not_until| {
            let seconds = not_until.wait_time_from(self.clock.now()).as_secs();
            let minutes = u32::try_from(seconds / 60 + 1).unwrap_or(u32::MAX);
            LimitReached { limit, minutes }
        })
    }
}

fn network(client: IpAddr) -> IpAddr {
    const HOST_BITS: u32 = 64;
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> HOST_BITS << HOST_BITS).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_counts_by_itself() {
        let login = Login {
            hub: None,
            providers: Vec::new(),
            tries_per_address: 2,
            tries_in_total: 100,
            lifetime: std::time::Duration::from_secs(900),
            mails_per_address: 2,
            tries_per_client: 2,
            mails_per_app: 3,
        };
        let limits = RateLimits::new(&login);
        let app = AppName::parse("orders").expect("valid");
        let mail =
            |address: &str| limits.mail(&app, &Email::parse(address).expect("valid")).map_err(|reached| reached.limit);
        assert_eq!(mail("a@example.com"), Ok(()));
        assert_eq!(mail("a@example.com"), Ok(()));
        assert_eq!(mail("a@example.com"), Err("mails_per_address"));
        assert_eq!(mail("b@example.com"), Ok(()));
        assert_eq!(mail("c@example.com"), Err("mails_per_app"));
        let client = |text: &str| limits.try_of_client(text.parse().expect("an address")).is_ok();
        assert!(client("2001:db8::1") && client("2001:db8::2") && !client("2001:db8::3"), "one /64 is one client");
        assert!(client("2001:db8:0:1::1") && client("192.0.2.1") && client("::ffff:192.0.2.1") && !client("192.0.2.1"));
    }
}
