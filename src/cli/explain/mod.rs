//! `vestibule explain`: one person's way into one app, step by step, and what would have to change.
//!
//! `question` reads what is asked, `rows` and `access` gather the answer as `facts`, with `answer` for a sample of the app's; then
//! `text` tells it to people, or JSON to programs.

mod access;
mod answer;
mod facts;
mod judged;
mod question;
mod records;
mod rows;
mod text;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::paint::{Paint, tame};
use super::{ConfigArgs, ExplainArgs, Failure};
use crate::config::{App, Config};
use crate::console::ExplainQuestion;
use crate::directory::{TableDirectory, Trace};
use crate::policy::{Choice, Grant, Reason, choose};
use crate::state::clock::Clock;
use crate::types::Email;
use facts::{DomainFacts, Explanation, FORMAT, ListFacts, RequestOutcome, ResponseOutcome, VerdictFacts};
use question::Question;
pub(super) use text::tell;

/// Exit code for a person who may not enter, a request that is refused, or an answer that cannot be filtered.
const REFUSED: u8 = 3;

/// Explains.
pub(super) async fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let config = crate::config::load(&args.config.config)?;
    let directory = TableDirectory::open(&config, Clock);
    let explanation = explain(args, &config, &directory, Clock.now()).await?;
    if let Some(file) = &args.output {
        explanation.write_answer(file)?;
    }
    super::print(&match args.json {
        true => explanation.json()?,
        false => tell(&explanation, Paint::for_stdout()),
    })?;
    Ok(if explanation.is_yes() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// The answer to a question that came by the API.
pub(crate) async fn as_json(
    question: &ExplainQuestion,
    config: &Config,
    directory: &TableDirectory,
    now: Timestamp,
) -> Result<Map<String, Value>, Failure> {
    let args = ExplainArgs {
        // Not read: the config in force is at hand.
        config: ConfigArgs { config: PathBuf::new() },
        app: Some(question.app.to_string()),
        email: question.email.to_string(),
        json: true,
        at: None,
        customer: question.customer.clone(),
        host: question.host.clone(),
        path: question.path.clone(),
        method: question.method.clone().unwrap_or_else(|| "GET".to_owned()),
        header: Vec::new(),
        ip: Ipv4Addr::LOCALHOST.into(),
        response: None,
        content_type: None,
        status: 200,
        output: None,
    };
    let explanation = explain(&args, config, directory, now).await?;
    match serde_json::to_value(&explanation) {
        Ok(Value::Object(told)) => Ok(told),
        _ => Err(Failure::Other("the answer is no JSON".to_owned())),
    }
}

/// Gathers the whole answer.
pub(super) async fn explain(
    args: &ExplainArgs,
    config: &Config,
    directory: &TableDirectory,
    now: Timestamp,
) -> Result<Explanation, Failure> {
    let question = Question::read(args, config, directory, now).await?;
    let app = question.app;
    let Some(trace) = directory.trace(&app.name, &question.email, question.at).await else {
        return Err(Failure::Other(format!("app `{}` has no lists", app.name)));
    };
    let lists = rows::lists(app, &trace, question.at);
    let found = super::records::of(&config.server.data, &app.name, &question.email).await;
    let weighed = records::weigh(app, &trace, found, question.at);
    // A list that cannot be asked keeps out nobody whom another one lets in.
    let grants = weighed.grants.as_slice();
    if let Some(chosen) = question.chosen.as_ref().filter(|_| !grants.is_empty()) {
        let customers: Vec<&str> =
            grants.iter().filter_map(|grant| grant.customer_id()).map(|id| id.as_str()).collect();
        if !customers.contains(&chosen.as_str()) {
            let has = customers.into_iter().map(tame).collect::<Vec<_>>().join(", ");
            return Err(Failure::Usage(format!(
                "the person is not of customer `{}`, but of {has}",
                tame(chosen.as_str())
            )));
        }
    }
    let choice = choose(grants, question.pinned.as_ref(), question.chosen.as_ref());
    let chosen = match &choice {
        Choice::One(grant) => vec![Arc::clone(grant)],
        Choice::Several => grants.to_vec(),
        Choice::None(_) => Vec::new(),
    };
    let accesses: Vec<_> = chosen.iter().map(|grant| access::facts(&question, grant)).collect();
    let mut explanation = Explanation {
        format: FORMAT,
        app: app.name.to_string(),
        email: question.email.to_string(),
        at: question.at.to_string(),
        ways_in: ways(app, &question.email),
        staff: trace.staff.as_ref().map(|staff| staff.role.to_string()),
        ambiguous: rows::ambiguous(app, &trace),
        domains: domains(&question, grants),
        records: weighed.facts,
        records_unreadable: weighed.unreadable,
        verdict: VerdictFacts { may_enter: false, is_allowed: None, what: String::new(), advice: None },
        lists,
        accesses,
    };
    explanation.verdict = match choice {
        Choice::None(reason) => nothing_left(&question, &trace, &explanation, reason),
        Choice::One(_) | Choice::Several => verdict(&question, &explanation),
    };
    Ok(explanation)
}

impl Explanation {
    /// Whether the person may enter, the request is allowed, and its answer can be filtered.
    pub(super) fn is_yes(&self) -> bool {
        self.verdict.may_enter && self.verdict.is_allowed.unwrap_or(true) && !self.is_answer_refused()
    }

    fn is_answer_refused(&self) -> bool {
        let mut responses = self.accesses.iter().filter_map(|access| access.response.as_ref());
        responses.any(|response| response.outcome == ResponseOutcome::Refused)
    }

    pub(super) fn json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|error| Failure::Other(format!("the answer is no JSON: {error}")))
    }

    fn write_answer(&self, file: &Path) -> Result<(), Failure> {
        let mut answers = self.accesses.iter().filter_map(|access| access.response.as_ref());
        match (answers.next(), answers.next()) {
            (Some(_), Some(_)) => {
                let help = "say which customer with --customer or --host";
                Err(Failure::Usage(format!("the person has several customers, so --output is open; {help}")))
            }
            (Some(answer), None) if answer.after.is_some() => std::fs::write(file, &answer.bytes)
                .map_err(|error| Failure::Other(format!("`{}` cannot be written: {error}", file.display()))),
            // There is nothing to write, and the text says why.
            _ => Ok(()),
        }
    }
}

