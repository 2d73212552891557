//! An unmodified app that speaks HTTP/2 only: services with streams and trailers, as gRPC has them, and answers that end in every
//! way in which HTTP/2 lets an answer end.
//!
//! | path | answer |
//! | --- | --- |
//! | `/echo.Echo/Each` | each piece of the request at once, then trailers |
//! | `/echo.Echo/Late` | all pieces, once the request has ended, then trailers |
//! | `/echo.Echo/Denied` | a head that is the last frame already, with `grpc-status: 7` |
//! | `/json?n=N&end=E` | JSON rows of customers 42 and 43; ends with the data, an empty frame, trailers, or the head alone |
//! | `/big?n=N` | N bytes |
//! | `/reset`, `/reset-body` | a stream that is reset, before the head and in the body |
//! | `/short`, `/long` | a body that is not as long as it says |
//! | `/early` | an answer before the request has ended |
//! | anything else | JSON of the request |

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::pki;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct SeenH2 {
    /// Which connection it came on, counted from zero.
    pub(crate) connection: usize,
    pub(crate) method: String,
    /// Scheme, authority and path together.
    pub(crate) uri: http::Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// The request came to its proper end.
    pub(crate) complete: bool,
}

impl SeenH2 {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// The running app.
pub(crate) struct UpstreamH2 {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<SeenH2>>>,
    open: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl UpstreamH2 {
    /// Starts it without TLS.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts it behind TLS.
    pub(crate) async fn start_tls(mut config: Arc<rustls::ServerConfig>) -> Self {
        Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec()];
        Self::start_with(Some(config.into())).await
    }

    async fn start_with(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        pki::provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let seen = Arc::<Mutex<Vec<SeenH2>>>::default();
        let open = Arc::<AtomicUsize>::default();
        let (all, counted) = (seen.clone(), open.clone());
        let task = tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                stream.set_nodelay(true).expect("an open socket");
                let (seen, tls, open) = (all.clone(), tls.clone(), counted.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(number, stream, seen, open).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            connection(number, stream, seen, open).await;
                        }
                    }
                });
            }
        });
        Self { address, scheme, seen, open, task }
    }

    /// Its address as the config file wants it.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<SeenH2> {
        self.seen.lock().expect("no test panics with the lock held").clone()
    }

    /// How many requests are being answered now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The latest request.
    pub(crate) fn last(&self) -> SeenH2 {
        self.seen().pop().expect("a request reached the upstream")
    }
}

impl Drop for UpstreamH2 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(
    number: usize,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<SeenH2>>>,
    open: Arc<AtomicUsize>,
) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        if head.uri.path() == "/last" {
            connection.graceful_shutdown();
        }
        let index = {
            let mut all = seen.lock().expect("no test panics with the lock held");
            all.push(SeenH2 {
                connection: number,
                method: head.method.to_string(),
                uri: head.uri.clone(),
                headers: head.headers.clone(),
                body: Vec::new(),
                trailers: HeaderMap::new(),
                complete: false,
            });
            all.len() - 1
        };
        let request = Incoming { head: Request::from_parts(head, ()), body, index, seen: seen.clone() };
        let open = open.clone();
        tokio::spawn(async move {
            open.fetch_add(1, Ordering::SeqCst);
            answer(request, respond).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// A request on its way in.
struct Incoming {
    head: Request<()>,
    body: RecvStream,
    index: usize,
    seen: Arc<Mutex<Vec<SeenH2>>>,
}

impl Incoming {
    /// The next piece of its body, kept too.
    async fn piece(&mut self) -> Option<Bytes> {
        if let Some(piece) = self.body.data().await {
            let piece = piece.ok()?;
            let _gone = self.body.flow_control().release_capacity(piece.len());
            self.seen.lock().expect("no test panics with the lock held")[self.index].body.extend_from_slice(&piece);
            return Some(piece);
        }
        let trailers = self.body.trailers().await;
        let seen = &mut self.seen.lock().expect("no test panics with the lock held")[self.index];
        seen.complete = trailers.is_ok();
        seen.trailers = trailers.ok().flatten().unwrap_or_default();
        None
    }

    async fn all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await {
            all.extend_from_slice(&piece);
        }
        all
    }
}

/// Sends a piece when there is room for it.
async fn send(stream: &mut SendStream<Bytes>, mut piece: Bytes) -> Option<()> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await?.ok()?;
        stream.send_data(piece.split_to(room.min(piece.len())), false).ok()?;
    }
    Some(())
}

