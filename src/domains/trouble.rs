//! What is wrong with a name, for programs and for whoever keeps its DNS. Pure.
//!
//! A sentence stands alone: it is mailed on to somebody who has never heard of this gateway. It says what was found, and which
//! record to set, to the letter.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::types::HostName;

/// What is wrong with a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Trouble {
    /// By a name for metrics and programs.
    pub(super) problem: Cow<'static, str>,
    /// For people.
    pub(super) sentence: String,
}

/// Where a name has to point, as far as that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Here {
    /// `acme.target`
    pub(super) target: Option<HostName>,
    /// The target's addresses, else those at which a domain that works is reached.
    pub(super) addresses: Vec<IpAddr>,
}

/// What answered at an address, in place of ourselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Visit {
    /// We did.
    Here,
    /// Something else did.
    Other,
    /// Something that sends to another place.
    Redirect,
    /// Nothing listens there.
    Refused,
    /// No answer came in time.
    Timeout,
    /// There is no way there from this machine.
    NoRoute,
}

impl Visit {
    /// Its name in the API and on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Other => "other",
            Self::Redirect => "redirect",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::NoRoute => "no-route",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Here => "this service answers there",
            Self::Other => "something else answers there",
            Self::Redirect => "what answers there sends to another place",
            Self::Refused => "nothing accepts connections there",
            Self::Timeout => "nothing answers there in time",
            Self::NoRoute => "there is no way there from here",
        }
    }
}

impl Here {
    /// The records that bring a host here, each on a line of its own.
    fn records(&self, host: &HostName) -> Option<String> {
        // At the top of a zone stand SOA and NS, and a CNAME stands alone (RFC 1034, section 3.6.2).
        let may_be_top = host.as_str().bytes().filter(|byte| *byte == b'.').count() < 2;
        let mut lines = String::new();
        match &self.target {
            Some(target) if !may_be_top || self.addresses.is_empty() => {
                let _ = write!(lines, "\n{host}. CNAME {target}.");
            }
            _ => {
                for address in &self.addresses {
                    let _ = write!(lines, "\n{}", address_record(host, *address));
                }
            }
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// What is there already has to go: beside a CNAME nothing may stand, and of several addresses each is tried.
    fn set_instead(&self, host: &HostName) -> String {
        match self.records(host) {
            Some(lines) => format!("Please set in the DNS, in place of that:{lines}"),
            None => self.set_these(host),
        }
    }

    fn set_these(&self, host: &HostName) -> String {
        match self.records(host) {
            Some(lines) => format!("Please set in the DNS:{lines}"),
            None => "Please point it to this service; its operator knows the address.".to_owned(),
        }
    }
}

impl Trouble {
    /// As it was written down.
    pub(super) fn remembered(problem: Option<String>, sentence: Option<String>) -> Option<Self> {
        Some(Self { problem: problem?.into(), sentence: sentence.unwrap_or_default() })
    }

    const fn new(problem: &'static str, sentence: String) -> Self {
        Self { problem: Cow::Borrowed(problem), sentence }
    }

    /// It has no address.
    pub(super) fn does_not_resolve(host: &HostName, alias: Option<&str>, here: &Here) -> Self {
        let what = match alias {
            Some(alias) => format!("{host} is an alias (CNAME) of {alias}, which has no address."),
            None => format!("{host} has no address in the DNS."),
        };
        Self::new("does-not-resolve", format!("{what} {}", here.set_these(host)))
    }

    /// Its name servers fail.
    pub(super) fn dns_fails(host: &HostName, cause: &str) -> Self {
        let sentence = format!(
            "The DNS gives no answer about {host} ({cause}). Please see to its name servers, and to DNSSEC where it is signed."
        );
        Self::new("dns-fails", sentence)
    }

    /// None of its addresses leads here.
    pub(super) fn elsewhere(host: &HostName, alias: Option<&str>, visits: &[(IpAddr, Visit)], here: &Here) -> Self {
        let by = alias.map(|alias| format!(" (by the CNAME {alias})")).unwrap_or_default();
        let found = list(visits.iter().map(|(address, visit)| format!("{address}, where {}", strip(visit.says()))));
        Self::new("elsewhere", format!("{host} points{by} to {found}. {}", here.set_instead(host)))
    }

    /// Some of its addresses lead here, others do not: a certificate authority may come to any of them.
    pub(super) fn partly_elsewhere(host: &HostName, owner: &str, visits: &[(IpAddr, Visit)]) -> Self {
        let mut sentence =
            format!("{host} points to this service, but not with all of its addresses. Please remove from the DNS:");
        for (address, visit) in visits.iter().filter(|(_, visit)| *visit != Visit::Here) {
            let kind = if address.is_ipv6() { "AAAA" } else { "A" };
            let _ = write!(sentence, "\n{owner}. {kind} {address} ({})", visit.says());
        }
        Self::new("partly-elsewhere", sentence)
    }

    /// A CAA record forbids it.
    pub(super) fn caa(host: &str, at: &str, wildcard: bool, issuers: &[String], because: &str) -> Self {
        let tag = if wildcard { "issuewild" } else { "issue" };
        let issuer = issuers.first().map(String::as_str).unwrap_or_default();
        let sentence = format!(
            "The CAA records of {at} do not let the certificate authority {issuer} issue for {host}: {because}. Please add to the DNS:\n{at}. CAA 0 {tag} \"{issuer}\""
        );
        Self::new("caa", sentence)
    }

    /// A CAA record has a property that must be understood and is not.
    pub(super) fn caa_unknown(at: &str, tag: &str) -> Self {
        let sentence = format!(
            "{at} has a CAA record with the critical property `{tag}`, which certificate authorities do not know, so that none may issue. Please remove it."
        );
        Self::new("caa", sentence)
    }

    /// The CAA records cannot be read, and then no authority issues.
    pub(super) fn caa_fails(at: &str, cause: &str) -> Self {
        let sentence = format!(
            "The DNS gives no answer about the CAA records of {at} ({cause}), and without one no certificate authority issues. Please see to its name servers; \"no such record\" is an answer too."
        );
        Self::new("caa-fails", sentence)
    }

    /// The authority's limit for its parent is near.
    pub(super) fn parent_is_full(parent: &str, until: Timestamp) -> Self {
        let sentence = format!(
            "Nothing has to be done: many names under {parent} got their certificates this week, and its turn comes on {until:.0}."
        );
        Self::new("parent-full", sentence)
    }

    /// The authority refused, or could not validate.
    pub(super) fn refused(problem: impl Into<Cow<'static, str>>, sentence: String) -> Self {
        Self { problem: problem.into(), sentence }
    }
}

/// A record line for an address.
pub(super) fn address_record(host: &HostName, address: IpAddr) -> String {
    let kind = if address.is_ipv6() { "AAAA" } else { "A" };
    format!("{host}. {kind} {address}")
}

/// "something else answers there" after "where".
fn strip(says: &'static str) -> &'static str {
    says.strip_suffix(" there").unwrap_or(says)
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; and to ")
}
