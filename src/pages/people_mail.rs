//! The mails about people's access: an invitation, and what is told when somebody becomes independent.
//!
//! Both parts of each say the same, and there is one button at most. Names that people typed are put on one line.

use askama::Template;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Look;
use super::mail::{Letter, one_line};
use super::style::Palette;
use super::texts::{Texts, fill};
use super::when::day_and_time;

/// What there is to say of an invitation.
#[derive(Clone, Debug)]
pub struct InvitationNews<'a> {
    /// The invited person's first name, or whole name, where one is known.
    pub name: Option<&'a str>,
    /// Who invites them, where it is a colleague whose name or address is known.
    pub inviter: Option<&'a str>,
    /// The customer, by its name or key.
    pub customer: &'a str,
    /// The role.
    pub role: &'a str,
    /// The address that accepts it.
    pub address: &'a str,
    /// The link to its page.
    pub link: &'a str,
    /// Until when it may be accepted.
    pub until: Timestamp,
    /// The app's time zone.
    pub zone: &'a TimeZone,
    /// Whether it was sent before.
    pub is_reminder: bool,
}

/// What there is to say of somebody who became independent.
#[derive(Clone, Debug)]
pub struct IndependenceNews<'a> {
    /// The person.
    pub person: &'a str,
    /// The customer that they left.
    pub left: &'a str,
    /// The organisation that they founded.
    pub founded: &'a str,
    /// How many people went over.
    pub went_over: u32,
    /// Where to go on.
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
    t: &'static Texts,
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
    let t = &look.texts().team.mail;
    let title = one_line(&look.brand.title);
    let inviter = one_line(news.inviter.unwrap_or_default());
    let (customer, role) = (one_line(news.customer), one_line(news.role));
    let until = day_and_time(look.language, news.until, news.zone);
    let values = [
        ("title", title.as_str()),
        ("inviter", inviter.as_str()),
        ("customer", customer.as_str()),
        ("role", role.as_str()),
        ("address", news.address),
        ("until", until.as_str()),
    ];
    let sentence = if inviter.is_empty() { t.invited_by_nobody } else { t.invited };
    let subject = fill(if news.is_reminder { t.reminder_subject } else { t.invitation_subject }, &values);
    let lines = [fill(sentence, &values), fill(t.role, &values), fill(t.address, &values)];
    let button = Button { label: t.open.to_owned(), link: news.link };
    let after = [fill(t.until, &values), t.ignore.to_owned()];
    letter(look, subject, news.name, &lines, Some(&button), &after)
}

/// The mail to whoever has become an organisation of their own.
#[must_use]
pub fn founded_letter(look: Look<'_>, news: &IndependenceNews<'_>) -> Letter {
    let t = &look.texts().team.mail;
    news.with_values(look, |values| {
        let lines = [fill(t.founded, values), fill(t.founded_left, values)];
        let button = Button { label: fill(t.founded_open, values), link: news.link };
        letter(look, fill(t.founded_subject, values), None, &lines, Some(&button), &[])
    })
}

/// The mail to those whom somebody took along who has become an organisation of their own.
#[must_use]
pub fn taken_along_letter(look: Look<'_>, news: &IndependenceNews<'_>) -> Letter {
    let t = &look.texts().team.mail;
    news.with_values(look, |values| {
        let lines = [fill(t.along, values), fill(t.along_now, values)];
        let button = Button { label: fill(t.founded_open, values), link: news.link };
        letter(look, fill(t.along_subject, values), None, &lines, Some(&button), &[])
    })
}

/// The mail to those who look after the customer that somebody left.
#[must_use]
pub fn parted_letter(look: Look<'_>, news: &IndependenceNews<'_>) -> Letter {
    let t = &look.texts().team.mail;
    news.with_values(look, |values| {
        let lines = [fill(t.parted, values), (t.parted_over)(news.went_over), fill(t.parted_ended, values)];
        letter(look, fill(t.parted_subject, values), None, &lines, None, &[])
    })
}