fn trailers(status: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    trailers.insert("grpc-message", HeaderValue::from_static("as%20told"));
    trailers.insert("set-cookie", HeaderValue::from_static("__Host-access=stolen"));
    trailers
}

async fn answer(mut request: Incoming, mut respond: SendResponse<Bytes>) -> Option<()> {
    let path = request.head.uri().path().to_owned();
    let query = request.head.uri().query().unwrap_or_default().to_owned();
    let word = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).unwrap_or("");
    let head = |kind: &str| Response::builder().header("content-type", kind);
    let grpc = "application/grpc";
    match path.as_str() {
        "/echo.Echo/Each" => {
            let mut stream = respond.send_response(head(grpc).body(()).expect("a head"), false).ok()?;
            while let Some(piece) = request.piece().await {
                send(&mut stream, piece).await?;
            }
            stream.send_trailers(trailers("0")).ok()
        }
        "/echo.Echo/Late" => {
            let all = request.all().await;
            let mut stream = respond.send_response(head(grpc).body(()).expect("a head"), false).ok()?;
            send(&mut stream, all.into()).await?;
            stream.send_trailers(trailers("0")).ok()
        }
        "/echo.Echo/Denied" => {
            let head = head(grpc).header("grpc-status", "7").body(()).expect("a head");
            respond.send_response(head, true).ok().map(drop)
        }
        "/json" => {
            request.all().await;
            let end = word("end");
            let answer = head("application/json").body(()).expect("a head");
            if end == "head" {
                return respond.send_response(answer, true).ok().map(drop);
            }
            let mut stream = respond.send_response(answer, false).ok()?;
            let note = "x".repeat(100);
            let rows = (0..word("n").parse().unwrap_or(2))
                .map(|id| json!({"id": id, "customer": (42 + id % 2).to_string(), "price": 7.77, "note": note}));
            let text = Bytes::from(serde_json::Value::Array(rows.collect()).to_string());
            match end {
                "data" => stream.send_data(text, true).ok(),
                "empty" => {
                    send(&mut stream, text).await?;
                    stream.send_data(Bytes::new(), true).ok()
                }
                "cut" => {
                    send(&mut stream, text.slice(..text.len() - 3)).await?;
                    stream.send_trailers(trailers("0")).ok()
                }
                _ => {
                    send(&mut stream, text).await?;
                    stream.send_trailers(trailers("0")).ok()
                }
            }
        }
        "/big" => {
            let mut left: usize = word("n").parse().unwrap_or(0);
            let mut stream = respond.send_response(Response::new(()), false).ok()?;
            while left > 0 {
                let size = left.min(16_384);
                send(&mut stream, vec![b'x'; size].into()).await?;
                left -= size;
            }
            stream.send_data(Bytes::new(), true).ok()
        }
        "/reset" => {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            None
        }
        "/reset-body" => {
            let mut stream = respond.send_response(Response::new(()), false).ok()?;
            send(&mut stream, Bytes::from_static(b"half")).await?;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
            None
        }
        "/short" | "/long" => {
            let length = if path == "/short" { "10" } else { "2" };
            let head = Response::builder().header("content-length", length).body(()).expect("a head");
            let mut stream = respond.send_response(head, false).ok()?;
            stream.send_data(Bytes::from_static(b"four"), true).ok()
        }
        "/early" => {
            let mut stream =
                respond.send_response(Response::builder().status(422).body(()).expect("a head"), false).ok()?;
            stream.send_data(Bytes::from_static(b"no more"), true).ok()
        }
        _ => {
            let body = request.all().await;
            let told = json!({
                "method": request.head.method().as_str(),
                "uri": request.head.uri().to_string(),
                "id": request.head.headers().get("x-id").map(|id| id.to_str().expect("text")),
                "body_length": body.len(),
            });
            let mut stream = respond.send_response(head("application/json").body(()).expect("a head"), false).ok()?;
            stream.send_data(told.to_string().into(), true).ok()
        }
    }
}
