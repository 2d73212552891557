//! The mail that brings a notification, the page where people choose which they get, and the one behind "unsubscribe".
//!
//! Subject and text come from outside: the HTML part escapes them line by line, and no word of them becomes a link or a header.

use askama::Template;
use http::StatusCode;

use super::mail::{Letter, one_line};
use super::style::Palette;
use super::texts::{Sentence, Texts, fill};
use super::views::{Frame, render};
use super::{Look, Reply};

/// What a notification's mail holds.
#[derive(Clone, Copy, Debug)]
pub struct NotificationMail<'a> {
    /// The subject: one line.
    pub subject: &'a str,
    /// The text: plain, in paragraphs.
    pub text: &'a str,
    /// Where to read on.
    pub link: Option<&'a str>,
    /// The topic's title.
    pub topic: &'a str,
    /// Where the topic is switched off.
    pub unsubscribe: &'a str,
    /// Where all topics are.
    pub settings: &'a str,
}

#[derive(Template)]
#[template(path = "notification_mail.txt", escape = "none", whitespace = "preserve")]
struct TextPart<'a> {
    t: &'static Texts,
    message: &'a str,
    link: Option<&'a str>,
    open: &'a str,
    why: &'a str,
    off: &'a str,
    unsubscribe: &'a str,
    settings: &'a str,
}

#[derive(Template)]
#[template(path = "notification_mail.html")]
struct HtmlPart<'a> {
    t: &'static Texts,
    light: Palette,
    dark: Palette,
    subject: &'a str,
    paragraphs: Vec<Vec<&'a str>>,
    link: Option<&'a str>,
    open: &'a str,
    why: &'a str,
    off: &'a str,
    unsubscribe: &'a str,
    settings: &'a str,
}

/// The mail that brings a notification.
#[must_use]
pub fn notification_letter(look: Look<'_>, mail: &NotificationMail<'_>) -> Letter {
    let t = look.texts();
    let n = &t.notifications;
    let NotificationMail { link, unsubscribe, settings, .. } = *mail;
    let (title, topic, subject) = (one_line(&look.brand.title), one_line(mail.topic), one_line(mail.subject));
    let values = [("title", title.as_str()), ("topic", topic.as_str())];
    let (open, why, off) = (fill(n.open, &values), fill(n.why, &values), fill(n.off, &values));
    let text =
        TextPart { t, message: mail.text, link, open: &open, why: &why, off: &off, unsubscribe, settings }.to_string();
    let html = HtmlPart {
        t,
        light: Palette::light((&look.brand.color).into()),
        dark: Palette::dark((&look.brand.color).into()),
        subject: &subject,
        paragraphs: paragraphs(mail.text),
        link,
        open: &open,
        why: &why,
        off: &off,
        unsubscribe,
        settings,
    }
    .to_string();
    Letter { subject, text, html }
}

/// Lines between empty lines belong together.
fn paragraphs(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()).map(<[&str]>::to_vec).collect()
}

/// One topic to choose.
#[derive(Clone, Copy, Debug)]
pub struct TopicView<'a> {
    /// Its name, as posted.
    pub name: &'a str,
    /// Its title.
    pub title: &'a str,
    /// What it tells of.
    pub description: Option<&'a str>,
    /// Whether it is on.
    pub on: bool,
}

#[derive(Template)]
#[template(path = "notifications.html")]
struct SettingsPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    lead: Sentence<'a>,
    topics: &'a [TopicView<'a>],
    saved: bool,
}

/// Where somebody chooses what they are notified of. `saved` says that they just did.
#[must_use]
pub fn notification_settings(look: Look<'_>, email: &str, topics: &[TopicView<'_>], saved: bool) -> Reply {
    let n = &look.texts().notifications;
    let values = [("title", look.brand.title.as_str()), ("email", email)];
    let (frame, lead) = (Frame::new(look, n.heading), Sentence::new(n.lead, &values));
    render(StatusCode::OK, &SettingsPage { t: look.texts(), frame, lead, topics, saved })
}

/// What "notifications" is called, for links to it.
#[must_use]
pub(super) const fn settings_label(look: Look<'_>) -> &'static str {
    look.texts().notifications.heading
}

/// Where the page behind an unsubscribe link stands.
#[derive(Clone, Copy, Debug)]
pub enum UnsubscribeView<'a> {
    /// It asks, for a scanner may have opened the link.
    Asks {
        /// Whose, as others may see it.
        email: &'a str,
        /// The topic's title.
        topic: &'a str,
        /// The link's token.
        token: &'a str,
    },
    /// It is done.
    Done {
        /// Whose, as others may see it.
        email: &'a str,
        /// The topic's title.
        topic: &'a str,
    },
    /// The link is none of ours: 404.
    Wrong,
    /// The link's time is over: 410.
    Ended,
}

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct UnsubscribePage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    sentence: Sentence<'a>,
    again: Option<&'static str>,
    token: Option<&'a str>,
}

