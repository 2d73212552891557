//! Whether CAA records let our authority issue (RFC 8659). Pure, but for the climbing.

use super::dns::{CaaRecord, Dns, NoAnswer};
use crate::config::Challenge;
use crate::domains::trouble::Trouble;

/// Tags that are understood, so that `critical` does not matter. Those of mail and the ones for telling are none of ours, but known.
const KNOWN: [&str; 7] = ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];

/// Who would issue, and how.
#[derive(Clone, Debug, Default)]
pub(in crate::domains) struct Issuer {
    /// The names by which CAA records mean the authority; when there is none, nothing can be said.
    pub(in crate::domains) names: Vec<String>,
    /// The address of our account there, where it is known.
    pub(in crate::domains) account: Option<String>,
    /// The ways in which the name would be proven.
    pub(in crate::domains) methods: Vec<Challenge>,
}

/// What speaks against it.
#[derive(Debug, Eq, PartialEq)]
enum Objection {
    /// A critical property that nobody knows.
    Unknown(String),
    /// Others may issue, or nobody.
    NotNamed(String),
}

/// Looks whether the authority may issue for a name: the records that are nearest to it count, on the way to the root.
pub(in crate::domains) async fn check(dns: &Dns, host: &str, wildcard: bool, issuer: &Issuer) -> Option<Trouble> {
    if issuer.names.is_empty() {
        return None;
    }
    let mut at = host;
    loop {
        match dns.caa(at).await {
            Ok(records) if records.is_empty() => {}
            Ok(records) => {
                let shown = if wildcard { format!("*.{host}") } else { host.to_owned() };
                return match judge(&records, wildcard, issuer)? {
                    Objection::Unknown(tag) => Some(Trouble::caa_unknown(at, &tag)),
                    Objection::NotNamed(because) => {
                        Some(Trouble::caa(&shown, at, has_wild(&records) && wildcard, &issuer.names, &because))
                    }
                };
            }
            Err(NoAnswer(cause)) => return Some(Trouble::caa_fails(at, &cause)),
        }
        (_, at) = at.split_once('.')?;
    }
}

fn has_wild(records: &[CaaRecord]) -> bool {
    records.iter().any(|record| record.tag == "issuewild")
}

/// What these records say against it.
fn judge(records: &[CaaRecord], wildcard: bool, issuer: &Issuer) -> Option<Objection> {
    if let Some(unknown) = records.iter().find(|record| record.critical && !KNOWN.contains(&record.tag.as_str())) {
        return Some(Objection::Unknown(unknown.tag.clone()));
    }
    // `issuewild` counts for wildcards alone, and then in place of `issue` (RFC 8659, section 4.3).
    let tag = if wildcard && has_wild(records) { "issuewild" } else { "issue" };
    let relevant: Vec<_> = records.iter().filter(|record| record.tag == tag).collect();
    if relevant.is_empty() {
        return None;
    }
    let mut near = None;
    for record in &relevant {
        match permits(&record.value, issuer) {
            Permits::Yes => return None,
            Permits::NotSo(because) => near = Some(because),
            Permits::Others => {}
        }
    }
    let names: Vec<_> = relevant.iter().map(|record| format!("`{} \"{}\"`", record.tag, tame(&record.value))).collect();
    Some(Objection::NotNamed(near.unwrap_or_else(|| format!("they say {}", names.join(", ")))))
}

enum Permits {
    Yes,
    /// It names our authority, but under a condition that does not hold.
    NotSo(String),
    /// It names another authority, or none.
    Others,
}

/// Reads `issuer; name=value; …` (RFC 8659, section 4.2) with the parameters of RFC 8657.
fn permits(value: &str, issuer: &Issuer) -> Permits {
    let mut parts = value.split(';').map(str::trim);
    let named = parts.next().unwrap_or_default().trim_end_matches('.');
    if !issuer.names.iter().any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(named)) {
        return Permits::Others;
    }
    for part in parts.filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            // A value that does not parse lets nobody issue.
            return Permits::NotSo(format!("the parameter `{}` is malformed", tame(part)));
        };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("validationmethods") {
            let wanted: Vec<_> = value.split(',').map(str::trim).collect();
            if !issuer.methods.iter().any(|method| wanted.contains(&method.name())) {
                let ours: Vec<_> = issuer.methods.iter().map(|method| method.name()).collect();
                let (theirs, ours) = (tame(value), ours.join(", "));
                return Permits::NotSo(format!("they want `validationmethods={theirs}`, and here it would be {ours}"));
            }
        } else if name.eq_ignore_ascii_case("accounturi")
            && let Some(account) = &issuer.account
            && account != value
        {
            let theirs = tame(value);
            return Permits::NotSo(format!("they want `accounturi={theirs}`, and here it would be {account}"));
        }
    }
    Permits::Yes
}

