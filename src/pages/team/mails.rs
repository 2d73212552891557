//! The mails from the team's pages: an invitation, once and again, and what both sides hear of somebody who became independent.
//!
//! Both parts of each say the same, and there is one button at most. Names that people typed are put on one line.

use askama::Template;

use crate::pages::Look;
use crate::pages::mail::{Letter, one_line};
use crate::pages::style::Palette;
use crate::pages::texts::{TeamTexts, fill};

/// What an invitation says.
#[derive(Clone, Copy, Debug)]
pub struct InvitationNews<'a> {
    /// The invited person's name; empty where nobody wrote one.
    pub name: &'a str,
    /// Their address, which they have to log in with.
    pub address: &'a str,
    /// Who invites: a name or an address; none where it is the app's own team.
    pub inviter: Option<&'a str>,
    /// For which customer.
    pub customer: &'a str,
    /// The role, as the operator calls it.
    pub role: &'a str,
    /// Until when it may be accepted, ready to read.
    pub until: &'a str,
    /// Where it is shown.
    pub link: &'a str,
    /// Whether the person was sent it before.
    pub again: bool,
}

/// What there is to tell of somebody who has become independent.
#[derive(Clone, Copy, Debug)]
pub struct IndependenceNews<'a> {
    /// Whom the mail is to; empty where they have no name.
    pub to: &'a str,
    /// Who has become independent.
    pub person: &'a str,
    /// The name of the new organisation.
    pub name: &'a str,
    /// The customer that they left.
    pub customer: &'a str,
    /// How many people went over beside them.
    pub others: u32,
    /// The app's address.
    pub link: &'a str,
}

struct Button<'a> {
    label: String,
    link: &'a str,
}

#[derive(Template)]
#[template(path = "team_mail.txt", escape = "none", whitespace = "preserve")]
struct TextPart<'a> {
    hello: &'a str,
    lines: &'a [String],
    button: Option<&'a Button<'a>>,
    after: &'a [String],
}

#[derive(Template)]
#[template(path = "team_mail.html")]
struct HtmlPart<'a> {
    language: &'static str,
    light: Palette,
    dark: Palette,
    subject: &'a str,
    hello: &'a str,
    lines: &'a [String],
    button: Option<&'a Button<'a>>,
    after: &'a [String],
}

/// The mail that invites somebody.
#[must_use]
pub fn invitation_letter(look: Look<'_>, news: &InvitationNews<'_>) -> Letter {
    let t = &TeamTexts::of(look.language).mail;
    let title = one_line(&look.brand.title);
    let inviter = one_line(news.inviter.unwrap_or_default());
    let (customer, role) = (one_line(news.customer), one_line(news.role));
    let values = [
        ("title", title.as_str()),
        ("inviter", inviter.as_str()),
        ("customer", customer.as_str()),
        ("role", role.as_str()),
        ("address", news.address),
        ("until", news.until),
    ];
    let sentence = if inviter.is_empty() { t.invited_by_nobody } else { t.invited };
    let subject = fill(if news.again { t.reminder_subject } else { t.invitation_subject }, &values);
    let lines = [fill(sentence, &values), fill(t.role, &values), fill(t.address, &values)];
    let button = Button { label: t.open.to_owned(), link: news.link };
    let after = [fill(t.until, &values), t.ignore.to_owned()];
    letter(look, subject, news.name, &lines, Some(&button), &after)
}

/// The mail to somebody who has become independent.
#[must_use]
pub fn founded_letter(look: Look<'_>, news: &IndependenceNews<'_>) -> Letter {
    let t = &TeamTexts::of(look.language).mail;
    news.with_values(look, |values| {
        let lines = [fill(t.founded, values), fill(t.founded_left, values)];
        let button = Button { label: fill(t.founded_open, values), link: news.link };
        letter(look, fill(t.founded_subject, values), news.to, &lines, Some(&button), &[])
    })
}

/// The mail to an owner of the customer that somebody has left to become independent.
#[must_use]
pub fn parted_letter(look: Look<'_>, news: &IndependenceNews<'_>) -> Letter {
    let t = &TeamTexts::of(look.language).mail;
    news.with_values(look, |values| {
        let lines = [fill(t.parted, values), (t.parted_over)(news.others), fill(t.parted_ended, values)];
        letter(look, fill(t.parted_subject, values), news.to, &lines, None, &[])
    })
}

impl IndependenceNews<'_> {
    fn with_values(&self, look: Look<'_>, write: impl FnOnce(&[(&str, &str)]) -> Letter) -> Letter {
        let title = one_line(&look.brand.title);
        let (person, name, customer) = (one_line(self.person), one_line(self.name), one_line(self.customer));
        write(&[
            ("title", title.as_str()),
            ("person", person.as_str()),
            ("name", name.as_str()),
            ("customer", customer.as_str()),
        ])
    }
}

fn letter(
    look: Look<'_>,
    subject: String,
    name: &str,
    lines: &[String],
    button: Option<&Button<'_>>,
    after: &[String],
) -> Letter {
    let t = look.texts();
    let name = one_line(name);
    let hello = match name.as_str() {
        "" => t.mail.hello.to_owned(),
        name => fill(TeamTexts::of(look.language).mail.hello_name, &[("name", name)]),
    };
    let text = TextPart { hello: &hello, lines, button, after }.to_string();
    let (light, dark) = (Palette::light((&look.brand.color).into()), Palette::dark((&look.brand.color).into()));
    let language = t.language;
    let html = HtmlPart { language, light, dark, subject: &subject, hello: &hello, lines, button, after }.to_string();
    Letter { subject, text, html }
}
