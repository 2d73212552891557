//! Hands mail to an SMTP server.
//!
//! A connection is driven step by step rather than by lettre's transport, for two reasons. Each step has its own time limit,
//! and a connection given up half-way is never used again (lettre's pool would take it back, and the next person's mail
//! could end up in the middle of this one's). And the step says what a refusal is about: only one of the recipient or the
//! mail itself is final; all else is ours or the server's trouble, and worth another try.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Category;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::wire::{self, Encrypted};
use super::{cause, message};
use crate::state::clock::Clock;
use crate::state::ports::{MailError, Mailer, OutgoingMail};
use crate::state::trust::system_roots;
use crate::types::{SenderAddress, SmtpSecurity, SmtpServer};

/// For the TCP connection to each of the server's addresses.
const CONNECT: Duration = Duration::from_secs(10);
/// For each command's answer; a server may think about a mail's text for a while.
const COMMAND: Duration = Duration::from_secs(30);
/// For goodbyes and for asking whether a kept connection still lives.
const COURTESY: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next mail.
const KEPT: Duration = Duration::from_secs(30);
/// How many are kept.
const MOST_KEPT: usize = 4;

/// What a mailer needs to know.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The server.
    pub server: SmtpServer,
    /// Whom mail comes from.
    pub from: SenderAddress,
    /// The only CA to trust, as a PEM file; without it, those of the system.
    pub ca: Option<PathBuf>,
}

/// A mailer cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    /// The CA file cannot be read.
    #[error("{}: cannot be read: {cause}", .path.display())]
    CaUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The CA file holds no certificate.
    #[error("{}: holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)", .0.display())]
    CaEmpty(PathBuf),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The sender's address is one that cannot be written into a mail.
    #[error("mail cannot be sent from this address")]
    Sender,
}

/// Sends through one SMTP server.
pub struct SmtpMailer {
    server: SmtpServer,
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
    from: Mailbox,
    clock: Clock,
    kept: Arc<Mutex<Vec<Kept>>>,
}

/// How a conversation is encrypted.
enum Tls {
    /// Not at all.
    Never,
    /// After its first words, which ask for it.
    Later(TlsParameters),
    /// From its beginning.
    AtOnce(TlsConnector, ServerName<'static>),
}

struct Kept {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// A step of the conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Connect,
    LogIn,
    Sender,
    Recipient,
    Text,
}

/// Why a step failed.
enum Failure {
    Io(io::Error),
    Smtp(Error),
    TooLong,
}

impl SmtpMailer {
    /// Sets a mailer up; connects only when there is mail.
    ///
    /// # Errors
    /// [`MailSetupError`] when the CA file or the sender is of no use.
    pub fn new(settings: &MailSettings, clock: Clock) -> Result<Self, MailSetupError> {
        let server = settings.server.clone();
        let ca = settings.ca.as_deref().map(read_ca).transpose()?;
        let tls = match server.security {
            SmtpSecurity::Plain => Tls::Never,
            SmtpSecurity::StartTls => Tls::Later(tls_parameters(&server.host, ca)?),
            SmtpSecurity::Tls => {
                let wrong = |error: &dyn std::error::Error| MailSetupError::Tls(error.to_string());
                let name = ServerName::try_from(server.host.clone()).map_err(|error| wrong(&error))?;
                Tls::AtOnce(connector(ca).map_err(|error| wrong(&error))?, name)
            }
        };
        let credentials =
            server.login.as_ref().map(|login| Credentials::new(login.user.clone(), login.password.expose().to_owned()));
        // The sender's domain is a full name, and says nothing of this machine; many servers refuse a bare host name.
        let hello = ClientId::Domain(settings.from.email.domain().to_owned());
        let from = message::mailbox(&settings.from).map_err(|_| MailSetupError::Sender)?;
        Ok(Self { server, tls, hello, credentials, from, clock, kept: Arc::default() })
    }

    async fn deliver(&self, message: &Message) -> Result<(), MailError> {
        let mut connection = match self.take_kept().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match hand_over(&mut connection, message).await {
            Ok(()) => {
                self.keep(connection);
                Ok(())
            }
            Err((step, failure)) => Err(self.end(connection, step, &failure).await),
        }
    }

