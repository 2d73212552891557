//! The demo's mailbox: keeps outgoing mail in memory and shows it on a page.
//!
//! It stands where a real app has an SMTP server, so that the demo sends nothing anywhere. The page is for one person at
//! one machine: it listens on loopback, and answers only to a loopback name, so that no web page can have a name of its own
//! resolved to this address and read the log-in links.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use async_trait::async_trait;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::state::ports::{MailError, Mailer, OutgoingMail};

/// How many mails are kept; the oldest go first.
const MOST_MAILS: usize = 100;

/// The mails of this run, newest first.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    mails: VecDeque<Mail>,
    received: usize,
}

/// A mail as the page shows it.
#[derive(Clone)]
struct Mail {
    number: usize,
    to: String,
    subject: String,
    paragraphs: Vec<Vec<Piece>>,
}

/// A piece of a mail's text.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Link(String),
    Code(String),
    Break,
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The page, and its stylesheet.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(list))
            .route("/mailbox.css", get(style))
            .layer(middleware::from_fn(only_loopback))
            .with_state(self.clone())
    }

    fn keep(&self, mail: &OutgoingMail) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.received += 1;
        let number = shelf.received;
        shelf.mails.push_front(Mail {
            number,
            to: mail.to.clone(),
            subject: mail.subject.clone(),
            paragraphs: paragraphs(&mail.text),
        });
        shelf.mails.truncate(MOST_MAILS);
    }

    fn mails(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mails.iter().cloned().collect()
    }
}

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, mail: &OutgoingMail) -> Result<(), MailError> {
        self.keep(mail);
        Ok(())
    }
}

/// Refuses any Host but a loopback name.
async fn only_loopback(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if matches!(name, "127.0.0.1" | "localhost") {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "this mailbox answers on 127.0.0.1 only\n").into_response()
    }
}

async fn list(State(mailbox): State<Mailbox>) -> Response {
    let Ok(html) = (Page { mails: mailbox.mails() }).render() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the mailbox could not be drawn\n").into_response();
    };
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(html)).into_response()
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], include_str!("mailbox.css"))
}

/// Takes a mail's text apart at empty lines, and finds the links and six-digit codes in it.
fn paragraphs(text: &str) -> Vec<Vec<Piece>> {
    let text = text.replace("\r\n", "\n");
    text.split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
        .map(|paragraph| {
            let mut pieces = Vec::new();
            for (row, line) in paragraph.trim().lines().enumerate() {
                if row > 0 {
                    pieces.push(Piece::Break);
                }
                line_pieces(line, &mut pieces);
            }
            pieces
        })
        .collect()
}

/// Words are what white space divides, so a link or a code stands for itself however the sentence goes on around it.
fn line_pieces(line: &str, pieces: &mut Vec<Piece>) {
    let mut text = String::new();
    for word in line.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let is_link = bare.starts_with("https://") || bare.starts_with("http://");
        let core = bare.trim_end_matches(['.', ',', ';', ':', ')']);
        let is_code = core.len() == 6 && core.bytes().all(|byte| byte.is_ascii_digit());
        if !(is_link || is_code) {
            text.push_str(word);
            continue;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(if is_link { Piece::Link(core.to_owned()) } else { Piece::Code(core.to_owned()) });
        text.push_str(word.strip_prefix(core).unwrap_or_default());
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="3">
<title>{% if !mails.is_empty() %}({{ mails.len() }}) {% endif %}Demo mailbox</title>
<link rel="stylesheet" href="/mailbox.css">
</head>
<body>
<header><h1>Demo mailbox</h1><p>Every mail of this demo ends here; none is sent. This page looks for new ones every three seconds.</p></header>
<main>{% for mail in mails %}
<article aria-labelledby="mail-{{ mail.number }}">
  <h2 id="mail-{{ mail.number }}">{{ mail.subject }}</h2>
  <p class="to"><span>To</span> {{ mail.to }} <span class="count">mail {{ mail.number }}</span></p>
  {% for paragraph in mail.paragraphs %}<p>{% for piece in paragraph %}{% match piece %}{% when Piece::Text(text) %}{{ text }}{% when Piece::Link(link) %}<a href="{{ link }}" target="_blank" rel="noopener noreferrer">{{ link }}</a>{% when Piece::Code(code) %}<strong class="code">{{ code }}</strong>{% when Piece::Break %}<br>{% endmatch %}{% endfor %}</p>
  {% endfor %}
</article>{% else %}
<p class="none">No mail yet. Ask for one on a log-in page, and it appears here.</p>{% endfor %}
</main>
</body>
</html>
"##
)]
struct Page {
    mails: Vec<Mail>,
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn mail(to: &str, text: &str) -> OutgoingMail {
        OutgoingMail {
            to: to.to_owned(),
            subject: "Log in".to_owned(),
            text: text.to_owned(),
            html: String::new(),
            unsubscribe: None,
        }
    }

