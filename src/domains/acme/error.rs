//! Why a certificate could not be had, in words for an operator and in kinds that a schedule can act on.

use std::path::PathBuf;
use std::time::Duration;

use super::hook::HookError;
use super::transport::NoAnswer;
use crate::config::Challenge;
use crate::state::ports::StoreError;

/// How much of an authority's words is kept: enough for a person, and not for a flood.
const MOST_WORDS: usize = 500;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no `[acme]`.
    #[error("no authority is configured: add `[acme]`")]
    Off,
    /// The authority cannot be reached, or answers with something that is no ACME.
    #[error("the authority cannot be asked: {cause}; it is tried again, and certificates in force go on")]
    Unreachable {
        /// What happened.
        cause: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The order stands, and the authority is not done with it.
    #[error("the authority has not finished yet; the same order goes on later")]
    Unfinished {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The authority has had enough of us for a while.
    #[error("the authority takes no more orders for now: {detail}")]
    RateLimited {
        /// In its words.
        detail: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The authority will not issue for this name.
    #[error("the authority refuses this name ({kind}): {detail}{}", hint(.kind))]
    Refused {
        /// The kind of its problem: `rejectedIdentifier`, `caa`, ….
        kind: String,
        /// In its words.
        detail: String,
    },
    /// The authority did not find what proves that the name is ours.
    #[error("{}", told(.0))]
    Validation(Vec<FailedChallenge>),
    /// The DNS hook failed.
    #[error("the TXT record for {name} could not be set: {error}")]
    Hook {
        /// The record's name.
        name: String,
        /// Why.
        error: HookError,
    },
    /// The hook said that it set the record, and no resolver sees it.
    #[error(
        "the DNS hook has set the TXT record {name}, but after {waited:?} {resolver} does not see it: check what the hook \
         did, or name resolvers that see your zone as the world does (`acme.dns`)"
    )]
    RecordNotSeen {
        /// The record's name.
        name: String,
        /// Who was asked.
        resolver: String,
        /// For how long.
        waited: Duration,
    },
    /// The authority offers no challenge that we may answer.
    #[error("the authority proves this name by {offered} alone, and `acme.challenges` has none of it{}", wildcard_hint(*.wildcard))]
    NoChallenge {
        /// What it offers.
        offered: String,
        /// Whether the name is a wildcard.
        wildcard: bool,
    },
    /// The authority gives us no account.
    #[error("the authority gives us no account ({kind}): {detail}{}", account_hint(.kind))]
    Account {
        /// The kind of its problem.
        kind: String,
        /// In its words.
        detail: String,
    },
    /// The authority issued something that we cannot serve.
    #[error("the authority issued a certificate that is of no use: {0}; it is ordered anew")]
    BadCertificate(&'static str),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A key could not be made.
    #[error("no key could be made: {0}")]
    Key(String),
}

/// A challenge that the authority did not accept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FailedChallenge {
    /// Which.
    pub challenge: Challenge,
    /// The kind of its problem: `connection`, `dns`, `unauthorized`, ….
    pub kind: String,
    /// In the authority's words.
    pub detail: String,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAcme {
    /// The CA of the directory's certificate is of no use.
    #[error("`acme.ca`: {cause}\n  help: name a PEM file with the CA of the directory's certificate")]
    Ca {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// No client can be made.
    #[error("the authority cannot be asked: {0}")]
    Client(String),
    /// The system's resolvers cannot be found.
    #[error("`acme.dns`: no resolver: {0}\n  help: name one, such as dns = [\"127.0.0.1\"]")]
    Resolver(String),
}

impl OrderError {
    /// All names, for metrics.
    pub const NAMES: [&'static str; 13] = [
        "off",
        "unreachable",
        "unfinished",
        "rate-limited",
        "refused",
        "validation",
        "hook",
        "record-not-seen",
        "no-challenge",
        "account",
        "bad-certificate",
        "store",
        "key",
    ];

    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unreachable { .. } => "unreachable",
            Self::Unfinished { .. } => "unfinished",
            Self::RateLimited { .. } => "rate-limited",
            Self::Refused { .. } => "refused",
            Self::Validation(_) => "validation",
            Self::Hook { .. } => "hook",
            Self::RecordNotSeen { .. } => "record-not-seen",
            Self::NoChallenge { .. } => "no-challenge",
            Self::Account { .. } => "account",
            Self::BadCertificate(_) => "bad-certificate",
            Self::Store(_) => "store",
            Self::Key(_) => "key",
        }
    }

    /// When the authority wants to be asked again, where it says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { retry_after, .. }
            | Self::Unfinished { retry_after }
            | Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether it is about the authority, the account or ourselves, so that every other name would fail in the same way now.
    #[must_use]
    pub const fn is_general(&self) -> bool {
        match self {
            Self::Off | Self::Unreachable { .. } | Self::Account { .. } | Self::Store(_) | Self::Key(_) => true,
            Self::Unfinished { .. }
            | Self::RateLimited { .. }
            | Self::Refused { .. }
            | Self::Validation(_)
            | Self::Hook { .. }
            | Self::RecordNotSeen { .. }
            | Self::NoChallenge { .. }
            | Self::BadCertificate(_) => false,
        }
    }
}

