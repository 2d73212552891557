//! `${NAME}` in any text, and files that hold a secret.

use std::path::Path;

use super::error::Problem;

/// Fills in `${NAME}` from the environment; `$${` stands for `${` itself.
pub(super) fn fill(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, Problem> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(kept) = before.strip_suffix('$') {
            filled.push_str(kept);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            return Err(Problem::new("`${` is not closed", "write ${NAME}, or $${ for the two characters themselves"));
        };
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(Problem::new(
                format!("`${{{name}}}` names no environment variable"),
                "a name holds letters, digits and `_`; write $${ for the two characters themselves",
            ));
        }
        let value = environment(name).ok_or_else(|| {
            Problem::new(
                format!("the environment variable `{name}` is not set"),
                format!("set {name} before starting, or write the secret as {{ file = \"path\" }}"),
            )
        })?;
        filled.push_str(&value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Reads a file that holds a secret; one newline at its end does not count.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    const MOST_BYTES: u64 = 64 * 1024;
    let problem = |why: String| {
        Problem::new(
            format!("the secret file `{}` cannot be read: {why}", path.display()),
            "check the path (it is relative to the config file) and that the gateway's user may read it",
        )
    };
    let length = std::fs::metadata(path).map_err(|error| problem(error.to_string()))?.len();
    if length > MOST_BYTES {
        return Err(problem("it is larger than 64 KiB".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_once() {
        let environment = |name: &str| (name == "A").then(|| "1${B}".to_owned());
        assert_eq!(fill("x${A}y", &environment), Ok("x1${B}y".to_owned()), "what is filled in is not read again");
        assert_eq!(fill("$${A}", &environment), Ok("${A}".to_owned()));
        assert_eq!(fill("no $ here", &environment), Ok("no $ here".to_owned()));
        for wrong in ["${", "${}", "${a b}", "${MISSING}"] {
            assert!(fill(wrong, &environment).is_err(), "{wrong}");
        }
    }
}
