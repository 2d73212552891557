//! `vestibule reload`: has the running gateway take up its config, and tells how that went.
//!
//! The running gateway reads its own file with its own environment, so nothing is built here: this command may run where the
//! secrets are not.

use std::process::ExitCode;

use reqwest::Method;
use serde_json::Value;

use super::api::{Answer, Gateway, text, told};
use super::{Failure, ReloadArgs, print};

/// Exits with 0 when the config is in force, with 2 when it was refused, and with 1 when nobody could be asked.
pub(super) async fn run(args: &ReloadArgs) -> Result<ExitCode, Failure> {
    let gateway = Gateway::find(&args.config, args.admin)?;
    let lines = |of: &Value, name: &str| -> Vec<String> {
        let lines = of.get(name).and_then(Value::as_array).into_iter().flatten();
        lines.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    match gateway.ask(Method::POST, "/api/v1/reload", None).await? {
        Answer::Done(answer) if text(&answer, "status") == "unchanged" => print("nothing changed\n"),
        Answer::Done(answer) => print(&format!("{}\nreloaded\n", lines(&answer, "changes").join("\n"))),
        Answer::Problem { status: 422, problem } => {
            let problems = lines(&problem, "errors");
            let word = if problems.len() == 1 { "problem" } else { "problems" };
            let told = problems.join("\n");
            Err(Failure::Refused(format!("{told}\n{} {word}; the config from before goes on", problems.len())))
        }
        Answer::Problem { status, problem } => Err(told(status, &problem)),
    }
}