    /// Ends a conversation that failed: with a goodbye after an answer, just so after silence.
    async fn end(&self, connection: AsyncSmtpConnection, step: Step, failure: &Failure) -> MailError {
        if failure.is_reply() {
            say_goodbye(connection).await;
        }
        self.judge(step, failure)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let stream = timeout(CONNECT + COMMAND, self.reach()).await;
        let stream = stream.map_err(|_| Failure::TooLong).and_then(|reached| reached.map_err(Failure::Io));
        let stream = stream.map_err(|failure| self.judge(Step::Connect, &failure))?;
        let greeted = within(COMMAND, AsyncSmtpConnection::connect_with_transport(stream, &self.hello)).await;
        let mut connection = greeted.map_err(|failure| self.judge(Step::Connect, &failure))?;
        if let Tls::Later(tls) = &self.tls {
            let upgraded = within(COMMAND, connection.starttls(tls.clone(), &self.hello)).await;
            upgraded.map_err(|failure| self.judge(Step::Connect, &failure))?;
        }
        if let Some(credentials) = &self.credentials {
            let login = within(COMMAND, connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials)).await;
            if let Err(failure) = login {
                return Err(self.end(connection, Step::LogIn, &failure).await);
            }
        }
        Ok(connection)
    }

    async fn reach(&self) -> io::Result<Box<dyn AsyncTokioStream>> {
        let stream = wire::connect(&self.server.host, self.server.port, CONNECT).await?;
        Ok(match &self.tls {
            Tls::AtOnce(tls, name) => Box::new(Encrypted::begin(tls, name.clone(), stream).await?),
            Tls::Never | Tls::Later(_) => Box::new(stream),
        })
    }

    async fn take_kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let mut connection = kept.connection;
            if kept.since.elapsed() < KEPT && within(COURTESY, connection.command(Noop)).await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            return;
        }
        kept.push(Kept { connection, since: Instant::now() });
        // Nobody may come for it; then it is closed in time.
        let kept = Arc::downgrade(&self.kept);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            let Some(kept) = kept.upgrade() else { return };
            let old: Vec<Kept> = {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extract_if(.., |kept| kept.since.elapsed() >= KEPT).collect()
            };
            for kept in old {
                say_goodbye(kept.connection).await;
            }
        });
    }

    fn judge(&self, step: Step, failure: &Failure) -> MailError {
        let server = &self.server;
        let text = match failure {
            Failure::Io(error) => cause::tidy(&error.to_string()),
            Failure::Smtp(error) => cause::tidy(error.to_string().trim_start_matches("Connection error: ")),
            Failure::TooLong => "no answer in time".to_owned(),
        };
        if is_final(step, failure) {
            return MailError::Permanent(text);
        }
        MailError::Temporary(match step {
            Step::Connect => format!("no connection to {server}: {text}{}", remedy(&text)),
            _ if !failure.is_reply() => format!("the connection to {server} broke off: {text}"),
            Step::LogIn => format!("{server} does not accept our user and password: {text}"),
            Step::Sender => format!("{server} does not accept the sender: {text}"),
            Step::Recipient | Step::Text => format!("{server} puts the mail off: {text}"),
        })
    }
}

impl Failure {
    /// Whether the server answered, and the conversation is in order.
    fn is_reply(&self) -> bool {
        matches!(self, Self::Smtp(error) if error.status().is_some())
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &OutgoingMail) -> Result<(), MailError> {
        let message = message::write(&self.from, mail, self.clock.now());
        let message = message.map_err(|error| MailError::Permanent(error.to_string()))?;
        self.deliver(&message).await
    }
}

async fn hand_over(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), (Step, Failure)> {
    let envelope = message.envelope();
    let sender = Mail::new(envelope.from().cloned(), Vec::new());
    within(COMMAND, connection.command(sender)).await.map_err(|failure| (Step::Sender, failure))?;
    for recipient in envelope.to() {
        let recipient = Rcpt::new(recipient.clone(), Vec::new());
        within(COMMAND, connection.command(recipient)).await.map_err(|failure| (Step::Recipient, failure))?;
    }
    within(COMMAND, connection.command(Data)).await.map_err(|failure| (Step::Text, failure))?;
    within(COMMAND, connection.message(&message.formatted())).await.map_err(|failure| (Step::Text, failure))?;
    Ok(())
}