/// What went wrong in one exchange with the authority, before it is known what that means for the order.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A problem document (RFC 7807); `status` where it says one.
    Problem { kind: String, detail: String },
    /// It takes no more for now.
    RateLimited { detail: String, retry_after: Option<Duration> },
    /// No answer, or none in ACME.
    Unreachable { cause: String, retry_after: Option<Duration> },
    /// It is not done yet.
    Unfinished { retry_after: Option<Duration> },
}

impl Trouble {
    /// Reads what the client says.
    pub(super) fn of(error: instant_acme::Error) -> Self {
        use instant_acme::Error;
        match error {
            Error::Api(problem) => Self::of_problem(&problem),
            Error::Timeout(again) => Self::Unfinished {
                retry_after: again.map(|again| again.saturating_duration_since(std::time::Instant::now())),
            },
            Error::Other(inner) => match inner.downcast::<NoAnswer>() {
                Ok(no_answer) => Self::of_no_answer(*no_answer),
                Err(other) => Self::unreachable(other.to_string()),
            },
            Error::Json(error) => Self::unreachable(format!("its answer is no ACME: {error}")),
            other => Self::unreachable(other.to_string()),
        }
    }

    fn of_no_answer(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::TooMany { detail, retry_after } => Self::RateLimited { detail: words(&detail), retry_after },
            NoAnswer::Unavailable { retry_after, .. } => {
                Self::Unreachable { cause: no_answer.to_string(), retry_after }
            }
            other => Self::unreachable(other.to_string()),
        }
    }

    fn unreachable(cause: String) -> Self {
        Self::Unreachable { cause: words(&cause), retry_after: None }
    }

    pub(super) fn of_problem(problem: &instant_acme::Problem) -> Self {
        let (kind, detail) = read(problem);
        match kind.as_str() {
            "rateLimited" => Self::RateLimited { detail, retry_after: None },
            "serverInternal" => Self::unreachable(format!("it has an error of its own: {detail}")),
            _ => Self::Problem { kind, detail },
        }
    }

    /// Whether the problem is of this kind.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Problem { kind, .. } if kind == wanted)
    }

    /// What it means where nothing more is known about it.
    pub(super) fn into_error(self) -> OrderError {
        match self {
            Self::Problem { kind, detail } if is_about_account(&kind) => OrderError::Account { kind, detail },
            Self::Problem { kind, detail } => OrderError::Refused { kind, detail },
            Self::RateLimited { detail, retry_after } => OrderError::RateLimited { detail, retry_after },
            Self::Unreachable { cause, retry_after } => OrderError::Unreachable { cause, retry_after },
            Self::Unfinished { retry_after } => OrderError::Unfinished { retry_after },
        }
    }
}

/// A problem's kind and its words, with those of its parts (RFC 8555, section 6.7.1).
pub(super) fn read(problem: &instant_acme::Problem) -> (String, String) {
    const PREFIX: &str = "urn:ietf:params:acme:error:";
    let kind_of = |kind: &Option<String>| {
        let kind = kind.as_deref().unwrap_or("unknown");
        words(kind.strip_prefix(PREFIX).unwrap_or(kind))
    };
    let mut kind = kind_of(&problem.r#type);
    let mut detail = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        if let Some(more) = &part.detail {
            detail = format!("{detail}; {more}");
        }
        // `compound` alone says nothing.
        if kind == "compound" {
            kind = kind_of(&part.r#type);
        }
    }
    if detail.is_empty() {
        "without a reason".clone_into(&mut detail);
    }
    (kind, words(&detail))
}

/// An authority's words, without what would break a line of a log or a page.
fn words(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MOST_WORDS).collect()
}

