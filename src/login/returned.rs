//! What a provider sends back with the browser (RFC 6749, section 4.1.2; RFC 9207), read with distrust.

use crate::pages::ProviderProblem;
use crate::session::Token;
use crate::types::Secret;

/// A browser that came back from a provider.
#[derive(Debug)]
pub(super) struct Returned {
    /// Which attempt it belongs to.
    pub(super) state: Token,
    /// Who says so, where the provider tells.
    pub(super) iss: Option<String>,
    /// What came of it.
    pub(super) outcome: Outcome,
}

/// What came of a log-in at a provider.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A code, to be redeemed.
    Code(Secret),
    /// An error. The name is the provider's, from the standard's short alphabet, and cut short.
    Error(String),
}

/// A query that no provider sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the query of a provider")]
pub(super) struct Malformed;

const MOST_CODE_BYTES: usize = 4096;
const MOST_ISSUER_BYTES: usize = 1024;
const MOST_ERROR_BYTES: usize = 64;

impl Returned {
    /// Reads a query. A parameter that stands twice could be read in two ways, so it is read in none.
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, Malformed> {
        let state = only(pairs, "state")?.and_then(Token::parse).ok_or(Malformed)?;
        let code = only(pairs, "code")?;
        let error = only(pairs, "error")?;
        let iss = only(pairs, "iss")?;
        only(pairs, "error_description")?;
        if iss.is_some_and(|iss| iss.len() > MOST_ISSUER_BYTES) {
            return Err(Malformed);
        }
        let outcome = match (code, error) {
            (None, Some(error)) => {
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                let is_fine = (1..=MOST_ERROR_BYTES).contains(&error.len()) && error.bytes().all(is_name);
                Outcome::Error(if is_fine { error } else { "unnamed" }.to_owned())
            }
            (Some(code), None) if (1..=MOST_CODE_BYTES).contains(&code.len()) => {
                Outcome::Code(Secret::new(code.to_owned()))
            }
            _ => return Err(Malformed),
        };
        Ok(Self { state, iss: iss.map(str::to_owned), outcome })
    }
}

/// What to tell a person of a provider's error.
pub(super) fn problem_of_error(error: &str) -> ProviderProblem {
    match error {
        // OpenID Connect Core, section 3.1.2.6, adds to RFC 6749, section 4.1.2.1.
        "access_denied"
        | "interaction_required"
        | "login_required"
        | "consent_required"
        | "account_selection_required" => ProviderProblem::Cancelled,
        "temporarily_unavailable" => ProviderProblem::Unreachable,
        _ => ProviderProblem::Failed,
    }
}

fn only<'a>(pairs: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Malformed> {
    let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Returned, Malformed> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Returned::read(&pairs)
    }

    #[test]
    fn attack_17_a_query_is_read_in_one_way_or_not_at_all() {
        let state = Token::new([1; 32]).expose();
        let state = ("state", state.as_str());
        assert!(matches!(read(&[state, ("code", "c"), ("more", "1"), ("more", "2")]), Ok(Returned {
            outcome: Outcome::Code(code), iss: None, ..
        }) if code.expose() == "c"));
        let with_issuer = read(&[state, ("code", "c"), ("iss", "https://op.test")]).expect("a query");
        assert_eq!(with_issuer.iss.as_deref(), Some("https://op.test"));
        for wrong in [
            &[("code", "c")][..],
            &[state],
            &[("state", "short"), ("code", "c")],
            &[state, ("code", "")],
            &[state, ("code", "a"), ("code", "b")],
            &[state, state, ("code", "a")],
            &[state, ("code", "a"), ("iss", "a"), ("iss", "a")],
            &[state, ("error", "a"), ("error", "a")],
            &[state, ("code", "a"), ("error", "access_denied")],
            &[state, ("code", &"a".repeat(5000))],
            &[state, ("code", "a"), ("iss", &"a".repeat(2000))],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_error_is_told_by_a_closed_set_of_sentences_and_logged_by_a_tame_name() {
        let state = Token::new([1; 32]).expose();
        let name = |error: &str| match read(&[("state", &state), ("error", error)]).expect("a query").outcome {
            Outcome::Error(name) => name,
            Outcome::Code(_) => unreachable!(),
        };
        assert_eq!(name("access_denied"), "access_denied");
        assert_eq!(name("a\nb"), "unnamed");
        assert_eq!(name(&"a".repeat(65)), "unnamed");
        assert_eq!(problem_of_error("access_denied"), ProviderProblem::Cancelled);
        assert_eq!(problem_of_error("temporarily_unavailable"), ProviderProblem::Unreachable);
        assert_eq!(problem_of_error("<script>"), ProviderProblem::Failed);
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read_or_refused(
            pairs in proptest::collection::vec(("state|code|error|iss|error_description|\\PC{0,8}", "\\PC{0,60}|[A-Za-z0-9_-]{43}"), 0..7)
        ) {
            let count = |name: &str| pairs.iter().filter(|(key, _)| key == name).count();
            if Returned::read(&pairs).is_ok() {
                proptest::prop_assert_eq!((count("state"), count("code") + count("error")), (1, 1));
            }
        }
    }
}
