//! An app's content security policy, widened by exactly what the bar needs.
//!
//! A policy says what a page may load and where its forms may go (CSP Level 3). The bar loads one stylesheet and posts to two paths; each is
//! added by its exact address, where the policy would refuse it, and nothing else is touched. Of a directive that stands twice the first
//! counts (section 2.2.1), and a browser holds a page to every policy, so each is amended by itself.

use super::Bar;

/// Amends one value of a `Content-Security-Policy` field, or of its `-Report-Only` sister: policies, divided by commas.
#[must_use]
pub(super) fn amend(value: &str, bar: &Bar) -> String {
    value.split(',').map(|policy| amend_one(policy, bar)).collect::<Vec<_>>().join(",")
}

/// Whether one of the policies puts the page into a sandbox from which no form leaves.
#[must_use]
pub(super) fn holds_forms_back(value: &str) -> bool {
    let sandboxes = value.split(',').filter_map(|policy| policy.split(';').find(|text| name(text) == "sandbox"));
    sandboxes.into_iter().any(|text| !sources(text).any(|flag| flag.eq_ignore_ascii_case("allow-forms")))
}

fn amend_one(policy: &str, bar: &Bar) -> String {
    let mut directives: Vec<String> = policy.split(';').map(str::to_owned).collect();
    let find = |wanted: &str| directives.iter().position(|text| name(text) == wanted);
    // `style-src-elem` speaks for stylesheets, else `style-src`, else `default-src` (section 6.8.3).
    let style = find("style-src-elem").or_else(|| find("style-src"));
    let (standard, forms) = (find("default-src"), find("form-action"));
    match (style.and_then(|at| directives.get_mut(at)), standard) {
        (Some(directive), _) => add(directive, &bar.style),
        (None, Some(at)) => {
            // What the policy allowed by default it goes on allowing.
            let sources: Vec<&str> = directives.get(at).into_iter().flat_map(|text| sources(text)).collect();
            let mut directive = format!(" style-src-elem {}", sources.join(" "));
            add(&mut directive, &bar.style);
            directives.push(directive);
        }
        (None, None) => {}
    }
    if let Some(directive) = forms.and_then(|at| directives.get_mut(at)) {
        for address in &bar.forms {
            add(directive, address);
        }
    }
    directives.join(";")
}

/// Adds a source to a directive. One that allows nothing allows this alone from now on: beside another source `'none'` would count for
/// nothing, and browsers complain of it.
fn add(directive: &mut String, source: &str) {
    let all: Vec<&str> = sources(directive).collect();
    let is_none = all.is_empty() || matches!(*all, [only] if only.eq_ignore_ascii_case("'none'"));
    *directive = match is_none {
        true => {
            let start = directive.len() - directive.trim_start().len();
            format!("{}{} {source}", directive.get(..start).unwrap_or_default(), name(directive))
        }
        false => format!("{} {source}", directive.trim_end()),
    };
}

fn name(directive: &str) -> String {
    directive.split_ascii_whitespace().next().unwrap_or_default().to_ascii_lowercase()
}

fn sources(directive: &str) -> impl Iterator<Item = &str> {
    directive.split_ascii_whitespace().skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar() -> Bar {
        Bar {
            html: String::new(),
            style: "https://a.test/s.css".to_owned(),
            forms: vec!["https://a.test/end".to_owned(), "https://a.test/switch".to_owned()],
        }
    }

    #[test]
    fn a_policy_is_widened_by_the_bar_alone() {
        const S: &str = "https://a.test/s.css";
        const F: &str = "https://a.test/end https://a.test/switch";
        for (given, expected) in [
            ("", String::new()),
            ("script-src 'self'", "script-src 'self'".to_owned()),
            ("default-src 'none'", format!("default-src 'none'; style-src-elem {S}")),
            ("default-src 'self' data:", format!("default-src 'self' data:; style-src-elem 'self' data: {S}")),
            ("default-src", format!("default-src; style-src-elem {S}")),
            ("style-src 'none'", format!("style-src {S}")),
            ("Style-Src 'NONE' ; img-src *", format!("style-src {S}; img-src *")),
            ("default-src 'none'; style-src 'nonce-x'", format!("default-src 'none'; style-src 'nonce-x' {S}")),
            ("style-src a; style-src-elem b", format!("style-src a; style-src-elem b {S}")),
            ("style-src a; style-src b", format!("style-src a {S}; style-src b")),
            ("style-src-attr 'none'", "style-src-attr 'none'".to_owned()),
            ("form-action 'none'", format!("form-action {F}")),
            ("form-action 'self'", format!("form-action 'self' {F}")),
            ("default-src 'none'; sandbox", format!("default-src 'none'; sandbox; style-src-elem {S}")),
            ("style-src 'self', default-src x", format!("style-src 'self' {S}, default-src x; style-src-elem x {S}")),
            (
                "require-trusted-types-for 'script'; trusted-types; frame-ancestors 'none'",
                "require-trusted-types-for 'script'; trusted-types; frame-ancestors 'none'".to_owned(),
            ),
        ] {
            assert_eq!(amend(given, &bar()), expected, "{given}");
        }
    }

    #[test]
    fn a_sandbox_holds_forms_back_unless_it_says_otherwise() {
        for (policy, holds) in [
            ("default-src 'none'", false),
            ("sandbox", true),
            ("default-src 'none'; SANDBOX allow-scripts", true),
            ("sandbox allow-scripts Allow-Forms", false),
            ("img-src *, sandbox", true),
            ("sandboxes", false),
        ] {
            assert_eq!(holds_forms_back(policy), holds, "{policy}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_policy_says_it_goes_on_saying(policy in "[a-z' ;,:*-]{0,80}") {
            let amended = amend(&policy, &bar());
            let left = |text: &str| {
                let directives = text.split([';', ',']).map(name);
                directives.filter(|name| !name.is_empty() && name != "style-src-elem").collect::<Vec<_>>()
            };
            proptest::prop_assert_eq!(left(&amended), left(&policy));
            proptest::prop_assert_eq!(amended.matches(',').count(), policy.matches(',').count());
        }
    }
}
