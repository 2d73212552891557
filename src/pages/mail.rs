//! The mail that carries a link and a code, and the one that tells of a new passkey.
//!
//! Both parts of each say the same, and the text part is complete by itself. There is one link and, to log in, one run of six
//! digits in each, so that people, phones and mail programs take neither for something else; no picture is fetched from anywhere.

use askama::Template;

use super::Look;
use super::style::Palette;
use super::texts::{Texts, fill};

/// A mail, ready to be addressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The subject: one line, holding the brand's title.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

#[derive(Template)]
#[template(path = "mail.txt", escape = "none", whitespace = "preserve")]
struct TextPart<'a> {
    t: &'static Texts,
    by_link: &'a str,
    link: &'a str,
    code: &'a str,
    valid: &'a str,
    asked_at: &'a str,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct HtmlPart<'a> {
    t: &'static Texts,
    light: Palette,
    dark: Palette,
    subject: &'a str,
    link: &'a str,
    code: &'a str,
    valid: &'a str,
    asked_at: &'a str,
}

/// The mail that lets someone log in: by `link`, or by `code`, within `minutes`; they asked for it at `host`.
#[must_use]
pub fn login_letter(look: Look<'_>, link: &str, code: &str, minutes: u32, host: &str) -> Letter {
    let t = look.texts();
    let title = one_line(&look.brand.title);
    let subject = fill(t.log_in_to, &[("title", &title)]);
    let by_link = fill(t.mail.by_link, &[("title", &title)]);
    let asked_at = fill(t.mail.asked_at, &[("host", &one_line(host))]);
    let valid = (t.mail.valid)(minutes);
    let (light, dark) = (Palette::light((&look.brand.color).into()), Palette::dark((&look.brand.color).into()));
    let text = TextPart { t, by_link: &by_link, link, code, valid: &valid, asked_at: &asked_at }.to_string();
    let html =
        HtmlPart { t, light, dark, subject: &subject, link, code, valid: &valid, asked_at: &asked_at }.to_string();
    Letter { subject, text, html }
}

/// What there is to tell of a new passkey.
#[derive(Clone, Copy, Debug)]
pub struct PasskeyNews<'a> {
    /// The domain that it is good on.
    pub host: &'a str,
    /// The browser that it was added with, in a few words; empty where nobody knows.
    pub device: &'a str,
    /// When, ready to read.
    pub at: &'a str,
    /// The account page's address.
    pub account: &'a str,
}

#[derive(Template)]
#[template(path = "passkey_mail.txt", escape = "none", whitespace = "preserve")]
struct PasskeyTextPart<'a> {
    t: &'static Texts,
    happened: &'a str,
    account: &'a str,
}

#[derive(Template)]
#[template(path = "passkey_mail.html")]
struct PasskeyHtmlPart<'a> {
    t: &'static Texts,
    light: Palette,
    dark: Palette,
    subject: &'a str,
    happened: &'a str,
    account: &'a str,
    label: &'static str,
}

/// The mail that tells a person of a passkey that was added to their account.
#[must_use]
pub fn passkey_letter(look: Look<'_>, news: &PasskeyNews<'_>) -> Letter {
    let t = look.texts();
    let texts = &t.passkey.mail;
    let subject = fill(texts.subject, &[("title", &one_line(&look.brand.title))]);
    let sentence = if news.device.is_empty() { texts.happened_somewhere } else { texts.happened };
    let (host, device) = (one_line(news.host), one_line(news.device));
    let happened = fill(sentence, &[("host", &host), ("device", &device), ("at", news.at)]);
    let account = news.account;
    let text = PasskeyTextPart { t, happened: &happened, account }.to_string();
    let (light, dark) = (Palette::light((&look.brand.color).into()), Palette::dark((&look.brand.color).into()));
    let label = t.account.heading;
    let html = PasskeyHtmlPart { t, light, dark, subject: &subject, happened: &happened, account, label }.to_string();
    Letter { subject, text, html }
}

/// A name as one line: a line end in it could begin a header, or a sentence of its own.
pub(super) fn one_line(name: &str) -> String {
    name.split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
