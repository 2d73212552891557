//! The SMTP server that takes our mail, and the address we send from.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;

use super::{DisplayName, Email, HostName, Secret};

/// Where mail is handed over: `smtp://`, `smtp+starttls://` or `smtps://`, then `[user:password@]host[:port]`.
///
/// User and password are percent-decoded. The host begins after the *last* `@`, so that a password put in from the
/// environment may hold `@`, `/`, `#` and the like as they are; only `%` must be written `%25`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SmtpServer {
    /// The server's name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is guarded.
    pub security: SmtpSecurity,
    /// Whom we log in as, if the server asks for it.
    pub login: Option<SmtpLogin>,
}

/// How a connection to an SMTP server is guarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SmtpSecurity {
    /// Not at all: for a relay on this machine or on a network of one's own.
    Plain,
    /// Begins in plain text and must turn to TLS (RFC 3207) before anything is said. Never opportunistic: whoever sits
    /// between could take the offer away.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

/// The account at an SMTP server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SmtpLogin {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Why a text names no SMTP server. No variant holds the text, for a password may be in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidSmtpServer {
    /// Another scheme, or none.
    #[error("it must begin with `smtp://`, `smtp+starttls://` or `smtps://`")]
    Scheme,
    /// No host, or something that is none.
    #[error("the part after the scheme (and after the last `@`) is not a host name or address")]
    Host,
    /// No number between 1 and 65535.
    #[error("the port must be a number between 1 and 65535")]
    Port,
    /// Something behind the port.
    #[error("nothing may follow the host and port")]
    Path,
    /// A user without password, or the other way round.
    #[error("before the `@` there must be both a user and a password, as `user:password@`")]
    HalfLogin,
    /// `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("user or password has a bad `%` escape: write a `%` as `%25`")]
    Escape,
    /// CR, LF, NUL or another control character in user or password.
    #[error("user or password holds a control character")]
    ControlCharacter,
    /// A password would go over the network in plain text.
    #[error("`smtp://` would send the password unencrypted: use `smtp+starttls://` or `smtps://`")]
    PlainLogin,
}

impl SmtpServer {
    /// Parses the URL of an SMTP server.
    ///
    /// Without a port it is 25 for `smtp://`, 587 for `smtp+starttls://`, 465 for `smtps://`. A password over `smtp://` is
    /// taken only for this very machine (`localhost` or a loopback address).
    ///
    /// # Errors
    /// [`InvalidSmtpServer`] says which part is wrong, without repeating it.
    pub fn parse(url: &str) -> Result<Self, InvalidSmtpServer> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(InvalidSmtpServer::Scheme)?;
        let security = match scheme.to_ascii_lowercase().as_str() {
            "smtp" => SmtpSecurity::Plain,
            "smtp+starttls" => SmtpSecurity::StartTls,
            "smtps" => SmtpSecurity::Tls,
            _ => return Err(InvalidSmtpServer::Scheme),
        };
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(parse_login(login)?), authority),
            None => (None, rest),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#']) {
            return Err(InvalidSmtpServer::Path);
        }
        let (host, port) = split_port(authority)?;
        let host = parse_host(host)?;
        if login.is_some() && security == SmtpSecurity::Plain && !is_this_machine(&host) {
            return Err(InvalidSmtpServer::PlainLogin);
        }
        Ok(Self { host, port: port.unwrap_or(security.default_port()), security, login })
    }
}

impl SmtpSecurity {
    /// The port where such a server is expected.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Plain => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

/// The server without its account, for logs.
impl fmt::Display for SmtpServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

fn parse_login(text: &str) -> Result<SmtpLogin, InvalidSmtpServer> {
    let (user, password) = text.split_once(':').ok_or(InvalidSmtpServer::HalfLogin)?;
    if user.is_empty() || password.is_empty() {
        return Err(InvalidSmtpServer::HalfLogin);
    }
    Ok(SmtpLogin { user: decode(user)?, password: Secret::new(decode(password)?) })
}

fn decode(text: &str) -> Result<String, InvalidSmtpServer> {
    // The decoder passes a lone `%` through; then `50%25` and `50%` would be one password, and a typing error unseen.
    let mut escapes = text.split('%');
    escapes.next();
    let is_escape = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !escapes.all(is_escape) {
        return Err(InvalidSmtpServer::Escape);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| InvalidSmtpServer::Escape)?;
    if decoded.chars().any(char::is_control) {
        return Err(InvalidSmtpServer::ControlCharacter);
    }
    Ok(decoded.into_owned())
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), InvalidSmtpServer> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(InvalidSmtpServer::Host)?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(InvalidSmtpServer::Port),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let Some(port) = port else { return Ok((host, None)) };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidSmtpServer::Port);
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(InvalidSmtpServer::Port),
    }
}

fn parse_host(text: &str) -> Result<String, InvalidSmtpServer> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    HostName::parse(text).map(|name| name.as_str().to_owned()).map_err(|_| InvalidSmtpServer::Host)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whom our mail comes from: `Example <login@example.com>` or the address alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SenderAddress {
    /// The name that mail programs show.
    pub name: Option<DisplayName>,
    /// The address.
    pub email: Email,
}

/// A text that is no sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a sender: write `Name <login@example.com>` or `login@example.com`")]
pub struct InvalidSenderAddress;

