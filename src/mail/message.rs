//! Writes a mail as it goes over the wire (RFC 5322, MIME).
//!
//! Addresses and headers are lettre's types, which encode or refuse: nothing in a subject, a name or an address can become
//! another header.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::state::ports::OutgoingMail;
use crate::types::SenderAddress;

/// Why a mail cannot be written. Holds no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum CannotWrite {
    /// The recipient or sender is no address.
    #[error("the address is none that mail can be sent to")]
    Address,
    /// Something else.
    #[error("the mail cannot be written")]
    Message,
}

/// The sender as a mailbox.
pub(super) fn mailbox(sender: &SenderAddress) -> Result<Mailbox, CannotWrite> {
    let address = sender.email.as_str().parse::<Address>().map_err(|_| CannotWrite::Address)?;
    Ok(Mailbox::new(sender.name.as_ref().map(|name| name.as_str().to_owned()), address))
}

/// Writes a mail: text and HTML as alternatives of each other, for one recipient.
pub(super) fn write(from: &Mailbox, mail: &OutgoingMail, now: Timestamp) -> Result<Message, CannotWrite> {
    let to = mail.to.parse::<Address>().map_err(|_| CannotWrite::Address)?;
    let mut message = Message::builder();
    if let Some(url) = &mail.unsubscribe {
        message = message.header(ListUnsubscribe::of(url)?).header(ListUnsubscribePost);
    }
    message
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(&mail.subject))
        .date(seconds(now))
        .message_id(Some(format!("<{}@{}>", fingerprint(mail), from.email.domain())))
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(whole_lines(&mail.text), whole_lines(&mail.html)))
        .map_err(|_| CannotWrite::Message)
}

/// A mail that went out twice, for the server's answer got lost, carries one id, so that mailboxes may drop the copy. Two
/// mails never share one, for each holds a token of its own; and the token cannot be found from its hash.
fn fingerprint(mail: &OutgoingMail) -> String {
    let mut context = Context::new(&SHA256);
    let unsubscribe = mail.unsubscribe.as_deref().unwrap_or_default();
    for part in [mail.to.as_str(), &mail.subject, &mail.text, &mail.html, unsubscribe] {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut id = HEXLOWER.encode(context.finish().as_ref());
    id.truncate(32);
    id
}

/// A subject is one line. lettre would encode a line break so that it does no harm, but mail programs would show it.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Every line break is a whole one; lettre makes CRLF of LF, but leaves a CR alone, which some servers take for a line break
/// and others do not ("SMTP smuggling").
fn whole_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// A moment as lettre wants it: whole seconds, as `Date` has them.
fn seconds(moment: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(moment.as_second().try_into().unwrap_or(0))
}

/// RFC 3834: asks out-of-office programs not to answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// RFC 2369, section 3.2: where its reader can switch off mails of its kind. Mail programs make a button of it.
#[derive(Clone)]
struct ListUnsubscribe(String);

impl ListUnsubscribe {
    /// The longest line that every server takes has 998 characters (RFC 5322, section 2.1.1).
    const MOST_BYTES: usize = 900;

    /// The address is put into the header as it is, for nobody finds it in an encoded word; so it must be one.
    fn of(url: &str) -> Result<Self, CannotWrite> {
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b','));
        if !url.starts_with("https://") || !is_plain || url.len() > Self::MOST_BYTES {
            return Err(CannotWrite::Message);
        }
        Ok(Self(format!("<{url}>")))
    }
}

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::dangerous_new_pre_encoded(Self::name(), self.0.clone(), self.0.clone())
    }
}

/// RFC 8058, section 3.1: one POST to that address does it, without any further question.
#[derive(Clone)]
struct ListUnsubscribePost;

