//! A web server that gives out customers' tables, and behaves as a story tells it: in its right mind or not.
//!
//! Written by hand, for what counts is what really comes over the wire: a body that breaks off, a server that says nothing, and
//! which header fields it was sent. One request a connection.
//!
//! ```text
//! let server = TableServer::start(None, |asked| Told::csv("email\nann@example.com\n")).await;
//! server.conduct(|_| Told::Silence);
//! ```

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;

use crate::pki::{self, Leaf};

/// One request that it got.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
}

impl Asked {
    /// A header field, where it came.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// What it does.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Answers: status, header fields, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Begins an answer of this type, and breaks off in the middle.
    Half(&'static str, String),
    /// Takes the request and says nothing.
    Silence,
    /// Hangs up.
    Nothing,
}

impl Told {
    /// A table as CSV.
    pub(crate) fn csv(text: impl Into<String>) -> Self {
        Self::Answer(200, vec![("Content-Type", "text/csv; charset=utf-8".to_owned())], text.into().into_bytes())
    }

    /// Any JSON.
    pub(crate) fn json(value: &Value) -> Self {
        let fields = vec![("Content-Type", "application/json".to_owned())];
        Self::Answer(200, fields, value.to_string().into_bytes())
    }

    /// Nothing but a status.
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    /// A way to somewhere else.
    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::Answer(302, vec![("Location", to.into())], Vec::new())
    }

    /// The same answer with another header field.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer(status, mut fields, body) => {
                fields.push((name, value.to_owned()));
                Self::Answer(status, fields, body)
            }
            other => other,
        }
    }
}

type Conduct = Arc<dyn Fn(&Asked) -> Told + Send + Sync>;

/// A running server; it ends when it is dropped.
pub(crate) struct TableServer {
    address: SocketAddr,
    scheme: &'static str,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

struct Inner {
    conduct: Mutex<Conduct>,
    asked: Mutex<Vec<Asked>>,
}

impl Drop for TableServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TableServer {
    /// Starts it on a free port; with TLS where there is a certificate for it.
    pub(crate) async fn start(leaf: Option<&Leaf>, conduct: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), leaf, conduct).await
    }

    /// Starts it on a port of its own, as after a restart.
    pub(crate) async fn start_at(
        address: SocketAddr,
        leaf: Option<&Leaf>,
        conduct: impl Fn(&Asked) -> Told + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let tls = leaf.map(|leaf| tokio_rustls::TlsAcceptor::from(pki::server(leaf)));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let inner = Arc::new(Inner { conduct: Mutex::new(Arc::new(conduct)), asked: Mutex::default() });
        let server = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (Arc::clone(&server), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => server.connection(stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => server.connection(stream).await,
                            Err(_) => None,
                        },
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, scheme, inner, task }
    }

    /// Behaves otherwise from now on.
    pub(crate) fn conduct(&self, conduct: impl Fn(&Asked) -> Told + Send + Sync + 'static) {
        *self.inner.conduct.lock().expect("no test panics with the lock held") = Arc::new(conduct);
    }

    /// Where it is, without a path.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Its address, to start it there again.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it was asked since then.
    pub(crate) fn count(&self) -> usize {
        self.inner.asked.lock().expect("no test panics with the lock held").len()
    }

    /// Everything it was asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.inner.asked.lock().expect("no test panics with the lock held"))
    }
}

impl Inner {
    /// Serves one request; `None` when the other side goes away.
    async fn connection(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut wire = BufStream::new(stream);
        let mut line = String::new();
        wire.read_line(&mut line).await.ok()?;
        let target = line.split(' ').nth(1)?.to_owned();
        let mut fields = Vec::new();
        loop {
            line.clear();
            wire.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let asked = Asked { target, fields };
        self.asked.lock().expect("no test panics with the lock held").push(asked.clone());
        let conduct = Arc::clone(&self.conduct.lock().expect("no test panics with the lock held"));
        let (head, body) = match conduct(&asked) {
            Told::Nothing => return None,
            Told::Silence => {
                // The other side hangs up in the end.
                line.clear();
                let _ = wire.read_line(&mut line).await;
                return None;
            }
            Told::Half(kind, begin) => {
                let length = begin.len() + 100;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
                (head, begin.into_bytes())
            }
            Told::Answer(status, fields, body) => {
                let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                // A 304 has no body, whatever its length says (RFC 9110, section 15.4.5).
                let length = if status == 304 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
                (format!("HTTP/1.1 {status} So\r\n{fields}{length}Connection: close\r\n\r\n"), body)
            }
        };
        wire.write_all(head.as_bytes()).await.ok()?;
        wire.write_all(&body).await.ok()?;
        wire.flush().await.ok()?;
        wire.shutdown().await.ok()
    }
}