/// Whether another try is of no use: a 5yz answer about the recipient or the text, of RFC 5321's category 5 (section
/// 4.2.1), the mail system's. 50z and 53z are about the conversation and our account.
fn is_final(step: Step, failure: &Failure) -> bool {
    match failure {
        Failure::Smtp(error) => {
            matches!(step, Step::Recipient | Step::Text)
                && error.is_permanent()
                && error.status().is_some_and(|code| code.category == Category::MailSystem)
        }
        Failure::Io(_) | Failure::TooLong => false,
    }
}

/// What an operator can do about a connection that fails in a known way.
fn remedy(text: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 6] = [
        ("UnknownIssuer", " (`mail.ca` names a private CA to trust)"),
        ("CaUsedAsEndEntity", " (the server shows a CA's certificate as its own: give it one with `CA:FALSE`)"),
        ("not valid for name", " (its certificate is for another name: write that name in `mail.smtp`)"),
        ("InvalidContentType", " (it does not begin with TLS: `smtp+starttls://` instead of `smtps://`?)"),
        ("STARTTLS is not supported", " (it offers no STARTTLS: `smtps://` instead?)"),
        ("no answer in time", " (if it begins with TLS: `smtps://`)"),
    ];
    REMEDIES.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, remedy)| remedy)
}

async fn within<Answer>(limit: Duration, step: impl Future<Output = Result<Answer, Error>>) -> Result<Answer, Failure> {
    match timeout(limit, step).await {
        Ok(answer) => answer.map_err(Failure::Smtp),
        Err(_) => Err(Failure::TooLong),
    }
}

async fn say_goodbye(mut connection: AsyncSmtpConnection) {
    // Nothing hangs on it.
    let _ = timeout(COURTESY, connection.abort()).await;
}

fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, MailSetupError> {
    let pem = std::fs::read(path).map_err(|cause| MailSetupError::CaUnreadable { path: path.to_owned(), cause })?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if certificates.is_empty() { Err(MailSetupError::CaEmpty(path.to_owned())) } else { Ok(certificates) }
}

/// TLS from the beginning: with a CA of our own, that one alone is believed.
fn connector(ca: Option<Vec<CertificateDer<'static>>>) -> Result<TlsConnector, rustls::Error> {
    let roots = match ca {
        None => system_roots(),
        Some(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate)?;
            }
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

/// TLS that is asked for, for lettre.
fn tls_parameters(host: &str, ca: Option<Vec<CertificateDer<'static>>>) -> Result<TlsParameters, MailSetupError> {
    let failed = |error: Error| MailSetupError::Tls(error.to_string());
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(certificates) = ca {
        tls = tls.certificate_store(CertificateStore::None);
        for certificate in certificates {
            tls = tls.add_root_certificate(Certificate::from_der(certificate.to_vec()).map_err(failed)?);
        }
    }
    tls.build_rustls().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(ca: Option<PathBuf>) -> MailSettings {
        MailSettings {
            server: SmtpServer::parse("smtps://gw:hunter2@127.0.0.1:1").expect("a server"),
            from: SenderAddress::parse("Example <login@example.com>").expect("a sender"),
            ca,
        }
    }

    #[test]
    fn a_ca_file_of_no_use_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let check = |expected: &str| {
            let error = SmtpMailer::new(&settings(Some(path.clone())), Clock).err().expect("refused").to_string();
            assert!(error.contains("ca.pem") && error.contains(expected), "{error}");
        };
        check("cannot be read");
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, text).expect("written");
            check("no certificate");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_worth_another_try() {
        // Port 1 is nobody's.
        let server = SmtpServer::parse("smtp://127.0.0.1:1").expect("a server");
        let mailer = SmtpMailer::new(&MailSettings { server, ..settings(None) }, Clock).expect("set up");
        let mail = OutgoingMail {
            to: "ann@example.com".to_owned(),
            subject: "Log in".to_owned(),
            text: String::new(),
            html: String::new(),
            unsubscribe: None,
        };
        match mailer.send(&mail).await {
            Err(MailError::Temporary(cause)) => assert!(cause.contains("no connection to 127.0.0.1:1"), "{cause}"),
            other => panic!("{other:?}"),
        }
        match mailer.send(&OutgoingMail { to: "nobody".to_owned(), ..mail }).await {
            Err(MailError::Permanent(cause)) => assert!(!cause.contains("nobody"), "{cause}"),
            other => panic!("{other:?}"),
        }
    }
}
