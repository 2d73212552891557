//! What one request carries along the corridor.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use jiff::Timestamp;
use pingora::{Error, ErrorType};

use super::connection::EndGuard;
use super::filtering::Filtering;
use super::route::{Facts, HubFacts};
use super::upstream::Attempts;
use crate::filters::bar::Bar;
use crate::policy::Permit;
use crate::state::open_requests::OpenRequest;
use crate::state::sessions::Live;

/// One request's way.
#[derive(Debug)]
pub struct RequestCtx {
    /// When its head was in.
    pub(super) started: Instant,
    /// Its id.
    pub(super) id: String,
    /// The address its connection comes from.
    pub(super) peer: Option<IpAddr>,
    /// When it was taken up.
    pub(super) now: Option<Timestamp>,
    /// What it is, once that is known.
    pub(super) facts: Option<Arc<Facts>>,
    /// What it is, when it is one to the hub.
    pub(super) hub: Option<HubFacts>,
    /// The session behind it.
    pub(super) live: Option<Arc<Live>>,
    /// Proof of the decision to let it pass.
    permit: Option<Permit>,
    /// What was decided, for the log.
    pub(super) outcome: Outcome,
    /// How long it took to decide.
    pub(super) decided_in: Option<Duration>,
    /// Bytes of its body so far.
    pub(super) body_bytes: u64,
    /// Interim answers of the app so far.
    pub(super) interim_heads: u32,
    /// Whether it was answered with an error before its body was in, and so its connection has to be read on.
    pub(super) failed_early: bool,
    /// Its tries at the app's servers.
    pub(super) attempts: Option<Attempts>,
    /// When to come again, for who finds no server or no place.
    pub(super) come_again: Option<Duration>,
    /// Its answer, where that is filtered.
    pub(super) filtering: Option<Box<Filtering>>,
    /// The bar of a preview that its answer gets.
    pub(super) bar: Option<Arc<Bar>>,
    /// Whether its answer, or itself, turned out to be none that the rule's filters can read.
    pub(super) is_unfilterable: bool,
    /// Keeps it among the requests that end with their session.
    pub(super) open: Option<OpenRequest>,
    /// Ties its connection to the session.
    pub(super) tie: Option<EndGuard>,
}

/// What became of a request, for log and metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    /// `allow`, `deny`, `log-in`, `choose`, `portal`, `refuse`, `redirect`
    pub(super) decision: &'static str,
    /// Why.
    pub(super) reason: &'static str,
}

impl RequestCtx {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            id: new_id(),
            peer: None,
            now: None,
            facts: None,
            hub: None,
            live: None,
            permit: None,
            outcome: Outcome { decision: "refuse", reason: "malformed" },
            decided_in: None,
            body_bytes: 0,
            interim_heads: 0,
            failed_early: false,
            attempts: None,
            come_again: None,
            filtering: None,
            bar: None,
            is_unfilterable: false,
            open: None,
            tie: None,
        }
    }

    /// Its id as a field's value, which HPACK is not to keep in its table: it never comes again, and would push out what does (RFC 7541,
    /// section 6.2.3).
    pub(super) fn id_value(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&self.id).expect("an id is hexadecimal");
        value.set_sensitive(true);
        value
    }

    /// Notes what was decided.
    pub(super) fn decided(&mut self, decision: &'static str, reason: &'static str) {
        self.outcome = Outcome { decision, reason };
    }

    /// Takes the permit in.
    pub(super) fn grant(&mut self, permit: Permit) {
        self.permit = Some(permit);
    }

    /// The permit; without one nothing goes on.
    pub(super) fn permit(&self) -> pingora::Result<&Permit> {
        self.permit.as_ref().ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "no permit"))
    }

    /// Its tries; without them nothing goes on.
    pub(super) fn attempts(&self) -> pingora::Result<&Attempts> {
        self.attempts.as_ref().ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "no pool"))
    }

    /// The facts; without them nothing goes on.
    pub(super) fn facts(&self) -> pingora::Result<&Facts> {
        self.facts.as_deref().ok_or_else(|| Error::explain(ErrorType::HTTPStatus(500), "no facts"))
    }
}

/// 96 random bits: enough to find one request among all logs.
const ID_BYTES: usize = 12;

fn new_id() -> String {
    /// Asking the generator costs as much for many as for one.
    const AT_ONCE: usize = 128;
    thread_local! {
        static DRAWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.is_empty() {
            drawn.resize(ID_BYTES * AT_ONCE, 0);
            // An id is no secret; should the generator fail, the logs are harder to read, and that is all.
            let _ = aws_lc_rs::rand::fill(drawn);
        }
        let id = drawn.split_off(drawn.len().saturating_sub(ID_BYTES));
        data_encoding::HEXLOWER.encode(&id)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::new_id;

    #[test]
    fn no_two_requests_have_one_id() {
        let ids: HashSet<String> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 24));
    }
}