impl IndependenceNews<'_> {
    fn with_values(&self, look: Look<'_>, write: impl FnOnce(&[(&str, &str)]) -> Letter) -> Letter {
        let title = one_line(&look.brand.title);
        let (person, name, customer) = (one_line(self.person), one_line(self.founded), one_line(self.left));
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
    name: Option<&str>,
    lines: &[String],
    button: Option<&Button<'_>>,
    after: &[String],
) -> Letter {
    let t = look.texts();
    let name = one_line(name.unwrap_or_default());
    let hello = match name.as_str() {
        "" => t.mail.hello.to_owned(),
        name => fill(t.team.mail.hello_name, &[("name", name)]),
    };
    let text = TextPart { hello: &hello, lines, button, after }.to_string();
    let (light, dark) = (Palette::light((&look.brand.color).into()), Palette::dark((&look.brand.color).into()));
    let html = HtmlPart { t, light, dark, subject: &subject, hello: &hello, lines, button, after }.to_string();
    Letter { subject, text, html }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Brand;
    use crate::types::{Color, Language};

    fn brand() -> Brand {
        Brand {
            title: "Orders".to_owned(),
            logo: None,
            logo_dark: None,
            icon: None,
            color: Color::parse("#0b5fff").expect("a colour"),
        }
    }

    fn news<'a>(zone: &'a TimeZone, name: &'a str) -> InvitationNews<'a> {
        InvitationNews {
            name: Some(name),
            inviter: Some("Bob\r\nBcc: eve@example.com"),
            customer: "Example & Sons",
            role: "moderator",
            address: "ann@example.com",
            link: "https://orders.example.com/.access/invitation/abc",
            until: "2026-05-03T10:11:00Z".parse().expect("a moment"),
            zone,
            is_reminder: false,
        }
    }

    #[test]
    fn an_invitation_says_who_what_and_until_when_in_each_language() {
        let brand = brand();
        for language in Language::ALL {
            let letter = invitation_letter(Look { brand: &brand, language }, &news(&TimeZone::UTC, "Ann"));
            assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
            for part in [&letter.text, &letter.html] {
                for word in ["Orders", "Bob Bcc: eve@example.com", "moderator", "ann@example.com", "2026", "10:11"] {
                    assert!(part.contains(word), "{language}: {word} in {part}");
                }
                assert_eq!(part.matches("https://").count(), 1, "{part}");
                assert!(!letter.text.contains('{'), "{part}");
            }
            assert!(letter.text.contains("Example & Sons") && letter.html.contains("Example &#38; Sons"));
            assert!(letter.html.contains(&format!("<html lang=\"{language}\">")));
        }
    }

    #[test]
    fn what_people_type_is_text_and_nothing_else() {
        let brand = brand();
        let look = Look { brand: &brand, language: Language::English };
        let letter = invitation_letter(look, &news(&TimeZone::UTC, "<b>Ann</b>\n\nhttps://evil.example"));
        assert!(!letter.html.contains("<b>"));
        assert!(letter.text.starts_with("Hello <b>Ann</b> https://evil.example,\n"), "{}", letter.text);
    }

    #[test]
    fn both_sides_hear_of_an_organisation_of_its_own() {
        let brand = brand();
        let look = Look { brand: &brand, language: Language::German };
        let news = IndependenceNews {
            person: "Ann Example",
            left: "Example GmbH",
            founded: "Ann & Co",
            went_over: 2,
            link: "https://orders.example.com/",
        };
        let own = founded_letter(look, &news);
        assert_eq!(own.subject, "Ann & Co hat in Orders begonnen");
        assert!(own.text.contains("https://orders.example.com/") && own.text.contains("Example GmbH"));
        let along = taken_along_letter(look, &news);
        assert_eq!(along.subject, "Ihr Zugang zu Orders gilt jetzt für Ann & Co");
        assert!(along.text.contains("Ann Example") && along.text.contains("Example GmbH"), "{}", along.text);
        let theirs = parted_letter(look, &news);
        assert!(theirs.text.contains("2 weitere Personen") && !theirs.text.contains("https://"), "{}", theirs.text);
    }
}
