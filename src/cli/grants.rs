//! `vestibule grants`: who may enter, and what records give them, by the running gateway.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::{ApiArgs, Gateway, as_json, encoded, items_as_json, text};
use super::paint::{Paint, tame};
use super::table::table;
use super::{Failure, at_least_one, print};

/// What can be done with grants.
#[derive(Clone, Debug, Subcommand)]
pub enum GrantsAction {
    /// List who may enter an app
    List {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// What stands in the address, the name, or the customer's key or name
        #[arg(value_name = "TEXT")]
        text: Option<String>,
        /// The app
        #[arg(long, value_name = "NAME")]
        app: String,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = at_least_one())]
        limit: usize,
    },
    /// Change a person's record; what is not named stays
    Set {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Whose record.
        #[command(flatten)]
        whom: WhomArgs,
        /// What is to become of it.
        #[command(flatten)]
        edits: EditArgs,
    },
    /// Remove a person's record, and with it the access that it gives
    Remove {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Whose record.
        #[command(flatten)]
        whom: WhomArgs,
    },
}

/// One person for one customer of an app.
#[derive(Args, Clone, Debug)]
pub struct WhomArgs {
    /// The person's address
    #[arg(value_name = "EMAIL")]
    pub email: String,
    /// The app
    #[arg(long, value_name = "NAME")]
    pub app: String,
    /// The customer
    #[arg(long, value_name = "KEY")]
    pub customer: String,
}

/// What is to become of a record.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct EditArgs {
    /// The role
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// How many days back they may see: a number, `unlimited`, or `default` to leave it to the role or the list
    #[arg(long, value_name = "DAYS")]
    pub days_back: Option<String>,
    /// The first name; an empty one takes it away
    #[arg(long, value_name = "NAME")]
    pub first_name: Option<String>,
    /// The last name; an empty one takes it away
    #[arg(long, value_name = "NAME")]
    pub last_name: Option<String>,
    /// The language: en, de, fr, es or bg; an empty one takes it away
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
    /// Notes; empty ones take them away
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
    /// Whether it gives something
    #[arg(long, value_name = "STATE")]
    pub state: Option<Given>,
}

/// Whether a record gives something.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Given {
    /// It counts
    Active,
    /// It gives nothing for now
    Suspended,
}

/// Does what is asked.
pub(super) async fn run(action: &GrantsAction) -> Result<ExitCode, Failure> {
    match action {
        GrantsAction::List { api, text, app, limit } => list(api, text.clone(), app, *limit).await,
        GrantsAction::Set { api, whom, edits } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let record = record(&gateway, whom).await?;
            let mut body = edits.body()?;
            body.insert("version".to_owned(), record.get("version").cloned().unwrap_or_default());
            let path = format!("/api/v1/records/{}", encoded(text(&record, "id")));
            let changed = gateway.send(Method::PATCH, &path, Some(Value::Object(body))).await?;
            tell(api, &changed, "changed")
        }
        GrantsAction::Remove { api, whom } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let record = record(&gateway, whom).await?;
            if text(&record, "state") == "invited" {
                return Err(Failure::Usage(format!(
                    "{} is invited, and has no access yet\n  help: `vestibule invitations withdraw {}`",
                    tame(&whom.email),
                    text(&record, "id")
                )));
            }
            let path = format!("/api/v1/records/{}", encoded(text(&record, "id")));
            let version = record.get("version").map(Value::to_string).unwrap_or_default();
            gateway.send(Method::DELETE, &format!("{path}?version={version}"), None).await?;
            // Whom an adjustable list names stands there still, and is kept out by it.
            match find(&gateway, whom).await? {
                Some(left) => tell(api, &left, "suspended, for a list names them still"),
                None => tell(api, &record, "removed"),
            }
        }
    }
}

async fn list(api: &ApiArgs, wanted: Option<String>, app: &str, limit: usize) -> Result<ExitCode, Failure> {
    let gateway = Gateway::find(&api.config, api.admin)?;
    let query = [("app", Some(app.to_owned())), ("q", wanted)];
    let items = gateway.pages("/api/v1/people", &query, limit).await?;
    if api.json {
        return print(&items_as_json(items)?);
    }
    let columns = ["email", "name", "customer", "customer_name", "role", "days_back", "origin"];
    let head = ["who", "name", "customer", "", "role", "days back", "by"];
    let cell = |item: &Value, name: &str| match item.get(name) {
        Some(Value::Number(number)) => number.to_string(),
        _ => text(item, name).to_owned(),
    };
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|name| cell(item, name)).collect()).collect();
    print(&table(&head, &rows, Paint::for_stdout()))
}

async fn find(gateway: &Gateway, whom: &WhomArgs) -> Result<Option<Value>, Failure> {
    let query = [
        ("app", Some(whom.app.clone())),
        ("customer", Some(whom.customer.clone())),
        ("email", Some(whom.email.clone())),
    ];
    Ok(gateway.pages("/api/v1/records", &query, 1).await?.into_iter().next())
}

async fn record(gateway: &Gateway, whom: &WhomArgs) -> Result<Value, Failure> {
    find(gateway, whom).await?.ok_or_else(|| {
        let [email, app, customer] = [&whom.email, &whom.app, &whom.customer].map(|text| tame(text));
        Failure::Other(format!(
            "{email} has no record for customer {customer} of app {app}\n  help: `vestibule invitations create` makes one, also of somebody whom an adjustable list names; what other lists say is changed in their table"
        ))
    })
}

impl EditArgs {
    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        let texts = [
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("language", &self.language),
            ("notes", &self.notes),
        ];
        for (name, value) in texts {
            let Some(value) = value else { continue };
            body.insert(name.to_owned(), if value.trim().is_empty() { Value::Null } else { json!(value) });
        }
        if let Some(role) = &self.role {
            body.insert("role".to_owned(), json!(role));
        }
        if let Some(days) = &self.days_back {
            body.insert("days_back".to_owned(), days_back(days)?);
        }
        if let Some(state) = self.state {
            body.insert("suspended".to_owned(), json!(state == Given::Suspended));
        }
        Ok(body)
    }
}

fn days_back(text: &str) -> Result<Value, Failure> {
    match text {
        "default" => Ok(Value::Null),
        "unlimited" => Ok(json!(text)),
        number => number.parse::<u32>().map(|days| json!(days)).map_err(|_| {
            Failure::Usage(format!(
                "`{}` is no number of days\n  help: write one from 0 to 36500, `unlimited` or `default`",
                tame(text)
            ))
        }),
    }
}

fn tell(api: &ApiArgs, record: &Value, done: &str) -> Result<ExitCode, Failure> {
    if api.json {
        return print(&as_json(record)?);
    }
    let own = |name: &str| tame(text(record, name));
    print(&format!(
        "{done}: {} for customer {} of app {}, as {} (record {})\n",
        own("email"),
        own("customer"),
        own("app"),
        own("role"),
        own("id")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_back_are_a_number_or_one_of_two_words() {
        for (text, expected) in [
            ("7", Some(json!(7))),
            ("unlimited", Some(json!("unlimited"))),
            ("default", Some(Value::Null)),
            ("soon", None),
        ] {
            assert_eq!(days_back(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_empty_goes() {
        let edits = EditArgs {
            role: None,
            days_back: None,
            first_name: Some("Gil".to_owned()),
            last_name: None,
            language: None,
            notes: Some(" ".to_owned()),
            state: Some(Given::Suspended),
        };
        let body = Value::Object(edits.body().expect("edits"));
        assert_eq!(body, json!({ "first_name": "Gil", "notes": null, "suspended": true }));
    }
}
