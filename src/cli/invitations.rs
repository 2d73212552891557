//! `vestibule invitations`: who is invited, and invites, by the running gateway.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{ApiArgs, Gateway, as_json, encoded, items_as_json, text};
use super::paint::Paint;
use super::table::table;
use super::{Failure, at_least_one, print};

/// What can be done with invitations.
#[derive(Clone, Debug, Subcommand)]
pub enum InvitationsAction {
    /// List those who are invited and have not come yet
    List {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Only those to this app
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// Only those of this customer
        #[arg(long, value_name = "KEY")]
        customer: Option<String>,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = at_least_one())]
        limit: usize,
    },
    /// Invite a person: they get a mail, and have access once they have logged in with its address
    Create {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// The person's address
        #[arg(value_name = "EMAIL")]
        email: String,
        /// The app
        #[arg(long, value_name = "NAME")]
        app: String,
        /// The customer
        #[arg(long, value_name = "KEY")]
        customer: String,
        /// The role
        #[arg(long, value_name = "NAME")]
        role: String,
        /// The person's first name
        #[arg(long, value_name = "NAME")]
        first_name: Option<String>,
        /// The person's last name
        #[arg(long, value_name = "NAME")]
        last_name: Option<String>,
        /// The person's language: en, de, fr, es or bg
        #[arg(long, value_name = "CODE")]
        language: Option<String>,
        /// How many days back they may see [default: as the role has it]
        #[arg(long, value_name = "NUMBER")]
        days_back: Option<u32>,
    },
    /// Send an invitation again, with a new link
    Resend {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Its number, as the list has it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Withdraw an invitation
    Withdraw {
        /// Which gateway.
        #[command(flatten)]
        api: ApiArgs,
        /// Its number, as the list has it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Does what is asked.
pub(super) async fn run(action: &InvitationsAction) -> Result<ExitCode, Failure> {
    match action {
        InvitationsAction::List { api, app, customer, limit } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let query = [("state", Some("invited".to_owned())), ("app", app.clone()), ("customer", customer.clone())];
            let items = gateway.pages("/api/v1/records", &query, *limit).await?;
            if api.json {
                return print(&items_as_json(items)?);
            }
            let columns = ["id", "email", "app", "customer", "role", "expires", "made_by"];
            let head = ["id", "who", "app", "customer", "role", "good until", "by"];
            let rows: Vec<Vec<String>> =
                items.iter().map(|item| columns.iter().map(|name| text(item, name).to_owned()).collect()).collect();
            print(&table(&head, &rows, Paint::for_stdout()))
        }
        InvitationsAction::Create { api, email, app, customer, role, first_name, last_name, language, days_back } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let body = json!({
                "app": app,
                "customer": customer,
                "email": email,
                "role": role,
                "first_name": first_name,
                "last_name": last_name,
                "language": language,
                "days_back": days_back,
            });
            let made = gateway.send(Method::POST, "/api/v1/records", Some(body)).await?;
            // Of somebody whom an adjustable list names, the record counts at once.
            tell(api, &made, if text(&made, "state") == "invited" { "invited" } else { "changed what a list gives" })
        }
        InvitationsAction::Resend { api, id } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let path = format!("/api/v1/records/{}/resend", encoded(id));
            let sent = gateway.send(Method::POST, &path, None).await?;
            tell(api, &sent, "invited again")
        }
        InvitationsAction::Withdraw { api, id } => {
            let gateway = Gateway::find(&api.config, api.admin)?;
            let path = format!("/api/v1/records/{}", encoded(id));
            let record = gateway.get(&path, &[]).await?;
            if text(&record, "state") != "invited" {
                let help = "`vestibule grants remove` takes it away";
                return Err(Failure::Usage(format!(
                    "{} is not invited, but has access\n  help: {help}",
                    text(&record, "email")
                )));
            }
            // Whoever accepted meanwhile keeps what they have.
            let version = record.get("version").map(Value::to_string).unwrap_or_default();
            gateway.send(Method::DELETE, &format!("{path}?version={version}"), None).await?;
            tell(api, &record, "withdrawn")
        }
    }
}

fn tell(api: &ApiArgs, record: &Value, done: &str) -> Result<ExitCode, Failure> {
    if api.json {
        return print(&as_json(record)?);
    }
    let own = |name: &str| super::paint::tame(text(record, name));
    print(&format!(
        "{done}: {} for customer {} of app {}, as {} (invitation {})\n",
        own("email"),
        own("customer"),
        own("app"),
        own("role"),
        own("id")
    ))
}
