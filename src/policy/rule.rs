//! Rules: allow or deny, for methods and a path pattern.

use std::sync::Arc;

use http::Method;

use super::{Condition, Filters, InvalidPattern, PathPattern};

/// What a rule does with a request it matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Lets it pass.
    Allow,
    /// Refuses it.
    Deny,
}

/// One rule of a role.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Allow or deny.
    pub effect: Effect,
    /// Which methods.
    pub methods: MethodSet,
    /// Which paths.
    pub pattern: PathPattern,
    /// Which requests; all, when left out.
    pub when: Option<Condition>,
    /// What it narrows.
    pub filters: Option<Arc<Filters>>,
}

/// The methods of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MethodSet {
    /// `*`
    All,
    /// These; `GET` stands for `HEAD` too (RFC 9110, section 9.3.2: the same but for the body).
    Some(Vec<Method>),
}

/// A rule text that is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidRule {
    /// Not `METHODS PATH`.
    #[error("a rule is written `METHODS PATH`, such as `GET /orders/**` or `* /admin/**`")]
    Shape,
    /// No method.
    #[error("`{0}` is not a method; methods are written in capitals, several with commas, `*` for all")]
    Method(String),
    /// The pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
}

impl Rule {
    /// Parses `METHODS PATH`.
    ///
    /// # Errors
    /// [`InvalidRule`] says which part is wrong.
    pub fn parse(effect: Effect, text: &str) -> Result<Self, InvalidRule> {
        let mut words = text.split_whitespace();
        let (Some(methods), Some(pattern), None) = (words.next(), words.next(), words.next()) else {
            return Err(InvalidRule::Shape);
        };
        let (methods, pattern) = (MethodSet::parse(methods)?, PathPattern::parse(pattern)?);
        Ok(Self { effect, methods, pattern, when: None, filters: None })
    }
}

impl MethodSet {
    fn parse(text: &str) -> Result<Self, InvalidRule> {
        if text == "*" {
            return Ok(Self::All);
        }
        let parse = |word: &str| {
            let is_method = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            let method = if is_method { Method::from_bytes(word.as_bytes()).ok() } else { None };
            method.filter(|method| *method != Method::CONNECT).ok_or_else(|| InvalidRule::Method(word.to_owned()))
        };
        Ok(Self::Some(text.split(',').map(parse).collect::<Result<_, _>>()?))
    }

    /// Whether a method is among them.
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Some(methods) => {
                methods.contains(method) || (*method == Method::HEAD && methods.contains(&Method::GET))
            }
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.effect {
            Effect::Allow => "allow ",
            Effect::Deny => "deny ",
        })?;
        match &self.methods {
            MethodSet::All => formatter.write_str("*")?,
            MethodSet::Some(methods) => {
                for (n, method) in methods.iter().enumerate() {
                    formatter.write_str(if n == 0 { "" } else { "," })?;
                    formatter.write_str(method.as_str())?;
                }
            }
        }
        write!(formatter, " {}", self.pattern.source())?;
        if let Some(when) = &self.when {
            write!(formatter, " when {}", when.source())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_methods_and_a_path() {
        let rule = Rule::parse(Effect::Allow, "GET,POST /a/**").expect("a rule");
        assert_eq!(rule.to_string(), "allow GET,POST /a/**");
        assert!(rule.methods.contains(&Method::HEAD));
        assert!(!rule.methods.contains(&Method::PUT));
        for wrong in ["", "GET", "/a", "GET /a /b", "get /a", "GET, /a", "CONNECT /a", "G T /a", "**  /a"] {
            assert!(Rule::parse(Effect::Allow, wrong).is_err(), "{wrong}");
        }
    }
}