    async fn ask(mailbox: &Mailbox, host: &str) -> (StatusCode, String) {
        let request = Request::get("/").header("host", host).body(Body::empty()).unwrap();
        let answer = mailbox.router().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_newest_mail_comes_first_with_its_link_and_code() {
        let mailbox = Mailbox::new();
        mailbox.send(&mail("old@acme.example", "Hello")).await.unwrap();
        let text = "Open\nhttps://orders.localhost:8443/.access/link/abc\n\nor type 482913.\n";
        mailbox.send(&mail("new@acme.example", text)).await.unwrap();
        let (status, body) = ask(&mailbox, "127.0.0.1:4000").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.find("new@acme.example").unwrap() < body.find("old@acme.example").unwrap());
        assert!(body.contains(r#"href="https://orders.localhost:8443/.access/link/abc""#));
        assert!(body.contains(r#"<strong class="code">482913</strong>."#));
    }

    #[tokio::test]
    async fn only_a_hundred_are_kept() {
        let mailbox = Mailbox::new();
        for number in 0..130 {
            mailbox.send(&mail(&format!("p{number}@acme.example"), "Hello")).await.unwrap();
        }
        let mails = mailbox.mails();
        assert_eq!(mails.len(), MOST_MAILS);
        assert_eq!((mails[0].number, mails[99].number), (130, 31));
    }

    #[tokio::test]
    async fn a_name_that_was_pointed_at_us_is_refused() {
        let mailbox = Mailbox::new();
        assert_eq!(ask(&mailbox, "localhost:4000").await.0, StatusCode::OK);
        for host in ["evil.example", "evil.example:4000", "127.0.0.1.evil.example", ""] {
            assert_eq!(ask(&mailbox, host).await.0, StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
    }

    #[tokio::test]
    async fn markup_in_a_mail_is_text() {
        let mailbox = Mailbox::new();
        mailbox.send(&mail("a@b.example", "<img src=x> https://x.example/\"><b>")).await.unwrap();
        let (_, body) = ask(&mailbox, "localhost").await;
        assert!(!body.contains("<img") && !body.contains("\"><b>"));
    }

    #[test]
    fn the_gateways_own_mail_shows_its_link_and_its_code() {
        let brand = crate::pages::Brand {
            title: "Orders".to_owned(),
            logo: None,
            logo_dark: None,
            icon: None,
            color: Default::default(),
        };
        let link = "https://orders.localhost:8443/.access/link/abc";
        let look = crate::pages::Look { brand: &brand, language: crate::types::Language::English };
        let letter = crate::pages::mail::login_letter(look, link, "048291", 15, "orders.localhost");
        let pieces = paragraphs(&letter.text).concat();
        let count = |piece| pieces.iter().filter(|found| **found == piece).count();
        assert_eq!((count(Piece::Link(link.to_owned())), count(Piece::Code("048291".to_owned()))), (1, 1));
        assert!(!pieces.iter().any(|piece| matches!(piece, Piece::Link(other) if other != link)));
    }

    #[test]
    fn links_and_codes_are_found_where_words_begin() {
        let text = |text: &str| Piece::Text(text.to_owned());
        for (line, pieces) in [
            ("Code: 123456", vec![text("Code: "), Piece::Code("123456".to_owned())]),
            ("1234567 and 12345", vec![text("1234567 and 12345")]),
            ("see https://a.example/x.", vec![text("see "), Piece::Link("https://a.example/x".to_owned()), text(".")]),
            ("javascript:alert(1)", vec![text("javascript:alert(1)")]),
        ] {
            let mut found = Vec::new();
            line_pieces(line, &mut found);
            assert_eq!(found, pieces, "{line}");
        }
    }
}