/// By which ways the person may come.
fn ways(app: &App, email: &Email) -> Vec<String> {
    let ways = &app.ways;
    let mut names = Vec::new();
    match ways.home_of(email) {
        Some(home) => names.push(format!("provider {}, which alone speaks for {}", home.name, email.domain())),
        None => {
            names.extend(ways.email.then(|| "mail".to_owned()));
            let speakers = ways.providers.iter().filter(|provider| provider.speaks_for(email));
            names.extend(speakers.map(|provider| format!("provider {}", provider.name)));
        }
    }
    names.extend(ways.passkey.then(|| "a passkey added after another log-in".to_owned()));
    names
}

/// What the domains that pin a customer make of the person, where none was asked for.
fn domains(question: &Question<'_>, grants: &[Arc<Grant>]) -> Vec<DomainFacts> {
    if question.pinned.is_some() {
        return Vec::new();
    }
    let pinning = question.app.domains.iter().filter_map(|domain| {
        let pinned = domain.customer.as_ref()?;
        Some(DomainFacts {
            host: domain.host.to_string(),
            customer: pinned.to_string(),
            may_enter: matches!(choose(grants, Some(pinned), None), Choice::One(_)),
        })
    });
    pinning.collect()
}

fn verdict(question: &Question<'_>, explanation: &Explanation) -> VerdictFacts {
    let app = question.app;
    if !app.enabled {
        return VerdictFacts {
            may_enter: false,
            is_allowed: question.request.as_ref().map(|_| false),
            what: "the app is switched off: everybody gets a page that says so".to_owned(),
            advice: Some(format!("set `enabled = true` in `[app.{}]`", app.name)),
        };
    }
    let requests = explanation.accesses.iter().filter_map(|access| access.request.as_ref());
    let allowed = requests.filter(|request| request.outcome == RequestOutcome::Allow).count();
    let customers = explanation.accesses.len();
    let (is_allowed, what) = match (question.request.is_some(), allowed) {
        (false, _) => (None, "the person may enter".to_owned()),
        (true, 0) => (Some(false), "the person may enter, but this request is refused".to_owned()),
        (true, some) if some < customers => {
            (Some(true), format!("it depends: the request is allowed for {some} of {customers} customers"))
        }
        (true, _) if explanation.is_answer_refused() => (
            Some(true),
            "the person may enter, and this request goes upstream, but such an answer is refused".to_owned(),
        ),
        (true, _) => (Some(true), "the person may enter, and this request goes upstream".to_owned()),
    };
    VerdictFacts { may_enter: true, is_allowed, what, advice: None }
}

fn nothing_left(question: &Question<'_>, trace: &Trace, explanation: &Explanation, reason: Reason) -> VerdictFacts {
    let lists: &[ListFacts] = &explanation.lists;
    let unreached = lists.iter().find(|list| list.unreadable.is_some());
    let (what, advice) = match (reason, unreached, question.pinned.as_ref()) {
        (_, None, _) if explanation.records_unreadable.is_some() => (
            "the person may not enter while nobody knows what the store says of them".to_owned(),
            "make the store readable".to_owned(),
        ),
        (_, Some(list), _) => (
            "the person may not enter while a source cannot be asked".to_owned(),
            format!("make source `{}` readable", list.source),
        ),
        (Reason::OtherCustomer, None, Some(pinned)) => (
            format!("this domain is for the people of customer {} alone", tame(pinned.as_str())),
            format!("give the person a row for customer {}, or another domain of the app", tame(pinned.as_str())),
        ),
        _ if !explanation.records.is_empty() => (
            "the person may not enter: neither row nor record counts".to_owned(),
            "do what stands at one of them above".to_owned(),
        ),
        _ if trace.lists.iter().all(|list| list.rows.as_ref().is_ok_and(Vec::is_empty)) => (
            "the person may not enter: no list knows the address".to_owned(),
            match lists.first() {
                _ if trace.lists.iter().any(|list| !list.alike.is_empty()) => {
                    "mend the row that is written much alike, if it is theirs, or add one".to_owned()
                }
                Some(list) => {
                    format!("add a row with the address in column `{}` to source `{}`", list.email_column, list.source)
                }
                None => format!("add `[[app.{}.customers]]`", question.app.name),
            },
        ),
        _ => {
            ("the person may not enter: no row counts".to_owned(), "do what stands at one of the rows above".to_owned())
        }
    };
    VerdictFacts { may_enter: false, is_allowed: question.request.as_ref().map(|_| false), what, advice: Some(advice) }
}
