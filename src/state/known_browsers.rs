//! Browsers that have logged in before, so that a stranger's flood is not theirs to wait for.
//!
//! Such a browser holds a sealed cookie with a number of its own and, for each person who logged in with it, a hash of app and
//! address. It opens nothing: all it gives is a share of the limits that nobody else can use up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, rand};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use crate::session::{Seal, SealedCookie};
use crate::types::{AppName, Email, HostName};

/// How long after its last log-in a browser is known.
const KNOWN_FOR: Duration = Duration::from_secs(180 * 24 * 3600);
/// How many people a browser is known for; of more, the oldest go.
const MOST_PEOPLE: usize = 5;
const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
const HASH_BYTES: usize = 16;
const PERSON_BYTES: usize = HASH_BYTES + 8;

/// Reads and writes what known browsers hold.
pub struct KnownBrowsers {
    seal: Arc<Seal>,
    cookie: SealedCookie,
}

/// What a browser's cookie says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Known {
    /// The browser's own number.
    pub(super) id: [u8; ID_BYTES],
    people: Vec<Person>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Person {
    hash: [u8; HASH_BYTES],
    /// Unix seconds of the last log-in.
    last: i64,
}

impl KnownBrowsers {
    /// With the key that seals what goes through browsers.
    ///
    /// # Panics
    /// Never: the cookie's name is a fixed, good one.
    #[must_use]
    pub fn new(seal: Arc<Seal>) -> Self {
        Self { seal, cookie: SealedCookie::new("known").expect("letters are a good name") }
    }

    /// What the browser of a request is known for on a domain.
    pub(super) fn read(&self, host: &HostName, headers: &HeaderMap, now: Timestamp) -> Option<Known> {
        let sealed = self.cookie.read(headers)?;
        let plain = self.seal.open(&purpose(host), &sealed).ok()?;
        let mut known = Known::from_bytes(&plain)?;
        known.people.retain(|person| person.is_known(now));
        (!known.people.is_empty()).then_some(known)
    }

    /// Somebody has logged in: the cookie that says so, and whether the browser was not known for them before.
    pub(super) fn remember(
        &self,
        host: &HostName,
        headers: &HeaderMap,
        app: &AppName,
        email: &Email,
        now: Timestamp,
    ) -> Option<(HeaderValue, Newness)> {
        let mut known = self.read(host, headers, now).unwrap_or_else(Known::new);
        let newness = if known.is_for(app, email) { Newness::KnownBefore } else { Newness::New };
        let hash = hash(app, email);
        known.people.retain(|person| person.hash != hash);
        known.people.insert(0, Person { hash, last: now.as_second() });
        known.people.truncate(MOST_PEOPLE);
        let sealed = self.seal.seal(&purpose(host), &known.to_bytes()).ok()?;
        Some((self.cookie.setting(&sealed, KNOWN_FOR.as_secs())?, newness))
    }
}

/// Whether a browser was known for a person before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Newness {
    New,
    KnownBefore,
}

impl fmt::Debug for KnownBrowsers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KnownBrowsers(…)")
    }
}

impl Known {
    /// A browser that nobody has logged in with.
    fn new() -> Self {
        let mut id = [0; ID_BYTES];
        rand::fill(&mut id).expect("the system's random generator works");
        Self { id, people: Vec::new() }
    }

    /// Whether a person has logged in with it.
    pub(super) fn is_for(&self, app: &AppName, email: &Email) -> bool {
        let hash = hash(app, email);
        self.people.iter().any(|person| person.hash == hash)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.id);
        for person in &self.people {
            bytes.extend_from_slice(&person.hash);
            bytes.extend_from_slice(&person.last.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk::<ID_BYTES>().filter(|_| *version == VERSION)?;
        let mut people = Vec::new();
        for person in rest.chunks(PERSON_BYTES).take(MOST_PEOPLE) {
            let (hash, last) = person.split_first_chunk::<HASH_BYTES>()?;
            people.push(Person { hash: *hash, last: i64::from_be_bytes(last.try_into().ok()?) });
        }
        Some(Self { id: *id, people })
    }
}

impl Person {
    fn is_known(&self, now: Timestamp) -> bool {
        let known_for = i64::try_from(KNOWN_FOR.as_secs()).unwrap_or(i64::MAX);
        now.as_second().saturating_sub(self.last) < known_for
    }
}

/// A cookie of one domain does not open on another.
fn purpose(host: &HostName) -> String {
    format!("known-browser/{host}")
}

/// Sealed with the rest, so a plain hash tells nobody whose it is.
fn hash(app: &AppName, email: &Email) -> [u8; HASH_BYTES] {
    let text = format!("{app}\n{email}");
    let mut hash = [0; HASH_BYTES];
    hash.iter_mut().zip(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
        HeaderMap::from_iter([(http::header::COOKIE, pair.try_into().expect("a header"))])
    }

    #[test]
    fn a_browser_is_known_for_whoever_logged_in_there_for_half_a_year() {
        let browsers = KnownBrowsers::new(Arc::new(Seal::new([1; 32])));
        let host = HostName::parse("orders.test").expect("valid");
        let app = AppName::parse("orders").expect("valid");
        let email = |n: usize| Email::parse(&format!("p{n}@example.com")).expect("valid");
        let now = Timestamp::from_second(1_800_000_000).expect("in range");

        let (cookie, newness) = browsers.remember(&host, &HeaderMap::new(), &app, &email(0), now).expect("sealed");
        assert_eq!(newness, Newness::New);
        let text = cookie.to_str().expect("ASCII");
        for guard in ["__Host-access-known=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=15552000"] {
            assert!(text.contains(guard), "{guard}");
        }
        let first = browsers.read(&host, &headers(&cookie), now).expect("known");
        assert!(first.is_for(&app, &email(0)) && !first.is_for(&app, &email(1)));
        assert!(!first.is_for(&AppName::parse("other").expect("valid"), &email(0)));
        let (cookie, newness) = browsers.remember(&host, &headers(&cookie), &app, &email(0), now).expect("sealed");
        assert_eq!(newness, Newness::KnownBefore);

        let other = HostName::parse("other.test").expect("valid");
        assert_eq!(browsers.read(&other, &headers(&cookie), now), None, "on another domain it says nothing");
        let stranger = KnownBrowsers::new(Arc::new(Seal::new([2; 32])));
        assert_eq!(stranger.read(&host, &headers(&cookie), now), None, "nor with another key");
        assert_eq!(browsers.read(&host, &headers(&cookie), now + KNOWN_FOR), None, "nor for ever");

        let mut cookie = cookie;
        for n in 1..=MOST_PEOPLE {
            cookie = browsers.remember(&host, &headers(&cookie), &app, &email(n), now).expect("sealed").0;
        }
        let last = browsers.read(&host, &headers(&cookie), now).expect("known");
        assert_eq!(last.id, first.id, "it is still the same browser");
        assert!(!last.is_for(&app, &email(0)) && (1..=MOST_PEOPLE).all(|n| last.is_for(&app, &email(n))));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(0_u8.., 0..300)) {
            let _ = Known::from_bytes(&bytes);
        }
    }
}