impl Header for ListUnsubscribePost {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe-Post")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "List-Unsubscribe=One-Click".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> OutgoingMail {
        OutgoingMail {
            to: "ann@example.com".to_owned(),
            subject: "Log in to Größe & Co".to_owned(),
            text: "Öffnen:\nhttps://orders.example.com/.access/link/abc\n".to_owned(),
            html: "<p>Öffnen</p>".to_owned(),
            unsubscribe: None,
        }
    }

    fn written(from: &str, mail: &OutgoingMail) -> String {
        let from = mailbox(&SenderAddress::parse(from).expect("a sender")).expect("a mailbox");
        let now = "2026-03-01T12:00:00Z".parse().expect("a moment");
        let bytes = write(&from, mail, now).expect("written").formatted();
        assert!(bytes.is_ascii(), "no server need know 8BITMIME");
        String::from_utf8(bytes).expect("ASCII")
    }

    /// The header fields, unfolded.
    fn headers(text: &str) -> Vec<String> {
        let (head, _) = text.split_once("\r\n\r\n").expect("an end of headers");
        head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_mail_has_the_headers_of_a_machine_made_one() {
        let text = written("Example <login@example.com>", &mail());
        let headers = headers(&text);
        for header in [
            "From: Example <login@example.com>",
            "To: ann@example.com",
            "Date: Sun, 01 Mar 2026 12:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(headers.iter().any(|found| found == header), "{header} is not in {headers:#?}");
        }
        let id = headers.iter().find(|header| header.starts_with("Message-ID: <")).expect("an id");
        assert!(id.ends_with("@example.com>"), "{id}");
        let named = written("Acme, Inc. \"Ä\" <login@example.com>", &mail());
        assert!(named.starts_with("From: =?utf-8?b?"), "{named}");
        assert!(text.contains("Content-Type: multipart/alternative"));
        assert!(text.contains("Content-Type: text/plain; charset=utf-8"));
        assert!(text.contains("Content-Type: text/html; charset=utf-8"));
    }

    #[test]
    fn a_mail_sent_twice_has_one_id_and_two_mails_have_two() {
        let id = |mail: &OutgoingMail| {
            let headers = headers(&written("login@example.com", mail));
            headers.into_iter().find(|header| header.starts_with("Message-ID:")).expect("an id")
        };
        assert_eq!(id(&mail()), id(&mail()));
        assert_ne!(id(&mail()), id(&OutgoingMail { text: "another".to_owned(), ..mail() }));
        assert_ne!(id(&mail()), id(&OutgoingMail { to: "bob@example.com".to_owned(), ..mail() }));
    }

    #[test]
    fn nothing_becomes_another_header() {
        let evil = OutgoingMail { subject: "Hi\r\nBcc: eve@example.com\r\n\r\nbody".to_owned(), ..mail() };
        let headers = headers(&written("login@example.com", &evil));
        assert!(headers.iter().all(|header| !header.starts_with("Bcc")), "{headers:#?}");
        for to in ["a@example.com\r\nBcc: e@example.com", "a@example.com>, <e@example.com", "", "a", "a@b@c", "a b@c.d"]
        {
            let from = mailbox(&SenderAddress::parse("login@example.com").expect("a sender")).expect("a mailbox");
            let evil = OutgoingMail { to: to.to_owned(), ..mail() };
            assert_eq!(write(&from, &evil, Timestamp::UNIX_EPOCH).err(), Some(CannotWrite::Address), "{to:?}");
        }
    }

    #[test]
    fn a_text_that_looks_like_smtp_stays_text() {
        let evil = OutgoingMail { text: "a\n.\nMAIL FROM:<eve@example.com>\r.\rb\n".to_owned(), ..mail() };
        let text = written("login@example.com", &evil);
        assert!(!text.contains("\n.\n") && !text.replace("\r\n", "").contains(['\r', '\n']), "{text}");
    }

    #[test]
    fn a_mail_that_goes_to_many_says_how_to_be_rid_of_them() {
        let url = format!("https://orders.example.com/.access/unsubscribe/{}", "x".repeat(300));
        let headers =
            headers(&written("login@example.com", &OutgoingMail { unsubscribe: Some(url.clone()), ..mail() }));
        for header in
            [format!("List-Unsubscribe: <{url}>"), "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned()]
        {
            assert!(headers.contains(&header), "{header} is not in {headers:#?}");
        }
        assert!(
            !self::headers(&written("login@example.com", &mail())).iter().any(|header| header.starts_with("List-"))
        );
        let from = mailbox(&SenderAddress::parse("login@example.com").expect("a sender")).expect("a mailbox");
        let long = format!("https://a.example/{}", "x".repeat(900));
        for evil in [
            "http://a.example/",
            "https://a.example/>\r\nBcc: <e@example.com",
            "https://a.example/ä",
            "https://a.example/,<x>",
            &long,
        ] {
            let evil = OutgoingMail { unsubscribe: Some(evil.to_owned()), ..mail() };
            assert_eq!(write(&from, &evil, Timestamp::UNIX_EPOCH).err(), Some(CannotWrite::Message));
        }
    }
}