/// The page behind an unsubscribe link.
#[must_use]
pub fn unsubscribe(look: Look<'_>, view: UnsubscribeView<'_>) -> Reply {
    let n = &look.texts().notifications;
    let title = look.brand.title.as_str();
    let (status, heading, sentence, topic, email) = match view {
        UnsubscribeView::Asks { email, topic, .. } => (StatusCode::OK, n.confirm_heading, n.confirm, topic, email),
        UnsubscribeView::Done { email, topic } => (StatusCode::OK, n.done_heading, n.done, topic, email),
        UnsubscribeView::Wrong => (StatusCode::NOT_FOUND, n.wrong_heading, n.wrong, "", ""),
        UnsubscribeView::Ended => (StatusCode::GONE, n.ended_heading, n.ended, "", ""),
    };
    let is_problem = matches!(view, UnsubscribeView::Wrong | UnsubscribeView::Ended);
    let page = UnsubscribePage {
        t: look.texts(),
        frame: Frame { problem: is_problem, ..Frame::new(look, &fill(heading, &[("topic", topic)])) },
        sentence: Sentence::new(sentence, &[("title", title), ("email", email)]),
        again: matches!(view, UnsubscribeView::Done { .. }).then_some(n.again),
        token: match view {
            UnsubscribeView::Asks { token, .. } => Some(token),
            _ => None,
        },
    };
    render(status, &page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Brand;
    use crate::types::{Color, Language};

    const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=y>&{title}";

    fn brand() -> Brand {
        Brand {
            title: "Acme <Orders>".to_owned(),
            logo: None,
            logo_dark: None,
            icon: None,
            color: Color::parse("#0b5fff").expect("a colour"),
        }
    }

    fn mail<'a>(subject: &'a str, text: &'a str, topic: &'a str) -> NotificationMail<'a> {
        NotificationMail {
            subject,
            text,
            link: Some("https://orders.test/orders/7"),
            topic,
            unsubscribe: "https://orders.test/.access/unsubscribe/abc",
            settings: "https://orders.test/.access/notifications",
        }
    }

    #[test]
    fn what_comes_from_outside_stays_text_in_every_language() {
        let brand = brand();
        for language in Language::ALL {
            let look = Look { brand: &brand, language };
            let text = format!("One {HOSTILE}\nline\n\n\nSecond\tparagraph");
            let letter = notification_letter(look, &mail("Re: \r\nBcc: eve@example.com", &text, HOSTILE));
            assert_eq!(letter.subject, "Re: Bcc: eve@example.com");
            assert!(letter.text.starts_with(&text), "{}", letter.text);
            assert!(letter.text.contains("https://orders.test/orders/7") && letter.text.contains("unsubscribe/abc"));
            assert!(
                !letter.html.contains("<script") && !letter.html.contains("<img") && letter.html.contains("line</p>")
            );
            assert_eq!(letter.html.matches("<p style=\"margin:0 0 20px;\"").count(), 2, "{}", letter.html);
            assert!(letter.html.contains(&format!("<html lang=\"{}\"", language.code())));
            assert_eq!(letter.html.matches("href=").count(), 3);
            // A placeholder in what was given means nothing.
            assert!(letter.html.contains("{title}"));
        }
    }

    #[test]
    fn pages_escape_what_they_show() {
        let brand = brand();
        let look = Look { brand: &brand, language: Language::English };
        let topic = TopicView { name: "news", title: HOSTILE, description: Some(HOSTILE), on: true };
        for reply in [
            notification_settings(look, HOSTILE, &[topic, TopicView { on: false, ..topic }], true),
            unsubscribe(look, UnsubscribeView::Asks { email: HOSTILE, topic: HOSTILE, token: HOSTILE }),
            unsubscribe(look, UnsubscribeView::Done { email: HOSTILE, topic: HOSTILE }),
        ] {
            let body = std::str::from_utf8(&reply.body).expect("UTF-8");
            assert!(!body.contains("<script") && !body.contains("<img"), "{body}");
            assert_eq!(reply.status, 200);
        }
        assert_eq!(unsubscribe(look, UnsubscribeView::Wrong).status, 404);
        assert_eq!(unsubscribe(look, UnsubscribeView::Ended).status, 410);
    }
}