impl SenderAddress {
    /// Parses a sender. A name may stand in double quotes; none are needed, whatever it holds but `<`.
    ///
    /// # Errors
    /// [`InvalidSenderAddress`] when the address is none, or the brackets do not match.
    pub fn parse(text: &str) -> Result<Self, InvalidSenderAddress> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(InvalidSenderAddress);
        }
        let (name, address) = match text.strip_suffix('>') {
            Some(text) => text.rsplit_once('<').ok_or(InvalidSenderAddress)?,
            None => ("", text),
        };
        let email = Email::parse(address).map_err(|_| InvalidSenderAddress)?;
        let name = name.trim();
        let name = match name.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').ok_or(InvalidSenderAddress)?.replace("\\\"", "\""),
            None => name.to_owned(),
        };
        if name.contains(['<', '>']) {
            return Err(InvalidSenderAddress);
        }
        Ok(Self { name: DisplayName::new(&name), email })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<&str, InvalidSmtpServer>) {
        let parsed = SmtpServer::parse(url).map(|server| {
            let login = server.login.as_ref();
            let login = login.map(|login| format!(" as {} {}", login.user, login.password.expose()));
            format!("{:?} {server}{}", server.security, login.unwrap_or_default())
        });
        assert_eq!(parsed.as_deref().map_err(|error| *error), expected, "{url}");
    }

    #[test]
    fn a_server_has_a_port_even_when_none_is_written() {
        check("smtp://mail.example.com", Ok("Plain mail.example.com:25"));
        check("smtp+starttls://mail.example.com", Ok("StartTls mail.example.com:587"));
        check("smtps://mail.example.com/", Ok("Tls mail.example.com:465"));
        check(" SMTPS://Mail.Example.com:2465 ", Ok("Tls mail.example.com:2465"));
        check("smtp://[::1]:2525", Ok("Plain [::1]:2525"));
        check("smtp://[::1]", Ok("Plain [::1]:25"));
        check("smtp://10.0.0.7:2525", Ok("Plain 10.0.0.7:2525"));
    }

    #[test]
    fn user_and_password_are_decoded() {
        check("smtps://gw:pass@mail.example.com", Ok("Tls mail.example.com:465 as gw pass"));
        check("smtps://a%40b.c:p%3Aw%25@mail.example.com", Ok("Tls mail.example.com:465 as a@b.c p:w%"));
        check("smtps://gw:p@s/s#w?r:d@mail.example.com:1", Ok("Tls mail.example.com:1 as gw p@s/s#w?r:d"));
        for url in
            ["smtps://gw:50%@h.example", "smtps://gw:%zz@h.example", "smtps://gw:%f@h.example", "smtps://gw:%ff@h"]
        {
            check(url, Err(InvalidSmtpServer::Escape));
        }
        for url in ["smtps://gw:a%0d%0ab@h.example", "smtps://g%00w:a@h.example"] {
            check(url, Err(InvalidSmtpServer::ControlCharacter));
        }
        for url in ["smtps://gw@h.example", "smtps://gw:@h.example", "smtps://:x@h.example", "smtps://@h.example"] {
            check(url, Err(InvalidSmtpServer::HalfLogin));
        }
    }

    #[test]
    fn a_password_never_crosses_a_network_in_plain_text() {
        check("smtp://gw:pass@mail.example.com", Err(InvalidSmtpServer::PlainLogin));
        check("smtp://gw:pass@10.0.0.7", Err(InvalidSmtpServer::PlainLogin));
        check("smtp://gw:pass@localhost.example.com", Err(InvalidSmtpServer::PlainLogin));
        check("smtp://gw:pass@localhost", Ok("Plain localhost:25 as gw pass"));
        check("smtp://gw:pass@127.0.0.1:2525", Ok("Plain 127.0.0.1:2525 as gw pass"));
        check("smtp://gw:pass@[::1]", Ok("Plain [::1]:25 as gw pass"));
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for url in ["", "mail.example.com", "http://mail.example.com", "://x", "smtp+tls://mail.example.com"] {
            check(url, Err(InvalidSmtpServer::Scheme));
        }
        for url in ["smtp://", "smtp://:25", "smtp://a b", "smtp://[::1", "smtp://mail_1", "smtp://300.1.1.1"] {
            check(url, Err(InvalidSmtpServer::Host));
        }
        for url in [
            "smtp://h.example:",
            "smtp://h.example:0",
            "smtp://h.example:65536",
            "smtp://h.example:+25",
            "smtp://[::1]25",
        ] {
            check(url, Err(InvalidSmtpServer::Port));
        }
        for url in ["smtp://h.example/inbox", "smtp://h.example?tls=no", "smtp://h.example:25#x", "smtp://h.example//"]
        {
            check(url, Err(InvalidSmtpServer::Path));
        }
    }

    #[test]
    fn no_form_of_a_server_shows_its_password() {
        let server = SmtpServer::parse("smtps://gw:hunter2@mail.example.com").expect("valid");
        assert!(!format!("{server:?} {server}").contains("hunter2"));
    }

    #[test]
    fn a_sender_has_an_address_and_maybe_a_name() {
        let sender = |text| SenderAddress::parse(text).expect("a sender");
        for (text, name) in [
            ("Example <login@example.com>", Some("Example")),
            ("\"Acme, Inc. \\\"A\\\"\" <login@example.com>", Some("Acme, Inc. \"A\"")),
            ("Acme, Inc. <login@example.com>", Some("Acme, Inc.")),
            ("Müller & Söhne <Login@Example.com>", Some("Müller & Söhne")),
            ("<login@example.com>", None),
            ("  login@example.com ", None),
        ] {
            assert_eq!(sender(text).name.as_ref().map(DisplayName::as_str), name, "{text}");
            assert_eq!(sender(text).email.as_str(), "login@example.com");
        }
        for text in [
            "",
            "Example",
            "Example <>",
            "Example <login@example.com",
            "Example login@example.com",
            "A <a@example.com>, B <b@example.com>",
            "Example\r\nBcc: x@example.com <login@example.com>",
            "\"Example <login@example.com>",
        ] {
            assert_eq!(SenderAddress::parse(text), Err(InvalidSenderAddress), "{text}");
        }
    }
}
