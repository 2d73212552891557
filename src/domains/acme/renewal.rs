//! When a certificate is to be renewed: as its authority says (ARI, RFC 9773), else at two thirds of its life.
//!
//! The moment is drawn from the certificate itself: spread evenly over all certificates, and the same after every restart.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use instant_acme::CertificateIdentifier;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

use super::certificate::{self, Leaf};
use super::error::Trouble;
use super::order::Halt;
use super::{Authority, Settings};
use crate::state::certificates::CertificateName;
use crate::state::issuance::{StoredCertificate, Times};

/// RFC 9773, section 4.3.2: neither more often than each minute nor more seldom than each day, whatever the authority says.
const MOST_OFTEN: SignedDuration = SignedDuration::from_mins(1);
const MOST_SELDOM: SignedDuration = SignedDuration::from_hours(24);

/// A certificate younger than this is not renewed, whatever its authority says: one that always says "now" would never have enough.
const YOUNGEST: SignedDuration = SignedDuration::from_hours(12);

/// How long until an authority that has not answered is asked again.
const AFTER_TROUBLE: SignedDuration = SignedDuration::from_hours(6);

impl Authority {
    /// When a certificate is to be renewed, and when to ask again. Where the authority cannot say, it is two thirds of its life.
    pub async fn renewal(&self, certificate: &StoredCertificate) -> Times {
        let now = self.clock.now();
        let leaf = Leaf { not_before: certificate.times.not_before, not_after: certificate.times.not_after };
        let standard = standard(&certificate.name, &leaf);
        let Ok(settings) = self.settings() else {
            return Times { ask_again: now + AFTER_TROUBLE, ..standard };
        };
        match self.ask(&settings, certificate).await {
            Ok(told) => from_window(&certificate.name, &leaf, &told, now),
            Err(halt) => {
                let trouble = halt.into_error();
                tracing::debug!(name = %certificate.name, error = %trouble, "the authority says nothing of its renewal");
                // What is known already of the authority's wish is better than nothing of it.
                let renew_at = certificate.times.renew_at.min(standard.renew_at);
                Times { renew_at, ask_again: pause(&leaf, AFTER_TROUBLE, now), ..standard }
            }
        }
    }

    async fn ask(&self, settings: &Settings, certificate: &StoredCertificate) -> Result<Told, Halt> {
        let (account, _) = self.account(settings).await?;
        let leaf = certificate::first(&certificate.chain);
        let id = leaf.as_ref().and_then(identifier).ok_or(Trouble::Problem {
            kind: "malformed".to_owned(),
            detail: "the certificate does not name its issuer's key".to_owned(),
        })?;
        let (info, again) = account.renewal_info(&id).await?;
        let second = |time: i64| Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH);
        let told = Told {
            start: second(info.suggested_window.start.unix_timestamp()),
            end: second(info.suggested_window.end.unix_timestamp()),
            again,
        };
        if let Some(url) = info.explanation_url {
            let name = &certificate.name;
            tracing::info!(%name, explanation = url, start = %told.start, "the authority explains its wish for a renewal");
        }
        Ok(told)
    }
}

/// What an authority told.
#[derive(Clone, Copy, Debug)]
struct Told {
    start: Timestamp,
    end: Timestamp,
    again: Duration,
}

