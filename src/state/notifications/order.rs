//! What somebody asks to be sent, held against the config: pure, so that the same words always get the same answer.
//!
//! What goes through here ends in mails that carry the app's name, so nothing passes that could lead people elsewhere: the
//! link goes to a domain of the app and nowhere else, and the words are words, for nothing in them becomes a header or HTML.

use serde::{Deserialize, Serialize};

use super::record::{Message, Recipients};
use crate::state::snapshot::Snapshot;
use crate::types::{AppName, CustomerId, HostName, TopicName};

/// The longest subject, in characters.
pub const MOST_SUBJECT_CHARACTERS: usize = 200;
/// The longest text, in bytes.
pub const MOST_TEXT_BYTES: usize = 10_000;
/// The longest link, in bytes.
pub const MOST_LINK_BYTES: usize = 2048;
/// What stands for all customers. It has to be written, so that nobody means one and reaches all.
pub const EVERYBODY: &str = "*";

/// What somebody asks to be sent, just as it came.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The app.
    pub app: String,
    /// The customer, or `*` for all.
    pub customer: String,
    /// The topic.
    pub topic: String,
    /// The mail's subject.
    pub subject: String,
    /// The mail's text.
    pub text: String,
    /// Where to read on.
    #[serde(default)]
    pub link: Option<String>,
}

/// What may be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// The app.
    pub app: AppName,
    /// Whose people it goes to.
    pub recipients: Recipients,
    /// The topic.
    pub topic: TopicName,
    /// What it says.
    pub message: Message,
}

/// Something wrong with what was asked for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Flaw {
    /// Where.
    pub field: &'static str,
    /// What is wrong, and how to mend it.
    pub problem: String,
}

impl Order {
    /// Holds a wish against the config. `port` is the one at which the world reaches our domains.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(asked: &Asked, snapshot: &Snapshot, port: u16) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut flaw = |field, problem: String| flaws.push(Flaw { field, problem });
        let app = AppName::parse(&asked.app).ok().and_then(|name| snapshot.app(&name));
        if app.is_none() {
            flaw("app", format!("there is no app `{}`", short(&asked.app)));
        }
        let recipients = match asked.customer.as_str() {
            EVERYBODY => Some(Recipients::Everybody),
            text => {
                CustomerId::parse(text).map(Recipients::Of).map_err(|error| flaw("customer", error.to_string())).ok()
            }
        };
        let topic = app.and_then(|app| app.topics.iter().find(|topic| topic.name.as_str() == asked.topic));
        if let (Some(app), None) = (app, topic) {
            let known: Vec<_> = app.topics.iter().map(|topic| topic.name.as_str()).collect();
            let help = match known.as_slice() {
                [] => format!("the config has no `[app.{}.topic.NAME]`", app.name),
                known => format!("it has {}", known.join(", ")),
            };
            flaw("topic", format!("app `{}` has no topic `{}`: {help}", app.name, short(&asked.topic)));
        }
        let subject = asked.subject.trim();
        if subject.is_empty()
            || subject.chars().count() > MOST_SUBJECT_CHARACTERS
            || subject.chars().any(char::is_control)
        {
            flaw("subject", format!("it must be one line of 1 to {MOST_SUBJECT_CHARACTERS} characters"));
        }
        let text = asked.text.replace("\r\n", "\n");
        let is_text = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
        if text.trim().is_empty() || text.len() > MOST_TEXT_BYTES || !text.chars().all(is_text) {
            flaw("text", format!("it must be plain text of 1 to {MOST_TEXT_BYTES} bytes, without control characters"));
        }
        let link = match (&asked.link, app, &recipients) {
            (Some(link), Some(app), Some(recipients)) => {
                match checked_link(link, &app.name, recipients, snapshot, port) {
                    Ok(link) => Some(link),
                    Err(problem) => {
                        flaw("link", problem);
                        None
                    }
                }
            }
            _ => None,
        };
        match (app, recipients, topic) {
            (Some(app), Some(recipients), Some(topic)) if flaws.is_empty() => Ok(Self {
                app: app.name.clone(),
                recipients,
                topic: topic.name.clone(),
                message: Message { subject: subject.to_owned(), text: text.trim().to_owned(), link },
            }),
            _ => Err(flaws),
        }
    }
}

/// A link as it goes into mails: an address on one of the app's own domains, at the port where we are, and readable there by
/// those who get it.
fn checked_link(
    link: &str,
    app: &AppName,
    recipients: &Recipients,
    snapshot: &Snapshot,
    port: u16,
) -> Result<String, String> {
    if link.len() > MOST_LINK_BYTES {
        return Err(format!("it may have {MOST_LINK_BYTES} bytes at most"));
    }
    let url = reqwest::Url::parse(link).map_err(|error| format!("it is no address: {error}"))?;
    if url.scheme() != "https" {
        return Err("it must begin with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must hold no user name".to_owned());
    }
    if url.port().is_some_and(|named| named != port) {
        return Err("it must name no port".to_owned());
    }
    let host = url.host_str().and_then(|host| HostName::parse(host).ok());
    let site = host.and_then(|host| snapshot.site(&host)).filter(|site| site.app.name == *app);
    let Some(site) = site else { return Err(format!("it must lead to a domain of app `{app}`")) };
    if let Some(pinned) = &site.domain.customer
        && recipients.customer() != Some(pinned)
    {
        return Err(format!("`{}` is the domain of customer `{pinned}` alone", site.domain.host));
    }
    // As a mail program reads it: what it begins anew in a line of its own must be one word.
    let link = String::from(url);
    if !link.bytes().all(|byte| byte.is_ascii_graphic()) || link.len() > MOST_LINK_BYTES {
        return Err("it holds what no address may".to_owned());
    }
    Ok(link)
}

fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