/// Kinds that speak of the account, not of a name.
fn is_about_account(kind: &str) -> bool {
    matches!(
        kind,
        "accountDoesNotExist"
            | "externalAccountRequired"
            | "invalidContact"
            | "unsupportedContact"
            | "userActionRequired"
            | "badSignatureAlgorithm"
            | "badPublicKey"
    )
}

fn hint(kind: &str) -> &'static str {
    match kind {
        "caa" => "; the name's CAA records must allow this authority",
        "rejectedIdentifier" => "; ask the authority, or serve the name with a certificate from `tls.certs`",
        _ => "",
    }
}

fn account_hint(kind: &str) -> &'static str {
    match kind {
        "externalAccountRequired" => "; set `acme.eab` to the key that the authority gave you",
        "invalidContact" | "unsupportedContact" => "; set `acme.contact` to an address that it accepts",
        "userActionRequired" => "; do what it asks for, then it goes on by itself",
        _ => "; check `acme.eab` and `acme.contact`",
    }
}

const fn wildcard_hint(wildcard: bool) -> &'static str {
    if wildcard { ": a wildcard is proven by `dns-01`, for which `acme.dns_hook` is needed" } else { "" }
}

fn told(failed: &[FailedChallenge]) -> String {
    let one = |failed: &FailedChallenge| {
        format!("{} ({}): {}", failed.challenge.name(), failed.kind, failed.detail.trim_end_matches('.'))
    };
    let all: Vec<String> = failed.iter().map(one).collect();
    let mend = match failed.first().map(|failed| failed.challenge) {
        Some(Challenge::Dns01) => "the TXT record must be seen by the world",
        Some(Challenge::TlsAlpn01) => "the name must lead here, to port 443",
        _ => "the name must lead here, to port 80",
    };
    format!("the authority did not find the proof that the name is ours, by {}; {mend}", all.join("; by "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> instant_acme::Problem {
        serde_json::from_str(text).expect("a problem")
    }

    #[track_caller]
    fn check(text: &str, name: &str, sentence: &str) {
        let error = Trouble::of(instant_acme::Error::Api(problem(text))).into_error();
        assert_eq!(error.name(), name, "{error}");
        assert!(OrderError::NAMES.contains(&error.name()));
        assert_eq!(error.to_string(), sentence);
    }

    #[test]
    fn an_authoritys_problem_becomes_a_kind_and_a_sentence() {
        check(
            r#"{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "blocked by policy"}"#,
            "refused",
            "the authority refuses this name (rejectedIdentifier): blocked by policy; ask the authority, or serve the name \
             with a certificate from `tls.certs`",
        );
        check(
            r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates"}"#,
            "rate-limited",
            "the authority takes no more orders for now: too many certificates",
        );
        check(
            r#"{"type": "urn:ietf:params:acme:error:externalAccountRequired"}"#,
            "account",
            "the authority gives us no account (externalAccountRequired): without a reason; set `acme.eab` to the key that \
             the authority gave you",
        );
        check(
            r#"{"type": "urn:ietf:params:acme:error:compound", "detail": "two", "subproblems": [
                {"type": "urn:ietf:params:acme:error:caa", "detail": "CAA says\nno"}]}"#,
            "refused",
            "the authority refuses this name (caa): two; CAA says no; the name's CAA records must allow this authority",
        );
    }

    #[test]
    fn a_flood_of_words_is_cut() {
        let long = "x".repeat(100_000);
        let (_, detail) = read(&problem(&format!("{{\"detail\": \"{long}\"}}")));
        assert_eq!(detail.len(), MOST_WORDS);
    }

    #[test]
    fn every_challenge_that_failed_is_told() {
        let failed = |challenge, kind: &str, detail: &str| FailedChallenge {
            challenge,
            kind: kind.to_owned(),
            detail: detail.to_owned(),
        };
        let error = OrderError::Validation(vec![
            failed(Challenge::Http01, "connection", "connection refused."),
            failed(Challenge::TlsAlpn01, "tls", "no acme-tls/1"),
        ]);
        assert_eq!(
            error.to_string(),
            "the authority did not find the proof that the name is ours, by http-01 (connection): connection refused; by \
             tls-alpn-01 (tls): no acme-tls/1; the name must lead here, to port 80"
        );
    }
}