/// The authority's name for a certificate (RFC 9773, section 4.1). `None` where the certificate does not name its issuer's key.
pub(super) fn identifier(leaf: &CertificateDer<'_>) -> Option<CertificateIdentifier<'static>> {
    CertificateIdentifier::try_from(leaf).ok().map(CertificateIdentifier::into_owned)
}

/// Two thirds of its life, and up to a tenth of it earlier.
pub(super) fn standard(name: &CertificateName, leaf: &Leaf) -> Times {
    let life = life(leaf);
    let spread = life / 10;
    let renew_at = leaf.not_before + life / 3 * 2 - part(spread, draw(name, leaf, ""));
    // No finer than the store keeps it.
    let renew_at = Timestamp::from_microsecond(renew_at.as_microsecond()).unwrap_or(renew_at);
    Times { not_before: leaf.not_before, not_after: leaf.not_after, renew_at, ask_again: renew_at }
}

fn from_window(name: &CertificateName, leaf: &Leaf, told: &Told, now: Timestamp) -> Times {
    let standard = standard(name, leaf);
    let again = SignedDuration::try_from(told.again).unwrap_or(MOST_SELDOM);
    let ask_again = pause(leaf, again, now);
    // An empty window, and one that opens only when all is over, is no advice.
    if told.end <= told.start || told.start >= leaf.not_after {
        return Times { ask_again, ..standard };
    }
    let window = told.end.duration_since(told.start);
    let renew_at = told.start + part(window, draw(name, leaf, &format!("{}/{}", told.start, told.end)));
    let youngest = leaf.not_before + YOUNGEST.min(life(leaf) / 20);
    Times { renew_at: renew_at.clamp(youngest, leaf.not_after), ask_again, ..standard }
}

fn life(leaf: &Leaf) -> SignedDuration {
    leaf.not_after.duration_since(leaf.not_before)
}

/// How long until the authority is asked again; a certificate of minutes is asked about more often than one of months.
fn pause(leaf: &Leaf, wanted: SignedDuration, now: Timestamp) -> Timestamp {
    let life = life(leaf);
    let least = MOST_OFTEN.min(life / 20);
    now + wanted.clamp(least, MOST_SELDOM.min(life / 4).max(least))
}

/// A number drawn evenly for this certificate, and never another one.
fn draw(name: &CertificateName, leaf: &Leaf, of: &str) -> u32 {
    let seed = format!("{name}/{}/{}/{of}", leaf.not_before.as_second(), leaf.not_after.as_second());
    digest(&SHA256, seed.as_bytes()).as_ref().iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// That part of a span which the number is of all numbers.
fn part(span: SignedDuration, number: u32) -> SignedDuration {
    let nanoseconds = span.as_nanos() * i128::from(number) / (i128::from(u32::MAX) + 1);
    SignedDuration::from_nanos_i128(nanoseconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn name(text: &str) -> CertificateName {
        CertificateName::parse(text).expect("a name")
    }

    fn leaf(from: &str, to: &str) -> Leaf {
        Leaf { not_before: at(from), not_after: at(to) }
    }

    fn told(start: &str, end: &str, again: u64) -> Told {
        Told { start: at(start), end: at(end), again: Duration::from_secs(again) }
    }

    #[test]
    fn a_thousand_certificates_of_one_day_are_renewed_over_a_tenth_of_their_life() {
        let leaf = leaf("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
        let moments: Vec<Timestamp> =
            (0..1000).map(|number| standard(&name(&format!("n{number}.test")), &leaf).renew_at).collect();
        let (first, last) = (moments.iter().min().expect("some"), moments.iter().max().expect("some"));
        assert!(*first >= at("2026-02-21T00:00:00Z") && *first < at("2026-02-22T00:00:00Z"), "{first}");
        assert!(*last <= at("2026-03-02T00:00:00Z") && *last > at("2026-03-01T00:00:00Z"), "{last}");
        // No day has more than its share by much.
        let half = at("2026-02-25T12:00:00Z");
        let early = moments.iter().filter(|moment| **moment < half).count();
        assert!((400..600).contains(&early), "{early}");
        assert_eq!(standard(&name("n1.test"), &leaf), standard(&name("n1.test"), &leaf));
    }

    #[test]
    fn the_authoritys_window_is_kept_to() {
        let life = leaf("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
        let now = at("2026-01-02T00:00:00Z");
        let times = |told: Told| from_window(&name("a.test"), &life, &told, now);
        let later = times(told("2026-03-20T00:00:00Z", "2026-03-22T00:00:00Z", 6 * 3600));
        assert!(
            (at("2026-03-20T00:00:00Z")..at("2026-03-22T00:00:00Z")).contains(&later.renew_at),
            "{}",
            later.renew_at
        );
        assert_eq!(later.ask_again, at("2026-01-02T06:00:00Z"));
        let open = times(told("2025-12-30T00:00:00Z", "2025-12-31T00:00:00Z", 1));
        assert_eq!(
            open.renew_at,
            at("2026-01-01T12:00:00Z"),
            "a window that has passed means now, but for a certificate of yesterday"
        );
        assert_eq!(open.ask_again, at("2026-01-02T00:01:00Z"), "not every second, whatever it says");
        assert_eq!(
            times(told("2026-03-20T00:00:00Z", "2026-03-22T00:00:00Z", u64::MAX)).ask_again,
            at("2026-01-03T00:00:00Z")
        );
        let standard = standard(&name("a.test"), &life).renew_at;
        for nonsense in [
            told("2026-03-22T00:00:00Z", "2026-03-20T00:00:00Z", 60),
            told("2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z", 60),
        ] {
            assert_eq!(times(nonsense).renew_at, standard);
        }
    }

    proptest! {
        #[test]
        fn any_certificate_is_renewed_within_its_life(from in 0_i64..4_000_000_000, life in 60_i64..400 * 86400, label in "[a-z]{1,20}") {
            let second = |second| Timestamp::from_second(second).expect("a time");
            let leaf = Leaf { not_before: second(from), not_after: second(from + life) };
            let times = standard(&name(&format!("{label}.test")), &leaf);
            let share = times.renew_at.duration_since(leaf.not_before).as_secs_f64() / life as f64;
            prop_assert!((0.56..0.667).contains(&share), "{}", share);
        }

        #[test]
        fn whatever_an_authority_says_it_is_asked_again_in_good_time(again in any::<u64>(), start in any::<i32>(), end in any::<i32>()) {
            let second = |second: i32| Timestamp::from_second(second.into()).expect("a time");
            let leaf = leaf("2026-01-01T00:00:00Z", "2026-01-07T00:00:00Z");
            let now = at("2026-01-02T00:00:00Z");
            let told = Told { start: second(start), end: second(end), again: Duration::from_secs(again) };
            let times = from_window(&name("a.test"), &leaf, &told, now);
            prop_assert!(times.renew_at <= leaf.not_after);
            prop_assert!(times.ask_again >= now + SignedDuration::from_mins(1) && times.ask_again <= now + MOST_SELDOM);
        }
    }
}