/// A stranger's text, for a sentence.
fn tame(text: &str) -> String {
    text.chars().take(120).map(|char| if char.is_ascii_graphic() || char == ' ' { char } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(account: Option<&str>) -> Issuer {
        Issuer {
            names: vec!["ca.test".to_owned(), "ca.example".to_owned()],
            account: account.map(str::to_owned),
            methods: vec![Challenge::Http01, Challenge::TlsAlpn01],
        }
    }

    /// Records as `tag value`, with `!` for critical ones.
    fn records(lines: &str) -> Vec<CaaRecord> {
        let read = |line: &str| {
            let (tag, value) = line.trim().split_once(' ').expect("a tag and a value");
            let critical = tag.starts_with('!');
            CaaRecord { critical, tag: tag.trim_start_matches('!').to_owned(), value: value.to_owned() }
        };
        lines.split('|').map(read).collect()
    }

    #[track_caller]
    fn check(lines: &str, wildcard: bool, expected: &str) {
        let found = match judge(&records(lines), wildcard, &issuer(Some("https://ca.test/acct/1"))) {
            None => "may".to_owned(),
            Some(Objection::Unknown(tag)) => format!("unknown {tag}"),
            Some(Objection::NotNamed(because)) => because,
        };
        assert_eq!(found, expected, "{lines}");
    }

    #[test]
    fn one_record_that_names_the_authority_is_enough() {
        check("issue ca.test", false, "may");
        check("issue CA.Test.", false, "may");
        check("issue other.test|issue ca.example", false, "may");
        check("issue other.test", false, "they say `issue \"other.test\"`");
        check("issue ;", false, "they say `issue \";\"`");
        check("issue xca.test", false, "they say `issue \"xca.test\"`");
    }

    #[test]
    fn records_without_a_word_on_issuing_let_everybody_issue() {
        check("iodef mailto:a@b.test", false, "may");
        check("issuewild other.test", false, "may");
        check("!issuemail other.test", false, "may");
    }

    #[test]
    fn wildcards_have_their_own_word_where_there_is_one() {
        check("issue ca.test|issuewild other.test", true, "they say `issuewild \"other.test\"`");
        check("issue other.test|issuewild ca.test", true, "may");
        check("issue ca.test", true, "may");
        check("issue other.test", true, "they say `issue \"other.test\"`");
    }

    #[test]
    fn a_critical_property_that_nobody_knows_forbids() {
        check("!tbs unknown|issue ca.test", false, "unknown tbs");
        check("tbs unknown|issue ca.test", false, "may");
    }

    #[test]
    fn parameters_are_read_and_not_misread() {
        check("issue ca.test; validationmethods=dns-01,http-01", false, "may");
        check("issue ca.test; accounturi=https://ca.test/acct/1", false, "may");
        check("issue ca.test; policy=ev", false, "may");
        check("issue ca.test;", false, "may");
        check(
            "issue ca.test; validationmethods=dns-01",
            false,
            "they want `validationmethods=dns-01`, and here it would be http-01, tls-alpn-01",
        );
        check(
            "issue ca.test;accounturi=https://ca.test/acct/2",
            false,
            "they want `accounturi=https://ca.test/acct/2`, and here it would be https://ca.test/acct/1",
        );
        check("issue ca.test; nonsense", false, "the parameter `nonsense` is malformed");
        check("issue ca.test; validationmethods=dns-01|issue ca.example", false, "may");
        let unknown = judge(&records("issue ca.test; accounturi=x"), false, &issuer(None));
        assert_eq!(unknown, None, "without an account nothing is said against it");
    }
}
